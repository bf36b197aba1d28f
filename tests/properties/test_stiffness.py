"""Implicit steps on the stiff rate of specs/stiff.toml, against SciPy's Radau on the semi-discrete form in NumPy."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from derive.declaration import load_spec
from derive.errors import TrainingError
from numerics.kernels.cpu import Bound
from numerics.model.continuum import Continuum
from numerics.model.layout import kernel_weights
from tests.builders import SPECS

pytestmark = [pytest.mark.slow, pytest.mark.compiled]
DECLARED = tomllib.loads((SPECS / "stiff.toml").read_text(encoding="utf-8"))
WEIGHT = lambda xi, xi_, delta: 2 * np.cos(2 * xi - xi_) + xi  # noqa: E731
BIAS = lambda xi, delta: np.sin(2 * xi)  # noqa: E731
STATES = 3 * np.random.default_rng(0).standard_normal((16, 5)) / (1 + np.arange(16))[:, None]


def model(tableau: str, steps: int, damping: str = "4") -> Continuum:
    equation = {**DECLARED["equation"], "parameters": {"a": damping}}
    integration = {"tableau": tableau, "steps": steps}
    declared = {**DECLARED, "equation": equation, "integration": integration, "levels": {}}
    return Continuum.from_fields(load_spec(declared), W=WEIGHT, b=BIAS)


def final(tableau: str, steps: int) -> np.ndarray:
    return model(tableau, steps).solver.final(STATES)


@pytest.fixture(scope="module")
def exact() -> np.ndarray:
    """h(·, 1) of (5) with the rate tanh(u) − 4 h³, by Radau."""
    made = model("sdirk2", 4)
    nodes, lengths = np.polynomial.legendre.leggauss(len(made.representation.slabs[0].tables["nodes"]))
    x = np.polynomial.legendre.legvander(nodes, 15)
    back = np.linalg.solve((x * lengths[:, None]).T @ x, (x * lengths[:, None]).T)
    w, beta = (made.fields[name].slabs[0].coefficients for name in ("W", "b"))
    mass = np.diag(2 / (2 * np.arange(16) + 1))[:8]
    operator = x[:, :8] @ w[:, :, 0, 0, 0] @ mass
    bias = x[:, :8] @ beta[:, 0, 0]

    def slope(_, h):
        return back @ (np.tanh(operator @ h + bias) - 4 * (x @ h) ** 3)

    ends = [solve_ivp(slope, (0, 1), h, method="Radau", rtol=1e-12, atol=1e-13).y[:, -1] for h in STATES.T]
    return np.array(ends).T


@pytest.mark.parametrize(
    ("tableau", "order"), [("backward-euler", 1), ("sdirk2", 2), ("implicit-midpoint", 2), ("gauss4", 4)]
)
def test_implicit_steps_converge_where_explicit_ones_of_that_length_explode(
    exact: np.ndarray, tableau: str, order: int
) -> None:
    size = np.abs(exact).max()
    errors = [np.abs(final(tableau, steps) - exact).max() for steps in (4, 128, 256, 512)]
    assert errors[0] <= size  # a step reaches over a hundred times the time in which large values decay
    assert abs(np.log2(errors[2] / errors[3]) - order) <= 0.15
    with np.errstate(over="ignore", invalid="ignore"):
        exploded = final("euler", 4)
    assert not np.abs(exploded).max() <= 1e3 * size


def test_stages_that_cannot_be_solved_are_reported() -> None:
    """h − s·100·h³ has one real zero too few near large h: no stage exists, and none is made up."""
    made = model("backward-euler", 4, damping="-100")
    with pytest.raises(TrainingError, match="stages of an implicit step"):
        made.solver.final(STATES)


def test_single_precision_reaches_its_own_accuracy() -> None:
    made = model("gauss4", 8)
    double = made.solver.final(STATES)
    solver = Bound(made.representation, np.float32).form(kernel_weights(made.fields))
    assert np.abs(solver.final(STATES) - double).max() <= 2e-6 * np.abs(double).max()
