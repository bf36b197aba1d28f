"""A million texts for the parser of users' expressions.

What must hold for every one: nothing of it is executed, imported, opened or written; it takes less than a second; and
the only exception is ExpressionError.
"""

from __future__ import annotations

import os
import random
import warnings
from pathlib import Path
from typing import Any

from derive.errors import ExpressionError
from tests.torture import escapes, known
from tests.torture.escapes import ESCAPES
from tests.torture.harness import Check, Outcome, Section, complaint, generator, shortened, watch

COUNT = 1_000_000
LIMIT = 1.0  # seconds

BOMBS = (
    "", " ", "\t", "\n", "\r", "\f", "\v", "\0", "u\0", "\0u", "u\0h", "u\nh", "u\rh", "u +\\\n h", "(u\n)", "u\n",
    "\nu",
    "u\t+\th", "u\f+ h", "\ufeffu", "u\ufeff", "u\u200b", "\u200eu", "\u202eu", "u\u00a0+\u00a0h", "u\u2028h",
    "u\u0085h",
    "\ud800", "u\udcff", "\udcff\udcfe", "u + \ud83d", "\U0010ffff", "\U0001f600", "ü", "u\u0308", "ｕ", "𝐮",
    "ｔanh(u)",
    "u−h", "u×h", "u÷h", "u·h", "u²", "½", "√u", "π", "∞", "∑u", "１", "٣", "u\u0661", "µ", "ſin(u)", "ﬁ", "tanh\u037e",
    "\x1b[2J", "\x1b]0;canary\x07", "\x08\x08u", "\x7f", "\x80", "\xff", "u\x1a", "\x00" * 2000,
    "(" * 49 + "u" + ")" * 49, "(" * 50 + "u" + ")" * 50, "(" * 51 + "u" + ")" * 51, "(" * 999 + "u" + ")" * 999,
    "(" * 1000, ")" * 1000, "[" * 1000, "{" * 1000, "(" * 100_000, "[" * 100_000 + "]" * 100_000, "(" * 10_000_000,
    "()" * 1000, "(u)" * 600, "(u)(h)" * 100, "u" + "(h)" * 600, "u" + "[0]" * 600, "u" + ".real" * 300,
    "-" * 50 + "u", "-" * 51 + "u", "-" * 1999 + "u", "- " * 900 + "u", "+-" * 900 + "u", "~" * 1000 + "u",
    "not " * 400 + "u", "--" * 20 + "u" + "*--u" * 200, "lambda:" * 250 + "u", "u if u else " * 150 + "u",
    "u+" * 999 + "u", "u-" * 999 + "u", "u*" * 999 + "u", "u/" * 999 + "u", "u/" * 49 + "u", "u**2**" * 300 + "u",
    "u**2*" * 49 + "u", "u**2+" * 250 + "u", "u<" * 900 + "u", "u and " * 300 + "u", "u," * 900, "u=" * 900 + "u",
    "+".join(f"{k}*u" for k in range(1, 250)), "*".join(["(u+h)"] * 49), "*".join(["(u+h)"] * 300),
    "/".join(["(u+h)"] * 49), "-".join(["tanh(u)"] * 200), "+".join(f"tanh({k}*u)" for k in range(1, 120)),
    "max(" + ",".join(["u"] * 900) + ")", "max(" + ",".join(f"u+{k}" for k in range(8)) + ")",
    "max(u," * 49 + "h" + ")" * 49, "max(u," * 50 + "h" + ")" * 50, "abs(" * 49 + "u" + ")" * 49,
    "max(h,-" * 24 + "u" + ")" * 24, "min(u,max(h," * 12 + "1" + "))" * 12, "abs(u-" * 24 + "h" + ")" * 24,
    "tanh(" * 49 + "u" + ")" * 49, "exp(" * 49 + "u" + ")" * 49, "sqrt(" * 49 + "u" + ")" * 49,
    "f(" * 49 + "u" + ")" * 49,
    "sigmoid(" * 49 + "u" + ")" * 49, "log(" * 49 + "2" + ")" * 49, "sin(" * 49 + "1" + ")" * 49,
    "sqrt(2)" + "+sqrt(3)" * 200, "*".join(f"sqrt({k})" for k in range(2, 45)),
    "+".join(f"sqrt({k})" for k in range(2, 180)), "sqrt(" + "*".join(["999999999989"] * 48) + ")",
    "+".join(f"1/{k}" for k in range(1, 300)),
    "9" * 12, "9" * 13, "9" * 40, "9" * 41, "9" * 1999, "9" * 2000, "9" * 2001, "9" * 5000, "9" * 1_000_000, "0" * 40,
    "0" * 1999, "0." + "9" * 38, "0." + "9" * 1990, "." + "0" * 38 + "1", "1e" + "9" * 100, "1e-" + "9" * 100,
    "0x" + "f" * 1990, "0b" + "1" * 1990, "1" + "_1" * 900, "u**" + "9" * 1000, "u**0." + "9" * 36,
    "u**(1/" + "9" * 12 + ")", "u" * 31, "u" * 1999, "u" * 2000, "u" * 2001, "u" * 1_000_000, "u" * 10_000_000,
    " " * 1999 + "u", " " * 100_000 + "u", "u" + " " * 1999, " +" * 900 + "u", "'" * 1999, '"' * 1999,
    "'" + "a" * 1990 + "'", "'''" * 600, "\\" * 1999, "#" * 1999, "\u00e9" * 1999, "\U0001f600" * 1999, "\ud800" * 1999,
    "_" * 1999, "." * 1999, "," * 1999, "*" * 1999, "**" * 51, "u**64*" * 40 + "u", "((u+h)**64)**64",
    "(" * 9 + "u" + "**64)" * 9, "(" * 49 + "u" + "**2)" * 49,
)  # fmt: skip

