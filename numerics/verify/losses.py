"""Losses against formulas written down here, and integrals of what a network predicts and what was wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import logsumexp, softmax, xlogy

from derive.spec import Spec
from numerics.datasets import Records
from numerics.datasets import records as make_records
from numerics.model.continuum import Continuum
from numerics.verify.records import expected, grids_of, sampled
from numerics.verify.references import formulas
from numerics.verify.references.formulas import Array, along
from numerics.verify.references.network import summand
from numerics.verify.references.network import value as written
from numerics.verify.subject import Subject

SECTION = "losses"
HIGH = 700.0  # outputs whose exponentials overflow, where only their differences matter
OFFSET = 1e5  # of targets far from zero
Loss = Callable[[Array, Array], Array]  # outputs and targets (outputs, N) → (N,), or the derivative (outputs, N)


def _huber(z: Array, t: Array) -> Array:
    r = np.abs(z - t)
    return np.asarray(np.sum(np.where(r <= 1, r**2 / 2, r - 0.5), axis=0))


# name → the loss of a record, and its derivative by the outputs
FORMULAS: dict[str, tuple[Loss, Loss]] = {
    "l2": (lambda z, t: np.sum((z - t) ** 2, axis=0), lambda z, t: 2 * (z - t)),
    "h1": (lambda z, t: np.sum((z - t) ** 2, axis=0), lambda z, t: 2 * (z - t)),
    "huber": (_huber, lambda z, t: np.clip(z - t, -1, 1)),
    "cross-entropy": (
        lambda z, t: t.sum(axis=0) * logsumexp(z, axis=0) - np.sum(t * z, axis=0),
        lambda z, t: t.sum(axis=0) * softmax(z, axis=0) - t,
    ),
    "kullback-leibler": (
        lambda z, t: np.sum(xlogy(t, t), axis=0) + logsumexp(z, axis=0) - np.sum(t * z, axis=0),
        lambda z, t: softmax(z, axis=0) - t,
    ),
    "relative-l2": (
        lambda z, t: np.sqrt(np.sum((z - t) ** 2, axis=0) / np.sum(t**2, axis=0)),
        lambda z, t: (z - t) / np.sqrt(np.sum((z - t) ** 2, axis=0) * np.sum(t**2, axis=0)),
    ),
}  # fmt: skip


def _own(text: str) -> tuple[Loss, Loss]:
    """Of g(z, t), one's own or that of a loss without a formula above: its sum, and its derivative by differences."""
    import sympy as sp

    from derive.exact.expression import parse

    expression = parse(summand(text), {name: sp.Symbol(name, real=True) for name in ("z", "t")})

    def g(z: Array, t: Array) -> Any:
        return written(expression, {"z": z, "t": t})

    step = 1e-5
    return (
        lambda z, t: np.sum(g(z, t) + 0 * z, axis=0),
        lambda z, t: (8 * (g(z + step, t) - g(z - step, t)) - g(z + 2 * step, t) + g(z - 2 * step, t)) / (12 * step),
    )


def values(subject: Subject) -> None:
    """The loss of given outputs and targets, and its derivative by the outputs."""
    spec, solver = subject.spec, subject.bare().solver
    rows = len(subject.model.readout_map()[1])
    generator = np.random.default_rng(21)
    z, t = generator.standard_normal((2, rows, 40)) * 2
    if spec.loss in ("cross-entropy", "kullback-leibler"):
        t = generator.dirichlet(np.full(rows, 0.3), 40).T
        t[:, :5] = np.eye(rows)[generator.integers(0, rows, 5)].T  # some are certain
        if spec.loss == "cross-entropy":  # or count more than others
            t *= generator.uniform(0.5, 2, (1, 40))
        z[:, -5:] += HIGH
    known = spec.loss in FORMULAS
    value, source = FORMULAS[spec.loss] if known else _own(spec.loss)
    found, slopes = solver.differentiated(z, t)
    truth, direction = value(z, t), source(z, t)
    gap = float(np.max(np.abs(found - truth) / np.maximum(1, np.abs(truth))))
    subject.at_most(SECTION, f"{spec.loss}: its value", gap, 1e-12, "README.md")
    gap = float(np.abs(slopes - direction).max() / np.abs(direction).max())
    subject.at_most(SECTION, f"{spec.loss}: its derivative", gap, 1e-12 if known else 1e-7, "README.md")


