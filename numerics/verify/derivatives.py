"""Gradients and derivatives of outputs against complex steps and Taylor's theorem."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numerics.kernels.steps import Steps
from numerics.levels.attribution import between
from numerics.model.curvature import Curvature
from numerics.model.prepared import Prepared
from numerics.verify import equivalents, orders
from numerics.verify.references.flow import Ended, Rate, follow
from numerics.verify.subject import FEW, NOTEBOOKS, RECORDS, Array, Subject

TRIES = 8  # records and directions, of a rate with kinks
FIRST, THIRD = np.geomspace(1e-5, 1e-2, 13), np.geomspace(1e-4, 0.1, 13)  # distances of remainders
DIRECTIONS = 3  # of W and b: one alone may lie where an error changes its sign


def gradient(subject: Subject) -> None:
    """The discrete adjoint against the complex step of the NumPy network, in coefficients and in the records.

    By both ways of multiplying; by the spec's own over many copies of the records, which changes no mean but takes
    several tiles.
    """
    generator = np.random.default_rng(6)
    fields = subject.fields
    ways = {name: [generator.standard_normal(p.shape) for p in parts] for name, parts in fields.items()}
    whole = generator.standard_normal(subject.states.shape)
    moved = {n: [p + 1e-30j * d for p, d in zip(fields[n], ways[n])] for n in fields}
    errors, dots = [], []
    for plan in subject.plans:
        model, records = subject.planned(plan)
        count = min(len(records), RECORDS)
        direction = whole[:, :, :count]
        moved_states, targets = subject.states[:, :, :count] + 1e-30j * direction, records.wanted()[:, :count]
        both, alone = (_loss(subject, given, moved_states, targets).imag / 1e-30 for given in (moved, fields))
        _, found = model.coefficient_gradient(records)
        bar_states = model.state_gradient(records).reshape(*direction.shape[:2], -1, count).sum(axis=2)
        found = subject.whole(found)
        measured = sum(float(np.sum(g * d)) for n in ways for g, d in zip(found[n], ways[n]))
        in_states = float(np.sum(bar_states * direction))
        length = math.sqrt(sum(float(np.sum(d**2)) for parts in ways.values() for d in parts) + np.sum(direction**2))
        size = math.sqrt(sum(float(np.sum(g**2)) for parts in found.values() for g in parts) + np.sum(bar_states**2))
        errors.append(abs(measured + in_states - both) / (size * length))
        dots.append(abs(in_states - alone) / (float(np.linalg.norm(bar_states) * np.linalg.norm(direction)) or 1.0))
    subject.at_most("derivatives", "gradient against complex step", float(max(errors)), 1e-13, NOTEBOOKS[2])
    subject.at_most("derivatives", "dot test: ⟨Jv, w⟩ = ⟨v, Jᵀw⟩", float(max(dots)), 1e-12, NOTEBOOKS[2])


def _loss(subject: Subject, fields: dict[str, list[Array]], states: Array, targets: Array) -> Any:
    return _loss_of(subject, fields, subject.reference.final(fields, states), targets)


def _loss_of(subject: Subject, fields: dict[str, list[Array]], y: Array, targets: Array) -> Any:
    """The mean loss of final states (n, channels, N)."""
    return subject.reference.loss(_outputs_of(subject, fields, y), targets)


def _outputs_of(subject: Subject, fields: dict[str, list[Array]], y: Array) -> Array:
    """What the loss compares, (outputs, N), of final states."""
    if subject.spec.functional:
        return subject.reference.readout(fields, y)
    z = y if subject.spec.outputs is None else subject.reference.output(fields, y)
    found = np.einsum("ln,nor->lor", subject.model.representation.root, z)
    return np.asarray(found.reshape(-1, y.shape[-1]))


def tangents(subject: Subject) -> None:
    """Derivatives J v of the outputs against the complex step of the NumPy network, and against the adjoint, for any w.

    By both ways of multiplying; the kernels' text runs as Python.
    """
    generator = np.random.default_rng(8)
    model, states = subject.bare(), subject.states[:, :, :FEW]
    way = generator.standard_normal(model.size)
    along = subject.whole(model.coefficients_at(way))
    moved = {n: [p + 1e-30j * d for p, d in zip(subject.fields[n], along[n])] for n in along}
    expected = _outputs_of(subject, moved, subject.reference.final(moved, states)).imag / 1e-30
    errors, dots = [], []
    for plan in subject.plans:
        curvature = Curvature.of(subject.plain(model, plan=plan), subject.few)
        bar = generator.standard_normal(expected.shape)
        turned, back = curvature.tangent(way)[1], curvature.adjoint(bar)
        errors.append(np.linalg.norm(turned - expected) / (np.linalg.norm(expected) or 1.0))
        apart = abs(np.sum(turned * bar) - way @ back)
        dots.append(apart / (np.linalg.norm(turned) * np.linalg.norm(bar) or 1.0))
    name = "derivatives of outputs against complex step"
    subject.at_most("derivatives", name, float(max(errors)), 1e-12, NOTEBOOKS[2])
    name = "tangent and adjoint: ⟨Jv, w⟩ = ⟨v, Jᵀw⟩"
    subject.at_most("derivatives", name, float(max(dots)), 1e-12, NOTEBOOKS[2])


def taylor(subject: Subject) -> None:
    """|L(v + t d) − L(v) − t ⟨g, d⟩| falls like t²; the attribution (17) of a loss change, by one point, leaves t³.

    Judged at the smallest t whose remainder is above rounding: a wrong gradient leaves t there. Where the rate has
    kinks or jumps, a pre-activation of some record may pass one within the smallest t: then another record and
    another direction are tried, which a wrong gradient does not help.
    """
    tries = 1 if subject.smoothness == "analytic" else TRIES
    names = "Taylor remainder of the gradient", "defect of the attribution (17), one point"
    for name, measure, sizes, expected in zip(names, (_first, _third), (FIRST, THIRD), (2, 3)):
        slack = 0.1 * (expected - 1)
        for k in range(tries):
            records = subject.prepared if tries == 1 else subject.prepared.take(np.array([k % RECORDS]))
            loss, remainders = measure(subject, records, k, sizes)
            floor = 3e-13 * max(1.0, abs(loss))
            judged = _at_the_small_end(sizes, remainders, floor, expected - slack)
            if judged.passed:
                break
        subject.add("derivatives", name, f"slope ≥ {expected} − {slack:g}", judged.measured, judged.passed,
                    NOTEBOOKS[2], {"": judged.curve}, expected)  # fmt: skip


def _first(subject: Subject, records: Prepared, seed: int, sizes: Array) -> tuple[float, list[float]]:
    """The loss, and the remainders of its gradient along a random direction."""
    model, start, direction = subject.model, subject.model.coordinates, _direction(subject, seed)
    loss, slope = model.objective(records)
    moved = [model.with_coordinates(start + t * direction).loss(records) for t in sizes]
    return loss, [abs(value - loss - t * float(slope @ direction)) for value, t in zip(moved, sizes)]


def _third(subject: Subject, records: Prepared, seed: int, sizes: Array) -> tuple[float, list[float]]:
    """The loss, and the defects of the attribution (17) by one point along a random direction."""
    model, start, direction = subject.model, subject.model.coordinates, _direction(subject, seed)
    loss, remainders = model.loss(records), []
    for t in sizes:
        other = model.with_coordinates(start + t * direction)
        remainders.append(abs(between(model, other.fields, records, points=1).defect))
    return loss, remainders


def _direction(subject: Subject, seed: int) -> Array:
    direction = np.random.default_rng((7, seed)).standard_normal(subject.model.size)
    return direction / np.linalg.norm(direction)


def _at_the_small_end(sizes: Array, remainders: list[float], floor: float, least: float) -> orders.Judgement:
    """The slope of the smallest remainders above rounding; a larger one says that a term happens to vanish.

    Where the next term is of the other sign slopes fall as t grows, and the two smallest remainders show the order.
    """
    start = next((k for k, r in enumerate(remainders) if min(remainders[k:]) > floor), len(sizes))
    t, r = sizes[start : start + 4], np.array(remainders[start : start + 4])
    curve = tuple(map(float, sizes[start:])), tuple(map(float, remainders[start:]))
    if len(t) < 3:
        return orders.Judgement(True, f"at most {max(remainders):.0e}: rounding", curve)
    count = max((len(t), 2), key=lambda k: _slope(t[:k], r[:k]))
    slope = _slope(t[:count], r[:count])
    text = f"{slope:.2f} from {t[0]:.0e} to {t[count - 1]:.0e}"
    return orders.Judgement(slope >= least, text, curve)


def _slope(t: Array, r: Array) -> float:
    return float(np.polyfit(np.log(t), np.log(r), 1)[0])


# --- the continuous adjoint ---------------------------------------------------------------------------------


def adjoints(subject: Subject) -> None:
    """The gap between the discrete adjoint and the continuous one (9), whose order is the tableau's.

    Paired with directions of W and b, the continuous gradient is the loss's derivative along the exact solution, whose
    tangent is integrated beside it; for one record, whose loss is taken at depth 1.
    """
    name = "discrete against continuous adjoint"
    if subject.layered or subject.smoothness == "jumping":
        why = "the layers are the model" if subject.layered else "a rate that jumps has none"
        subject.add("derivatives", name, "", why, None, NOTEBOOKS[2])
        return
    smooth = subject.smoothness == "analytic"
    expected, slack = (subject.spec.tableau.order, 0.35) if smooth else (1, 0.6)
    equivalents.converges(subject, name, _gaps, expected, slack, NOTEBOOKS[2], "derivatives")


def _gaps(subject: Subject) -> orders.Study | Ended:
    """Errors of the kernels' gradient along some directions, by numbers of steps."""
    generator = np.random.default_rng(9)
    ways = [
        {field: [generator.standard_normal(p.shape) for p in parts] for field, parts in subject.fields.items()}
        for _ in range(DIRECTIONS)
    ]
    try:
        truth, noise = _continuous(subject, ways)
    except Ended as ended:
        return ended

    def gap(n: int) -> float:
        return float(np.abs(_discrete(subject, ways, subject.steps(n)) - truth).max() / (np.abs(truth).max() or 1.0))

    return orders.Study.over(subject.numbers_of_steps, gap, noise)


