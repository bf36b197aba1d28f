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
from numerics.doors import numbers
from numerics.field import Field, FieldSlab, Pair, along
from numerics.pieces import Pieces, evaluate

Array = np.ndarray

MODES = {1: 20, 2: 20, 3: 8, 4: 6, 6: 3}  # in each width direction, by how many of these a field has
DEPTH_MODES = 3
DECAY = 1.0  # amplitudes fall like (1 + degree)^(−DECAY), so that coarse and fine bases see much the same function
SCALE = 2.0  # L2 norm of W: smaller ones start in the linear range of the activations
FIELD_ORDER = ("W", "b", "R", "a", "V", "P", "Q")


@dataclass(frozen=True)
class Modes:
    """The function Σ draws[k₁, k₂, …] m_k₁(x₁) m_k₂(x₂) …: one set of modes an axis, or one for both widths.

    draws: (*counts, *channels).  axes: coordinates, one array or two → the modes there, (points…, count).
    """

    draws: Array
    axes: tuple[Callable[..., Array], ...]

    def __call__(self, *points: Array) -> Array:
        rest = [np.ravel(x) for x in points]
        pairs = len(points) - len(self.axes)  # sets for both widths come first, their ξ before their ξ′
        values, dimension = self.draws, len(self.axes)
        for axis, modes in enumerate(self.axes):
            given = (rest[axis], rest[pairs + axis]) if axis < pairs else (rest[pairs + axis],)
            table = modes(*given)
            values = np.moveaxis(np.tensordot(table.reshape(-1, table.shape[-1]), values, (1, axis)), 0, axis)
        sizes = [len(x) for x in rest]
        split = [n for axis in range(pairs) for n in (sizes[axis], sizes[pairs + axis])] + sizes[2 * pairs :]
        order = [*range(0, 2 * pairs, 2), *range(1, 2 * pairs, 2)]
        channels = values.shape[dimension:]
        found = values.reshape(*split, *channels)
        return found.transpose(*order, *range(2 * pairs, found.ndim))


@dataclass(frozen=True)
class Along:
    """The modes along an axis. modes: coordinates → (points…, count); counts: how many there are, whose product is
    the count, less the twins; twins: functions of one amplitude.
    """

    modes: Callable[..., Array]
    counts: tuple[int, ...]
    twins: int = 1


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
    plain = Along(partial(_width_modes, count=count), (count,))
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
        both = Along(partial(_waves, count=count), (count,), 2)
    else:
        both = Along(partial(_products, count=count), (count, count))
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
    return Modes(found.reshape(*sizes, *shape), tuple(along.modes for along in axes))


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


DEPTH = Along(_depth_modes, (DEPTH_MODES,))


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
    rules = [quadrature(basis) for basis in _plain(slab.bases)]
    count = len(rules)
    grid = [x.reshape([-1 if a == axis else 1 for a in range(count)]) for axis, (x, _) in enumerate(rules)]
    found = _called(name, function, [x.copy() for x in grid])  # whatever the function does to its arguments
    values = _shaped(name, found, tuple(len(x) for x, _ in rules), channels)
    for axis, (basis, gram, (x, weights)) in enumerate(zip(_plain(slab.bases), slab.grams, rules)):
        tested = (evaluate(basis, x) * weights[:, None]).T
        values = along(cho_solve(cho_factor(gram), tested), values, axis)
    return replace(slab, coefficients=np.ascontiguousarray(values))


def _plain(bases: tuple[Pieces | Pair, ...]) -> tuple[Pieces, ...]:
    return tuple(basis for basis in bases if isinstance(basis, Pieces))


def _project_modes(slab: FieldSlab, function: Modes) -> FieldSlab:
    """Axis by axis: the modes are projected, not the values."""
    found = function.draws
    for axis, (basis, gram, modes) in enumerate(zip(slab.bases, slab.grams, function.axes)):
        if isinstance(basis, Pair):
            (x, first), (y, second) = quadrature(basis.outer), quadrature(basis.inner)
            tables = evaluate(basis.outer, x) * first[:, None], evaluate(basis.inner, y) * second[:, None]
            # ∫∫ φ_i(ξ) φ̃_j(ξ′) mode
            loads = np.einsum("xi,xyk->iyk", tables[0], modes(x, y), optimize=True)
            loads = np.einsum("yj,iyk->ijk", tables[1], loads, optimize=True)
            tested = _tested(basis, loads)
        else:
            x, weights = quadrature(basis)
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
    tensor = FieldSlab(
        slab.start, slab.stop, bases, tuple(np.eye(b.size) for b in bases),
        np.zeros((*(b.size for b in bases), *slab.channels)),
    )  # fmt: skip
    loads = _project_slab(name, tensor, function).coefficients  # with identities for Gram matrices: the integrals
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


def quadrature(basis: Pieces) -> tuple[Array, Array]:
    """Gauss points and weights on every cell of a basis: exact for its products with itself, generous for functions."""
    degree = basis.size if basis.coefficients is None else basis.coefficients.shape[-1]
    x, w = legendre.leggauss(max(2 * degree, 24))
    left, right = basis.breakpoints[:-1, None], basis.breakpoints[1:, None]
    return (left + (right - left) * (x + 1) / 2).ravel(), ((right - left) / 2 * w).ravel()
