"""The functions of compiled kernels: their errors, against exact enclosures and 50 digits, and their machine code."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import flint
import mpmath
import numba
import numpy as np
import pytest

from numerics.kernels import compile, functions
from numerics.kernels.functions import BOUNDS, FLOAT32, FLOAT64, Precision
from numerics.kernels.words import meant
from tests.builders import ROOT

pytestmark = [pytest.mark.compiled, pytest.mark.first(4)]

NAMES = tuple(BOUNDS)
PRECISIONS = {"float64": FLOAT64, "float32": FLOAT32}
OTHER_NAMES = {"arctan": "atan"}  # elsewhere
EVERY = pytest.mark.parametrize("name", NAMES)
BOTH = pytest.mark.parametrize("precision", PRECISIONS)
TEXT = "def loop(values, out):\n    for i in range(values.size):\n        out[i] = {}\n"


@cache
def compiled(expression: str) -> Any:
    """values → out in one loop, compiled as kernels are, but for the cache: what that gives back has no assembly."""
    space: dict[str, Any] = {"np": np}
    exec(TEXT.format(expression), space)
    return numba.njit(nogil=True, error_model="numpy", fastmath=compile.FASTMATH)(meant(space["loop"]))


def values(expression: str, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    compiled(expression)(x, out)
    return out


def of(name: str, x: Sequence[float] | np.ndarray, kind: Any) -> np.ndarray:
    return values(f"np.{name}(values[i])", np.array(x, kind))


def arguments(p: Precision) -> np.ndarray:
    """Of every size and both signs, and dense where functions bend, turn or end."""
    generator, kind = np.random.default_rng(0), np.finfo(p.real)
    sizes = np.exp(generator.uniform(np.log(float(kind.tiny)), np.log(float(kind.max)), 1500))
    usual = np.exp(generator.uniform(np.log(1e-4), np.log(1e4), 1500))
    turns = np.arange(1, 1200) * np.pi / 2
    exponents = np.arange(1, 1200) * np.log(2) / 2
    ends = np.linspace(p.largest - 2, p.largest + 1, 301)
    near, far = np.linspace(0, 1, 1501), np.linspace(1, 12, 1501)
    parts = sizes, usual, turns, exponents, ends, near, far, [0, kind.tiny, kind.max]
    x = np.concatenate([np.asarray(part, p.real) for part in parts])
    return np.concatenate([x, -x])


def domain(name: str, x: np.ndarray) -> np.ndarray:
    return x[{"log": x > 0, "log1p": x > -1}.get(name, np.full(len(x), True))]


def truth(name: str, x: float, p: Precision) -> Any:
    """f(x) as a number of 160 bits and more, by Arb's interval arithmetic; None where it is beyond all numbers."""
    if name in ("exp", "sinh", "cosh") and abs(x) > 2 * p.largest:
        return flint.arb(0) if name == "exp" and x < 0 else None
    flint.ctx.prec = 200 + (max(0, int(np.log2(abs(x)))) if x and name in ("sin", "cos", "tan") else 0)
    found = getattr(flint.arb, OTHER_NAMES.get(name, name))(flint.arb(x))
    return None if abs(found) > float(np.finfo(p.real).max) else found.mid()


def error(found: float, exact: Any) -> float:
    return float(abs(flint.arb(found) - exact).mid())


