"""A stage's chain of operations H → m, from the equation: (4) and (5), without what is an identity.

A table's *structure* was found by the derivation (``galerkin``). The learned table w may consist of *blocks*, (first
row, last row, first column, last column, start of its numbers): those that a symmetry leaves, or one a node that all
are the same (a convolution); V always is one block a node.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from derive.exact.structure import Structure
from derive.program.layout import factors
from derive.program.operations import Average, Body, Contract, Operation, Pointwise
from derive.program.scalar import FUNCTIONS, Node, substitute, symbols, tree, walk

if TYPE_CHECKING:
    from derive.equation import Equation

Plan = Literal["formed", "factors"]
Inputs = list[tuple[str, tuple[str, ...]]]

# What users call a parameter is a name of their own in kernels, beside which no name of a kernel's can lie.
USERS = "own_"


def chain(equation: Equation, structures: dict[str, Structure], plan: Plan) -> Body:
    """The operations of one stage.

    F1, F2 … hold what the rate and its derivatives share, Y the normalised pre-activations.
    """
    learned = {name: Node("symbol", value=USERS + name) for name in equation.learned}

    def written(expression: Any) -> Node:
        return substitute(tree(expression), learned)

    rate = written(equation.r)
    slopes_of_r = {**equation.slopes, "h": equation.slopes["h"] - (equation.kappa or 0)}
    derivatives = {
        USERS + name if name in learned else name: written(slope) for name, slope in slopes_of_r.items()
    }
    shared = _shared(rate, tuple(derivatives.values()))
    names = {node.key: Node("symbol", value=f"f{k + 1}") for k, node in enumerate(shared)}
    slopes = tuple((x, substitute(d, names)) for x, d in derivatives.items())
    at_nodes = "h" in symbols(rate)
    ops, alias = _contractions(structures, plan, at_nodes)

    parts = [""] if len(equation.pre_activations) == 1 else [f"@{k}" for k in range(len(equation.pre_activations))]
    inputs: Inputs = [
        (symbol, (alias.get("U", "U") + mark, f"e{mark}")) for symbol, mark in zip(equation.pre_activations, parts)
    ]
    if equation.normalise is not None:
        ops += _normalised(inputs, equation.normalise)
        inputs = [(symbol, (f"Y{mark}",)) for symbol, mark in zip(equation.pre_activations, parts)]
    if at_nodes:
        inputs.append(("h", (alias.get("Z", "Z"),)))
    inputs += [(USERS + name, (f"p@{k}",)) for k, name in enumerate(equation.learned)]
    kept = tuple((f"f{k + 1}", f"F{k + 1}") for k in range(len(shared)))
    outs = ("M" if structures["A"] == "identity" else "R", *(operand for _, operand in kept))
    flags = (False,) * len(outs)
    ops.append(Pointwise(outs, tuple(inputs), (rate, *shared), flags, flags, len(parts), slopes, kept))
    if structures["A"] != "identity":
        ops += _applied("M", "A", "R", structures)
    return tuple(ops)


def _contractions(
    structures: dict[str, Structure], plan: Plan, at_nodes: bool
) -> tuple[list[Operation], dict[str, str]]:
    """H → U, and Z where the rate or V reads h at the nodes; and what an operand is called that is another one."""
    ops: list[Operation] = []
    alias: dict[str, str] = {}

    def contract(out: str, table: str, operand: str, learned: bool = False, accumulate: bool = False) -> None:
        given = alias.get(operand, operand)
        if structures.get(table) == "identity":
            alias[out] = given
        else:
            ops.extend(_applied(alias.get(out, out), table, given, structures, learned, accumulate))

    if plan == "formed":
        contract("U", "E", "H", learned=True)
    else:
        contract("G", "C", "H")
        contract("T", "w", "G", learned=True)
        contract("U", "Phi", "T")
    if at_nodes or "V" in structures:
        contract("Z", "X", "H")
    if "V" in structures:
        contract("U", "V", "Z", learned=True, accumulate=True)
    return ops, alias


def _applied(
    out: str, table: str, given: str, structures: dict[str, Structure], learned: bool = False, accumulate: bool = False
) -> list[Operation]:
    """out = table given, one axis of the domain at a time."""
    ops: list[Operation] = []
    parts = factors(table, structures)
    for k, part in enumerate(parts):
        result = out if k == len(parts) - 1 else f"{out}_{k + 1}"
        structure: Structure = "dense" if part == "E" else structures.get(part, "dense")
        op = Contract(
            result, part, given, structure, accumulate=accumulate, learned=learned,
            before=parts[:k], after=parts[k + 1 :],
        )  # fmt: skip
        ops.append(op)
        given = result
    return ops


# What costs more than the few operations around it: the forward sweep keeps its value for the reverse one.
_EXPENSIVE = (FUNCTIONS | {"div"}) - {"Abs", "sign", "floor", "Max", "Min"}


def _shared(rate: Node, derivatives: tuple[Node, ...]) -> tuple[Node, ...]:
    """The largest expensive subexpressions of the rate that its derivatives contain too: f(u) in f′ = 1 − f²."""
    wanted = {n.key for d in derivatives for n in walk(d)}
    found: dict[str, Node] = {}

    def search(node: Node) -> None:
        if node.key in wanted and node.head in _EXPENSIVE and symbols(node):
            found[node.key] = node
        else:
            for a in node.args:
                search(a)

    search(rate)
    return tuple(found[key] for key in sorted(found))


def _normalised(inputs: Inputs, epsilon: Fraction) -> list[Operation]:
    """Y = û of the pre-activations u = U + e: squares N, their averages S, quotients.

    û = u/√(S + ε), S the mean of u² over the channels. Symbols of u: u_raw in the square, u_given in the quotient.
    The layer normalisation of Ba et al. (2016), of the summed inputs, with the root mean square of Zhang and Sennrich
    (2019) for the deviation: of the pre-activations, since those are known at the nodes, where the rate is taken. Gains
    are the rate's learned parameters. It is pointwise in ξ, and every symmetry stays one.
    """
    import sympy as sp

    def pointwise(out: str, taken: tuple[tuple[str, tuple[str, ...]], ...], formula: Any) -> Pointwise:
        slopes = tuple((s, tree(sp.diff(formula, sp.Symbol(s, real=True)))) for s, _ in taken)
        return Pointwise((out,), taken, (tree(formula),), (False,), (False,), len(inputs), slopes)

    squares: list[Operation] = []
    quotients: list[Operation] = []
    for u, operands in inputs:
        _, at, number = operands[0].partition("@")
        mark = at + number
        raw, given, mean = sp.symbols(f"{u}_raw {u}_given {u}_mean", real=True)
        squares.append(pointwise(f"N{mark}", ((raw.name, operands),), raw**2))
        both = (given.name, operands), (mean.name, (f"S{mark}",))
        quotient = given / sp.sqrt(mean + sp.Rational(epsilon.numerator, epsilon.denominator))
        quotients.append(pointwise(f"Y{mark}", both, quotient))
    return [*squares, Average("S", "N"), *quotients]