# Whether an infinity, an imaginary number or a number of a million digits comes out shows only when SymPy computes.
NOT_COMPARABLE = ("max(sqrt(-1), u)", "max(0**-1, u)", "min(log(0), h)", "max(log(-1), 1)", "max(tan(pi/2), u)",
                  "min(1, sqrt(-2)*2)", "max(u, (-1)**(1/3))")  # fmt: skip
POWERS = ("(((9**64)**64)**64)**64", "((((2**64)**64)**64)**64)*u", "u + (((9**64)**64)**64)**-64",
          "sqrt(((7**64)**64)**64 + 1)")  # fmt: skip
EXPONENTIALS = ("max(exp(exp(exp(99))), 1)", "sign(exp(exp(exp(99))) - exp(exp(exp(98))))",
                "abs(exp(exp(exp(99))) - u)",
                "sign(cosh(sinh(cosh(sinh(9)))) - 1)", "min(exp(exp(10**12)), exp(exp(10**12 - 1)))",
                "abs(sin(exp(exp(exp(9)))))")  # fmt: skip

LITERALS = (*ESCAPES, *BOMBS, *NOT_COMPARABLE, *POWERS, *EXPONENTIALS)

# --- random texts -------------------------------------------------------------------------------------------

FUNCTIONS = ("tanh", "sinh", "cosh", "exp", "log", "sqrt", "sin", "cos", "tan", "atan", "erf", "abs", "sign",
             "sigmoid", "softplus")  # fmt: skip
RATE = ("u", "h", "a", "Delta", "pi")
WIDTH = ("xi", "delta", "pi")
NUMBERS = ("0", "1", "2", "3", "7", "10", "0.5", "0.1", ".25", "1.", "1e3", "2.5e-3", "1e12", "1e-12", "999999999999",
           "0.3333333333333333", "64", "1000000")  # fmt: skip
EXPONENTS = ("2", "3", "4", "(1/2)", "-1", "-2", "(1/3)", "0", "0.5", "1", "-(1/2)", "7", "(3/2)",
             "64", "-64", "(1/64)")  # fmt: skip
SOUP = "uhaxi0123456789+-*/().,tnesqrcoplgm _ **()((uuhh"
RANGES = ((0x20, 0x7F), (0, 0x20), (0x80, 0x250), (0x300, 0x370), (0x370, 0x600), (0x2000, 0x2070), (0x2200, 0x2300),
          (0xD800, 0xE000), (0xFE00, 0xFFFF), (0x1F300, 0x1F700), (0, 0x110000))  # fmt: skip
FRAGMENTS = ("__", "__class__", ".", "(", ")", "()", "[0]", "**", "**-1", "'", '"', "lambda:", ":=", ",", "*", "/0",
             "1e",
             "\0", "\n", "\\", "#", "é", "if", " for ", "f'", "{", "}", "=", "<", "@", "%", "//", "1_0", "0x", "j",
             "\ud800",
             "open('canary','w')", "__import__('canary')", "exec", "9" * 41, "pi()", "max(", "*u", "-",
             "--")  # fmt: skip


