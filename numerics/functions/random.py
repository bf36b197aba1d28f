"""Functions → fields: the L2 projection of given or random functions, the start of every model.

A seed draws a *function*, a random combination of orthonormal Legendre modes with decaying amplitudes, which is
then projected: one seed is one function, whatever the bases, the widths or the depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.polynomial import legendre
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from derive.errors import SpecError
from derive.spec import Spec, SymmetrySpec
from numerics.checks import numbers, warn
from numerics.functions.basis import FINEST, Pieces, degrees, evaluate, gauss, rule, union
from numerics.functions.field import Field, FieldSlab, Pair, along

Array = np.ndarray

MODES = {1: 20, 2: 20, 3: 8, 4: 6, 6: 3}  # in each width direction, by how many of these a field has
DEPTH_MODES = 3
DECAY = 1.0  # amplitudes fall like (1 + degree)^(−DECAY), so that coarse and fine bases see much the same function
SCALE = 2.0  # L2 norm of W: smaller ones start in the linear range of the activations
FIELD_ORDER = ("W", "b", "R", "a", "V", "P", "Q")


@dataclass(frozen=True)
class Modes:
    """The function Σ draws[k₁, k₂, …] m_k₁(x₁) m_k₂(x₂) …: one set of modes an axis, or one for both widths.

    draws: (*counts, *channels).
    """

    draws: Array
    axes: tuple[Along, ...]

    def __call__(self, *points: Array) -> Array:
        rest = [np.ravel(x) for x in points]
        pairs = len(points) - len(self.axes)  # sets for both widths come first, their ξ before their ξ′
        values, dimension = self.draws, len(self.axes)
        for axis, along_it in enumerate(self.axes):
            given = (rest[axis], rest[pairs + axis]) if axis < pairs else (rest[pairs + axis],)
            table = along_it.modes(*given)
            values = np.moveaxis(np.tensordot(table.reshape(-1, table.shape[-1]), values, (1, axis)), 0, axis)
        sizes = [len(x) for x in rest]
        split = [n for axis in range(pairs) for n in (sizes[axis], sizes[pairs + axis])] + sizes[2 * pairs :]
        order = [*range(0, 2 * pairs, 2), *range(1, 2 * pairs, 2)]
        channels = values.shape[dimension:]
        found = values.reshape(*split, *channels)
        return found.transpose(*order, *range(2 * pairs, found.ndim))


@dataclass(frozen=True)
class Along:
    """The modes along an axis. modes: coordinates, one array or two → (points…, count); counts: how many there are,
    whose product is the count, less the twins; twins: functions of one amplitude; degree, frequency: the highest ones
    in each coordinate, of polynomials and of waves.
    """

    modes: Callable[..., Array]
    counts: tuple[int, ...]
    twins: int = 1
    degree: int = 0
    frequency: float = 0.0


def random_function(name: str, shape: tuple[int, ...], seed: int, spec: Spec) -> Modes | Array | None:
    """The random function of a field; trailing axes ``shape`` are channels. Biases and constants start at zero.

    W has L2 norm about SCALE a pair of channels, V and R about one, divided by √c so that sums over channels keep
    their size; κ is scaled to what a W of that norm does to a constant. W has the symmetries that the spec declares,
    and V is constant along ξ then. Learned parameters start where the spec says.
    """
    if name in ("b", "a"):
        return None
    if name == "parameters":
        return np.broadcast_to(np.array([[float(start)] for _, start in spec.learned]), shape)
    generator = np.random.default_rng([seed, FIELD_ORDER.index(name)])
    scale = 1 / np.sqrt(spec.channels)
    d = spec.dimension
    count = MODES[d if name != "W" or spec.reach is not None else 2 * d]
    plain = Along(partial(_width_modes, count=count), (count,), degree=count - 1)
    one = Along(partial(_width_modes, count=1), (1,))
    size, basis = (1.0, spec.lift_width) if name == "P" else (scale, spec.readout_width)
    if name in ("P", "Q") or (name == "R" and not spec.functional):
        if name == "Q" or basis is None:  # numbers, not functions of ξ
            return generator.standard_normal(shape) * size
        return _modes(generator, [one if spec.symmetries else plain] * d, shape, np.sqrt(2) ** d * size)
    if name == "R":
        return _modes(generator, [plain] * d, shape, scale)
    if name == "V":
        return _modes(generator, [*[one if spec.symmetries else plain] * d, DEPTH], shape, scale)
    if spec.reach is not None:  # ∫ κ h is about as large as ∫ W h would be
        reach = float(spec.reach)
        own = replace(plain, modes=lambda s: _width_modes(s / reach, count) / np.sqrt(reach))
        return _modes(generator, [*[own] * d, DEPTH], shape, SCALE * scale / np.sqrt(2 * reach) ** d)
    if not spec.symmetries:
        return _modes(generator, [*[plain] * 2 * d, DEPTH], shape, SCALE * scale)
    if any(one.kind == "translation" for one in spec.symmetries):
        both = Along(partial(_waves, count=count), (count,), 2, frequency=np.pi * (count - 1))
    else:
        both = Along(partial(_products, count=count), (count, count), degree=count - 1)
        scale *= np.sqrt(_orbit(spec.symmetries)) ** d  # a projection is that of the average over the group
    return _modes(generator, [*[both] * d, DEPTH], shape, SCALE * scale)


def _modes(generator: np.random.Generator, axes: list[Along], shape: tuple[int, ...], scale: float) -> Modes:
    """A random function with these modes along its axes."""
    twins = tuple(along.twins for along in axes if along.twins > 1)
    found = _draws(generator, tuple(n for along in axes for n in along.counts), (*twins, *shape), scale)
    first = sum(len(along.counts) for along in axes)
    for k in range(len(twins)):  # beside their amplitudes: those axes come first, and have one count each
        found = np.moveaxis(found, first + k, 2 * k + 1)
    sizes = (int(np.prod(along.counts)) * along.twins for along in axes)
    return Modes(found.reshape(*sizes, *shape), tuple(axes))


def _draws(generator: np.random.Generator, counts: tuple[int, ...], shape: tuple[int, ...], scale: float) -> Array:
    amplitudes = np.ones(counts)
    for axis, count in enumerate(counts):
        decay = (1.0 + np.arange(count)) ** -DECAY
        amplitudes *= decay.reshape([-1 if a == axis else 1 for a in range(len(counts))])
    amplitudes *= scale / np.sqrt(np.sum(amplitudes**2))
    return np.asarray(generator.standard_normal((*counts, *shape)) * amplitudes.reshape(*counts, *[1] * len(shape)))


def _width_modes(x: Array, count: int) -> Array:
    """Orthonormal Legendre polynomials on [−1, 1]."""
    return np.asarray(legendre.legvander(x, count - 1) * np.sqrt((2 * np.arange(count) + 1) / 2))


def _depth_modes(x: Array) -> Array:
    """Orthonormal Legendre polynomials on [0, 1]."""
    return np.asarray(legendre.legvander(2 * x - 1, DEPTH_MODES - 1) * np.sqrt(2 * np.arange(DEPTH_MODES) + 1))


DEPTH = Along(_depth_modes, (DEPTH_MODES,), degree=DEPTH_MODES - 1)


def _waves(x: Array, y: Array, count: int) -> Array:
    """Orthonormal cosines and sines of ξ − ξ′, which every translation leaves alone; a sine of frequency 0 is zero."""
    angles = np.pi * np.subtract.outer(x, y)[..., None] * np.arange(count)
    waves = np.stack([np.cos(angles), np.sin(angles)], axis=-1) / np.sqrt(2)
    waves[..., 0, :] /= np.sqrt(2)
    return np.asarray(waves.reshape(len(x), len(y), 2 * count))


def _products(x: Array, y: Array, count: int) -> Array:
    """Products of Legendre modes of both widths."""
    tables = _width_modes(x, count), _width_modes(y, count)
    return np.asarray(np.einsum("xa,yb->xyab", *tables).reshape(len(x), len(y), -1))


def moved(one: SymmetrySpec, points: Array) -> tuple[Array, Array]:
    """g(ξ) and the slopes there, ±1, of a single map g."""
    starts, signs, offsets = np.array([(float(p.start), p.sign, float(p.offset)) for p in one.pieces]).T
    piece = np.searchsorted(starts[1:], points, side="right")
    return signs[piece] * points + offsets[piece], signs[piece]


def _orbit(symmetries: Sequence[SymmetrySpec]) -> float:
    """How many places the maps together take a point to: the harmonic mean over [−1, 1], both directions apart."""
    count = math.lcm(*(one.cells for one in symmetries))
    middles = (2 * np.arange(count) + 1) / count - 1
    marks, images = np.arange(2 * count), []
    for one in symmetries:
        places, slopes = moved(one, middles)
        cells = np.floor((places + 1) / 2 * count).astype(int)
        images.append(np.concatenate([cells + count * (slopes < 0), cells + count * (slopes > 0)]))
    links = np.tile(marks, len(images)), np.concatenate(images)
    orbits, _ = connected_components(coo_array((np.ones(len(links[0])), links), (2 * count, 2 * count)))
    return 2 * count / float(orbits)


def project_function(field: Field, function: Callable[..., Any] | Array) -> Field:
    """The field's L2 projection of a function, slab by slab: M⁻¹ ⟨basis, f⟩ along every axis.

    function: called with arrays that broadcast over the axes (ξ, ξ′, δ); an array is taken as it is where the
    field has no axes. Raises SpecError when the values have another shape than the field's channels.
    """
    return replace(field, slabs=tuple(_project_slab(field.name, slab, function) for slab in field.slabs))


def _project_slab(name: str, slab: FieldSlab, function: Callable[..., Any] | Array) -> FieldSlab:
    channels = slab.coefficients.shape[len(slab.bases) :]
    if not slab.bases:
        values = numbers(function, f"the field {name}", None if channels == (1,) else channels, name, SpecError)
        return replace(slab, coefficients=_shaped(name, values, (), channels))
    if isinstance(function, Modes):
        return _project_modes(slab, function)
    if isinstance(slab.bases[0], Pair):
        return _project_pair(name, slab, function)
    loads = _integrals(name, _plain(slab.bases), function, channels)
    return replace(slab, coefficients=slab.riesz(loads))


def _plain(bases: tuple[Pieces | Pair, ...]) -> tuple[Pieces, ...]:
    return tuple(basis for basis in bases if isinstance(basis, Pieces))


def _project_modes(slab: FieldSlab, function: Modes) -> FieldSlab:
    """Axis by axis: the modes are projected, not the values."""
    found = function.draws
    for axis, (basis, gram, own) in enumerate(zip(slab.bases, slab.grams, function.axes)):
        modes, points_of = own.modes, partial(rule, degree=own.degree, frequency=own.frequency)
        if isinstance(basis, Pair):
            (x, first), (y, second) = points_of(basis.outer), points_of(basis.inner)
            tables = evaluate(basis.outer, x) * first[:, None], evaluate(basis.inner, y) * second[:, None]
            # ∫∫ φ_i(ξ) φ̃_j(ξ′) mode
            loads = np.einsum("xi,xyk->iyk", tables[0], modes(x, y), optimize=True)
            loads = np.einsum("yj,iyk->ijk", tables[1], loads, optimize=True)
            tested = _tested(basis, loads)
        else:
            x, weights = points_of(basis)
            tested = (evaluate(basis, x) * weights[:, None]).T @ modes(x)
        found = along(cho_solve(cho_factor(gram), tested), found, axis)
    return replace(slab, coefficients=np.ascontiguousarray(found))


def _tested(pair: Pair, loads: Array) -> Array:
    """Σ_ij N_ijm of loads (i, j, …): (m, …)."""
    found = np.zeros((pair.size, *loads.shape[2:]))
    for (m, i, j), value in zip(pair.index, pair.values):
        found[m] += value * loads[i, j]
    return found


def _project_pair(name: str, slab: FieldSlab, function: Any) -> FieldSlab:
    """A given W(ξ, ξ′, δ), on squares W(ξ, η, ξ′, η′, δ): its part with the symmetries."""
    pairs = [basis for basis in slab.bases if isinstance(basis, Pair)]
    bases = (*(pair.outer for pair in pairs), *(pair.inner for pair in pairs), *_plain(slab.bases))
    loads = _integrals(name, bases, function, slab.channels)
    count = len(pairs)
    for k, pair in enumerate(pairs):  # the axes that are left: k pairs, then outer and inner ones
        loads = np.moveaxis(_tested(pair, np.moveaxis(loads, (k, count), (0, 1))), 0, k)
    return replace(slab, coefficients=slab.riesz(loads))


def _called(name: str, function: Any, grid: list[Array]) -> Any:
    try:
        return function(*grid)
    except TypeError as error:
        raise SpecError(
            f"a function for the field {name} that fails: {error}",
            f"a function of {len(grid)} arrays that broadcast", "another number of arguments, or `math` for `numpy`",
            "take one argument an axis and use NumPy's functions", name,
        ) from error  # fmt: skip


def _shaped(name: str, given: Any, grid: tuple[int, ...], channels: tuple[int, ...]) -> Array:
    values = numbers(given, f"values of the field {name}", where=name, error=SpecError)
    if values.ndim == len(grid) and all(n == 1 for n in channels):
        values = values.reshape(*values.shape, *channels)
    constant = values.ndim == 0 or values.shape == channels
    if not np.isfinite(values).all():
        raise SpecError(
            f"values of the field {name} that are not finite", "finite numbers on the whole domain",
            "a logarithm, a root or a quotient outside its domain", "change the function there", name,
        )  # fmt: skip
    try:
        if not constant and values.ndim != len(grid) + len(channels):  # axes that NumPy would take for other ones
            raise ValueError
        return np.ascontiguousarray(np.broadcast_to(values, (*grid, *channels)))
    except ValueError:
        raise SpecError(
            f"values of shape {values.shape} for the field {name}",
            f"shape {(*grid, *channels)}: the points, then the channels {channels}",
            "the function does not return one matrix or vector for each point",
            "append the channel axes, or broadcast with the arguments it is given",
            name,
        ) from None


# --- integrals of functions that are only known by their values ---------------------------------------------

POINTS = (10, 6, 3)  # Gauss points on an interval beside those that the basis needs: as many as there is room for
VALUES = 1 << 20  # at most so many values of a function at once
ACCURATE, NOTICED = 1e-13, 1e-7  # parts of the norm: what is aimed at on an interval, and what is said if it is missed


@dataclass(frozen=True)
class _Line:
    """The points along one axis: ``count`` Gauss points on each of the intervals between ``edges``.

    unknown: which intervals are not known to be short enough (intervals,).
    """

    basis: Pieces
    count: int
    edges: Array
    unknown: Array

    def points(self, edges: Array | None = None) -> tuple[Array, Array]:
        """Gauss points and weights (n,) between the line's edges, or between pairs of others (intervals, 2)."""
        left, right = (self.edges[:-1], self.edges[1:]) if edges is None else edges.T
        return gauss(left, right, np.full(len(left), self.count))

    def tested(self, points: Array, weights: Array) -> Array:
        """The functions times the weights, (size, n)."""
        found: Array = (evaluate(self.basis, points) * weights[:, None]).T
        return found

    def halves(self) -> Array:
        """Both halves of every unknown interval, (2 · unknown, 2)."""
        left, right = self.edges[:-1][self.unknown], self.edges[1:][self.unknown]
        middle = (left + right) / 2
        return np.stack([left, middle, middle, right], axis=1).reshape(-1, 2)

    def cut(self, chosen: Array, known: Array) -> _Line:
        """The line with the chosen intervals (indices) halved; known: those that are short enough."""
        unknown = self.unknown.copy()
        unknown[known] = False
        middles = (self.edges[chosen] + self.edges[chosen + 1]) / 2
        edges = np.insert(self.edges, chosen + 1, middles)
        return replace(self, edges=edges, unknown=np.insert(unknown, chosen + 1, True))


