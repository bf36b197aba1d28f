"""What a move between levels does to the loss, told before it is made: first order, and the estimate (14)."""

from __future__ import annotations

import math

import numpy as np

from numerics.functions.field import Field
from numerics.kernels import threads
from numerics.kernels.cpu import TILE, Bound, Solver
from numerics.kernels.steps import Steps
from numerics.levels.distances import side_by_side
from numerics.levels.fields import changes
from numerics.model.continuum import Continuum
from numerics.model.layout import kernel_weights
from numerics.model.prepared import Prepared

Array = np.ndarray


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
    alike = formed or not any(True for k in slabs for _ in changes(old, new.representation, "W", k))
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
    pairs = [pair for slabs in zip(old.slabs, new.slabs) for pair in side_by_side(*slabs, norm)]
    return (
        2 * math.fsum(float(np.sum(a * (b - a))) for a, b in pairs),
        math.fsum(float(np.sum((b + a) * (b - a))) for a, b in pairs),
    )


def _apart(model: Continuum, steps: list[Steps] | None, formed: bool) -> Solver:
    """A solver with operators and biases of every stage, in order; rows that stages share are told apart.

    steps: those to take where they are adaptive, so that two models have the same stages.
    """
    bound = Bound(model.representation, model.spec.precision, plan="formed" if formed else "factors")
    bound = bound if steps is None else bound.with_steps(steps)
    return bound.unshared().form(kernel_weights(model.fields))


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
    h = solver.started(prepared.states)
    *_, bar = solver.unlifted().gradient(h, *model.readout_map(), prepared.wanted())
    return h.astype(np.float64), bar.astype(np.float64) / len(prepared)


def _weights_pairing(model: Continuum, at: Solver, other: Solver, prepared: Prepared) -> float:
    """Σ_s ⟨dL/dE_s, E′_s − E_s⟩ of the part W of the stage operators, E_s a model's and E′_s another one's.

    dL/dE_s is the sum over records of p hᵀ, with h the state of the stage and p = dL/du there: what is paired is
    p with E′_s h − E_s h, whatever bases, blocks and axes make E_s. p is the gradient of the biases of one record.
    """
    readout, targets = model.readout_map(), prepared.wanted()

    def one(start: int) -> float:
        chosen = slice(start * TILE, (start + 1) * TILE)
        states = prepared.states[:, chosen]
        bars = at.bias_gradients(states, *readout, targets[:, chosen])
        h, found = at.started(states), 0.0
        for slab, changed, p in zip(at.slabs, other.slabs, bars):
            for s, (seen, entry) in enumerate(slab.stage_states(h)):
                effects = [own.applied_weight(s, seen, entry) for own in (slab, changed)]
                found += float(np.sum(p[s] * (effects[1] - effects[0])))
            h = slab.forward(h, keep=False)[0]
        return found

    with threads.serial_blas():
        return math.fsum(threads.spread(one, -(-len(prepared) // TILE))) / len(prepared)
