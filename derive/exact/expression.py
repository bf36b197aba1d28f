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
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

from derive import registry
from derive.errors import advice
from derive.exact.functions import sympy_function
from derive.exact.grammar import (
    DEPTH,
    DIGITS,
    EXPONENT,
    FUNCTIONS,
    GRAMMAR,
    INTEGER,
    LENGTH,
    SYMBOLS,
    exact_value,
    literal,
    refused,
    source,
    terms,
)
from derive.exact.values import check_constants, check_somewhere
from derive.suggestion import nearest

POWER_OF_TEN = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d{1,2}\s*", re.ASCII)


def check(
    text: Any,
    names: Collection[str],
    where: str = "",
    functions: Collection[str] = (),
    values: Mapping[str, Fraction] | None = None,
) -> ast.expr:
    """The syntax tree of an expression in ``names``; raises ExpressionError for anything outside the grammar.

    values: of the names that stand for numbers. An expression that has a real value nowhere is refused as well.
    """
    if not isinstance(text, str):
        raise refused(
            repr(text)[:80],
            "an expression in quotes",
            "a number or a table where text is meant",
            'write it as a string, such as "tanh(u)"',
            where,
        )
    if len(text) > LENGTH or not text.strip():
        raise refused(
            f"{len(text)} characters",
            f"1 to {LENGTH} characters",
            "an empty or generated expression",
            "shorten it with parameters",
            where,
        )
    if not text.isascii() or any(mark in text for mark in ("\n", "\\", "#", "__")):
        written = text.translate({ord(symbol): name for symbol, name in SYMBOLS.items()})
        fix = f"write {written[:80]}" if written.isascii() and written != text else "write names and operators in ASCII"
        raise refused(
            text[:80], "ASCII letters, digits and + - * / ( ) . ,", "a symbol pasted from elsewhere", fix, where
        )
    _check_nesting(text, where)
    own = {word: name for word, name in _stand_ins().items() if word in names}
    try:
        with warnings.catch_warnings():  # Python's parser warns of what is refused below
            warnings.simplefilter("ignore")
            plain = re.sub(r"\b[A-Za-z]+\b", lambda found: own.get(found[0], found[0]), text.strip())
            body = ast.parse(plain, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise refused(
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
    known = {name: float(value) for name, value in (values or {}).items()}
    check_constants(body, text, known, where)
    check_somewhere(body, text, set(names), known, set(functions), where)
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
    signs = max((len(re.sub(r"\s", "", run)) for run in re.findall(r"[-+~\s]+", text)), default=0)
    powers = max((run.count("**") for run in re.findall(r"(?:\*\*[-+\s]*[\w.]*\s*)+", text)), default=0)
    if max(deepest, signs, powers) > DEPTH:
        raise refused(
            text[:80],
            f"at most {DEPTH} nested operations",
            "a generated expression",
            "simplify it, or name parts of it as parameters",
            where,
        )


def _check_node(node: ast.expr, text: str, names: set[str], functions: set[str], where: str, depth: int) -> None:
    if depth > DEPTH:
        raise refused(text[:80], f"at most {DEPTH} nested operations", "a generated expression", "simplify it", where)
    first, rest = terms(node)
    children: list[ast.expr]
    if rest:
        children = [first, *(operand for _, operand in rest)]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        if isinstance(node.left, ast.Name):
            _check_name(node.left.id, text, names, {*FUNCTIONS, *functions}, where)
        _check_exponent(node.right, text, where)
        children = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        children = [node.operand]
    elif isinstance(node, ast.Call):
        children = _check_call(node, text, names, functions, where)
    elif isinstance(node, ast.Name):
        _check_name(node.id, text, names, {*FUNCTIONS, *functions}, where)
        children = []
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        _check_number(node, text, where)
        children = []
    else:
        what, fix = _instead(node, text)
        raise refused(f"{what} in {text[:80]!r}", GRAMMAR, "something that is not a formula", fix, where)
    for child in children:
        _check_node(child, text, names, functions, where, depth + 1)


def _instead(node: ast.expr, text: str) -> tuple[str, str]:
    """What a node outside the grammar is, and what to write in its place."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        return "^", f"powers are written **: {text.replace('^', '**')[:80]}"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
        return "//", "divide by /"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return "|", "an absolute value is written abs(u)"
    if isinstance(node, ast.IfExp | ast.Compare | ast.BoolOp):
        return "a condition", "cases are written with max, min, abs and sign: max(u, 0)"
    if isinstance(node, ast.Attribute):
        found = nearest(node.attr, (*FUNCTIONS, "pi"))
        return source(node, text), f"write {found}" if found else "use the operations above only"
    return type(node).__name__, "use the operations above only"


def _check_name(name: str, text: str, names: set[str], functions: set[str], where: str) -> None:
    if name in names or name == "pi":
        return
    cause, fix = "an undeclared parameter or a typing error", "declare it, or use a name above"
    if name in functions:
        cause, fix = "a function without its argument", f"write {name}(u), with what it is applied to"
    elif name.lower() == "e" and len(names) > 0:
        cause, fix = "the base of the exponential function", "write exp(u) for e**u, exp(1) for e"
    else:
        cause, fix = advice(name, [*sorted(names), "pi"], cause, fix)
    raise refused(
        f"the name {name!r} in {text[:80]!r}", f"{', '.join([*sorted(names), 'pi'])}; functions {', '.join(FUNCTIONS)}",
        cause, fix, where,
    )  # fmt: skip


def _check_call(node: ast.Call, text: str, names: set[str], functions: set[str], where: str) -> list[ast.expr]:
    known = {*FUNCTIONS, *functions}
    if not isinstance(node.func, ast.Name) or node.func.id not in known or node.keywords:
        what = source(node.func, text)
        cause, fix = "a function that the grammar does not have", "write it with the functions above"
        named = nearest(what, registry.names("activations"))
        if what in names:
            cause, fix = "a multiplication without its sign", f"write {what}*(…)"
        elif nearest(what, known) is None and named is not None:
            cause = f"{named} is an activation, not a function of the grammar"
            fix = f"write {registry.entry('activations', named).EXPRESSION}, for u what it is applied to"
        else:
            cause, fix = advice(what, sorted(known), cause, fix)
        raise refused(f"a call of {what} in {text[:80]!r}", f"functions {', '.join(sorted(known))}", cause, fix, where)
    count = len(node.args)
    several = node.func.id in ("max", "min")
    if (several and not 2 <= count <= 8) or (not several and count != 1):
        raise refused(
            f"{node.func.id} with {count} arguments in {text[:80]!r}",
            "max and min take 2 to 8 arguments, the other functions one",
            "a missing or extra comma",
            "check the commas",
            where,
        )
    return list(node.args)


def _check_exponent(node: ast.expr, text: str, where: str) -> None:
    number = exact_value(node)
    if number is None or abs(number) > EXPONENT or number.denominator > EXPONENT:
        raise refused(
            f"an exponent in {text[:80]!r}",
            f"a number between -{EXPONENT} and {EXPONENT}, such as 2 or (1/2)",
            "a variable or huge power",
            "write exp(b*log(a)) for a power with a variable exponent",
            where,
        )


def _check_number(node: ast.Constant, text: str, where: str) -> None:
    written = literal(node, text)
    plain = re.fullmatch(r"\d*\.?\d*([eE][-+]?\d{1,2})?", written)
    if not plain or len(written) > DIGITS or abs(node.value) > INTEGER:  # type: ignore[arg-type]
        raise refused(
            f"the number {written[:40]} in {text[:80]!r}",
            f"decimal numbers up to {INTEGER}",
            "a number in another notation or too large",
            "scale the variables",
            where,
        )


def parse_rational(text: Any, where: str = "") -> Fraction:
    """An exact number from an integer, a string such as "1/2", "0.25" or "1e-6", or a decimal number as it is written.

    Floats are the shortest decimal numbers that they stand for: 0.1 is 1/10. Raises ExpressionError.
    """
    given, value = text, None
    if isinstance(text, int) and not isinstance(text, bool):
        value = Fraction(text)
    if isinstance(text, float) and math.isfinite(text):
        value = Fraction(text) if abs(text) > INTEGER else None
        text = written(text)
    if isinstance(text, str) and len(text) <= 2 * DIGITS:
        text = f"{Decimal(text.strip()):f}" if POWER_OF_TEN.fullmatch(text) else text
        found = re.fullmatch(r"\s*([-+]?\d+)\s*(?:/\s*(\d+))?\s*|\s*([-+]?\d*\.\d+|[-+]?\d+\.)\s*", text, re.ASCII)
        if found and not (found[2] and int(found[2]) == 0):
            value = Fraction(found[3]) if found[3] else Fraction(int(found[1]), int(found[2] or 1))
    if value is not None and abs(value) <= INTEGER:
        return value
    cause, fix = "something other than a number", 'write it as "1/2" or "0.25"'
    if value is not None:
        cause, fix = "a number that is too large", "scale what it belongs to"
    elif isinstance(text, str) and "/" in text:
        cause, fix = "a quotient of something else than two whole numbers, or of a number by 0", 'write it as "1/2"'
    allowed = f'a number such as 3, 0.25 or "1/2", up to {INTEGER:g}'
    raise refused(repr(given)[:80], allowed, cause, fix, where)


class Written(float):
    """A float that knows how a file writes it, digits beyond its precision included."""

    text: str

    def __new__(cls, text: str) -> Written:
        found = super().__new__(cls, text)
        found.text = text
        return found


def written(number: float) -> str:
    """A float's decimal digits, without a power of ten: those of its file, or the fewest that it is known by."""
    return f"{Decimal(number.text.replace('_', '') if isinstance(number, Written) else repr(float(number))):f}"


def evaluate(
    node: ast.expr,
    values: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]],
    number: Callable[[Fraction], Any],
) -> Any:
    """The value of a checked tree in any kind of numbers; ``number`` makes one of an exact one.

    functions: by name, "pi" among them where there is one. Raises LookupError for another, and for
    a root of a Fraction.
    """
    first, rest = terms(node)
    if rest:
        found = evaluate(first, values, functions, number)
        for operator, operand in rest:
            other = evaluate(operand, values, functions, number)
            if isinstance(operator, ast.Div):
                found = found / other
            elif isinstance(operator, ast.Mult):
                found = found * other
            else:
                found = found + other if isinstance(operator, ast.Add) else found - other
        return found
    if isinstance(node, ast.Constant):
        return number(Fraction(str(node.value)))
    if isinstance(node, ast.Name):
        return values[node.id] if node.id in values else functions[node.id]()
    if isinstance(node, ast.UnaryOp):
        operand = evaluate(node.operand, values, functions, number)
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        return functions[node.func.id](*(evaluate(a, values, functions, number) for a in node.args))
    assert isinstance(node, ast.BinOp)
    exponent = exact_value(node.right)
    assert exponent is not None  # checked
    base = evaluate(node.left, values, functions, number)
    if exponent.denominator == 1:
        return base ** int(exponent)
    if isinstance(base, Fraction):
        raise LookupError("a root")
    return base ** number(exponent)


