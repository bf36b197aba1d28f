"""The field inversion study: its matrices against differences and quadrature, its choices on numbers made up here."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import eval_legendre

from benchmarks.studies.field_inversion import determined, problem, regularised


def small() -> tuple[object, problem.Asked]:
    known = problem.truth(problem.declare(size=2))
    return known, problem.Asked.of(known, problem.inputs(3, 2, 0))


@pytest.mark.slow
def test_the_matrix_is_that_of_differences() -> None:
    """The mean over records of 2 s JᵀJ, with J of the outputs by central differences; s is the size of a cell."""
    known, asked = small()
    columns = []
    for e in np.eye(known.size):
        up, down = (known.with_coordinates(known.coordinates + t * e)(asked.x) for t in (1e-5, -1e-5))
        columns.append(np.asarray(up - down).ravel() / 2e-5)
    j = np.stack(columns, axis=1)
    wanted = 2 * (2 / problem.CELLS) * j.T @ j / len(asked.x)
    assert np.abs(problem.hessian(known, asked) - wanted).max() < 1e-8 * np.abs(wanted).max()


@pytest.mark.slow
def test_the_norms_are_integrals() -> None:
    """‖b‖² + ‖b′‖² of b by quadrature, with differences for the derivative; W by its values on Gauss nodes."""
    known = problem.truth(problem.declare(size=3))
    theta = np.random.default_rng(0).standard_normal(known.size)
    model = known.with_coordinates(theta)
    x, w = np.polynomial.legendre.leggauss(8)

    def squares(field: object, *at: np.ndarray) -> np.ndarray:
        h = 1e-5
        value = np.asarray(field(*at, 0.5))
        total = value**2
        for k in range(len(at)):
            moved = [[p + t * (i == k) for i, p in enumerate(at)] for t in (h, -h)]
            total = total + ((np.asarray(field(*moved[0], 0.5)) - np.asarray(field(*moved[1], 0.5))) / (2 * h)) ** 2
        return total.reshape(np.broadcast_shapes(*(a.shape for a in at)))

    own = float(w @ squares(model.fields["b"], x * (1 - 1e-4)))
    own += float(w @ squares(model.fields["W"], x[:, None] * (1 - 1e-4), x[None] * (1 - 1e-4)) @ w)
    assert theta @ problem.stiffness(known, "H1") @ theta == pytest.approx(own, rel=1e-3)
    assert np.abs(problem.stiffness(known, "L2") - np.eye(known.size)).max() < 1e-13


def test_moments_are_integrals_and_the_projector_holds_the_records() -> None:
    x = problem.inputs(2, 4, 1)
    found = determined.moments(x)
    edges = np.linspace(-1, 1, problem.CELLS + 1)
    for n, k in ((0, 0), (0, 3), (1, 5)):
        parts = [x[n, i] * quad(lambda t, k=k: eval_legendre(k, t), *edges[i : i + 2])[0] for i in range(problem.CELLS)]
        assert found[n, k] == pytest.approx(sum(parts) * np.sqrt(k + 0.5), abs=1e-12)
    projector = determined.seen(x)
    assert np.abs(found @ projector - found).max() < 1e-12 and np.trace(projector) == pytest.approx(2)


def test_the_discrepancy_principle_takes_the_largest_weight_that_fits_the_noise() -> None:
    alphas, errors = np.array([1.0, 0.1, 0.01]), np.array([3.0, 1.0, 2.0])
    assert regularised.Path(alphas, errors, np.array([9.0, 0.99, 0.5]), 1.0).chosen == 1
    assert regularised.Path(alphas, errors, np.array([9.0, 8.0, 7.0]), 1.0).chosen == 2
