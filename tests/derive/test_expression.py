"""The grammar of users' expressions: what it reads is exact, and nothing outside it is ever executed."""

from __future__ import annotations

import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from derive.errors import ExpressionError
from derive.expression import check, parse, parse_rational

U, H = sp.symbols("u h", real=True)
NAMES = {"u": U, "h": H}

DUNDERS = [
    f"{start}.{chain}"
    for start in ("u", "(1)", "tanh", "u.real", "pi")
    for chain in ("__class__", "__class__.__mro__", "__subclasses__()", "__globals__", "__dict__", "__init__", "real")
]
CALLS = [
    f"{name}({argument})"
    for name in (
        "eval",
        "exec",
        "open",
        "compile",
        "getattr",
        "vars",
        "globals",
        "__import__",
        "print",
        "input",
        "len",
        "sympify",
    )
    for argument in ("u", "'os'", "1, 2")
]
OTHERS = [
    "__import__('os').system('true')", "lambda: u", "(lambda x: x)(u)", "[u for u in (1,)]", "{u}", "{1: u}", "[u]",
    "(u, h)", "u if h else u", "u and h", "not u", "u < h", "u == h", "u[0]", "u[0:1]", "'text'", "b'text'", "f'{u}'",
    "f'{().__class__}'", "'{0.__class__}'.format(u)", "'%s' % u", "u := 1", "(u := 1)", "yield u", "await u", "import os",
    "u; h", "u\nh", "u = 1", "del u", "*u", "tanh(*u)", "tanh(**u)", "tanh(u=1)", "tanh()", "tanh(u, h)", "max(u)", "True",
    "None", "...", "u @ h", "u // h", "u % h", "u << 2", "u | h", "u & h", "u ^ h", "~u", "u**h", "2**u", "u**999",
    "9**9**9**9", "u**(9**9)", "10**10**10", "1e999", "1e400", "0x10", "0b1", "1_000", "1j", "99999999999999",
    "u..h", "u h", "2u", "", "   ", "(", ")", "((u)", "u)", "u +", "sin", "pi()", "u()", "nan", "inf", "x", "U",
    "\u0075\u0301", "ｕ", "u−h", "tanh(u)\\", "(" * 60 + "u" + ")" * 60, "-" * 100 + "u", "u" * 3000, "u+" * 1500 + "u",
    "tanh(" * 55 + "u" + ")" * 55, "__u", "u.__doc__", "exec('x=1')", "().__class__.__bases__[0]", "u\x00", "#", "u # h",
]  # fmt: skip
HOSTILE = [*DUNDERS, *CALLS, *OTHERS]


def test_there_are_a_hundred_hostile_expressions() -> None:
    assert len(set(HOSTILE)) >= 100


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_refused_readably(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("eval", "exec", "open", "compile"):
        original = getattr(__builtins__ if not isinstance(__builtins__, dict) else __import__("builtins"), name)
        if name == "compile":
            continue  # ast.parse compiles to a syntax tree, which executes nothing
        monkeypatch.setattr("builtins." + name, _forbidden if name != "open" else original)
    start = time.perf_counter()
    with pytest.raises(ExpressionError) as caught:
        check(text, ("u", "h"), "equation.rate")
    assert time.perf_counter() - start < 30  # milliseconds, but for what was let in; `make torture` measures
    shown = str(caught.value)
    assert "equation.rate" in shown and "allowed" in shown and "fix" in shown and len(shown) < 1500


def _forbidden(*_: object, **__: object) -> None:
    raise AssertionError("a user's text was executed")


@pytest.mark.parametrize("value", [None, 3, 1.5, True, ["u"], {"u": 1}, b"u"])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(ExpressionError):
        check(value, ("u",))


CORRECT = {
    "tanh(u)": lambda u, h: np.tanh(u),
    "0.1*u - h/3": lambda u, h: 0.1 * u - h / 3,
    "max(u, 0, h/2)": lambda u, h: max(u, 0, h / 2),
    "-u**2 + (u + h)**(1/2)": lambda u, h: -(u**2) + (u + h) ** 0.5,
    "u**-3": lambda u, h: u**-3.0,
    "abs(u - h)*sign(h)": lambda u, h: abs(u - h) * np.sign(h),
    "softplus(u) + sigmoid(h)": lambda u, h: np.log1p(np.exp(u)) + 1 / (1 + np.exp(-h)),
    "exp(-u)*cos(pi*h) + erf(u) - atan(h)": None,
    "2.5e-1*sinh(u)/cosh(h)": lambda u, h: 0.25 * np.sinh(u) / np.cosh(h),
}


@pytest.mark.parametrize("text", [t for t, f in CORRECT.items() if f])
def test_values_agree_with_numpy(text: str) -> None:
    expression = parse(text, NAMES)
    for u, h in ((0.3, 1.7), (2.0, 0.25)):
        assert float(expression.subs({U: u, H: h}).evalf(30)) == pytest.approx(CORRECT[text](u, h), rel=1e-13)


def test_numbers_are_exact() -> None:
    assert parse("0.1*u", NAMES) == sp.Rational(1, 10) * U
    assert parse("1/3 + 1/6", NAMES) == sp.Rational(1, 2)
    assert parse_rational("0.25") == Fraction(1, 4)
    assert parse_rational("-7/14") == Fraction(-1, 2)


@pytest.mark.parametrize("text", ["1/0", "a", "1//2", "0x1", "1e5", "", "1/2/3", 0.5, True, None, "٣", "9" * 100])
def test_what_is_no_exact_number_is_refused(text: object) -> None:
    with pytest.raises(ExpressionError):
        parse_rational(text)


def test_derivatives_of_the_own_functions() -> None:
    x = sp.Rational(7, 10)
    for text, derivative in (("softplus(u)", 1 / (1 + sp.exp(-x))), ("sigmoid(u)", sp.exp(-x) / (1 + sp.exp(-x)) ** 2)):
        assert abs(float((sp.diff(parse(text, NAMES), U).subs(U, x) - derivative).evalf(40))) < 1e-30


@given(st.text(alphabet="uh0123456789+-*/().,tanexpsqr _'\"[]{}:=<>", max_size=60))
def test_random_text_gives_an_expression_or_an_expression_error(text: str) -> None:
    try:
        parse(text, NAMES)
    except ExpressionError:
        pass


def test_checking_imports_no_sympy() -> None:
    code = "import sys; from derive.expression import check; check('tanh(u)', ('u',)); sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(("before", "after"), [("(", ")"), ("tanh(", ")"), ("(-", ")"), ("abs(", ")")])
def test_fifty_operations_may_be_nested(before: str, after: str) -> None:
    deepest = 50 if before in ("(", "tanh(", "abs(") else 25  # a sign is an operation, too
    assert parse(before * deepest + "u" + after * deepest, NAMES).has(U)
    with pytest.raises(ExpressionError, match="at most 50 nested operations"):
        parse(before * 51 + "u" + after * 51, NAMES)
