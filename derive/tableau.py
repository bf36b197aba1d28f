"""Butcher tableaux (7): order conditions from rooted trees, stability, and the elimination of a linear part."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

from derive.errors import DerivationError
from derive.exact.surd import Exact

if TYPE_CHECKING:
    from derive.spec import TableauSpec

HIGHEST_ORDER = 5

# A rooted tree is the sorted tuple of the trees that hang from its root; () is the single node.
Tree = tuple[Any, ...]
Row = tuple[Exact, ...]
Table = tuple[Row, ...]
Polynomial = tuple[Exact, ...]


@dataclass(frozen=True)
class Condition:
    """Σ_i b_i φ_i(t) = 1/γ(t) for one rooted tree t.

    name: the left side written out, sums over repeated indices implied.  order: the nodes of t.  right: 1/γ(t).
    """

    tree: Tree
    name: str
    order: int
    right: Fraction

    def left(self, a: Any, b: Any) -> Any:
        """The left side for entries of any ring: exact numbers or symbols."""
        return sum(weight * value for weight, value in zip(b, _stage_weights(self.tree, a)))


def conditions(order: int) -> tuple[Condition, ...]:
    """The order conditions for every rooted tree of up to ``order`` nodes: 1, 1, 2, 4, 9 of each size."""
    return tuple(
        Condition(tree, f"Σ b_i {_written(tree, 'i', iter('jklmn'))}".strip(), size, 1 / Fraction(_density(tree)))
        for size in range(1, order + 1)
        for tree in trees(size)
    )


@cache
def trees(nodes: int) -> tuple[Tree, ...]:
    """All rooted trees of that many nodes."""
    return tuple(sorted(_forests(nodes - 1, nodes - 1), key=repr))


def _forests(nodes: int, largest: int) -> list[Tree]:
    """All multisets of trees, none larger than ``largest``, with that many nodes in all."""
    if nodes == 0:
        return [()]
    if largest == 0:
        return []
    found = []
    for copies in range(nodes // largest + 1):
        for chosen in combinations_with_replacement(trees(largest) if copies else (), copies):
            for rest in _forests(nodes - copies * largest, largest - 1):
                found.append(tuple(sorted((*chosen, *rest), key=repr)))
    return found


def _size(tree: Tree) -> int:
    return 1 + sum(_size(t) for t in tree)


def _density(tree: Tree) -> int:
    """γ(t): the number of nodes times the densities of the branches."""
    result = _size(tree)
    for branch in tree:
        result *= _density(branch)
    return result


def _stage_weights(tree: Tree, a: Any) -> list[Any]:
    """φ_i(t) = Π over the branches of Σ_j a_ij φ_j(branch)."""
    result = [1] * len(a)
    for branch in tree:
        inner = _stage_weights(branch, a)
        result = [x * sum(p * q for p, q in zip(row, inner)) for x, row in zip(result, a)]
    return result


def _written(tree: Tree, index: str, letters: Any) -> str:
    leaves = sum(1 for branch in tree if not branch)
    parts = [f"c_{index}" + ("" if leaves == 1 else f"^{leaves}")] if leaves else []
    for branch in tree:
        if branch:
            letter = next(letters)
            parts.append(f"a_{index}{letter} {_written(branch, letter, letters)}")
    return " ".join(parts)


def order(a: Table, b: Row) -> int:
    """The largest order, up to five, whose conditions all hold exactly."""
    failing = [c.order for c in conditions(HIGHEST_ORDER) if c.left(a, b) != c.right]
    return min(failing, default=HIGHEST_ORDER + 1) - 1


def check(tableau: TableauSpec) -> None:
    """Checks a tableau with exact entries: c = Σ a, and every condition of the order that it claims.

    Raises DerivationError with the condition that fails and both of its sides.
    """
    for i, row in enumerate(tableau.a):
        if sum(row) != tableau.c[i]:
            raise _failed(tableau, f"c_{i + 1} = {tableau.c[i]}", f"c_{i + 1} = Σ_j a_{i + 1},j = {sum(row)}",
                          "a stage must sit at the depth that its row of a reaches", f"write {sum(row)}")  # fmt: skip
    if not 1 <= tableau.order <= HIGHEST_ORDER:
        raise _failed(tableau, f"order = {tableau.order}", f"1 to {HIGHEST_ORDER}",
                      "only these orders' conditions are checked", "declare an order in this range")  # fmt: skip
    for condition in conditions(tableau.order):
        left = condition.left(tableau.a, tableau.b)
        if left != condition.right:
            actual = order(tableau.a, tableau.b)
            fix = f"declare order = {actual}, or correct an entry" if actual else "correct an entry: b must sum to 1"
            raise _failed(tableau, f"{condition.name} = {left}", f"{condition.name} = {condition.right}",
                          f"a condition of order {condition.order} fails, {tableau.order} is claimed", fix)  # fmt: skip


def _failed(tableau: TableauSpec, given: str, allowed: str, cause: str, fix: str) -> DerivationError:
    return DerivationError(given, allowed, cause, fix, f"the tableau {tableau.name}")


def stability_function(tableau: TableauSpec) -> tuple[Polynomial, Polynomial]:
    """R(z) = 1 + z Σ_i b_i ((1 − z a)⁻¹ 1)_i = det(1 − z a + z 1 bᵀ)/det(1 − z a): its numerator and denominator.

    Coefficients, constant term first; the denominator of an explicit tableau is (1,).
    """
    shifted = [[x - b for x, b in zip(row, tableau.b)] for row in tableau.a]
    return _determinant(shifted), _determinant(tableau.a)


def _determinant(a: Any) -> Polynomial:
    """det(1 − z a) as a polynomial in z, by the recursion of Faddeev and LeVerrier."""
    size = range(len(a))
    found: list[Exact] = [Fraction(1)]
    power: list[list[Any]] = [[Fraction(i == j) for j in size] for i in size]
    for k in range(1, len(a) + 1):
        product = [[sum((a[i][m] * power[m][j] for m in size), Fraction(0)) for j in size] for i in size]
        found.append(-sum((product[i][i] for i in size), Fraction(0)) / k)
        power = [[entry + (found[-1] if i == j else 0) for j, entry in enumerate(row)] for i, row in enumerate(product)]
    while not found[-1]:
        found.pop()
    return tuple(found)


def value(polynomial: Polynomial, z: Any) -> Any:
    """A polynomial's value."""
    return sum((c * z**k for k, c in enumerate(polynomial)), Fraction(0))


