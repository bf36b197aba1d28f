"""The derivation of the continuum, the named rates, kinks and the linear part."""

from __future__ import annotations

from fractions import Fraction as F
from functools import reduce
from types import SimpleNamespace

import numpy as np
import pytest
import sympy as sp
from scipy.special import erf

from derive import equation, registry
from derive.errors import ContinuumError
from derive.program.scalar import Node, tree

U, H = sp.symbols("u h", real=True)
NUMPY = {
    "identity": lambda u: u,
    "tanh": np.tanh,
    "relu": lambda u: np.where(np.real(u) > 0, u, 0),
    "softplus": lambda u: np.log(1 + np.exp(u)),
    "sigmoid": lambda u: 1 / (1 + np.exp(-u)),
    "gelu": lambda u: u * (1 + erf(u / np.sqrt(2))) / 2,
    "silu": lambda u: u / (1 + np.exp(-u)),
    "sin": np.sin,
}
FUNCTIONS = {**NUMPY, "erf": erf, "cos": np.cos, "exp": np.exp, "Abs": np.abs, "sign": np.sign, "sqrt": np.sqrt}
COMPARISONS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}


def declared(rate: str, activation: str = "tanh", spacing: str = "1/2", **parameters: str) -> SimpleNamespace:
    return SimpleNamespace(
        rate=rate, activation=activation, spacing=F(spacing),
        parameters=tuple((name, F(value)) for name, value in sorted(parameters.items())),
        pre_activations=1, learned=(), normalise=None,
    )  # fmt: skip


def numeric(expression, **values):
    """The value that a kernel would compute, from the canonical tree."""

    def of(node: Node):
        if node.head == "symbol":
            return values[node.value]
        if node.head == "constant":
            return np.float64(node.value)
        args = [of(a) for a in node.args]
        if node.head in ("add", "mul", "Max", "Min"):
            return reduce({"add": np.add, "mul": np.multiply, "Max": np.maximum, "Min": np.minimum}[node.head], args)
        if node.head in ("div", "power"):
            return args[0] / args[1] if node.head == "div" else args[0] ** int(args[1])
        if node.head == "where":
            return np.where(*args)
        return {**COMPARISONS, **FUNCTIONS}[node.head](*args)

    return of(tree(expression))


def test_named_rates() -> None:
    mlp, residual, literal = (equation.derive(declared(r)) for r in ("mlp", "residual", "literal"))
    assert mlp.rho == 2 * sp.tanh(U) - 2 * H
    assert (mlp.kappa, mlp.r) == (-2, 2 * sp.tanh(U))
    assert sp.expand(mlp.slopes["u"] - 2 * (1 - sp.tanh(U) ** 2)) == 0 and mlp.slopes["h"] == -2
    assert residual.rho == 2 * sp.tanh(U) and residual.kappa == 0 and residual.r == residual.rho
    assert sp.expand(literal.rho - mlp.rho - 2 * (H - U)) == 0 and literal.kappa == 0


def test_euler_with_the_spacing_is_the_layer_for_mlp_alone() -> None:
    rng = np.random.default_rng(0)
    w, b, x = rng.normal(size=(5, 5)) / 2, rng.normal(size=5), rng.normal(size=5)
    u = w @ x + b
    layer = np.tanh(u)
    gaps = {}
    for rate in ("mlp", "literal"):
        rho = equation.derive(declared(rate, spacing="1/3")).rho
        gaps[rate] = np.abs(x + numeric(rho, u=u, h=x) / 3 - layer).max()
    assert gaps["mlp"] < 1e-15 and gaps["literal"] > 0.1


def test_users_rate_with_parameters() -> None:
    found = equation.derive(declared("tanh(u)*h - a*h + f(u)/Delta", "sin", "1/4", a="1/3"))
    assert sp.expand(found.rho - (sp.tanh(U) * H - H / 3 + 4 * sp.sin(U))) == 0
    assert found.kappa is None and found.r == found.rho
    assert sp.expand(found.slopes["h"] - (sp.tanh(U) - sp.Rational(1, 3))) == 0


def test_linear_part_is_found_where_it_hides() -> None:
    found = equation.derive(declared("(f(u) + 1)*(h + 1) - f(u)*h - 3*h", "tanh"))
    assert found.kappa == -2
    assert sp.expand(found.r - (sp.tanh(U) + 1)) == 0


@pytest.mark.parametrize("name", registry.names("activations"))
def test_activations_and_derivatives(name: str) -> None:
    found = equation.derive(declared("residual", name, "1"))
    u = np.concatenate([np.linspace(-4, 4, 41) + 0.01, [-20.0, 20.0]])
    step = 1e-6
    slope = (numeric(found.rho, u=u + step) - numeric(found.rho, u=u - step)) / (2 * step)
    got = numeric(found.slopes["u"], u=u) * np.ones_like(u)
    assert np.allclose(got, slope, atol=1e-8)
    if name in NUMPY:
        assert np.allclose(numeric(found.rho, u=u), NUMPY[name](u), atol=1e-14)


@pytest.mark.parametrize(
    ("activation", "kink", "left", "right"),
    [
        ("relu", 0, 0, 1),
        ("abs(u)", 0, -1, 1),
        ("abs(2*u - 1)", F(1, 2), -2, 2),
        ("max(1 - u, 0)", 1, -1, 0),
        ("min(u, 3)", 3, 1, 0),
        ("max(0, min(u, 1))", 0, 0, 1),
        ("max(0, min(u, 1))", 1, 1, 0),
        ("max(u, 2*u, -u)", 0, -1, 2),
        ("max(-1, min(u, 1))", -1, 0, 1),
        ("min(max(-u, 0), abs(u) - 1)", -1, -1, -1),
    ],
)
def test_the_derivative_at_a_kink_is_the_one_from_the_left(activation, kink, left, right) -> None:
    found = equation.derive(declared("residual", activation, "1"))
    at = {x: float(numeric(found.slopes["u"], u=np.float64(x))) for x in (kink, float(kink) - 1e-3, float(kink) + 1e-3)}
    assert at[kink] == at[float(kink) - 1e-3] == left
    assert at[float(kink) + 1e-3] == right


