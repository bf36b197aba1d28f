"""Scalar expressions of the pointwise operations: canonical trees, the same for every SymPy, Python and hash seed.

Their numbers are exact, and arguments of a kernel: ``Constants`` says in which order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from derive.errors import GenerationError
from derive.exact import finite


@dataclass(frozen=True)
class Node:
    """One node of a scalar expression: ``head`` is a symbol's name, an operator or a function.

    head: "symbol", "constant", "add", "mul", "div", "where" or the name of a function; args: nodes;
    value: the symbol's name or the exact constant.
    """

    head: str
    args: tuple[Node, ...] = ()
    value: str | Fraction | None = None

    @cached_property
    def key(self) -> str:
        """A canonical text, the same for every SymPy, Python and hash seed."""
        if self.head in ("symbol", "constant"):
            return f"{self.value}"
        return f"{self.head}({','.join(a.key for a in self.args)})"


FUNCTIONS = {
    "tanh", "sinh", "cosh", "exp", "log", "sqrt", "sin", "cos", "tan", "atan", "erf",
    "Abs", "sign", "sigmoid", "softplus", "hypot", "floor", "Max", "Min",
}  # fmt: skip
# The smallest float64 with all its digits: its reciprocal is a number. Kernels of another precision have their own in
# its place, which is put there when constants are converted.
NORMAL = Fraction(1, 2**1022)
SMALLEST = Fraction(1, 10**400)  # an irrational number nearer to zero is none in any kernel, and has too many digits


def constant(value: Fraction | int) -> Node:
    return Node("constant", value=Fraction(value))


def _by_key(node: Node) -> str:
    return node.key


def total(terms: list[Node]) -> Node:
    return terms[0] if len(terms) == 1 else Node("add", tuple(sorted(terms, key=_by_key)))


def product(factors: list[Node]) -> Node:
    return factors[0] if len(factors) == 1 else Node("mul", tuple(sorted(factors, key=_by_key)))


def tree(expression: Any) -> Node:
    """The canonical tree of a SymPy expression; unknown heads raise GenerationError."""
    import sympy as sp

    e = expression
    if e.is_Symbol:
        return Node("symbol", value=e.name)
    if e.is_Rational:
        return constant(Fraction(int(e.p), int(e.q)))
    if e.is_NumberSymbol or (e.is_number and not e.free_symbols and not e.is_Function):
        # π, √2 …: rounded once, far beyond any precision that a kernel has
        number = sp.N(e, 60)
        if not number.is_extended_real:  # in a case that no real number comes to: not a number there either
            return Node("div", (constant(0), constant(0)))
        return constant(0 if abs(number) < SMALLEST else Fraction(str(number)))
    if e.is_Add:
        return total([tree(a) for a in e.args])
    if e.is_Mul:
        return _mul(e)
    if e.is_Pow:
        return _pow(e)
    if isinstance(e, sp.Piecewise):
        return _piecewise(e)
    name = type(e).__name__
    if name in ("over", "chain", "hypot"):
        return _guarded(e, name)
    if name in FUNCTIONS:
        args = [tree(a) for a in e.args]
        if name in ("Max", "Min"):
            args.sort(key=_by_key)
        return Node(name, tuple(args))
    raise GenerationError(
        f"the expression {e}",
        "sums, products, powers and " + ", ".join(sorted(FUNCTIONS)),
        f"no kernel can be printed for {name}",
        "rewrite the rate or the activation with the functions above",
    )


def _guarded(e: Any, name: str) -> Node:
    """What ``derive.exact.finite`` adds. ``over`` and ``chain`` are 0 where the denominator, or the first factor, is.

    NaN stays NaN; a denominator whose reciprocal is no number counts as 0, since compilers may multiply by it.
    """
    first, second = (tree(a) for a in e.args)
    if name == "hypot":
        return Node(name, (first, second, constant(NORMAL)))
    if name == "over":
        quotient = Node("div", (first, second))
        return quotient if finite.apart(e.args[1]) else _unless(second, constant(NORMAL), quotient)
    return _unless(Node("Abs", (first,)), constant(0), product([first, second]))


def _unless(small: Node, limit: Node, otherwise: Node) -> Node:
    return Node("where", (Node("<=", (small, limit)), constant(0), otherwise))


def _mul(e: Any) -> Node:
    numerator: list[Node] = []
    denominator: list[Node] = []
    coefficient = Fraction(1)
    for factor in e.args:
        if factor.is_Rational:
            coefficient *= Fraction(int(factor.p), int(factor.q))
        elif factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative:
            denominator.append(tree(factor.base ** (-factor.exp)))
        else:
            numerator.append(tree(factor))
    if coefficient != 1 or not numerator:
        numerator.append(constant(coefficient))
    top = product(numerator)
    return Node("div", (top, product(denominator))) if denominator else top


def _pow(e: Any) -> Node:
    import sympy as sp

    base, exponent = e.base, e.exp
    if exponent.is_Integer:
        n = int(exponent)
        power = Node("power", (tree(base), constant(abs(n)))) if abs(n) > 1 else tree(base)
        return power if n > 0 else Node("div", (constant(1), power))
    if exponent.is_Rational and int(exponent.q) == 2:
        root = Node("sqrt", (tree(base),))
        p = abs(int(exponent.p))
        power = Node("power", (root, constant(p))) if p > 1 else root
        return power if exponent.is_positive else Node("div", (constant(1), power))
    return tree(sp.exp(exponent * sp.log(base), evaluate=False))


def _piecewise(e: Any) -> Node:
    *cases, (last, condition) = list(e.args)
    if condition not in (True,) and str(condition) != "True":
        cases.append((last, condition))
        result = constant(0)
    else:
        result = tree(last)
    for value, relation in reversed(cases):
        left, right, head = relation.lhs, relation.rhs, relation.rel_op
        if head not in ("<", "<=", ">", ">="):
            raise GenerationError(f"the condition {relation}", "<, <=, >, >=", "a kink the printer cannot place",
                                  "write the activation with max, min or abs")  # fmt: skip
        result = Node("where", (Node(head, (tree(left), tree(right))), tree(value), result))
    return result


def walk(node: Node) -> Iterator[Node]:
    yield node
    for a in node.args:
        yield from walk(a)


def symbols(node: Node) -> set[str]:
    return {str(n.value) for n in walk(node) if n.head == "symbol"}


def substitute(node: Node, names: Mapping[str, Node]) -> Node:
    """The expression with other nodes in place of those that have a key."""
    if node.key in names:
        return names[node.key]
    return replace(node, args=tuple(substitute(a, names) for a in node.args))


# Constants that printers need themselves. One of the rate's that equals such a one shares its place among a kernel's
# constants, so that a kernel for it is another kernel.
PRINTERS_OWN = (Fraction(0), Fraction(1), Fraction(2), Fraction(1, 1024))


def text_without_values(node: Node, numbers: dict[Fraction, str]) -> str:
    if node.head == "constant":
        assert isinstance(node.value, Fraction)
        if node.value in PRINTERS_OWN:
            return f"{node.value}"
        return numbers.setdefault(node.value, f"c{len(numbers)}")
    if node.head == "symbol":
        return str(node.value)
    if node.head == "power":
        return f"power({text_without_values(node.args[0], numbers)},{node.args[1].value})"
    return f"{node.head}({','.join(text_without_values(a, numbers) for a in node.args)})"


def occurrences(expressions: Iterable[Node]) -> dict[str, int]:
    """How often each subexpression occurs, inside others that occur again only once."""
    counts: dict[str, int] = {}

    def count(node: Node) -> None:
        counts[node.key] = counts.get(node.key, 0) + 1
        if counts[node.key] == 1:
            for a in node.args:
                count(a)

    for e in expressions:
        count(e)
    return counts


@dataclass
class Constants:
    """The exact numbers of a kernel, in the order in which its ``constants`` argument holds them: 0 and 1 first."""

    values: list[Fraction] = field(default_factory=lambda: [Fraction(0), Fraction(1)])

    def name(self, value: Fraction) -> str:
        if value not in self.values:
            self.values.append(value)
        return f"c{self.values.index(value)}"

    def load(self, used: Iterable[str]) -> list[str]:
        """The lines that bring the used constants into registers, with their values for the reader."""
        lines = []
        for position, value in enumerate(self.values):
            if f"c{position}" in used:
                lines.append(f"c{position} = constants[{position}]  # {_readable(value)}")
        return lines


def _readable(value: Fraction) -> str:
    if value == NORMAL:
        return "the smallest normal number"
    return str(value) if value.denominator < 10**6 else f"{float(value):.17g}"
