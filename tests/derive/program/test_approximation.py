"""The float32 forms: measured against float64 over all magnitudes, as arrays and as compiled vector code."""

from __future__ import annotations

import importlib.util
import math
import re
import sys
from fractions import Fraction
from typing import Any

import numba
import numpy as np
import pytest
import scipy.special
import sympy as sp

from derive.program import float32 as approximation
from derive.program.scalar import Node, tree
from tests.builders import ROOT


class sigmoid(sp.Function):
    """Stands for the grammar's function of that name."""


class softplus(sp.Function):
    """Stands for the grammar's function of that name."""


U = sp.Symbol("u", real=True)
FUNCTIONS = {
    "tanh": sp.tanh, "erf": sp.erf, "sin": sp.sin, "cos": sp.cos, "exp": sp.exp,
    "sigmoid": sigmoid, "softplus": softplus,
}  # fmt: skip
EXACT = {
    "tanh": np.tanh,
    "erf": scipy.special.erf,
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
    "sigmoid": scipy.special.expit,
    "softplus": lambda u: np.logaddexp(0, u),
}
OPERATIONS = {
    "Max": np.maximum,
    "Min": np.minimum,
    "Abs": np.abs,
    "floor": np.floor,
    "div": np.divide,
}


def evaluate(node: Node, u: np.ndarray) -> np.ndarray:
    """The tree in the type of u, every operation rounded."""
    if node.head == "symbol":
        return u
    if node.head == "constant":
        return u.dtype.type(float(node.value))
    if node.head == "power":
        result = base = evaluate(node.args[0], u)
        for _ in range(int(node.args[1].value) - 1):
            result = result * base
        return result
    args = [evaluate(a, u) for a in node.args]
    if node.head in ("add", "mul"):
        result = args[0]
        for a in args[1:]:
            result = result + a if node.head == "add" else result * a
        return result
    return OPERATIONS[node.head](*args)


def source(node: Node, lines: dict[str, str]) -> str:
    """The name that holds the tree's value, once the lines (subtree → "name = operation") have run."""
    if node.head == "symbol":
        return "x"
    if node.head == "constant":
        return f"np.float32({float(node.value)!r})"
    if node.key in lines:
        return lines[node.key].split(" = ")[0]
    if node.head == "power":
        args = [source(node.args[0], lines)] * int(node.args[1].value)
    else:
        args = [source(a, lines) for a in node.args]
    if node.head in ("Max", "Min"):
        relation = ">" if node.head == "Max" else "<"
        text = f"{args[0]} if {args[0]} {relation} {args[1]} else {args[1]}"
    elif node.head in ("Abs", "floor"):
        text = f"np.{node.head.lower()}({args[0]})"
    else:
        text = {"add": " + ", "mul": "*", "power": "*", "div": "/"}[node.head].join(args)
    name = f"t{len(lines)}"
    lines[node.key] = f"{name} = {text}"
    return name


def compiled(name: str) -> Any:
    """values → out in one loop, compiled as kernels are."""
    lines: dict[str, str] = {}
    result = source(form_tree(name), lines)
    body = [f"        {line}" for line in ("x = values[i]", *lines.values(), f"out[i] = {result}")]
    space: dict[str, Any] = {"np": np}
    exec("\n".join(["def loop(values, out):", "    for i in range(values.size):", *body]), space)
    flags = {"contract", "reassoc", "nsz", "arcp"}
    return numba.njit(fastmath=flags, error_model="numpy")(space["loop"])


def dense(limit: float) -> np.ndarray:
    """Float32 numbers of every binade and both signs, zeros and the limit; dense where functions bend."""
    bits = np.arange(0, 0x7F000000, 20011, dtype=np.uint32).view(np.float32)
    bits = bits[bits <= limit]
    bend = np.linspace(0, 20, 100_001, dtype=np.float32)
    far = np.linspace(20, 100, 20_001, dtype=np.float32)
    positive = np.concatenate([bits, bend, far[far <= limit], np.float32([limit])])
    return np.concatenate([positive, -positive])


def allowed(form: approximation.Form, u: np.ndarray, exact: np.ndarray) -> np.ndarray:
    a, r = form.absolute, form.relative
    return a[0] + a[1] * np.abs(u) + (r[0] + r[1] * np.abs(u)) * np.abs(exact)


def form_tree(name: str) -> Node:
    return tree(approximation.float32_form(FUNCTIONS[name](U)))


@pytest.mark.parametrize("name", sorted(approximation.FORMS))
def test_bound(name: str) -> None:
    form = approximation.FORMS[name]
    u = dense(form.limit)
    with np.errstate(under="ignore", over="ignore"):
        got = evaluate(form_tree(name), u)
        exact = EXACT[name](u.astype(np.float64))
    assert got.dtype == np.float32
    assert np.isfinite(got).all()
    # a subnormal argument may be flushed to zero
    error = np.abs(got.astype(np.float64) - exact)
    worst = error - allowed(form, u.astype(np.float64), exact) - 2.0**-126
    assert worst.max() <= 0, (u[worst.argmax()], got[worst.argmax()], exact[worst.argmax()])


