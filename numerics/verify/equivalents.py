"""Discrete networks that a spec's continuum generalises: equal where they must be, and towards it under refinement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from derive.errors import SpecError, TrainingError
from derive.spec import CONSTANT, BasisSpec, Slab
from derive.spec.operator import ANY
from numerics.model.continuum import Continuum
from numerics.model.layout import kernel_weights
from numerics.verify.orders import Study, judge
from numerics.verify.references.flow import ACCURACY, Ended, constant, follow
from numerics.verify.references.network import Reference
from numerics.verify.subject import NOTEBOOKS, SMALLEST, WATCHED, Array, Subject

POINTS = np.linspace(-1, 1, 402)[1:-1] + 1e-4  # where solutions are compared: on no cell's boundary
CAPS = {"analytic": 99, "kinked": 2, "jumping": 1}  # the order in depth that a rate allows
SLACK = {True: 0.3, False: 0.6}  # of an order that is seen clearly, and of the envelope of a rate with kinks
SHARES = (1, 0.5, 0.25, 0.125)  # of fields and records, until an order shows
SPECTRAL = ("legendre", "chebyshev", "fourier")
IN_WIDTH = 256  # steps of every size where the rate is not smooth
NEWTON = 100  # unknowns of a stage: the dense Newton method of the reference takes its time
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
    generator, s, size = np.random.default_rng(4), 1 / count, subject.share
    random = generator.standard_normal(model.size), generator.standard_normal((n, spec.channels, 5))
    while True:  # smaller ones where the layers' states overflow
        model, h = model.with_coordinates(size * 0.5 * random[0]), size * random[1]
        w, beta = (model.fields[name].slabs[0].coefficients for name in ("W", "b"))
        learned = model.fields["parameters"].slabs[0].coefficients if spec.learned else ()
        expected = h
        with np.errstate(all="ignore"):
            for k in range(count):
                u = np.einsum("ijoc,jcn->ion", 2 / n * w[:, :, k], expected) + beta[:, k][:, :, None]
                expected = expected + s * subject.reference.rho(u, expected, learned)
        if np.isfinite(expected).all() or size <= SMALLEST:
            break
        size /= 2
    found = subject.plain(model).solver.final(h.reshape(-1, 5)).reshape(h.shape)
    kind = {"mlp": "perceptron", "residual": "residual network"}.get(spec.rate, "network h ← h + s ρ(u, h)")
    if spec.rate == "mlp" and s != float(spec.spacing):
        kind = "leaky network"
    gap = np.abs(found - expected).max() / max(1.0, np.abs(expected).max())
    subject.at_most(SECTION, f"{kind} of {count} layers", float(gap), 1e-13, NOTEBOOKS[0])


def depth(subject: Subject) -> None:
    """Convergence towards the continuum as the steps shrink, with the order of the tableau.

    Where the steps are too few to see an order, smaller fields and records are tried: the same kernels with the same
    tableau, whose error follows its first term sooner.
    """
    name = "refinement in depth"
    if subject.layered:
        text = "slabs with state bases of their own: the layers are the model"
        subject.add(SECTION, name, "", text, None, NOTEBOOKS[3])
        return
    if subject.share < 1:
        text = f"{subject.share:g} times as large; larger ones grow without bound"
        subject.add(SECTION, "records whose solution stays finite", "", text, None, NOTEBOOKS[3])
    regular = subject.smoothness == "analytic"
    expected = min(subject.spec.tableau.order, CAPS[subject.smoothness])
    converges(subject, name, _in_depth, expected, SLACK[regular], NOTEBOOKS[3])


def converges(
    subject: Subject, name: str, study: Callable[[Subject], Study | Ended], expected: float, slack: float,
    explained: str, section: str = SECTION,
) -> None:  # fmt: skip
    """Judge a study; where it ends before an order shows, or has no solution, one of smaller fields and records.

    The equation of these is nearer to a linear one with constant coefficients, and errors follow their first term
    sooner, by the same kernels and tables. What even the smallest leaves undecided is not reached, and said so; slopes
    that have no order even there are a failure.
    """
    regular, found = subject.smoothness == "analytic", None
    for share in SHARES:
        try:
            found = study(subject if share == 1 else subject.gentler(share, fields=True))
        except TrainingError:  # implicit steps of large fields may have no solution, or several
            if share == SHARES[-1]:
                raise
            continue
        if isinstance(found, Ended):
            continue
        judged = judge(found.sizes, found.errors, expected, slack, found.noise, regular)
        if judged.passed or (judged.passed is False and judged.settled):
            break
    if isinstance(found, Ended):
        subject.add(section, name, f"order ≥ {expected:g} − {slack:g}", f"not reached: {found}", None, explained)
        return
    note = "" if share == 1 else f"; fields and records × {share:g}"
    subject.add(section, name, f"order ≥ {expected:g} − {slack:g}", judged.measured + note, judged.passed, explained,
                {"": judged.curve}, -expected)  # fmt: skip


def _in_depth(subject: Subject) -> Study | Ended:
    """Errors of the kernels' final states by numbers of steps."""
    exact = subject.exact
    if isinstance(exact, Ended):
        return exact
    solve, truth = _stepper(subject), exact.final.reshape(-1, WATCHED)
    size = float(np.abs(truth).max()) or 1.0
    return Study.over(subject.numbers_of_steps, lambda n: float(np.abs(solve(n) - truth).max()) / size, exact.noise)


