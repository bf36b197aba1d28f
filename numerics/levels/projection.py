"""One model, many representations: moving fields between levels, and what it does to them, the outputs and the loss.

Every move reports two parts. *Fields*: what the L2 projection of the fields (13) changes with the solver kept.
*Solver*: what other state bases, quadrature or steps change with the fields kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from derive.errors import DataError, RepresentationError
from numerics.checks import instance
from numerics.datasets.record import Records
from numerics.datasets.record import records as make_records
from numerics.functions.basis import Pieces, derivative, evaluate, rule
from numerics.functions.field import Field, FieldSlab, Pair, along, check_norm
from numerics.kernels import threads as device
from numerics.kernels.solver import TILE, Slab, Solver, applied_weight
from numerics.kernels.steps import Steps
from numerics.model.continuum import (
    Continuum,
    Prepared,
    check_level,
    kernel_weights,
    lines,
    same_solver,
    zero_fields,
)
from numerics.representation import find
from numerics.representation.tables import Representation, kron

Array = np.ndarray
Sizes = tuple[int, int]

PROBES = 16  # random smooth records that measure outputs when no data are given


@dataclass(frozen=True)
class Report:
    """What a move from one level to another does. Losses and estimates are None without data.

    distance: ‖F − PF‖ by field, norm: ‖F‖ by field, both in L2, in a common space.
    outputs_fields, outputs_solver: relative change of the outputs (root mean square), on the data or on probes.
    first_order: ⟨g(W), PW − W⟩;  predicted: (14);  loss_between: the loss with the new fields on the old solver
    (None when the two cannot be combined). Losses are objectives here: with penalties.
    measured: on data, else on probes.
    """

    source: str
    target: str
    coefficients: Sizes
    distance: Mapping[str, float]
    norm: Mapping[str, float]
    outputs_fields: float | None
    outputs_solver: float | None
    first_order: float | None = None
    predicted: float | None = None
    loss_before: float | None = None
    loss_between: float | None = None
    loss_after: float | None = None
    measured: bool = False

    @property
    def fields_part(self) -> float | None:
        """Measured change of the loss by the fields."""
        return None if self.loss_between is None or self.loss_before is None else self.loss_between - self.loss_before

    @property
    def solver_part(self) -> float | None:
        """Measured change of the loss by the solver."""
        return None if self.loss_between is None or self.loss_after is None else self.loss_after - self.loss_between

    def __str__(self) -> str:
        lines = [f"{self.source} → {self.target}: {self.coefficients[0]} → {self.coefficients[1]} coefficients"]
        for name, distance in self.distance.items():
            lines.append(f"  ‖{name} − P{name}‖ = {distance:.3e}   of ‖{name}‖ = {self.norm[name]:.3e}")
        parts = f"fields {_number(self.outputs_fields)}   solver {_number(self.outputs_solver)}"
        where = "on the records" if self.measured else "on random smooth records"
        lines.append(f"  outputs move by   {parts}   {where}")
        if self.loss_before is not None:
            lines += [
                f"  objective {_number(self.loss_before)} → {_number(self.loss_after)}",
                f"  change by fields  predicted (14) {_number(self.predicted)}   measured {_number(self.fields_part)}"
                f"   (first order alone {_number(self.first_order)})",
                f"  change by solver  measured {_number(self.solver_part)}",
            ]
        return "\n".join(lines)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3e}"


def project(
    model: Continuum, level: str, x: Any = None, y: Any = None, xi: Any = None, records: Records | None = None
) -> Continuum:
    """The model on another level: its fields' L2 projections (13), with ``.report``.

    level: a level's name or "base". With data (x, y[, xi] or records) the report holds the losses and (14).
    Raises RepresentationError for an unknown level or slabs that do not match, DataError for the data.
    """
    if records is not None and x is not None:
        raise DataError("x and records", "one of the two", "data given twice", "leave one of them out")
    data = x if records is None else records
    return move(model, level, None if data is y is xi is None else make_records(data, xi, y))


def move(model: Continuum, level: str, data: Records | None) -> Continuum:
    """``project``, for records or None."""
    data = None if data is None else make_records(data)
    spec = check_level(model, level)
    target = None if level == "base" else level
    rep = find.representation(spec, model.base)
    new = Continuum(model.base, target, transfer_fields(model, rep), model.history, classes=model.classes, stored=rep)
    middle = _between(model, new)
    return new.replace(report=_report(model, middle, new, data))


def transfer_fields(model: Continuum, rep: Representation) -> dict[str, Field]:
    """The fields' projections into another representation's bases."""
    if len(rep.slabs) != len(model.representation.slabs):
        raise RepresentationError(
            f"{len(model.representation.slabs)} slabs in depth, projected onto {len(rep.slabs)}",
            "the same number of slabs on both levels",
            "the level declares another list of slabs",
            "keep the slabs and change the bases inside them",
        )
    empty = zero_fields(rep)
    fields = {}
    for name, field in model.fields.items():
        slabs = []
        for k, (old, new) in enumerate(zip(field.slabs, empty[name].slabs)):
            values = old.coefficients
            for axis, keys in _changes(model, rep, name, k):
                values = along(find.transfer(*keys, model.base), values, axis)
            slabs.append(replace(new, coefficients=np.ascontiguousarray(values)))
        fields[name] = replace(field, slabs=tuple(slabs))
    return fields


def contained(model: Continuum, rep: Representation, name: str) -> bool:
    """Whether the spaces of a field in another representation contain the model's, as the derivation has shown."""
    slabs = range(len(model.fields[name].slabs))
    return all(find.nested(*keys, model.base) for k in slabs for _, keys in _changes(model, rep, name, k))