def _discrete(subject: Subject, ways: list[dict[str, list[Array]]], steps: list[Steps]) -> Array:
    """The derivatives of one record's loss in directions of W and b, by the kernels' adjoint for these steps."""
    model = subject.bare()
    model = model.running_on(model.bound.with_steps(steps))
    _, found = model.coefficient_gradient(subject.prepared.take(np.array([0])))
    found = subject.whole(found)
    return np.array(
        [sum(float(np.sum(g * d)) for field in ("W", "b") for g, d in zip(found[field], way[field])) for way in ways]
    )


def _continuous(subject: Subject, ways: list[dict[str, list[Array]]]) -> tuple[Array, float]:
    """∫ pᵀ ∂F/∂(W, b) dδ along directions, with −ṗ = (∂F/∂h)ᵀ p and p(1) = ∂L/∂h(1), and how well it is known.

    By duality it is ∂L/∂h(1) k(1) with k̇ = ∂F/∂h k + ∂F/∂(W, b), k(0) = 0: one complex step gives both F and k̇.
    Raises Ended.
    """
    fields, tiny = subject.fields, 1e-30
    start = subject.reference.lifted(fields, subject.states[:, :, :1])
    shape, many = start.shape, len(ways)
    moved = [
        {**fields, **{name: [p + 1j * tiny * d for p, d in zip(fields[name], way[name])] for name in ("W", "b")}}
        for way in ways
    ]

    def flat(rates: list[Any]) -> Rate:
        def rate(at: float, y: Array) -> Array:
            h, *tangents = y.reshape(1 + many, *shape)
            slopes = [f(h + 1j * tiny * k, at) for f, k in zip(rates, tangents)]
            return np.ravel([slopes[0].real, *(slope.imag / tiny for slope in slopes)])

        return rate

    pieces = [(first, last, flat([bind(given) for given in moved])) for first, last, bind in subject.rates]
    exact = follow(pieces, np.ravel([start, *[0 * start] * many]), subject.smoothness == "analytic")
    h, *tangents = exact.final.reshape(1 + many, *shape)
    targets = subject.prepared.wanted()[:, :1]
    return np.array([_loss_of(subject, fields, h + 1j * tiny * k, targets).imag / tiny for k in tangents]), exact.noise
