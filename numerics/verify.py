"""What the mathematics promises, measured on a spec: ``continua verify``.

Every property is measured against something that shares no code with what it measures: loops over layers, the
NumPy network of ``numerics.reference``, complex steps, mpmath at 50 digits. What a spec can be expected to reach is
derived from it: the order of its tableau, the degree of its bases, the kinks of its rate.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from derive import spec as declaration
from derive.errors import SpecError
from derive.spec import BasisSpec, Spec, TableauSpec
from numerics import adaptive
from numerics.continuum import Continuum, Prepared, kernel_weights
from numerics.projection import loss_change
from numerics.reference import Reference
from numerics.solver import Solver

Array = np.ndarray
RECORDS = 12
MOST_STEPS = 512  # of a convergence study
ADAPTIVE = 8
ROUNDING = 1e-12  # of the state's size: below it a convergence study sees rounding


@dataclass(frozen=True)
class Finding:
    """A property that was measured. passed: None where it does not apply; curve: sizes and errors of a study."""

    section: str
    name: str
    expected: str
    measured: str
    passed: bool | None
    explained: str
    curve: tuple[tuple[float, ...], tuple[float, ...]] | None = None


@dataclass
class Subject:
    """A spec with a model of it, random where none was given, and random records of its size.

    Adaptive steps are replaced by ``ADAPTIVE`` equal ones in every depth element.
    """

    spec: Spec
    model: Continuum
    findings: list[Finding] = field(default_factory=list)

    @classmethod
    def of(cls, base: Spec, model: Continuum | None = None) -> Subject:
        if model is None:
            model = Continuum.from_spec(base, seed=0)
            noise = np.random.default_rng(1).standard_normal(model.size)
            model = model.with_coordinates(model.coordinates + 3 * noise / np.linalg.norm(noise))
        if model.spec.tolerance is not None:  # steps that the records choose cannot be compared one by one
            fixed = replace(model.spec, tolerance=None, steps=ADAPTIVE * model.spec.steps, levels=())
            model = Continuum(fixed, None, model.fields)
        return cls(replace(model.spec, levels=()), model)

    @cached_property
    def reference(self) -> Reference:
        return Reference.of(self.spec)

    @cached_property
    def fields(self) -> dict[str, list[Array]]:
        return {name: [slab.coefficients for slab in f.slabs] for name, f in self.model.fields.items()}

    @cached_property
    def states(self) -> Array:
        """Coefficients of smooth random records, (channels, entry size, RECORDS)."""
        pieces = self.model.representation.slabs[0].pieces("entry")
        return self.random_states(pieces, self.spec.channels)

    def random_states(self, pieces: Any, channels: int) -> Array:
        """The L2 projections of sums of a few smooth waves; periodic ones where the domain is."""
        from numerics.initial import quadrature
        from numerics.pieces import evaluate

        generator = np.random.default_rng(2)
        points, lengths = quadrature(pieces)
        waves = np.pi * np.arange(4) * (1 if self.spec.periodic else 0.5)
        parts = generator.standard_normal((2, channels, RECORDS, 4)) / (1 + np.arange(4)) ** 2
        values = parts[0] @ np.cos(np.outer(waves, points)) + parts[1] @ np.sin(np.outer(waves, points))
        table = evaluate(pieces, points)
        mass = (table.T * lengths) @ table
        return np.asarray(np.linalg.solve(mass, np.einsum("qj,q,crq->jcr", table, lengths, values).reshape(
            pieces.size, -1)).reshape(pieces.size, channels, RECORDS).transpose(1, 0, 2))  # fmt: skip

    @cached_property
    def prepared(self) -> Prepared:
        """The records with random targets, in the loss's coordinates."""
        generator = np.random.default_rng(3)
        rows = len(self.model.readout_map()[1])
        targets = generator.standard_normal((rows, RECORDS))
        if self.spec.loss in ("cross-entropy", "kullback-leibler"):
            targets = np.eye(rows)[generator.integers(0, rows, RECORDS)].T.copy()
        return Prepared(self.states.reshape(-1, RECORDS), targets, np.zeros(RECORDS), None)

    @cached_property
    def smoothness(self) -> str:
        """What the rate is: "analytic", "kinked" (continuous) or "jumping"."""
        import sympy as sp

        rho = self.reference.equation.rho
        if not rho.has(sp.Piecewise, sp.floor, sp.sign):
            return "analytic"
        grid = np.linspace(-4, 4, 4001)
        for arguments in ((grid, 0 * grid), (0 * grid, grid)):
            values = self.reference.rho(*arguments)
            if np.abs(np.diff(values)).max() > 0.05 * max(1.0, np.ptp(values)):
                return "jumping"
        return "kinked"

    def add(self, section: str, name: str, expected: str, measured: str, passed: bool | None, explained: str,
            curve: Any = None) -> None:  # fmt: skip
        self.findings.append(Finding(section, name, expected, measured, passed, explained, curve))

    def at_most(self, section: str, name: str, measured: float, limit: float, explained: str) -> None:
        """A number that has a bound."""
        self.add(section, name, f"≤ {limit:.0e}", f"{measured:.1e}", bool(measured <= limit), explained)


