"""Discrete networks that a spec's continuum generalises: equal where they must be, and towards it under refinement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from derive import spec as declaration
from derive.errors import SpecError
from derive.spec import CONSTANT, BasisSpec, TableauSpec
from numerics import adaptive
from numerics.continuum import Continuum, kernel_weights
from numerics.reference import Reference
from numerics.verify.subject import NOTEBOOKS, RECORDS, Array, Subject, divided

MOST_STEPS = 512  # of a convergence study
POINTS = np.linspace(-1, 1, 402)[1:-1] + 1e-4  # where solutions are compared: on no cell's boundary
CAPS = {"analytic": 99, "kinked": 2, "jumping": 1}  # the order in depth that a rate allows
SECTION = "equivalents"


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
            "learned": {name: str(v) for name, v in spec.learned},
            "parameters": {name: str(v) for name, v in spec.parameters},
            **({} if spec.normalise is None else {"normalise": str(spec.normalise)}),
        },
        "input": {"interpolant": "constant"},
        "state": {"basis": cells}, "weight": {"width_out": cells, "width_in": cells, "depth": depth},
        "bias": {"width": cells, "depth": depth},
        "integration": {"tableau": "euler", "steps": count}, "loss": {"kind": "l2"},
    }  # fmt: skip
    try:
        model = Continuum.from_spec(declared, seed=0)
    except SpecError as error:
        subject.add(SECTION, "network of layers", "≤ 1e-13", "not stable: " + error.given, None, NOTEBOOKS[0])
        return
    generator = np.random.default_rng(4)
    model = model.with_coordinates(generator.standard_normal(model.size) * 0.5)
    w, beta = (model.fields[name].slabs[0].coefficients for name in ("W", "b"))
    learned = model.fields["parameters"].slabs[0].coefficients if spec.learned else ()
    h = generator.standard_normal((n, spec.channels, 5))
    found = model.solver.final(h.reshape(-1, 5)).reshape(h.shape)
    expected, s = h, 1 / count
    for k in range(count):
        u = np.einsum("ijoc,jcn->ion", 2 / n * w[:, :, k], expected) + beta[:, k][:, :, None]
        expected = expected + s * subject.reference.rho(u, expected, learned)
    kind = {"mlp": "perceptron", "residual": "residual network"}.get(spec.rate, "network h ← h + s ρ(u, h)")
    if spec.rate == "mlp" and s != float(spec.spacing):
        kind = "leaky network"
    gap = np.abs(found - expected).max() / max(1.0, np.abs(expected).max())
    subject.at_most(SECTION, f"{kind} of {count} layers", float(gap), 1e-13, NOTEBOOKS[0])


def depth(subject: Subject) -> None:
    """Convergence towards the continuum as the steps shrink, with the order of the tableau."""
    spec, tableau = subject.spec, subject.spec.tableau
    if any(form.entry for form in subject.reference.forms):
        text = "slabs with state bases of their own: the layers are the model"
        subject.add(SECTION, "refinement in depth", "", text, None, NOTEBOOKS[3])
        return
    expected = min(tableau.order, CAPS[subject.smoothness])
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
    slack = 0.3 if subject.smoothness == "analytic" else 0.6
    subject.order(SECTION, "refinement in depth", sizes[window], errors[window], expected, slack, NOTEBOOKS[3])


def _named(name: str) -> TableauSpec:
    from derive.explain import named_tableau

    return named_tableau(name)


def _stepper(subject: Subject) -> Callable[[TableauSpec, int], Array]:
    """(tableau, steps) → the final state by the kernels, with about so many equal steps in every depth element."""
    solver = subject.model.solver.__class__(subject.model.representation)
    total = sum(len(e) - 1 for e in subject.elements)

    def solve(tableau: TableauSpec, steps: int) -> Array:
        share = -(-steps // total)
        h: Array = np.ascontiguousarray(subject.reference.lifted(subject.fields, subject.states).reshape(-1, RECORDS))
        for slab, e, weights in zip(solver.slabs, subject.elements, kernel_weights(subject.model.fields)):
            method = adaptive.Method.of(tableau, float(slab.tables.tables["kappa"]))
            pieces = slab.tables.pieces("weight_depth"), slab.tables.pieces("bias_depth")
            moved = slab.bind(adaptive.tables(method, *pieces, divided(e, share)))
            if slab.implicit:
                moved = moved.bind({"groups": np.array(tableau.groups)})
            h = moved.form(weights).forward(h, keep=False)[0]
        return h

    return solve


def width(subject: Subject) -> None:
    """Convergence towards the continuum as the state's basis is refined, from smooth fields."""
    study = _Width.of(subject)
    if study is None:
        _as_it_is(subject, "refinement in width")
        return
    tableau, steps = subject.spec.tableau, max(8, subject.spec.steps)
    values = [_smooth_solution(subject, study.build(n), POINTS, tableau, steps) for n in study.sizes]
    _judge_solutions(subject, "refinement in width", study, values, study.order, study.slack)


