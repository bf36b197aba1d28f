"""Integrals of what is no polynomial: rules, projections of given and random functions, distances, targets."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad, quad_vec

from derive.errors import DerivationError, RepresentationError
from numerics import Continuum, project, refine
from numerics.datasets import records
from numerics.functions.basis import Basis, evaluate
from numerics.functions.rules import rule
from numerics.levels.distances import distance
from numerics.levels.fields import contained

ONCE = {"family": "p0", "cells": 1}


def legendre(n: int) -> dict[str, Any]:
    return {"family": "legendre", "size": n}


def fourier(n: int) -> dict[str, Any]:
    return {"family": "fourier", "size": n}


def hat(n: int) -> dict[str, Any]:
    return {"family": "hat", "cells": n}


def custom(*functions: str) -> dict[str, Any]:
    return {"family": "custom", "breakpoints": ["-1", "1"], "functions": list(functions)}


def peak(steepness: float, at: float) -> str:
    return f"exp(-{steepness:.0f}*(xi - {at})**2)"


def declared(bias: dict[str, Any] = ONCE, state: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    start = {
        "name": "quadrature",
        "equation": {"rate": "residual", "activation": "tanh", "spacing": "1"},
        "state": {"basis": state or legendre(4)},
        "weight": {"width_out": ONCE, "width_in": ONCE, "depth": ONCE},
        "bias": {"width": bias, "depth": ONCE},
        "integration": {"tableau": "euler", "steps": 1},
        "loss": {"kind": "l2"},
    }
    for key, value in changes.items():
        start[key] = {**start.get(key, {}), **value}  # type: ignore[dict-item]
    return copy.deepcopy(start)


def coefficients(model: Continuum, name: str = "b") -> np.ndarray:
    found = model.fields[name].slabs[0].coefficients
    return found.reshape(found.shape[0], -1)[:, 0]


# --- rules ------------------------------------------------------------------------------------------------------


def spectral(n: int, breakpoints: list[float]) -> Basis:
    cells = len(breakpoints) - 1
    table = np.zeros((n * cells, cells, n))
    for c in range(cells):
        table[c * n : (c + 1) * n, c] = np.eye(n)
    return Basis("polynomial", np.array(breakpoints), table, n * cells)


BASES = {
    "Legendre": spectral(9, [-1.0, 1.0]),
    "pieces": spectral(3, [-1.0, -0.3, 0.1, 1.0]),
    "Fourier": Basis("fourier", np.array([-1.0, 1.0]), None, 41),
    "closed form": Basis(
        "closed-form", np.array([-1.0, 0.4, 1.0]), None, 3,
        lambda _, x: np.stack([np.ones_like(x), np.tanh(200 * (x - 0.1)), np.sqrt(1 + x)]), 64,
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("second", BASES)
@pytest.mark.parametrize("first", BASES)
def test_products_of_two_bases(first: str, second: str) -> None:
    """Against SciPy's adaptive rule, told where the functions are steep."""
    p, q = BASES[first], BASES[second]
    x, w = rule(p, q)
    found = (evaluate(p, x).T * w) @ evaluate(q, x)
    cuts = np.unique([*p.breakpoints, *q.breakpoints, 0.08, 0.1, 0.12, -0.9999, -0.99, -0.9])
    expected = sum(
        quad_vec(lambda t: np.outer(evaluate(p, [t])[0], evaluate(q, [t])[0]), a, b, epsabs=1e-14, epsrel=1e-13)[0]
        for a, b in zip(cuts, cuts[1:])
    )
    assert np.max(np.abs(found - expected)) <= 2e-13


