"""What the study of geometric transforms measures, on models whose answers are known without it."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import continua as ct
from benchmarks.studies.geometric_transforms_and_their_limits import flows, local, perturbations, sorting


def straight(height: float) -> ct.Continuum:
    """Class 1 where the first coordinate is above a height; the state does not move."""
    spec = flows.plane(tableau="euler", steps=4)
    return ct.Continuum.from_fields(
        spec, R=lambda xi: np.ones((*np.shape(xi), 1, 1)) * [[0, 0], [0.5, 0]], a=np.array([height, 0])
    )


def test_share_of_a_circle_behind_a_line() -> None:
    found = flows.right_on_circles(straight(0.3), points=240)
    assert found == pytest.approx(np.arccos(0.3 / np.linspace(0.8, 1.2, 9)) / np.pi, abs=1 / 240)
    assert np.all(
        flows.right_on_circles(straight(-0.3), points=3) == 0
    )  # the middle of the disc is not told to be disc


def test_a_step_turns_the_plane_over_where_its_flow_does_not() -> None:
    spec = flows.plane(tableau="euler", steps=4)
    spec["equation"]["activation"] = "identity"

    def W(xi, xi_, delta):  # type: ignore[no-untyped-def]
        return np.where(np.broadcast_arrays(xi, xi_, delta)[2] < 0.25, 1.0, 0.0)[..., None, None] * [[0, 4], [2, 0]]

    stepped = ct.Continuum.from_fields(spec, W=W)  # the first step multiplies by [[1, 2], [1, 1]]
    assert flows.turned_over(stepped, points=2) == 1
    assert flows.turned_over(ct.refine(stepped, level="fine"), points=2) == 0


def products(size: int, norm: str) -> np.ndarray:
    """⟨P_j, P_k⟩ in "L2", or "H1", ∫ p q + p′ q′ dξ."""
    x = sp.Symbol("x")
    p = [sp.legendre(k, x) for k in range(size)]
    exact = [[sp.expand(a * b + (a.diff(x) * b.diff(x) if norm == "H1" else 0)) for b in p] for a in p]
    return np.array([[float(sp.Poly(e, x).integrate().eval(1) - sp.Poly(e, x).integrate().eval(-1)) for e in row]
                     for row in exact])  # fmt: skip


def test_products_of_legendre_polynomials_are_their_integrals() -> None:
    assert perturbations.products(5) == pytest.approx(products(5, "L2"), abs=1e-13)


@pytest.mark.parametrize("norm", ["L2", "H1"])
def test_smallest_perturbation_of_a_linear_model_has_a_formula(norm: str) -> None:
    model = ct.Continuum.from_fields(
        perturbations.motions(10), R=lambda xi: np.stack([0 * xi, np.sin(2 * xi)], -1)[..., None], a=np.array([0, 0.1])
    )
    states = np.random.default_rng(0).standard_normal((10, 7))
    nodes, weights = np.polynomial.legendre.leggauss(60)
    w = np.polynomial.legendre.legvander(nodes, 9).T @ (weights * np.sin(2 * nodes))
    gram = products(10, norm)
    r = perturbations.smallest(model, states, norm)
    ahead, along = w @ states + 0.1, np.linalg.solve(gram, w)
    assert perturbations.length(r, gram) == pytest.approx(np.abs(ahead) / np.sqrt(w @ along), rel=1e-6)
    assert r == pytest.approx(-ahead * along[:, None] / (w @ along), rel=1e-6, abs=1e-9)
    start = perturbations.length(r, gram)
    longer = perturbations.random_ones(model, states, gram, start, seed=1) / start
    v = np.linalg.solve(np.linalg.cholesky(gram).T, np.random.default_rng(1).standard_normal(states.shape))
    wanted = np.sqrt(w @ along) * perturbations.length(v, gram) / np.abs(w @ v)
    assert longer[wanted < 200] == pytest.approx(wanted[wanted < 200], rel=1e-5)


def test_chance_that_a_wrong_one_has_the_higher_score() -> None:
    generator = np.random.default_rng(0)
    score, wrong = generator.integers(0, 6, 60).astype(float), generator.random(60) < 0.3
    pairs = score[wrong][:, None] - score[~wrong]
    assert local.told_apart(score, wrong) == pytest.approx(np.mean(pairs > 0) + np.mean(pairs == 0) / 2)


def test_nearest_of_some_records() -> None:
    x, records = np.random.default_rng(0).standard_normal((2, 5, 3))
    wanted = [[np.linalg.norm(a - b) for b in records] for a in x]
    assert local.distances(x, records) == pytest.approx(np.array(wanted))


def test_sorting_by_a_flow_and_without_a_look() -> None:
    x = np.array([0.3, -0.8, 0.9, -0.1])
    assert sorting.bracket_flow(x) == pytest.approx(np.sort(x), abs=1e-6)
    blind = np.array([-5, -3, -1, 1, 3, 5]) / 7
    assert sorting.sorting_error(lambda x: np.tile(blind, (len(x), 1))) == pytest.approx(1)
    assert sorting.sorting_error(np.sort, shift=3.0) == pytest.approx(0, abs=1e-20)