# --- of records ---------------------------------------------------------------------------------------------


def of_records(subject: Subject) -> None:
    """The mean loss of records with targets, and the scores, from what the network predicts for them."""
    model = subject.bare()
    (_functions if not subject.spec.functional else _numbers)(subject, model)


def _numbers(subject: Subject, model: Continuum) -> None:
    """Classes with their weights, or numbers."""
    spec = subject.spec
    assert spec.outputs is not None
    data, generator = sampled(subject.spec, subject.share), np.random.default_rng(22)
    grids = None if data.xi is None else [g if spec.dimension > 1 else g[0] for g in grids_of(spec, data)]
    outputs = model(data).T
    classes = np.array([0, 0, 0, min(1, spec.outputs - 1)])  # others stay empty
    if spec.loss == "cross-entropy":
        y: Array = classes
        t = np.eye(spec.outputs)[classes].T * _class_weights(spec, classes)[classes]
    else:
        y = generator.dirichlet(np.ones(spec.outputs), len(data))
        t = y.T
    prepared = model.prepare(make_records(data.samples(), xi=grids, y=y))
    value = FORMULAS[spec.loss][0] if spec.loss in FORMULAS else _own(spec.loss)[0]
    truth = float(np.mean(value(outputs, t)))
    _judge(subject, model, prepared, truth)
    scores = model.scores(prepared)
    if "accuracy" in scores:
        right = float(np.mean([int(np.argmax(z)) == k for z, k in zip(outputs.T, classes)]))
        subject.at_most(SECTION, "accuracy", abs(scores["accuracy"] - right), 0.0, "README.md")
    labels = model.labels(outputs.T)
    if labels is not None:
        wrong = sum(int(k) != int(np.argmax(z)) for z, k in zip(outputs.T, labels))
        subject.at_most(SECTION, "labels that are not of the largest output", float(wrong), 0.0, "README.md")


def _class_weights(spec: Spec, classes: Array) -> Array:
    """What a record of each class counts. "balanced": every class that has records counts as much as another."""
    assert spec.outputs is not None
    if not isinstance(spec.class_weights, str):
        return np.array([float(weight) for weight in spec.class_weights or (1,) * spec.outputs])
    counts = np.bincount(classes, minlength=spec.outputs)
    shares = [1 / count if count else 0.0 for count in counts]
    return np.array(shares) * len(classes) / np.count_nonzero(counts)


def _functions(subject: Subject, model: Continuum) -> None:
    """∫ |y − y*|² (with slopes, a weight or divided by ∫ |y*|²), by Gauss sums over what is predicted there."""
    spec = subject.spec
    data = sampled(subject.spec, subject.share, functions=True)
    squares = distances(spec, model, data)
    truth = float(np.mean(np.sqrt(squares[0] / squares[1]) if spec.loss == "relative-l2" else squares[0]))
    prepared = model.prepare(data)
    _judge(subject, model, prepared, truth)
    if spec.loss in ("l2", "h1"):
        rmse = abs(model.scores(prepared)["rmse"] - np.sqrt(truth)) / np.sqrt(truth)
        subject.at_most(SECTION, "root mean square", float(rmse), 1e-10, "README.md")
        _far_from_zero(subject, model, data)


def _judge(subject: Subject, model: Continuum, prepared: Any, truth: float) -> None:
    found = [model.loss(prepared), model.objective(prepared)[0], model.scores(prepared)["loss"]]
    gap = max(abs(value - truth) for value in found) / max(1.0, abs(truth))
    subject.at_most(SECTION, "mean loss of records", float(gap), 1e-10, "README.md")


