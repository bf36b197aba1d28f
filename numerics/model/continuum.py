"""Continuum: fields on a representation. The only file that knows both layouts, the fields' and the kernels'.

A continuum is a value: training, refining and projecting return new ones.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from derive import spec as declaration
from derive.errors import DataError, RepresentationError, SpecError, advice
from derive.spec import Spec
from numerics.checks import instance, numbers, positions, warn
from numerics.datasets import labels
from numerics.datasets.labels import Label
from numerics.datasets.record import Records, records
from numerics.functions.basis import CHUNK, TOLERABLE, Pieces, compared, default_points, evaluate, projection
from numerics.functions.field import Field, FieldSlab, along
from numerics.functions.random import project_function, random_function
from numerics.kernels import rehearsal, stability
from numerics.kernels import threads as device
from numerics.kernels.solver import Solver, Weights
from numerics.model import targets
from numerics.representation import find, folders
from numerics.representation.tables import Representation, SlabTables

if TYPE_CHECKING:
    from numerics.kernels.cuda import CudaSolver

Array = np.ndarray
Grid = tuple[Array, ...]  # points along every axis
Declared = Spec | Mapping[str, Any] | str | Path

COORDINATES, OFFSETS = ("xi", "eta", "zeta"), ("s", "t", "r")  # names of the arguments of fields
AXES = {1: "an interval", 2: "a square", 3: "a cube"}
LAYOUTS = {
    1: "(samples, points[, channels])",
    2: "(samples, points, points, channels)",
    3: "(samples, points, points, points, channels)",
}
SHOWN = {1: 101, 2: 41, 3: 17}  # points along an axis where none are named


@dataclass(frozen=True)
class Prepared:
    """Records as the solver sees them.

    states: (entry size · channels, N), the coefficients of x(ξ); targets: (outputs, N) in the loss's coordinates, of
    classes with their weights, or None where the records have none; offset: per record, the part of the loss that no
    coefficient can change (N,); labels: classes, or None; rows: which of the records that were prepared these are (N,),
    where they were taken from more, for messages.
    """

    states: Array
    targets: Array | None
    offset: Array
    labels: Array | None
    rows: Array | None = None

    def __len__(self) -> int:
        return int(self.states.shape[1])

    def wanted(self) -> Array:
        """The targets. Raises DataError where there are none."""
        if self.targets is None:
            raise DataError("records without targets", "y", "y was left out", "give y, or records that hold it")
        return self.targets

    def take(self, indices: Array) -> Prepared:
        """Some of the records, in the given order. Raises DataError for positions that are none."""
        indices = positions(indices, len(self))
        return Prepared(
            np.ascontiguousarray(self.states[:, indices]),
            None if self.targets is None else np.ascontiguousarray(self.targets[:, indices]),
            self.offset[indices],
            None if self.labels is None else self.labels[indices],
            np.arange(len(self))[indices] if self.rows is None else self.rows[indices],
        )


@dataclass(frozen=True, eq=False)
class Continuum:
    """A model: the declaration with its levels, the level it stands on, and its fields.

    base: the spec with its ladder; level: a level's name, or None for the base itself.
    fields: "W", "b" and, with a functional readout, "R" and "a"; "Q" multiplies smooth maxima.
    history: rows of past training; training: the optimiser's state, for resuming. report: of the last refinement or
    projection. classes: the classes in the training data, of the type of their labels; () where these are whole numbers
    from 0. device: where the kernels run, "cpu" or "cuda".
    """

    base: Spec
    level: str | None
    fields: Mapping[str, Field]
    history: tuple[dict[str, Any], ...] = ()
    training: dict[str, Any] | None = None
    report: Any = None
    classes: tuple[Label, ...] = ()
    device: str = "cpu"
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
        return cls(base, level, zero_fields(rep), stored=rep)

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

    def __getstate__(self) -> dict[str, Any]:
        """What pickles and copies hold: not the kernels, which are found and formed where they are used."""
        return {name: value for name, value in vars(self).items() if name not in ("solver", "representation")}

    @property
    def names(self) -> tuple[str, ...]:
        """What a classifier's outputs are called, in messages and pictures."""
        if self.spec.loss != "cross-entropy" or self.spec.outputs is None:
            return ()
        return tuple(map(labels.text, self.classes or range(self.spec.outputs)))

    def replace(self, **changes: Any) -> Continuum:
        """A copy with other fields, history, training, report or classes."""
        return replace(self, **changes)

    # --- coordinates ----------------------------------------------------------------------------------------

    @property
    def blocks(self) -> tuple[tuple[str, slice], ...]:
        """The part of ``coordinates`` that belongs to each field."""
        found, start = [], 0
        for name, f in self.fields.items():
            stop = start + sum(s.coefficients.size for s in f.slabs)
            found.append((name, slice(start, stop)))
            start = stop
        return tuple(found)

    @property
    def coordinates(self) -> Array:
        """All fields in L2-orthonormal coordinates, concatenated: Euclidean products are those of (12)."""
        return np.concatenate([s.orthonormal().ravel() for f in self.fields.values() for s in f.slabs])

    def with_coordinates(self, coordinates: Array, **changes: Any) -> Continuum:
        """The continuum with these coordinates (size,)."""
        coordinates = numbers(coordinates, "coordinates", (self.size,))
        fields, start = {}, 0
        for name, f in self.fields.items():
            slabs = []
            for slab in f.slabs:
                stop = start + slab.coefficients.size
                part = coordinates[start:stop].reshape(slab.coefficients.shape)
                slabs.append(slab.from_orthonormal(part))
                start = stop
            fields[name] = replace(f, slabs=tuple(slabs))
        return self.replace(fields=fields, **changes)

    # --- running --------------------------------------------------------------------------------------------

    @cached_property
    def solver(self) -> Solver | CudaSolver:
        """The kernels with this model's stage operators formed."""
        return self._new_solver().form(kernel_weights(self.fields))

    def running_on(self, solver: Solver | CudaSolver) -> Continuum:
        """A copy whose kernels are those of another solver, formed with this model's weights."""
        made = self.replace()
        vars(made)["solver"] = solver  # where the cached property is kept
        return made

    def _new_solver(self) -> Solver | CudaSolver:
        if self.device == "cpu":
            return Solver(self.representation, self.spec.precision)
        from numerics.kernels.cuda import CudaSolver

        return CudaSolver(self.representation, self.spec.precision)

    def readout_map(self) -> tuple[Array, Array]:
        """The affine map from y's coefficients to what the loss compares: (outputs, state · channels), (outputs,).

        With smooth maxima, these come after the coefficients: (outputs, state · channels + channels).
        Functions are compared in L2 exactly, by M and not by M_h, whatever quadrature the state has.
        """
        spec, rep = self.spec, self.representation
        if spec.outputs is None:
            operator = np.kron(rep.root, np.eye(spec.channels))
            return operator, np.zeros(len(operator))
        if not spec.functional:
            products, one = self.along_state("readout")
            r, a = (leading(self.fields[name]) for name in ("R", "a"))
            terms = [np.kron(rep.root @ product, own) for product, own in zip(products, r)]
            return np.sum(terms, axis=0), (rep.root @ one @ a).ravel()
        r = _flat(self.fields["R"].slabs[0].coefficients, spec.dimension)
        operator = np.einsum("ioc,ij->ojc", r, rep.readout_gram).reshape(spec.outputs, -1)
        if spec.maximum is not None:
            operator = np.hstack([operator, self.fields["Q"].slabs[0].coefficients])
        return operator, self.fields["a"].slabs[0].coefficients

    def along_state(self, role: str) -> tuple[Array, Array]:
        """Of a "lift" or a "readout" at every point: h → ψ_i h (i, n, n) and ψ_i (n, i), in the state's coefficients.

        One that does not vary along ξ has the one ψ = 1.
        """
        tables, slabs = self.representation.readout, self.representation.slabs
        if f"products/{role}" in tables:
            return tables[f"products/{role}"], tables[f"one/{role}"]
        one = slabs[0].tables["one/entry"] if role == "lift" else slabs[-1].tables["one/state"]
        return np.eye(len(one))[None], one[:, None]

    def prepare(self, data: Records) -> Prepared:
        """Project records and their targets. Raises DataError naming the record."""
        data = records(data)
        states = self.project_samples(data)
        count = states.shape[1]
        spec = self.spec
        if data.y is None:
            return Prepared(states, None, np.zeros(count), None)
        if not spec.functional:
            prepared = self._function_targets(data, states)
            targets.check(spec.loss, prepared.wanted())
            return prepared
        assert spec.outputs is not None
        if len(data.y) != count:
            raise DataError(
                "functions as targets", f"{spec.outputs} numbers a record, as readout.outputs declares",
                "a spec for numbers or classes with data for functions", "leave readout.basis out, or give numbers",
            )  # fmt: skip
        if spec.loss == "cross-entropy":
            classes = labels.indices(data.y, data.classes, self.classes, spec.outputs, bool(self.history))
            hot = np.ascontiguousarray(np.eye(spec.outputs)[classes].T)
            return Prepared(states, _class_weights(spec, hot) * hot, np.zeros(count), classes)
        y = labels.as_numbers(data.y, data.classes).reshape(count, -1)
        if y.shape[1] != spec.outputs:
            raise DataError(
                f"targets with {y.shape[1]} numbers a record",
                f"{spec.outputs}, as readout.outputs declares",
                "the data belong to another spec",
                "change readout.outputs, or use the data it was written for",
            )
        targets.check(spec.loss, y.T)
        return Prepared(states, np.ascontiguousarray(y.T), np.zeros(count), None)

    def project_samples(self, data: Records) -> Array:
        """Coefficients of the records as functions, (entry size · channels, N).

        With a lift those of the constant function come after the records' channels; and with one that varies along ξ,
        those of ψ_i x and of ψ_i for all its functions ψ_i.
        """
        data, spec = records(data), self.spec
        if data.dimension != spec.dimension:
            raise DataError(
                f"records on {AXES[data.dimension]}", f"{AXES[spec.dimension]}, as equation.dimension declares",
                "channels taken for an axis of points, or an axis left out", f"give x as {LAYOUTS[spec.dimension]}",
            )  # fmt: skip
        key = "equation.channels" if spec.inputs is None else "lift.inputs"
        if data.channels != spec.record_channels:
            single = data.channels == 1 and bool((data.lengths == spec.record_channels).all())
            raise DataError(
                f"records with {data.channels} channels",
                f"{spec.record_channels}, as {key} declares",
                "one record of several channels, without the axis of the records" if single
                else "the data belong to another spec",
                "write x[None] for one record" if single else f"change {key}, or use the data it was written for",
            )  # fmt: skip
        if data.column and (spec.interpolant != "constant" or spec.entry.size > 1):  # no network of one input
            raise DataError(
                f"x of shape ({len(data)}, 1)", f"x as {LAYOUTS[1]}",
                f"one record of {len(data)} points and one channel, or {len(data)} records of a single point",
                f"write x[None] for one record, x[:, None] for {len(data)}; frames with .to_numpy() first",
            )  # fmt: skip
        if spec.periodic and data.xi is None and spec.interpolant != "constant":
            _warn_of_closed(data)
        found = _project(self.representation, "entry", spec, data.grids(), data.samples())
        if spec.inputs is None:
            return found
        products, one = self.along_state("lift")
        parts = found.reshape(len(one), spec.inputs, -1)
        moved = parts[:, None] if spec.lift_width is None else np.tensordot(products, parts, 1).swapaxes(0, 1)
        whole = np.broadcast_to(one[:, :, None, None], (*one.shape, 1, parts.shape[2]))
        return np.concatenate([moved, whole], axis=2).reshape(-1, parts.shape[2])

    def _function_targets(self, data: Records, states: Array) -> Prepared:
        spec, rep = self.spec, self.representation
        if data.classes and data.y is not None:
            data = replace(data, y=labels.as_numbers(data.y, data.classes), classes=())
        values = data.targets()
        channels = spec.output_channels
        key = "equation.channels" if spec.outputs is None else "readout.outputs"
        if values and values[0].shape[-1] != channels:
            raise DataError(
                f"targets with {values[0].shape[-1]} channels", f"{channels}, as {key} declares",
                "one channel left out, or the data of another spec", "give every channel of y",
            )  # fmt: skip
        if spec.interpolant == "least-squares":  # the fit itself is the target function
            coefficients = _project(rep, "state", spec, data.grids(), values)
            targets = np.tensordot(rep.root, coefficients.reshape(len(rep.root), -1), 1).reshape(-1, len(values))
            return Prepared(states, np.ascontiguousarray(targets), np.zeros(len(values)), None)
        targets, distances = _nearest(rep, self._grids(data), values)
        if spec.loss not in ("l2", "h1"):  # no sum of what can be reached and what cannot: the reachable part counts
            distances = np.zeros(len(values))
        return Prepared(states, targets, distances, None)

    def objective(self, prepared: Prepared, coordinates: Array | None = None) -> tuple[float, Array]:
        """Mean loss with penalties, and its exact gradient in orthonormal coordinates (10), (11), (12)."""
        with device.serial_blas():
            model = self if coordinates is None else self.with_coordinates(coordinates)
            loss, gradient = model.coefficient_gradient(prepared)
            flat = [
                slab.pull_back_orthonormal(g).ravel()
                for name, f in model.fields.items()
                for slab, g in zip(f.slabs, gradient[name])
            ]
            return loss, np.concatenate(flat)

    def coefficient_gradient(self, prepared: Prepared) -> tuple[float, dict[str, list[Array]]]:
        """Mean loss with penalties, and dL/dcoefficients of every field and slab."""
        loss, gradient, bar_r, bar_a, _ = self._sweep(prepared)
        if self.spec.outputs is not None and not self.spec.functional:
            (products, one), root = self.along_state("readout"), self.representation.root
            blocks = bar_r.reshape(len(one), self.spec.outputs, len(one), self.spec.channels)
            bar = np.stack([np.einsum("lj,lojc->oc", root @ product, blocks) for product in products])
            gradient["R"] = [bar.reshape(self.fields["R"].slabs[0].coefficients.shape)]
            bar = (root @ one).T @ bar_a.reshape(len(one), -1)
            gradient["a"] = [bar.reshape(self.fields["a"].slabs[0].coefficients.shape)]
        elif self.spec.outputs is not None:
            shape = (self.spec.outputs, -1, self.spec.channels)
            gram = self.representation.readout_gram
            bar_r, bar_q = np.split(bar_r, [gram.shape[1] * self.spec.channels], axis=1)
            found = np.einsum("ojc,ij->ioc", bar_r.reshape(shape), gram)
            gradient["R"] = [found.reshape(self.fields["R"].slabs[0].coefficients.shape)]
            gradient |= {"Q": [bar_q]} if self.spec.maximum is not None else {}
            gradient["a"] = [bar_a]
        for penalty in self.spec.penalties:
            f, weight = self.fields[penalty.field], float(penalty.weight)
            loss += weight * f.squared_norm(penalty.norm)
            for mine, theirs in zip(gradient[penalty.field], f.squared_norm_gradient(penalty.norm)):
                mine += weight * theirs
        return loss, gradient

    def _sweep(self, prepared: Prepared) -> tuple[float, dict[str, list[Array]], Array, Array, Array]:
        """Loss and mean gradients of what the stages read, slab by slab, of the readout and of the states."""
        self._check_own(prepared)
        count = len(prepared)
        rehearsal.gradient(
            self.representation, self._new_solver, lambda: kernel_weights(self.fields), self.readout_map
        )
        solver = self.solver.settled(prepared.states)
        losses, operators, bar_r, bar_a, bar_states = solver.gradient(
            prepared.states, *self.readout_map(), prepared.wanted()
        )
        loss = float(np.mean(losses.astype(np.float64) + prepared.offset))
        for slab in operators:
            for a in slab.values():
                a /= count
        gradient = _field_gradients(self.fields, solver, operators)
        return loss, gradient, bar_r / count, bar_a / count, bar_states.astype(np.float64) / count

    def value_and_gradient(self, x: Any, y: Any, xi: Any = None, metric: str = "L2") -> tuple[float, dict[str, Field]]:
        """Loss and gradient as fields: the L2 gradient (12), or dL/dcoefficients with metric="coefficients"."""
        if metric not in ("L2", "coefficients"):
            raise DataError(f"metric {metric!r}", "'L2' or 'coefficients'", *advice(metric, ("L2", "coefficients")))
        loss, gradient = self.coefficient_gradient(self.prepare(records(x, xi, y)))
        if metric == "L2":
            gradient = {n: [s.riesz(g) for s, g in zip(f.slabs, gradient[n])] for n, f in self.fields.items()}
        return loss, {name: f.with_coefficients(gradient[name]) for name, f in self.fields.items()}

    def outputs(self, prepared: Prepared) -> Array:
        """What the loss compares with the targets, (N, outputs)."""
        self._check_own(prepared)
        return self._finite(
            self.solver.outputs(prepared.states, *self.readout_map()).T, prepared.states, prepared.rows
        )

    def _check_own(self, prepared: Prepared) -> None:
        """Raise DataError for what another model, or nobody, prepared: kernels look at no shapes."""
        instance(prepared, Prepared, "give model.prepare(records)")
        spec, targets = self.spec, prepared.targets
        numbers_out = spec.outputs if spec.functional else spec.output_channels * spec.slabs[-1].state.size
        wanted = spec.entry_channels * spec.entry.size, numbers_out
        found = len(prepared.states), wanted[1] if targets is None else len(targets)
        if found != wanted:
            raise DataError(
                f"prepared records of {found[0]} coefficients and {found[1]} targets", f"{wanted[0]} and {wanted[1]}",
                "they were prepared by another model", "prepare the records with this one",
            )  # fmt: skip

    def _finite(self, outputs: Array, states: Array, rows: Array | None = None) -> Array:
        """Outputs (records, …) of states as they are. Raises TrainingError for the first that is not finite.

        rows: what the records are called there, where that is not their position.
        """
        wrong = ~np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)
        if wrong.any():
            first = int(np.argmax(wrong))
            given = f"an output of record {first if rows is None else rows[first]} that is not finite"
            raise stability.error(self, states, given, rows=rows)
        return outputs

    def loss(self, prepared: Prepared) -> float:
        """Mean loss with penalties."""
        self._check_own(prepared)
        targets = prepared.wanted()
        values = self.solver.losses(self.outputs(prepared).T, targets) + prepared.offset
        penalties = sum(float(p.weight) * self.fields[p.field].squared_norm(p.norm) for p in self.spec.penalties)
        return float(np.mean(values)) + penalties

    def scores(self, prepared: Prepared) -> dict[str, float]:
        """loss (without penalties) and accuracy, or, of squared distances, their root mean square."""
        self._check_own(prepared)
        prepared.wanted()
        return self.scores_of(self.outputs(prepared), prepared)

    def scores_of(self, z: Array, prepared: Prepared) -> dict[str, float]:
        """The scores of outputs z (N, outputs), this model's or others'."""
        values = self.solver.losses(z.T, prepared.wanted()) + prepared.offset
        if prepared.labels is not None:
            return {"loss": float(np.mean(values)), "accuracy": float(np.mean(z.argmax(axis=1) == prepared.labels))}
        found = {"loss": float(np.mean(values))}
        if self.spec.loss in ("l2", "h1"):
            found["rmse"] = float(np.sqrt(np.mean(values)))
        return found

    def __call__(self, x: Any, xi: Any = None, at: Any = None) -> Any:
        """Outputs for records at any points.

        x: (samples, points[, channels]) or a list of arrays; xi: their points; at: where to give a function's
        values (default: each record's own points). On squares and cubes x is (samples, points, points[, points],
        channels), and xi and at are tuples of points, one list an axis. Returns (samples, outputs), or (samples,
        points, channels), or a list of (points, channels) when the records' points differ in number. Raises DataError,
        and TrainingError for an output that is not finite.
        """
        data, spec = records(x, xi), self.spec
        states = self.project_samples(data)
        if spec.functional:
            if at is not None:
                raise DataError(
                    f"points for a model that gives {spec.outputs} numbers a record",
                    "points for models that give functions", "its readout integrates the function away",
                    "leave `at` out",
                )  # fmt: skip
            return self._finite(self.solver.outputs(states, *self.readout_map()).T, states)
        y = self._finite(self.solver.final(states).astype(np.float64).T, states).T
        if spec.outputs is not None:
            (products, one), (r, a) = self.along_state("readout"), (leading(self.fields[name]) for name in ("R", "a"))
            final = y.reshape(len(one), -1, y.shape[1])
            parts = sum(np.tensordot(product, own @ final, 1) for product, own in zip(products, r))
            y = (parts + (one @ a)[:, :, None]).reshape(-1, y.shape[1])
        return _values(self.representation, y, self._grids(data) if at is None else _grid_points(spec, at))

    def labels(self, outputs: Any) -> Array | None:
        """A classifier's answers for its outputs (N, classes): labels of the type that the training data had.

        Raises DataError for outputs of another shape, or not finite.
        """
        if self.spec.loss != "cross-entropy":
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
        return np.array(self.classes)[best] if self.classes else best

    def sample_points(self, data: Records) -> list[Any]:
        """Every record's points, on grids one array an axis; the interpolant's default ones where none were given."""
        found = self._grids(records(data))
        return [grid[0] for grid in found] if self.spec.dimension == 1 else list(found)

    def _grids(self, data: Records) -> list[Grid]:
        spec = self.spec
        return [
            tuple(default_points(spec.interpolant, n, spec.periodic) for n in shape) if grid is None else grid
            for grid, shape in zip(data.grids(), data.shapes)
        ]

    def trajectory(self, x: Any, xi: Any = None, at: Any = None) -> tuple[Array, Array]:
        """The state along the depth: depths (D,), values (N, D, points[, points …], channels) at the points ``at``."""
        data = records(x, xi)
        points = lines(self.spec) if at is None else _grid_points(self.spec, at)
        first = self.project_samples(data)
        solver = self.solver.settled(first)
        depths, values = [], []
        for k, (slab, states, steps) in enumerate(zip(self.representation.slabs, solver.path(first), solver.steps)):
            starts = [start for start, _ in steps]
            if k == 0:
                depths.append(starts[0])
                values.append(_grid(slab.axes("entry"), states[0], points))
            own = slab.axes("state")
            depths += [*starts[1:], slab.stop]
            values += [_grid(own, h, points) for h in states[1:]]
        return np.array(depths), np.moveaxis(np.stack(values), -1, 0)

    def save(self, path: str | Path) -> None:
        """Write the model to one file."""
        from numerics.model.checkpoint import save

        save(self, path)