# --- discrete equivalents -----------------------------------------------------------------------------------


def layers(subject: Subject) -> None:
    """Row 1 of section 7: on piecewise constants one Euler step is a layer of a discrete network."""
    spec, n = subject.spec, 6
    count = int(1 / spec.spacing) if (1 / spec.spacing).denominator == 1 and 1 / spec.spacing <= 16 else 4
    cells = {"family": "p0", "cells": n}
    depth = {"family": "p0", "cells": count}
    declared = {
        "name": "layers",
        "equation": {
            "rate": spec.rate, "activation": spec.activation, "spacing": str(spec.spacing), "channels": spec.channels,
            "parameters": {name: str(v) for name, v in spec.parameters},
        },
        "input": {"interpolant": "constant"},
        "state": {"basis": cells}, "weight": {"width_out": cells, "width_in": cells, "depth": depth},
        "bias": {"width": cells, "depth": depth},
        "integration": {"tableau": "euler", "steps": count}, "loss": {"kind": "l2"},
    }  # fmt: skip
    try:
        model = Continuum.from_spec(declared, seed=0)
    except SpecError as error:
        subject.add("equivalents", "network of layers", "≤ 1e-13", "not stable: " + error.given, None, NOTEBOOKS[0])
        return
    generator = np.random.default_rng(4)
    model = model.with_coordinates(generator.standard_normal(model.size) * 0.5)
    w, beta = (model.fields[name].slabs[0].coefficients for name in ("W", "b"))
    h = generator.standard_normal((spec.channels, n, 5))
    found = model.solver.final(h.reshape(-1, 5)).reshape(h.shape)
    expected, s = h, 1 / count
    for k in range(count):
        u = np.einsum("ijoc,cjn->oin", 2 / n * w[:, :, k], expected) + beta[:, k].T[:, :, None]
        expected = expected + s * subject.reference.rho(u, expected)
    kind = {"mlp": "perceptron", "residual": "residual network"}.get(spec.rate, "network h ← h + s ρ(u, h)")
    if spec.rate == "mlp" and s != float(spec.spacing):
        kind = "leaky network"
    gap = np.abs(found - expected).max() / max(1.0, np.abs(expected).max())
    subject.at_most("equivalents", f"{kind} of {count} layers", float(gap), 1e-13, NOTEBOOKS[0])


