"""scikit-learn's estimators: classes, numbers, and functions of functions.

They take what scikit-learn takes, a row a record whose samples are evenly spaced, and beside it records at any points:
``fit(X, y, t=t)``, ``predict(X, t=t)``, with t in the user's units.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_array, check_is_fitted, column_or_1d

from derive.errors import DataError, SpecError
from derive.spec import Spec
from numerics.checks import warn
from numerics.datasets import Records, records
from numerics.datasets.given import without_gaps
from numerics.estimators.choices import Choices, ends
from numerics.estimators.rows import records_of, tagged
from numerics.model.continuum import Continuum, resolve
from numerics.model.ensemble import Ensemble
from numerics.model.units import domain_of
from numerics.training.comparison import compared, verdict
from numerics.training.run import fit

Array = np.ndarray

FEW = 2000  # records up to which every step looks at all of them
EPOCHS = {"lbfgs": 150, "adam": 100}
BATCH = 128
PLAIN = Choices()


class _Learner(BaseEstimator):  # type: ignore[misc]
    """What the estimators share.

    spec: a spec, in place of the plain choices: a path, a table, or the name of a generated one. width, depth,
    channels, reach, periodic, penalty: see ``Choices``. domain: (start, stop) in the units of t, None for as far as the
    points of the training records reach; unit: what these units are called. scale: of samples and targets, "standard",
    "robust" or "none". missing: "unsampled" where NaN is no sample, else "refused".

    epochs, optimiser, learning_rate, batch: of training, None for what suits the number of records. validation: a share
    of the records that are held out; after ``patience`` epochs without an improvement on them training stops.
    n_estimators: models that are trained from first fields of their own, and whose outputs (of classes the
    probabilities) are averaged. random_state: draws these.

    After ``fit``: model_, the Continuum, or Ensemble of several; classes_; n_iter_, epochs of the longest training;
    n_features_in_, samples a row.
    """

    def __init__(
        self, spec: Any = None, *, width: int | None = None, depth: int = 4, channels: int | None = None,
        reach: Any = None, periodic: bool = False, penalty: float = 1 / 100, domain: Any = None,
        unit: str | None = None, scale: str = "standard", missing: str = "refused", epochs: int | None = None,
        optimiser: str | None = None, learning_rate: float | None = None, batch: int | None = None,
        validation: float = 0.0, patience: int | None = None, n_estimators: int = 4, random_state: Any = None,
    ) -> None:  # fmt: skip
        self.spec = spec
        self.width = width
        self.depth = depth
        self.channels = channels
        self.reach = reach
        self.periodic = periodic
        self.penalty = penalty
        self.domain = domain
        self.unit = unit
        self.scale = scale
        self.missing = missing
        self.epochs = epochs
        self.optimiser = optimiser
        self.learning_rate = learning_rate
        self.batch = batch
        self.validation = validation
        self.patience = patience
        self.n_estimators = n_estimators
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        return tagged(self, super().__sklearn_tags__())

    def _train(self, data: Records, readout: dict[str, Any], loss: str, weights: Array | None) -> None:
        """Train on records with their targets."""
        if not isinstance(self.n_estimators, int | np.integer) or self.n_estimators < 1:
            raise DataError(f"n_estimators = {self.n_estimators!r}", "a whole number from 1", "a sign", "write 4")
        generator = check_random_state(self.random_state)
        seeds = [int(generator.randint(np.iinfo(np.int32).max)) for _ in range(self.n_estimators)]
        declared = resolve(self._declared(data, readout, loss))
        models: list[Continuum] = []
        for seed in seeds:
            model = Continuum.from_spec(declared, seed=seed)
            domain = model.units.domain or domain_of(model.spec, data)  # which fit would find, and say
            own = replace(model.units, domain=domain)
            model = model.replace(units=models[0].units if models else own)  # one scale, whatever each holds out
            models.append(fit(model, data, weights=weights, seed=seed, **self._options(model.spec, len(data))))
        self.model_ = models[0] if len(models) == 1 else Ensemble(tuple(models))
        self.n_iter_ = max(len(model.history) for model in models)

    def _options(self, spec: Spec, count: int) -> dict[str, Any]:
        """Options of training with so many records: what was given, then the spec's own, or what suits the number."""
        few = count <= FEW
        optimiser = self.optimiser or (spec.training.optimiser if self.spec is not None else "lbfgs" if few else "adam")
        found: dict[str, Any] = {"optimiser": optimiser}
        if self.spec is None:
            found |= {"epochs": EPOCHS.get(optimiser, 100), "learning_rate": 0.1 if optimiser == "lbfgs" else 0.01}
            found |= {"batch": BATCH} if optimiser == "adam" and not few else {}
        given = {name: getattr(self, name) for name in ("epochs", "learning_rate", "batch", "patience")}
        given["validation"] = self.validation or None
        return found | {name: value for name, value in given.items() if value is not None}

    def _declared(self, data: Records, readout: dict[str, Any], loss: str) -> Any:
        if self.spec is not None:
            return self._own(readout, loss)
        given: dict[str, Any] = {"scale": self.scale, "missing": self.missing}
        if self.domain is not None:
            given["domain"] = ends(self.domain)
        if self.unit is not None:
            given["unit"] = self.unit
        if loss != "cross-entropy":
            readout = {**readout, "scale": self.scale}
        choices = Choices(self.width, self.depth, self.channels, self.reach, bool(self.periodic), self.penalty)
        return choices.declare(data.channels, int(data.lengths.max()), readout, loss, given)

    def _own(self, readout: dict[str, Any], loss: str) -> Any:
        """The spec that was given. Raises SpecError where choices stand beside it, or it is of another problem."""
        chosen = Choices(self.width, self.depth, self.channels, self.reach, bool(self.periodic), self.penalty)
        if chosen != PLAIN or self.domain is not None or self.unit is not None:
            raise SpecError(
                "a spec beside width, depth, channels, reach, periodic, penalty, domain or unit", "one of the two",
                "the spec says all of these", "write them into the spec, or leave it out",
            )  # fmt: skip
        spec = resolve(self.spec)
        if (spec.comparison.targets == "classes") != (loss == "cross-entropy"):
            raise SpecError(
                f"the loss {spec.loss} for {type(self).__name__}",
                "cross-entropy" if loss == "cross-entropy" else "a loss of numbers",
                "a spec of another kind of problem", "use another estimator, or another spec", "loss.kind",
            )  # fmt: skip
        if spec.functional != ("basis" in readout) or (spec.functional and spec.outputs != readout["outputs"]):
            raise SpecError(
                f"a spec with {spec.outputs if spec.functional else 'functions as'} outputs",
                f"{readout['outputs']}" if "basis" in readout else "functions", "a spec of another problem",
                "change readout", "readout.outputs",
            )  # fmt: skip
        return spec


