"""Formulas as Unicode text, in an order of our own: the same characters from every version of SymPy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from derive.exact.surd import Exact
from derive.program.scalar import Node

GREEK = {
    "xi": "ξ", "delta": "δ", "Delta": "Δ", "lambda": "λ", "eta": "η", "Omega": "Ω", "beta": "β", "nu": "ν", "rho": "ρ",
    "epsilon": "ε", "mu": "μ",
}  # fmt: skip
INDEXED = {"lambda_next": "λₙ₊₁", "lambda_n": "λₙ", "h_n": "hₙ", "zk": "z_k", "tk": "t_k"}
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
POWERS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
OPERATORS = ("∫", "∂", "Σ")
RELATIONS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "="}


@dataclass(frozen=True)
class Text:
    """A formula with its sign taken off; binding: 0 a sum, 1 a product or an integral, 2 what needs no brackets."""

    text: str
    binding: int = 2
    negative: bool = False

    @property
    def signed(self) -> str:
        return f"−{self.text}" if self.negative else self.text

    def inside(self, binding: int) -> str:
        """The signed text, in brackets where it binds less."""
        return f"({self.signed})" if self.negative or self.binding < binding else self.text


def formula(expression: Any) -> str:
    """A SymPy expression, or a node of a program's scalar expressions, as text."""
    return (_node(expression) if isinstance(expression, Node) else _sympy(expression)).signed


def number(value: Exact) -> str:
    """An exact number: −1/2, 1/4 − √3/6."""
    return re.sub(r"\*?sqrt\((\d+)\)", r"√\1", str(value)).replace("-", "−")


def polynomial(coefficients: Sequence[Exact], symbol: str = "z", written: Callable[[Exact], str] = number) -> str:
    """Σ_k c_k z^k, lowest power first."""
    text = ""
    for k, c in enumerate(coefficients):
        if not c:
            continue
        power = symbol + str(k).translate(POWERS) * (k > 1) if k else ""
        sign = "−" if c < 0 else "+"
        size = -c if c < 0 else c
        if size == 1:
            term = power or "1"
        elif isinstance(size, Fraction) and size.numerator == 1 and power:
            term = f"{power}/{size.denominator}"
        else:
            term = f"({written(size)}) {power}".strip() if power else written(size)
        text += f" {sign} {term}" if text else term if sign == "+" else f"−{term}"
    return text or "0"


def quotient(polynomials: tuple[Sequence[Exact], Sequence[Exact]], written: Callable[[Exact], str] = number) -> str:
    """A polynomial over another one; the denominator 1 is left out."""
    above, below = (polynomial(p, written=written) for p in polynomials)
    return above if below == "1" else f"({above})/({below})"


def name(symbol: str) -> str:
    """ξ′ for xi', ρ_u for rho_u, μ₁ for mu1."""
    if symbol in INDEXED:
        return INDEXED[symbol]
    stem = symbol.rstrip("'")
    head, *tail = stem.split("_", 1)
    letters = head.rstrip("0123456789")
    text = GREEK.get(letters, letters) + head[len(letters) :].translate(SUBSCRIPTS)
    return "_".join([text, *tail]) + "′" * (len(symbol) - len(stem))


# --- arithmetic ---------------------------------------------------------------------------------------------


def _constant(value: Fraction) -> Text:
    if 0 < abs(value) < Fraction(1, 10**9):
        return Text(f"{float(abs(value)):.3g}".replace("e-", "·10^−"), 1, value < 0)
    if value.denominator > 10**9:  # a rounded irrational number
        return Text(f"{float(abs(value)):.9f}…", 2, value < 0)
    return Text(str(abs(value)), 2 if value.denominator == 1 else 1, value < 0)


def _sum(terms: Iterable[Text]) -> Text:
    first, *rest = sorted(terms, key=lambda t: (t.negative, t.text.swapcase()))
    text = first.signed
    for t in rest:
        bracketed = f"({t.text})" if t.negative and t.binding == 0 else t.text
        text += f" − {bracketed}" if t.negative else f" + {bracketed}"
    return Text(text, 0)


def _product(coefficient: Fraction, above: list[Text], below: list[Text]) -> Text:
    negative = (coefficient < 0) ^ (sum(t.negative for t in above + below) % 2 == 1)
    above, below = ([Text(t.text, t.binding) for t in side] for side in (above, below))
    above.sort(key=lambda t: (t.text.startswith(OPERATORS), t.binding == 0 or "(" in t.text, t.text))
    top = [t.inside(1) for t in above]
    if abs(coefficient.numerator) != 1 or not top:
        top.insert(0, str(abs(coefficient.numerator)))
    bottom = [t.inside(2) for t in sorted(below, key=lambda t: t.text)]
    if coefficient.denominator != 1:
        bottom.insert(0, str(coefficient.denominator))
    if not bottom:
        return Text(" ".join(top), above[0].binding if len(top) == 1 and above else 1, negative)
    numerator = f"({' '.join(top)})" if any(t.text.startswith(OPERATORS) for t in above) else " ".join(top)
    return Text(f"{numerator}/{bottom[0] if len(bottom) == 1 else '(' + ' '.join(bottom) + ')'}", 1, negative)


