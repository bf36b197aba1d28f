"""Bases adapted to a trained field: the singular functions of W in each direction, as a level of its own."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real

import numpy as np

from derive.errors import DataError
from numerics import representation as representations
from numerics.continuum import Continuum
from numerics.datasets import Records
from numerics.doors import instance
from numerics.field import FieldSlab
from numerics.projection import move

Array = np.ndarray


def adapt(model: Continuum, error: float = 0.01, name: str = "adapted", records: Records | None = None) -> Continuum:
    """The model on a new level whose width bases are the leading singular functions of its W, with ``.report``.

    W(ξ, ξ′, δ) is unfolded along ξ and along ξ′ (proper orthogonal decomposition, in L2); as many functions are kept
    in each as leave a relative L2 error of W of at most ``error``. The bases are exact combinations of the present
    ones, so that the level is a projection like any other; what was kept is orthonormal. The solver stays.
    Raises DataError for an error outside (0, 1), and a name that the model's own level has or that no level can have.
    """
    instance(model, Continuum, "give a model, as numerics.load reads it")
    if not isinstance(error, Real) or not 0 < error < 1:
        raise DataError(f"error {error!r}", "a number between 0 and 1", "a percentage", "write error=0.01")
    if not isinstance(name, str) or not name.replace("-", "_").isidentifier() or name in ("base", model.level):
        raise DataError(
            f"name {name!r}", "letters, digits, - and _; not base, nor the level that the model stands on",
            "the model was adapted before", 'write name="adapted-again"',
        )  # fmt: skip
    spec = model.spec
    slabs = []
    for slab, field in zip(spec.slabs, model.fields["W"].slabs):
        out, inner = (
            representations.combination(basis, leading(field, axis, error))
            for axis, basis in enumerate((slab.weight_out, slab.weight_in))
        )
        rule = slab.rule or (slab.weight_out, slab.bias_width)  # the nodes stay
        slabs.append(replace(slab, weight_out=out, weight_in=inner, rule=rule))
    level = replace(spec, slabs=tuple(slabs), levels=())
    others = tuple((key, value) for key, value in model.base.levels if key != name)
    base = replace(model.base, levels=(*others, (name, level)))
    return move(model.replace(base=base), name, records)


def leading(field: FieldSlab, axis: int, error: float) -> Array:
    """(r, n): L2-orthonormal functions along an axis, as coefficients in the field's basis there.

    Half of the squared error belongs to each of the two directions.
    """
    unfolded = np.moveaxis(field.orthonormal(), axis, 0).reshape(field.coefficients.shape[axis], -1)
    left, values, _ = np.linalg.svd(unfolded, full_matrices=False)
    lost = np.cumsum(values[::-1] ** 2)[::-1]  # what is lost by keeping 0, 1, 2 … functions
    kept = int(np.sum(lost > error**2 / 2 * np.sum(values**2)))
    _, factor = field.factored[axis]
    chosen = left[:, : max(kept, 1)]
    return (chosen / factor[:, None] if factor.ndim == 1 else np.linalg.solve(factor.T, chosen)).T