def stable(tableau: TableauSpec, kappa: Fraction, step: Fraction) -> bool:
    """Whether |R(κ s)| ≤ 1: the linear part of the rate does not grow."""
    above, below = (value(p, kappa * step) for p in stability_function(tableau))
    return bool(below) and abs(above) <= abs(below)


def combination(tableau: TableauSpec, kappa: Fraction, step: Fraction) -> Table:
    """One step of (7) for ḣ = A r + κ h, with κ eliminated exactly: shape (stages + 1, stages + 1).

    H_i = α_i h_n + Σ_j γ_ij m_j and, in the last row, h_{n+1} = α_S h_n + Σ_j γ_Sj m_j, where
    m_j = A r(u(H_j), X H_j). Column 0 is α, column j + 1 is γ of stage j; γ is zero where a is zero with everything
    that a stage waits for. Raises DerivationError when the linear part leaves a stage undetermined.
    """
    factor = step * kappa
    # H = h 1 + s a (m + κ H):  (1 − s κ a) H = h 1 + s a m
    left = [[(i == j) - factor * entry for j, entry in enumerate(row)] for i, row in enumerate(tableau.a)]
    right = [[Fraction(1), *(step * entry for entry in row)] for row in tableau.a]
    rows = _solved(tableau, left, right)
    last: list[Any] = [Fraction(1), *(step * b for b in tableau.b)]
    for b, row in zip(tableau.b, rows):
        last = [entry + factor * b * known for entry, known in zip(last, row)]
    return (*(tuple(row) for row in rows), tuple(last))


def _solved(tableau: TableauSpec, left: list[list[Any]], right: list[list[Any]]) -> list[list[Any]]:
    """left⁻¹ right, by exact elimination."""
    size = range(len(left))
    rows = [[*a, *b] for a, b in zip(left, right)]
    for k in size:
        pivot = next((i for i in range(k, len(rows)) if rows[i][k]), None)
        if pivot is None:
            raise _failed(tableau, "stage equations that are singular for this linear part and step",
                          "another number of steps", "1/(κ s) is an eigenvalue of a", "change steps")  # fmt: skip
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [entry / rows[k][k] for entry in rows[k]]
        for i in size:
            if i != k and rows[i][k]:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k])]
    return [row[len(left) :] for row in rows]
