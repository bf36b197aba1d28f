"""The random functions that models start from.

A seed draws a *function*, a random combination of orthonormal Legendre modes with decaying amplitudes, which is
then projected: one seed is one function, whatever the bases, the widths or the depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, singledispatch

import numpy as np
from numpy.polynomial import legendre
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from derive.spec import Spec, SymmetrySpec
from derive.spec.operator import Convolution, Exchanged, Invariant, Operator

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
    axes: tuple[AxisModes, ...]

    def __call__(self, *points: Array) -> Array:
        rest = [np.ravel(x) for x in points]
        pairs = len(points) - len(self.axes)  # sets for both widths come first, their ξ before their ξ′
        values, dimension = self.draws, len(self.axes)
        for axis, own in enumerate(self.axes):
            given = (rest[axis], rest[pairs + axis]) if axis < pairs else (rest[pairs + axis],)
            table = own.modes(*given)
            values = np.moveaxis(np.tensordot(table.reshape(-1, table.shape[-1]), values, (1, axis)), 0, axis)
        sizes = [len(x) for x in rest]
        split = [n for axis in range(pairs) for n in (sizes[axis], sizes[pairs + axis])] + sizes[2 * pairs :]
        order = [*range(0, 2 * pairs, 2), *range(1, 2 * pairs, 2)]
        channels = values.shape[dimension:]
        found = values.reshape(*split, *channels)
        return found.transpose(*order, *range(2 * pairs, found.ndim))


@dataclass(frozen=True)
class AxisModes:
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
    if name == "W":
        axes, size = _modes_of(spec.operator, SCALE * scale)
        return _modes(generator, [*axes, DEPTH], shape, size)
    plain, one = _polynomials(MODES[d]), _polynomials(1)
    size, basis = (1.0, spec.lift_width) if name == "P" else (scale, spec.readout_width)
    if name in ("P", "Q") or (name == "R" and not spec.functional):
        if name == "Q" or basis is None:  # numbers, not functions of ξ
            return generator.standard_normal(shape) * size
        return _modes(generator, [one if spec.symmetries else plain] * d, shape, np.sqrt(2) ** d * size)
    if name == "R":
        return _modes(generator, [plain] * d, shape, scale)
    return _modes(generator, [*[one if spec.symmetries else plain] * d, DEPTH], shape, scale)


@singledispatch
def _modes_of(kind: Operator, size: float) -> tuple[list[AxisModes], float]:
    """The modes of a W of a kind along its widths, and its L2 norm, where that of any W would be ``size``."""
    return [_polynomials(MODES[2 * kind.dimension])] * 2 * kind.dimension, size


@_modes_of.register
def _(kind: Convolution, size: float) -> tuple[list[AxisModes], float]:
    """∫ κ h is about as large as ∫ W h would be."""
    reach, count = float(kind.reach), MODES[kind.dimension]
    own = replace(_polynomials(count), modes=lambda s: _width_modes(s / reach, count) / np.sqrt(reach))
    return [own] * kind.dimension, size / np.sqrt(2 * reach) ** kind.dimension


@_modes_of.register
def _(kind: Exchanged, size: float) -> tuple[list[AxisModes], float]:
    """Its projection keeps half of the squares beside the diagonal of the modes, and all or none of those on it."""
    count = MODES[2]
    squares = (1.0 + np.arange(count)) ** (-2 * DECAY)
    kept = (1 + kind.sign * np.sum(squares**2) / np.sum(squares) ** 2) / 2
    return [AxisModes(partial(_products, count=count), (count, count), degree=count - 1)], float(size / np.sqrt(kept))


@_modes_of.register
def _(kind: Invariant, size: float) -> tuple[list[AxisModes], float]:
    """A projection is that of the average over the group."""
    d, count = kind.dimension, MODES[2 * kind.dimension]
    if any(one.kind == "translation" for one in kind.symmetries):
        return [AxisModes(partial(_waves, count=count), (count,), 2, frequency=np.pi * (count - 1))] * d, size
    both = AxisModes(partial(_products, count=count), (count, count), degree=count - 1)
    return [both] * d, size * np.sqrt(_orbit(kind.symmetries)) ** d


def _polynomials(count: int) -> AxisModes:
    return AxisModes(partial(_width_modes, count=count), (count,), degree=count - 1)


def _modes(generator: np.random.Generator, axes: list[AxisModes], shape: tuple[int, ...], scale: float) -> Modes:
    """A random function with these modes along its axes."""
    twins = tuple(own.twins for own in axes if own.twins > 1)
    found = _draws(generator, tuple(n for own in axes for n in own.counts), (*twins, *shape), scale)
    first = sum(len(own.counts) for own in axes)
    for k in range(len(twins)):  # beside their amplitudes: those axes come first, and have one count each
        found = np.moveaxis(found, first + k, 2 * k + 1)
    sizes = (int(np.prod(own.counts)) * own.twins for own in axes)
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


DEPTH = AxisModes(_depth_modes, (DEPTH_MODES,), degree=DEPTH_MODES - 1)


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
