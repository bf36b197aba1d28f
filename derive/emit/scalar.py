"""Scalar expressions as straight-line code, with every exact number taken from a ``constants`` argument."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from derive.errors import GenerationError
from derive.program import Node

Lines = list[str]


def indent(lines: Lines, levels: int = 1) -> Lines:
    return ["    " * levels + line if line else line for line in lines]


def local(symbol: str) -> str:
    """The name of a symbol's value at one node and record; the arrays of a kernel are called h, too."""
    return f"{symbol}_q" if (symbol[0] in "uhvf" and symbol[1:].isdecimal()) or len(symbol) == 1 else symbol


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
    return str(value) if value.denominator < 10**6 else f"{float(value):.17g}"


@dataclass
class Scalar:
    """Straight-line code for scalar expressions: each distinct call or shared subexpression is computed once."""

    constants: Constants
    calls: dict[str, str]
    lines: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def print(self, expressions: tuple[Node, ...]) -> list[str]:
        """The texts of the expressions; ``lines`` then holds the assignments they rely on."""
        counts: dict[str, int] = {}
        for e in expressions:
            self._count(e, counts)
        return [self._text(e, counts) for e in expressions]

    def _count(self, node: Node, counts: dict[str, int]) -> None:
        key = node.key
        counts[key] = counts.get(key, 0) + 1
        if counts[key] == 1:
            for a in node.args:
                self._count(a, counts)

    def _assign(self, key: str, text: str) -> str:
        if text.isidentifier():
            self.names[key] = text
            return text
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        self.names[key] = name
        return name

    def _text(self, node: Node, counts: dict[str, int]) -> str:
        if node.head == "constant":
            assert isinstance(node.value, Fraction)
            name = self.constants.name(node.value)
            self.used.add(name)
            return name
        if node.head == "symbol":
            return local(str(node.value))
        key = node.key
        if key in self.names:
            return self.names[key]
        text = self._operation(node, counts)
        long = node.head in ("power", "softplus", "sigmoid", "hypot")
        shared = counts.get(key, 0) > 1 or long or node.head in self.calls
        return self._assign(key, text) if shared else f"({text})"

    def _operation(self, node: Node, counts: dict[str, int]) -> str:
        if node.head == "power":
            return self._power(node, counts)
        args = [self._text(a, counts) for a in node.args]
        if node.head == "add":
            return " + ".join(args)
        if node.head == "mul":
            return "*".join(args)
        if node.head == "div":
            return f"{args[0]}/{args[1]}"
        if node.head == "where":
            condition = f"{self._text(node.args[0].args[0], counts)} {node.args[0].head} " + self._text(
                node.args[0].args[1], counts
            )
            return f"{args[1]} if {condition} else {args[2]}"
        if node.head in ("<", "<=", ">", ">="):
            return f"{args[0]} {node.head} {args[1]}"
        if node.head in ("Max", "Min"):
            return self._extreme(node.head, args)
        if node.head in ("sigmoid", "softplus"):
            return self._stable(node.head, args[0])
        if node.head == "hypot":
            return self._hypot(*args)
        if node.head in self.calls:
            return f"{self.calls[node.head]}({args[0]})"
        raise GenerationError(f"the operation {node.head}", "the operations of derive.program",
                              "an expression that no emitter prints", "report it with the spec")  # fmt: skip

    def _power(self, node: Node, counts: dict[str, int]) -> str:
        exponent = node.args[1].value
        assert isinstance(exponent, Fraction)
        base = self._text(node.args[0], counts)
        if not base.isidentifier():
            base = self._assign(f"base:{node.args[0].key}", base)
        n = int(exponent)
        square = base
        result = ""
        while n:  # binary powering: x⁸ costs three products
            if n & 1:
                result = f"{result}*{square}" if result else square
            n >>= 1
            if n:
                key = f"square:{square}"
                square = self.names.get(key) or self._assign(key, f"{square}*{square}")
        return result

    def _extreme(self, head: str, args: list[str]) -> str:
        relation = ">" if head == "Max" else "<"
        text = args[0]
        for other in args[1:]:
            left = text if text.isidentifier() else self._assign(f"extreme:{text}", text)
            text = f"{left} if {left} {relation} {other} else {other}"
        return text

    def _stable(self, head: str, argument: str) -> str:
        """sigmoid and softplus without overflow."""
        x = argument if argument.isidentifier() else self._assign(f"argument:{argument}", argument)
        one = self.constants.name(Fraction(1))
        zero = self.constants.name(Fraction(0))
        self.used |= {one, zero}
        exp, log = self.calls["exp"], self.calls["log1p"]
        if head == "sigmoid":
            return f"{one}/({one} + {exp}(-{x}))"
        return f"({x} if {x} > {zero} else {zero}) + {log}({exp}(-{self.calls['Abs']}({x})))"

    def _hypot(self, first: str, second: str, normal: str) -> str:
        """√(a² + b²) = m √(1 + (n/m)²), m the larger of |a| and |b|, n the smaller: no square overflows or vanishes.

        Of numbers below ``normal`` it is m.
        """
        one = self.constants.name(Fraction(1))
        self.used.add(one)
        a, b = (self._assign(f"size:{x}", f"{self.calls['Abs']}({x})") for x in (first, second))
        large = self._assign(f"larger:{a},{b}", f"{a} if {a} > {b} else {b}")
        small = self._assign(f"smaller:{a},{b}", f"{b} if {a} > {b} else {a}")
        below = self._assign(f"below:{a},{b}", f"{large} if {large} > {normal} else {one}")
        ratio = self._assign(f"ratio:{a},{b}", f"{small}/{below}")
        return f"{large}*{self.calls['sqrt']}({one} + {ratio}*{ratio})"