def test_products_with_waves_and_polynomials() -> None:
    """Orthogonality: ∫ cos(kπξ) cos(lπξ) is 1 or 0, and P_8 is orthogonal to what has a lower degree."""
    waves, polynomials = BASES["Fourier"], BASES["Legendre"]
    x, w = rule(waves, frequency=np.pi * 30)
    found = (evaluate(waves, x).T * w) @ np.cos(np.pi * np.outer(x, np.arange(1, 31)))
    expected = np.zeros((41, 30))
    expected[2 * np.arange(1, 21) - 1, np.arange(20)] = 1
    assert np.max(np.abs(found - expected)) <= 1e-13
    x, w = rule(polynomials, degree=60)
    square = np.polynomial.legendre.leg2poly(np.eye(9)[8])
    exact = sum(2 * c / (59 + k) for k, c in enumerate(square) if k % 2 == 0)
    assert abs(np.sum(w * evaluate(polynomials, x)[:, 8] * x**58) - exact) <= 1e-14


# --- given functions --------------------------------------------------------------------------------------------


def test_functions_that_the_basis_holds_are_what_was_given() -> None:
    model = Continuum.from_fields(
        declared(fourier(13), fourier(5), equation={"periodic": True}), b=lambda xi, _: np.cos(6 * np.pi * xi)
    )
    assert np.max(np.abs(coefficients(model) - np.eye(13)[11])) <= 1e-14


GIVEN: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "fast waves": (lambda x: np.cos(60 * x), list(np.linspace(-0.9, 0.9, 19))),
    "steep": (lambda x: np.tanh(300 * (x - 0.1)), [0.05, 0.09, 0.1, 0.11, 0.15]),
    "a bend": (lambda x: np.abs(x - 0.237), [0.237]),
    "a jump": (lambda x: np.where(x > 0.237, 2.0, -1.0), [0.237]),
    "a root": (lambda x: np.sqrt(1 - x), [0.9, 0.99, 0.9999]),
    "a peak": (lambda x: np.exp(-2000 * (x + 0.4) ** 2), [-0.5, -0.45, -0.4, -0.35, -0.3]),
}


SPACES = {"legendre": legendre(5), "hat": hat(3), "fourier": fourier(5), "custom": custom("1", "xi", "exp(xi)")}


@pytest.mark.first(6)
@pytest.mark.parametrize("family", SPACES)
@pytest.mark.parametrize("name", GIVEN)
def test_projections_of_functions_that_no_basis_holds(family: str, name: str) -> None:
    """⟨φ_j, f⟩ by SciPy, cut where f is steep and where the basis bends."""
    (function, cuts), basis = GIVEN[name], SPACES[family]
    periodic = {"periodic": True} if basis["family"] == "fourier" else {}
    model = Continuum.from_fields(declared(basis, equation=periodic), b=lambda xi, _: function(xi))
    slab = model.fields["b"].slabs[0]
    edges = np.unique([*slab.bases[0].breakpoints, *cuts])
    loads = sum(
        quad_vec(lambda t: evaluate(slab.bases[0], [t])[0] * function(t), a, b, epsabs=1e-14, epsrel=1e-13)[0]
        for a, b in zip(edges, edges[1:])
    )
    expected = np.linalg.solve(slab.grams[0], loads)
    assert np.max(np.abs(coefficients(model) - expected)) <= 1e-11


@pytest.mark.slow
def test_steep_functions_on_steep_bases() -> None:
    steep = custom("1", peak(3000, 0.25), "tanh(400*(xi + 1/2))")
    model = Continuum.from_fields(declared(steep), b=lambda xi, _: 2 * np.exp(-3000 * (xi - 0.25) ** 2) - 1)
    assert np.max(np.abs(coefficients(model) - [-1, 2, 0])) <= 1e-12


def test_functions_of_two_widths_are_resolved_along_both() -> None:
    weight = {"width_out": legendre(4), "width_in": hat(3), "depth": ONCE}
    model = Continuum.from_fields(declared(weight=weight), W=lambda x, y, _: np.cos(40 * x) * np.abs(y - 0.2))
    found = model.fields["W"].slabs[0]
    parts = []
    for basis, gram, function, cuts in zip(
        found.bases, found.grams, (lambda t: np.cos(40 * t), lambda t: abs(t - 0.2)), ([0.0], [-1 / 3, 0.2, 1 / 3])
    ):
        edges = np.unique([-1, *cuts, 1])
        loads = sum(quad_vec(lambda t: evaluate(basis, [t])[0] * function(t), a, b, epsabs=1e-14)[0]
                    for a, b in zip(edges, edges[1:]))  # fmt: skip
        parts.append(np.linalg.solve(gram, loads))
    assert np.max(np.abs(found.coefficients[:, :, 0, 0, 0] - np.outer(*parts))) <= 1e-12