def valid(random_: random.Random, names: tuple[str, ...], depth: int) -> str:
    """An expression of the grammar."""
    kind = random_.random()
    if depth == 0 or kind < 0.15:
        return random_.choice(names) if random_.random() < 0.6 else random_.choice(NUMBERS)

    def inner() -> str:
        return valid(random_, names, depth - 1)

    if kind < 0.5:
        space = random_.choice(("", "", " "))
        return f"{inner()}{space}{random_.choice('+-*/')}{space}{inner()}"
    if kind < 0.6:
        return f"({inner()})"
    if kind < 0.66:
        return f"-{inner()}"
    if kind < 0.74:
        return f"({inner()})**{random_.choice(EXPONENTS)}"
    if kind < 0.82:
        return f"{random_.choice(('max', 'min'))}({', '.join(inner() for _ in range(random_.choice((2, 2, 2, 3, 4))))})"
    function = "f" if "u" in names and random_.random() < 0.1 else random_.choice(FUNCTIONS)
    return f"{function}({inner()})"


def mutated(random_: random.Random, text: str) -> str:
    """A text after one to three small changes."""
    for _ in range(random_.choice((1, 1, 2, 3))):
        place, other = sorted((random_.randint(0, len(text)), random_.randint(0, len(text))))
        other = min(other, place + 8)
        change = random_.randrange(5)
        if change == 0:
            text = text[:place] + text[other:]
        elif change == 1:
            text = text[:place] + random_.choice(FRAGMENTS) + text[place:]
        elif change == 2:
            text = text[:place] + character(random_) + text[place + 1 :]
        elif change == 3:
            text = text[:place] + text[place:other] * 3 + text[other:]
        else:
            text = text[other:] + text[:place]
    return text


def character(random_: random.Random) -> str:
    """A character from somewhere in Unicode, surrogates included."""
    low, high = random_.choice(RANGES)
    return chr(random_.randrange(low, high))


def text_of(number: int) -> str:
    """The input of a case: the literal ones first, then random ones of five kinds."""
    if number < len(LITERALS):
        return LITERALS[number]
    random_ = generator("expressions", number)
    names = RATE if number % 2 else WIDTH
    kind = random_.random()
    if kind < 0.2:
        return "".join(character(random_) for _ in range(random_.choice((1, 3, 10, 40, 200))))
    if kind < 0.4:
        return "".join(random_.choice(SOUP) for _ in range(random_.choice((2, 5, 10, 20, 60))))
    if kind < 0.6:
        return valid(random_, names, random_.choice((2, 3, 3, 4)))
    if kind < 0.9:
        return mutated(random_, valid(random_, names, random_.choice((1, 2, 3))))
    return mutated(random_, random_.choice(LITERALS)[:4000])


# --- the check ----------------------------------------------------------------------------------------------


def prepare(folder: Path) -> Check:
    """Parses as a rate's text is parsed (odd numbers) and as that of a basis of one's own (even ones)."""
    import sympy as sp

    from derive.exact.enclosure import XI
    from derive.exact.expression import parse

    u, h = sp.symbols("u h", real=True)
    rate = {"u": u, "h": h, "a": sp.Rational(1, 2), "Delta": sp.Symbol("Delta", positive=True)}
    width = {"xi": XI, "delta": XI}
    functions = {"f": lambda argument: sp.tanh(argument)}

    def parsed(text: str, number: int) -> Any:
        return parse(text, rate, functions) if number % 2 else parse(text, width)

    for number in range(2):  # imports and first calls are no case's time
        parsed(" + ".join(f"{name}(1/3)" for name in FUNCTIONS) + " + max(1, pi) + sqrt(12)**(1/2)", number)

    def check(number: int) -> Outcome:
        text = text_of(number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of Python's own parser, about texts such as 1if
            # Literal ones are about u and h.
            seen = watch(lambda: parsed(text, 1 if number < len(LITERALS) else number), LIMIT)
        problem = complaint(seen, LIMIT, ExpressionError)
        left = os.listdir(folder)
        if left:
            problem = f"a file appeared: {left[0]}"
            for name in left:
                (folder / name).unlink()
        return Outcome(shortened(ascii(text[:160])), problem, seen.seconds)

    return check


SECTION = Section(
    "expressions",
    COUNT,
    prepare,
    (escapes.__file__, __file__),
    sample=known.sample(LITERALS, 4000),
    known=known.numbered(known.EXPRESSIONS, LITERALS),
)