def resolve(spec: Declared) -> Spec:
    """A Spec from itself, a declaration, a TOML path, or the name of a generated spec."""
    if isinstance(spec, Spec):
        return spec
    if isinstance(spec, Mapping):
        return declaration.load_spec(spec)
    if isinstance(spec, str | os.PathLike) and not Path(spec).is_file():
        for folder in folders.readable():
            content = folders.manifest(folder)
            if content["name"] == str(spec):
                return declaration.from_dict(content["spec"])
    return declaration.load_spec(spec)


def zero_fields(rep: Representation) -> dict[str, Field]:
    """Fields of a representation with zero coefficients."""
    spec, c = rep.spec, rep.spec.channels
    wide = spec.pre_activations * c
    weight, bias = spec.weight_axes, (*spec.along_axes("bias_width"), "bias_depth")
    own = COORDINATES[: spec.dimension]
    both = OFFSETS[: spec.dimension] if spec.reach is not None else (*own, *(f"{name}_" for name in own))
    fields = {
        "W": Field(
            "W", tuple(_zero_slab(s, (*weight, "weight_depth"), (wide, c)) for s in rep.slabs), (*both, "delta")
        ),
        "b": Field("b", tuple(_zero_slab(s, bias, (wide,)) for s in rep.slabs), (*own, "delta")),
    }
    if spec.local:
        fields["V"] = Field("V", tuple(_zero_slab(s, bias, (wide, c)) for s in rep.slabs), (*own, "delta"))
    if spec.learned:
        fields["parameters"] = _constant("parameters", (len(spec.learned), c))
    if spec.inputs is not None:
        fields["P"] = _along(rep, "P", "lift", (c, spec.inputs + 1))
    if spec.outputs is not None:
        fields["R"] = _along(rep, "R", "readout", (spec.outputs, c))
        shape = (spec.outputs,)
        fields["a"] = _constant("a", shape) if spec.functional else _along(rep, "a", "readout", shape)
        if spec.maximum is not None:
            fields["Q"] = _constant("Q", (spec.outputs, c))
    return fields