class ContinuumClassifier(ClassifierMixin, _Learner):  # type: ignore[misc]
    """Classes of records that are functions, however they were sampled.

    Parameters as of all estimators here, see ``ContinuumRegressor``; class_weight: "balanced", or a dict, as in
    scikit-learn.
    """

    def __init__(
        self, spec: Any = None, *, width: int | None = None, depth: int = 4, channels: int | None = None,
        reach: Any = None, periodic: bool = False, penalty: float = 1 / 100, domain: Any = None,
        unit: str | None = None, scale: str = "standard", missing: str = "refused", epochs: int | None = None,
        optimiser: str | None = None, learning_rate: float | None = None, batch: int | None = None,
        validation: float = 0.0, patience: int | None = None, n_estimators: int = 4, class_weight: Any = None,
        random_state: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            spec, width=width, depth=depth, channels=channels, reach=reach, periodic=periodic, penalty=penalty,
            domain=domain, unit=unit, scale=scale, missing=missing, epochs=epochs, optimiser=optimiser,
            learning_rate=learning_rate, batch=batch, validation=validation, patience=patience,
            n_estimators=n_estimators, random_state=random_state,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, t: Any = None, sample_weight: Any = None) -> ContinuumClassifier:
        """Train on records X (records, samples[, channels]), or any container, and their labels (records,).

        t: points in the user's units, shared (samples,) or a list a record. Raises DataError, ValueError.
        """
        data = records_of(self, X, t, first=True)
        labels = _labels(y, len(data))
        check_classification_targets(labels)
        self.classes_, places = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(
                f"one class, {self.classes_[0]!r}", "two classes or more", "records that were sorted or filtered",
                "give records of several classes",
            )  # fmt: skip
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, labels)
        if self.class_weight is not None:
            own = compute_sample_weight(self.class_weight, labels)
            weights = own if weights is None else weights * own
        readout = {"outputs": len(self.classes_), "basis": {}}
        self._train(replace(data, y=places.astype(np.int64), classes=()), readout, "cross-entropy", weights)
        return self

    def predict_log_proba(self, X: Any, t: Any = None) -> Array:
        """Logarithms of the probabilities of the classes (records, classes), in the order of ``classes_``."""
        check_is_fitted(self)
        return np.asarray(log_softmax(self.model_(records_of(self, X, t)), axis=1))

    def predict_proba(self, X: Any, t: Any = None) -> Array:
        """Probabilities of the classes (records, classes), in the order of ``classes_``."""
        return np.asarray(np.exp(self.predict_log_proba(X, t)))

    def score(self, X: Any, y: Any, sample_weight: Any = None, t: Any = None) -> float:
        """The share of records whose class is right."""
        return float(accuracy_score(y, self.predict(X, t), sample_weight=sample_weight))

    def predict(self, X: Any, t: Any = None) -> Array:
        """The likeliest class of each record."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_log_proba(X, t).argmax(axis=1)])


class ContinuumRegressor(RegressorMixin, _Learner):  # type: ignore[misc]
    __doc__ = f"""One or many numbers of records that are functions, however they were sampled.

    {(_Learner.__doc__ or "").split(chr(10), 2)[2].strip()}
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, t: Any = None, sample_weight: Any = None) -> ContinuumRegressor:
        """Train on records X (records, samples[, channels]), or any container, and numbers (records,) or (records, k).

        t: points in the user's units, shared (samples,) or a list a record. Raises DataError, ValueError.
        """
        data = records_of(self, X, t, first=True)
        numbers = _numbers(y, len(data))
        self._single = numbers.ndim == 1
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, numbers)
        columns = numbers.reshape(len(numbers), -1)
        self._train(replace(data, y=columns, classes=()), {"outputs": columns.shape[1], "basis": {}}, "l2", weights)
        return self

    def score(self, X: Any, y: Any, sample_weight: Any = None, t: Any = None) -> float:
        """R² of the numbers, the mean of their columns'."""
        return float(r2_score(y, self.predict(X, t), sample_weight=sample_weight))

    def predict(self, X: Any, t: Any = None) -> Array:
        """The numbers, (records,) or (records, k) as in training."""
        check_is_fitted(self)
        found = np.asarray(self.model_(records_of(self, X, t)))
        return found[:, 0] if self._single else found


