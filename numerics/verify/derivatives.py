"""Gradients against complex steps and Taylor's theorem."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from numerics import adaptive
from numerics.pieces import evaluate_inside
from numerics.projection import loss_change
from numerics.verify.subject import COPIES, NOTEBOOKS, Array, Subject, divided


def gradient(subject: Subject) -> None:
    """The discrete adjoint against the complex step of the NumPy network, in coefficients and in the records.

    By both ways of multiplying, and over many copies of the records, which changes no mean but takes several tiles.
    """
    generator = np.random.default_rng(6)
    fields = subject.fields
    ways = {name: [generator.standard_normal(p.shape) for p in parts] for name, parts in fields.items()}
    along = generator.standard_normal(subject.states.shape)
    moved = {n: [p + 1e-30j * d for p, d in zip(fields[n], ways[n])] for n in fields}
    both, alone = (_loss(subject, given, subject.states + 1e-30j * along).imag / 1e-30 for given in (moved, fields))
    length = math.sqrt(sum(float(np.sum(d**2)) for parts in ways.values() for d in parts) + np.sum(along**2))
    errors, dots = [], []
    for plan in subject.plans:
        _, found = (model := subject.planned(plan)).coefficient_gradient(subject.many)
        bar_states = model._sweep(subject.many)[4].reshape(*along.shape[:2], COPIES, -1).sum(axis=2)
        found = subject.whole(found)
        measured = sum(float(np.sum(g * d)) for n in ways for g, d in zip(found[n], ways[n]))
        in_states = float(np.sum(bar_states * along))
        size = math.sqrt(sum(float(np.sum(g**2)) for parts in found.values() for g in parts) + np.sum(bar_states**2))
        errors.append(abs(measured + in_states - both) / (size * length))
        dots.append(abs(in_states - alone) / (float(np.linalg.norm(bar_states) * np.linalg.norm(along)) or 1.0))
    subject.at_most("derivatives", "gradient against complex step", float(max(errors)), 1e-13, NOTEBOOKS[2])
    subject.at_most("derivatives", "dot test: ⟨Jv, w⟩ = ⟨v, Jᵀw⟩", float(max(dots)), 1e-12, NOTEBOOKS[2])


def _loss(subject: Subject, fields: dict[str, list[Array]], states: Array) -> Any:
    return _loss_of(subject, fields, subject.reference.final(fields, states), subject.prepared.wanted())


def _loss_of(subject: Subject, fields: dict[str, list[Array]], y: Array, targets: Array) -> Any:
    """The mean loss of final states (n, channels, N)."""
    if subject.spec.functional:
        z = subject.reference.readout(fields, y)
    else:
        z = y
        if subject.spec.outputs is not None:
            z = subject.reference.output(fields, y)
        z = np.einsum("ln,nor->lor", subject.model.representation.root, z).reshape(-1, y.shape[-1])
    return subject.reference.loss(z, targets)


def taylor(subject: Subject) -> None:
    """|L(v + t d) − L(v) − t ⟨g, d⟩| falls like t²; estimate (14) of a loss change leaves t³."""
    model, prepared = subject.model, subject.prepared
    generator = np.random.default_rng(7)
    direction = generator.standard_normal(model.size)
    direction /= np.linalg.norm(direction)
    start = model.coordinates
    loss, slope = model.objective(prepared)
    steps = np.geomspace(1e-4, 1e-2, 7)
    moved = [model.with_coordinates(start + t * direction) for t in steps]
    values = [m.loss(prepared) for m in moved]
    first = [abs(value - loss - t * float(slope @ direction)) for value, t in zip(values, steps)]
    smooth = subject.smoothness == "analytic"
    _slope(subject, "Taylor remainder of the gradient", steps, first, 2, 0.1 if smooth else 0.4, loss)
    steps = np.geomspace(0.003, 0.1, 6)
    third = []
    for t in steps:
        other = model.with_coordinates(start + t * direction)
        predicted = loss_change(model, other, prepared)[1]
        assert predicted is not None  # both are in the same bases
        third.append(abs(other.loss(prepared) - loss - predicted))
    _slope(subject, "remainder of the loss-change estimate (14)", steps, third, 3, 0.3 if smooth else 1.2, loss)


def _slope(
    subject: Subject, name: str, steps: Array, remainders: list[float], expected: int, slack: float, loss: float
) -> None:
    """The slope of remainders above rounding; a larger one than expected says that a term happens to vanish."""
    seen = [(t, r) for t, r in zip(steps, remainders) if r > 1e-14 * max(1.0, abs(loss)) * 30]
    if len(seen) < 3:
        subject.add("derivatives", name, f"slope ≥ {expected}", "rounding at once", True, NOTEBOOKS[2])
        return
    slope = float(np.polyfit(np.log([t for t, _ in seen]), np.log([r for _, r in seen]), 1)[0])
    curve = tuple(float(t) for t, _ in seen), tuple(float(r) for _, r in seen)
    passed = slope >= expected - slack
    subject.add("derivatives", name, f"slope ≥ {expected}", f"{slope:.2f}", passed, NOTEBOOKS[2], {"": curve})


# --- the continuous adjoint ---------------------------------------------------------------------------------


def adjoints(subject: Subject) -> None:
    """The gap between the discrete adjoint and the continuous one (9), whose order is the tableau's.

    The continuous adjoint is integrated by SciPy to ten digits, for one record and in one direction of the fields.
    """
    tableau, name = subject.spec.tableau, "discrete against continuous adjoint"
    if any(form.entry for form in subject.reference.forms) or subject.smoothness == "jumping":
        why = "the layers are the model" if subject.smoothness != "jumping" else "a rate that jumps has none"
        subject.add("derivatives", name, "", why, None, NOTEBOOKS[2])
        return
    generator = np.random.default_rng(9)
    way = {field: [generator.standard_normal(p.shape) for p in parts] for field, parts in subject.fields.items()}
    truth = _continuous(subject, way)
    share = max(1, 8 // sum(len(e) - 1 for e in subject.elements))
    sizes: list[int] = []
    errors: list[float] = []
    while len(sizes) < 5 and (not errors or errors[-1] > 1e-7):
        steps = [divided(e, share) for e in subject.elements]
        sizes.append(sum(map(len, steps)))
        errors.append(abs(_discrete(subject, way, steps) - truth) / abs(truth))
        share *= 2
    smooth = subject.smoothness == "analytic"
    expected, slack = (tableau.order, 0.35) if smooth else (1, 0.6)
    subject.order("derivatives", name, sizes[-4:], errors[-4:], expected, slack, NOTEBOOKS[2], floor=1e-9)


def _discrete(subject: Subject, way: dict[str, list[Array]], steps: list[adaptive.Steps]) -> float:
    """The derivative of one record's loss in a direction of W and b, by the kernels' adjoint for these steps."""
    model = subject.bare()
    model = model.running_on(model.solver.with_steps(steps))
    _, found = model.coefficient_gradient(subject.prepared.take(np.array([0])))
    found = subject.whole(found)
    return sum(float(np.sum(g * d)) for field in ("W", "b") for g, d in zip(found[field], way[field]))


def _continuous(subject: Subject, way: dict[str, list[Array]]) -> float:
    """∫ pᵀ ∂F/∂(W, b) dδ along the direction, with ḣ = F(h, δ) and −ṗ = (∂F/∂h)ᵀ p, p(1) = ∂L/∂h(1)."""
    reference, fields, tiny = subject.reference, subject.fields, 1e-30
    states = subject.states[:, :, :1]
    lifted = reference.lifted(fields, states)
    n, channels, _ = lifted.shape
    moved = {field: [p + 1j * tiny * d for p, d in zip(fields[field], way[field])] for field in ("W", "b")}
    moved = {**fields, **moved}
    accuracy = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-12}

    pieces = []  # (start, stop, rate of (h, depth) with given fields)
    for k, ends in enumerate(subject.elements):
        tables = subject.model.representation.slabs[k]
        depths = tables.pieces("weight_depth"), tables.pieces("bias_depth")
        for start, stop in zip(ends, ends[1:]):

            def rate(
                given: Any, h: Array, at: float, k: int = k, depths: Any = depths, inside: float = (start + stop) / 2
            ) -> Array:
                theta, vartheta = (evaluate_inside(p, np.array([at]), inside)[0] for p in depths)
                return reference.slopes(given, k).between(theta, vartheta, h)

            pieces.append((start, stop, rate))

    solutions, h = [], lifted.ravel()
    for start, stop, rate in pieces:
        flow = solve_ivp(lambda at, y, rate=rate: rate(fields, y.reshape(n, channels, 1), at).ravel(),
                         (start, stop), h, dense_output=True, **accuracy)  # fmt: skip
        solutions.append(flow.sol)
        h = flow.y[:, -1]

    unit = np.eye(channels * n).reshape(n, channels, -1)
    targets = subject.prepared.wanted()[:, :1]
    tips = h.reshape(n, channels, 1) + 1j * tiny * unit
    p = np.array([_loss_of(subject, fields, tips[:, :, j : j + 1], targets).imag / tiny for j in range(channels * n)])

    total = np.append(p, 0.0)
    for (start, stop, rate), sol in zip(reversed(pieces), reversed(solutions)):

        def back(at: float, y: Array, rate: Any = rate, sol: Any = sol) -> Array:
            state = sol(at).reshape(n, channels, 1)
            jacobian = rate(fields, state + 1j * tiny * unit, at).imag.reshape(channels * n, -1) / tiny
            source = rate(moved, state + 0j, at).imag.ravel() / tiny
            return np.append(-jacobian.T @ y[:-1], -(y[:-1] @ source))

        total = solve_ivp(back, (stop, start), total, **accuracy).y[:, -1]
    return float(total[-1])