def _power(base: Text, exponent: Fraction) -> Text:
    if exponent == Fraction(1, 2):
        return Text(f"√{base.inside(2)}")
    digits = str(exponent).translate(POWERS)
    return Text(base.inside(2) + (digits if exponent.denominator == 1 else f"^({exponent})"))


def _call(function: str, args: Iterable[str]) -> Text:
    return Text(f"{name(function)}({', '.join(args)})")


def _cases(branches: list[tuple[str, str]]) -> Text:
    parts = (f"{value} if {condition}" if condition else f"{value} otherwise" for value, condition in branches)
    return Text("{" + "; ".join(parts) + "}")


# --- nodes --------------------------------------------------------------------------------------------------


def _node(node: Node) -> Text:
    if node.head == "symbol":
        return Text(name(str(node.value)))
    if node.head == "constant":
        return _constant(Fraction(node.value))  # type: ignore[arg-type]
    args = [_node(a) for a in node.args]
    if node.head == "add":
        return _sum(args)
    if node.head == "sqrt":
        return _power(args[0], Fraction(1, 2))
    if node.head == "power":
        return _power(args[0], Fraction(node.args[1].value))  # type: ignore[arg-type]
    if node.head in ("mul", "div"):
        factors = _factors(node if node.head == "mul" else node.args[0])
        below = [] if node.head == "mul" else [_node(a) for a in _factors(node.args[1])]
        coefficient, above = Fraction(1), []
        for factor in factors:
            if factor.head == "constant" and Fraction(factor.value).denominator <= 10**9:  # type: ignore[arg-type]
                coefficient *= Fraction(factor.value)  # type: ignore[arg-type]
            else:
                above.append(_node(factor))
        return _product(coefficient, above, below)
    if node.head == "where":
        condition, value, other = node.args
        return _cases([(_node(value).signed, _node(condition).text), (_node(other).signed, "")])
    if node.head in RELATIONS:
        return Text(f"{args[0].signed} {RELATIONS[node.head]} {args[1].signed}", 0)
    return _call(node.head, (a.signed for a in args))


def _factors(node: Node) -> tuple[Node, ...]:
    return node.args if node.head == "mul" else (node,)


# --- SymPy --------------------------------------------------------------------------------------------------


def _sympy(e: Any) -> Text:
    import sympy as sp

    if e.is_Symbol:
        return Text(name(e.name))
    if e.is_Rational:
        return _constant(Fraction(int(e.p), int(e.q)))
    if e is sp.pi or e is sp.oo or e is sp.E:
        return Text({sp.pi: "π", sp.oo: "∞", sp.E: "e"}[e])
    if e.is_Add:
        return _sum([_sympy(a) for a in e.args])
    if e.is_Mul:
        return _sympy_product(e)
    if e.is_Pow and e.exp.is_Rational:
        exponent = Fraction(int(e.exp.p), int(e.exp.q))
        if exponent < 0:
            return _product(Fraction(1), [], [_power_or_base(_sympy(e.base), -exponent)])
        return _power(_sympy(e.base), exponent)
    if e.is_Relational:
        return Text(f"{_sympy(e.lhs).signed} {RELATIONS[e.rel_op]} {_sympy(e.rhs).signed}", 0)
    return _operator(e)


def _power_or_base(base: Text, exponent: Fraction) -> Text:
    return base if exponent == 1 else _power(base, exponent)


def _sympy_product(e: Any) -> Text:
    coefficient, above, below = Fraction(1), [], []
    for factor in e.args:
        if factor.is_Rational:
            coefficient *= Fraction(int(factor.p), int(factor.q))
        elif factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative:
            below.append(_power_or_base(_sympy(factor.base), Fraction(-int(factor.exp.p), int(factor.exp.q))))
        else:
            above.append(_sympy(factor))
    return _product(coefficient, above, below)


def _operator(e: Any) -> Text:
    """Integrals, derivatives, sums, limits, cases, indexed values and functions."""
    import sympy as sp

    if isinstance(e, sp.Integral):
        signs = "∫" * len(e.limits)
        return Text(f"{signs} {_sympy(e.function).inside(1)} " + " ".join(f"d{name(x[0].name)}" for x in e.limits), 1)
    if isinstance(e, sp.Derivative):
        (variable,) = e.variables
        return Text(f"∂{_sympy(e.expr).inside(2)}/∂{name(variable.name)}", 1)
    if isinstance(e, sp.Sum):
        index, low, high = e.limits[0]
        return Text(f"Σ[{index.name} = {low} … {name(str(high))}] {_sympy(e.function).inside(1)}", 1)
    if isinstance(e, sp.Limit):
        inner, variable, point = e.args[:3]
        return Text(f"lim[{variable.name} → {_sympy(point).text}] {_sympy(inner).inside(1)}", 1)
    if isinstance(e, sp.Piecewise):
        branches = [(_sympy(v).signed, "" if c == True else _sympy(c).text) for v, c in e.args]  # noqa: E712
        return _cases(branches)
    if isinstance(e, sp.Indexed):
        return Text(f"{e.base.label.name}[{', '.join(_sympy(i).signed for i in e.indices)}]")
    if isinstance(e, sp.Pow):
        return Text(f"{_sympy(e.base).inside(2)}^{_sympy(e.exp).inside(2)}")
    return _call(type(e).__name__, (_sympy(a).signed for a in e.args))