def _integrals(name: str, bases: tuple[Pieces, ...], function: Any, channels: tuple[int, ...]) -> Array:
    """∫ φ_i(ξ) φ̃_j(ξ′) … f, (*sizes, *channels), by Gauss rules on a grid whose intervals are halved where that

    changes what they add by more than ACCURATE. Warns where there are not values enough for NOTICED: of a function
    that jumps or bends along a line that is parallel to no axis.
    """
    lines = _first_lines(bases, math.prod(channels))
    most = max(VALUES, 2 * _size(lines) * math.prod(channels))
    while True:
        rules = [line.points() for line in lines]
        values = _on_grid(name, function, [x for x, _ in rules], channels)
        norm = float(np.sqrt(np.sum(values**2 * _product([w for _, w in rules], len(channels)))))
        errors = [_errors(name, function, lines, rules, values, axis) for axis in range(len(lines))]
        lines = [_of_constant(line, values, axis) for axis, line in enumerate(lines)]
        rough = [(a, i) for a, found in enumerate(errors) for i in np.flatnonzero(found > ACCURATE * norm)]
        rough.sort(key=lambda place: -errors[place[0]][place[1]])
        chosen = _affordable(lines, rough, most // math.prod(channels))
        if not chosen:
            break
        lines = [
            line.cut(np.array(sorted(i for a, i in chosen if a == axis), dtype=int),
                     np.flatnonzero(errors[axis] <= ACCURATE * norm))
            for axis, line in enumerate(lines)
        ]  # fmt: skip
    missed = math.hypot(*(errors[a][i] for a, i in rough))
    if missed > NOTICED * norm:
        warn(
            f"the function for the field {name} is integrated to about {missed / norm:.0e} of its norm; it jumps or "
            f"bends between the breakpoints of the basis, or is noisy: {values.size:,} values do not show it. "
            "Give a smoother function, or breakpoints where it bends."
        )
    for axis, (line, points) in enumerate(zip(lines, rules)):
        values = along(line.tested(*points), values, axis)
    return np.ascontiguousarray(values)


def _of_constant(line: _Line, values: Array, axis: int) -> _Line:
    """The line with as few points as its basis needs where the function does not vary along it: more for the others."""
    return line if np.ptp(values, axis=axis).any() else replace(line, count=_needed(line.basis, line.edges))


def _needed(basis: Pieces, edges: Array) -> int:
    """Gauss points that integrate the basis's own products on every interval."""
    return int(degrees(basis, edges[:-1], edges[1:]).max()) + 1


def _first_lines(bases: tuple[Pieces, ...], channels: int) -> list[_Line]:
    """The cells, with points enough for the bases' own products."""
    for least in POINTS:
        lines = []
        for basis in bases:
            edges = union(basis.smooth)
            lines.append(_Line(basis, max(_needed(basis, edges), least), edges, np.ones(len(edges) - 1, dtype=bool)))
        if _size(lines) * channels <= VALUES // 8:
            break
    return lines


def _size(lines: Sequence[_Line]) -> int:
    return math.prod(line.count * (len(line.edges) - 1) for line in lines)


def _affordable(lines: Sequence[_Line], rough: list[tuple[int, Any]], most: int) -> list[tuple[int, Any]]:
    """The intervals (axis, index) of the list, from its beginning, that can be halved with ``most`` points in all."""
    counts = [len(line.edges) - 1 for line in lines]
    chosen = []
    for axis, i in rough:
        line = lines[axis]
        if line.edges[i + 1] - line.edges[i] <= FINEST * (line.edges[-1] - line.edges[0]):
            continue
        more = [n + (a == axis) for a, n in enumerate(counts)]
        if math.prod(line.count * n for line, n in zip(lines, more)) > most:
            break
        counts = more
        chosen.append((axis, i))
    return chosen


def _errors(
    name: str, function: Any, lines: list[_Line], rules: list[tuple[Array, Array]], values: Array,
    axis: int,
) -> Array:  # fmt: skip
    """What halving every interval of an axis would change, (intervals,): the L2 norm, along the other axes, of the

    change of the integrals with the basis functions, each divided by its norm.
    """
    line, channels = lines[axis], values.shape[len(lines) :]
    found = np.zeros(len(line.edges) - 1)
    if not line.unknown.any():
        return found
    finer = line.points(line.halves())
    points = [x if a != axis else finer[0] for a, (x, _) in enumerate(rules)]
    after = np.moveaxis(_on_grid(name, function, points, channels), axis, 0).reshape(len(finer[0]), -1)
    before = np.moveaxis(values, axis, 0).reshape(len(rules[axis][0]), -1)
    others = _product([w for a, (_, w) in enumerate(rules) if a != axis], len(channels))
    others = np.broadcast_to(np.sqrt(others), (*others.shape[: len(lines) - 1], *channels)).ravel()
    coarse, fine = line.tested(*rules[axis]), line.tested(*finer)
    size = np.sqrt(np.sum(coarse**2 / rules[axis][1], axis=1))  # by the rule: the norms
    n = line.count
    for k, interval in enumerate(np.flatnonzero(line.unknown)):
        old, new = slice(interval * n, (interval + 1) * n), slice(2 * k * n, 2 * (k + 1) * n)
        rows = coarse[:, old].any(axis=1) | fine[:, new].any(axis=1)
        change = fine[rows, new] @ after[new] - coarse[rows, old] @ before[old]
        found[interval] = np.linalg.norm(change * others / np.where(size[rows] > 0, size[rows], 1)[:, None])
    return found


def _product(weights: Sequence[Array], more: int) -> Array:
    """The weights of a grid, with ``more`` axes of length one behind."""
    found = np.ones(())
    for w in weights:
        found = np.multiply.outer(found, w)
    return found.reshape(*found.shape, *[1] * more)


def _on_grid(name: str, function: Any, points: Sequence[Array], channels: tuple[int, ...]) -> Array:
    """The function's values (*points, *channels), finite."""
    count = len(points)
    grid = [x.reshape([-1 if a == axis else 1 for a in range(count)]) for axis, x in enumerate(points)]
    found = _called(name, function, [x.copy() for x in grid])  # whatever the function does to its arguments
    return _shaped(name, found, tuple(len(x) for x in points), channels)
