"""Cross-validation: how well a declaration does on records that it was not trained on, fold by fold."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from derive.errors import SpecError, TrainingError
from derive.spec import OPTIONS
from numerics import parallel
from numerics.datasets import Source, source
from numerics.model.continuum import Continuum, Declared, resolve
from numerics.model.units import domain_of
from numerics.training.options import check_names
from numerics.training.run import fit

Array = np.ndarray
Scores = dict[str, float]

SETTINGS = {*OPTIONS} - {"seed"} | {"callback"}


@dataclass(frozen=True)
class CrossValidation:
    """scores: of the held-out records, fold by fold, as ``Continuum.scores`` gives them."""

    scores: tuple[Scores, ...]

    @property
    def mean(self) -> Scores:
        """Of the folds."""
        return {name: float(np.mean([fold[name] for fold in self.scores])) for name in self.scores[0]}

    @property
    def deviation(self) -> Scores:
        """The standard deviation between the folds."""
        return {name: float(np.std([fold[name] for fold in self.scores], ddof=1)) for name in self.scores[0]}

    @property
    def rank(self) -> tuple[float, float]:
        """Larger is better: by accuracy where there are classes, then by the loss."""
        return self.mean.get("accuracy", 0.0), -self.mean["loss"]

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:.4g} ± {self.deviation[name]:.2g}" for name, value in self.mean.items())


def cross_validate(
    spec: Declared, x: Any, y: Any = None, xi: Any = None, *, weights: Any = None, folds: int = 5, seed: int = 0,
    **settings: Any,
) -> CrossValidation:  # fmt: skip
    """Scores on every fold of the records of a model that was trained on the others.

    spec: as for ``Continuum.from_spec``; x, y, xi, weights: as for ``fit``; seed: draws the folds and, the same in all
    of them, the first fields; settings: options of ``fit``, those left out are the spec's. Folds are trained side by
    side where ``joblib.parallel_config`` says so, with the same scores. Raises what ``fit`` raises.
    """
    check_names(settings, SETTINGS, "a typing error, or an option that writes a file")
    data = source(x, xi=xi, y=y, weights=weights)
    model = Continuum.from_spec(resolve(spec), seed=seed)
    domain = model.units.domain or domain_of(model.spec, data) or ((-1.0, 1.0),) * model.spec.dimension
    model = model.replace(units=replace(model.units, domain=domain))  # of all records: no fold's points are outside
    fold = partition(len(data), model.class_labels(data), folds, seed)
    own = partial(_scores, model, data, fold, {"seed": seed, **settings})
    return CrossValidation(tuple(parallel.each(own, range(folds))))


def _scores(model: Continuum, data: Source, fold: Array, settings: Mapping[str, Any], held: int) -> Scores:
    """Of a model that was trained without one of the folds."""
    trained = fit(model, data.take(np.flatnonzero(fold != held)), **settings)
    return trained.scores(trained.prepare(data.take(np.flatnonzero(fold == held))))


def partition(count: int, labels: Array | None, folds: int, seed: int) -> Array:
    """The fold of every record (count,). Folds differ by one record at most, in all and of each class.

    labels: (count,) classes, or None. Raises TrainingError for folds that would be empty, or lack a class.
    """
    whole = isinstance(folds, int | np.integer) and not isinstance(folds, bool)
    if not whole or not 2 <= folds <= count:
        raise TrainingError(
            f"{folds!r} folds of {count} records", f"a whole number from 2 to {count}", "too few records, or a share",
            f"write folds = {min(5, count)}, or give more records" if count > 1 else "give more records",
        )  # fmt: skip
    order = np.random.default_rng(seed).permutation(count)
    if labels is not None:
        alone = np.flatnonzero(np.bincount(labels) == 1)
        if alone.size:
            raise TrainingError(
                f"a single record of class {alone[0]}", "two of every class, or more",
                "held out, it leaves none to learn from", "leave the class out, or give more records of it",
                f"record {np.flatnonzero(labels == alone[0])[0]}",
            )  # fmt: skip
        order = order[np.argsort(labels[order], kind="stable")]  # neighbours share a class
    found = np.empty(count, dtype=np.int64)
    found[order] = np.arange(count) % folds
    return found


def varied(
    declared: Mapping[str, Any], choices: Mapping[str, Sequence[Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every combination of values for keys such as "training.learning_rate", with the declaration that it makes.

    Raises SpecError for a key inside what is no table.
    """
    for values in itertools.product(*choices.values()):
        setting = dict(zip(choices, values))
        found = copy.deepcopy(dict(declared))
        for path, value in setting.items():
            *tables, key = path.split(".")
            place = found
            for table in tables:
                place = place.setdefault(table, {})
                if not isinstance(place, dict):
                    raise SpecError(
                        f"the key {path!r}", "table.key, as in training.learning_rate",
                        f"{table} is a value and has no keys", "correct the key",
                    )  # fmt: skip
            place[key] = value
        yield setting, found