def _stepper(subject: Subject) -> Callable[[int], Array]:
    """Steps → the final state by the kernels, with the same number of equal steps in every depth element."""
    bound = subject.model.bound
    start = subject.reference.lifted(subject.fields, subject.states[:, :, :WATCHED]).reshape(-1, WATCHED)

    def solve(steps: int) -> Array:
        h: Array = np.ascontiguousarray(start)
        taken = subject.steps(steps)
        for slab, own, weights in zip(bound.slabs, taken, kernel_weights(subject.model.fields)):
            h = slab.on_steps(bound.method(slab), own).form(weights).forward(h, keep=False)[0]
        return h

    return solve


def width(subject: Subject) -> None:
    """Convergence towards the continuum as the state's basis is refined, from smooth fields."""
    name, study = "refinement in width", _Width.of(subject)
    if study is None:
        _as_it_is(subject, name)
        return
    converges(subject, name, lambda s: _in_width(s, study), study.order, study.slack, NOTEBOOKS[1])


def both(subject: Subject) -> None:
    """Convergence as the state's basis and the steps are refined together, by the tableau as textbooks have it."""
    name, study = "refinement in width and depth", _Width.of(subject)
    if study is None:
        _as_it_is(subject, name)
        return
    order = min(study.order, subject.spec.tableau.order, CAPS[subject.smoothness])
    converges(subject, name, lambda s: _in_width(s, study, steps=True), order, study.slack, NOTEBOOKS[1])


def _as_it_is(subject: Subject, name: str) -> None:
    text = f"a {subject.spec.slabs[-1].state.along(0).family} basis is what it is"
    subject.add(SECTION, name, "", text, None, NOTEBOOKS[1])