# --- SymPy --------------------------------------------------------------------------------------------------


def parse(
    text: str, names: Mapping[str, Any], functions: Mapping[str, Callable[[Any], Any]] | None = None, where: str = ""
) -> Any:
    """The SymPy expression of a text in the given names; ``functions`` adds one-argument functions, such as f."""
    import sympy as sp

    given = functions or {}
    numbers = {name: Fraction(int(v.p), int(v.q)) for name, v in names.items() if v.is_Rational}
    body = check(text, names.keys(), where, given.keys(), numbers)
    try:
        found = _build(body, text, names, given)
    except (ArithmeticError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise refused(
            text[:80], "a formula with real values", f"SymPy does not take it ({error})",
            "check the arguments of max, min, roots and logarithms", where,
        ) from None  # fmt: skip
    if found.has(sp.zoo, sp.nan, sp.oo, sp.S.NegativeInfinity, sp.I):
        raise refused(
            text[:80], "a formula with real, finite values", f"it is {found}, whatever its variables are",
            "check divisions, roots and logarithms", where,
        )  # fmt: skip
    return found


def _build(node: ast.expr, text: str, names: Mapping[str, Any], functions: Mapping[str, Callable[[Any], Any]]) -> Any:
    import sympy as sp

    first, rest = terms(node)
    if rest:
        found = _build(first, text, names, functions)
        for operator, operand in rest:
            right = _build(operand, text, names, functions)
            if isinstance(operator, ast.Div):
                if right == 0:
                    raise ZeroDivisionError("a division by zero")
                found = found / right
            elif isinstance(operator, ast.Mult):
                found = found * right
            else:
                found = found + right if isinstance(operator, ast.Add) else found - right
        return found
    if isinstance(node, ast.Constant):
        value = Fraction(literal(node, text))
        return sp.Rational(value.numerator, value.denominator)
    if isinstance(node, ast.Name):
        return sp.pi if node.id == "pi" and "pi" not in names else names[node.id]
    if isinstance(node, ast.UnaryOp):
        operand = _build(node.operand, text, names, functions)
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        arguments = [_build(a, text, names, functions) for a in node.args]
        name = node.func.id
        return functions[name](arguments[0]) if name in functions else sympy_function(name)(*arguments)
    assert isinstance(node, ast.BinOp)
    return _build(node.left, text, names, functions) ** _build(node.right, text, names, functions)
