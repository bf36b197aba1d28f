"""What a kernel has to compute, as data: the one thing that every emitter reads.

A program is a chain of five operations over named axes. Each has one adjoint rule, the stationarity of its
term ⟨ō, op(inputs) − o⟩ in the Lagrangian of the discrete equations (``mathematics.md``, equations 10 and 11):

============  ==============================================  =============================================
operation     o =                                             adjoint
============  ==============================================  =============================================
Contract      T i   (T acts on the axis, for every channel)    ī += Tᵀ ō,  and T̄ += ō iᵀ when T is learned:
                                                              then it acts on axis and channels, or on blocks of them
Pointwise     g(i₁, i₂, …) at every node and record           ī_k += ∂g/∂i_k ō, summed over missing axes
Average       (1/c) Σ i over a node's c channels, in each     ī = (1/c) Σ ō: the average of the cotangents
Combine       α h + Σ_j γ_j m_j   (tableau, exact factors)     h̄ += α ō,  m̄_j += γ_j ō
Mix           Σ_k Θ_sk w_k        (depth basis at a stage)     w̄_k += Θ_sk ō
============  ==============================================  =============================================

The stages of an implicit tableau are solved for by Newton's method, whose equations need the derivative J of a
stage's chain and its transpose. Each operation has one tangent rule for that (Contract, Average: itself; Pointwise:
Σ ∂g/∂i di), and Jᵀ is the adjoint without the gradients of what is learned.

Operands are named arrays; their axes say how they are laid out, and sizes never appear: loops are generic.
With g pre-activations a channel, ``U@0``, ``U@1`` … are the parts of U, whose rows are (node · g · channel), and
``p@0``, ``p@1`` … the learned parameters, a number a channel.
A table's *structure* was found by the derivation (``galerkin``); an identity disappears from the chain. The learned
table w may consist of *blocks*, (first row, last row, first column, last column, start of its numbers): those that a
symmetry leaves, or one a node that all are the same (a convolution); V always is one block a node.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from derive.errors import GenerationError
from derive.exact import finite
from derive.spec import of_axis

if TYPE_CHECKING:
    from derive.equation import Equation
    from derive.exact.structure import Structure

Plan = Literal["formed", "factors"]
PLANS: tuple[Plan, ...] = ("formed", "factors")

# The tables that a stage applies, and what each makes. On a square or a cube they are Kronecker products, and are
# applied one axis at a time: C, C_2 and C_3 make G_1, G_2 and G of h.
MAKES = {"Phi": "U", "C": "G", "X": "Z", "A": "M"}


# --- scalar expressions -------------------------------------------------------------------------------------


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
NORMAL = Fraction(1, 2**1022)  # the smallest float64 whose reciprocal is one
SMALLEST = Fraction(1, 10**400)  # an irrational number nearer to zero is none in any kernel, and has too many digits


def _constant(value: Fraction | int) -> Node:
    return Node("constant", value=Fraction(value))


def _by_key(node: Node) -> str:
    return node.key


def _sorted_sum(terms: list[Node]) -> Node:
    return terms[0] if len(terms) == 1 else Node("add", tuple(sorted(terms, key=_by_key)))


def _product(factors: list[Node]) -> Node:
    return factors[0] if len(factors) == 1 else Node("mul", tuple(sorted(factors, key=_by_key)))


def tree(expression: Any) -> Node:
    """The canonical tree of a SymPy expression; unknown heads raise GenerationError."""
    import sympy as sp

    e = expression
    if e.is_Symbol:
        return Node("symbol", value=e.name)
    if e.is_Rational:
        return _constant(Fraction(int(e.p), int(e.q)))
    if e.is_NumberSymbol or (e.is_number and not e.free_symbols and not e.is_Function):
        # π, √2 …: rounded once, far beyond any precision that a kernel has
        number = sp.N(e, 60)
        if not number.is_extended_real:  # in a case that no real number comes to: not a number there either
            return Node("div", (_constant(0), _constant(0)))
        return _constant(0 if abs(number) < SMALLEST else Fraction(str(number)))
    if e.is_Add:
        return _sorted_sum([tree(a) for a in e.args])
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
    first, second, *third = (tree(a) for a in e.args)
    if name == "hypot":
        return Node(name, (first, second, (*third, _constant(NORMAL))[0]))
    if name == "over":
        quotient = Node("div", (first, second))
        return quotient if finite.apart(e.args[1]) else _unless(second, (*third, _constant(NORMAL))[0], quotient)
    return _unless(Node("Abs", (*third, first)[:1]), _constant(0), _product([first, second]))


def _unless(small: Node, limit: Node, otherwise: Node) -> Node:
    return Node("where", (Node("<=", (small, limit)), _constant(0), otherwise))


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
        numerator.append(_constant(coefficient))
    top = _product(numerator)
    return Node("div", (top, _product(denominator))) if denominator else top


def _pow(e: Any) -> Node:
    import sympy as sp

    base, exponent = e.base, e.exp
    if exponent.is_Integer:
        n = int(exponent)
        power = Node("power", (tree(base), _constant(abs(n)))) if abs(n) > 1 else tree(base)
        return power if n > 0 else Node("div", (_constant(1), power))
    if exponent.is_Rational and int(exponent.q) == 2:
        root = Node("sqrt", (tree(base),))
        p = abs(int(exponent.p))
        power = Node("power", (root, _constant(p))) if p > 1 else root
        return power if exponent.is_positive else Node("div", (_constant(1), power))
    return tree(sp.exp(exponent * sp.log(base), evaluate=False))


def _piecewise(e: Any) -> Node:
    *cases, (last, condition) = list(e.args)
    if condition not in (True,) and str(condition) != "True":
        cases.append((last, condition))
        result = _constant(0)
    else:
        result = tree(last)
    for value, relation in reversed(cases):
        left, right, head = relation.lhs, relation.rhs, relation.rel_op
        if head not in ("<", "<=", ">", ">="):
            raise GenerationError(f"the condition {relation}", "<, <=, >, >=", "a kink the printer cannot place",
                                  "write the activation with max, min or abs")  # fmt: skip
        result = Node("where", (Node(head, (tree(left), tree(right))), tree(value), result))
    return result


# --- operations ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operand:
    """A named array. axis: of its rows, which it has for every channel; wide: for every pre-activation of each.

    Between two factors of a Kronecker product, as G_1, an array has rows of its own, and is its own axis.
    """

    name: str
    axis: str
    wide: bool = False


@dataclass(frozen=True)
class Contract:
    """out = T operand over the row axis (Tᵀ when transposed); ``learned`` tables carry a stage index.

    structure: of a learned table, "dense" or "blocks".
    before, after: the factors of a Kronecker product of which T is one: the axes before T's are those of their rows, or
    have been so; the axes after it those of their columns.
    """

    out: str
    table: str
    operand: str
    structure: Structure
    transposed: bool = False
    accumulate: bool = False
    learned: bool = False
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    """The gradient of a learned table: T̄_s += ō iᵀ, summed over records."""

    table: str
    out: str
    operand: str
    structure: Structure


@dataclass(frozen=True)
class Pointwise:
    """outs[k] = expressions[k] of the inputs, at every node and record.

    inputs: (symbol in the expressions, the operands whose sum it is); the bias ``e`` and the parameters ``p`` have no
    record axis and are broadcast. reduce: outputs that are summed over records, into the gradient of such an operand.
    parts: g, how many pre-activations a channel has.  by_channel: whether parts or parameters make rows differ by
    their channel.
    """

    outs: tuple[str, ...]
    inputs: tuple[tuple[str, tuple[str, ...]], ...]
    expressions: tuple[Node, ...]
    accumulate: tuple[bool, ...]
    reduce: tuple[bool, ...]
    parts: int = 1

    @property
    def by_channel(self) -> bool:
        return any("@" in operand for _, operands in self.inputs for operand in operands) or "@" in "".join(self.outs)


@dataclass(frozen=True)
class Average:
    """out = the mean of the operand over the channels, at every node and record and of each part, in all their rows."""

    out: str
    operand: str


def base(operand: str) -> str:
    """The array that a part belongs to: U of U@1."""
    return operand.partition("@")[0]


def part(operand: str) -> int | None:
    """Which part of its array an operand is: 1 of U@1; None for the whole."""
    _, mark, number = operand.partition("@")
    return int(number) if mark else None


Operation = Contract | Outer | Pointwise | Average


@dataclass(frozen=True)
class Chain:
    """A stage's operations H → m, and their reverse m̄ → H̄ with the gradients of what is learned.

    tangent, transposed: dH → dm = J dH and m̄ → Jᵀ m̄ alone, for the stages of an implicit tableau; else empty.
    """

    stage: tuple[Operation, ...]
    reverse: tuple[Operation, ...]
    tangent: tuple[Operation, ...] = ()
    transposed: tuple[Operation, ...] = ()


@dataclass(frozen=True)
class Form:
    """A program's chains with its functions written in one way, and the room they need.

    entry: the chain of the very first stage of a slab whose state arrives in another basis (there H is that state,
    and C, X are the tables of that basis); None where the bases agree.
    kept: operands of the forward chain that the reverse chain reads.  work: the other intermediate operands.
    bars: the cotangents that the reverse chain needs room for.  dots: the tangents, for an implicit tableau.
    """

    chain: Chain
    entry: Chain | None
    kept: tuple[Operand, ...]
    work: tuple[Operand, ...]
    bars: tuple[Operand, ...]
    dots: tuple[Operand, ...]


@dataclass(frozen=True)
class Program:
    """One slab's kernel for one plan. See the module's table.

    formed: u = E_s h + e_s with E_s = Φ w_s C formed once per change of weights;  factors: u = Φ (w_s (C h)) + e_s.
    exact, float32: with the functions as they are, and in the forms that vectorise in single precision.
    entry: whether the slab's state arrives in another basis.  implicit: whether stages have to be solved for.
    parts: g, pre-activations a channel.  parameters: how many of the rate's are learned.
    """

    plan: Plan
    structures: tuple[tuple[str, Structure], ...]
    exact: Form
    float32: Form
    entry: bool
    implicit: bool
    parts: int = 1
    parameters: int = 0

    @property
    def blocks(self) -> bool:
        """Whether w consists of blocks."""
        return dict(self.structures).get("w") == "blocks"

    @property
    def waves(self) -> bool:
        """Whether those blocks are of κ in frequencies."""
        return any(table == "w_waves" for table, _ in self.structures)

    @property
    def local(self) -> bool:
        """Whether there is a V."""
        return any(table == "V" for table, _ in self.structures)

    @property
    def several(self) -> bool:
        """Whether the domain has several axes."""
        return len(self.factors("X")) > 1

    @property
    def normalised(self) -> bool:
        """Whether the rate takes normalised pre-activations."""
        return any(isinstance(op, Average) for op in self.exact.chain.stage)

    def structure(self, table: str) -> Structure:
        return dict(self.structures)[table]

    def factors(self, table: str) -> tuple[str, ...]:
        """The factors of a table, one an axis."""
        return factors(table, dict(self.structures))

    def between(self, operand: Operand) -> tuple[str, ...]:
        """The numbers of rows of an operand between two factors of a table, such as G_1, an axis each."""
        made, _, count = operand.name.partition("_")
        table = next(table for table, makes in MAKES.items() if makes == made)
        return tuple(f"{name}.shape[{int(k >= int(count))}]" for k, name in enumerate(self.factors(table)))

    def text(self) -> str:
        """The canonical text; its hash is the signature. Constants' values are data and stay out."""
        parts = [self.plan, repr(self.structures), *(["implicit", str(self.entry)] if self.implicit else [])]
        parts += [f"{self.parts} {self.parameters}"]
        for form in (self.exact, self.float32):
            for chain in (form.chain, *([form.entry] if form.entry else [])):
                parts += [_operation_text(op) for op in (*chain.stage, *chain.reverse, *chain.tangent)]
        return "\n".join(parts)


