"""Bases adapted to a trained field: the singular functions of W in each direction, as a level of its own."""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Real

import numpy as np

from derive.errors import DataError
from derive.spec import product
from numerics.checks import instance
from numerics.datasets import Records
from numerics.functions.field import FieldSlab
from numerics.levels.projection import move
from numerics.model.continuum import Continuum
from numerics.representation import find

Array = np.ndarray


def adapt(model: Continuum, error: float = 0.01, name: str = "adapted", records: Records | None = None) -> Continuum:
    """The model on a new level whose width bases are the leading singular functions of its W, with ``.report``.

    W(ξ, ξ′, δ) is unfolded along every axis of ξ and ξ′ (proper orthogonal decomposition, in L2), to each of which an
    equal part of the squared error belongs; as many functions are kept as leave a relative L2 error of W of at most
    ``error``. The bases are exact combinations of the present ones, so that the level is a projection like any other;
    what was kept is orthonormal. The solver stays. Raises DataError for an error outside (0, 1), a name that the
    model's own level has or that no level can have, and a W with symmetries or κ(ξ − ξ′).
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
    if spec.operator.narrower:
        raise DataError(
            f"a model whose W is {spec.operator.narrower}",
            "a W that is any function of ξ and ξ′", "its singular functions are known: waves, or shifts of κ",
            "project the model to a level of yours with fewer functions",
        )  # fmt: skip
    slabs = []
    for slab, field in zip(spec.slabs, model.fields["W"].slabs):
        every = [basis.along(axis) for basis in (slab.weight_out, slab.weight_in) for axis in range(spec.dimension)]
        share = error / math.sqrt(len(every))
        found = [find.combination(b, leading(field, axis, share)) for axis, b in enumerate(every)]
        out, inner = product(found[: spec.dimension]), product(found[spec.dimension :])
        rule = slab.rule or (slab.weight_out, slab.bias_width)  # the nodes stay
        slabs.append(replace(slab, weight_out=out, weight_in=inner, rule=rule))
    level = replace(spec, slabs=tuple(slabs), levels=())
    others = tuple((key, value) for key, value in model.base.levels if key != name)
    base = replace(model.base, levels=(*others, (name, level)))
    return move(model.replace(base=base), name, records)


def leading(field: FieldSlab, axis: int, error: float) -> Array:
    """(r, n): L2-orthonormal functions along an axis, as coefficients in the field's basis there.

    What is left out of the field has the relative norm ``error`` at most.
    """
    unfolded = np.moveaxis(field.orthonormal(), axis, 0).reshape(field.coefficients.shape[axis], -1)
    left, values, _ = np.linalg.svd(unfolded, full_matrices=False)
    lost = np.cumsum(values[::-1] ** 2)[::-1]  # what is lost by keeping 0, 1, 2 … functions
    kept = int(np.sum(lost > error**2 * np.sum(values**2)))
    _, factor = field.factored[axis]
    chosen = left[:, : max(kept, 1)]
    return (chosen / factor[:, None] if factor.ndim == 1 else np.linalg.solve(factor.T, chosen)).T
