"""Optimisers against closed forms, SciPy, and their behaviour under refinement."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize, rosen, rosen_der

from derive.errors import CheckpointError, TrainingError
from derive.spec import OPTIMISERS, SCHEDULES, Training
from numerics.functions.field import Block
from numerics.training import optimisers
from numerics.training.optimisers import gauss_newton, step
from numerics.training.optimisers.lbfgs import two_loop
from numerics.training.optimisers.line_search import Trial, line_search
from numerics.training.optimisers.schedules import rate

BLOCKS = (Block("W", slice(0, 6), ((2, 3),)), Block("b", slice(6, 10), ((2,), (2,))))


def flat(size: int) -> optimisers.Blocks:
    """One field of one axis."""
    return (Block("W", slice(0, size), ((size,),)),)


def start(name: str, blocks: optimisers.Blocks, learning_rate: float, steps: int, **more: Any) -> optimisers.State:
    """An optimiser's state before the first of so many steps."""
    options = Training(optimiser=name, learning_rate=learning_rate, epochs=steps, **more)
    return optimisers.start(blocks, 1, options)


def quadratic(size: int = 10, condition: float = 100.0, seed: int = 0):
    """½ (x − c)ᵀ A (x − c) + 1 with known spectrum, and its minimiser."""
    generator = np.random.default_rng(seed)
    q, _ = np.linalg.qr(generator.standard_normal((size, size)))
    matrix = q @ np.diag(np.geomspace(1, condition, size)) @ q.T
    centre = generator.standard_normal(size)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        return 1 + 0.5 * float((x - centre) @ matrix @ (x - centre)), matrix @ (x - centre)

    objective.curvature = lambda x: matrix.__matmul__  # type: ignore[attr-defined]
    objective.solved = lambda vector: (centre, objective, {})  # type: ignore[attr-defined]
    return objective, centre


def run(state, objective, vector, steps):
    infos = []
    for _ in range(steps):
        state, vector, info = step(state, objective, vector)
        infos.append(info)
        if info.stop:
            break
    return state, vector, infos


# --- first order --------------------------------------------------------------------------------------------


def test_gradient_descent_contracts_a_quadratic_as_it_must() -> None:
    objective, centre = quadratic()
    _, gradient = objective(np.zeros(10))
    _, vector, info = step(start("gradient-descent", BLOCKS, 0.01, 5), objective, np.zeros(10))
    assert np.array_equal(vector, -0.01 * gradient)
    assert info.length == pytest.approx(0.01 * info.gradient_norm)
    _, vector, _ = run(start("gradient-descent", BLOCKS, 0.015, 5), objective, np.zeros(10), 3000)
    assert np.allclose(vector, centre, atol=1e-12)


def test_adam_is_the_published_recursion() -> None:
    """Both kinds against a loop written out here, number by number."""
    objective, _ = quadratic()
    for name in ("adam", "adam-coordinatewise"):
        x, m, v = np.ones(10), np.zeros(10), np.zeros(10)
        for t in range(1, 21):
            _, g = objective(x)
            squares, decay = g**2, 0.999
            if name == "adam":
                decay = 0.95
                squares = np.concatenate([np.full(6, g[:6] @ g[:6]), np.full(4, g[6:] @ g[6:])])
            m = 0.9 * m + 0.1 * g
            v = decay * v + (1 - decay) * squares
            rate = 0.05 * (1 + math.cos(math.pi * (t - 1) / 20)) / 2
            x = x - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - decay**t)) + 1e-8)
        _, vector, _ = run(start(name, BLOCKS, 0.05, 20), objective, np.ones(10), 20)
        assert np.allclose(vector, x, rtol=0, atol=1e-13)


