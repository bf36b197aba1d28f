"""The grammar of users' expressions: its limits, its functions, and what a checked syntax tree is read with."""

from __future__ import annotations

import ast
from fractions import Fraction

from derive.errors import ExpressionError

LENGTH = 2000  # characters
DEPTH = 50  # nested operations
EXPONENT = 64
INTEGER = 10**12
DIGITS = 40  # of a decimal number
LARGEST = 1e36  # of a part without variables; single precision ends at 3e38
ONE_ARGUMENT = ("tanh", "sinh", "cosh", "exp", "log", "sqrt", "sin", "cos", "tan", "atan", "erf", "abs", "sign",
                "sigmoid", "softplus")  # fmt: skip
FUNCTIONS = (*ONE_ARGUMENT, "max", "min")
SYMBOLS = {"−": "-", "–": "-", "·": "*", "×": "*", "÷": "/", "²": "**2", "³": "**3", "π": "pi", "Δ": "Delta", "ξ": "xi",
           "δ": "delta", "α": "alpha", "β": "beta", "γ": "gamma"}  # fmt: skip
GRAMMAR = f"numbers, + - * / **, parentheses, pi and {', '.join(FUNCTIONS)}"


def terms(node: ast.expr) -> tuple[ast.expr, list[tuple[ast.operator, ast.expr]]]:
    """a + b − c … or a * b / c … as its first operand, and the operators with the others; of others, the node alone.

    Python's syntax has a sum of n terms as a tree of depth n, which is no nesting.
    """
    for kinds in ((ast.Add, ast.Sub), (ast.Mult, ast.Div)):
        rest: list[tuple[ast.operator, ast.expr]] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, kinds):
            rest.append((node.op, node.right))
            node = node.left
        if rest:
            return node, rest[::-1]
    return node, []


def folded(operator: ast.operator, left: float, right: float) -> float:
    if isinstance(operator, ast.Div):
        return left / right
    if isinstance(operator, ast.Mult):
        return left * right
    return left + right if isinstance(operator, ast.Add) else left - right


def exact_value(node: ast.expr) -> Fraction | None:
    """A literal number with sign or as a quotient of two; None for anything else."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        number = float(str(node.value))
        return Fraction(str(node.value)) if abs(number) < 1e15 else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = exact_value(node.operand)
        return None if inner is None else (-inner if isinstance(node.op, ast.USub) else inner)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        top, bottom = exact_value(node.left), exact_value(node.right)
        return top / bottom if top is not None and bottom else None
    return None


def source(node: ast.expr, text: str) -> str:
    """The part of the text that a node is."""
    return (ast.get_source_segment(text.strip(), node) or "")[:60]


def literal(node: ast.Constant, text: str) -> str:
    return ast.get_source_segment(text.strip(), node) or str(node.value)


def refused(given: str, allowed: str, cause: str, fix: str, where: str) -> ExpressionError:
    return ExpressionError(given, allowed, cause, fix, where)
