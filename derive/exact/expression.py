"""Users' expressions: a small grammar, read through a whitelist and built with explicit SymPy constructors.

Nothing of a user's text is ever evaluated: it is parsed to Python's syntax tree, every node is checked against a
short list, and what passes is rebuilt by the constructors below.

Grammar: numbers (integers, decimals; exact), names, + − * / **, unary −, the functions of ``FUNCTIONS`` and ``pi``.
"""

from __future__ import annotations

import ast
import contextlib
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
from derive.errors import ExpressionError, advice
from derive.suggestion import nearest

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
SYMBOLS = {"−": "-", "–": "-", "·": "*", "×": "*", "÷": "/", "²": "**2", "³": "**3", "π": "pi", "Δ": "Delta", "ξ": "xi",
           "δ": "delta", "α": "alpha", "β": "beta", "γ": "gamma"}  # fmt: skip
GRAMMAR = f"numbers, + - * / **, parentheses, pi and {', '.join(FUNCTIONS)}"


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
        written = text.translate({ord(symbol): name for symbol, name in SYMBOLS.items()})
        fix = f"write {written[:80]}" if written.isascii() and written != text else "write names and operators in ASCII"
        raise _refused(
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
    known = {name: float(value) for name, value in (values or {}).items()}
    _check_constants(body, text, known, where)
    _check_somewhere(body, text, set(names), known, set(functions), where)
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
        raise _refused(
            text[:80],
            f"at most {DEPTH} nested operations",
            "a generated expression",
            "simplify it, or name parts of it as parameters",
            where,
        )


def _terms(node: ast.expr) -> tuple[ast.expr, list[tuple[ast.operator, ast.expr]]]:
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


def _check_node(node: ast.expr, text: str, names: set[str], functions: set[str], where: str, depth: int) -> None:
    if depth > DEPTH:
        raise _refused(text[:80], f"at most {DEPTH} nested operations", "a generated expression", "simplify it", where)
    first, rest = _terms(node)
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
        raise _refused(f"{what} in {text[:80]!r}", GRAMMAR, "something that is not a formula", fix, where)
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
        return _source(node, text), f"write {found}" if found else "use the operations above only"
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
    raise _refused(
        f"the name {name!r} in {text[:80]!r}", f"{', '.join([*sorted(names), 'pi'])}; functions {', '.join(FUNCTIONS)}",
        cause, fix, where,
    )  # fmt: skip


def _check_constants(node: ast.expr, text: str, values: Mapping[str, float], where: str) -> float | None:
    """The value of a part whose names are all in ``values``, None for others; it must be real and of moderate size.

    SymPy would take a part like exp(exp(exp(99))) for an exact number, and time without end.
    """
    first, rest = _terms(node)
    found = _check_constants(first, text, values, where) if rest else _constant(node, text, values, where)
    for operator, operand in rest:
        right = _check_constants(operand, text, values, where)
        if right == 0 and isinstance(operator, ast.Div):
            raise _refused(
                f"a division by {_source(operand, text)} in {text[:80]!r}", "a denominator other than zero",
                "a division by zero", "change the denominator", where,
            )  # fmt: skip
        found = None if found is None or right is None else _folded(operator, found, right)
        if found is not None:
            _check_moderate(found, node, text, where)
    return found


def _folded(operator: ast.operator, left: float, right: float) -> float:
    if isinstance(operator, ast.Div):
        return left / right
    if isinstance(operator, ast.Mult):
        return left * right
    return left + right if isinstance(operator, ast.Add) else left - right


def _constant(node: ast.expr, text: str, values: Mapping[str, float], where: str) -> float | None:
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
    parts = [_check_constants(child, text, values, where) for child in children]
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
        raise _refused(
            f"{_source(node, text)!r} in {text[:80]!r}",
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


# --- where it has a value -----------------------------------------------------------------------------------

POINTS = 400  # at which an expression is tried before it counts as undefined everywhere
SCALES = (0.7, 1.0, 1e-3, 30.0, 1e-9, 1e3, 1e6)
CANCELLED = 1e-11  # a denominator that is this small beside its terms is zero
Sized = tuple[float, float]  # a value, and the size of the terms that it is made of


def _check_somewhere(
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
    raise _refused(
        text[:80], "a formula with real, finite values", "it has none, whatever its variables are: a division by zero, "
        "or a root or logarithm of what is never positive", "check denominators, roots and logarithms", where,
    )  # fmt: skip


def _sized(node: ast.expr, values: Mapping[str, float], functions: set[str]) -> Sized:
    """A value and the size of its terms. Raises ArithmeticError and ValueError where there is none."""
    first, rest = _terms(node)
    if rest:
        found, size = _sized(first, values, functions)
        for operator, operand in rest:
            other, own = _sized(operand, values, functions)
            if isinstance(operator, ast.Div) and abs(other) <= CANCELLED * own:
                raise ZeroDivisionError
            found = _folded(operator, found, other)
            sums = isinstance(operator, ast.Add | ast.Sub)
            size = size + own if sums else abs(found) if isinstance(operator, ast.Div) else size * own
        return found, size
    if isinstance(node, ast.Constant | ast.Name):
        value = _constant(node, "", values, "")
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


def _check_call(node: ast.Call, text: str, names: set[str], functions: set[str], where: str) -> list[ast.expr]:
    known = {*FUNCTIONS, *functions}
    if not isinstance(node.func, ast.Name) or node.func.id not in known or node.keywords:
        what = _source(node.func, text)
        cause, fix = "a function that the grammar does not have", "write it with the functions above"
        named = nearest(what, registry.names("activations"))
        if what in names:
            cause, fix = "a multiplication without its sign", f"write {what}*(…)"
        elif nearest(what, known) is None and named is not None:
            cause = f"{named} is an activation, not a function of the grammar"
            fix = f"write {registry.entry('activations', named).EXPRESSION}, for u what it is applied to"
        else:
            cause, fix = advice(what, sorted(known), cause, fix)
        raise _refused(f"a call of {what} in {text[:80]!r}", f"functions {', '.join(sorted(known))}", cause, fix, where)
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


def _source(node: ast.expr, text: str) -> str:
    """The part of the text that a node is."""
    return (ast.get_source_segment(text.strip(), node) or "")[:60]


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
    cause, fix = "something other than a number", 'write it as "1/2" or "0.25"'
    if isinstance(text, float) and math.isfinite(text):
        cause, fix = "a binary fraction would not be exact, so floats are not taken", f'write "{_decimal(text)}"'
    elif isinstance(text, str) and re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d{1,2}\s*", text, re.ASCII):
        cause, fix = "powers of ten are not taken", f'write "{Fraction(text)}"'
    elif isinstance(text, str) and "/" in text:
        cause, fix = "a quotient of something else than two whole numbers, or of a number by 0", 'write it as "1/2"'
    allowed = f'an integer or an exact string such as "1/2" or "0.25", up to {INTEGER:g}'
    raise _refused(repr(text)[:80], allowed, cause, fix, where)


def _decimal(number: float) -> str:
    """A number's shortest decimal digits, without a power of ten."""
    return f"{Decimal(repr(number)):f}"


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
    first, rest = _terms(node)
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
    exponent = _exact_value(node.right)
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

    first, rest = _terms(node)
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
    return _build(node.left, text, names, functions) ** _build(node.right, text, names, functions)


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