def _operation_text(op: Operation) -> str:
    if isinstance(op, Pointwise):
        numbers: dict[Fraction, str] = {}
        body = ";".join(_text_without_values(e, numbers) for e in op.expressions)
        return f"Pointwise({op.outs},{op.inputs},{op.accumulate},{op.reduce},{op.parts},{body})"
    return repr(op)


# Constants that printers need themselves. One of the rate's that equals such a one shares its place among a kernel's
# constants, so that a kernel for it is another kernel.
PRINTERS_OWN = (Fraction(0), Fraction(1), Fraction(2), Fraction(1, 1024))


def _text_without_values(node: Node, numbers: dict[Fraction, str]) -> str:
    if node.head == "constant":
        assert isinstance(node.value, Fraction)
        if node.value in PRINTERS_OWN:
            return f"{node.value}"
        return numbers.setdefault(node.value, f"c{len(numbers)}")
    if node.head == "symbol":
        return str(node.value)
    if node.head == "power":
        return f"power({_text_without_values(node.args[0], numbers)},{node.args[1].value})"
    return f"{node.head}({','.join(_text_without_values(a, numbers) for a in node.args)})"


def signature(programs: tuple[Program, ...]) -> str:
    """sha256 of the canonical texts of a slab's programs (all plans): one signature, one set of kernels."""
    return hashlib.sha256("\n\n".join(p.text() for p in programs).encode()).hexdigest()


