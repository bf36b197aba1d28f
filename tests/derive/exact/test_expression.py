"""The grammar of users' expressions: what it reads is exact, and nothing outside it is ever executed."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from derive.errors import ExpressionError
from derive.exact.expression import Written, check, parse, parse_rational

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
    assert parse_rational("1e-06") == Fraction(1, 10**6) and parse_rational(" -2.5E+1") == -25
    assert parse_rational(0.1) == Fraction(1, 10) and parse_rational(-2.5e-7) == Fraction(-1, 4_000_000)
    assert parse_rational(np.float64(0.1)) == Fraction(1, 10)
    digits = "0.12345678901234567890123"
    assert parse_rational(tomllib.loads(f"a = {digits}", parse_float=Written)["a"]) == Fraction(digits)


@pytest.mark.parametrize("text", ["1/0", "a", "1//2", "0x1", "", "1/2/3", float("nan"), 1e13, True, None, "٣", "9" * 100])
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
    code = "import sys; from derive.exact.expression import check; check('tanh(u)', ('u',)); sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(("before", "after"), [("(", ")"), ("tanh(", ")"), ("(-", ")"), ("abs(", ")")])
def test_fifty_operations_may_be_nested(before: str, after: str) -> None:
    deepest = 50 if before in ("(", "tanh(", "abs(") else 25  # a sign is an operation, too
    assert parse(before * deepest + "u" + after * deepest, NAMES).has(U)
    with pytest.raises(ExpressionError, match="at most 50 nested operations"):
        parse(before * 51 + "u" + after * 51, NAMES)


@pytest.mark.first(2)
@pytest.mark.parametrize("term", ["u", "u**2", "tanh(u)", "h*u"])
def test_terms_that_stand_side_by_side_are_not_nested(term: str) -> None:
    """As many as two thousand characters hold; a sum of n terms is a tree of depth n in Python's syntax."""
    count = 2000 // (len(term) + 1)
    value = NAMES["u"] * 0 + parse(term, NAMES)
    assert parse("+".join([term] * count), NAMES) == count * value
    assert parse("-".join([term] * 60), NAMES) == -58 * value
    assert parse("*".join([f"({term})"] * 60), NAMES) == value**60
    assert parse("u/" + "/".join(["2"] * 60), NAMES) == U / 2**60
    assert parse("u" + " " * 100 + "+ h", NAMES) == U + H


@pytest.mark.first(3)
@pytest.mark.parametrize(
    "text", ["()" * 900, "u" + "()" * 900, "1/(1-1" + "+1-1" * 480 + ")", "u" + ".a" * 900, "1/(u-u" + "+u-u" * 480 + ")",
             "u" + "[0]" * 600, "-".join(["1e12"] * 330) + "**9", "u<" * 900 + "u", "u**" * 600 + "2", "f(" * 49 + "u/0" + ")" * 49],
)  # fmt: skip
def test_long_text_is_refused_in_words(text: str) -> None:
    """Its tree is deep without any parentheses within one another."""
    with pytest.raises(ExpressionError):
        check(text, ("u", "h"), "", ("f",))


NOWHERE = [
    "tanh(u)/0", "1/(h-h)", "u/(u - u)", "tanh(u)/(1-1)", "0/(h-h)", "(h-h)**-1", "log(h-h)", "log(-1-u**2)",
    "sqrt(-1 - u**2)", "max(u, 1/(h-h))", "1/(sin(u)**2 + cos(u)**2 - 1)", "u/(a-a)", "u/z", "log(z)*u", "f(u)/(f(h)-f(h))",
    "1/(u*0)", "1/tanh(h - h)", "(u+h)/((u+h)**2 - u**2 - 2*u*h - h**2)",
]  # fmt: skip


@pytest.mark.parametrize("text", NOWHERE)
def test_what_has_a_value_nowhere_is_refused_before_anything_is_derived(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check(text, ("u", "h", "a", "z"), "equation.rate", ("f",), {"z": Fraction(0)})
    assert "equation.rate" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["1/(h-u)", "log(u - 1/2)", "sqrt(u - 20)", "1/(u**2 - 1)", "1/(u - h + 1/1000000)", "log(1 - 1000000*u**2)",
             "exp(exp(u))", "sqrt(u)*sqrt(h)", "1/z", "1/f(u)", "(u - h)**-1", "u/(exp(u) - 1)", "0*u"],
)  # fmt: skip
def test_what_has_a_value_somewhere_is_not_refused(text: str) -> None:
    check(text, ("u", "h", "z"), "", ("f",), {"z": Fraction(1, 3)})


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("h^2", "h**2"), ("np.tanh(u)", "write tanh"), ("torch.nn.functional.softplus(u)", "write softplus"),
        ("Tanh(u)", "write tanh"), ("ln(h)", "write log"), ("arctan(u)", "write atan"), ("relu(u)", "write max(u, 0)"),
        ("leaky_relu(u)", "max(u, u/100)"), ("LeakyReLU(u)", "max(u, u/100)"), ("U*h", "write u"), ("H", "write h"),
        ("u(1 - h)", "write u*(…)"), ("tanh", "write tanh(u)"), ("e**u", "exp(u)"), ("u²−h", "write u**2-h"),
        ("math.pi*u", "write pi"), ("u if h else 1", "max(u, 0)"), ("u // h", "divide by /"), ("sigmod(u)", "write sigmoid"),
    ],
)  # fmt: skip
def test_what_others_write_is_told_in_our_words(text: str, fix: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check(text, ("u", "h"))
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("value", "fix"), [("1e-3/2", '"1/2"'), ("1e13", "scale"), (1e99, "scale"), (10**13, "scale"), ("1e-300", '"0.25"'), ("1e", '"0.25"'), ("1/0", '"1/2"')]
)
def test_a_number_that_is_not_exact_is_told_how_to_be(value: object, fix: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_rational(value)
    assert fix in caught.value.fix and "quotes" not in caught.value.fix