@pytest.mark.parametrize("name", ["tanh", "erf", "sin", "cos"])
def test_range(name: str) -> None:
    got = evaluate(form_tree(name), dense(approximation.FORMS[name].limit))
    assert np.abs(got).max() <= 1 + 2.0**-22


@pytest.mark.parametrize("name", ["tanh", "erf", "sin"])
def test_odd_and_zero(name: str) -> None:
    node = form_tree(name)
    u = dense(approximation.FORMS[name].limit)
    half = len(u) // 2
    got = evaluate(node, u)
    if name != "sin":  # floor breaks the symmetry of the last bit
        assert np.array_equal(got[:half], -got[half:])
    assert evaluate(node, np.zeros(1, np.float32))[0] == 0


def test_exp_outside_its_limit() -> None:
    with np.errstate(over="ignore"):
        got = evaluate(form_tree("exp"), np.float32([-1e30, -200, 89, 200, 1e30]))
    assert (got[:2] <= 2.0**-125).all() and (got[:2] >= 0).all()
    assert np.isinf(got[2:]).all()


@pytest.mark.parametrize("name", sorted(approximation.FORMS))
def test_nan_survives(name: str) -> None:
    assert np.isnan(evaluate(form_tree(name), np.float32([np.nan]))).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(approximation.FORMS))
def test_compiled_form_is_vector_code_within_the_bound(name: str) -> None:
    loop = compiled(name)
    form = approximation.FORMS[name]
    u = dense(form.limit)
    got = np.empty_like(u)
    loop(u, got)
    exact = EXACT[name](u.astype(np.float64))
    error = np.abs(got.astype(np.float64) - exact) - 2.0**-126
    assert (error <= allowed(form, u.astype(np.float64), exact)).all()
    (assembly,) = loop.inspect_asm().values()
    assert re.search(r"(mul|fmadd\d*)ps|fm(ul|la)(\.4s|\s+v)", assembly)
    for call in ("tanhf", "expf", "sinf", "cosf", "erff", "floorf", "logf"):
        assert call not in assembly


def test_coefficients_are_float32_numbers() -> None:
    for name in ("TANH", "ERF", "SINE", "POWER", "SOFTPLUS"):
        for row in getattr(approximation, name):
            for c in approximation.coefficients(row):
                assert Fraction(float(np.float32(float(c)))) == c
    for name in approximation.FORMS:
        for number in approximation.float32_form(FUNCTIONS[name](U)).atoms(sp.Rational):
            assert float(np.float32(float(number))) == Fraction(int(number.p), int(number.q))


@pytest.mark.slow
def test_the_fit_is_the_one_that_the_script_prints() -> None:
    path = ROOT / "benchmarks" / "float32_forms.py"
    found = importlib.util.spec_from_file_location("float32_forms", path)
    assert found and found.loader
    script = importlib.util.module_from_spec(found)
    sys.modules["float32_forms"] = script
    found.loader.exec_module(script)
    text = (path.parents[1] / "derive" / "program" / "float32.py").read_text()
    for name in script.TARGETS:
        assert script.block(name) in text


def test_unknown_functions_are_left_alone() -> None:
    for e in (sp.atan(U), sp.log(1 + U**2), U**3 - 2, sp.sinh(U)):
        assert approximation.float32_form(e) is e
    mixed = approximation.float32_form(sp.atan(sp.tanh(U)))
    assert isinstance(mixed, sp.atan) and not mixed.has(sp.tanh)


def test_nested_functions_and_conditions() -> None:
    outer = sp.Piecewise((sp.tanh(sp.sin(U)), U <= 0), (1 - sp.tanh(2 * U) ** 2, True))
    form = approximation.float32_form(outer)
    assert not form.has(sp.tanh, sp.sin)
    assert form.args[0][1] == (U <= 0)
    u = np.linspace(-3, 3, 1001, dtype=np.float32)
    exact = np.where(u <= 0, np.tanh(np.sin(u.astype(float))), 1 - np.tanh(2 * u.astype(float)) ** 2)
    got = np.where(u <= 0, evaluate(tree(form.args[0][0]), u), evaluate(tree(form.args[1][0]), u))
    assert np.abs(got - exact).max() < 1e-6


def test_square_of_exp_inside_a_product_does_not_overflow() -> None:
    v = sp.Symbol("u", real=True)
    product = v * approximation.float32_form(sp.exp(U))
    u = np.linspace(-80, 80, 1001, dtype=np.float32)
    with np.errstate(under="ignore"):
        got = evaluate(tree(product), u)
    exact = u.astype(float) * np.exp(u.astype(float))
    assert np.allclose(got, exact, rtol=3e-5, atol=1e-36)
    assert math.isfinite(float(got.sum()))