def _changes(
    model: Continuum, rep: Representation, name: str, k: int
) -> Iterator[tuple[int, tuple[str, str]]]:
    """The axes of a field's slab k along which its bases differ from another representation's, and their keys."""
    spec = model.spec
    bias = (*spec.along_axes("bias_width"), "bias_depth")
    roles = {"W": (*spec.weight_axes, "weight_depth"), "b": bias, "V": bias}
    roles |= {field: spec.along_axes("lift" if field == "P" else "readout") for field in ("P", "R", "a")}
    for axis, role in enumerate(roles.get(name, ()) if model.fields[name].slabs[k].bases else ()):
        old, new = (r.entry["bases"][f"{role}/{k}"] for r in (model.representation, rep))
        if old != new:
            yield axis, (old, new)


def _between(old: Continuum, new: Continuum) -> Continuum | None:
    """The new fields on the old solver."""
    if same_solver(old.representation, new.representation):
        return new
    spec = find.between(old.spec, new.spec)
    if spec is None:
        return None
    if all(old.fields[n].slabs[0].coefficients.shape == f.slabs[0].coefficients.shape for n, f in new.fields.items()):
        entries = old.representation.entry["bases"], new.representation.entry["bases"]
        if entries[0] == entries[1]:
            return old
    return Continuum(replace(spec, levels=()), None, new.fields, stored=find.representation(spec, old.base))


def _report(old: Continuum, middle: Continuum | None, new: Continuum, data: Records | None) -> Report:
    probe = data or _probes(old)
    prepared = [None if m is None else m.prepare(probe) for m in (old, middle, new)]
    parts = _output_changes(old, middle, new, probe)
    report = Report(
        source=old.level or "base",
        target=new.level or "base",
        coefficients=(old.size, new.size),
        distance={name: distance(f, new.fields[name]) for name, f in old.fields.items()},
        norm={name: f.norm() for name, f in old.fields.items()},
        outputs_fields=parts[0],
        outputs_solver=parts[1],
        measured=data is not None,
    )
    if data is None or data.y is None:
        return report
    first, last = prepared[0], prepared[2]
    assert first is not None and last is not None
    estimate = (None, None) if middle is None else loss_change(old, middle, first, prepared[1])
    return replace(
        report,
        first_order=estimate[0],
        predicted=estimate[1],
        loss_before=old.loss(first),
        loss_between=None if middle is None or prepared[1] is None else middle.loss(prepared[1]),
        loss_after=new.loss(last),
    )