@given(cells=st.integers(1, 200), seed=st.integers(0, 9))
def test_adams_first_step_has_one_length_on_every_mesh_only_without_coordinates(cells: int, seed: int) -> None:
    """A smooth gradient, as coordinates on uniform P0 meshes of different fineness."""
    middles = (np.arange(cells) + 0.5) / cells
    gradient = np.cos(middles + seed) / math.sqrt(cells)  # orthonormal coordinates of one function

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        return 0.0, gradient

    blocks = flat(cells)
    _, _, info = step(start("adam", blocks, 0.01, 10), objective, np.zeros(cells))
    assert info.length == pytest.approx(0.01, rel=1e-5)
    _, _, info = step(start("adam-coordinatewise", blocks, 0.01, 10), objective, np.zeros(cells))
    assert info.length == pytest.approx(0.01 * math.sqrt(cells), rel=2e-2)


@given(st.lists(st.floats(-6, 6), min_size=1, max_size=60))
def test_no_step_of_adam_is_much_longer_than_the_rate(exponents: list[float]) -> None:
    """Gradients that jump over twelve orders of magnitude, the worst a second moment can meet."""
    gradients = iter(np.outer(10.0 ** np.array(exponents), np.ones(4)))
    state, vector = start("adam", flat(4), 0.01, 10**9), np.zeros(4)
    for _ in exponents:
        state, vector, info = step(state, lambda x: (0.0, next(gradients)), vector)
        assert info.length <= 1.2 * 0.01


def test_schedules_run_through_the_points_that_define_them() -> None:
    """Interpolated linearly, or along a cosine, between a few points (step of 100, rate) written down here."""
    done = np.arange(101)

    def falling(start: int) -> np.ndarray:
        return 0.15 + 0.15 * np.cos(np.linspace(0, math.pi, 101 - start))

    expected = {
        "cosine": falling(0),
        "constant": np.full(101, 0.3),
        "one-cycle": np.append(np.interp(done[:30], [0, 30], [0.012, 0.3]), falling(30)),
        "steps": np.repeat([0.3, 0.03, 0.003], [50, 25, 26]),
    }
    assert set(expected) == set(SCHEDULES)
    for name, values in expected.items():
        found = [rate(name, 0.3, k, 100) for k in range(101)]
        np.testing.assert_allclose(found, values, rtol=0, atol=1e-15, err_msg=name)
        assert rate(name, 0.3, 170, 100) == found[-1] and rate(name, 0.3, 0, 0) <= 0.3


@pytest.mark.parametrize("name", SCHEDULES)
def test_adams_steps_follow_the_schedule(name: str) -> None:
    """Under a constant gradient every step has the length of the rate."""
    state, vector = start("adam", BLOCKS, 0.01, 20, schedule=name), np.zeros(10)
    gradient = np.append(np.zeros(6), np.full(4, 0.5))
    for k in range(20):
        state, vector, info = step(state, lambda x: (0.0, gradient), vector)
        assert info.length == pytest.approx(rate(name, 0.01, k, 20), rel=1e-6)
    with pytest.raises(TrainingError, match="one-cycle"):
        start("adam", BLOCKS, 0.01, 20, schedule="linear")


def test_a_warm_up_rises_linearly_to_the_schedule() -> None:
    """Three epochs of four steps: a twelfth of the rate, two, …, and from the twelfth step on all of it."""
    gradient, lengths = np.append(np.zeros(6), np.full(4, 0.5)), {}
    for warmup in (None, 3):
        options = Training(learning_rate=0.01, epochs=5, schedule="constant", warmup=warmup)
        state, vector, lengths[warmup] = optimisers.start(BLOCKS, 4, options), np.zeros(10), []
        for _ in range(20):
            state, vector, info = step(state, lambda x: (0.0, gradient), vector)
            lengths[warmup].append(info.length)
    np.testing.assert_allclose(lengths[None], 0.01, rtol=1e-6)
    np.testing.assert_allclose(lengths[3], 0.01 * np.minimum(np.arange(1, 21) / 12, 1), rtol=1e-6)


# --- L-BFGS -------------------------------------------------------------------------------------------------