def depth(subject: Subject) -> None:
    """Convergence towards the continuum as the steps shrink, with the order of the tableau."""
    spec, tableau = subject.spec, subject.spec.tableau
    if any(form.entry for form in subject.reference.forms):
        text = "slabs with state bases of their own: the layers are the model"
        subject.add("equivalents", "refinement in depth", "", text, None, NOTEBOOKS[3])
        return
    cap = {"analytic": 99, "kinked": 2, "jumping": 1}[subject.smoothness]
    expected = min(tableau.order, cap)
    solve = _stepper(subject)
    truth = solve(_named("gauss4" if not tableau.explicit else "dopri5"), 2 * MOST_STEPS)
    size, steps = float(np.abs(truth).max()), 2 * max(spec.steps, 4)
    sizes: list[int] = []
    errors: list[float] = []
    while steps <= MOST_STEPS and (not errors or errors[-1] > 1e-9):
        sizes.append(steps)
        errors.append(float(np.abs(solve(tableau, steps) - truth).max()) / size)
        steps *= 2
    window = slice(-4, None)  # the finest ones: before them the error need not follow its first term
    slack = 0.3 if cap == 99 else 0.6
    _judge(subject, "refinement in depth", sizes[window], errors[window], expected, slack, NOTEBOOKS[3])


def _named(name: str) -> TableauSpec:
    from derive.explain import named_tableau

    return named_tableau(name)