def _probes(model: Continuum) -> Records:
    """Random smooth records, the same for every call."""
    spec = model.spec
    d, xi = spec.dimension, lines(spec)[0]
    modes = np.polynomial.legendre.legvander(xi, 7) / (1.0 + np.arange(8))
    x = np.random.default_rng(0).standard_normal((PROBES, *[8] * d, spec.record_channels))
    if spec.periodic and spec.interpolant != "constant":
        modes, xi = (modes * np.cos(np.pi * xi / 2)[:, None] ** 2)[:-1], xi[:-1]
    for axis in range(d):
        x = along(modes, x, axis + 1)
    if spec.interpolant == "constant":
        return make_records(x)
    return make_records(x, xi if d == 1 else (xi,) * d)


def _output_changes(
    old: Continuum, middle: Continuum | None, new: Continuum, probe: Records
) -> tuple[float | None, float | None]:
    models = [m for m in (old, middle, new) if m is not None]
    at, weights = (None, np.ones(1)) if old.spec.functional else _shared_points(models)
    values = {id(m): np.moveaxis(np.asarray(m(probe, at=at)), 0, -1) for m in models}

    def size(given: Array) -> float:
        """The root of the mean over records and channels, and of functions over the domain."""
        squares = np.mean(given**2, axis=(-2, -1)) if at is not None else np.mean(given**2)
        return float(np.sqrt(np.sum(weights * squares)))

    if middle is None:
        return None, None
    whole = size(values[id(old)]) or 1.0
    parts = (values[id(middle)] - values[id(old)], values[id(new)] - values[id(middle)])
    return size(parts[0]) / whole, size(parts[1]) / whole


def _shared_points(models: list[Continuum]) -> tuple[tuple[Array, ...], Array]:
    """Points along every axis, and their weights on the grid with sum 1, that integrate squares of all models'

    outputs.
    """
    axes = zip(*(m.representation.slabs[-1].axes("state") for m in models))
    points, lengths = zip(*(rule(*bases) for bases in axes))
    return points, np.asarray(kron(lengths).reshape([len(x) for x in points]) / 2 ** len(points))


def loss_change(
    old: Continuum, new: Continuum, prepared: Prepared, moved: Prepared | None = None
) -> tuple[float | None, float]:
    """Predicted change of the loss between two sets of fields on one solver: first order, and estimate (14).

    The pairing is taken at the stage operators, so that the two may live in any bases. First order is None for an H1
    penalty in a closed-form basis. moved: the records as the new model prepares them, where lifts have other bases
    along ξ; the pairing is then taken at the lifted records.
    """
    moved = prepared if moved is None else moved
    steps = None if old.spec.tolerance is None else old.solver.find_steps(prepared.states)
    formed = all(slab.formable for slab in (*old.representation.slabs, *new.representation.slabs))
    start, end = (_apart(model, steps, formed) for model in (old, new))
    before, first = _stage_gradients(old, start, prepared)
    after, second = _stage_gradients(new, end, moved)
    slabs = range(len(old.representation.slabs))
    alike = formed or not any(True for k in slabs for _ in _changes(old, new.representation, "W", k))
    lifted = old.spec.lift_width == new.spec.lift_width
    apart = (() if alike else ("/operators",)) + (() if lifted else ("/lift",))
    shared = [name for name in before if not name.endswith(apart)]
    simple = sum(float(np.sum(first[name] * (after[name] - before[name]))) for name in shared)
    other = sum(float(np.sum(second[name] * (after[name] - before[name]))) for name in shared)
    if not alike:  # operators that are applied as factors belong to bases: their effects are compared
        simple += _weights_pairing(old, start, end, prepared)
        other -= _weights_pairing(new, end, start, moved)
    if not lifted:
        (x, at_x), (y, at_y) = _starts(old, start, prepared), _starts(new, end, moved)
        simple, other = simple + float(np.sum(at_x * (y - x))), other + float(np.sum(at_y * (y - x)))
    # A quadratic penalty's change is what (14) gives for it, exactly.
    first_order: float | None = simple
    estimate = (simple + other) / 2
    for p in old.spec.penalties:
        slope, change = _penalty_changes(old.fields[p.field], new.fields[p.field], p.norm)
        first_order = None if first_order is None or slope is None else first_order + float(p.weight) * slope
        estimate += float(p.weight) * change
    return first_order, estimate