def test_two_loop_is_the_dense_bfgs_update() -> None:
    """The recursion against explicit inverse-Hessian updates (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ."""
    generator = np.random.default_rng(1)
    matrix = generator.standard_normal((8, 8))
    matrix = matrix @ matrix.T + np.eye(8)
    steps = tuple(generator.standard_normal((5, 8)))
    changes = tuple(matrix @ s for s in steps)
    inverse = np.eye(8) * (steps[-1] @ changes[-1]) / (changes[-1] @ changes[-1])
    for s, y in zip(steps, changes):
        rho = 1 / (s @ y)
        left = np.eye(8) - rho * np.outer(s, y)
        inverse = left @ inverse @ left.T + rho * np.outer(s, s)
    gradient = generator.standard_normal(8)
    assert np.allclose(two_loop(gradient, steps, changes), -inverse @ gradient, rtol=1e-10)


def test_lbfgs_on_rosenbrock_finds_what_scipy_finds() -> None:
    blocks = flat(6)
    origin = np.array([-1.2, 1.0, -0.5, 0.8, 1.3, -0.7])
    seen: list[float] = []

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        seen.append(float(rosen(x)))
        return seen[-1], rosen_der(x)

    _, vector, infos = run(start("lbfgs", blocks, 0.1, 0), objective, origin, 200)
    peer = minimize(rosen, origin, jac=rosen_der, method="L-BFGS-B", options={"ftol": 0, "gtol": 1e-10})
    assert rosen(vector) <= 1e-18
    needed = 1 + next(n for n, value in enumerate(seen) if value <= 1e-18)  # at zero, searches end in rounding
    assert needed <= 1.5 * peer.nfev
    assert sum(info.evaluations for info in infos) == len(seen)
    assert infos[-1].stop
    assert all(b.value <= a.value for a, b in zip(infos, infos[1:]))


def test_lbfgs_behaves_alike_on_every_mesh() -> None:
    """Fitting one function with a smoothing operator: the values along the way agree to the mesh's own error."""
    histories = []
    for cells in (50, 100, 200):
        middles = -1 + (2 * np.arange(cells) + 1) / cells
        kernel = np.exp(-((middles[:, None] - middles) ** 2)) * 2 / cells  # in orthonormal coordinates
        target = np.sin(3 * middles) * math.sqrt(2 / cells)

        def objective(x: np.ndarray, kernel=kernel, target=target) -> tuple[float, np.ndarray]:
            residual = kernel @ x - target
            return 0.5 * float(residual @ residual), kernel.T @ residual

        _, _, infos = run(start("lbfgs", flat(cells), 0.1, 0), objective, np.zeros(cells), 8)
        histories.append([info.value for info in infos])
    coarse, middle, fine = np.array(histories)
    assert np.abs(coarse - fine).max() <= 1e-3 * fine[0]
    assert np.abs(middle - fine).max() <= 0.5 * np.abs(coarse - fine).max()


