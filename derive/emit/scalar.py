"""Scalar expressions as straight-line code, with every exact number taken from a ``constants`` argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from derive.errors import GenerationError
from derive.program.scalar import Constants, Node, occurrences

Lines = list[str]


def indent(lines: Lines, levels: int = 1) -> Lines:
    return ["    " * levels + line if line else line for line in lines]


def local(symbol: str) -> str:
    """The name of a symbol's value at one node and record; the arrays of a kernel are called h, too."""
    return f"{symbol}_q" if (symbol[0] in "uhvf" and symbol[1:].isdecimal()) or len(symbol) == 1 else symbol


INFIX = {"add": " + ", "mul": "*", "div": "/"} | {head: f" {head} " for head in ("<", "<=", ">", ">=")}

# Functions that targets lack: without overflow, and NaN stays NaN.
STABLE = {
    "sigmoid": "{one}/({one} + {exp}(-{x}))",
    "softplus": "({x} if {x} > {zero} else {zero}) + {log1p}({exp}(-{Abs}({x})))",
    "sign": "{one} if {x} > {zero} else (-{one} if {x} < {zero} else {x})",
}


@dataclass
class Scalar:
    """Straight-line code for scalar expressions: each distinct call or shared subexpression is computed once."""

    constants: Constants
    calls: Mapping[str, str]
    lines: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def print(self, expressions: tuple[Node, ...]) -> list[str]:
        """The texts of the expressions; ``lines`` then holds the assignments they rely on."""
        counts = occurrences(expressions)
        return [self._text(e, counts) for e in expressions]

    def _assign(self, key: str, text: str) -> str:
        if not text.isidentifier():
            self.lines.append(f"t{len(self.lines)} = {text}")
            text = f"t{len(self.lines) - 1}"
        self.names[key] = text
        return text

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
        if node.head in INFIX:
            return INFIX[node.head].join(args)
        if node.head == "where":
            left, right = (self._text(a, counts) for a in node.args[0].args)
            return f"{args[1]} if {left} {node.args[0].head} {right} else {args[2]}"
        if node.head in ("Max", "Min"):
            return self._extreme(node.head, args)
        if node.head == "hypot":
            return self._hypot(*args)
        if node.head in self.calls:
            return f"{self.calls[node.head]}({args[0]})"
        if node.head in STABLE:
            return self._stable(node.head, args[0])
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
        x = argument if argument.isidentifier() else self._assign(f"argument:{argument}", argument)
        zero, one = self.constants.name(Fraction(0)), self.constants.name(Fraction(1))
        self.used |= {zero, one}
        return STABLE[head].format(x=x, zero=zero, one=one, **self.calls)

    def _hypot(self, first: str, second: str, normal: str) -> str:
        """√(a² + b²) = m √(1 + (n/m)²), m the larger of |a| and |b|, n the smaller; m if below ``normal``."""
        one = self.constants.name(Fraction(1))
        self.used.add(one)
        a, b = (self._assign(f"size:{x}", f"{self.calls['Abs']}({x})") for x in (first, second))
        large = self._assign(f"larger:{a},{b}", f"{a} if {a} > {b} else {b}")
        small = self._assign(f"smaller:{a},{b}", f"{b} if {a} > {b} else {a}")
        below = self._assign(f"below:{a},{b}", f"{large} if {large} > {normal} else {one}")
        ratio = self._assign(f"ratio:{a},{b}", f"{small}/{below}")
        return f"{large}*{self.calls['sqrt']}({one} + {ratio}*{ratio})"