def _penalty_changes(old: Field, new: Field, norm: str) -> tuple[float | None, float]:
    """Of a squared norm ⟨gradient at the old field, change⟩, 2⟨a, b − a⟩, and the change, ⟨b + a, b − a⟩.

    The slope is None for an H1 norm in a closed-form basis, whose derivatives are not printed.
    """
    closed = any(basis.kind == "closed-form" for f in (old, new) for slab in f.slabs for basis in slab.bases)
    if norm == "H1" and closed:
        return None, new.squared_norm(norm) - old.squared_norm(norm)
    pairs = [pair for slabs in zip(old.slabs, new.slabs) for pair in _side_by_side(*slabs, norm)]
    return (
        2 * math.fsum(float(np.sum(a * (b - a))) for a, b in pairs),
        math.fsum(float(np.sum((b + a) * (b - a))) for a, b in pairs),
    )


def _apart(model: Continuum, steps: list[Steps] | None, formed: bool) -> Solver:
    """A solver with operators and biases of every stage, in order; rows that stages share are told apart.

    steps: those to take where they are adaptive, so that two models have the same stages.
    """
    solver = Solver(model.representation, model.spec.precision, plan="formed" if formed else "factors")
    solver = solver.form(kernel_weights(model.fields))
    return (solver if steps is None else solver.with_steps(steps)).unshared()


def _stage_gradients(model: Continuum, solver: Solver, prepared: Prepared) -> tuple[dict[str, Array], dict[str, Array]]:
    """Operators, biases and readout of every stage by name, and dL/d of each."""
    operator, constant = model.readout_map()
    _, slabs, bar_operator, bar_constant, _ = solver.gradient(prepared.states, operator, constant, prepared.wanted())
    values, gradients = {"R": operator, "a": constant}, {"R": bar_operator, "a": bar_constant}
    for k, (slab, bars) in enumerate(zip(solver.slabs, slabs)):
        for name, array in slab.operators.items():
            values[f"{k}/{name}"] = array.astype(np.float64)
            gradients[f"{k}/{name}"] = bars[f"bar_{name}"].astype(np.float64)
    return values, {name: g / len(prepared) for name, g in gradients.items()}


def _starts(model: Continuum, solver: Solver, prepared: Prepared) -> tuple[Array, Array]:
    """h(·, 0) of the records, (rows, N), and dL/d of it."""
    h = solver._lifted(prepared.states)
    *_, bar = solver.unlifted().gradient(h, *model.readout_map(), prepared.wanted())
    return h.astype(np.float64), bar.astype(np.float64) / len(prepared)


