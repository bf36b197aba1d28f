"""``model.plot``: what a model is and does, each as a Figure.

A model is whatever has a ``Continuum``'s methods: the rooms above this one hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from derive.errors import DataError
from numerics.datasets import Records, labels, records
from numerics.pictures import fields, predictions, states, training
from numerics.pictures.axes import Array, Frame
from numerics.pictures.records import first_of_each

GRID = 121  # points of a state


@dataclass(frozen=True)
class Plots:
    """Pictures of a model, with points in the user's units. Every method returns a matplotlib Figure."""

    model: Any

    @property
    def frame(self) -> Frame:
        """The units of the model's points."""
        return Frame(self.model.units.domain, self.model.spec.units.names)

    def loss(self) -> Any:
        """The loss over the epochs, one colour a level. Raises DataError for a model that was not trained."""
        if not self.model.history:
            raise DataError(
                "a model without a history", "one that was trained", "from_spec draws a random one",
                "train it: fit(model, x, y)",
            )  # fmt: skip
        return training.losses({"model": self.model.history})

    def work(self) -> Any:
        """The loss against work and time so far, one colour a level. Raises DataError where no work was counted."""
        if not self.model.history or not all(row.get("flops") for row in self.model.history):
            raise DataError(
                "a history without work", "that of a model whose training counted it",
                "the model was not trained, or by an earlier version", "train it: fit(model, x, y)",
            )  # fmt: skip
        return training.work({"model": self.model.history})

    def fields(self) -> Any:
        """W(ξ, ξ′, δ) at a few depths."""
        return fields.weights({self.model.level or "base": self.model.fields["W"]}, self.frame)

    def states(self, data: Any, indices: Sequence[int] | None = None, titles: Sequence[str] | None = None) -> Any:
        """h(ξ, δ) of a few records, first channel: from the record itself (δ = 0) to the output (δ = 1).

        data: what ``records`` takes; indices: of the records shown, by default one of every class in turn. Raises
        DataError.
        """
        held = records(data)
        chosen = first_of_each(held) if indices is None else list(map(int, indices))
        shown = held.take(chosen)
        titles = titles or [f"record {i}" for i in chosen]
        if held.dimension > 1:
            depths, values = self.model.trajectory(shown, at=self.model.lines())
            return states.squares(depths, values, titles)
        points = self.frame.points(np.linspace(-1, 1, GRID))
        depths, values = self.model.trajectory(shown, at=points)
        return states.curves(depths, points, values, titles, self.frame)

    def predictions(self, data: Any) -> Any:
        """Predictions against the truth. Raises DataError for records without targets.

        Of functions, prediction, truth and their difference; of classes confusion, calibration and the surest mistakes;
        of numbers and probabilities, predicted against true ones.
        """
        return self.found(data)[0]

    def found(self, data: Any) -> tuple[Any, str]:
        """The picture of ``predictions``, and what was found in a sentence."""
        held = records(data)
        if not held.known:
            raise DataError(
                "records without targets", "records with y", "y was left out", "give records(x, y, xi)",
            )  # fmt: skip
        if not self.model.spec.functional:
            return self._functions(held)
        if self.model.names:
            p, truth = self.answers(held)
            picture = predictions.classes(p, truth, self.model.names, held, self.frame)
            return picture, predictions.said_of_classes(p, truth, self.model.names)
        self.model.prepare(held)  # refuses targets that are not what the loss compares
        outputs = self.model(held)
        if self.model.spec.comparison.scores:
            outputs = predictions.probabilities(outputs)
        assert held.y is not None
        truth = labels.as_numbers(held.y, held.classes).reshape(len(held), -1)
        return predictions.numbers(truth, outputs), predictions.said_of_numbers(truth, outputs)

    def answers(self, data: Records) -> tuple[Array, Array]:
        """A classifier's probabilities (records, classes), and the true classes (records,)."""
        truth = self.model.prepare(data).labels  # refuses targets that are no classes
        assert truth is not None
        return predictions.probabilities(self.model(data)), truth

    def _functions(self, data: Records) -> tuple[Any, str]:
        points, truth, predicted = self._compared(data)
        errors = predictions.relative_errors(truth, predicted)
        chosen = predictions.spread(errors)
        titles = [f"record {i}: {errors[i]:.1%}" for i in chosen]
        own = [[values[i] for i in chosen] for values in (points, truth, predicted)]
        if data.dimension > 1:
            picture = predictions.function_pictures(own[1], own[2], titles)
        else:
            picture = predictions.functions(own[0], own[1], own[2], titles, self.frame)
        return picture, predictions.said_of_functions(errors)

    def _compared(self, data: Records) -> tuple[list[Any], list[Array], list[Array]]:
        """Of every record where its target function is known, its values there, and what the model says."""
        if data.elsewhere is None:
            return self.model.sample_points(data), data.as_functions().targets(), list(self.model(data))
        points = self.model.sample_points(data.elsewhere)
        predicted: list[Any] = [None] * len(data)
        for group in data.elsewhere.alike():  # of records that are asked at the same points
            for record, values in zip(group, self.model(data.take(group), at=points[group[0]])):
                predicted[record] = values
        return points, data.elsewhere.samples(), predicted