def _far_from_zero(subject: Subject, model: Continuum, data: Records) -> None:
    """A constant added to prediction and target leaves their distance alone, where the basis holds constants."""
    spec = subject.spec
    state = [formulas.functions(spec.slabs[-1].state.along(axis)) for axis in range(spec.dimension)]
    if spec.loss == "h1" or any(_beside_constants(basis) > 1e-12 for basis in state):
        return
    found = []
    for offset in (0.0, OFFSET):
        moved = [y + offset for y in data.targets()]
        grids = None if data.xi is None else [g if spec.dimension > 1 else g[0] for g in grids_of(spec, data)]
        prepared = model.prepare(make_records(data.samples(), xi=grids, y=moved))
        # the best that the basis can do: what it cannot represent is left
        own = expected(spec, spec.slabs[-1].state, list(zip(grids_of(spec, data), moved)))
        root = np.kron(model.representation.root, np.eye(spec.output_channels))
        found.append(model.scores_of([((root @ own).T, prepared)])["loss"])
    gap = abs(found[1] - found[0]) / max(abs(found[0]), 1e-3)
    subject.at_most(SECTION, f"distances of functions near {OFFSET:.0e}", float(gap), 1e-5, "README.md")


def _beside_constants(basis: formulas.Functions) -> float:
    rule = formulas.common(basis)
    own = basis.values(rule[0]) @ formulas.projected(basis, rule, np.ones(len(rule[0])))
    return float(np.abs(own - 1).max())


def distances(spec: Spec, model: Continuum, data: Records) -> Array:
    """Of every record ∫ |y − y*|² and ∫ |y*|² (2, N), y predicted by the model, y* the interpolant of the targets.

    With a weight in the integrals, or squares of slopes. For least squares and relative distances y* is what the basis
    makes of it.
    """
    states = [formulas.functions(spec.slabs[-1].state.along(axis)) for axis in range(spec.dimension)]
    declared, d = spec.loss_weight, spec.dimension
    weights = [None if declared is None else formulas.functions(declared.along(axis)) for axis in range(d)]
    found = []
    for n, (grid, samples) in enumerate(zip(grids_of(spec, data), data.targets())):
        rules = []
        for state, xi, weight, periodic in zip(states, grid, weights, spec.periodic):
            ends = formulas.cuts(spec.interpolant, periodic, xi)
            others = [] if weight is None else [weight]
            rules.append(formulas.common(state, *others, cuts=ends))
        at = tuple(x for x, _ in rules)
        one = data.take(np.array([n]))
        plain = make_records(one.samples(), xi=one.points() if one.xi is not None else None)
        y = np.asarray(model(plain, at=at if spec.dimension > 1 else at[0]))[0]
        target = samples
        if spec.interpolant == "least-squares" or spec.loss == "relative-l2":
            own = expected(spec, spec.slabs[-1].state, [(grid, samples)])
            target = own.reshape(*(s.size for s in states), -1)
            for axis, state in enumerate(states):
                target = along(state.values(at[axis]), target, axis)
        else:
            for axis, xi in enumerate(grid):
                values = formulas.interpolant(spec.interpolant, spec.periodic[axis], xi, at[axis])
                target = along(values, target, axis)
        sums = [_integral((y - target) ** 2, rules, weights), _integral(target**2, rules, weights)]
        for axis in range(spec.dimension if spec.loss == "h1" else 0):
            gap = np.moveaxis(y - target, axis, 0)
            ends = formulas.cuts(spec.interpolant, spec.periodic[axis], grid[axis])
            ends = np.unique(np.concatenate([states[axis].breakpoints, ends]))
            slopes = formulas.slopes_of(ends, gap.reshape(len(gap), -1), at[axis]).reshape(gap.shape)
            sums[0] += _integral(np.moveaxis(slopes, 0, axis) ** 2, rules, weights)
        found.append(sums)
    return np.array(found).T


def _integral(values: Array, rules: list[tuple[Array, Array]], weights: list[formulas.Functions | None]) -> float:
    for (x, w), weight in zip(rules, weights):
        factor = w if weight is None else w * weight.values(x)[:, 0]
        values = np.tensordot(factor, values, (0, 0))
    return float(np.sum(values))
