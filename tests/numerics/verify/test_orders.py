"""Orders of convergence are judged in the window where they show, and faults in the order are still found there."""

from __future__ import annotations

import numpy as np
import pytest

from derive.declaration import load_spec
from numerics import verify
from numerics.kernels import steps as adaptive
from numerics.testing import PLAIN
from numerics.verify import derivatives, equivalents, subject
from numerics.verify.orders import Study, judge
from numerics.verify.references.network import Reference

STEPS = [2**k for k in range(10)]


def judged(error, expected: float = 2, slack: float = 0.3, noise: float = 1e-11, **given) -> bool | None:
    return judge(STEPS, [float(error(n)) for n in STEPS], expected, slack, noise, **given).passed


def test_an_order_is_seen_where_the_slopes_settle() -> None:
    assert judged(lambda n: n**-2.0) is True
    assert judged(lambda n: n**-2.0 + 40 * n**-4.0) is True  # steep before
    assert judged(lambda n: 1 / (n**2 + 900.0)) is True  # flat before
    assert judged(lambda n: n**-5.0 + 1e-13, expected=5) is True  # then rounding
    assert judged(lambda n: 1e-12 * (1 + n % 3)) is True  # rounding at once


def test_slopes_that_settle_or_fall_below_the_order_are_a_failure() -> None:
    assert judged(lambda n: n**-1.0) is False
    assert judged(lambda n: n**-2.0 + 0.01 / n) is False  # a wrong weight, which shows only at the fine end
    assert judged(lambda n: 1 / (n + 5.0)) is False  # rises, and settles at one
    assert judged(lambda n: n**-3.0, expected=4) is False
    assert judge(STEPS[1:7], [0.0762, 0.0344, 0.0226, 0.0157, 0.0108, 0.0071], 2, 0.35, 1e-11).passed is False
    assert judged(lambda n: n**-2.0 + 1e-4) is False  # another limit
    assert judged(lambda n: n**-4.0 + 1e-8, expected=4) is False
    assert judged(lambda n: np.nan) is False and judged(lambda n: n**-2.0 if n < 99 else np.inf) is False
    assert judge([], [], 2, 0.3, 1e-11).passed is False


def test_slopes_that_go_up_and_down_have_not_settled() -> None:
    erratic = judge([2, 4, 8, 16], [0.03, 0.016, 1.4e-3, 2.2e-4], 4, 0.35, 1e-6)
    assert erratic.passed is False and not erratic.settled
    assert judge(STEPS, [1 / n for n in STEPS], 2, 0.3, 1e-11).settled
    assert judge(STEPS, [n**-2.0 + 0.01 / n for n in STEPS], 2, 0.3, 1e-11).settled


def test_slopes_that_still_rise_towards_the_order_say_that_it_was_not_reached() -> None:
    found = judge(STEPS, [1 / (n**2 + 200.0**2) for n in STEPS], 2, 0.3, 1e-11)
    assert found.passed is None and found.measured.startswith("not reached: local orders")
    assert judge([2, 4, 8], [0.1, 0.05, 0.025], 4, 0.3, 1e-4).passed is None  # too few to have settled
    assert judged(lambda n: 1.0 / n, noise=0.2) is None  # the truth is not known well enough


@pytest.mark.parametrize("seed", range(20))
def test_errors_that_jump_up_and_down_are_judged_by_their_envelope(seed: int) -> None:
    """Where kinks lie against the steps multiplies the error by anything up to its largest value."""
    factors = dict(zip(STEPS, np.random.default_rng(seed).uniform(0.2, 1, len(STEPS))))
    assert judged(lambda n: factors[n] * n**-2.0, slack=0.6, regular=False) is True
    assert judged(lambda n: factors[n] * n**-0.7, slack=0.6, regular=False) is not True
    assert judged(lambda n: 1e-3 * factors[n] + n**-2.0, slack=0.6, regular=False) is False


