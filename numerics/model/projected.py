"""Records projected onto bases: coefficients of what was sampled, and the functions that are nearest to targets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial, reduce

import numpy as np

from derive.errors import DataError, RepresentationError
from derive.spec import Spec, of_axis
from numerics.checks import warn
from numerics.datasets import Records
from numerics.datasets.record import offsets_of
from numerics.functions.arrays import along
from numerics.functions.basis import TOLERABLE
from numerics.functions.rules import CHUNK
from numerics.functions.sampled_records import Compared, check_points, compared, projection
from numerics.kernels import own_points, threads
from numerics.model.layout import along_state
from numerics.model.points import Grid, grid_of, side_by_side, sorted_out
from numerics.representation.tables import Representation

Array = np.ndarray

KEPT = 64  # matrices that are kept with a representation, for more records at the same points

AXES = {1: "an interval", 2: "a square", 3: "a cube"}
LAYOUTS = {
    1: "(samples, points[, channels])",
    2: "(samples, points, points, channels)",
    3: "(samples, points, points, points, channels)",
}


def coefficients(rep: Representation, data: Records) -> Array:
    """Coefficients of the records as functions, (entry size · channels, N).

    With a lift those of the constant function come after the records' channels; and with one that varies along ξ,
    those of ψ_i x and of ψ_i for all its functions ψ_i.
    """
    spec = rep.spec
    if data.dimension != spec.dimension:
        raise DataError(
            f"records on {AXES[data.dimension]}", f"{AXES[spec.dimension]}, as equation.dimension declares",
            "channels taken for an axis of points, or an axis left out", f"give x as {LAYOUTS[spec.dimension]}",
        )  # fmt: skip
    if data.channels != spec.record_channels:
        raise _wrong_channels(spec, data)
    if data.column and (spec.interpolant != "constant" or spec.entry.size > 1):  # no network of one input
        raise DataError(
            f"x of shape ({len(data)}, 1)", f"x as {LAYOUTS[1]}",
            f"one record of {len(data)} points and one channel, or {len(data)} records of a single point",
            f"write x[None] for one record, x[:, None] for {len(data)}; frames with .to_numpy() first",
        )  # fmt: skip
    if data.xi is None and spec.interpolant != "constant":
        _warn_of_closed(data, spec.periodic)
    found = _project_channels(rep, data) if data.gaps else projected(rep, "entry", data, data.x)
    if spec.inputs is None:
        return found
    products, one = along_state(rep, "lift")
    parts = found.reshape(len(one), spec.inputs, -1)
    moved = parts[:, None] if spec.lift_width is None else np.tensordot(products, parts, 1).swapaxes(0, 1)
    whole = np.broadcast_to(one[:, :, None, None], (*one.shape, 1, parts.shape[2]))
    return np.concatenate([moved, whole], axis=2).reshape(-1, parts.shape[2])


def _wrong_channels(spec: Spec, data: Records) -> DataError:
    """The refusal of records with another number of channels; where it is that of their points, it says so."""
    key = "equation.channels" if spec.inputs is None else "lift.inputs"
    cause, fix = "the data belong to another spec", f"change {key}, or use the data it was written for"
    if bool((data.sizes[:, 0] == spec.record_channels).all()):
        if data.channels == 1:
            cause = "one record of several channels, without the axis of the records"
            fix = "write x[None] for one record"
        else:
            cause = f"channels before points: x of shape {data.shapes[0]} × {data.channels} a record fits when swapped"
            fix = "give layout='channels_first' to records"
    return DataError(f"records with {data.channels} channels", f"{spec.record_channels}, as {key} declares", cause, fix)


def projections(rep: Representation, role: str, grid: Grid) -> list[Array]:
    """Along every axis the matrix (n, points) from samples at these points to the coefficients of "entry" or "state".

    They are kept with the representation. Raises DataError for points that do not determine the coefficients.
    """
    spec, slab, known = rep.spec, rep.slabs[0 if role == "entry" else -1], rep.met
    smoothing = None if spec.smoothing is None else float(spec.smoothing)
    found = []
    for axis, (basis, mass, xi) in enumerate(zip(slab.axes(role), slab.factors(f"gram/{role}"), grid)):
        key = role, axis, xi.tobytes()
        if key not in known:
            if len(known) >= KEPT:
                known.clear()
            known[key] = projection(basis, mass, xi, spec.interpolant, spec.periodic[axis], smoothing)
        found.append(known[key])
    return found


def projected(rep: Representation, role: str, data: Records, values: Array) -> Array:
    """Coefficients (n · channels, N) of what records sampled (total, channels); equal points share a matrix an axis."""
    spec, slab = rep.spec, rep.slabs[0 if role == "entry" else -1]
    axes = list(zip(slab.axes(role), slab.factors(f"gram/{role}")))
    _check_circles(data, spec.periodic)
    size, channels = math.prod(basis.size for basis, _ in axes), values.shape[1]
    found = np.empty((size, channels, len(data)))
    groups, parts = sorted_out(spec, data, size, spec.interpolant == "linear")
    for members in groups:
        given = np.moveaxis(data.stacked(values, members), 0, -1)
        try:
            own = projections(rep, role, grid_of(spec, data, members[0]))
        except DataError as error:
            raise DataError(error.given, error.allowed, error.cause, error.fix, f"record {members[0]}") from None

        def turn(part: slice, given: Array = given, own: list[Array] = own, members: Array = members) -> None:
            where = part if len(members) == len(data) else members[part]
            if len(own) == channels == 1 and isinstance(where, slice):
                np.matmul(own[0], given[:, 0, part], out=found[:, 0, where])
                return
            turned = _each_axis([partial(along, m) for m in own], given[..., part])
            found[:, :, where] = turned.reshape(size, channels, -1)

        side_by_side(turn, len(members), max(size * channels, given[..., 0].size))

    def project(number: int) -> None:
        part = parts[number]
        own = own_points.projected(*axes[0], part.xi, part.offsets, values[part.rows], spec.periodic[0])
        found[:, :, part.records] = np.moveaxis(own, 0, -1)

    with threads.serial_blas():
        threads.spread(project, len(parts))
    return found.reshape(-1, len(data))


def _check_circles(data: Records, periodic: Sequence[bool]) -> None:
    """Raise DataError for the first record whose points close a circle."""
    if data.xi is None or not any(periodic):
        return
    ends = offsets_of(data.sizes.ravel())
    spans = (data.xi[ends[1:] - 1] - data.xi[ends[:-1]]).reshape(len(data), -1)
    closed = np.argwhere((spans >= 2) & np.array(periodic))
    for record, axis in closed[:1]:
        try:
            check_points((data.grid_of(record) or ())[axis], True)
        except DataError as error:
            raise DataError(error.given, error.allowed, error.cause, error.fix, f"record {record}") from None


def nearest_functions(rep: Representation, data: Records, values: Array) -> tuple[Array, Array]:
    """The functions y that are nearest to records' interpolants y* in the norm of a loss on functions, in orthonormal

    coordinates (n · channels, N), and the squares of their distances (channels, N), which no coefficient can change.

    The distance is the integral of squares, where both functions are smooth, and no difference of integrals: nothing
    cancels when y is close to y*. H1 adds the squares of the slopes along every axis to those of the values.
    values: what was sampled (total, channels).
    """
    spec, bases, channels = rep.spec, rep.slabs[-1].axes("state"), values.shape[1]
    norms = 1.0 if rep.norms is None else rep.norms.reshape(*(basis.size for basis in bases), 1, 1)
    found, distances = np.empty((len(rep.root), channels, len(data))), np.zeros((channels, len(data)))
    own = spec.interpolant == "linear" and spec.loss_weight is None
    groups, parts = sorted_out(spec, data, bases[0].size, own)
    for members in groups:
        integrals = _integrals(rep, grid_of(spec, data, members[0]))
        turns = [[table.functions @ t for table, t in zip(tables, rep.orthonormal)] for tables in integrals]
        count = sum(math.prod(len(table.scale) for table in tables) for tables in integrals) * channels
        for part in np.array_split(members, min(len(members), -(-len(members) * count // CHUNK))):
            given = np.moveaxis(data.stacked(values, part), 0, -1)
            wanted = [_each_axis([table.samples for table in tables], given) for tables in integrals]
            loads = [_each_axis([partial(along, f.T) for f in own], rows) for own, rows in zip(turns, wanted)]
            nearest = reduce(np.add, loads) / norms
            found[:, :, part] = (np.sqrt(norms) * nearest).reshape(-1, channels, len(part))
            for turn, rows in zip(turns, wanted):
                gap = rows - _each_axis([partial(along, f) for f in turn], nearest)
                gap = gap.reshape(-1, channels, len(part))
                distances[:, part] += np.einsum("qcn,qcn->cn", gap, gap)

    def approach(number: int) -> None:
        part = parts[number]
        given = part.xi, part.offsets, values[part.rows], spec.periodic[0]
        own, gaps = own_points.nearest(bases[0], rep.orthonormal[0], rep.norms, *given)
        found[:, :, part.records] = np.moveaxis(own, 0, -1)
        distances[:, part.records] = gaps.T

    with threads.serial_blas():
        threads.spread(approach, len(parts))
    return found.reshape(-1, len(data)), distances


def _integrals(rep: Representation, grid: Grid) -> list[list[Compared]]:
    """Of samples on a grid and the state: the integrals whose sum is the norm of the loss, a table an axis each."""
    spec, axes, values = rep.spec, list(zip(rep.slabs[-1].axes("state"), grid, rep.spec.periodic)), []
    for axis, (basis, xi, periodic) in enumerate(axes):
        weight = None if spec.loss_weight is None else rep.readout_basis(of_axis("weight", axis))
        values.append(compared(basis, xi, spec.interpolant, periodic, weight))
        if weight is not None:
            _check_seen(rep.readout[of_axis("M", axis)], values[-1].functions)
    if rep.norms is None:
        return [values]
    slopes = [compared(basis, xi, spec.interpolant, periodic, slopes=True) for basis, xi, periodic in axes]
    return [values, *([*values[:axis], steep, *values[axis + 1 :]] for axis, steep in enumerate(slopes))]


def _project_channels(rep: Representation, data: Records) -> Array:
    """Coefficients (n · channels, N) of records whose channels have points of their own: NaN is no sample."""
    xi = np.concatenate([grid_of(rep.spec, data, n)[0] for n in range(len(data))]) if data.xi is None else data.xi
    found = []
    for channel in range(data.channels):
        own = data.sampled(channel, xi)
        if not own.lengths.all():
            raise DataError(
                f"channel {channel} without a single sample", "one sample of every channel at least",
                "a sensor that failed, or points that were thinned away", "leave the record out",
                f"record {int(np.argmin(own.lengths))}",
            )  # fmt: skip
        found.append(projected(rep, "entry", own, own.x).reshape(-1, 1, len(data)))
    return np.concatenate(found, axis=1).reshape(-1, len(data))


def _each_axis(turns: Sequence[Callable[[Array, int], Array]], values: Array) -> Array:
    """Values (…, channels, N) on a grid, turned along one axis after the other."""
    for axis, turn in enumerate(turns):
        values = turn(values, axis)
    return values


def _warn_of_closed(data: Records, periodic: Sequence[bool]) -> None:
    """Say so where records on a periodic domain, given without points, end with the sample that they began with."""
    for axis in np.flatnonzero(periodic):
        closed = [_close(np.moveaxis(data.stacked(data.x, group), 1 + axis, 1)) for group in data.alike()]
        if all(closes.all() for closes, _ in closed) and any(moves.any() for _, moves in closed):
            warn(
                "the last sample of every record is its first, and on a periodic domain samples without points end one "
                "step before their beginning. If records close themselves, leave their last sample out"
            )
            return


def _close(x: Array) -> tuple[Array, Array]:
    """Of samples (records, points, …): which end as they began, and which of them move there at all."""
    x = x.reshape(*x.shape[:2], -1)
    if x.shape[1] < 4:
        return np.zeros(len(x), dtype=bool), np.zeros(len(x), dtype=bool)
    near = 1e-12 * np.abs(x).max(axis=(1, 2))
    ends, first, last = (np.abs(x[:, a] - x[:, b]).max(axis=1) > near for a, b in ((0, -1), (1, 0), (-2, -1)))
    return ~ends, ~ends & first & last


def _check_seen(exact: Array, functions: Array) -> None:
    """Raise RepresentationError where a rule misses a weight: ∫ ω χ_i χ_j by it are not those of the tables."""
    wrong = np.max(np.abs(functions.T @ functions - exact)) / np.max(np.abs(exact))
    if wrong > TOLERABLE:
        raise RepresentationError(
            f"a loss's weight whose integrals no quadrature rule gives (relative error {wrong:.1e})",
            "a weight that some thousand points show", "a peak that is much narrower than the distance of samples",
            "give the weight as a custom function with breakpoints around the peak", "loss.weight",
        )  # fmt: skip