def _weights_pairing(model: Continuum, at: Solver, other: Solver, prepared: Prepared) -> float:
    """Σ_s ⟨dL/dE_s, E′_s − E_s⟩ of the part W of the stage operators, E_s a model's and E′_s another one's.

    dL/dE_s is the sum over records of p hᵀ, with h the state of the stage and p = dL/du there: what is paired is
    p with E′_s h − E_s h, whatever bases, blocks and axes make E_s. p is the gradient of the biases of one record.
    """
    readout = tuple(np.ascontiguousarray(part, dtype=at.dtype) for part in model.readout_map())
    targets = prepared.wanted()

    def one(start: int) -> float:
        chosen = slice(start * TILE, (start + 1) * TILE)
        states, wanted = prepared.states[:, chosen], targets[:, chosen]
        bars = []
        for r in range(states.shape[1]):
            gradient = [slab.empty_gradient() for slab in at.slabs]
            spare = np.zeros_like(readout[0]), np.zeros_like(readout[1])
            at._tile(states[:, r : r + 1], wanted[:, r : r + 1], readout, gradient, spare)
            bars.append([own["bar_biases"] for own in gradient])
        h, found = at._lifted(states), 0.0
        for k, (slab, changed) in enumerate(zip(at.slabs, other.slabs)):
            p = np.stack([own[k] for own in bars], axis=-1).astype(np.float64)  # (stages, rows, records)
            for s, (seen, entry) in enumerate(_stage_states(slab, h)):
                effects = [applied_weight(x, x.operators["operators"][s], seen, entry) for x in (slab, changed)]
                found += float(np.sum(p[s] * (effects[1] - effects[0])))
            h = slab.forward(h, keep=False)[0]
        return found

    with device.serial_blas():
        return math.fsum(device.spread(one, -(-len(prepared) // TILE))) / len(prepared)


def _stage_states(slab: Slab, h: Array) -> Iterator[tuple[Array, bool]]:
    """Of every stage what W is applied to, (rows, records), and whether that is the state as it arrives.

    A stage's state is what the slab ends in when the step that holds the stage ends with the stage's own row.
    """
    combine = slab.bound["combine"]
    steps, last = combine.shape[0], combine.shape[1] - 1
    for n in range(steps):
        for i in range(last):
            if (n, i) == (0, 0) and "C_entry" in slab.tables.tables and not slab.implicit:
                yield h, True
                continue
            until = combine[: n + 1].copy()
            until[n, last] = until[n, i]
            yield slab.combining(until).forward(h, keep=False)[0], False


# --- distances ----------------------------------------------------------------------------------------------


def distance(first: Field, second: Field, norm: str = "L2") -> float:
    """‖F − G‖ in "L2" or "H1", of fields in any bases: by values on the cells that both share, no cancellation.

    Raises DataError for another norm, RepresentationError for fields of other arguments, channels or slabs.
    """
    check_norm(norm)
    for field in (first, second):
        instance(field, Field, "give two of a model's fields")
    if _domain(first) != _domain(second):
        raise RepresentationError(
            f"the distance of {first!r} and {second!r}", "fields of the same arguments, channels and slabs",
            "two different fields, or levels that share no slabs", "compare fields of one name",
        )  # fmt: skip
    pairs = (pair for slabs in zip(first.slabs, second.slabs) for pair in _side_by_side(*slabs, norm))
    return float(np.sqrt(sum(float(np.sum((a - b) ** 2)) for a, b in pairs)))


def _domain(field: Field) -> tuple[Any, ...]:
    return field.axes, [(slab.start, slab.stop, slab.channels) for slab in field.slabs]


def _side_by_side(first: FieldSlab, second: FieldSlab, norm: str) -> Iterator[tuple[Array, Array]]:
    """Both in coordinates of a space that holds both, in which the sum of the pairs' squares is the squared norm."""
    if not first.bases:
        yield first.coefficients, second.coefficients
        return
    axes = list(zip(first.bases, second.bases))
    plain = [_coordinates(*pair, evaluate) for pair in axes]
    tables = [plain]
    if norm == "H1":
        tables += [
            [*plain[:axis], slope, *plain[axis + 1 :]]
            for axis, pair in enumerate(axes)
            for slope in ([_coordinates(*pair, derivative)] if isinstance(pair[0], Pieces) else _slopes(*pair))
        ]
    for chosen in tables:
        values = first.coefficients, second.coefficients
        for axis, (own, other) in enumerate(chosen):
            values = along(own, values[0], axis), along(other, values[1], axis)
        yield values


Coordinates = tuple[Array, Array]  # (r, size of the first), (r, size of the second)
Table = Callable[[Pieces, Array], Array]


def _coordinates(first: Pieces | Pair, second: Pieces | Pair, table: Table, other: Table | None = None) -> Coordinates:
    """The functions of two bases, or what ``table`` makes of them, in coordinates that are orthonormal in L2.

    other: what is done to functions of pairs along ξ′, where it is not the same.
    """
    if isinstance(first, Pieces) and isinstance(second, Pieces):
        x, weights = rule(first, second)
        parts = [table(basis, x) * np.sqrt(weights)[:, None] for basis in (first, second)]
    else:
        assert isinstance(first, Pair) and isinstance(second, Pair)
        (x, outer), (y, inner) = rule(first.outer, second.outer), rule(first.inner, second.inner)
        size = np.sqrt(np.multiply.outer(outer, inner)).reshape(-1, 1)
        parts = [
            pair.combined(table(pair.outer, x)[:, None], (other or table)(pair.inner, y)).reshape(-1, pair.size) * size
            for pair in (first, second)
        ]
    triangular: Array = np.linalg.qr(np.hstack(parts))[1]
    return triangular[:, : first.size], triangular[:, first.size :]


def _slopes(first: Pieces | Pair, second: Pieces | Pair) -> list[Coordinates]:
    """Of functions of pairs: their derivatives by ξ and by ξ′."""
    return [_coordinates(first, second, derivative, evaluate), _coordinates(first, second, evaluate, derivative)]
