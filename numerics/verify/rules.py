"""Quadrature points, their number, and every table of a stage against formulas."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import ceil

import numpy as np
from numpy.polynomial import legendre

from derive.spec import BasisSpec, Slab, of_axis, step_elements
from numerics.verify.references import formulas
from numerics.verify.references.formulas import Array
from numerics.verify.subject import Subject

SECTION = "spaces"


def degree(declared: BasisSpec) -> int | None:
    """The degree of piecewise polynomials; None where a basis is none."""
    if declared.family == "combination":
        assert declared.of is not None
        return degree(declared.of)
    if declared.family == "custom":
        return _of_expressions(declared)
    if declared.family == "fourier":
        return 0 if declared.size == 1 else None
    return {"p0": 0, "hat": 1}.get(declared.family, declared.size - 1 if declared.degree is None else declared.degree)


def _of_expressions(declared: BasisSpec) -> int | None:
    import sympy as sp

    from derive.exact.enclosure import XI
    from derive.exact.expression import parse

    parsed = [parse(text, {"xi": XI, "delta": XI}) for text in declared.functions or ()]
    if not all(expression.is_polynomial(XI) for expression in parsed):
        return None
    return int(max(sp.degree(expression, XI) if expression.has(XI) else 0 for expression in parsed))


def rule(slab: Slab) -> tuple[Array, Array] | None:
    """Points and weights (Q,) of section 3, of a slab along one axis; None where a degree is unknown."""
    state = slab.state
    ends = np.array([float(b) for b in state.cuts(formulas.WIDTH)])
    if state.family in ("gauss-legendre", "gauss-lobatto") and slab.quadrature is None:
        assert state.degree is not None
        own = state.degree
        return formulas.gauss(ends, own + 1) if state.family == "gauss-legendre" else _lobatto(ends, own)
    if state.family == "fourier":
        count = slab.quadrature or ceil(3 * state.size / 2)
        return -1 + 2 * np.arange(count) / count, np.full(count, 2 / count)
    others = [state, *(slab.rule or (slab.weight_out, slab.bias_width))]
    union = np.unique(np.concatenate([[float(b) for b in basis.cuts(formulas.WIDTH)] for basis in others]))
    cells = len(union) - 1
    if slab.quadrature is not None:
        return formulas.gauss(union, slab.quadrature // cells)
    degrees = [degree(basis) for basis in others]
    if None in degrees:
        return None
    known = [d or 0 for d in degrees]
    count = ceil((known[0] + max(known) + 1) / 2)  # 2Q − 1 ≥ m_χ + max(m_χ, m_φ, m_ψ)
    if len(ends) == 2 and state.size > 1:  # a spectral state
        count = max(count, ceil(ceil(3 * state.size / 2) / cells))
    return formulas.gauss(union, count)


def _lobatto(ends: Array, order: int) -> tuple[Array, Array]:
    t = formulas.lobatto(order)
    w = 2 / (order * (order + 1) * legendre.legval(t, np.eye(order + 1)[order]) ** 2)
    points, weights = [ends[0]], [0.0]
    for a, b in zip(ends, ends[1:]):
        weights[-1] += (b - a) / 2 * w[0]
        points += list((a + b) / 2 + (b - a) / 2 * t[1:])
        weights += list((b - a) / 2 * w[1:])
    return np.array(points), np.array(weights)


def tables(subject: Subject) -> None:
    """The points of every slab, and X, Φ, Ψ, C, A at them, θ and ϑ at the stages."""
    spec = subject.spec
    worst = {"points": 0.0, "values": 0.0, "projections": 0.0, "depths": 0.0}
    counts, aliasing = [], [0.0] * len(spec.slabs)
    for k, slab in enumerate(spec.slabs):
        form, exact = subject.reference.forms[k], subject.reference.tables[k]
        for axis in range(spec.dimension):
            own = slab.along(axis)
            nodes = form.nodes[axis].to_float().ravel()
            found = rule(own)
            counts.append(str(len(nodes)))
            if found is not None:
                same = len(found[0]) == len(nodes)
                gap = float(np.abs(found[0] - nodes).max()) if same else float("inf")
                worst["points"] = max(worst["points"], gap)
                if same:
                    state = formulas.functions(own.state)
                    chi = state.values(nodes)
                    left = np.abs((chi.T * found[1]) @ chi - formulas.gram(state)).max()
                    aliasing[k] = max(aliasing[k], float(left))
                    root = np.sqrt(found[1])
                    a = np.linalg.lstsq(chi * root[:, None], np.diag(root), rcond=None)[0]
                    worst["projections"] = max(worst["projections"], formulas.gap(a, _table(subject, k, "A", axis)))
            parts = {"X": own.state} | ({} if spec.operator.by_node else {"Phi": own.weight_out})
            for name, declared in parts.items():
                truth = formulas.functions(declared).values(nodes)
                worst["values"] = max(worst["values"], formulas.gap(truth, _table(subject, k, name, axis)))
            if not spec.operator.by_node:
                truth = formulas.gram(formulas.functions(own.weight_in), formulas.functions(own.state))
                worst["projections"] = max(worst["projections"], formulas.gap(truth, _table(subject, k, "C", axis)))
        psi = [formulas.functions(slab.along(a).bias_width) for a in range(spec.dimension)]
        at = [points.to_float().ravel() for points in form.nodes]
        whole = reduce(np.kron, [basis.values(x) for basis, x in zip(psi, at)])
        worst["values"] = max(worst["values"], formulas.gap(whole, exact["Psi"]))
        worst["depths"] = max(worst["depths"], _depths(subject, k))
    if any(rule(slab.along(axis)) is not None for slab in spec.slabs for axis in range(spec.dimension)):
        name = f"the rule of section 3: {', '.join(dict.fromkeys(counts))} points"
        subject.at_most(SECTION, name, worst["points"], 1e-14, "derivation.md")
        gap = max(abs(form.aliasing - own) for form, own in zip(subject.reference.forms, aliasing))
        subject.at_most(SECTION, "aliasing of χ_i χ_j, by dense sums", gap, 1e-12, "docs/bases.md")
    subject.at_most(SECTION, "functions at the points, by formulas", worst["values"], 1e-11, "docs/bases.md")
    subject.at_most(SECTION, "projection and coupling, by dense sums", worst["projections"], 1e-10, "docs/bases.md")
    subject.at_most(SECTION, "depth functions at the stages", worst["depths"], 1e-11, "docs/integrators.md")


def _table(subject: Subject, k: int, name: str, axis: int) -> Array:
    """A table along an axis."""
    return np.asarray(subject.reference.forms[k].tables[of_axis(name, axis)].to_float())


def _depths(subject: Subject, k: int) -> float:
    """θ and ϑ at δ_n + c_i s, from inside the step."""
    slab, form = subject.spec.slabs[k], subject.reference.forms[k]
    exact = subject.reference.tables[k]
    ends = np.array([float(b) for b in step_elements(subject.spec)[k]])
    share = len(form.operator_index) // (len(ends) - 1)
    c = np.array([float(v) for v in subject.spec.tableau.c])
    worst = 0.0
    for declared, rows, index in (
        (slab.weight_depth, exact["theta"], form.operator_index), (slab.bias_depth, exact["vartheta"], form.bias_index)
    ):  # fmt: skip
        values = inside(declared, slab)
        for n, stages in enumerate(index):
            a, b = ends[n // share], ends[n // share + 1]
            step = (b - a) / share
            truth = values(a + (n % share + c) * step, (a + b) / 2)
            worst = max(worst, formulas.gap(truth, rows[list(stages)]))
    return worst


Inside = Callable[[Array, float], Array]  # (depths, a depth inside their element) → values (n, size)


def inside(declared: BasisSpec, slab: Slab) -> Inside:
    """A depth basis whose values at the ends of an element are the limits from inside it."""
    basis = formulas.functions(declared, (slab.start, slab.stop))
    ends = basis.breakpoints
    t, weights = formulas.gauss_points(basis.fitted)
    table = legendre.legvander(t, basis.fitted - 1)

    def values(depths: Array, at: float) -> Array:
        """By the polynomial through values inside a cell, which has no ends."""
        found = []
        for depth in depths:
            after = np.searchsorted(ends, depth, side="right" if depth < at else "left")
            a, b = ends[(cell := int(np.clip(after - 1, 0, len(ends) - 2))) : cell + 2]
            own = basis.values((a + b) / 2 + (b - a) / 2 * t)
            series = (np.arange(basis.fitted) + 0.5)[:, None] * (table.T * weights) @ own
            found.append(legendre.legval((2 * depth - a - b) / (b - a), series))
        return np.array(found)

    return values