def test_what_cannot_be_resolved_is_said() -> None:
    """A jump along the diagonal is parallel to no axis, and noise is no function; smooth ones are taken silently."""
    weight = {"width_out": legendre(3), "width_in": legendre(3), "depth": ONCE}
    with pytest.warns(UserWarning, match="the field W is integrated to about .*breakpoints where it bends"):
        model = Continuum.from_fields(declared(weight=weight), W=lambda x, y, _: (x > y) * 1.0)
    assert abs(model.fields["W"].slabs[0].coefficients[0, 0, 0, 0, 0] - 0.5) <= 1e-3
    generator = np.random.default_rng(0)
    with pytest.warns(UserWarning, match="is noisy"):
        Continuum.from_fields(declared(legendre(3)), b=lambda x, _: generator.standard_normal(x.shape))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Continuum.from_fields(declared(weight=weight), W=lambda x, y, _: np.exp(np.sin(9 * x) * y))


# --- one seed, one function -------------------------------------------------------------------------------------


@pytest.mark.parametrize("small", [3, 5, 13])
def test_a_seed_is_one_translation_invariant_function(small: int) -> None:
    def weights(size: int) -> np.ndarray:
        weight = {"width_out": fourier(size), "width_in": fourier(size), "depth": ONCE}
        equation = {"periodic": True, "symmetry": "translation"}
        model = Continuum.from_spec(declared(state=fourier(5), equation=equation, weight=weight), seed=4)
        return model.fields["W"].slabs[0].coefficients

    few, many = weights(small), weights(21)
    assert np.max(np.abs(few - many[: len(few)])) <= 1e-13


NESTED = {
    "legendre": (legendre(3), legendre(30)),
    "hat": (hat(3), hat(12)),
    "fourier": (fourier(5), fourier(45)),
    "custom": (custom("1", peak(5000, 0.3)), custom("1", "xi", peak(5000, 0.3), "tanh(300*xi)")),
}


@pytest.mark.slow
@pytest.mark.parametrize("family", NESTED)
def test_a_seed_is_one_function_on_every_mesh(family: str) -> None:
    """The projection onto a small space is that of the projection onto a larger one."""
    small, large = NESTED[family]
    periodic = {"periodic": True} if family == "fourier" else {}
    levels = {"few": {"weight": {"width_out": small, "width_in": small}}}
    weight = {"width_out": large, "width_in": large, "depth": ONCE}
    spec = declared(equation=periodic, weight=weight, levels=levels)
    expected = Continuum.from_spec(spec, seed=2, level="few").fields["W"]
    found = project(Continuum.from_spec(spec, seed=2), "few").fields["W"]
    assert distance(found, expected) <= 1e-12 * expected.norm()


# --- distances --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("steepness", [30.0, 3000.0, 1e6, 1e8])
def test_distances_of_steep_functions(steepness: float) -> None:
    """‖b − Pb‖ of a peak of norm 2, P onto constants, from ∫ exp(−k x²) = √(π/k); a refinement loses nothing."""
    spec = declared(custom("1", peak(steepness, 0.25)), levels={"lost": {"bias": {"width": custom("1")}}})
    model = Continuum.from_spec(spec)
    whole, square = np.sqrt(np.pi / steepness), np.sqrt(np.pi / (2 * steepness))
    if steepness < 1000:  # the tails end on the interval
        whole, square = (
            quad(lambda t: np.exp(-k * (t - 0.25) ** 2), -1, 1, points=[0.25], epsabs=1e-15)[0]
            for k in (steepness, 2 * steepness)
        )
    size = 2 / np.sqrt(square)
    b = model.fields["b"]
    b = b.with_coefficients([np.array([0, size]).reshape(b.slabs[0].coefficients.shape)])
    model = model.replace(fields={**model.fields, "b": b})
    report = project(model, "lost").report
    assert report.norm["b"] == pytest.approx(2, rel=1e-12)
    assert report.distance["b"] == pytest.approx(size * np.sqrt(square - whole**2 / 2), rel=1e-10)
    with pytest.raises(RepresentationError, match="use `project`"):
        refine(model, "lost")


