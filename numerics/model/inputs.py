"""Derivatives by the records themselves: of every record's loss, or of a sum of its outputs, as a function of ξ.

dL/dx(ξ) = λ(ξ, 0) in (9). The discrete adjoint (10) gives derivatives by coefficients; the function that represents
them in a metric, its Riesz representer, does not depend on the basis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh

from derive.errors import DataError
from derive.spec import of_axis
from numerics.checks import numbers
from numerics.functions.arrays import along
from numerics.functions.field import check_norm
from numerics.model import layout, points
from numerics.model.prepared import Prepared, check_own
from numerics.representation.tables import SlabTables

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class InputGradient:
    """For every record the function g with d/dε F(x + ε v) = ⟨g, v⟩ at ε = 0, for every function v.

    ⟨g, v⟩ = ∫ g v dξ over [−1, 1] along every axis, summed over channels; in "H1" with ∫ ∂g ∂v dξ of every axis added,
    and for all v in the state's space. Called with points in the user's units it gives values (N, points, …, channels);
    g and v are in those units, too.

    coefficients: of g in the basis of the first state (N, sizes, …, channels). squares: ⟨g, g⟩ of every record (N,).
    """

    coefficients: Array
    squares: Array
    model: Any

    def __repr__(self) -> str:
        count, *sizes, channels = self.coefficients.shape
        return f"InputGradient({count} records, {'×'.join(map(str, sizes))} functions, {channels} channels)"

    def __call__(self, at: Any) -> Array:
        """Values at the points ``at``, the same for all records, on squares and cubes a list of them an axis."""
        where = self.model.units.grid(points.wanted(self.model.spec, at))
        rows = np.moveaxis(self.coefficients, 0, -1).reshape(-1, len(self.coefficients))
        return np.moveaxis(points.on_grid(self.model.representation.slabs[0].axes("entry"), rows, where), -1, 0)


def input_gradient(model: Any, prepared: Prepared, functional: Any, metric: str) -> InputGradient:
    """``Continuum.input_gradient``, of prepared records."""
    check_norm(metric)
    check_own(model.spec, prepared)
    rep, units, readout = model.representation, model.units, model.readout_map()
    states, rows = prepared.states, prepared.rows
    solver = model.solver.settled(states)
    outputs = model.finite(solver.outputs(states, *readout).T, states, rows).T
    if functional is None:
        bar = solver.differentiated(outputs, prepared.wanted())[1]
    else:
        bar = linear_goal(model, functional, len(prepared))[0].T
    back = solver.pull_back(states, *readout, bar)[-1].astype(np.float64)
    found = _of_samples(rep, model.finite(back.T, states, rows, "a derivative by").T)
    factor = 1.0 if units.samples is None else np.array(units.samples.factor)[:, None]
    found = found / factor
    represented = _represented(rep.slabs[0], found, metric)
    squares = np.sum((found * represented).reshape(-1, len(prepared)), axis=0)
    return InputGradient(np.moveaxis(represented, -1, 0), squares, model)


def linear_goal(model: Any, functional: Any, count: int) -> tuple[Array, Array]:
    """Σ_k w_k z_k of a model's numbers z in the user's units, as Σ_k v_k z′_k + c of those that it computes.

    functional: w (outputs,), or (count, outputs) for every record. Returns v (count, outputs) and c (count,). Raises
    DataError.
    """
    if not model.spec.functional:
        raise DataError(
            "a functional of a model that gives functions", "models that give numbers", "a readout without a basis",
            "declare the functional as a readout, or leave it out",
        )  # fmt: skip
    shape = count, model.spec.outputs
    found = numbers(functional, "weights of a functional", shape if np.ndim(functional) > 1 else shape[1:])
    if not np.isfinite(found).all():
        raise DataError("weights that are not finite", "finite numbers", "a missing weight", "give 0 for none")
    found, scale = np.broadcast_to(found, shape), model.units.targets
    if scale is None:
        return found, np.zeros(count)
    return found * np.array(scale.factor), found @ np.array(scale.shift)


def _of_samples(rep: Any, bar: Array) -> Array:
    """Derivatives by the coefficients of the records (sizes, …, channels, N), from those by what they are lifted as."""
    spec, sizes = rep.spec, [basis.size for basis in rep.slabs[0].axes("entry")]
    if spec.inputs is not None:
        products, one = layout.along_state(rep, "lift")
        parts = bar.reshape(len(one), -1, spec.inputs + 1, bar.shape[1])[:, :, : spec.inputs]
        bar = np.einsum("inm,nict->mct", products, parts)
    return bar.reshape(*sizes, spec.record_channels, -1)


def _represented(slab: SlabTables, bar: Array, metric: str) -> Array:
    """A⁻¹ of derivatives (sizes, …), A = ⊗M in "L2", with ⊗M, M → K, added for every axis in "H1".

    Functions with V that make VᵀMV = 1 and VᵀKV diagonal, axis by axis, make A diagonal.
    """
    found, total = bar, np.ones(1)
    pairs = [_simultaneous(slab.tables, of_axis("entry", axis), metric) for axis in range(slab.dimension)]
    for axis, (values, vectors) in enumerate(pairs):
        found = along(vectors.T, found, axis)
        total = np.add.outer(total, values) if axis else total + values
    found = found / total.reshape(*total.shape, *[1] * (bar.ndim - len(pairs)))
    for axis, (_, vectors) in enumerate(pairs):
        found = along(vectors, found, axis)
    return found


def _simultaneous(tables: Mapping[str, Array], role: str, metric: str) -> tuple[Array, Array]:
    """Values (size,) and V with VᵀMV = 1 and VᵀKV = diag(values); K = 0 in "L2". M and K are the exact ones."""
    mass, stiffness = tables[f"gram/{role}"], tables.get(f"stiffness/{role}")
    if metric == "L2":
        return np.zeros(len(mass)), np.linalg.inv(np.linalg.cholesky(mass)).T
    if stiffness is None:
        raise DataError(
            'metric "H1" with a state whose functions jump, or have no derivatives in L2', "a continuous basis",
            "functions that jump have no H1 norm", 'use metric="L2", or a state such as hat, bspline or legendre',
        )  # fmt: skip
    found: tuple[Array, Array] = eigh(stiffness, mass)
    return found
