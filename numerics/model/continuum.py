"""Continuum: fields on a representation.

A continuum is a value: training, refining and projecting return new ones. What users ask of a model is here, however
much that is; most of it is answered by other files of this room.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from derive.declaration import load_spec
from derive.errors import DataError, SpecError, advice
from derive.spec import Spec, from_dict
from numerics.checks import numbers
from numerics.datasets import Records, Source, labels, records, source
from numerics.datasets.labels import Label
from numerics.datasets.record import counted
from numerics.functions.field import Block, Field, FieldSlab
from numerics.functions.fields_from import project_function
from numerics.functions.random import random_function
from numerics.kernels import rehearsal, stability, threads
from numerics.kernels.bind import bind
from numerics.kernels.cpu import Bound, Solver
from numerics.kernels.launch import on_gpu
from numerics.model import device_answers, file_format, inputs, layout, points, shown
from numerics.model.baselines import Baselines
from numerics.model.file_contents import Contents
from numerics.model.prepared import Prepared, check_own, class_labels, prepare
from numerics.model.projected import coefficients
from numerics.model.units import PLAIN, Scale, Units
from numerics.pictures.models import Plots
from numerics.representation import find, folders
from numerics.representation.tables import Representation

Array = np.ndarray
CACHED = ("solver", "bound", "representation", "pieces", "_precision")
Declared = Spec | Mapping[str, Any] | str | Path


@dataclass(frozen=True, eq=False)
class Continuum:
    """A model: the declaration with its levels, the level it stands on, and its fields.

    base: the spec with its ladder; level: a level's name, or None for the base itself.
    fields: "W", "b" and, with a functional readout, "R" and "a"; "Q" multiplies what is beside them,
    smooth maxima or shares.
    history: rows of past training; training: the optimiser's state, for resuming. report: of the last refinement or
    projection. classes: the classes in the training data, of the type of their labels; () where these are whole numbers
    from 0. device: where the kernels run, "cpu" or "cuda". units: what points, samples and targets mean, which training
    finds where the spec does not say it. baselines: what the same records make of simpler models; None before training.
    """

    base: Spec
    level: str | None
    fields: Mapping[str, Field]
    history: tuple[dict[str, Any], ...] = ()
    training: dict[str, Any] | None = None
    report: Any = None
    classes: tuple[Label, ...] = ()
    device: str = "cpu"
    units: Units = PLAIN
    baselines: Baselines | None = field(default=None, repr=False)
    stored: Representation | None = field(default=None, repr=False)

    # --- making ---------------------------------------------------------------------------------------------

    @classmethod
    def from_spec(cls, spec: Declared, seed: int = 0, level: str | None = None) -> Continuum:
        """A random continuum: the seed draws functions, which are then projected, so that one seed is one
        function whatever the bases.

        spec: a Spec, a declaration, the path of a TOML file, or the name of a generated spec. Raises SpecError.
        """
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
            raise SpecError(f"seed {seed!r}", "a whole number from 0", "a sign, or quotes", "use seed = 0")
        base = resolve(spec)
        model = cls._zero(base, level)
        return model._with_functions(lambda name, shape: random_function(name, shape, seed, model.spec))

    @classmethod
    def from_fields(
        cls, spec: Declared, level: str | None = None, **functions: Callable[..., Any] | Array
    ) -> Continuum:
        """A continuum whose fields are the L2 projections of given functions; fields not given are zero.

        W(ξ, ξ′, δ), b(ξ, δ), R(ξ) are called with broadcastable arrays and return numbers, or matrices (c′×c),
        vectors (c′) and matrices (outputs × c) in trailing axes; ``a`` is an array (outputs,).
        """
        model = cls._zero(resolve(spec), level)
        unknown = set(functions) - set(model.fields)
        if unknown:
            raise SpecError(
                f"field {', '.join(sorted(unknown))}",
                f"fields of this spec: {', '.join(model.fields)}",
                *advice(min(unknown), model.fields, "a field that the equation does not have", "name one of these"),
            )
        return model._with_functions(lambda name, shape: functions.get(name))

    @classmethod
    def _zero(cls, base: Spec, level: str | None) -> Continuum:
        spec = base if level is None else base.level(level)
        rep = find.representation(spec, base)
        find.warn(rep)
        return cls(base, level, layout.zero_fields(rep), units=Units.declared(spec), stored=rep)

    def _with_functions(self, give: Callable[[str, tuple[int, ...]], Any]) -> Continuum:
        fields = {}
        for name, old in self.fields.items():
            function = give(name, old.slabs[0].coefficients.shape[len(old.slabs[0].bases) :])
            fields[name] = old if function is None else project_function(old, function)
        return self.replace(fields=fields)

    # --- what it is -----------------------------------------------------------------------------------------

    @property
    def spec(self) -> Spec:
        """The resolved spec of the level that the model stands on."""
        return self.base.level(self.level) if self.level else self.base

    @cached_property
    def representation(self) -> Representation:
        return self.stored or find.representation(self.spec, self.base)

    @property
    def size(self) -> int:
        """The number of coefficients."""
        return sum(slab.coefficients.size for f in self.fields.values() for slab in f.slabs)

    def __repr__(self) -> str:
        spec = self.spec
        parts = ", ".join(
            f"{name} {'×'.join(str(n) for n in f.slabs[0].coefficients.shape)}" for name, f in self.fields.items()
        )
        return (
            f"Continuum({self.base.name!r}, level={self.level or 'base'}, rate={spec.rate}, "
            f"activation={spec.activation}, {spec.solver}, {self.size} coefficients: {parts})"
        )

    def _repr_html_(self) -> str:
        return shown.table(self)

    @property
    def plot(self) -> Plots:
        """Pictures: ``plot.loss()``, ``fields()``, ``states(records)``, ``predictions(records)``."""
        return Plots(self)

    def __getstate__(self) -> dict[str, Any]:
        """What pickles and copies hold: not the kernels, which are found and formed where they are used."""
        return {name: value for name, value in vars(self).items() if name not in CACHED}

    @property
    def names(self) -> tuple[str, ...]:
        """What a classifier's outputs are called, in messages and pictures."""
        if self.spec.comparison.targets != "classes" or self.spec.outputs is None:
            return ()
        return tuple(map(labels.text, self.classes or range(self.spec.outputs)))

    def replace(self, **changes: Any) -> Continuum:
        """A copy with other fields, history, training, report or classes."""
        return replace(self, **changes)

    # --- coordinates ----------------------------------------------------------------------------------------

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The part of ``coordinates`` that belongs to each field."""
        found, start = [], 0
        for name, f in self.fields.items():
            shapes = tuple(slab.coefficients.shape for slab in f.slabs)
            stop = start + sum(map(math.prod, shapes))
            found.append(Block(name, slice(start, stop), shapes))
            start = stop
        return tuple(found)

    @property
    def coordinates(self) -> Array:
        """All fields in L2-orthonormal coordinates, concatenated: Euclidean products are those of (12)."""
        return np.concatenate([s.orthonormal().ravel() for f in self.fields.values() for s in f.slabs])

    def with_coordinates(self, coordinates: Array, **changes: Any) -> Continuum:
        """The continuum with these coordinates (size,)."""
        fields = {name: self.fields[name].holding(own) for name, own in self.coefficients_at(coordinates).items()}
        return self.replace(fields=fields, **changes)

    @cached_property
    def pieces(self) -> list[tuple[str, FieldSlab, slice]]:
        """Every slab with its field's name and its part of ``coordinates``."""
        found, start = [], 0
        for name, f in self.fields.items():
            for slab in f.slabs:
                found.append((name, slab, slice(start, start + slab.coefficients.size)))
                start += slab.coefficients.size
        return found

    def coefficients_at(self, coordinates: Array) -> layout.Coefficients:
        """Of every field, slab by slab, the coefficients that belong to coordinates (size,)."""
        return self._coefficients_at(coordinates, {})

    def _coefficients_at(self, coordinates: Array, precision: Mapping[str, Any]) -> layout.Coefficients:
        """The same; precision: of fields that are wanted in another one than float64."""
        coordinates = numbers(coordinates, "coordinates", (self.size,))
        found: layout.Coefficients = {name: [] for name in self.fields}
        for name, slab, part in self.pieces:
            shape = slab.coefficients.shape
            room = layout.room(name, shape, self.spec.dimension, precision.get(name, np.float64))
            found[name].append(slab.at(coordinates[part].reshape(shape), out=room))
        return found

    @cached_property
    def _precision(self) -> dict[str, Any]:
        """The kernels' precision, of the fields that nothing but kernels reads."""
        penalised = {penalty.field for penalty in self.spec.penalties}
        return {name: self.bound.dtype for name in layout.STAGED if name not in penalised}

    # --- running --------------------------------------------------------------------------------------------

    @cached_property
    def bound(self) -> Bound:
        """The tables of this model's representation on its device, which all models of it share."""
        return bind(self.representation, self.spec.precision, self.device)

    @cached_property
    def solver(self) -> Solver:
        """The kernels with this model's stage operators formed."""
        return self.bound.form(layout.kernel_weights(self.fields))

    def running_on(self, bound: Bound) -> Continuum:
        """A copy whose kernels are those of other bound tables."""
        made = self.replace()
        vars(made)["bound"] = bound  # where the cached property is kept
        return made

    def readout_map(self) -> tuple[Array, Array]:
        """The affine map from y's coefficients to what the loss compares: (outputs, state · channels), (outputs,).

        After those come columns for what is beside y, maxima or shares: numbers a channel · channels.
        """
        return layout.readout_map(self.representation, layout.coefficients(self.fields))

    def taken(self, x: Any, y: Any = None, xi: Any = None) -> Records:
        """Records in the model's units: points in [−1, 1], samples and targets scaled. Raises DataError."""
        return self.units.taken(self.spec, records(x, xi=xi, y=y))

    def prepare(self, data: Source) -> Prepared:
        """Project records and their targets. Raises DataError naming the record."""
        return prepare(self.representation, source(data), self.taken, self.classes, bool(self.history))

    def project_samples(self, data: Records) -> Array:
        """Coefficients of the records as functions, (entry size · channels, N).

        With a lift those of the constant function come after the records' channels; and with one that varies along ξ,
        those of ψ_i x and of ψ_i for all its functions ψ_i.
        """
        return coefficients(self.representation, self.taken(data))

    def objective(self, prepared: Prepared, coordinates: Array | None = None) -> tuple[float, Array]:
        """Mean loss with penalties, and its exact gradient in orthonormal coordinates (10), (11), (12)."""
        with threads.serial_blas():
            if coordinates is None:
                loss, gradient = self.coefficient_gradient(prepared)
            else:
                given = self._coefficients_at(coordinates, self._precision)
                loss, gradient = self._gradient(prepared, given, lambda: self.bound.form(layout.weights_of(given)))
            return loss, self.orthonormal_gradient(gradient)

    def orthonormal_gradient(self, gradient: layout.Coefficients) -> Array:
        """dL/dcoordinates (size,) from dL/dcoefficients of every field and slab."""
        flat, slabs = np.empty(self.size), {name: iter(own) for name, own in gradient.items()}
        for name, slab, part in self.pieces:
            slab.pull_back_orthonormal(next(slabs[name]), out=flat[part].reshape(slab.coefficients.shape))
        return flat

    def coefficient_gradient(self, prepared: Prepared) -> tuple[float, layout.Coefficients]:
        """Mean loss with penalties, and dL/dcoefficients of every field and slab."""
        loss, found = self._gradient(prepared, layout.coefficients(self.fields), lambda: self.solver)
        return loss, {name: [np.asarray(g, dtype=np.float64) for g in own] for name, own in found.items()}

    def _gradient(
        self, prepared: Prepared, given: layout.Coefficients, form: Callable[[], Solver]
    ) -> tuple[float, layout.Coefficients]:
        """Mean loss with penalties, and its gradient, at coefficients; form: gives the network with these."""
        check_own(self.spec, prepared)
        rep = self.representation
        operator, constant = self.bound.comparison if self.spec.outputs is None else layout.readout_map(rep, given)
        rehearsal.gradient(self.bound, lambda: layout.weights_of(given), operator, constant)
        targets = prepared.wanted()
        given_to = prepared.states, operator, constant, targets
        if prepared.weights is None:
            losses, back, bar_r, bar_a = form().mean_gradient(*given_to, prepared.rows)
        else:
            losses, back, bar_r, bar_a = form().weighted_gradient(*given_to, prepared.weights / len(prepared))
        loss = float(np.mean(prepared.counts * (losses.astype(np.float64) + prepared.offset)))
        gradient = layout.weight_gradients(given, back) | layout.readout_gradients(rep, given, bar_r, bar_a)
        for value in layout.penalise(self.spec.penalties, self.fields, given, gradient):
            loss += value
        return loss, gradient

    def state_gradient(self, prepared: Prepared) -> Array:
        """d(mean loss)/d(states), without penalties, (entry size · channels, N)."""
        check_own(self.spec, prepared)
        solver = self.solver.settled(prepared.states)
        *_, bar = solver.gradient(prepared.states, *self.readout_map(), prepared.wanted())
        return np.asarray(bar.astype(np.float64) * prepared.counts / len(prepared))

    def value_and_gradient(self, x: Any, y: Any, xi: Any = None, metric: str = "L2") -> tuple[float, dict[str, Field]]:
        """Loss and gradient as fields: the L2 gradient (12), or dL/dcoefficients with metric="coefficients"."""
        if metric not in ("L2", "coefficients"):
            raise DataError(f"metric {metric!r}", "'L2' or 'coefficients'", *advice(metric, ("L2", "coefficients")))
        loss, gradient = self.coefficient_gradient(self.prepare(records(x, xi=xi, y=y)))
        if metric == "L2":
            gradient = {n: [s.riesz(g) for s, g in zip(f.slabs, gradient[n])] for n, f in self.fields.items()}
        return loss, {name: f.with_coefficients(gradient[name]) for name, f in self.fields.items()}

    def input_gradient(
        self, x: Any, y: Any = None, xi: Any = None, functional: Any = None, metric: str = "L2"
    ) -> inputs.InputGradient:
        """For every record the derivative of its loss by x(ξ), a function (9): the steepest way to change the record.

        x, y, xi: records, or prepared ones as x, whose states may have been moved. functional: in place of the loss,
        Σ_k w_k z_k of the numbers z that the model gives, w (outputs,) or (records, outputs), which needs no y.
        metric: "L2", or "H1" for a function that is smooth. Raises DataError, and TrainingError for outputs and
        derivatives that are not finite.
        """
        prepared = x if isinstance(x, Prepared) and y is xi is None else self.prepare(records(x, xi=xi, y=y))
        return inputs.input_gradient(self, prepared, functional, metric)

    def outputs(self, prepared: Prepared) -> Array:
        """What the loss compares with the targets, (N, outputs)."""
        check_own(self.spec, prepared)
        return self.finite(
            self.solver.outputs(prepared.states, *self.readout_map()).T, prepared.states, prepared.rows
        )

    def finite(self, outputs: Array, states: Array, rows: Array | None = None, what: str = "an output of") -> Array:
        """Outputs (records, …) of states as they are. Raises TrainingError for the first that is not finite.

        rows: what the records are called there, where that is not their position. what: they are, but outputs.
        """
        finite = np.isfinite(outputs)
        if not finite.all():
            first = int(np.argmin(finite.reshape(len(outputs), -1).all(axis=1)))
            given = f"{what} record {first if rows is None else rows[first]} that is not finite"
            raise stability.error(self.solver, states, given, rows=rows)
        return outputs

    def loss(self, prepared: Prepared) -> float:
        """Mean loss with penalties."""
        penalties = sum(float(p.weight) * self.fields[p.field].squared_norm(p.norm) for p in self.spec.penalties)
        return self.scores(prepared)["loss"] + penalties

    def scores(self, prepared: Prepared) -> dict[str, float]:
        """loss (without penalties), and accuracy, or of squared distances the root mean square in the data's units."""
        check_own(self.spec, prepared)
        prepared.wanted()
        return self.scores_of((self.outputs(part), part) for part in prepared.parts)

    def scores_of(self, parts: Iterable[tuple[Array, Prepared]]) -> dict[str, float]:
        """The scores of outputs z (n, outputs), this model's or others', with the records that they are of.

        Means over the records, weighted as these are.
        """
        losses, right, distances, weights = [], [], [], []
        for z, prepared in parts:
            weights.append(prepared.counts)
            losses.append(self.solver.losses(z.T, prepared.wanted()) + prepared.offset)
            if prepared.labels is not None:
                right.append(z.argmax(axis=1) == prepared.labels)
            elif self.spec.comparison.distance is not None:
                scale = self.units.targets
                distances.append(losses[-1] if scale is None else self._squares(scale, z, prepared))

        def mean(values: list[Array]) -> float:
            return float(np.mean(np.concatenate(weights) * np.concatenate(values)))

        found = {"loss": mean(losses)}
        if right:
            found["accuracy"] = mean(right)
        elif distances:
            found["rmse"] = float(np.sqrt(mean(distances)))
        return found

    def _squares(self, scale: Scale, z: Array, prepared: Prepared) -> Array:
        """Squared distances of outputs from their targets in the user's units, (N,)."""
        factors = np.square(scale.factor)
        gaps = (z.T - prepared.wanted()) ** 2
        apart = 0 if prepared.apart is None else factors @ prepared.apart
        return np.asarray(np.tile(factors, len(gaps) // len(factors)) @ gaps + apart)

    def class_labels(self, data: Source) -> Array | None:
        """The classes of records as this model counts them (N,), or None for a loss of something else."""
        return class_labels(self.spec, source(data), self.classes, bool(self.history))

    def lines(self, finer: int = 1) -> points.Grid:
        """Equally spaced points along every axis, for pictures; finer: into how many parts a distance is divided."""
        return tuple(self.units.points(xi, axis) for axis, xi in enumerate(points.lines(self.spec, finer)))

    def __call__(self, x: Any, xi: Any = None, at: Any = None) -> Any:
        """Outputs for records at any points.

        x: (samples, points[, channels]) or a list of arrays; xi: their points; at: where to give a function's values
        (default: each record's own points; of a perceptron's last layer with an activation, one value a neuron); points
        and values are in the units of the training records. On squares and cubes x is (samples, points, points[,
        points], channels), and xi and at are tuples of points, one list an axis. Returns (samples, outputs), or
        (samples, points, channels), or a list of (points, channels) when the records' points differ in number. Raises
        DataError, and TrainingError for an output that is not finite.

        Records that lie on a GPU (PyTorch's, CuPy's, JAX's, …; any with the CUDA array interface or DLPack) give
        outputs there, in their precision, without a copy and unseen: these may not be finite.
        """
        if on_gpu(x):
            return device_answers.answer(self, x, xi, at)
        return together(self.answers(source(x, xi=xi), at))

    def answers(self, data: Source, at: Any = None) -> Iterator[Any]:
        """What a call returns, part by part of the records."""
        return parts_of(data, lambda part: self.answer(part, at))

    def answer(self, given: Records, at: Any = None) -> Any:
        """What a call returns, of records that are worked on at once."""
        data = self.taken(given)
        with threads.serial_blas():  # once for all that is done
            return self._answers(data, at)

    def _answers(self, data: Records, at: Any) -> Any:
        """Outputs for records that are in the model's units."""
        spec, states = self.spec, self.project_samples(data)
        if spec.functional:
            if at is not None:
                raise DataError(
                    f"points for a model that gives {spec.outputs} numbers a record",
                    "points for models that give functions", "its readout integrates the function away",
                    "leave `at` out",
                )  # fmt: skip
            return self.units.given(self.finite(self.solver.outputs(states, *self.readout_map()).T, states))
        return self.told(self.finite(self.solver.final(states).astype(np.float64).T, states).T, data, at)

    def told(self, y: Array, data: Records, at: Any) -> Any:
        """Functions' values in the user's units, of records' final states (n·c, N)."""
        if self.spec.outputs is not None:
            y = layout.read_out(self.representation, layout.coefficients(self.fields), y)
        where = None if at is None else self.units.grid(points.wanted(self.spec, at))
        if where is None and data.xi is None:
            where = points.neurons(self.base)
        if where is None:
            return self.units.given(points.own_values(self.representation, y, data))
        return self.units.given(points.values(self.representation, y, where))

    def labels(self, outputs: Any) -> Array | None:
        """A classifier's answers for its outputs (N, classes): labels of the type that the training data had.

        Raises DataError for outputs of another shape, or not finite.
        """
        if self.spec.comparison.targets != "classes":
            return None
        values = numbers(outputs, "outputs")
        if values.ndim != 2 or values.shape[1] != self.spec.outputs:
            raise DataError(
                f"outputs of shape {values.shape}", f"numbers (records, {self.spec.outputs})",
                "one record without its axis, or another model's outputs", "give what the model returned",
            )  # fmt: skip
        wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(wrong):
            raise DataError(
                f"an output that is not finite: {values[wrong[0]]}", "finite numbers", "an overflow, or missing values",
                "give what the model returned", f"record {wrong[0]}",
            )  # fmt: skip
        best: Array = np.argmax(values, axis=1)
        return labels.column(self.classes)[best] if self.classes else best

    def sample_points(self, data: Records) -> list[Any]:
        """Every record's points in its units, on grids one array an axis; the default ones where none were given."""
        found = []
        for grid in points.grids(self.spec, records(data)):
            own = data.xi is not None or data.units is not None
            found.append(grid if own else tuple(self.units.points(xi, axis) for axis, xi in enumerate(grid)))
        return [grid[0] for grid in found] if self.spec.dimension == 1 else found

    def trajectory(self, x: Any, xi: Any = None, at: Any = None) -> tuple[Array, Array]:
        """The state along the depth: depths (D,), values (N, D, points[, points …], channels) at the points ``at``.

        Without these, at the records' own points where all have the same ones, else at those of ``lines``. Without a
        lift a state has the records' channels, and their units.
        """
        data = self.taken(x, xi=xi)
        if at is None:
            where = points.grid_of(self.spec, data, 0) if len(data.alike()) == 1 else points.lines(self.spec)
        else:
            where = self.units.grid(points.wanted(self.spec, at))
        first = self.project_samples(data)
        solver = self.solver.settled(first)
        depths, values = [], []
        for k, (slab, states, steps) in enumerate(zip(self.representation.slabs, solver.path(first), solver.steps)):
            starts = [start for start, _ in steps]
            if k == 0:
                depths.append(starts[0])
                values.append(points.on_grid(slab.axes("entry"), states[0], where)[..., None, :])
            depths += [*starts[1:], slab.stop]
            found = points.on_grid(slab.axes("state"), np.concatenate(states[1:], axis=1), where)
            values.append(found.reshape(*found.shape[:-1], len(steps), first.shape[1]))
        shown = np.moveaxis(np.concatenate(values, axis=-2), (-1, -2), (0, 1))
        scale = self.units.samples if self.spec.inputs is None else None
        return np.array(depths), shown if scale is None else scale.back(shown)

    def save(self, path: str | Path) -> None:
        """Write the model to one file, whole or not at all. Raises CheckpointError if it cannot be written."""
        held = Contents(
            self.base, self.level, self.representation, self.fields, self.history, self.training, self.classes,
            self.units, self.baselines,
        )
        file_format.write(path, *held.entries())


def parts_of(data: Source, work: Callable[[Records], Any]) -> Iterator[Any]:
    """What is made of the records, part by part; errors name the record among all."""
    for cut in data.cuts:
        part = data.part(cut)
        with counted(cut.start):
            found = work(part)
        yield found


def together(parts: Iterable[Any]) -> Any:
    """Outputs of parts of records as those of all: an array, or a list where records' points differ in number."""
    found = list(parts)
    if len(found) == 1:
        return found[0]
    alike = all(isinstance(part, np.ndarray) and part.shape[1:] == found[0].shape[1:] for part in found)
    return np.concatenate(found) if alike else [values for part in found for values in part]


def resolve(spec: Declared) -> Spec:
    """A Spec from itself, a declaration, a TOML path, or the name of a generated spec."""
    if isinstance(spec, Spec):
        return spec
    if isinstance(spec, Mapping):
        return load_spec(spec)
    named = isinstance(spec, str | os.PathLike) and not Path(spec).is_file() and Path(spec).suffix != ".toml"
    return from_dict(folders.declared(str(spec))) if named else load_spec(spec)