@pytest.mark.slow
def test_the_change_of_outputs_is_integrated() -> None:
    """Outputs that are b itself, a peak narrower than the distance of the points that pictures are drawn with."""
    steep = custom("1", peak(1e5, 0.1234))
    spec = declared(steep, steep, equation={"rate": "u"}, levels={"lost": {"bias": {"width": custom("1")}}})
    spec["state"]["quadrature"] = 400
    model = Continuum.from_spec(spec)
    b = model.fields["b"].with_coefficients([np.array([0.0, 1.0]).reshape(2, 1, 1)])
    zero = model.fields["W"].with_coefficients([np.zeros((1, 1, 1, 1, 1))])
    report = project(model.replace(fields={"W": zero, "b": b}), "lost", x=np.zeros((2, 5, 1))).report
    assert report.outputs_fields == pytest.approx(report.distance["b"] / report.norm["b"], rel=1e-9)


def test_a_state_that_its_own_rule_does_not_see_is_refused() -> None:
    with pytest.raises(DerivationError, match="function 2 of the state, which 5 quadrature points do not see"):
        Continuum.from_spec(declared(state=custom("1", peak(1e6, 0.123))))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "inside"),
    [
        (legendre(3), custom("1", "xi", "xi**2", peak(1e6, 0.3)), True),
        (custom(peak(1e6, 0.3), "1"), custom("1", "xi", peak(1e6, 0.3)), True),
        (custom("1", peak(1e6, 0.3)), legendre(9), False),
        (custom("1", "xi"), hat(3), True),
        (hat(3), legendre(9), False),
        (fourier(3), fourier(7), True),
    ],
)
def test_which_spaces_hold_which_is_shown_exactly(old: dict[str, Any], new: dict[str, Any], inside: bool) -> None:
    """However small a field is: what matters is whether its space is held, or that nothing of it is there to lose."""
    periodic = {"periodic": True}
    spec = declared(old, fourier(3), equation=periodic, levels={"other": {"bias": {"width": new}}})
    model = Continuum.from_spec(spec)
    b = model.fields["b"]
    values = 1e-13 * np.random.default_rng(0).standard_normal(b.slabs[0].coefficients.shape)
    small = model.replace(fields={**model.fields, "b": b.with_coefficients([values])})
    assert contained(small, project(small, "other").representation, "b") == inside
    if inside:
        assert refine(small, "other").report.distance["b"] <= 1e-13 * small.fields["b"].norm()
    else:
        with pytest.raises(RepresentationError, match="would change the field b"):
            refine(small, "other")
    assert refine(model, "other").fields["b"].norm() == 0


@pytest.mark.slow
def test_small_steep_functions_beside_large_ones() -> None:
    """The scale of a function says nothing: ‖c f‖ for f a tiny tanh(300 ξ), against SciPy."""
    steep = custom("1", "tanh(300*(xi - 1/3))/1000000000000/1000")
    spec = declared(steep, levels={"lost": {"bias": {"width": custom("1")}}})
    model = Continuum.from_spec(spec)
    b = model.fields["b"].with_coefficients([np.array([0, 1e15]).reshape(2, 1, 1)])
    whole, square = (
        sum(quad(lambda t: np.tanh(300 * (t - 1 / 3)) ** k, *ends, epsabs=1e-15)[0]
            for ends in ((-1, 0.3), (0.3, 1 / 3), (1 / 3, 0.36), (0.36, 1)))
        for k in (1, 2)
    )  # fmt: skip
    report = project(model.replace(fields={**model.fields, "b": b}), "lost").report
    assert report.distance["b"] == pytest.approx(np.sqrt(square - whole**2 / 2), rel=1e-11)


