"""Users' expressions: a small grammar, read through a whitelist and built with explicit SymPy constructors.

Nothing of a user's text is ever evaluated: it is parsed to Python's syntax tree, every node is checked against a
short list, and what passes is rebuilt by the constructors below.

Grammar: numbers (integers, decimals; exact), names, + − * / **, unary −, the functions of ``FUNCTIONS`` and ``pi``.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import warnings
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

from derive.errors import ExpressionError

LENGTH = 2000  # characters
DEPTH = 50  # nested operations
EXPONENT = 64
INTEGER = 10**12
DIGITS = 40  # of a decimal number
LARGEST = 1e36  # of a part without variables; single precision ends at 3e38

ONE_ARGUMENT = (
    "tanh",
    "sinh",
    "cosh",
    "exp",
    "log",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "atan",
    "erf",
    "abs",
    "sign",
    "sigmoid",
    "softplus",
)
FUNCTIONS = (*ONE_ARGUMENT, "max", "min")
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
GRAMMAR = f"numbers, + - * / **, parentheses, pi and {', '.join(FUNCTIONS)}"


def check(text: Any, names: Collection[str], where: str = "", functions: Collection[str] = ()) -> ast.expr:
    """The syntax tree of an expression in ``names``; raises ExpressionError for anything outside the grammar."""
    if not isinstance(text, str):
        raise _refused(
            repr(text)[:80],
            "an expression in quotes",
            "a number or a table where text is meant",
            'write it as a string, such as "tanh(u)"',
            where,
        )
    if len(text) > LENGTH or not text.strip():
        raise _refused(
            f"{len(text)} characters",
            f"1 to {LENGTH} characters",
            "an empty or generated expression",
            "shorten it with parameters",
            where,
        )
    if not text.isascii() or any(mark in text for mark in ("\n", "\\", "#", "__")):
        raise _refused(
            text[:80],
            "ASCII letters, digits and + - * / ( ) . ,",
            "a symbol pasted from elsewhere",
            "write the names of functions and variables in ASCII",
            where,
        )
    _check_nesting(text, where)
    own = {word: name for word, name in _stand_ins().items() if word in names}
    try:
        with warnings.catch_warnings():  # Python's parser warns of what is refused below
            warnings.simplefilter("ignore")
            plain = re.sub(r"\b[A-Za-z]+\b", lambda found: own.get(found[0], found[0]), text.strip())
            body = ast.parse(plain, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise _refused(
            text[:80],
            GRAMMAR,
            f"it does not read as a formula ({error})",
            "check parentheses and operators; multiplication is written *",
            where,
        ) from None
    words = {name: word for word, name in own.items()}
    for node in ast.walk(body):
        if isinstance(node, ast.Name):
            node.id = words.get(node.id, node.id)
    _check_node(body, text, set(names), set(functions), where, 0)
    _check_constants(body, text, {}, where)
    return body


@cache
def _stand_ins() -> dict[str, str]:
    """Python's keywords, such as lambda, which may be parameters: each with a name as long that is no user's."""
    lengths = {len(word) for word in keyword.kwlist}
    same = ([word for word in sorted(keyword.kwlist) if len(word) == n] for n in lengths)
    return {word: f"_{k:0{len(word) - 1}}" for words in same for k, word in enumerate(words)}


def _check_nesting(text: str, where: str) -> None:
    """Refuse deep nesting before Python's own parser meets it."""
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    signs = max((len(run) for run in re.findall(r"[-+~\s]+", text)), default=0)
    if max(deepest, signs) > DEPTH or text.count("**") > DEPTH:
        raise _refused(
            text[:80],
            f"at most {DEPTH} nested operations",
            "a generated expression",
            "simplify it, or name parts of it as parameters",
            where,
        )


def _check_node(node: ast.AST, text: str, names: set[str], functions: set[str], where: str, depth: int) -> None:
    # A sum of n terms is a tree of depth n in Python's syntax; only the length limits those.
    chained = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.Mult)
    if (depth > DEPTH and not chained) or depth > LENGTH // 4:
        raise _refused(text[:80], f"at most {DEPTH} nested operations", "a generated expression", "simplify it", where)
    if isinstance(node, ast.BinOp) and isinstance(node.op, OPERATORS):
        if isinstance(node.op, ast.Pow):
            _check_exponent(node.right, text, where)
        children: list[ast.AST] = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        children = [node.operand]
    elif isinstance(node, ast.Call):
        children = _check_call(node, text, functions, where)
    elif isinstance(node, ast.Name):
        if node.id not in names and node.id != "pi":
            known = ", ".join([*sorted(names), "pi"])
            raise _refused(
                f"the name {node.id!r} in {text[:80]!r}",
                f"{known}; functions {', '.join(FUNCTIONS)}",
                "an undeclared parameter or a typing error",
                "declare it, or use a name above",
                where,
            )
        children = []
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        _check_number(node, text, where)
        children = []
    else:
        raise _refused(
            f"{type(node).__name__} in {text[:80]!r}",
            GRAMMAR,
            "something that is not a formula",
            "use the operations above only",
            where,
        )
    for child in children:
        _check_node(child, text, names, functions, where, depth + 1)