# --- building -----------------------------------------------------------------------------------------------

ROWS = {"H": "state", "G": "weight_in", "T": "weight_out", "M": "state"}  # every other operand lives at the nodes
WIDE = ("T", "U", "N", "S", "Y")  # operands with all pre-activations of every channel


def plans(structures: Mapping[str, Structure]) -> tuple[Plan, ...]:
    """The plans that make sense: blocks and Kronecker products are applied as they are, never formed."""
    return ("factors",) if "blocks" in structures.values() or len(factors("X", structures)) > 1 else PLANS


def factors(table: str, structures: Mapping[str, Structure]) -> tuple[str, ...]:
    """The factors of a table, one an axis of the domain; a table that is held whole is its own."""
    names = (of_axis(table, axis) for axis in range(3))
    return tuple(name for name in names if name == table or name in structures)


def build(
    equation: Equation, structures: dict[str, Structure], entry: bool, plan: Plan, implicit: bool = False
) -> Program:
    """The program of (4), (5) and (10), (11) for one plan.

    structures: what the derivation found for Φ, Ψ, C, X and A; "blocks" for w where it has them, and for V where the
    equation has one. entry: the state arrives in another basis.
    implicit: the tableau's stages have to be solved for; they see an arriving state by its projection alone.
    """
    from derive.approximation import float32_form

    exact, single = (
        _form(equation, structures, entry and not implicit, plan, write, implicit)
        for write in (_as_it_is, float32_form)
    )
    count = len(equation.pre_activations)
    return Program(
        plan, tuple(sorted(structures.items())), exact, single, entry, implicit, count, len(equation.learned)
    )


