"""What a network predicts, from its final state: functions at any points, readouts, maxima, shares, and the path."""

from __future__ import annotations

from functools import reduce

import numpy as np
from scipy.special import expit

from derive.spec import CONSTANT, step_elements
from numerics.datasets import Records
from numerics.datasets import records as make_records
from numerics.model.continuum import Continuum
from numerics.verify import rules
from numerics.verify.records import along_xi, grids_of, sampled
from numerics.verify.references import formulas
from numerics.verify.references.formulas import Array, along
from numerics.verify.subject import Subject

SECTION = "outputs"
SHOWN = 7  # points at which functions are compared


def predictions(subject: Subject) -> None:
    """Outputs for records against integrals, or values, of the final state."""
    model, data = subject.bare(), sampled(subject.spec, subject.share)
    states = [formulas.functions(subject.spec.slabs[-1].state.along(axis)) for axis in range(subject.spec.dimension)]
    y = model.solver.final(model.project_samples(data))
    y = y.reshape(-1, subject.spec.channels, y.shape[-1])
    (_numbers if subject.spec.functional else _functions)(subject, model, data, states, y)


def _numbers(subject: Subject, model: Continuum, data: Records, states: list[formulas.Functions], y: Array) -> None:
    """z_k = ∫ R_k y + a_k, with maxima or shares Σ Q_kc s_c."""
    spec = subject.spec
    assert spec.readout is not None
    zeta = [formulas.functions(spec.readout.along(axis)) for axis in range(spec.dimension)]
    g = reduce(np.kron, [formulas.gram(a, b) for a, b in zip(zeta, states)])
    r, a = (subject.fields[name][0] for name in ("R", "a"))
    truth = np.einsum("ioc,ij,jcn->no", r, g, y) + a
    if spec.beside:
        found = _beside(subject, states, y)
        if found is None:
            return
        truth = truth + (subject.fields["Q"][0] @ found).T
    name = "readout" + (" with shares" if spec.shares else " with smooth maxima" if spec.beside else "")
    name += ", by Gauss sums"
    subject.at_most(SECTION, name, formulas.gap(truth, np.asarray(model(data))), 1e-11, "README.md")


def _beside(subject: Subject, states: list[formulas.Functions], y: Array) -> Array | None:
    """(1/β) log(½ ∫ exp(β y)) of every channel (channels, N), or ½ ∫ 1/(1 + exp((ℓ − y)/ε)) (levels · channels, N),

    at the points of section 3; None if they are unknown.
    """
    spec = subject.spec
    chosen = [rules.rule(spec.slabs[-1].along(axis)) for axis in range(spec.dimension)]
    rule = [found for found in chosen if found is not None]
    if len(rule) < len(chosen):
        return None
    at_nodes = reduce(np.kron, [state.values(x) for state, (x, _) in zip(states, rule)])
    weights: Array = reduce(np.kron, [w / 2 for _, w in rule])
    values = np.einsum("qj,jcn->qcn", at_nodes, y)
    if spec.shares is not None:
        levels, width = np.array([float(level) for level in spec.shares.levels]), float(spec.shares.width)
        steps = expit((values - levels[:, None, None, None]) / width)
        return np.asarray(np.einsum("q,lqcn->lcn", weights, steps).reshape(-1, values.shape[-1]))
    assert spec.maximum is not None
    beta, top = float(spec.maximum), values.max(axis=0)
    return np.asarray(top + np.log(np.einsum("q,qcn->cn", weights, np.exp(beta * (values - top)))) / beta)


def _functions(subject: Subject, model: Continuum, data: Records, states: list[formulas.Functions], y: Array) -> None:
    """y(ξ), or R(ξ) y(ξ) + a(ξ) as the state's basis has it."""
    spec = subject.spec
    if spec.outputs is not None:
        products, ones = along_xi(spec.readout_width or CONSTANT, states)
        r, a = (part if spec.readout_width else part[None] for part in (subject.fields["R"][0], subject.fields["a"][0]))
        y = sum(np.einsum("ij,oc,jcn->ion", p, own, y) for p, own in zip(products, r)) + sum(
            np.multiply.outer(one, own)[:, :, None] for one, own in zip(ones, a)
        )
    at = tuple(np.linspace(-0.97, 0.98, SHOWN + axis) for axis in range(spec.dimension))
    truth = _values(states, y, at)
    found = np.asarray(model(data, at=at if spec.dimension > 1 else at[0]))
    subject.at_most(SECTION, "outputs at any points", formulas.gap(truth, found), 1e-11, "README.md")
    gaps = [
        formulas.gap(_values(states, y[:, :, n : n + 1], grid)[0], np.asarray(own))
        for n, (grid, own) in enumerate(zip(grids_of(spec, data), model(data)))
    ]
    subject.at_most(SECTION, "outputs at the points of the records", max(gaps), 1e-11, "README.md")


def _values(states: list[formulas.Functions], y: Array, at: tuple[Array, ...]) -> Array:
    """(N, points …, channels) of coefficients (n, channels, N)."""
    values = y.reshape(*(state.size for state in states), *y.shape[1:])
    for axis, (state, x) in enumerate(zip(states, at)):
        values = along(state.values(x), values, axis)
    return np.moveaxis(values, -1, 0)


def path(subject: Subject) -> None:
    """The trajectory starts with the record, ends with the final state, and stands at the ends of the steps."""
    spec, model, data = subject.spec, subject.bare(), sampled(subject.spec, subject.share)
    one = make_records(data.samples()[:1], xi=None if data.xi is None else data.points()[:1])
    at = tuple(np.linspace(-0.97, 0.98, SHOWN + axis) for axis in range(spec.dimension))
    depths, values = model.trajectory(one, at=at if spec.dimension > 1 else at[0])
    ends = [np.array([float(b) for b in elements]) for elements in step_elements(spec)]
    share = spec.steps // sum(len(e) - 1 for e in ends)
    shares = [np.arange(share * (len(e) - 1) + 1) / share for e in ends]
    truth = np.unique(np.concatenate([np.interp(n, range(len(e)), e) for n, e in zip(shares, ends)]))
    x = model.project_samples(one)
    first = subject.reference.lifted(subject.fields, x.reshape(spec.entry.size, -1, 1))
    last = model.solver.final(x).reshape(-1, spec.channels, 1)
    gaps = [formulas.gap(truth, depths)]
    for state, h, place in ((spec.entry, first, 0), (spec.slabs[-1].state, last, -1)):
        axes = [formulas.functions(state.along(axis)) for axis in range(spec.dimension)]
        gaps.append(formulas.gap(_values(axes, h, at), values[:, place]))
    subject.at_most(SECTION, "trajectory: depths, first and last state", max(gaps), 1e-11, "README.md")
