"""Gram matrices, projections and conditioning of the bases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.spec import SymmetrySpec, of_axis
from numerics.functions.arrays import along
from numerics.functions.field import Array
from numerics.functions.random import moved
from numerics.verify.subject import NOTEBOOKS, RECORDS, Subject

if TYPE_CHECKING:
    from derive.spaces.basis import Basis

SAMPLED = 12  # couplings compared in every slab


def grams(subject: Subject) -> None:
    """Gram matrices against mpmath's quadrature at 50 digits, a sample of entries of every basis."""
    import mpmath

    from derive.exact.enclosure import local_expression

    generator = np.random.default_rng(8)
    worst, count = 0.0, 0
    with mpmath.workdps(50):
        for form, tables in zip(subject.reference.forms, subject.reference.tables):
            for name, basis in form.bases.items():
                if basis.combination is not None:
                    continue
                table = tables[f"gram/{name}"]
                for i, step in generator.integers(0, basis.size, (4, 2)):
                    j = min(i + step % 3, basis.size - 1)  # neighbours, whose product is not zero everywhere
                    exact = mpmath.mpf(0)
                    for cell in sorted(set(basis.functions[i]) & set(basis.functions[j])):
                        a, b = basis.bounds(cell)
                        first, second = (local_expression(basis.functions[k][cell], a, b) for k in (i, j))
                        ends = [mpmath.mpf(e.numerator) / e.denominator for e in (a, b)]
                        exact += mpmath.quad(_mp_function(first * second), ends, maxdegree=8)
                    scale = max(abs(float(exact)), float(np.abs(table).max()) * 1e-3)
                    worst = max(worst, abs(table[i, j] - float(exact)) / scale)
                    count += 1
    name = f"Gram matrices at 50 digits ({count} entries)"
    subject.at_most("spaces", name, worst, 2.3e-16, NOTEBOOKS[1])


def couplings(subject: Subject) -> None:
    """∫ κ_m(ξ_q − ξ′) χ_l(ξ′) dξ′ against mpmath's quadrature at 30 digits, a sample of entries."""
    if not subject.spec.operator.by_node:
        return
    import mpmath

    generator = np.random.default_rng(10)
    worst, count = 0.0, 0
    for form, axis in product(subject.reference.forms, range(subject.spec.dimension)):
        kernel, state = (form.bases[of_axis(role, axis)] for role in ("weight_in", "state"))
        if kernel.combination is not None or state.combination is not None:
            continue
        table, nodes = form.tables[of_axis("C", axis)].to_float().reshape(-1, kernel.size, state.size), form.nodes[axis]
        for q, m, pick in generator.integers(0, (*table.shape[:2], state.size), (SAMPLED, 3)):
            met = np.flatnonzero(table[q, m])
            near = np.unique(np.clip([*met, *(met - 1), *(met + 1)], 0, state.size - 1))  # zeros beside them, too
            l = int(near[pick % len(near)]) if len(near) else int(pick)
            with mpmath.workdps(30):
                exact = float(_coupling(kernel, state, m, l, _decimal(nodes[int(q), 0]), subject.spec.periodic[axis]))
            scale = max(abs(exact), float(np.abs(table).max()) * 1e-3)
            worst = max(worst, abs(table[q, m, l] - exact) / scale)
            count += 1
    if count:  # with combinations on every slab there is none
        subject.at_most("spaces", f"couplings of κ at 30 digits ({count} entries)", worst, 2.3e-16, "docs/bases.md")


def _coupling(kernel: Basis, state: Basis, m: int, l: int, node: Any, periodic: bool) -> Any:
    import mpmath

    from derive.exact.enclosure import local_expression

    def parts(basis: Basis, j: int) -> list[tuple[Any, Any, Any]]:
        cells = ((basis.bounds(cell), f) for cell, f in basis.functions[j].items())
        return [(_decimal(a), _decimal(b), _mp_function(local_expression(f, a, b))) for (a, b), f in cells]

    total = mpmath.mpf(0)
    for about in (node - 2, node, node + 2) if periodic else (node,):
        for near, far, weight in parts(kernel, m):
            for low, high, value in parts(state, l):
                ends = max(low, about - far), min(high, about - near)
                if ends[0] < ends[1]:
                    total += mpmath.quad(lambda x: weight(about - x) * value(x), ends)  # noqa: B023
    return total


def _decimal(number: Any) -> Any:
    """A rational, or the middle of a ball, as mpmath's number."""
    import mpmath
    from flint import arb

    if isinstance(number, arb):
        return mpmath.mpf(number.mid().str(40, radius=False))
    return mpmath.mpf(int(number.numerator)) / int(number.denominator)


def _mp_function(expression: Any) -> Callable[[Any], Any]:
    """A SymPy expression of a basis as a function of mpmath's numbers."""
    import mpmath
    import sympy as sp

    numbers: dict[Any, Any] = {}

    def value(e: Any, x: Any) -> Any:
        if e.is_Symbol:
            return x
        if e.is_number:
            return numbers[e] if e in numbers else numbers.setdefault(e, mpmath.mpf(str(sp.N(e, 60))))
        parts = [value(a, x) for a in e.args]
        if e.is_Add:
            return mpmath.fsum(parts)
        if e.is_Mul:
            return mpmath.fprod(parts)
        if e.is_Pow:
            return parts[0] ** (int(e.exp) if e.exp.is_Integer else parts[1])
        return getattr(mpmath, type(e).__name__)(*parts)

    return lambda x: value(expression, x)


