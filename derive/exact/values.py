"""Numbers of an expression: parts without variables must be moderate, and the whole must have a value somewhere."""

from __future__ import annotations

import ast
import contextlib
import math
from collections.abc import Callable, Mapping

from derive.exact.grammar import LARGEST, ONE_ARGUMENT, folded, refused, source, terms


def check_constants(node: ast.expr, text: str, values: Mapping[str, float], where: str) -> float | None:
    """The value of a part whose names are all in ``values``, None for others; it must be real and of moderate size.

    SymPy would take a part like exp(exp(exp(99))) for an exact number, and time without end.
    """
    first, rest = terms(node)
    found = check_constants(first, text, values, where) if rest else constant(node, text, values, where)
    for operator, operand in rest:
        right = check_constants(operand, text, values, where)
        if right == 0 and isinstance(operator, ast.Div):
            raise refused(
                f"a division by {source(operand, text)} in {text[:80]!r}", "a denominator other than zero",
                "a division by zero", "change the denominator", where,
            )  # fmt: skip
        found = None if found is None or right is None else folded(operator, found, right)
        if found is not None:
            _check_moderate(found, node, text, where)
    return found


def constant(node: ast.expr, text: str, values: Mapping[str, float], where: str) -> float | None:
    """``_check_constants`` of what is no sum or product."""
    children: list[ast.expr] = []
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return values.get(node.id, math.pi if node.id == "pi" else None)
    if isinstance(node, ast.UnaryOp):
        children = [node.operand]
    elif isinstance(node, ast.BinOp):
        children = [node.left, node.right]
    elif isinstance(node, ast.Call):
        children = node.args
    parts = [check_constants(child, text, values, where) for child in children]
    if any(part is None for part in parts):
        return None
    try:
        found = _value(node, [part for part in parts if part is not None])
        if found is None:
            return None
    except (ArithmeticError, ValueError):
        found = math.nan
    _check_moderate(found, node, text, where)
    return found


def _check_moderate(found: float, node: ast.expr, text: str, where: str) -> None:
    if not (isinstance(found, float) and abs(found) <= LARGEST):
        raise refused(
            f"{source(node, text)!r} in {text[:80]!r}",
            f"parts without variables that are real numbers up to {LARGEST:g}",
            "a root or logarithm of a negative number, a division by zero, or an exponential of a large number",
            "write the number that is meant",
            where,
        )


def _value(node: ast.expr, parts: list[float]) -> float | None:
    if isinstance(node, ast.UnaryOp):
        return -parts[0] if isinstance(node.op, ast.USub) else parts[0]
    if isinstance(node, ast.BinOp):
        power: float = parts[0] ** parts[1]
        return power
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    name = node.func.id
    own: dict[str, Callable[..., float]] = {
        "abs": abs, "max": max, "min": min, "sign": lambda x: math.copysign(x != 0, x),
        "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x > -700 else 0.0,
        "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
    }  # fmt: skip
    if name in own:
        return float(own[name](*parts))
    return float(getattr(math, name)(*parts)) if name in ONE_ARGUMENT else None


POINTS = 400  # at which an expression is tried before it counts as undefined everywhere
SCALES = (0.7, 1.0, 1e-3, 30.0, 1e-9, 1e3, 1e6)
CANCELLED = 1e-11  # a denominator that is this small beside its terms is zero
Sized = tuple[float, float]  # a value, and the size of the terms that it is made of


def check_somewhere(
    body: ast.expr, text: str, names: set[str], known: Mapping[str, float], functions: set[str], where: str
) -> None:
    """Refuse what has no real value at any of many points: h/(u − u), log(−1 − u²), 1/(sin² u + cos² u − 1)."""
    free = sorted(names - set(known))
    for attempt in range(1, POINTS + 1):
        scale = SCALES[attempt % len(SCALES)]
        # multiples of different roots fill (−1, 1) evenly
        values = {name: scale * (2 * (attempt * math.sqrt(k + 1.5) % 1) - 1) for k, name in enumerate(free)}
        values.update(known)
        with contextlib.suppress(ArithmeticError, ValueError):
            if math.isfinite(_sized(body, values, functions)[0]):
                return
    raise refused(
        text[:80], "a formula with real, finite values", "it has none, whatever its variables are: a division by zero, "
        "or a root or logarithm of what is never positive", "check denominators, roots and logarithms", where,
    )  # fmt: skip


def _sized(node: ast.expr, values: Mapping[str, float], functions: set[str]) -> Sized:
    """A value and the size of its terms. Raises ArithmeticError and ValueError where there is none."""
    first, rest = terms(node)
    if rest:
        found, size = _sized(first, values, functions)
        for operator, operand in rest:
            other, own = _sized(operand, values, functions)
            if isinstance(operator, ast.Div) and abs(other) <= CANCELLED * own:
                raise ZeroDivisionError
            found = folded(operator, found, other)
            sums = isinstance(operator, ast.Add | ast.Sub)
            size = size + own if sums else abs(found) if isinstance(operator, ast.Div) else size * own
        return found, size
    if isinstance(node, ast.Constant | ast.Name):
        value = constant(node, "", values, "")
        assert value is not None
        return value, abs(value)
    children = [node.operand] if isinstance(node, ast.UnaryOp) else getattr(node, "args", None)
    parts = [_sized(child, values, functions) for child in children or (node.left, node.right)]  # type: ignore[attr-defined]
    if isinstance(node, ast.UnaryOp):
        return (-parts[0][0] if isinstance(node.op, ast.USub) else parts[0][0]), parts[0][1]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
        return parts[0][0] + math.sin(parts[0][0]), parts[0][1]  # some function of all numbers
    cancelled = abs(parts[0][0]) <= CANCELLED * parts[0][1]
    if cancelled and (isinstance(node, ast.BinOp) or node.func.id == "log"):  # type: ignore[attr-defined]
        parts[0] = 0.0, 0.0
    value = _value(node, [part[0] for part in parts])
    if not isinstance(value, float):  # a root of a negative number is complex
        raise ValueError
    return value, abs(value)