def both(subject: Subject) -> None:
    """Convergence as the state's basis and the steps are refined together; the finest by Dormand and Prince."""
    study = _Width.of(subject)
    if study is None:
        _as_it_is(subject, "refinement in width and depth")
        return
    share = -(-max(8, subject.spec.steps) // study.sizes[0])
    *sizes, finest = study.sizes
    if not subject.spec.tableau.explicit:
        sizes = sizes[:-1]  # the dense Newton method of the reference takes its time
    values = [_smooth_solution(subject, study.build(n), POINTS, subject.spec.tableau, share * n) for n in sizes]
    values.append(_smooth_solution(subject, study.build(finest), POINTS, _named("dopri5"), 2 * share * finest))
    order = min(study.order, subject.spec.tableau.order, CAPS[subject.smoothness])
    _judge_solutions(subject, "refinement in width and depth", study, values, order, study.slack)


def _as_it_is(subject: Subject, name: str) -> None:
    text = f"a {subject.spec.slabs[-1].state.along(0).family} basis is what it is"
    subject.add(SECTION, name, "", text, None, NOTEBOOKS[1])


def _judge_solutions(subject: Subject, name: str, study: _Width, values: list[Array], order: int, slack: float) -> None:
    """The last of the solutions is the truth."""
    size = float(np.abs(values[-1]).max())
    errors = [float(np.sqrt(np.mean((v - values[-1]) ** 2))) / size for v in values[:-1]]
    used = [study.build(n).size for n in study.sizes[: len(errors)]]
    subject.order(SECTION, name, used, errors, order, slack, NOTEBOOKS[1])


@dataclass(frozen=True)
class _Width:
    """A study of the state's basis: sizes, the basis of a size, and the order to be expected."""

    sizes: list[int]
    build: Callable[[int], BasisSpec]
    order: int
    slack: float

    @classmethod
    def of(cls, subject: Subject) -> _Width | None:
        """None for a basis that has no finer one."""
        family = subject.spec.slabs[-1].state.along(0)
        made = _family(family)
        if made is None:
            return None
        degree = {"p0": 0, "hat": 1}.get(family.family, family.degree)
        spectral = family.cells in (None, 1) or family.family in ("legendre", "chebyshev", "fourier")
        if subject.smoothness != "analytic":
            return cls(*made, 1, 0.5)
        return cls(*made, 5, 0.5) if spectral else cls(*made, (degree or 0) + 1, 0.35)


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


def _smooth_solution(subject: Subject, state: BasisSpec, points: Array, tableau: TableauSpec, steps: int) -> Array:
    """y(ξ) with smooth fields in few functions and the given state basis, by the NumPy network."""
    from derive.declaration import WIDTH, Reader
    from numerics.pieces import Pieces, evaluate
    from numerics.representation import pieces_of

    reader, spec = Reader("verify"), subject.spec
    few = {"family": "fourier", "size": 3} if spec.periodic else {"family": "legendre", "size": 3}
    smooth = reader.basis(few, "weight", WIDTH, spec.periodic)
    slab = declaration.Slab(Fraction(0), Fraction(1), state, smooth, smooth, CONSTANT, smooth, CONSTANT)
    plain = replace(spec, entry=state, slabs=(slab,), tableau=tableau, steps=steps, tolerance=None, outputs=None,
                    readout=None, maximum=None, weight=None, loss="l2", penalties=(), inputs=None, symmetries=(),
                    reach=None)  # fmt: skip
    network = Reference.of(plain)
    generator = np.random.default_rng(5)
    c, wide, many = spec.channels, spec.pre_activations * spec.channels, subject.base.channels
    fields = {
        "W": [generator.standard_normal((3, 3, 1, wide, c)) / many], "b": [generator.standard_normal((3, 1, wide)) / 2],
        "V": [generator.standard_normal((3, 1, wide, c)) / (2 * many)],
        "parameters": [np.array([[float(start)] * c for _, start in spec.learned])],
    }  # fmt: skip
    pieces: Pieces = pieces_of(network.forms[0].bases["state"])
    y = network.final(fields, subject.random_states([pieces], c)[:, :, :2])
    return np.asarray(np.einsum("pn,ncr->pcr", evaluate(pieces, points), y))
