"""Functions → fields: the L2 projection of given or random functions, the start of every model.

A seed draws a *function*, a random combination of orthonormal Legendre modes with decaying amplitudes, which is
then projected: one seed is one function, whatever the bases, the widths or the depth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.polynomial import legendre
from scipy.linalg import cho_factor, cho_solve

from derive.errors import SpecError
from derive.spec import Spec
from numerics.doors import numbers
from numerics.field import Field, FieldSlab
from numerics.pieces import Pieces, evaluate

Array = np.ndarray

MODES = 20  # in each width direction
DEPTH_MODES = 3
DECAY = 1.0  # amplitudes fall like (1 + degree)^(−DECAY), so that coarse and fine bases see much the same function
SCALE = 2.0  # L2 norm of W: smaller ones start in the linear range of the activations
FIELD_ORDER = ("W", "b", "R", "a")


def random_function(name: str, shape: tuple[int, ...], seed: int, spec: Spec) -> Callable[..., Array] | None:
    """The random function of a field; trailing axes ``shape`` are channels. Biases and constants start at zero.

    W has L2 norm about SCALE a pair of channels and R about one, divided by √c so that sums over channels keep
    their size.
    """
    if name in ("b", "a"):
        return None
    generator = np.random.default_rng([seed, FIELD_ORDER.index(name)])
    if name == "W":
        return _modes(generator, (MODES, MODES, DEPTH_MODES), shape, SCALE / np.sqrt(spec.channels))
    return _modes(generator, (MODES,), shape, 1 / np.sqrt(spec.channels))


def _modes(
    generator: np.random.Generator, counts: tuple[int, ...], shape: tuple[int, ...], scale: float
) -> Callable[..., Array]:
    amplitudes = np.ones(counts)
    for axis, count in enumerate(counts):
        decay = (1.0 + np.arange(count)) ** -DECAY
        amplitudes *= decay.reshape([-1 if a == axis else 1 for a in range(len(counts))])
    amplitudes *= scale / np.sqrt(np.sum(amplitudes**2))
    draws = generator.standard_normal((*counts, *shape)) * amplitudes.reshape(*counts, *[1] * len(shape))

    def function(*points: Array) -> Array:
        values = draws
        for axis, x in enumerate(points):
            depth = axis == 2  # δ ∈ [0, 1]; ξ, ξ′ ∈ [−1, 1]
            argument = 2 * x.ravel() - 1 if depth else x.ravel()
            norms = np.sqrt((2 * np.arange(counts[axis]) + 1) / (1 if depth else 2))
            modes = legendre.legvander(argument, counts[axis] - 1) * norms
            values = np.moveaxis(np.tensordot(modes, values, (1, axis)), 0, axis)
        return values

    return function


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
    rules = [quadrature(basis) for basis in slab.bases]
    count = len(rules)
    grid = [x.reshape([-1 if a == axis else 1 for a in range(count)]) for axis, (x, _) in enumerate(rules)]
    found = _called(name, function, [x.copy() for x in grid])  # whatever the function does to its arguments
    values = _shaped(name, found, tuple(len(x) for x, _ in rules), channels)
    for axis, (basis, gram, (x, weights)) in enumerate(zip(slab.bases, slab.grams, rules)):
        tested = (evaluate(basis, x) * weights[:, None]).T
        along = cho_solve(cho_factor(gram), tested)
        values = np.moveaxis(np.tensordot(along, values, (1, axis)), 0, axis)
    return replace(slab, coefficients=np.ascontiguousarray(values))


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
