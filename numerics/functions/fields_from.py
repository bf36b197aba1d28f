"""Functions → fields: the L2 projection of given or random functions, the start of every model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from derive.errors import SpecError
from numerics.checks import numbers
from numerics.functions.arrays import along
from numerics.functions.basis import Basis, evaluate
from numerics.functions.field import Field, FieldSlab, Pair
from numerics.functions.integrals import integrals, shaped
from numerics.functions.random import Modes
from numerics.functions.rules import rule

Array = np.ndarray


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
        return replace(slab, coefficients=shaped(name, values, (), channels))
    if isinstance(function, Modes):
        return _project_modes(slab, function)
    if isinstance(slab.bases[0], Pair):
        return _project_pair(name, slab, function)
    loads = integrals(name, _plain(slab.bases), function, channels)
    return replace(slab, coefficients=slab.riesz(loads))


def _plain(bases: tuple[Basis | Pair, ...]) -> tuple[Basis, ...]:
    return tuple(basis for basis in bases if isinstance(basis, Basis))


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
    loads = integrals(name, bases, function, slab.channels)
    count = len(pairs)
    for k, pair in enumerate(pairs):  # the axes that are left: k pairs, then outer and inner ones
        loads = np.moveaxis(_tested(pair, np.moveaxis(loads, (k, count), (0, 1))), 0, k)
    return replace(slab, coefficients=slab.riesz(loads))