class ContinuumOperator(_Learner):
    """Functions of functions: y(ξ) from x(ξ), each at points of its own.

    Parameters as of all estimators here, see ``ContinuumRegressor``.
    """

    def fit(self, X: Any, y: Any, t: Any = None, t_out: Any = None, sample_weight: Any = None) -> ContinuumOperator:
        """Train on records X and functions y, both (records, samples[, channels]), or lists of (samples[, channels]).

        t: points of X in the user's units, shared or a list a record; t_out: those of y, None where they are X's.
        Raises DataError, ValueError.
        """
        data = records_of(self, X, t, first=True)
        known = self._functions(data, y, t_out)
        self._single = np.ndim(next(iter(y.to_numpy() if hasattr(y, "to_numpy") else y))) == 1
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, np.arange(len(data)))
        data = replace(data, y=None, classes=(), elsewhere=known)
        self._train(data, {"outputs": known.channels}, "l2", weights)
        first = self.model_.models[0] if isinstance(self.model_, Ensemble) else self.model_
        sentence = verdict(first.scores(first.prepare(data)), compared(first, data))
        if sentence:
            warn(f"{sentence} They are those of the training; try more epochs, or be content with the simpler one")
        return self

    def predict(self, X: Any, t: Any = None, at: Any = None) -> Any:
        """Functions at the points ``at``, or at those of X: (records, points[, channels]), or a list of such."""
        check_is_fitted(self)
        found = self.model_(records_of(self, X, t), at=at)
        if not self._single:
            return found
        return [part[..., 0] for part in found] if isinstance(found, list) else found[..., 0]

    def score(self, X: Any, y: Any, t: Any = None, t_out: Any = None) -> float:
        """R² of all functions together: one less the squared distances over those from the mean function."""
        check_is_fitted(self)
        data = records_of(self, X, t)
        known = self._functions(data, y, t_out)
        models = self.model_.models if isinstance(self.model_, Ensemble) else (self.model_,)
        prepared = models[0].prepare(replace(data, y=None, classes=(), elsewhere=known))  # which all see alike
        wanted, outputs = prepared.wanted(), np.mean([model.outputs(prepared) for model in models], axis=0)
        apart = np.sum((outputs.T - wanted) ** 2) + prepared.offset.sum()
        spread = np.sum((wanted - wanted.mean(axis=1, keepdims=True)) ** 2) + prepared.offset.sum()
        return float(1 - apart / spread)

    def _functions(self, data: Records, y: Any, t_out: Any) -> Records:
        """Target functions as records, at points of their own or at those of the records. Raises DataError."""
        if y is None:
            raise DataError("no target functions", "y, a function a record", "y was left out", "give y")
        found = records(y, xi=t_out)
        if len(found) != len(data):
            raise DataError(
                f"{len(found)} functions for {len(data)} records", "one function a record",
                "targets of other records, or records that were left out", "leave both out",
            )  # fmt: skip
        if t_out is None and not np.array_equal(found.lengths, data.lengths):
            raise DataError(
                f"functions of {found.lengths[0]} samples for records of {data.lengths[0]}",
                "as many samples, or points of their own", "target functions that were sampled elsewhere",
                "give their points as t_out",
            )  # fmt: skip
        return without_gaps(records(y, xi=data.points()) if t_out is None and data.xi is not None else found)


def _labels(y: Any, count: int) -> Array:
    """Labels (records,). Raises ValueError."""
    if y is None:
        raise DataError("no labels: y should be a 1d array", "a label a record", "y was left out", "give y")
    found = column_or_1d(check_array(y, ensure_2d=False, dtype=None, ensure_all_finite=False), warn=True)
    return _as_many(found, count)


def _numbers(y: Any, count: int) -> Array:
    """Numbers (records,) or (records, k). Raises ValueError."""
    if y is None:
        raise DataError("no targets: y should be a 1d array", "numbers, one a record", "y was left out", "give y")
    found = np.asarray(check_array(y, ensure_2d=False, dtype=np.float64, input_name="y"))
    return _as_many(found, count)


def _as_many(y: Array, count: int) -> Array:
    if len(y) != count:
        raise DataError(
            f"{len(y)} targets for {count} records: inconsistent numbers of samples", "one target a record",
            "records or targets that were left out", "leave both out",
        )  # fmt: skip
    return y