def _along(rep: Representation, name: str, role: str, shape: tuple[int, ...]) -> Field:
    """A field that varies along ξ in the basis of a "lift" or "readout", or that is constant where these have none."""
    tables = rep.readout
    if f"gram/{role}" not in tables:
        return _constant(name, shape)
    roles = rep.spec.along_axes(role)
    psi, stiffness = tuple(map(rep.readout_pieces, roles)), tuple(tables.get(f"stiffness/{own}") for own in roles)
    sizes = (basis.size for basis in psi)
    slab = FieldSlab(0.0, 1.0, psi, rep.readout_factors(f"gram/{role}"), np.zeros((*sizes, *shape)), stiffness)
    return Field(name, (slab,), COORDINATES[: rep.spec.dimension])


def leading(field: Field) -> Array:
    """Coefficients (functions of ξ, *channels) of a field along ξ, or of a constant."""
    return _flat(field.slabs[0].coefficients, len(field.axes))


def _constant(name: str, shape: tuple[int, ...]) -> Field:
    return Field(name, (FieldSlab(0.0, 1.0, (), (), np.zeros(shape), ()),), ())


def _zero_slab(slab: SlabTables, roles: tuple[str, ...], channels: tuple[int, ...]) -> FieldSlab:
    bases = tuple(slab.pair(role) if role.startswith("weight_pair") else slab.pieces(role) for role in roles)
    return FieldSlab(
        slab.start,
        slab.stop,
        bases,
        tuple(slab.tables[f"gram/{role}"] for role in roles),
        np.zeros((*(b.size for b in bases), *channels)),
        tuple(slab.tables.get(f"stiffness/{role}") for role in roles),
    )


