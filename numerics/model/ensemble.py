"""Several models as one: the mean of what they give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import logsumexp

from derive.errors import DataError, RepresentationError
from derive.spec import Spec
from numerics import parallel
from numerics.checks import instance
from numerics.datasets import Records, Source, source
from numerics.model.continuum import Continuum, parts_of, together
from numerics.model.prepared import Prepared
from numerics.model.units import Scale

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The mean of several models: of their functions or numbers, and of classifiers that of their probabilities.

    models: one or more, which answer the same question; bases, rates, steps and levels may differ. A classifier's
    outputs are scores again: the logarithms of the mean probabilities. Called and scored like a Continuum, model by
    model, or side by side where ``joblib.parallel_config`` says so.
    Raises DataError for what are no models, RepresentationError for models of different inputs or outputs.
    """

    models: Sequence[Continuum]

    def __post_init__(self) -> None:
        given: Any = self.models
        models = tuple(given) if isinstance(given, Iterable) else (given,)
        for model in models:
            instance(model, Continuum, "give a list of models, as numerics.load reads them")
        if not models:
            raise DataError("no models", "one or more", "an empty list", "give a list of models")
        object.__setattr__(self, "models", models)
        first = _answers(models[0])
        for number, model in enumerate(models[1:], 2):
            for what, value in _answers(model).items():
                if value != first[what]:
                    raise RepresentationError(
                        f"{what} {value!r} of model {number}, {first[what]!r} of model 1",
                        "models that take the same records and give the same outputs",
                        "models of different problems", "leave that model out",
                    )  # fmt: skip

    @property
    def spec(self) -> Spec:
        """The first model's; what records and outputs are is the same in all of them."""
        return self.models[0].spec

    def __call__(self, x: Any, xi: Any = None, at: Any = None) -> Any:
        """Outputs for records at any points, shaped as a single model's."""
        return together(self.answers(source(x, xi=xi), at))

    def answers(self, data: Source, at: Any = None) -> Iterator[Any]:
        """What a call returns, part by part of the records."""
        return parts_of(data, lambda part: self.answer(part, at))

    def answer(self, data: Records, at: Any = None) -> Any:
        """What a call returns, of records that are worked on at once."""
        outputs = parallel.each(partial(_answer, data, at), self.models)
        if isinstance(outputs[0], list):
            return [np.mean(values, axis=0) for values in zip(*outputs)]
        return self._mean(outputs)

    def prepare(self, data: Source) -> tuple[Prepared, ...]:
        """The records as each of the models sees them."""
        return tuple(model.prepare(data) for model in self.models)

    def scores(self, prepared: tuple[Prepared, ...]) -> dict[str, float]:
        """Loss (the first model's, without penalties) and accuracy, or root mean square, of the mean.

        Raises RepresentationError for functions in different state bases, whose mean is in none of them.
        """
        states = {str(model.spec.slabs[-1].state) for model in self.models}
        if not self.spec.functional and len(states) > 1:
            raise RepresentationError(
                f"the loss of functions in {len(states)} state bases", "models with one basis of the final state",
                "models of different levels", "compare values at points: call the ensemble with `at`, or `predict`",
            )  # fmt: skip
        if not isinstance(prepared, tuple) or len(prepared) != len(self.models):
            raise DataError(
                "records that were prepared for something else", f"those of {len(self.models)} models",
                "prepared by a single model", "give ensemble.prepare(records)",
            )  # fmt: skip
        scales = [model.units.targets for model in self.models]
        alike = all(scale == scales[0] for scale in scales)

        def scored() -> Iterator[tuple[Array, Prepared]]:
            for part in zip(*(own.parts for own in prepared)):
                outputs = parallel.each(_outputs, zip(self.models, part))
                own = outputs if alike else [self._rescaled(z, scale) for z, scale in zip(outputs, scales)]
                yield self._mean(own), part[0]

        return self.models[0].scores_of(scored())

    def _rescaled(self, z: Array, scale: Scale | None) -> Array:
        """Outputs on one scale, on that of the first model."""
        own = self.models[0].units.targets
        if not self.spec.functional:
            raise RepresentationError(
                "the loss of functions on several scales", "models that were trained on the same records",
                "input.scale or readout.scale with other records for each", "compare values at points: `predict`",
            )  # fmt: skip
        values = z if scale is None else scale.back(z)
        return values if own is None else own.to(values)

    def labels(self, outputs: Any) -> Array | None:
        """A classifier's answers for the ensemble's outputs."""
        return self.models[0].labels(outputs)

    def lines(self, finer: int = 1) -> tuple[Array, ...]:
        """Equally spaced points along every axis, as a single model gives them."""
        return self.models[0].lines(finer)

    def sample_points(self, data: Records) -> list[Any]:
        """Every record's points, as a single model gives them."""
        return self.models[0].sample_points(data)

    def _mean(self, outputs: list[Array]) -> Array:
        """Of classes the logarithm of the mean probability; these underflow where their logarithms do not."""
        if not self.spec.comparison.scores:
            return np.asarray(np.mean(outputs, axis=0))
        logarithms = [scores - logsumexp(scores, axis=1, keepdims=True) for scores in outputs]
        return np.asarray(logsumexp(logarithms, axis=0) - np.log(len(outputs)))


def _answer(data: Records, at: Any, model: Continuum) -> Any:
    return model.answer(data, at)


def _outputs(own: tuple[Continuum, Prepared]) -> Array:
    model, prepared = own
    return model.outputs(prepared)


def _answers(model: Continuum) -> dict[str, Any]:
    """What models have to share for their outputs to be comparable."""
    spec = model.spec
    return {
        "equation.dimension": spec.dimension,
        "channels of records": spec.record_channels,
        "input.interpolant": spec.interpolant,
        "equation.periodic": spec.periodic,
        "loss.kind": spec.loss,
        "loss.weight": spec.loss_weight,
        "outputs": spec.outputs if spec.functional else f"functions of {spec.output_channels} channels",
        "classes": model.names,
    }