def allowed(name: str, x: float, exact: float, p: Precision) -> float | None:
    """What BOUNDS and the text above them say; None where that is nothing."""
    size, ε = abs(exact), float(np.finfo(p.real).eps)
    if name in ("sin", "cos", "tan") and abs(x) > 2.0 ** (p.mantissa // 2):
        return None if name == "tan" else min(4 * ε * abs(x), 2.0)
    least = 2.0 ** (2 - p.bias)
    return BOUNDS[name] * ε * size if size >= least else least


@BOTH
@EVERY
def test_errors_stay_within_the_bounds(name: str, precision: str) -> None:
    p = PRECISIONS[precision]
    x = domain(name, arguments(p))
    measured = 0
    for at, found in zip(x.tolist(), of(name, x, p.real).tolist()):
        exact = truth(name, at, p)
        if exact is None or (name in ("sinh", "cosh") and np.isinf(found)):
            assert np.isinf(found) and found * np.sign(at) ** (name == "sinh") > 0, (at, found)
            assert name not in ("sinh", "cosh") or np.isinf(of("exp", [abs(at)], p.real)[0]), at
            continue
        limit = allowed(name, at, float(exact), p)
        assert limit is None or error(found, exact) <= limit, (at, found, exact)
        measured += limit is not None
    assert measured > 5000


@EVERY
def test_bounds_are_no_larger_than_three_times_what_is_found(name: str) -> None:
    """So that they say something."""
    worst = 0.0
    for p in PRECISIONS.values():
        x = domain(name, np.concatenate([np.linspace(-40, 40, 2001), np.linspace(-3, 3, 2001)]).astype(p.real))
        for at, found in zip(x.tolist(), of(name, x, p.real).tolist()):
            exact = truth(name, at, p)
            if at and abs(float(exact)) > 1e-3:
                worst = max(worst, error(found, exact) / (float(np.finfo(p.real).eps) * abs(float(exact))))
    assert BOUNDS[name] / 3 <= worst <= BOUNDS[name]


@BOTH
@EVERY
def test_a_sample_at_fifty_digits(name: str, precision: str) -> None:
    """The same against mpmath, which shares nothing with the oracle above."""
    p = PRECISIONS[precision]
    sample = np.random.default_rng(1).uniform(-20, 20, 60)
    x = domain(name, np.concatenate([sample, sample / 1000]).astype(p.real))
    ε, function = float(np.finfo(p.real).eps), getattr(mpmath, OTHER_NAMES.get(name, name))
    with mpmath.workdps(50):
        for at, found in zip(x.tolist(), of(name, x, p.real).tolist()):
            exact = function(mpmath.mpf(at))
            assert abs(found - exact) <= BOUNDS[name] * ε * abs(exact), (at, found, exact)


NAN, INF = float("nan"), float("inf")
ENDS: dict[str, tuple[float, float, float]] = {  # at −∞, 0 and ∞
    "exp": (0, 1, INF), "log": (NAN, -INF, INF), "log1p": (NAN, 0, INF), "tanh": (-1, 0, 1), "sinh": (-INF, 0, INF),
    "cosh": (INF, 1, INF), "sin": (NAN, 0, NAN), "cos": (NAN, 1, NAN), "tan": (NAN, 0, NAN),
    "arctan": (-np.pi / 2, 0, np.pi / 2), "erf": (-1, 0, 1),
}  # fmt: skip


@BOTH
@EVERY
def test_zero_infinity_and_what_is_no_number(name: str, precision: str) -> None:
    kind = PRECISIONS[precision].real
    found = of(name, [-INF, 0, INF], kind)
    assert np.array_equal(found, np.array(ENDS[name], kind), equal_nan=True)
    assert np.isnan(of(name, [NAN], kind)).all()
    assert name not in ("log", "log1p") or np.isnan(of(name, [-1.5], kind)).all()
    assert name != "log1p" or of(name, [-1], kind)[0] == -INF


@BOTH
@EVERY
def test_subnormal_numbers(name: str, precision: str) -> None:
    kind = PRECISIONS[precision].real
    tiny = np.finfo(kind).tiny / kind(8)
    (found,) = of(name, [tiny], kind)
    if name == "log":
        assert abs(found - np.log(float(tiny))) <= 1e-6 * abs(found)
    else:
        assert abs(found - (1 if name in ("exp", "cos", "cosh") else 0)) <= 2 * np.finfo(kind).tiny


@BOTH
@pytest.mark.parametrize("name", ["tanh", "erf", "sin", "cos"])
def test_ranges(name: str, precision: str) -> None:
    p = PRECISIONS[precision]
    largest = np.abs(of(name, arguments(p), p.real)).max()
    assert 1 - 1e-6 < largest <= 1 + np.finfo(p.real).eps


@BOTH
@pytest.mark.parametrize("name", ["sinh", "arctan", "erf"])
def test_odd_functions_are_odd_to_the_last_bit(name: str, precision: str) -> None:
    p = PRECISIONS[precision]
    x = arguments(p)
    assert np.array_equal(of(name, x, p.real), -of(name, -x, p.real))


@BOTH
def test_where_functions_are_flat_they_are_exactly_flat(precision: str) -> None:
    """What ``chain`` in a rate's derivatives relies on: a factor that vanishes is 0, whatever is beside it."""
    kind = PRECISIONS[precision].real
    far = np.concatenate([np.linspace(20, 100, 81), [1e4, 1e30]]).astype(kind)
    for x in (far, -far):
        assert np.array_equal(of("tanh", x, kind), np.sign(x)) and np.array_equal(of("erf", x, kind), np.sign(x))
    assert np.array_equal(of("exp", -50 * far, kind), np.zeros(len(far), kind))


@BOTH
@EVERY
def test_machine_code_is_vector_code(name: str, precision: str) -> None:
    """No call inside, and packed instructions."""
    of(name, [1], PRECISIONS[precision].real)
    loop = compiled(f"np.{name}(values[i])")
    assembly = next(text for types, text in loop.inspect_asm().items() if types[0].dtype.name == precision)
    (body,) = re.findall(r"^_ZN\S*loop\S*:\n(.*?)^\.Lfunc_end", assembly, re.MULTILINE | re.DOTALL)[:1]
    packed = {"float64": r"v?(mul|fn?madd\d*)pd|fm(ul|la)\S*\s+v\d+\.2d",
              "float32": r"v?(mul|fn?madd\d*)ps|fm(ul|la)\S*\s+v\d+\.4s"}[precision]  # fmt: skip
    assert re.search(packed, body)
    assert not re.search(rf"(call|bl)\w*\s.*\b{OTHER_NAMES.get(name, name)}f?\b", assembly)
    assert not re.search(r"^\s+(call\w*|blr?)\s", body, re.MULTILINE)


@pytest.mark.slow
def test_the_coefficients_are_those_that_the_script_fits() -> None:
    path = ROOT / "benchmarks" / "function_forms.py"
    found = importlib.util.spec_from_file_location("function_forms", path)
    assert found and found.loader
    script = importlib.util.module_from_spec(found)
    sys.modules["function_forms"] = script
    found.loader.exec_module(script)
    for name, target in script.TARGETS.items():
        for precision in target.degrees:
            assert getattr(PRECISIONS[precision], name) == script.coefficients(name, precision)[1], (name, precision)


def test_without_compilation_the_words_are_numpys() -> None:
    for name, function in functions.FUNCTIONS.items():
        expected = mpmath.erf(0.3) if name == "erf" else getattr(np, name)(0.3)
        assert function(0.3) == pytest.approx(float(expected), rel=1e-15)