def kernel_weights(fields: Mapping[str, Field]) -> list[Weights]:
    """Fields' coefficients in the kernels' layout.

    w[i,j,k,o,c] → (k, i·o, j·c), β[i,k,o] → (k, i·o), and both z[m,k,o,c] and v[m,k,o,c] → (k, m, o·c), where i, j and
    m run over the products of all axes' functions, the last axis first.
    """
    found = []
    for n, (w_slab, b_slab) in enumerate(zip(fields["W"].slabs, fields["b"].slabs)):
        dimension = len(b_slab.bases) - 1
        w, b = _flat_weight(w_slab.coefficients, dimension), _flat(b_slab.coefficients, dimension)
        if w.ndim == 5:
            i, j, k, o, c = w.shape
            weights = w.transpose(2, 0, 3, 1, 4).reshape(k, i * o, j * c)
        else:
            weights = _depth_first(w)
        found.append(
            Weights(
                weights,
                b.transpose(1, 0, 2).reshape(b.shape[1], -1),
                _depth_first(_flat(fields["V"].slabs[n].coefficients, dimension)) if "V" in fields else None,
                fields["parameters"].slabs[0].coefficients if "parameters" in fields else None,
                np.hstack(list(leading(fields["P"]))) if n == 0 and "P" in fields else None,
            )
        )
    return found