def _check_constants(node: ast.expr, text: str, values: Mapping[str, float], where: str) -> float | None:
    """The value of a part whose names are all in ``values``, None for others; it must be real and of moderate size.

    SymPy would take a part like exp(exp(exp(99))) for an exact number, and time without end.
    """
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
    parts = [_check_constants(child, text, values, where) for child in children]
    if any(part is None for part in parts):
        return None
    try:
        found = _value(node, [part for part in parts if part is not None])
        if found is None:
            return None
    except (ArithmeticError, ValueError):
        found = math.nan
    if not (isinstance(found, float) and abs(found) <= LARGEST):
        raise _refused(
            f"{ast.unparse(node)[:60]!r} in {text[:80]!r}",
            f"parts without variables that are real numbers up to {LARGEST:g}",
            "a root or logarithm of a negative number, a division by zero, or an exponential of a large number",
            "write the number that is meant",
            where,
        )
    return found


def _value(node: ast.expr, parts: list[float]) -> float | None:
    if isinstance(node, ast.UnaryOp):
        return -parts[0] if isinstance(node.op, ast.USub) else parts[0]
    if isinstance(node, ast.BinOp):
        left, right = parts
        if isinstance(node.op, ast.Pow):
            power: float = left**right
            return power
        return {ast.Add: left + right, ast.Sub: left - right, ast.Mult: left * right}.get(
            type(node.op), left / right if isinstance(node.op, ast.Div) else None
        )
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


def _check_call(node: ast.Call, text: str, functions: set[str], where: str) -> list[ast.AST]:
    known = {*FUNCTIONS, *functions}
    if not isinstance(node.func, ast.Name) or node.func.id not in known or node.keywords:
        what = node.func.id if isinstance(node.func, ast.Name) else type(node.func).__name__
        raise _refused(
            f"a call of {what} in {text[:80]!r}",
            f"functions {', '.join(sorted(known))}",
            "a function that the grammar does not have",
            "write it with the functions above",
            where,
        )
    count = len(node.args)
    several = node.func.id in ("max", "min")
    if (several and not 2 <= count <= 8) or (not several and count != 1):
        raise _refused(
            f"{node.func.id} with {count} arguments in {text[:80]!r}",
            "max and min take 2 to 8 arguments, the other functions one",
            "a missing or extra comma",
            "check the commas",
            where,
        )
    return list(node.args)


def _check_exponent(node: ast.expr, text: str, where: str) -> None:
    number = _exact_value(node)
    if number is None or abs(number) > EXPONENT or number.denominator > EXPONENT:
        raise _refused(
            f"an exponent in {text[:80]!r}",
            f"a number between -{EXPONENT} and {EXPONENT}, such as 2 or (1/2)",
            "a variable or huge power",
            "write exp(b*log(a)) for a power with a variable exponent",
            where,
        )