PAIRS = [legendre(5), hat(4), fourier(9), custom("1", "tanh(150*(xi - 1/5))")]


@pytest.mark.slow
@pytest.mark.parametrize("second", range(len(PAIRS)))
@pytest.mark.parametrize("first", range(len(PAIRS)))
def test_distances_between_any_two_bases(first: int, second: int) -> None:
    fields = []
    for index in (first, second):
        model = Continuum.from_spec(declared(PAIRS[index], equation={"periodic": True}, state=fourier(5)))
        b = model.fields["b"]
        values = np.random.default_rng(index).standard_normal(b.slabs[0].coefficients.shape)
        fields.append(b.with_coefficients([values]))
    edges = [-1, -0.5, 0, 0.15, 0.2, 0.25, 0.5, 1]
    expected = sum(
        quad(lambda t: (fields[0](t, 0.5) - fields[1](t, 0.5)) ** 2, a, b, epsabs=1e-13, limit=200)[0]
        for a, b in zip(edges, edges[1:])
    )
    assert distance(*fields) == pytest.approx(np.sqrt(expected), rel=1e-9, abs=1e-12)


def test_a_peak_that_no_rule_finds_is_refused() -> None:
    """The tables know its norm: a distance that misses it is none."""
    lost = Basis(
        "closed-form", np.array([-1.0, 1.0]), None, 1, lambda _, x: np.exp(-1e16 * (x[None] - 0.1234567) ** 2), 64,
        np.array([[np.sqrt(np.pi / 2e16)]]),
    )  # fmt: skip
    with pytest.raises(RepresentationError, match="no quadrature rule gives"):
        rule(lost)


# --- targets ----------------------------------------------------------------------------------------------------


def loss_of(spec: dict[str, Any], x: np.ndarray, y: np.ndarray, xi: Any = None) -> float:
    """The mean loss of the model without weights, whose outputs are its records."""
    return still(spec).loss(still(spec).prepare(records(x, xi=xi, y=y)))


def still(spec: dict[str, Any]) -> Continuum:
    return Continuum.from_fields(spec)


NORMS: dict[str, dict[str, Any]] = {
    "l2": declared(state=legendre(6)),
    "l2 on hats": declared(state=hat(5)),
    "l2 on waves": declared(state=fourier(7), equation={"periodic": True}),
    "l2 of steps": declared(state=legendre(6), input={"interpolant": "constant"}),
    "h1": declared(state=legendre(6), loss={"kind": "h1"}),
    "h1 on hats": declared(state=hat(5), loss={"kind": "h1"}),
    "weighted": declared(state=legendre(6), loss={"kind": "l2", "weight": peak(40, 0.3)}),
    "on a steep custom basis": declared(state=custom("1", "xi", "tanh(200*(xi - 1/7))")),
    "square": declared(state=legendre(4), equation={"dimension": 2}),
}


@pytest.mark.first(3)
@pytest.mark.parametrize("norm", NORMS)
def test_large_means_do_not_drown_small_deviations(norm: str) -> None:
    """Constants are in every space: with the same number added to records and targets the loss is the same."""
    spec = NORMS[norm]
    shape = (3, *[9] * spec["equation"].get("dimension", 1), 1)
    x, y = 0.01 * np.random.default_rng(1).standard_normal((2, *shape))
    expected = loss_of(spec, x, y)
    assert expected > 1e-7
    assert loss_of(spec, x + 1e5, y + 1e5) == pytest.approx(expected, rel=1e-7)