def _in_width(subject: Subject, study: _Width, steps: bool = False) -> Study | Ended:
    """Errors by sizes of the state's basis; with ``steps`` by the tableau, in so many steps for every size.

    The truth is found in another basis, and is as good as a coarser one of the same kind says.
    """
    tableau, sizes = subject.spec.tableau, study.sizes
    unknowns = len(tableau.b) * subject.spec.channels
    if steps and not tableau.explicit:
        sizes = [n for n in sizes if unknowns * study.build(n).size <= NEWTON]
    share = -(-max(8, subject.spec.steps) // study.sizes[0]) if steps else 0

    def solution(n: int) -> Array:
        one = _Smooth.of(subject, study.build(n), share * n or 1)
        return one.by_steps() if steps else _along_depth(subject, one)

    try:
        truth, noise = _truth(subject, study)
        size = float(np.abs(truth).max()) or 1.0
        return Study.over(sizes, lambda n: _distance(solution(n), truth) / size, noise)
    except Ended as ended:
        return ended


def _truth(subject: Subject, study: _Width) -> tuple[Array, float]:
    """The exact solution at ``POINTS`` and how well it is known; one for both studies. Raises Ended."""
    key = "width", subject.share
    if key not in subject.kept:
        coarse, fine = (_along_depth(subject, _Smooth.of(subject, basis)) for basis in study.truths)
        noise = _distance(coarse, fine) / (float(np.abs(fine).max()) or 1.0)
        subject.kept[key] = fine, max(noise, 10 * ACCURACY)
    return subject.kept[key]  # type: ignore[no-any-return]


def _distance(a: Array, b: Array) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


def _along_depth(subject: Subject, one: _Smooth) -> Array:
    """The exact solution along the depth, at ``POINTS``. Raises Ended."""
    rate, one_depth = one.network.slopes(one.fields, 0), np.ones(1)
    pieces = constant(lambda h: rate.between(one_depth, one_depth, h), one.start.shape)
    exact = follow(pieces, one.start.ravel(), subject.smoothness == "analytic", IN_WIDTH)
    return one.at_points(exact.final.reshape(one.start.shape))


@dataclass(frozen=True)
class _Width:
    """A study of the state's basis: sizes, the basis of a size, the order to be expected, and bases for the truth."""

    sizes: list[int]
    build: Callable[[int], BasisSpec]
    truths: tuple[BasisSpec, BasisSpec]
    order: float
    slack: float

    @classmethod
    def of(cls, subject: Subject) -> _Width | None:
        """None for a basis that has no finer one."""
        from derive.declaration import Reader, read_basis
        from derive.spec import WIDTH

        family, reader = subject.spec.slabs[-1].state.along(0), Reader("verify")
        made = _family(family, subject.spec.periodic[0])
        if made is None:
            return None
        smooth = subject.smoothness == "analytic"
        spectral = {"family": "fourier" if subject.spec.periodic[0] else "legendre"}
        truths = [{**spectral, "size": n} for n in (41, 53)]
        if not smooth:
            truths = [{"family": "discontinuous", "degree": 1, "cells": n} for n in (60, 120)]
        coarse, fine = (read_basis(reader, basis, "state", WIDTH, subject.spec.periodic[0]) for basis in truths)
        degree = {"p0": 0, "hat": 1}.get(family.family, family.degree) or 0
        order: float = min(5, 5 if family.family in SPECTRAL else degree + 1)  # beyond it rounding is near
        slack = 0.5 if order == 5 else 0.35
        if not smooth:
            order, slack = (1, 0.5) if subject.smoothness == "kinked" else (0.5, 0.25)
        return cls(*made, (coarse, fine), order, slack)


def _family(declared: BasisSpec, periodic: bool) -> tuple[list[int], Callable[[int], BasisSpec]] | None:
    """Sizes for a study, and the family's basis of a size; None for a basis that has no finer one."""
    from derive.declaration import Reader, read_basis
    from derive.spec import WIDTH

    reader = Reader("verify")
    family, degree = declared.family, declared.degree
    if declared.functions or declared.of is not None:
        return None
    given = {"degree": degree} if degree is not None and family not in ("p0", "hat", *SPECTRAL) else {}
    counted = "size" if family in SPECTRAL else "cells"
    sizes = (
        [5, 7, 9, 11, 13, 17, 21, 27, 33]
        if family in SPECTRAL
        else [2, 4, 8, 16, 32, 64][: 6 if (degree or 0) < 2 else 5]
    )

    def build(n: int) -> BasisSpec:
        return read_basis(reader, {"family": family, counted: n, **given}, "state", WIDTH, periodic)

    return sizes, build


@dataclass(frozen=True)
class _Smooth:
    """A network of some state basis with smooth fields in few functions, the same ones whatever the basis."""

    network: Reference
    fields: dict[str, list[Array]]
    start: Array
    table: Array

    @classmethod
    def of(cls, subject: Subject, state: BasisSpec, steps: int = 1) -> _Smooth:
        """By the NumPy network; fields and records take the subject's share of their size."""
        from derive.declaration import Reader, read_basis
        from derive.spec import WIDTH
        from numerics.functions.basis import Basis, evaluate
        from numerics.representation.find import run_time_basis

        reader, spec = Reader("verify"), subject.spec
        few = {"family": "fourier", "size": 3} if spec.periodic[0] else {"family": "legendre", "size": 3}
        smooth = read_basis(reader, few, "weight", WIDTH, spec.periodic[0])
        slab = Slab(Fraction(0), Fraction(1), state, smooth, smooth, CONSTANT, smooth, CONSTANT)
        plain = replace(spec, entry=state, slabs=(slab,), steps=steps, cuts=(), tolerance=None, outputs=None,
                        readout=None, maximum=None, loss_weight=None, loss="l2", penalties=(), inputs=None,
                        periodic=spec.periodic[:1], **ANY)  # fmt: skip
        network = Reference.of(plain)
        generator, share = np.random.default_rng(5), subject.share
        c, wide, many = spec.channels, spec.pre_activations * spec.channels, subject.base.channels
        fields = {
            "W": [share * generator.standard_normal((3, 3, 1, wide, c)) / many],
            "b": [share * generator.standard_normal((3, 1, wide)) / 2],
            "V": [share * generator.standard_normal((3, 1, wide, c)) / (2 * many)],
            "parameters": [np.array([[float(start)] * c for _, start in spec.learned])],
        }
        pieces: Basis = run_time_basis(network.forms[0].bases["state"])
        start = share * subject.random_states([pieces], c)[:, :, :2]
        return cls(network, fields, start, evaluate(pieces, POINTS))

    def by_steps(self) -> Array:
        """The solution at ``POINTS`` by the tableau."""
        return self.at_points(self.network.final(self.fields, self.start))

    def at_points(self, h: Array) -> Array:
        return np.asarray(np.einsum("pn,ncr->pcr", self.table, h))