def projections(subject: Subject) -> None:
    """Between the levels: what is left is orthogonal, nested spaces give the identity, projecting twice is once."""
    from derive.spaces import transfer
    from derive.spaces.basis import build
    from derive.spaces.products import gram
    from derive.spec import table_names

    levels = [replace(subject.base, levels=()), *(s for _, s in subject.base.levels)]
    pairs = set()
    for source in levels:
        old = {role: (basis, interval) for role, basis, interval in table_names.directions(source)}
        for target in levels:
            for role, basis, interval in table_names.directions(target):
                if role in old and old[role] != (basis, interval) and old[role][1] == interval:
                    pairs.add((old[role][0], basis, interval))
    if not pairs:
        subject.add("spaces", "projections between levels", "", "the levels share their bases", None, NOTEBOOKS[1])
        return
    orthogonal, identity, twice, nested = 0.0, 0.0, 0.0, 0
    for first, second, interval in pairs:
        a, b = build(first, interval), build(second, interval)
        down, up = transfer.transfer(b, a).to_float(), transfer.transfer(a, b).to_float()
        mass, mixed = gram(b, b).to_float(), gram(b, a).to_float()
        orthogonal = max(orthogonal, float(np.abs(mass @ down - mixed).max() / np.abs(mixed).max()))
        gap = float(np.abs(down @ up - np.eye(b.size)).max())
        if gap <= 1e-9:  # b's functions lie in a
            once = up @ down
            nested += 1
            identity = max(identity, gap)
            twice = max(twice, float(np.abs(once @ once - once).max() / np.abs(once).max()))
    subject.at_most("spaces", f"residual ⟂ space ({len(pairs)} projections)", orthogonal, 1e-14, NOTEBOOKS[1])
    if nested:
        subject.at_most("spaces", f"P↓P↑ = 1 ({nested} nested pairs)", identity, 1e-13, NOTEBOOKS[1])
        subject.at_most("spaces", "projecting twice is projecting once", twice, 1e-13, NOTEBOOKS[1])


def symmetries(subject: Subject) -> None:
    """The network after a symmetry is the symmetry after the network, where nodes go to nodes; and elsewhere."""
    from numerics.functions.basis import evaluate

    spec, model = subject.spec, subject.model
    slab, d = model.representation.slabs[0], spec.dimension
    if any(s.state != spec.entry for s in spec.slabs):
        subject.add("spaces", "symmetries", "", "state bases that change along the depth", None, "docs/bases.md")
        return
    generator = np.random.default_rng(9)
    states = generator.standard_normal(subject.states.shape)  # of all that the basis holds, so that products alias

    def gap(axis: int, one: SymmetrySpec) -> float:
        pieces = slab.axes("state")
        points = np.sort(np.random.default_rng(9).uniform(-1, 1, 8 * pieces[axis].size))
        image, _ = moved(one, points)
        action = np.linalg.lstsq(evaluate(pieces[axis], points), evaluate(pieces[axis], image), rcond=None)[0]
        sizes = [p.size for p in pieces]
        ahead = model.solver.final(along(action, states.reshape(*sizes, -1), axis).reshape(-1, RECORDS))
        after = model.solver.final(states.reshape(-1, RECORDS)).reshape(*sizes, -1)
        change = along(action, after, axis).reshape(ahead.shape) - ahead
        return float(np.abs(change).max() / np.abs(ahead).max())

    def on_circle(found: Array) -> Array:
        return np.sort(np.round((found + 1) % 2, 9) % 2)

    for one in spec.symmetries:
        shifts, nodes = one.kind == "translation", slab.factors("nodes")
        finite = [SymmetrySpec("shift", Fraction(4, len(line))) if shifts else one for line in nodes]
        worst = max(gap(axis, each) for axis, each in enumerate(finite))
        if all(np.array_equal(on_circle(moved(g, line)[0]), on_circle(line)) for g, line in zip(finite, nodes)):
            subject.at_most("spaces", f"the network commutes with {one}", worst, 1e-11, "docs/bases.md")
        else:
            text = f"{worst:.1e}"
            subject.add("spaces", f"how far {one} commutes, off the nodes", "reported", text, None, "docs/bases.md")
        if shifts:
            text = f"{max(gap(axis, SymmetrySpec('shift', Fraction(2, 11))) for axis in range(d)):.1e}"
            subject.add("spaces", "and with shifts off the nodes", "reported", text, None, "docs/bases.md")


def conditions(subject: Subject) -> None:
    """Conditioning of the state's basis, aliasing left by its rule, and depth functions that the stages see."""
    worst, seen, blind = 1.0, 0.0, 0
    for form, tables in zip(subject.reference.forms, subject.reference.tables):
        mass = tables["M_h"]
        scale = 1 / np.sqrt(np.diag(mass))
        worst = max(worst, float(np.linalg.cond(mass * np.outer(scale, scale))))
        seen = max(seen, form.aliasing)
        for rows in ("theta", "vartheta"):
            blind += tables[rows].shape[1] - int(np.linalg.matrix_rank(tables[rows], tol=1e-9))
    good = worst < 1e8
    subject.add("spaces", "condition of the state's mass matrix", "< 1e+08", f"{worst:.1e}", good, "docs/bases.md")
    text = "none" if seen < 1e-30 else f"{seen:.1e}"
    subject.add("spaces", "aliasing of the quadrature on χ_i χ_j", "reported", text, None, "docs/bases.md")
    subject.add("spaces", "depth functions that no stage sees", "0", str(blind), blind == 0, "docs/integrators.md")