def test_steps_that_are_too_long_are_left_out_and_a_study_ends_in_rounding() -> None:
    study = Study.over(STEPS, lambda n: {1: np.nan, 2: 1e9}.get(n, n**-8.0), 1e-9)
    assert study.sizes == [4, 8, 16]


# --- faults in the order ------------------------------------------------------------------------------------


@pytest.fixture
def small_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer steps and records, for kernels in plain Python."""
    monkeypatch.setattr(subject, "MOST_STEPS", 128)
    monkeypatch.setattr(subject, "WATCHED", 2)
    monkeypatch.setattr(equivalents, "WATCHED", 2)


LEGENDRE = {"family": "legendre", "size": 2}
MOVING = {  # weights that change along the depth, so that stages must lie where the tableau says
    **PLAIN, "state": {"basis": {"family": "hat", "cells": 3}},
    "weight": {"width_out": LEGENDRE, "width_in": LEGENDRE, "depth": {"family": "legendre", "size": 2}},
    "bias": {"width": LEGENDRE, "depth": {"family": "legendre", "size": 2}},
}  # fmt: skip


def verdicts(declared: dict, *properties) -> dict[str, bool | None]:
    found = subject.Subject.of(load_spec(declared))
    for measure in properties:
        measure(found)
    return {row.name: row.passed for row in found.findings}


DEPTH, ADJOINT = "refinement in depth", "discrete against continuous adjoint"
WIDTH, BOTH = "refinement in width", "refinement in width and depth"


@pytest.mark.slow
def test_faults_in_a_tableau_lower_the_order_in_depth_and_of_the_adjoint(
    small_studies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    measures = equivalents.depth, derivatives.adjoints
    assert verdicts(MOVING, *measures) == {DEPTH: True, ADJOINT: True}
    combined, of = adaptive.Method._combined, adaptive.Method.of
    with monkeypatch.context() as patch:  # weights that are off by ten per cent
        patch.setattr(
            adaptive.Method, "_combined",
            lambda self, s, old, w: combined(self, s, old, w * np.array([1.1, 0.9])),
        )  # fmt: skip
        assert verdicts(MOVING, *measures) == {DEPTH: False, ADJOINT: False}
    with monkeypatch.context() as patch:  # Euler's method in place of Heun's: of first order instead of second
        patch.setattr(
            adaptive.Method, "_combined", lambda self, s, old, w: combined(self, s, old, w * np.array([2.0, 0.0]))
        )
        assert verdicts(MOVING, *measures) == {DEPTH: False, ADJOINT: False}
    with monkeypatch.context() as patch:  # stages at the wrong depth

        def elsewhere(*given):
            found = of(*given)
            return adaptive.Method(found.a, found.b, 0.9 * found.c, found.difference, found.order, found.kappa)

        patch.setattr(adaptive.Method, "of", elsewhere)
        assert verdicts(MOVING, *measures) == {DEPTH: False, ADJOINT: False}


@pytest.mark.slow
def test_a_higher_order_is_told_from_the_next_lower_one(small_studies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = {**MOVING, "integration": {"tableau": "rk4", "steps": 2}}
    assert verdicts(declared, equivalents.depth) == {DEPTH: True}
    combined = adaptive.Method._combined
    with monkeypatch.context() as patch:  # Σ b = 1 and Σ b c = 1/2 still, but Σ b c² = 0.335: of second order

        def third(self, s, old, w):
            return combined(self, s, old, w + np.array([0.005, -0.01, 0.0, 0.005]))

        patch.setattr(adaptive.Method, "_combined", third)
        assert verdicts(declared, equivalents.depth) == {DEPTH: False}


@pytest.mark.slow
def test_faults_in_quadrature_and_couplings_are_seen_in_width(monkeypatch: pytest.MonkeyPatch) -> None:
    measures = equivalents.width, equivalents.both
    assert verdicts(PLAIN, *measures) == {WIDTH: True, BOTH: True}
    tables = Reference.tables.func  # type: ignore[attr-defined]

    def planted(change):
        def altered(self: Reference):
            found = tables(self)
            if self.spec.slabs[0].state.along(0).family == "hat":
                for one in found:
                    change(one)
            return found

        return property(altered)

    def coupling(table) -> None:  # ∫ φ χ by a rule that misses a hundredth: another equation
        table["C"] = 1.01 * table["C"]

    def nodes(table) -> None:  # one weight of the quadrature taken for its neighbour's, at the end of the interval
        table["A"] = table["A"].copy()
        table["A"][:, 0] *= 1.5

    for change in (coupling, nodes):
        with monkeypatch.context() as patch:
            patch.setattr(Reference, "tables", planted(change))
            found = verdicts(PLAIN, *measures)
        assert found == {WIDTH: False, BOTH: False}, change


# --- no false alarms ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_translations_in_fourier_functions_converge_faster_than_the_first_sizes_show() -> None:
    """A fit over all sizes said "order 3.29" where order 5 is promised."""
    nine, constant = {"family": "fourier", "size": 9}, {"family": "p0", "cells": 1}
    declared = {
        "name": "circle",
        "equation": {"rate": "residual", "spacing": "1/2", "periodic": True, "symmetry": "translation"},
        "state": {"basis": nine}, "weight": {"width_out": nine, "width_in": nine, "depth": constant},
        "bias": {"width": {"family": "fourier", "size": 1}, "depth": constant},
        "integration": {"tableau": "heun", "steps": 2}, "loss": {"kind": "l2"},
    }  # fmt: skip
    assert verdicts(declared, equivalents.width) == {WIDTH: True}


@pytest.mark.slow
def test_a_solution_without_bound_is_said_and_smaller_records_are_taken(small_studies: None) -> None:
    """ḣ = tanh(u) h − 20 h²: what is negative and large runs away in finite time."""
    declared = {**MOVING, "equation": {**MOVING["equation"], "rate": "tanh(u)*h - 20*h**2"}}
    found = subject.Subject.of(load_spec(declared))
    equivalents.depth(found)
    bounded, depth = found.findings
    assert found.share < 1 and bounded.passed is None and "grow without bound" in bounded.measured
    assert depth.name == DEPTH and depth.passed is True
    runaway = {**MOVING, "equation": {**MOVING["equation"], "rate": "u + 50 + h**2"}}  # whatever the records
    found = subject.Subject.of(load_spec(runaway))
    equivalents.depth(found)
    assert found.findings[-1].passed is None
    assert found.findings[-1].measured.startswith("not reached: the exact solution grows without bound at depth 0.")


def test_a_property_that_ends_in_an_error_is_a_row_and_the_others_are_measured(
    small_studies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: subject.Subject) -> None:
        raise ValueError("no such table")

    def sound(found: subject.Subject) -> None:
        found.at_most("code", "sound", 0.0, 1.0, "")

    monkeypatch.setattr(verify, "PROPERTIES", (("a broken one", broken), ("a sound one", sound)))
    first, second = verify.verify(load_spec(MOVING))
    assert (first.name, first.passed, first.measured) == ("a broken one", False, "ended in ValueError: no such table")
    assert second.passed is True


@pytest.mark.slow
def test_taylor_remainders_of_a_rate_with_kinks(small_studies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another record where a kink lies within the smallest change; a gradient that is off leaves the first power."""
    declared = {**MOVING, "equation": {**MOVING["equation"], "activation": "relu"}}
    names = "Taylor remainder of the gradient", "defect of the attribution (17), one point"
    monkeypatch.setattr(derivatives, "TRIES", 3)
    assert verdicts(declared, derivatives.taylor) == dict.fromkeys(names, True)
    model = subject.Continuum
    objective = model.objective

    def off(self, *given):
        loss, slope = objective(self, *given)
        return loss, 1.001 * slope

    monkeypatch.setattr(model, "objective", off)
    assert verdicts(declared, derivatives.taylor)[names[0]] is False
