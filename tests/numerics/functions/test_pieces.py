"""Run-time bases: values, derivatives and the maps from samples, against mpmath, SciPy and loops written here."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import legendre as series
from scipy.interpolate import BSpline

from derive.errors import DataError, RepresentationError
from numerics.functions.basis import Basis, derivative, evaluate
from numerics.functions.legendre import legendre
from numerics.functions.sampled_records import check_points, default_points, projection, sample_functional


def polynomial(breakpoints, coefficients) -> Basis:
    arrays = {"kind": "polynomial", "breakpoints": breakpoints, "coefficients": coefficients}
    return Basis.from_arrays({name: np.asarray(a) for name, a in arrays.items()})


def spectral(size: int, interval=(-1.0, 1.0)) -> Basis:
    return polynomial(interval, np.eye(size)[:, None, :])


def p0(breakpoints) -> Basis:
    return polynomial(breakpoints, np.eye(len(breakpoints) - 1)[:, :, None])


def hat(breakpoints) -> Basis:
    """Node j is one at breakpoint j: (1 ± t)/2 on the cells beside it."""
    cells = len(breakpoints) - 1
    coefficients = np.zeros((cells + 1, cells, 2))
    for cell in range(cells):
        coefficients[cell, cell] = 0.5, -0.5
        coefficients[cell + 1, cell] = 0.5, 0.5
    return polynomial(breakpoints, coefficients)


def splines(breakpoints, degree: int) -> tuple[Basis, list[BSpline]]:
    """Clamped B-splines as SciPy knows them, and their local Legendre coefficients by an exact Gauss rule."""
    knots = np.concatenate([[breakpoints[0]] * degree, breakpoints, [breakpoints[-1]] * degree])
    size = len(breakpoints) - 1 + degree
    functions = [BSpline(knots, np.eye(size)[j], degree) for j in range(size)]
    t, w = series.leggauss(degree + 1)
    norms = (2 * np.arange(degree + 1) + 1) / 2
    coefficients = np.zeros((size, len(breakpoints) - 1, degree + 1))
    for cell, (a, b) in enumerate(zip(breakpoints[:-1], breakpoints[1:])):
        for j, f in enumerate(functions):
            values = f(a + (b - a) * (t + 1) / 2)
            coefficients[j, cell] = norms * (series.legvander(t, degree).T @ (w * values))
    return polynomial(breakpoints, coefficients), functions


def fourier(size: int, interval=(-1.0, 1.0)) -> Basis:
    return Basis.from_arrays({"kind": np.array("fourier"), "breakpoints": np.array(interval), "size": np.array(size)})


def closed_form() -> Basis:
    """1 and exp(ξ) on the left, 1 and cos(ξ) on the right."""

    def function(cell, x):
        return np.stack([np.ones_like(x), np.cos(x) if cell else np.exp(x)])

    arrays = {"kind": np.array("closed-form"), "breakpoints": np.array([-1.0, 0.25, 1.0]), "points": np.array(16)}
    return Basis.from_arrays(arrays, function)


def gram(pieces: Basis) -> np.ndarray:
    t, w = series.leggauss(60)
    total = np.zeros((pieces.size, pieces.size))
    for a, b in zip(pieces.breakpoints[:-1], pieces.breakpoints[1:]):
        values = evaluate(pieces, a + (b - a) * (t + 1) / 2)
        total += values.T @ (values * (w * (b - a) / 2)[:, None])
    return total


BREAKS = st.lists(st.integers(-99, 99), min_size=0, max_size=5, unique=True).map(
    lambda inner: np.array([-100, *sorted(inner), 100]) / 100
)
POINTS = st.lists(st.integers(-1000, 1000), min_size=1, max_size=12, unique=True).map(
    lambda found: np.array(sorted(found)) / 1000
)
PERIODIC_POINTS = POINTS.map(lambda xi: xi[xi < 1] if len(xi) > 1 else np.array([0.3]))


# --- values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degree", [1, 7, 40, 130, 300])
def test_legendre_polynomials_to_rounding_up_to_the_ends(degree: int) -> None:
    t = np.concatenate([np.linspace(-1, 1, 23), 1 - 10.0 ** -np.arange(1, 15), 10.0 ** -np.arange(1, 15) - 1])
    found = legendre(t, degree)
    with mp.workdps(30):
        for n in {degree, degree - 1, degree // 2}:
            exact = np.array([float(mp.legendre(n, mp.mpf(float(x)))) for x in t])
            assert np.abs(found[n] - exact).max() <= 4e-15


def test_legendre_basis_and_derivatives_on_another_interval() -> None:
    pieces = spectral(30, (0.0, 0.5))
    x = np.array([0.0, 1e-9, 0.13, 0.25, 0.4999, 0.5])
    values, slopes = evaluate(pieces, x), derivative(pieces, x)
    assert values.shape == (6, 30)
    with mp.workdps(40):
        for row, point in enumerate(x):
            for n in (0, 1, 2, 13, 29):
                f = lambda s: mp.legendre(n, 4 * s - 1)  # noqa: E731
                assert abs(values[row, n] - float(f(mp.mpf(float(point))))) <= 1e-13
                exact = float(mp.diff(f, mp.mpf(float(point)), h=mp.mpf(10) ** -15))
                assert abs(slopes[row, n] - exact) <= 1e-11 * 4 * max(1, n * n)


@given(breakpoints=BREAKS, x=POINTS)
def test_piecewise_bases_are_those_of_scipy_and_numpy(breakpoints, x) -> None:
    nodes = evaluate(hat(breakpoints), x)
    for j in range(len(breakpoints)):
        assert np.allclose(nodes[:, j], np.interp(x, breakpoints, np.eye(len(breakpoints))[j]), atol=2e-15, rtol=0)
    for degree in (1, 2, 3):
        pieces, functions = splines(breakpoints, degree)
        values, slopes = evaluate(pieces, x), derivative(pieces, x)
        steep = 10 * degree / np.diff(breakpoints).min()
        for j, f in enumerate(functions):
            assert np.allclose(values[:, j], f(x), atol=1e-13, rtol=0)
            interior = ~np.isin(x, breakpoints)
            assert np.allclose(slopes[interior, j], f.derivative()(x[interior]), atol=1e-13 * steep, rtol=0)


@given(x=POINTS, k=st.integers(1, 64))
def test_fourier_values_and_derivatives(x, k: int) -> None:
    pieces = fourier(2 * k + 1)
    values, slopes = evaluate(pieces, x), derivative(pieces, x)
    with mp.workdps(30):
        for row, point in enumerate(x):
            cosine, sine = mp.cos(mp.pi * k * mp.mpf(float(point))), mp.sin(mp.pi * k * mp.mpf(float(point)))
            assert abs(values[row, -2] - float(cosine)) <= 4e-15 * k
            assert abs(values[row, -1] - float(sine)) <= 4e-15 * k
            assert abs(slopes[row, -2] + np.pi * k * float(sine)) <= 4e-14 * k * k
            assert abs(slopes[row, -1] - np.pi * k * float(cosine)) <= 4e-14 * k * k


def test_fourier_is_periodic_and_exact_at_grid_points() -> None:
    pieces = fourier(9, (0.0, 0.5))
    x = np.array([0.0, 0.1, 0.25])
    assert np.allclose(evaluate(pieces, x), evaluate(pieces, x + 1.5), atol=1e-13, rtol=0)
    assert np.abs(evaluate(fourier(129), np.array([-1.0, 1.0]))[:, 2::2]).max() <= 2e-16


def test_limits_at_breakpoints_are_from_the_right_and_at_the_end_from_the_left() -> None:
    values = evaluate(p0([-1.0, 0.0, 0.5, 1.0]), np.array([-1.0, 0.0, 0.5, 1.0]))
    assert np.array_equal(values.argmax(axis=1), [0, 1, 2, 2])
    assert np.allclose(evaluate(closed_form(), np.array([0.25, 0.2])), [[1, np.cos(0.25)], [1, np.exp(0.2)]])


def test_a_point_within_rounding_of_a_breakpoint_is_the_breakpoint() -> None:
    cuts = [-1, -5 / 7, -1 / 7, 5 / 7, 1]
    assert np.array_equal(evaluate(p0(cuts), np.linspace(-1, 1, 8)).argmax(axis=1), [0, 1, 1, 2, 2, 2, 3, 3])


def test_points_outside_are_refused_unless_by_rounding() -> None:
    assert np.array_equal(evaluate(spectral(3), np.array([1 + 1e-15]))[0], [1, 1, 1])
    for point in (1.01, np.nan, np.inf):
        with pytest.raises(DataError, match="the point"):
            evaluate(spectral(3), np.array([0.0, point]))
    with pytest.raises(DataError, match="the point"):
        evaluate(fourier(3), np.array([np.nan]))


def test_closed_form_bases_have_no_derivative_at_run_time() -> None:
    with pytest.raises(RepresentationError, match="derivative of a closed-form basis"):
        derivative(closed_form(), np.array([0.0]))


@pytest.mark.parametrize(
    "arrays",
    [
        {"kind": "polynomial", "breakpoints": [-1.0, 1.0], "coefficients": np.ones((2, 3, 1))},
        {"kind": "polynomial", "breakpoints": [-1.0, 1.0]},
        {"kind": "polynomial", "breakpoints": [1.0, -1.0], "coefficients": np.ones((1, 1, 1))},
        {"kind": "wavelet", "breakpoints": [-1.0, 1.0], "coefficients": np.ones((1, 1, 1))},
        {"kind": "closed-form", "breakpoints": [-1.0, 1.0], "points": 5},
    ],
)
def test_tables_that_do_not_fit_together_are_refused(arrays) -> None:
    with pytest.raises(RepresentationError, match="generate"):
        Basis.from_arrays({name: np.asarray(a) for name, a in arrays.items()})


# --- integrals ----------------------------------------------------------------------------------------------


def interpolant_of_unit(xi, s: int, interpolant: str, periodic: bool):
    """I[e_s] as a Python function, and its kinks."""
    n = len(xi)
    if interpolant == "constant":
        edges = [-1 + 2 * mp.mpf(k) / n for k in range(n + 1)]
        return (lambda x: mp.mpf(edges[s] <= x <= edges[s + 1])), edges
    nodes = [mp.mpf(float(p)) for p in xi]
    values = [mp.mpf(k == s) for k in range(n)]
    kinks = [mp.mpf(-1), *nodes, mp.mpf(1)]
    if periodic:
        nodes, values = [nodes[-1] - 2, *nodes, nodes[0] + 2], [values[-1], *values, values[0]]
    else:
        nodes, values = [mp.mpf(-2), *nodes, mp.mpf(2)], [values[0], *values, values[-1]]

    def function(x):
        for a, b, u, v in zip(nodes, nodes[1:], values, values[1:]):
            if a <= x <= b:
                return u + (v - u) * (x - a) / (b - a)
        raise AssertionError(x)

    return function, kinks


def exact_functional(f, breakpoints, xi, s: int, interpolant: str, periodic: bool) -> float:
    """∫ f I[e_s] by mpmath, between all kinks; the step function is evaluated inside its cells."""
    with mp.workdps(30):
        unit, kinks = interpolant_of_unit(xi, s, interpolant, periodic)
        edges = sorted({mp.mpf(float(b)) for b in breakpoints} | set(kinks))
        total = mp.mpf(0)
        for a, b in zip(edges, edges[1:]):
            middle = (a + b) / 2
            if interpolant == "constant":
                total += unit(middle) * mp.quad(lambda x: f(x), [a, b])
            else:
                total += mp.quad(lambda x: f(x) * unit(x), [a, b])
        return float(total)


@pytest.mark.slow
@pytest.mark.parametrize(("interpolant", "periodic"), [("linear", False), ("linear", True), ("constant", False)])
def test_legendre_against_the_interpolant_by_mpmath(interpolant: str, periodic: bool) -> None:
    xi = np.array([-0.93, -0.4, -0.399999, 0.2, 0.85])
    if interpolant == "constant":
        xi = default_points("constant", 5, False)
    found = sample_functional(spectral(41), xi, interpolant, periodic)
    assert found.shape == (41, 5)
    for n in (0, 1, 6, 23, 40):
        for s in range(5):
            exact = exact_functional(lambda x: mp.legendre(n, x), [-1, 1], xi, s, interpolant, periodic)
            assert abs(found[n, s] - exact) <= 8e-16


@given(breakpoints=BREAKS, xi=PERIODIC_POINTS, degree=st.integers(0, 3), periodic=st.booleans())
def test_splines_against_the_interpolant_by_a_loop(breakpoints, xi, degree: int, periodic: bool) -> None:
    """A composite rule on all kinks, written with np.interp: another interpolant, another quadrature."""
    pieces, functions = splines(breakpoints, degree) if degree else (p0(breakpoints), None)
    t, w = series.leggauss(6)
    extended = np.concatenate([xi - 2, xi, xi + 2]) if periodic else xi
    edges = np.unique(np.concatenate([breakpoints, xi, [-1, 1]]))
    expected = np.zeros((pieces.size, len(xi)))
    for a, b in zip(edges[:-1], edges[1:]):
        x = a + (b - a) * (t + 1) / 2
        for s, unit in enumerate(np.eye(len(xi))):
            line = np.interp(x, extended, np.tile(unit, 3) if periodic else unit)
            for j in range(pieces.size):
                value = functions[j](x) if functions else float(breakpoints[j] <= x[0] < breakpoints[j + 1])
                expected[j, s] += (b - a) / 2 * np.sum(w * value * line)
    assert np.allclose(sample_functional(pieces, xi, "linear", periodic), expected, atol=2e-14, rtol=0)


@given(xi=PERIODIC_POINTS, periodic=st.booleans())
def test_fourier_against_the_interpolant_by_quadrature(xi, periodic: bool) -> None:
    pieces = fourier(15)
    t, w = series.leggauss(40)
    extended = np.concatenate([xi - 2, xi, xi + 2]) if periodic else xi
    edges = np.unique(np.concatenate([xi, [-1, 1]]))
    expected = np.zeros((15, len(xi)))
    for a, b in zip(edges[:-1], edges[1:]):
        x = a + (b - a) * (t + 1) / 2
        k = np.arange(1, 8)[:, None]
        values = np.empty((15, 40))
        values[0], values[1::2], values[2::2] = 1, np.cos(np.pi * k * x), np.sin(np.pi * k * x)
        for s, unit in enumerate(np.eye(len(xi))):
            line = np.interp(x, extended, np.tile(unit, 3) if periodic else unit)
            expected[:, s] += (b - a) / 2 * values @ (w * line)
    assert np.allclose(sample_functional(pieces, xi, "linear", periodic), expected, atol=2e-14, rtol=0)


@pytest.mark.parametrize("gap", [1e-3, 1e-7, 1e-11])
def test_fourier_does_not_cancel_between_close_points(gap: float) -> None:
    """The sample between two neighbours at distance h has a functional of size h, correct to rounding of h."""
    xi = np.array([-0.5, 0.3 - gap, 0.3, 0.3 + gap, 0.9])
    found = sample_functional(fourier(7), xi, "linear", True)[:, 2]
    with mp.workdps(40):
        left, middle, right = (mp.mpf(float(p)) for p in xi[1:4])
        for j, f in enumerate([lambda x: 1, lambda x: mp.cos(mp.pi * x), lambda x: mp.sin(mp.pi * x)]):
            exact = mp.quad(lambda x: f(x) * (x - left) / (middle - left), [left, middle])
            exact += mp.quad(lambda x: f(x) * (right - x) / (right - middle), [middle, right])
            assert abs(found[j] - float(exact)) <= 1e-15 * gap * 4


def test_closed_form_against_the_interpolant() -> None:
    xi = np.array([-0.7, 0.1, 0.6])
    found = sample_functional(closed_form(), xi, "linear", False)
    for s in range(3):
        f = lambda x: mp.exp(x) if x < 0.25 else mp.cos(x)  # noqa: E731
        exact = exact_functional(f, [-1, 0.25, 1], xi, s, "linear", False)
        assert abs(found[1, s] - exact) <= 1e-15


def test_many_samples_need_few_gauss_points_and_lose_nothing() -> None:
    """High degree on short intervals: the same integrals as with the full rule on every interval."""
    xi = np.linspace(-1, 1, 1001)
    found = sample_functional(spectral(64), xi, "linear", False)
    t, w = series.leggauss(33)
    half = np.diff(xi)[:, None] / 2
    x = (xi[:-1, None] + half + half * t).ravel()
    values = legendre(x, 63)
    weights = (half * w).ravel()
    share = (1 + np.tile(t, 1000)) / 2
    expected = np.zeros((64, 1001))
    expected[:, 1:] += (values * weights * share).reshape(64, 1000, 33).sum(axis=2)
    expected[:, :-1] += (values * weights * (1 - share)).reshape(64, 1000, 33).sum(axis=2)
    assert np.abs(found - expected).max() <= 2e-16


# --- projections --------------------------------------------------------------------------------------------


@given(breakpoints=BREAKS, xi=POINTS, interpolant=st.sampled_from(["linear", "constant"]))
def test_a_constant_record_is_the_constant(breakpoints, xi, interpolant: str) -> None:
    if interpolant == "constant":
        xi = default_points("constant", len(xi), False)
    at = np.linspace(-1, 1, 17)
    for pieces in (p0(breakpoints), hat(breakpoints), spectral(9), fourier(5), closed_form()):
        matrix = projection(pieces, gram(pieces), xi, interpolant, False)
        assert np.allclose(evaluate(pieces, at) @ matrix @ np.ones(len(xi)), 1, atol=1e-11, rtol=0)


@given(breakpoints=BREAKS, values=st.lists(st.floats(-2, 2), min_size=7, max_size=7))
def test_a_hat_function_sampled_at_its_nodes_comes_back(breakpoints, values) -> None:
    pieces = hat(breakpoints)
    nodes = np.array(values[: len(breakpoints)])
    assert np.allclose(projection(pieces, gram(pieces), breakpoints, "linear", False) @ nodes, nodes, atol=1e-11)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 1000])
def test_n_samples_on_p0_with_n_cells_are_the_coefficients(n: int) -> None:
    edges = (2 * np.arange(n + 1) - n) / n
    matrix = projection(p0(edges), np.eye(n) * 2 / n, default_points("constant", n, False), "constant", False)
    assert np.abs(matrix - np.eye(n)).max() <= 1e-15 + n * 1e-16


def test_outside_the_outer_samples_the_record_is_constant_and_a_period_wraps() -> None:
    edges = np.linspace(-1, 1, 9)
    pieces, xi, x = p0(edges), np.array([-0.25, 0.25]), np.array([1.0, 3.0])
    open_ends = projection(pieces, gram(pieces), xi, "linear", False) @ x
    assert np.allclose(open_ends, [1, 1, 1, 1.5, 2.5, 3, 3, 3], atol=1e-14)
    wrapped = projection(pieces, gram(pieces), xi, "linear", True) @ x
    slope = 2 / 1.5  # from 3 at 0.25 through the end to 1 at 1.75
    middles = np.array([-0.875, -0.625, -0.375, 0.375, 0.625, 0.875])
    expected = 3 - slope * (np.where(middles < 0, middles + 2, middles) - 0.25)
    assert np.allclose(wrapped[[0, 1, 2, 5, 6, 7]], expected, atol=1e-14)
    assert np.allclose(wrapped[3:5], [1.5, 2.5], atol=1e-14)


@pytest.mark.parametrize("interpolant", ["linear", "constant", "least-squares"])
@pytest.mark.parametrize("periodic", [False, True])
def test_a_single_sample_is_a_constant(interpolant: str, periodic: bool) -> None:
    xi = default_points(interpolant, 1, periodic)
    for pieces in (spectral(6), hat([-1.0, 0.2, 1.0]), fourier(5)):
        values = evaluate(pieces, np.linspace(-1, 1, 9)) @ projection(pieces, gram(pieces), xi, interpolant, periodic)
        assert np.allclose(values, 1, atol=1e-13)


def test_linear_interpolation_is_of_second_order() -> None:
    pieces = spectral(30)
    mass, at = gram(pieces), np.linspace(-1, 1, 400)
    errors = []
    for n in (20, 40, 80):
        xi = np.linspace(-1, 1, n)
        values = evaluate(pieces, at) @ projection(pieces, mass, xi, "linear", False) @ np.sin(3 * xi)
        errors.append(np.sqrt(np.mean((values - np.sin(3 * at)) ** 2)))
    orders = -np.diff(np.log(errors)) / np.diff(np.log([20, 40, 80]))
    assert (np.abs(orders - 2) < 0.15).all()


@given(coefficients=st.lists(st.floats(-1, 1), min_size=6, max_size=6), xi=POINTS)
def test_least_squares_reproduces_the_basis_or_names_the_rank(coefficients, xi) -> None:
    for pieces in (spectral(6), hat(np.linspace(-1, 1, 6)), splines(np.linspace(-1, 1, 4), 3)[0]):
        values = evaluate(pieces, xi)
        if len(xi) == 1:
            continue
        condition = np.linalg.svd(values, compute_uv=False)
        rank = int(np.sum(condition > 1e-10 * condition[0]))
        if (rank < 6 and condition[-1] < 1e-12 * condition[0]) or len(xi) < 6:
            with pytest.raises(DataError, match=r"determine \d+ of 6 coefficients \(the rank\)"):
                projection(pieces, gram(pieces), xi, "least-squares", False)
        elif condition[-1] > 1e-6 * condition[0]:
            found = projection(pieces, gram(pieces), xi, "least-squares", False) @ values @ coefficients
            assert np.allclose(found, coefficients, atol=1e-8)


def test_least_squares_names_the_rank_of_a_gap() -> None:
    xi = np.concatenate([np.linspace(-1, -0.4, 10), np.linspace(0.4, 1, 10)])
    pieces = hat(np.linspace(-1, 1, 11))  # nodes at −0.2, 0 and 0.2 see no sample
    with pytest.raises(DataError, match="20 points that determine 8 of 11 coefficients") as caught:
        projection(pieces, gram(pieces), xi, "least-squares", False)
    assert "input.smoothing" in str(caught.value)
    filled = projection(pieces, gram(pieces), xi, "least-squares", False, smoothing=1e-3)
    assert np.isfinite(filled).all()


@pytest.mark.parametrize("smoothing", [1e-6, 1e-2, 3.0])
def test_smoothing_solves_the_normal_equations(smoothing: float) -> None:
    xi = np.sort(np.random.default_rng(0).uniform(-1, 1, 12))
    for pieces in (spectral(20), hat(np.linspace(-1, 1, 8))):
        mass, values = gram(pieces), evaluate(pieces, xi)
        normal = 2 / 12 * values.T @ values + smoothing * mass
        expected = np.linalg.solve(normal, 2 / 12 * values.T)
        found = projection(pieces, mass, xi, "least-squares", False, smoothing)
        assert np.allclose(found, expected, atol=1e-9 * np.abs(expected).max())


# --- points -------------------------------------------------------------------------------------------------


def test_default_points() -> None:
    assert np.array_equal(default_points("constant", 4, True), [-0.75, -0.25, 0.25, 0.75])
    assert np.array_equal(default_points("linear", 4, True), [-1, -0.5, 0, 0.5])
    assert np.array_equal(default_points("least-squares", 3, False), [-1, 0, 1])
    assert np.array_equal(default_points("linear", 1, False), [0])


@pytest.mark.parametrize(
    ("xi", "periodic", "message"),
    [
        ([], False, "points of shape (0,)"),
        ([[0.0, 1.0]], False, "points of shape (1, 2)"),
        ([0.0, 0.0], False, "xi = 0.0 again at position 1"),
        ([0.0, 0.5, 0.2], False, "xi = 0.2 after 0.5 at position 2"),
        ([-1.5, 0.0], False, "xi = -1.5 at position 0"),
        ([0.0, 2.0], False, "xi = 2.0 at position 1"),
        ([0.0, np.nan], False, "xi = nan at position 1"),
        ([-1.0, 0.0, 1.0], True, "both xi = -1 and xi = 1"),
    ],
)
def test_bad_points_are_named(xi, periodic: bool, message: str) -> None:
    with pytest.raises(DataError) as caught:
        check_points(np.array(xi), periodic)
    assert message in str(caught.value)
    with pytest.raises(DataError):
        sample_functional(spectral(3), np.array(xi), "linear", periodic)


def test_constant_means_cells_and_refuses_other_points() -> None:
    with pytest.raises(DataError, match="midpoints of 3 equal cells"):
        sample_functional(spectral(3), np.array([-1.0, 0.0, 1.0]), "constant", False)
    with pytest.raises(DataError, match="interpolant 'cubic'"):
        projection(spectral(3), np.eye(3), np.array([0.0]), "cubic", False)