def _flat(coefficients: Array, dimension: int) -> Array:
    """Coefficients whose first axes, one for every axis of the domain, are one."""
    return coefficients.reshape(-1, *coefficients.shape[dimension:])


def _flat_weight(w: Array, dimension: int) -> Array:
    """The coefficients of W as w[i,j,k,o,c], or z[m,k,o,c]."""
    widths = w.ndim - 3
    return _flat(w, dimension) if widths == dimension else w.reshape(math.prod(w.shape[:dimension]), -1, *w.shape[-3:])


def whole(field: Field, coefficients: Sequence[Array], dimension: int) -> list[Array]:
    """Coefficients like a field's, slab by slab, with one axis for the products of the functions along all axes."""
    if not field.slabs[0].bases or dimension == 1:
        return list(coefficients)
    return [_flat_weight(a, dimension) if field.name == "W" else _flat(a, dimension) for a in coefficients]


def _depth_first(z: Array) -> Array:
    m, k, o, c = z.shape
    return z.transpose(1, 0, 2, 3).reshape(k, m, o * c)


def _depth_second(z: Array, shape: tuple[int, ...]) -> Array:
    m, k, o, c = shape
    return z.reshape(k, m, o, c).transpose(1, 0, 2, 3)


def _field_gradients(
    fields: Mapping[str, Field], solver: Solver | CudaSolver, operators: list[dict[str, Array]]
) -> dict[str, list[Array]]:
    """dL/dcoefficients of what the stages read, in the fields' layout, from the gradients of the stage operators."""
    found: dict[str, list[Array]] = {name: [] for name in ("W", "b", "V", "parameters", "P") if name in fields}
    parts = zip(solver.slabs, operators, solver.weights)
    for n, (slab, gradient, weights) in enumerate(parts):
        back = slab.pull_back(gradient, weights)
        own = {name: fields[name].slabs[n].coefficients for name in ("W", "b", "V") if name in fields}
        dimension = len(fields["b"].slabs[n].bases) - 1
        shape = _flat_weight(own["W"], dimension).shape
        if len(shape) == 5:
            i, j, k, o, c = shape
            w = back.w.reshape(k, i, o, j, c).transpose(1, 3, 0, 2, 4)
        else:
            w = _depth_second(back.w, shape)
        found["W"].append(w.reshape(own["W"].shape))
        m, kb, ob = _flat(own["b"], dimension).shape
        found["b"].append(back.beta.reshape(kb, m, ob).transpose(1, 0, 2).reshape(own["b"].shape))
        if back.v is not None:
            found["V"].append(_depth_second(back.v, _flat(own["V"], dimension).shape).reshape(own["V"].shape))
        if back.parameters is not None:
            found["parameters"].append(back.parameters)
        if back.lift is not None:
            parts_of_lift = np.hsplit(back.lift, len(leading(fields["P"])))
            found["P"].append(np.reshape(parts_of_lift, fields["P"].slabs[0].coefficients.shape))
    if "parameters" in found:  # all slabs share them
        found["parameters"] = [np.sum(found["parameters"], axis=0)]
    return found


