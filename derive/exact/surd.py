"""Exact numbers a + b √d: what the entries of an implicit tableau are made of. Needs neither SymPy nor flint."""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from math import isqrt
from typing import Any

from derive.errors import ExpressionError

LONGEST = 200  # characters of a written number
LARGEST_RADICAND = 10**6
DIGITS = 10**60  # of √d in the conversion to a double: one rounding, far beyond its precision


class Surd:
    """a + b √d with rational a, b and a whole d that no square divides; b is not zero (then it is a Fraction).

    Two numbers with different d cannot be combined: ValueError.
    """

    __slots__ = ("a", "b", "d")

    def __init__(self, a: Fraction, b: Fraction, d: int) -> None:
        self.a, self.b, self.d = a, b, d

    def _parts(self, other: Any) -> tuple[Fraction, Fraction] | None:
        if isinstance(other, Surd):
            if other.d != self.d:
                raise ValueError(f"√{self.d} and √{other.d} in one number")
            return other.a, other.b
        return (Fraction(other), Fraction(0)) if isinstance(other, int | Fraction) else None

    def __add__(self, other: Any) -> Any:
        parts = self._parts(other)
        return NotImplemented if parts is None else _number(self.a + parts[0], self.b + parts[1], self.d)

    def __mul__(self, other: Any) -> Any:
        parts = self._parts(other)
        if parts is None:
            return NotImplemented
        a, b = parts
        return _number(self.a * a + self.b * b * self.d, self.a * b + self.b * a, self.d)

    def reciprocal(self) -> Any:
        """1/self; a² − b² d is not zero, since √d is irrational."""
        norm = self.a**2 - self.b**2 * self.d
        return _number(self.a / norm, -self.b / norm, self.d)

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, Surd):
            return self * other.reciprocal()
        return self * (1 / Fraction(other)) if isinstance(other, int | Fraction) else NotImplemented

    def __rtruediv__(self, other: Any) -> Any:
        return self.reciprocal() * other

    def __pow__(self, power: int) -> Any:
        result: Any = Fraction(1)
        for _ in range(power):
            result = self * result
        return result

    def __neg__(self) -> Surd:
        return Surd(-self.a, -self.b, self.d)

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    __radd__, __rmul__ = __add__, __mul__

    def positive(self) -> bool:
        """Whether it is greater than zero, decided exactly."""
        square = self.b**2 * self.d
        if self.b > 0:
            return self.a >= 0 or self.a**2 < square
        return self.a > 0 and self.a**2 > square

    def __abs__(self) -> Surd:
        return self if self.positive() else -self

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Surd) and (self.a, self.b, self.d) == (other.a, other.b, other.d)

    def __hash__(self) -> int:
        return hash((self.a, self.b, self.d))

    def __gt__(self, other: Any) -> bool:
        difference = self - other
        return difference.positive() if isinstance(difference, Surd) else bool(difference > 0)

    def __lt__(self, other: Any) -> bool:
        return (-self).__gt__(-other)

    def __ge__(self, other: Any) -> bool:
        return self == other or self.__gt__(other)

    def __le__(self, other: Any) -> bool:
        return self == other or self.__lt__(other)

    def __float__(self) -> float:
        # a and b √d may nearly cancel: the relative precision of what is left decides
        digits = DIGITS
        while True:
            root = Fraction(isqrt(self.d * digits**2), digits)
            value = self.a + self.b * root
            if abs(value) * digits > abs(self.b) * 10**40:
                return float(value)
            digits *= DIGITS

    def __str__(self) -> str:
        size = abs(self.b)
        root = f"sqrt({self.d})" if size.numerator == 1 else f"{size.numerator}*sqrt({self.d})"
        root += "" if size.denominator == 1 else f"/{size.denominator}"
        if not self.a:
            return root if self.b > 0 else f"-{root}"
        return f"{self.a} {'+' if self.b > 0 else '-'} {root}"

    def __repr__(self) -> str:
        return f"Surd({self})"


Exact = Fraction | Surd


def _number(a: Fraction, b: Fraction, d: int) -> Exact:
    return Surd(a, b, d) if b else a


def root(d: int) -> Exact:
    """√d for a whole d ≥ 0."""
    factor = 1
    for p in range(2, isqrt(d) + 1):
        while d % (p * p) == 0:
            d //= p * p
            factor *= p
    return Fraction(factor * d) if d < 2 else Surd(Fraction(0), Fraction(factor), d)


def parse(text: str) -> Exact:
    """ "1/2", "1 - sqrt(2)/2", "1/4 - 1/6*sqrt(3)": whole numbers, + − * /, brackets and square roots of whole numbers.

    Raises ExpressionError.
    """
    if len(text) > LONGEST or not re.fullmatch(r"[0-9+\-*/() sqrt]*", text):
        raise _refused(text)
    try:
        found: Exact = _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        raise _refused(text) from None
    return found


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=int(number)):
            return Fraction(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left) + _value(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _value(left) - _value(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _value(left) * _value(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _value(left) / _value(right)
        case ast.Call(func=ast.Name(id="sqrt"), args=[ast.Constant(value=int(number))], keywords=[]):
            if number <= LARGEST_RADICAND:
                return root(number)
    raise ValueError


def _refused(text: str) -> ExpressionError:
    return ExpressionError(
        f"{text[:60]!r}",
        'an exact number such as "1/2" or "1 - sqrt(2)/2"; roots of one whole number only, at most a million',
        "a decimal point, a letter, two different roots or a division by zero",
        'write 0.5 as "1/2"',
    )