def _as_it_is(expression: Any) -> Any:
    return expression


def _form(
    equation: Equation,
    structures: dict[str, Structure],
    entry: bool,
    plan: Plan,
    write: Callable[[Any], Any],
    implicit: bool,
) -> Form:
    chain = _chain(equation, structures, plan, write, implicit)
    # The entry basis shares neither zeros nor nodes with the slab's own: its tables are full ones.
    whole = ("C", "X")
    shared = {name: tag for name, tag in structures.items() if not name.startswith(("C_", "X_"))}
    full: dict[str, Structure] = {**shared, **dict.fromkeys(whole, "dense")}
    first = _chain(equation, full, plan, write, False) if entry else None
    chains = (chain, first) if first else (chain,)
    kept = {name for c in chains for name in _kept(c)}
    produced = {name for c in chains for op in c.stage for name in _results(op)}
    cotangents = {name[4:] for c in chains for op in c.reverse for name in _results(op)} - {"e"}
    return Form(
        chain,
        first,
        _operands(kept),
        _operands(produced - kept - {"M"}),
        _operands((cotangents | ({"R"} & produced)) - {"M", "p"}),
        _operands({name.removeprefix("dot_") for op in chain.tangent for name in _results(op)} - {"M"}),
    )


def _operands(names: set[str]) -> tuple[Operand, ...]:
    def axis(name: str) -> str:
        return name if "_" in name else ROWS.get(name, "node")

    return tuple(Operand(n, axis(n), n.partition("_")[0] in WIDE) for n in sorted(names))