def test_lbfgs_goes_on_at_kinks_and_stops_when_nothing_is_left() -> None:
    def kinked(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(np.sum(np.abs(x - 1)) + 0.05 * np.sum(x**2)), np.sign(x - 1) + 0.1 * x

    _, vector, infos = run(start("lbfgs", BLOCKS, 0.1, 0), kinked, np.linspace(-3, 2, 10), 200)
    assert infos[-1].stop
    assert kinked(vector)[0] <= kinked(np.ones(10))[0] * 1.05
    objective, centre = quadratic()
    _, _, info = step(start("lbfgs", BLOCKS, 0.1, 0), objective, centre)
    assert info.stop == "the gradient is zero"


def test_lbfgs_backs_away_from_where_the_loss_is_not_finite() -> None:
    def barrier(x: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(all="ignore"):
            return float(np.sum(x - np.log(x))), 1 - 1 / x

    _, vector, infos = run(start("lbfgs", BLOCKS, 50.0, 0), barrier, np.linspace(0.01, 4, 10), 100)
    assert np.allclose(vector, 1, atol=1e-6) and infos[-1].stop


@given(st.floats(1e-6, 1e6), st.floats(-2, 2), st.floats(0.1, 10))
def test_line_search_satisfies_strong_wolfe(first: float, tilt: float, scale: float) -> None:
    def value(t: float) -> tuple[float, float]:
        t = t / scale
        return -t / (t * t + 2) + 0.01 * tilt * math.sin(t), (
            (t * t - 2) / (t * t + 2) ** 2 + 0.01 * tilt * math.cos(t)
        ) / scale

    def trial(t: float) -> Trial:
        return Trial(t, *value(t), np.zeros(1))

    origin = trial(0.0)
    found = line_search(trial, origin, first)
    assert found is not None
    assert found.value <= origin.value + 1e-4 * found.step * origin.slope + 1e-15
    assert abs(found.slope) <= 0.9 * abs(origin.slope)


# --- Gauss–Newton -------------------------------------------------------------------------------------------


def test_one_step_solves_a_quadratic_inside_the_region() -> None:
    objective, centre = quadratic(condition=1e4)
    _, vector, infos = run(start("gauss-newton", BLOCKS, 100.0, 0), objective, np.zeros(10), 12)
    assert infos[-1].stop and len(infos) <= 7  # inexactly first; superlinear convergence then
    assert np.allclose(vector, centre, atol=1e-12)
    assert sum(info.evaluations for info in infos) == len(infos)  # each step's point is the next one's start


def test_the_way_of_conjugate_gradients_ends_on_every_sphere_where_it_would_for_that_radius() -> None:
    """Against (H + σ) p = −g with ‖p‖ = r: Steihaug's point lowers the model half as much as the best one, or more."""
    generator = np.random.default_rng(3)
    factor = generator.standard_normal((12, 12))
    matrix, gradient = factor @ factor.T, generator.standard_normal(12)

    def model(p: np.ndarray) -> float:
        return float(gradient @ p + p @ matrix @ p / 2)

    values, vectors = np.linalg.eigh(matrix)
    whole = gauss_newton.way(matrix.__matmul__, gradient, math.inf, 1e-12)
    newton, value, ended = gauss_newton.within(whole, math.inf)
    assert np.allclose(newton, -np.linalg.solve(matrix, gradient), rtol=1e-8) and not ended
    assert value == pytest.approx(model(newton), rel=1e-12)
    for radius in np.linalg.norm(newton) * np.array([0.01, 0.1, 0.5, 0.9]):
        point, value, ended = gauss_newton.within(whole, radius)
        assert ended and np.linalg.norm(point) == pytest.approx(radius, rel=1e-12)
        assert value == pytest.approx(model(point), rel=1e-10)
        alone, _, _ = gauss_newton.within(gauss_newton.way(matrix.__matmul__, gradient, radius, 1e-12), radius)
        assert np.array_equal(alone, point)
        shifts = np.geomspace(1e-8, 1e8, 4000)
        norms = [np.linalg.norm(vectors.T @ gradient / (values + shift)) for shift in shifts]
        shift = shifts[np.argmin(np.abs(np.array(norms) - radius))]
        best = model(-vectors @ (vectors.T @ gradient / (values + shift)))
        assert value <= 0.5 * best < 0


def test_a_direction_without_curvature_is_followed_to_the_sphere() -> None:
    matrix, gradient = np.diag([1.0, 0.0, -2.0]), np.array([0.0, 0.0, 1.0])
    point, value, ended = gauss_newton.within(gauss_newton.way(matrix.__matmul__, gradient, 3.0, 0.0), 3.0)
    assert ended and np.allclose(point, [0, 0, -3]) and value == pytest.approx(-3 - 9)


def curved(cells: int) -> Any:
    """½ ∫ (sin 2 ∫ k x − t)² + ½ ∫ x²/10, well posed on every mesh, in orthonormal coordinates on uniform cells."""
    middles = -1 + (2 * np.arange(cells) + 1) / cells
    root = math.sqrt(2 / cells)
    kernel = 2 * np.exp(-((middles[:, None] - middles) ** 2)) * 2 / cells
    target = np.tanh(3 * middles)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        inner = kernel @ (x / root)
        residual = (np.sin(inner) - target) * root
        gradient = kernel.T @ (np.cos(inner) * residual) + x / 10
        return 0.5 * float(residual @ residual) + 0.05 * float(x @ x), gradient

    def curvature(x: np.ndarray) -> Any:
        slope = np.cos(kernel @ (x / root))
        return lambda v: kernel.T @ (slope**2 * (kernel @ v)) + v / 10

    objective.curvature = curvature  # type: ignore[attr-defined]
    return objective


def test_gauss_newton_takes_as_many_steps_on_every_mesh() -> None:
    counts, products = [], []
    for cells in (16, 32, 64, 128, 256):
        objective, seen = curved(cells), 0
        bare = objective.curvature

        def counted(x: np.ndarray, bare: Any = bare) -> Any:
            product = bare(x)

            def times(v: np.ndarray) -> np.ndarray:
                nonlocal seen
                seen += 1
                return product(v)

            return times

        objective.curvature = counted
        state, vector = start("gauss-newton", flat(cells), 0.1, 0), np.zeros(cells)
        norms = []
        while not norms or norms[-1] > 1e-7 * norms[0]:
            state, vector, info = step(state, objective, vector)
            norms.append(info.gradient_norm)
            assert not info.stop
        counts.append(len(norms))
        products.append(seen)
    assert max(counts) <= 1.2 * min(counts) and max(counts) < 30
    assert max(products) <= 1.2 * min(products)


# --- what all of them promise -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_run_continued_from_its_arrays_makes_the_same_bits(name: str) -> None:
    objective, _ = quadratic()
    origin = np.ones(10)
    whole, expected, _ = run(start(name, BLOCKS, 0.02, 24), objective, origin, 24)
    half, vector, _ = run(start(name, BLOCKS, 0.02, 24), objective, origin, 11)
    arrays = {key: a.copy() for key, a in half.to_arrays().items()}
    resumed, vector, _ = run(start(name, BLOCKS, 0.02, 24).from_arrays(arrays), objective, vector.copy(), 13)
    assert np.array_equal(vector, expected)
    final = whole.to_arrays()
    assert final.keys() == resumed.to_arrays().keys()
    assert all(np.array_equal(a, final[key]) for key, a in resumed.to_arrays().items())


@pytest.mark.parametrize("name", OPTIMISERS)
def test_steps_change_nothing_in_place(name: str) -> None:
    objective, _ = quadratic()
    state, vector, _ = run(start(name, BLOCKS, 0.02, 9), objective, np.ones(10), 3)
    before = {key: a.copy() for key, a in state.to_arrays().items()}
    copy = vector.copy()
    step(state, objective, vector)
    assert np.array_equal(vector, copy)
    assert all(np.array_equal(a, before[key]) for key, a in state.to_arrays().items())


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("part", ["loss", "gradient"])
def test_numbers_that_are_not_finite_stop_with_their_place(name: str, part: str) -> None:
    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        gradient = np.ones(10)
        if part == "gradient":
            gradient[7] = np.inf
        return (math.nan if part == "loss" else 1.0), gradient

    objective.solved = lambda vector: (vector.copy(), objective, {})  # type: ignore[attr-defined]
    with pytest.raises(TrainingError, match="loss of nan" if part == "loss" else "1 of 4 numbers in the gradient of b"):
        step(start(name, BLOCKS, 0.1, 1), objective, np.zeros(10))


def test_coordinates_that_overflow_stop_too() -> None:
    with pytest.raises(TrainingError, match="the coordinates of W"), np.errstate(over="ignore"):
        step(start("gradient-descent", BLOCKS, 1e300, 1), lambda x: (1.0, np.full(10, 1e300)), np.zeros(10))


@pytest.mark.parametrize("name", ["adam", "lbfgs"])
def test_arrays_of_another_optimiser_are_refused(name: str) -> None:
    objective, _ = quadratic()
    state, _, _ = run(start(name, BLOCKS, 0.02, 9), objective, np.ones(10), 3)
    arrays = state.to_arrays()
    other = "lbfgs" if name == "adam" else "adam"
    with pytest.raises(CheckpointError, match="another optimiser"):
        start(other, BLOCKS, 0.02, 9).from_arrays(arrays)
    arrays.popitem()
    with pytest.raises(CheckpointError):
        start(name, BLOCKS, 0.02, 9).from_arrays(arrays)


def test_unknown_optimisers_are_refused_by_name() -> None:
    with pytest.raises(TrainingError, match="adamw"):
        start("adamw", BLOCKS, 0.1, 1)