def _project(rep: Representation, role: str, spec: Spec, points: list[Grid | None], samples: list[Array]) -> Array:
    """Coefficients (n · channels, N) of records sampled at their own points; equal points share one matrix an axis."""
    slab = rep.slabs[0 if role == "entry" else -1]
    axes = list(zip(slab.axes(role), slab.factors(f"gram/{role}")))
    smoothing = None if spec.smoothing is None else float(spec.smoothing)
    matrices: dict[tuple[int, bytes], Array] = {}

    def matrix(axis: int, count: int, xi: Array | None) -> Array:
        key = axis, np.asarray(count if xi is None else xi, dtype=np.float64).tobytes() + bytes(xi is None)
        if key not in matrices:
            where = default_points(spec.interpolant, count, spec.periodic) if xi is None else xi
            matrices[key] = projection(*axes[axis], where, spec.interpolant, spec.periodic, smoothing)
        return matrices[key]

    size = math.prod(pieces.size for pieces, _ in axes)
    columns = np.empty((size, samples[0].shape[-1] if samples else 1, len(samples)))
    for n, (xi, x) in enumerate(zip(points, samples)):
        values = x
        for axis in range(len(axes)):
            try:
                values = along(matrix(axis, x.shape[axis], None if xi is None else xi[axis]), values, axis)
            except DataError as error:
                raise DataError(error.given, error.allowed, error.cause, error.fix, f"record {n}") from None
        columns[:, :, n] = values.reshape(size, -1)
    return columns.reshape(-1, len(samples))