def _results(op: Operation) -> tuple[str, ...]:
    if isinstance(op, Contract | Average):
        return (op.out,)
    return tuple(map(base, op.outs)) if isinstance(op, Pointwise) else ()


def _kept(chain: Chain) -> set[str]:
    """What the reverse operations read of the forward ones."""
    names: set[str] = set()
    for op in chain.reverse:
        if isinstance(op, Outer):
            names.add(op.operand)
        elif isinstance(op, Pointwise):
            operands = {base(o) for _, found in op.inputs for o in found}
            names |= {o for o in operands if not o.startswith("bar_") and o not in SHARED}
    return names


# What users call a parameter is a name of their own in kernels, beside which no name of a kernel's can lie.
USERS = "own_"


def _chain(
    equation: Equation, structures: dict[str, Structure], plan: Plan, write: Callable[[Any], Any], implicit: bool
) -> Chain:
    learned = {name: Node("symbol", value=USERS + name) for name in equation.learned}

    def written(expression: Any) -> Node:
        return substitute(tree(write(expression)), learned)

    rate = written(equation.r)
    slopes_of_r = {**equation.slopes, "h": equation.slopes["h"] - (equation.kappa or 0)}
    derivatives = {
        USERS + name if name in learned else name: written(slope) for name, slope in slopes_of_r.items()
    }
    shared = _shared(rate, tuple(derivatives.values()))
    normal = None if equation.normalise is None else _normalisation(equation.pre_activations, equation.normalise)
    own = tuple(USERS + name for name in equation.learned)
    stage = _forward(rate, shared, structures, plan, equation.pre_activations, own, normal)
    names = {node.key: Node("symbol", value=f"f{k + 1}") for k, node in enumerate(shared)}
    slopes = {x: substitute(d, names) for x, d in derivatives.items()} | (normal.slopes if normal else {})
    reverse = _reverse(stage, slopes, len(shared))
    if not implicit:
        return Chain(stage, reverse)
    return Chain(stage, reverse, _tangent(stage, slopes, len(shared)), _without_gradients(reverse))


@dataclass(frozen=True)
class _Normalisation:
    """û = u/√(S + ε), S the mean of u² over the channels. Symbols of u: u_raw in the square, u_given in the quotient.

    The layer normalisation of Ba et al. (2016), of the summed inputs, with the root mean square of Zhang and Sennrich
    (2019) for the deviation: of the pre-activations, since those are known at the nodes, where the rate is taken. Gains
    are the rate's learned parameters. It is pointwise in ξ, and every symmetry stays one.

    squares, quotients: by pre-activation.  slopes: the derivatives by u_raw, u_given and u_mean, which is S.
    """

    squares: dict[str, Node]
    quotients: dict[str, Node]
    slopes: dict[str, Node]


def _normalisation(pre_activations: tuple[str, ...], epsilon: Fraction) -> _Normalisation:
    import sympy as sp

    squares, quotients, slopes = {}, {}, {}
    for u in pre_activations:
        raw, given, mean = sp.symbols(f"{u}_raw {u}_given {u}_mean", real=True)
        square, quotient = raw**2, given / sp.sqrt(mean + sp.Rational(epsilon.numerator, epsilon.denominator))
        squares[u], quotients[u] = tree(square), tree(quotient)
        for formula, symbol in ((square, raw), (quotient, given), (quotient, mean)):
            slopes[symbol.name] = tree(sp.diff(formula, symbol))
    return _Normalisation(squares, quotients, slopes)


# What costs more than the few operations around it: the forward sweep keeps its value for the reverse one.
_EXPENSIVE = (FUNCTIONS | {"div"}) - {"Abs", "sign", "floor", "Max", "Min"}


def _shared(rate: Node, derivatives: tuple[Node, ...]) -> tuple[Node, ...]:
    """The largest expensive subexpressions of the rate that its derivatives contain too: f(u) in f′ = 1 − f²."""
    wanted = {n.key for d in derivatives for n in _walk(d)}
    found: dict[str, Node] = {}

    def search(node: Node) -> None:
        if node.key in wanted and node.head in _EXPENSIVE and _symbols(node):
            found[node.key] = node
        else:
            for a in node.args:
                search(a)

    search(rate)
    return tuple(found[key] for key in sorted(found))


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for a in node.args:
        yield from _walk(a)