def test_relu_is_cases() -> None:
    found = equation.derive(declared("mlp", "relu", "1"))
    assert not found.rho.has(sp.Max) and found.rho.has(sp.Piecewise) and not found.slopes["u"].has(sp.Heaviside)
    assert found.kappa == -1
    assert np.isnan(numeric(found.r, u=np.array([np.nan]))).all()


def test_smooth_functions_of_kinks() -> None:
    found = equation.derive(declared("tanh(abs(u))*max(h, u**2 - 1) + sign(u)*u", "tanh"))
    rng = np.random.default_rng(1)
    u, h = rng.normal(size=(2, 200))
    step = 1e-6
    rho_u = (numeric(found.rho, u=u + step, h=h) - numeric(found.rho, u=u - step, h=h)) / (2 * step)
    rho_h = (numeric(found.rho, u=u, h=h + step) - numeric(found.rho, u=u, h=h - step)) / (2 * step)
    assert np.allclose(numeric(found.slopes["u"], u=u, h=h), rho_u, atol=1e-7)
    assert np.allclose(numeric(found.slopes["h"], u=u, h=h), rho_h, atol=1e-7)


@pytest.mark.parametrize("rate", ["f(f(u) - 1)", "f(sin(f(u)) - 1/2) - h", "sign(f(u) - 1)*u + abs(f(u) - h)"])
def test_kinks_inside_kinks(rate: str) -> None:
    found = equation.derive(declared(rate, "relu", "1"))
    rng = np.random.default_rng(2)
    u, h = rng.normal(size=(2, 200)) * 2
    relu, step = NUMPY["relu"], 1e-6
    exact = {
        "f(f(u) - 1)": relu(relu(u) - 1),
        "f(sin(f(u)) - 1/2) - h": relu(np.sin(relu(u)) - 0.5) - h,
        "sign(f(u) - 1)*u + abs(f(u) - h)": np.sign(relu(u) - 1) * u + np.abs(relu(u) - h),
    }
    assert np.allclose(numeric(found.rho, u=u, h=h), exact[rate], atol=1e-14)
    slope = (numeric(found.rho, u=u + step, h=h) - numeric(found.rho, u=u - step, h=h)) / (2 * step)
    assert np.allclose(numeric(found.slopes["u"], u=u, h=h) * np.ones(200), slope, atol=1e-7)
    for expression in (found.r, found.slopes["u"], found.slopes["h"]):
        assert tree(expression)


def test_huge_powers_are_not_multiplied_out() -> None:
    found = equation.derive(declared("((u + h)**20 + f(u))**30*h", "tanh", "1"))
    assert found.kappa is None and found.rho.count_ops() < 20


def test_steps_lead_from_the_layer_to_the_continuum_and_back() -> None:
    steps = {s.title: s.formula for s in equation.derive(declared("mlp")).steps}
    xi, depth = sp.symbols("xi delta", real=True)
    spacing = sp.Symbol("Delta", positive=True)
    f, h, u = sp.Function("f"), sp.Function("h"), sp.Function("u")
    continuum = steps["The continuum, (2)"]
    assert continuum.lhs == sp.Derivative(h(xi, depth), depth)
    assert sp.simplify(continuum.rhs - (f(u(xi, depth)) - h(xi, depth)) / spacing) == 0
    assert steps["Back again"].rhs == f(u(xi, depth))
    assert steps["The pre-activation, (1)"].rhs.has(sp.Integral)
    assert steps["Its discrete layer"].rhs == f(U)
    assert steps["The boxed rate is another model"].rhs == H - U
    assert all(s.prose and s.title for s in equation.derive(declared("literal")).steps)


def test_the_riemann_sum_converges_to_the_integral() -> None:
    """With polynomial fields the sum over neurons has a closed form in N, and its limit is the integral."""
    steps = {s.title: s.formula for s in equation.from_layers()}
    limit = steps["Neurons become widths"].rhs
    integral = steps["The pre-activation, (1)"].rhs
    n = sp.Symbol("N", integer=True, positive=True)

    def insert(e):
        e = e.replace(sp.Function("W"), lambda x, y, d: 1 + x * y + y**2 * d)
        e = e.replace(sp.Function("h"), lambda y, d: y - 2 * d * y**2)
        return e.replace(sp.Function("b"), lambda x, d: x * d)

    summed = sp.expand(insert(limit.args[0]).doit())
    assert sp.expand(sp.limit(summed, n, sp.oo) - insert(integral).doit()) == 0


@pytest.mark.parametrize("rate", ["f(v)", "x*h", "f(u", "__import__('os')"])
def test_names_outside_the_grammar_are_refused(rate: str) -> None:
    with pytest.raises(ContinuumError):
        equation.derive(declared(rate))


def test_every_activation_has_a_value_written_here() -> None:
    """The leaky rectifier keeps 1/100 of what is negative; all others are compared above."""
    assert {*registry.names("activations")} - {*NUMPY} == {"leaky-relu"}
    u = np.array([-20.0, -1.0, -0.01, 0.0, 0.01, 3.0])
    found = numeric(equation.derive(declared("residual", "leaky-relu", "1")).rho, u=u)
    assert np.allclose(found, np.where(u > 0, u, u / 100), rtol=1e-15, atol=0)