def _nearest(rep: Representation, points: list[Grid], samples: list[Array]) -> tuple[Array, Array]:
    """The functions y that are nearest to records' interpolants y* in the norm of a loss on functions, in orthonormal

    coordinates (n · channels, N), and ∫ |y − y*|² in it (N,), which no coefficient can change.

    The distance is the integral of a square, where both functions are smooth, and no difference of integrals: nothing
    cancels when y is close to y*.
    """
    spec, axes = rep.spec, rep.slabs[-1].axes("state")
    weight, slopes = None if spec.weight is None else rep.readout_pieces("weight"), spec.loss == "h1"
    groups: dict[bytes, list[int]] = {}
    for n, grid in enumerate(points):
        groups.setdefault(b" ".join(xi.tobytes() for xi in grid), []).append(n)
    channels = samples[0].shape[-1] if samples else 1
    found = np.empty((len(rep.root) * channels, len(samples)))
    distances = np.empty(len(samples))
    for members in groups.values():
        own = zip(axes, points[members[0]])
        tables = [compared(p, xi, spec.interpolant, spec.periodic, weight, slopes) for p, xi in own]
        if weight is not None:
            _check_seen(rep.readout["M"], tables[0].functions)
        functions = [table.functions @ turned for table, turned in zip(tables, rep.orthonormal)]
        values = math.prod(len(table.scale) for table in tables) * channels
        for part in np.array_split(members, -(-len(members) * values // CHUNK)):
            wanted = np.stack([samples[n] for n in part], axis=-1)
            for axis, table in enumerate(tables):
                wanted = table.samples(wanted, axis)
            nearest = wanted
            for axis, basis in enumerate(functions):
                nearest = along(basis.T, nearest, axis)
            found[:, part] = nearest.reshape(-1, len(part))
            for axis, basis in enumerate(functions):
                nearest = along(basis, nearest, axis)
            gap = (wanted - nearest).reshape(-1, len(part))
            distances[part] = np.einsum("qn,qn->n", gap, gap)
    return found, distances


def _warn_of_closed(data: Records) -> None:
    """Say so where records on a periodic domain, given without points, end with the sample that they began with."""
    for axis in range(data.dimension):
        closed = [_closes(np.moveaxis(x, axis, 0)) for x in data.samples()]
        if None not in closed and any(closed):
            warn(
                "the last sample of every record is its first, and on a periodic domain samples without points end one "
                "step before their beginning. If records close themselves, leave their last sample out"
            )
            return


def _closes(x: Array) -> bool | None:
    """Whether samples (points, …) end as they began; None if not, and False where they do not move there at all."""
    if len(x) < 4:
        return None
    near = 1e-12 * float(np.abs(x).max())
    if np.abs(x[0] - x[-1]).max() > near:
        return None
    return bool(np.abs(x[1] - x[0]).max() > near and np.abs(x[-2] - x[-1]).max() > near)


def _check_seen(exact: Array, functions: Array) -> None:
    """Raise RepresentationError where a rule misses a weight: ∫ ω χ_i χ_j by it are not those of the tables."""
    wrong = np.max(np.abs(functions.T @ functions - exact)) / np.max(np.abs(exact))
    if wrong > TOLERABLE:
        raise RepresentationError(
            f"a loss's weight whose integrals no quadrature rule gives (relative error {wrong:.1e})",
            "a weight that some thousand points show", "a peak that is much narrower than the distance of samples",
            "give the weight as a custom function with breakpoints around the peak", "loss.weight",
        )  # fmt: skip


def _class_weights(spec: Spec, hot: Array) -> Array:
    """What a record of each class counts (outputs, 1), which the loss reads from its targets (outputs, N).

    "balanced" is N/(K n_k) for n_k of N records and K classes that have any: the mean loss over the records is then the
    mean over the classes of the mean loss in each.
    """
    if spec.class_weights == "balanced":
        counts = hot.sum(axis=1, keepdims=True)
        return np.asarray(hot.shape[1] / (np.count_nonzero(counts) * np.maximum(counts, 1)))
    return np.array([[float(weight)] for weight in spec.class_weights or (1,) * len(hot)])


def _grid(axes: Sequence[Pieces], coefficients: Array, points: Grid) -> Array:
    """Values of coefficients (n·c, N) on a grid of points, which may be none: (points, …, c, N)."""
    sizes = [pieces.size for pieces in axes]
    values = coefficients.reshape(*sizes, -1)
    for axis, (pieces, x) in enumerate(zip(axes, points)):
        values = along(evaluate(pieces, x), values, axis)
    channels = len(coefficients) // math.prod(sizes)
    return values.reshape(*(len(x) for x in points), channels, coefficients.shape[1])


def lines(spec: Spec, finer: int = 1) -> Grid:
    """Equally spaced points along every axis; finer: into how many parts their distance is divided."""
    return (np.linspace(-1, 1, finer * (SHOWN[spec.dimension] - 1) + 1),) * spec.dimension


def _grid_points(spec: Spec, at: Any) -> Grid:
    """Points for all records: (n,) or a single one, on a square or a cube for every axis."""
    if spec.dimension == 1 and not (isinstance(at, tuple) and len(at) == 1 and np.ndim(at[0]) == 1):
        at = (at,)
    if not isinstance(at, list | tuple) or len(at) != spec.dimension:
        raise DataError(
            f"at of type {type(at).__name__}", f"{spec.dimension} lists of points, one an axis", "points in pairs",
            f"write at=({', '.join(('first', 'second', 'third')[: spec.dimension])})",
        )  # fmt: skip
    found = tuple(np.atleast_1d(numbers(x, "at")) for x in at)
    for x in found:
        if x.ndim > 1:
            raise DataError(
                f"at of shape {x.shape}", "points (n,), the same for all records", "points of every record",
                "give one list of numbers, or evaluate the records one by one",
            )  # fmt: skip
    return found


def _values(rep: Representation, y: Array, at: list[Grid] | Grid) -> Any:
    axes = rep.slabs[-1].axes("state")
    if isinstance(at, list):
        shared = all(p is at[0] or all(map(np.array_equal, p, at[0])) for p in at) if at else True
        if not shared:
            return [_grid(axes, y[:, n : n + 1], p)[..., 0] for n, p in enumerate(at)]
        at = at[0]
    return np.moveaxis(_grid(axes, y, at), -1, 0)


def same_solver(first: Representation, second: Representation) -> bool:
    """Whether two representations share state bases, nodes, tableau and steps: then equal fields give equal outputs."""

    def key(spec: Spec) -> tuple[Any, ...]:
        slabs = tuple((s.start, s.stop, s.state) for s in spec.slabs)
        steps = declaration.step_lengths(spec)
        solver = spec.entry, slabs, spec.tableau, steps, spec.tolerance
        return *solver, spec.rate, spec.activation, spec.spacing, spec.parameters

    return key(first.spec) == key(second.spec) and all(
        all(map(np.array_equal, a.factors("nodes"), b.factors("nodes"))) for a, b in zip(first.slabs, second.slabs)
    )


def check_level(model: Continuum, level: str) -> Spec:
    """The spec of a declared level ("base" is the spec itself). Raises RepresentationError naming the levels."""
    instance(model, Continuum, "give a model, as numerics.load reads it")
    names = [name for name, _ in model.base.levels]
    if isinstance(level, str) and level == "base":
        return model.base
    if not isinstance(level, str) or level not in names:
        raise RepresentationError(
            f"level {level!r}",
            f"levels of {model.base.name}: {', '.join(['base', *names])}",
            *advice(
                level, ["base", *names], "a typing error, or a level that the spec does not declare",
                "declare it under [levels] and generate again",
            ),
        )  # fmt: skip
    return model.base.level(level)