def _symbols(node: Node) -> set[str]:
    return {str(n.value) for n in _walk(node) if n.head == "symbol"}


def substitute(node: Node, names: Mapping[str, Node]) -> Node:
    """The expression with other nodes in place of those that have a key."""
    if node.key in names:
        return names[node.key]
    return replace(node, args=tuple(substitute(a, names) for a in node.args))


SHARED = ("e", "p")  # what all records share


def _forward(
    rate: Node,
    shared: tuple[Node, ...],
    structures: dict[str, Structure],
    plan: Plan,
    pre_activations: tuple[str, ...],
    learned: tuple[str, ...],
    normal: _Normalisation | None,
) -> tuple[Operation, ...]:
    """The chain H → m of one stage; identities are renamed away. F1, F2 … hold the shared subexpressions."""
    ops: list[Operation] = []
    alias: dict[str, str] = {}

    def name(x: str) -> str:
        return alias.get(x, x)

    def contract(out: str, table: str, operand: str, learned: bool = False, accumulate: bool = False) -> None:
        if structures.get(table) == "identity":
            alias[out] = name(operand)
            return
        parts, given = factors(table, structures), name(operand)
        for k, part in enumerate(parts):
            result = name(out) if k == len(parts) - 1 else f"{out}_{k + 1}"
            structure: Structure = "dense" if part == "E" else structures.get(part, "dense")
            op = Contract(
                result, part, given, structure, accumulate=accumulate, learned=learned,
                before=parts[:k], after=parts[k + 1 :],
            )  # fmt: skip
            ops.append(op)
            given = result

    if plan == "formed":
        contract("U", "E", "H", learned=True)
    else:
        contract("G", "C", "H")
        contract("T", "w", "G", learned=True)
        contract("U", "Phi", "T")
    at_nodes = "h" in _symbols(rate)
    if at_nodes or "V" in structures:
        contract("Z", "X", "H")
    if "V" in structures:
        contract("U", "V", "Z", learned=True, accumulate=True)
    parts = [""] if len(pre_activations) == 1 else [f"@{k}" for k in range(len(pre_activations))]
    inputs: list[tuple[str, tuple[str, ...]]] = [
        (symbol, (name("U") + mark, f"e{mark}")) for symbol, mark in zip(pre_activations, parts)
    ]
    if normal:
        ops += _normalise(normal, inputs)
        inputs = [(symbol, (f"Y{mark}",)) for symbol, mark in zip(pre_activations, parts)]
    if at_nodes:
        inputs.append(("h", (name("Z"),)))
    inputs += [(symbol, (f"p@{k}",)) for k, symbol in enumerate(learned)]
    outs = ("M" if structures["A"] == "identity" else "R", *(f"F{k + 1}" for k in range(len(shared))))
    flags = (False,) * len(outs)
    ops.append(Pointwise(outs, tuple(inputs), (rate, *shared), flags, flags, len(parts)))
    contract("M", "A", "R")
    return tuple(ops)


def _normalise(normal: _Normalisation, inputs: list[tuple[str, tuple[str, ...]]]) -> list[Operation]:
    """Y = û of the pre-activations u = U + e: squares N, their averages S, quotients."""

    def pointwise(out: str, taken: tuple[tuple[str, tuple[str, ...]], ...], formula: Node) -> Pointwise:
        return Pointwise((out,), taken, (formula,), (False,), (False,), len(inputs))

    squares: list[Operation] = []
    quotients: list[Operation] = []
    for u, operands in inputs:
        _, at, number = operands[0].partition("@")
        mark = at + number
        squares.append(pointwise(f"N{mark}", ((f"{u}_raw", operands),), normal.squares[u]))
        both = (f"{u}_given", operands), (f"{u}_mean", (f"S{mark}",))
        quotients.append(pointwise(f"Y{mark}", both, normal.quotients[u]))
    return [*squares, Average("S", "N"), *quotients]