def _stepper(subject: Subject) -> Callable[[TableauSpec, int], Array]:
    """(tableau, steps) → the final state by the kernels, with about so many equal steps in every depth element."""
    solver = subject.model.solver.__class__(subject.model.representation)
    slabs = subject.spec.slabs
    elements = [np.array([float(b) for b in declaration.depth_elements(slab)]) for slab in slabs]
    total = sum(len(e) - 1 for e in elements)

    def solve(tableau: TableauSpec, steps: int) -> Array:
        share = -(-steps // total)
        h: Array = subject.states.reshape(-1, RECORDS)
        for slab, e, weights in zip(solver.slabs, elements, kernel_weights(subject.model.fields)):
            method = adaptive.Method.of(tableau, float(slab.tables.tables["kappa"]))
            cuts = np.concatenate([np.linspace(a, b, share, endpoint=False) for a, b in zip(e, e[1:])])
            lengths = np.repeat(np.diff(e) / share, share)
            pieces = slab.tables.pieces("weight_depth"), slab.tables.pieces("bias_depth")
            slab.bind(adaptive.tables(method, *pieces, list(zip(cuts, lengths))))
            if slab.implicit:
                slab.bind({"groups": np.array(tableau.groups)})
            slab.form(weights)
            h = slab.forward(h, keep=False)[0]
        return h

    return solve


def width(subject: Subject) -> None:
    """Convergence towards the continuum as the state's basis is refined, from smooth fields."""
    family, name = subject.spec.slabs[-1].state, "refinement in width"
    made = _family(family)
    if made is None:
        text = f"a {family.family} basis is what it is"
        subject.add("equivalents", name, "", text, None, NOTEBOOKS[1])
        return
    sizes, build = made
    points = np.linspace(-1, 1, 402)[1:-1] + 1e-4
    values = [_smooth_solution(subject, build(n), points) for n in sizes]
    size = float(np.abs(values[-1]).max())
    errors = [float(np.sqrt(np.mean((v - values[-1]) ** 2))) / size for v in values[:-1]]
    degree = {"p0": 0, "hat": 1}.get(family.family, family.degree)
    spectral = family.cells in (None, 1) or family.family in ("legendre", "chebyshev", "fourier")
    if spectral:
        expected, slack = (5, 0.5) if subject.smoothness == "analytic" else (1, 0.5)
    else:
        expected = (degree or 0) + 1
        slack = 0.35
        if subject.smoothness != "analytic":
            expected, slack = 1, 0.5
    used = [build(n).size for n in sizes[:-1]]
    _judge(subject, name, used, errors, expected, slack, NOTEBOOKS[1])


def _family(declared: BasisSpec) -> tuple[list[int], Callable[[int], BasisSpec]] | None:
    """Sizes for a study, and the family's basis of a size; None for a basis that has no finer one."""
    from derive.declaration import WIDTH, Reader

    reader = Reader("verify")
    family, degree = declared.family, declared.degree
    if declared.functions or declared.of is not None:
        return None
    if family in ("legendre", "chebyshev", "fourier"):
        return [9, 13, 17, 23, 29, 45], lambda n: reader.basis({"family": family, "size": n}, "state", WIDTH, True)
    given = {"degree": degree} if degree is not None and family not in ("p0", "hat") else {}

    def build(cells: int) -> BasisSpec:
        return reader.basis({"family": family, "cells": cells, **given}, "state", WIDTH, True)

    if family == "multiwavelet":  # cells are halved
        return [2, 4, 8, 16, 64], build
    return ([4, 6, 8, 12, 16, 64] if (degree or 0) < 2 else [2, 3, 4, 6, 16]), build


def _smooth_solution(subject: Subject, state: BasisSpec, points: Array) -> Array:
    """y(ξ) with smooth fields in few functions and the given state basis, by the NumPy network."""
    from derive.declaration import WIDTH, Reader
    from numerics.pieces import Pieces, evaluate
    from numerics.representation import pieces_of

    reader, spec = Reader("verify"), subject.spec
    few = {"family": "fourier", "size": 3} if spec.periodic else {"family": "legendre", "size": 3}
    smooth = reader.basis(few, "weight", WIDTH, spec.periodic)
    once = BasisSpec("p0", 1, cells=1, functions=())
    slab = declaration.Slab(Fraction(0), Fraction(1), state, smooth, smooth, once, smooth, once)
    steps = max(8, spec.steps)
    plain = replace(spec, entry=state, slabs=(slab,), steps=steps, tolerance=None, outputs=None, readout=None,
                    weight=None, loss="l2", penalties=())  # fmt: skip
    network = Reference.of(plain)
    generator = np.random.default_rng(5)
    c = spec.channels
    fields = {"W": [generator.standard_normal((3, 3, 1, c, c)) / c], "b": [generator.standard_normal((3, 1, c)) / 2]}
    pieces: Pieces = pieces_of(network.forms[0].bases["state"])
    y = network.final(fields, subject.random_states(pieces, c)[:, :, :2])
    return np.asarray(np.einsum("pn,cnr->pcr", evaluate(pieces, points), y))


def _judge(subject: Subject, name: str, sizes: list[int], errors: list[float], expected: int, slack: float,
           explained: str) -> None:  # fmt: skip
    """The order of a study, by a fit over the sizes whose error is above rounding."""
    seen = [(n, e) for n, e in zip(sizes, errors) if e > ROUNDING]
    curve = tuple(float(n) for n, _ in seen), tuple(e for _, e in seen)
    if len(seen) < 2:
        measured, passed = f"error {errors[-1]:.0e}: rounding at once", max(errors[1:]) <= ROUNDING
    else:
        order = -float(np.polyfit(np.log([n for n, _ in seen]), np.log([e for _, e in seen]), 1)[0])
        measured, passed = f"order {order:.2f}, error {seen[-1][1]:.0e}", order >= expected - slack
    subject.add("equivalents", name, f"order ≥ {expected}", measured, bool(passed), explained, curve)


# --- derivatives --------------------------------------------------------------------------------------------


def gradient(subject: Subject) -> None:
    """The discrete adjoint against the complex step of the NumPy network, in coefficients and in the records."""
    model, prepared = subject.model, subject.prepared
    bare = model.replace(base=replace(subject.spec, penalties=(), levels=()), level=None)
    _, found = bare.coefficient_gradient(prepared)
    bar_states = bare._sweep(prepared)[4].reshape(subject.states.shape)
    generator = np.random.default_rng(6)
    fields = subject.fields
    ways = {name: [generator.standard_normal(p.shape) for p in parts] for name, parts in fields.items()}
    along = generator.standard_normal(subject.states.shape)
    both = _loss(subject, {n: [p + 1e-30j * d for p, d in zip(fields[n], ways[n])] for n in fields},
                 subject.states + 1e-30j * along).imag / 1e-30  # fmt: skip
    alone = _loss(subject, fields, subject.states + 1e-30j * along).imag / 1e-30
    measured = sum(float(np.sum(g * d)) for n in ways for g, d in zip(found[n], ways[n]))
    in_states = float(np.sum(bar_states * along))
    size = math.sqrt(sum(float(np.sum(g**2)) for parts in found.values() for g in parts) + np.sum(bar_states**2))
    length = math.sqrt(sum(float(np.sum(d**2)) for parts in ways.values() for d in parts) + np.sum(along**2))
    error = abs(measured + in_states - both) / (size * length)
    subject.at_most("derivatives", "gradient against complex step", float(error), 1e-13, NOTEBOOKS[2])
    scale = float(np.linalg.norm(bar_states) * np.linalg.norm(along)) or 1.0
    dot = abs(in_states - alone) / scale
    subject.at_most("derivatives", "dot test: ⟨Jv, w⟩ = ⟨v, Jᵀw⟩", float(dot), 1e-12, NOTEBOOKS[2])


def _loss(subject: Subject, fields: dict[str, list[Array]], states: Array) -> Any:
    y = subject.reference.final(fields, states)
    if subject.spec.outputs is not None:
        z = subject.reference.readout(fields["R"][0], fields["a"][0], y)
    else:
        z = subject.model.readout_map()[0] @ y.reshape(-1, y.shape[-1])
    return subject.reference.loss(z, subject.prepared.wanted())


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
        third.append(abs(other.loss(prepared) - loss - loss_change(model, other, prepared)[1]))
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
    subject.add("derivatives", name, f"slope ≥ {expected}", f"{slope:.2f}", passed, NOTEBOOKS[2], curve)


# --- spaces -------------------------------------------------------------------------------------------------


def grams(subject: Subject) -> None:
    """Gram matrices against mpmath's quadrature at 50 digits, a sample of entries of every basis."""
    import mpmath

    from derive.closed_form import local_expression

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
                        parts = [local_expression(basis.functions[k][cell], a, b) for k in (i, j)]
                        ends = [mpmath.mpf(e.numerator) / e.denominator for e in (a, b)]
                        exact += mpmath.quad(_mp_function(parts[0] * parts[1]), ends, maxdegree=8)
                    scale = max(abs(float(exact)), float(np.abs(table).max()) * 1e-3)
                    worst = max(worst, abs(table[i, j] - float(exact)) / scale)
                    count += 1
    name = f"Gram matrices at 50 digits ({count} entries)"
    subject.at_most("spaces", name, worst, 2.3e-16, NOTEBOOKS[1])


def _mp_function(expression: Any) -> Callable[[Any], Any]:
    import mpmath
    import sympy as sp

    from derive.closed_form import XI

    def function(x: Any) -> Any:
        return mpmath.mpf(str(sp.N(expression.subs(XI, sp.Float(str(x), 50)), 50)))

    return function


def projections(subject: Subject) -> None:
    """Between the levels: what is left is orthogonal, nested spaces give the identity, projecting twice is once."""
    from derive import bases, inner_product, ladder, transfer

    levels = [replace(subject.model.base, levels=()), *(s for _, s in subject.model.base.levels)]
    pairs = set()
    for source in levels:
        old = {role: (basis, interval) for role, basis, interval in ladder.directions(source)}
        for target in levels:
            for role, basis, interval in ladder.directions(target):
                if role in old and old[role] != (basis, interval) and old[role][1] == interval:
                    pairs.add((old[role][0], basis, interval))
    if not pairs:
        subject.add("spaces", "projections between levels", "", "the levels share their bases", None, NOTEBOOKS[1])
        return
    orthogonal, identity, twice, nested = 0.0, 0.0, 0.0, 0
    for first, second, interval in pairs:
        a, b = bases.build(first, interval), bases.build(second, interval)
        down, up = transfer.transfer(b, a).to_float(), transfer.transfer(a, b).to_float()
        mass, mixed = inner_product.gram(b, b).to_float(), inner_product.gram(b, a).to_float()
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


# --- code ---------------------------------------------------------------------------------------------------


def kernels(subject: Subject) -> None:
    """The compiled kernels against the NumPy network, by both plans."""
    expected = subject.reference.final(subject.fields, subject.states)
    for plan in ("formed", "factors"):
        solver = Solver(subject.model.representation, plan=plan)
        solver.form(kernel_weights(subject.model.fields))
        found = solver.final(subject.states.reshape(-1, RECORDS)).reshape(expected.shape)
        error = float(np.abs(found - expected).max() / np.abs(expected).max())
        subject.at_most("code", f"kernels against NumPy, {plan}", error, 1e-12, "derivation.md")


def precision(subject: Subject) -> None:
    """Single against double precision: loss and gradient."""
    values = []
    for kind in ("float64", "float32"):
        base = replace(subject.spec, precision=kind, levels=())
        values.append(subject.model.replace(base=base, level=None).objective(subject.prepared))
    (loss, slope), (loss32, slope32) = values
    changed = float(np.linalg.norm(slope - slope32) / np.linalg.norm(slope))
    error = max(abs(loss - loss32) / max(1.0, abs(loss)), changed)
    subject.at_most("code", "float32 against float64: loss, gradient", error, 1e-4, "README.md")


def threads(subject: Subject) -> None:
    """Equal bits with 1, 2 and 5 threads."""
    states, targets = (np.tile(a, (1, 30)) for a in (subject.prepared.states, subject.prepared.wanted()))
    many = Prepared(states, targets, np.zeros(30 * RECORDS), None)
    found = []
    for count in ("1", "2", "5"):
        with _environment("CONTINUA_THREADS", count):
            found.append(subject.model.objective(many))
    same = all(loss == found[0][0] and np.array_equal(slope, found[0][1]) for loss, slope in found)
    text = "equal" if same else "different"
    subject.add("code", "equal bits with 1, 2 and 5 threads", "equal", text, same, "README.md")


@contextmanager
def _environment(name: str, setting: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = setting
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def regeneration(subject: Subject) -> None:
    """Generating twice gives the same bytes, and those of the modules in use."""
    from derive.emit.manifest import generate
    from numerics.representation import find

    files = generate(subject.model.base)
    same = files == generate(subject.model.base)
    text = "equal" if same else "different"
    place = find(declaration.digest(subject.spec))
    if place is not None and place[0].name == subject.model.base.name:
        stale = [name for name, content in files.items() if (place[0] / name).read_bytes() != content]
        same, text = same and not stale, f"stale: {', '.join(stale)}" if stale else text
    subject.add("code", "byte-equal regeneration", "equal", text, same, "README.md")


VERDICTS = {True: "holds", False: "FAILS", None: "–"}
NOTEBOOKS = (
    "notebooks/1_from_layers_to_the_continuum.ipynb",
    "notebooks/2_bases_gram_matrices_and_projections.ipynb",
    "notebooks/3_the_adjoint.ipynb",
    "notebooks/4_integrators_as_data.ipynb",
)
PROPERTIES: tuple[tuple[str, Callable[[Subject], None]], ...] = (
    ("a network of layers", layers),
    ("refinement in depth", depth),
    ("refinement in width", width),
    ("gradients", gradient),
    ("Taylor remainders", taylor),
    ("Gram matrices", grams),
    ("projections", projections),
    ("conditions", conditions),
    ("kernels", kernels),
    ("precision", precision),
    ("threads", threads),
    ("regeneration", regeneration),
)


def verify(spec: Spec, model: Continuum | None = None, progress: Callable[[str], None] | None = None) -> list[Finding]:
    """Measure every property on a spec, or on a model of it. progress: told what is measured next."""
    subject = Subject.of(spec, model)
    for what, measure in PROPERTIES:
        if progress is not None:
            progress(what)
        measure(subject)
    return subject.findings