@pytest.mark.first(3)
@pytest.mark.parametrize("norm", NORMS)
def test_perfect_predictions_have_a_loss_of_zero(norm: str) -> None:
    """Never below it, so that its root is a number."""
    spec = NORMS[norm]
    dimension, state = spec["equation"].get("dimension", 1), spec["state"]["basis"]
    points = np.linspace(-1, 1, 6) if state["family"] == "hat" else np.linspace(-1, 1, 9)
    x = np.broadcast_to(3.7 + (points if state["family"] == "hat" else 0 * points), (2, *[len(points)] * dimension))
    x = x[..., None]
    if "periodic" in spec["equation"]:
        x = x[:, :-1]
    model = still(spec)
    scores = model.scores(model.prepare(records(x, y=x)))
    assert 0 <= scores["loss"] <= 1e-22 and 0 <= scores["rmse"] <= 1e-11


@given(seed=st.integers(0, 10**6), exponent=st.integers(-8, 8), count=st.integers(1, 12))
def test_the_loss_is_the_distance_to_the_interpolant(seed: int, exponent: int, count: int) -> None:
    """∫ |y − y*|² between the samples and the cells of the state, at any scale."""
    generator = np.random.default_rng(seed)
    xi = np.sort(generator.uniform(-1, 1, count))
    spec = NORMS["l2 on hats"]
    x, y = generator.standard_normal((2, 1, count, 1))
    y = x + 10.0**exponent * y
    model = still(spec)
    cuts = np.unique([*xi, *np.linspace(-1, 1, 6)])
    t, w = np.polynomial.legendre.leggauss(3)
    left, length = cuts[:-1, None], np.diff(cuts)[:, None]
    points = (left + length * (1 + t) / 2).ravel()
    gap = model(x, xi, at=points)[0, :, 0] - np.interp(points, xi, y[0, :, 0])
    expected = np.sum((length / 2 * w).ravel() * gap**2)
    assert model.loss(model.prepare(records(x, xi=xi, y=y))) == pytest.approx(expected, rel=1e-9, abs=1e-28)


@pytest.mark.slow
@pytest.mark.parametrize("steepness", [3.0, 300.0, 30000.0])
@pytest.mark.parametrize("state", [legendre(5), hat(8)], ids=["legendre", "hat"])
def test_steep_weights_with_few_samples(state: dict[str, Any], steepness: float) -> None:
    """∫ ω |y − y*|² on many cells, ω a narrow peak: hats that it does not see make no difference."""
    spec = declared(state=state, loss={"kind": "l2", "weight": peak(steepness, 0.3)})
    x, y = np.random.default_rng(3).standard_normal((2, 2, 3, 1))
    model = still(spec)
    width = 8 / np.sqrt(steepness)
    edges = np.unique(np.clip([*np.linspace(-1, 1, 9), *np.linspace(0.3 - width, 0.3 + width, 33)], -1, 1))
    t, w = np.polynomial.legendre.leggauss(20)
    points = (edges[:-1, None] + np.diff(edges)[:, None] * (1 + t) / 2).ravel()
    factors = (np.diff(edges)[:, None] / 2 * w).ravel() * np.exp(-steepness * (points - 0.3) ** 2)
    gap = model(x, at=points)[:, :, 0] - [np.interp(points, [-1, 0, 1], v) for v in y[:, :, 0]]
    expected = np.mean(gap**2 @ factors)
    assert model.loss(model.prepare(records(x, y=y))) == pytest.approx(expected, rel=1e-10)


@pytest.mark.slow
def test_a_weight_that_a_rule_misses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables know its integrals: here steep functions are not cut."""
    monkeypatch.setattr("numerics.functions.basis._resolved", lambda found: found.breakpoints)
    model = still(declared(state=legendre(5), loss={"kind": "l2", "weight": peak(30000, 0.3)}))
    x = np.zeros((1, 3, 1))
    with pytest.raises(RepresentationError, match=r"weight whose integrals(.|\n)*breakpoints around the peak"):
        model.prepare(records(x, y=x))