def _reverse(chain: tuple[Operation, ...], derivatives: dict[str, Node], shared: int) -> tuple[Operation, ...]:
    """The adjoint of a chain: every operation's rule, last one first; ``bar_x`` is the cotangent of x."""
    ops: list[Operation] = []
    seen: set[str] = set()

    def collects(x: str) -> bool:
        """Whether bar_x already holds something, so that this contribution adds to it."""
        again = x in seen
        seen.add(x)
        return again

    for op in reversed(chain):
        if isinstance(op, Contract):
            if op.learned:
                ops.append(Outer(op.table, f"bar_{op.out}", op.operand, op.structure))
            accumulate = collects(op.operand)
            ops.append(
                replace(op, out=f"bar_{op.operand}", operand=f"bar_{op.out}", transposed=True, accumulate=accumulate)
            )
        elif isinstance(op, Average):
            ops.append(Average(f"bar_{op.operand}", f"bar_{op.out}"))
        elif isinstance(op, Pointwise):
            ops.append(_reverse_pointwise(op, derivatives, shared, collects))
    return tuple(ops)


def _reverse_pointwise(
    op: Pointwise, derivatives: dict[str, Node], shared: int, collects: Callable[[str], bool]
) -> Pointwise:
    """bar_i = ∂g/∂i · bar_o for every input; the broadcast bias collects the sum over records."""
    outs: list[str] = []
    expressions: list[Node] = []
    accumulate: list[bool] = []
    reduce: list[bool] = []
    for symbol, operands in op.inputs:
        expression = _product([Node("symbol", value="v"), derivatives[symbol]])
        for operand in operands:
            summed = base(operand) in SHARED
            outs.append(f"bar_{operand}")
            expressions.append(expression)
            accumulate.append(summed or collects(operand))
            reduce.append(summed)
    inputs = (*_values_read(op, expressions, shared), ("v", (f"bar_{op.outs[0]}",)))
    return Pointwise(tuple(outs), inputs, tuple(expressions), tuple(accumulate), tuple(reduce), op.parts)


def _values_read(op: Pointwise, expressions: list[Node], shared: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What derivatives of a pointwise operation read of its own inputs and of the values that it kept."""
    used = {s for e in expressions for s in _symbols(e)}
    values = [(f"f{k + 1}", (f"F{k + 1}",)) for k in range(shared)]
    return tuple((s, operands) for s, operands in (*op.inputs, *values) if s in used)


def _without_gradients(reverse: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """The adjoint of a chain without what only gradients of weights and biases need."""
    ops: list[Operation] = []
    for op in reverse:
        if isinstance(op, Pointwise):
            chosen = [k for k, summed in enumerate(op.reduce) if not summed]
            outs, expressions, accumulate, reduce = (
                tuple(column[k] for k in chosen) for column in (op.outs, op.expressions, op.accumulate, op.reduce)
            )
            op = Pointwise(outs, op.inputs, expressions, accumulate, reduce, op.parts)  # type: ignore[arg-type]
        if not isinstance(op, Outer):
            ops.append(op)
    return tuple(ops)


def _tangent(chain: tuple[Operation, ...], derivatives: dict[str, Node], shared: int) -> tuple[Operation, ...]:
    """The derivative of a chain in a direction of the state: every operation's rule; ``dot_x`` is the tangent of x."""
    ops: list[Operation] = []
    for op in chain:
        if isinstance(op, Contract | Average):
            ops.append(replace(op, out=f"dot_{op.out}", operand=f"dot_{op.operand}"))
        elif isinstance(op, Pointwise):
            own = [(s, [o for o in operands if base(o) not in SHARED]) for s, operands in op.inputs]
            moving = [(f"v{k + 1}", s, operands) for k, (s, operands) in enumerate(own) if operands]
            slope = _sorted_sum([_product([Node("symbol", value=v), derivatives[s]]) for v, s, _ in moving])
            tangents = tuple((v, tuple(f"dot_{o}" for o in operands)) for v, _, operands in moving)
            inputs = (*_values_read(op, [slope], shared), *tangents)
            ops.append(Pointwise((f"dot_{op.outs[0]}",), inputs, (slope,), (False,), (False,), op.parts))
    return tuple(ops)