def _exact_value(node: ast.expr) -> Fraction | None:
    """A literal number with sign or as a quotient of two; None for anything else."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        number = float(str(node.value))
        return Fraction(str(node.value)) if abs(number) < 1e15 else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _exact_value(node.operand)
        return None if inner is None else (-inner if isinstance(node.op, ast.USub) else inner)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        top, bottom = _exact_value(node.left), _exact_value(node.right)
        return top / bottom if top is not None and bottom else None
    return None


def _literal(node: ast.Constant, text: str) -> str:
    return ast.get_source_segment(text.strip(), node) or str(node.value)


def _check_number(node: ast.Constant, text: str, where: str) -> None:
    literal = _literal(node, text)
    plain = re.fullmatch(r"\d*\.?\d*([eE][-+]?\d{1,2})?", literal)
    if not plain or len(literal) > DIGITS or abs(node.value) > INTEGER:  # type: ignore[arg-type]
        raise _refused(
            f"the number {literal[:40]} in {text[:80]!r}",
            f"decimal numbers up to {INTEGER}",
            "a number in another notation or too large",
            "scale the variables",
            where,
        )


def _refused(given: str, allowed: str, cause: str, fix: str, where: str) -> ExpressionError:
    return ExpressionError(given, allowed, cause, fix, where)


def parse_rational(text: Any, where: str = "") -> Fraction:
    """An exact number from an integer or a string such as "1/2", "0.25" or "-3". Raises ExpressionError."""
    if isinstance(text, int) and not isinstance(text, bool) and abs(text) <= INTEGER:
        return Fraction(text)
    if isinstance(text, str) and len(text) <= 2 * DIGITS:
        found = re.fullmatch(r"\s*([-+]?\d+)\s*(?:/\s*(\d+))?\s*|\s*([-+]?\d*\.\d+|[-+]?\d+\.)\s*", text, re.ASCII)
        if found and not (found[2] and int(found[2]) == 0):
            value = Fraction(found[3]) if found[3] else Fraction(int(found[1]), int(found[2] or 1))
            if abs(value) <= INTEGER:
                return value
    raise _refused(
        repr(text)[:80],
        'an integer or an exact string such as "1/2" or "0.25"',
        "a binary fraction would not be exact, so floats are not taken",
        "put the number in quotes",
        where,
    )


# --- SymPy --------------------------------------------------------------------------------------------------


def parse(
    text: str, names: Mapping[str, Any], functions: Mapping[str, Callable[[Any], Any]] | None = None, where: str = ""
) -> Any:
    """The SymPy expression of a text in the given names; ``functions`` adds one-argument functions, such as f."""
    import sympy as sp

    given = functions or {}
    body = check(text, names.keys(), where, given.keys())
    _check_constants(body, text, {name: float(v) for name, v in names.items() if v.is_Number}, where)
    try:
        found = _build(body, text, names, given)
    except (ArithmeticError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise _refused(
            text[:80], "a formula with real values", f"SymPy does not take it ({error})",
            "check the arguments of max, min, roots and logarithms", where,
        ) from None  # fmt: skip
    if found.has(sp.zoo, sp.nan, sp.oo, sp.S.NegativeInfinity, sp.I):
        raise _refused(
            text[:80], "a formula with real, finite values", f"it is {found}, whatever its variables are",
            "check divisions, roots and logarithms", where,
        )  # fmt: skip
    return found


def _build(node: ast.expr, text: str, names: Mapping[str, Any], functions: Mapping[str, Callable[[Any], Any]]) -> Any:
    import sympy as sp

    if isinstance(node, ast.Constant):
        value = Fraction(_literal(node, text))
        return sp.Rational(value.numerator, value.denominator)
    if isinstance(node, ast.Name):
        return sp.pi if node.id == "pi" and "pi" not in names else names[node.id]
    if isinstance(node, ast.UnaryOp):
        operand = _build(node.operand, text, names, functions)
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        arguments = [_build(a, text, names, functions) for a in node.args]
        return (
            functions[node.func.id](arguments[0]) if node.func.id in functions else _function(node.func.id)(*arguments)
        )
    assert isinstance(node, ast.BinOp)
    left, right = (_build(side, text, names, functions) for side in (node.left, node.right))
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    if isinstance(node.op, ast.Pow):
        return left**right
    if right == 0:
        raise _refused(text[:80], "a denominator other than zero", "a division by zero", "change the denominator", "")
    return left / right


@cache
def _function(name: str) -> Any:
    import sympy as sp

    special = {"abs": sp.Abs, "max": sp.Max, "min": sp.Min, "sigmoid": sigmoid(), "softplus": softplus()}
    return special.get(name) or getattr(sp, name)


@cache
def sigmoid() -> Any:
    """The logistic function as a SymPy class, so that printers can write it without overflow."""
    import sympy as sp

    class sigmoid(sp.Function):  # type: ignore[misc]
        nargs = 1

        def fdiff(self, argindex: int = 1) -> Any:
            return self * (1 - self)

        def _eval_rewrite_as_exp(self, x: Any, **_: Any) -> Any:
            return 1 / (1 + sp.exp(-x))

        def _eval_evalf(self, precision: int) -> Any:
            value = self.rewrite(sp.exp)._eval_evalf(precision)
            # rounding leaves an imaginary part, and max and min would refuse to compare
            return sp.re(value) if self.is_extended_real and value is not None else value

        def _eval_is_extended_real(self) -> Any:
            return self.args[0].is_extended_real

    return sigmoid


@cache
def softplus() -> Any:
    """log(1 + exp x) as a SymPy class; its derivative is the logistic function."""
    import sympy as sp

    class softplus(sp.Function):  # type: ignore[misc]
        nargs = 1

        def fdiff(self, argindex: int = 1) -> Any:
            return sigmoid()(self.args[0])

        def _eval_rewrite_as_exp(self, x: Any, **_: Any) -> Any:
            return sp.log(1 + sp.exp(x))

        def _eval_evalf(self, precision: int) -> Any:
            value = self.rewrite(sp.exp)._eval_evalf(precision)
            # rounding leaves an imaginary part, and max and min would refuse to compare
            return sp.re(value) if self.is_extended_real and value is not None else value

        def _eval_is_extended_real(self) -> Any:
            return self.args[0].is_extended_real

    return softplus
