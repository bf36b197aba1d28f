"""Symmetry: the coefficients that equation 6 admits, exactly, and the pattern that kernels exploit.

A finite element g of a group, a map of [−1, 1] to itself that keeps lengths (±ξ and a number, piece by piece), takes a
basis to itself, φ_j∘g = Σ_i S_ij φ_i, and a weight field is invariant when S w S̃ᵀ = w; an infinitesimal one,
Dφ_j = Σ_i D_ij φ_i, when D w + w D̃ᵀ = 0. Fields of one variable must be invariant themselves. The admissible
coefficients are a null space; its sparse basis N (w = N z) is the parameterisation.

Shifts of a Fourier basis turn cosines and sines by angles whose cosines are not rational. There the null space is the
range of the average over the group, which is: the mean of cos(mθ) over its angles θ is 1 where m is a multiple of the
group's order, else 0.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from derive.errors import DerivationError, SpecWarning
from derive.exact.series import Interval
from derive.spaces.basis import Basis, Combination, build
from derive.spec import WIDTH, BasisSpec, Piece, SymmetrySpec

if TYPE_CHECKING:
    from derive.exact.matrix import ExactMatrix

T = TypeVar("T")
Index = tuple[int, int]  # of a coefficient: (i, j) of w_ij; (i, 0) of one of a field of one variable
Equation = dict[Index, Fraction]  # Σ value · coefficient = 0
Rows = list[dict[int, Fraction]]  # a matrix, row by row, without its zeros
Entry = tuple[int, int, int, Fraction]  # (m, i, j, value): N_ijm


@dataclass(frozen=True)
class Admissible:
    """The weights that are left: w_ij = Σ_m N_ijm z_m. size: how many z; entries: those of N that are not zero.

    blocks: (rows, columns) of w that some entry couples, each row and column in one block at most.
    """

    size: int
    entries: tuple[Entry, ...]

    @property
    def blocks(self) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
        links = [[("row", i), ("column", j)] for _, i, j, _ in self.entries]
        found = []
        for part in _components(links):
            rows, columns = (tuple(sorted(k for kind, k in part if kind == name)) for name in ("row", "column"))
            found.append((rows, columns))
        return tuple(sorted(found))

    def gram(self, rows: ExactMatrix, columns: ExactMatrix, other: Admissible | None = None) -> ExactMatrix:
        """Nᵀ (rows ⊗ columns) N′, exact; N′ is N unless ``other`` has one. Both factors are ⟨φ_i, φ′_i′⟩."""
        from derive.exact.matrix import as_fmpq, collected

        second = other or self
        shape = (self.size, second.size)
        at: dict[Index, list[tuple[int, Fraction]]] = {}
        for m, i, j, value in second.entries:
            at.setdefault((i, j), []).append((m, value))
        met = tuple([[int(k) for k in row.nonzero()[0]] for row in table.nonzero()] for table in (rows, columns))
        terms = [
            (m, n, i * rows.shape[1] + k, j * columns.shape[1] + l, as_fmpq(first * value))
            for m, i, j, first in self.entries
            for k in met[0][i]
            for l in met[1][j]
            for n, value in at.get((k, l), ())
        ]
        return collected(shape, rows, columns, terms)


def admissible(symmetries: Sequence[SymmetrySpec], out: Basis, inner: Basis) -> Admissible:
    """The weights on two bases that all the symmetries leave. Raises DerivationError where a basis is not closed."""
    equations: list[Equation] = []
    for one in symmetries:
        equations += _pair_equations(one, out, inner)
    unknowns = [(i, j) for i in range(out.size) for j in range(inner.size)]
    vectors = null_space(unknowns, equations)
    entries = [(m, i, j, value) for m, vector in enumerate(vectors) for (i, j), value in sorted(vector.items())]
    return Admissible(len(vectors), tuple(entries))


def invariant(symmetries: Sequence[SymmetrySpec], basis: Basis) -> list[list[Fraction]]:
    """Rows of coefficients: a basis of the functions in a space that no symmetry changes."""
    equations: list[Equation] = []
    for one in symmetries:
        equations += _own_equations(one, basis)
    vectors = null_space([(i, 0) for i in range(basis.size)], equations)
    return [[vector.get((i, 0), Fraction(0)) for i in range(basis.size)] for vector in vectors]


def invariant_basis(
    symmetries: Sequence[SymmetrySpec], declared: BasisSpec, role: str, interval: Interval = WIDTH
) -> BasisSpec:
    """The invariant functions of a width basis, as a basis. role: its key, for messages. Raises DerivationError."""
    from derive import registry

    rows = invariant(symmetries, build(declared, interval))
    if len(rows) == declared.size:
        return declared
    if not rows:
        raise DerivationError(
            f"a {declared.family} basis without a function that {' and '.join(map(str, symmetries))} leaves alone",
            "a basis that holds a constant, for one", "a basis made for something else",
            'use { family = "p0", cells = 1 }', role,
        )  # fmt: skip
    if len(rows) == 1:
        said = SpecWarning(
            f"{declared.family}, {declared.size} functions, of which {' and '.join(map(str, symmetries))} leaves one",
            "functions that no symmetry changes: a network that commutes with it does not know where it is",
            "a position-dependent field in an equation that is the same everywhere",
            'write { family = "p0", cells = 1 }, or leave the symmetry out; coordinates may be channels of the records',
            role,
        )  # fmt: skip
        warnings.warn(said, stacklevel=2)
    if declared.family != "fourier":
        family = registry.entry("bases", "combination")
        return BasisSpec("combination", **family.resolve({"of": declared, "rows": rows}, interval))
    texts = [" + ".join(f"({value})*{_wave(i)}" for i, value in enumerate(row) if value) for row in rows]
    name, given = ("p0", {"cells": 1}) if len(rows) == 1 and rows[0][0] else ("custom", {"functions": texts})
    return BasisSpec(name, **registry.entry("bases", name).resolve(given, WIDTH))


def _wave(i: int) -> str:
    return f"{'cos' if i % 2 else 'sin'}({_frequency(i)}*pi*xi)" if i else "1"


# --- equations ----------------------------------------------------------------------------------------------


def _pair_equations(one: SymmetrySpec, out: Basis, inner: Basis) -> Iterator[Equation]:
    places = [(i, j) for i in range(out.size) for j in range(inner.size)]
    if one.kind == "translation":  # D w + w D̃ᵀ = 0
        first, second = derivative(out), derivative(inner)
        for i, j in places:
            equation = {(k, j): value for k, value in first[i].items()}
            for l, value in second[j].items():
                equation[i, l] = equation.get((i, l), Fraction(0)) + value
            yield equation
        return
    if one.amount is not None and out.kind == inner.kind == "fourier":  # the mean of S w S̃ᵀ is w
        for i, j in places:
            pairs = {(k, l): _mean(i, k, j, l, one.amount) for k in _same(i) for l in _same(j)}
            yield _less_own(pairs, (i, j))
        return
    first, second = action(one, out), action(one, inner)
    for i, j in places:
        yield _less_own({(k, l): x * y for k, x in first[i].items() for l, y in second[j].items()}, (i, j))


def _own_equations(one: SymmetrySpec, basis: Basis) -> Iterator[Equation]:
    if one.kind == "translation":
        yield from ({(k, 0): value for k, value in row.items()} for row in derivative(basis))
    elif one.amount is not None and basis.kind == "fourier":
        yield from (_less_own({(i, 0): _closes(_frequency(i), one.amount)}, (i, 0)) for i in range(basis.size))
    else:
        rows = action(one, basis)
        yield from (_less_own({(k, 0): value for k, value in row.items()}, (i, 0)) for i, row in enumerate(rows))


def _less_own(equation: Equation, own: Index) -> Equation:
    return equation | {own: equation.get(own, Fraction(0)) - 1}


# --- how a basis moves --------------------------------------------------------------------------------------


def check_closed(symmetries: Sequence[SymmetrySpec], basis: Basis, role: str) -> None:
    """Raise DerivationError unless every symmetry takes the basis to itself. role: its key, for the message."""
    try:
        for one in symmetries:
            list(_own_equations(one, basis))
    except DerivationError as error:
        raise DerivationError(error.given, error.allowed, error.cause, error.fix, role) from None


def derivative(basis: Basis) -> Rows:
    """D with φ_j′ = Σ_i D_ij φ_i, over π for Fourier functions."""
    if basis.kind == "fourier":
        rows: Rows = [{} for _ in range(basis.size)]
        for f in range(1, basis.size // 2 + 1):
            rows[2 * f][2 * f - 1], rows[2 * f - 1][2 * f] = Fraction(-f), Fraction(f)
        return rows
    if _is_constant(basis):
        return [{}]
    raise DerivationError(
        f"translation of a {basis.family} basis", "a Fourier basis, or one constant function",
        "the functions of this family, moved a little, are no combinations of themselves",
        'use { family = "fourier", size = … }, or symmetry = { shift = "1/8" } for cells of that size',
    )  # fmt: skip


def action(one: SymmetrySpec, basis: Basis) -> Rows:
    """S with φ_j∘g = Σ_i S_ij φ_i, for a single map g. Raises DerivationError naming a φ_j∘g outside the span."""
    from derive.spaces.products import gram

    if _is_constant(basis):
        return [{0: Fraction(1)}]
    if basis.kind == "fourier":
        if one.kind == "reflection":
            return [{i: Fraction(-1 if i and i % 2 == 0 else 1)} for i in range(basis.size)]
        raise _not_closed(one, basis, "waves are cut where a map jumps, and one basis that shifts turn needs the other")
    moved = composed(basis, one.pieces)
    mass = gram(basis, basis)
    matrix = mass.solve(gram(basis, moved))
    outside = (gram(moved, moved) - matrix.T @ mass @ matrix).nonzero().diagonal()
    if outside.any():
        raise _not_closed(one, basis, f"function {int(outside.argmax())}, counted from 0, moves out of the span")
    found = matrix.as_fractions()
    if found is None:
        raise _not_closed(one, basis, "it mixes the functions by numbers that are not rational")
    return [{j: value for j, value in enumerate(row) if value} for row in found]


def _not_closed(one: SymmetrySpec, basis: Basis, cause: str) -> DerivationError:
    return DerivationError(
        f"{one}, for a {basis.family} basis of {basis.size} functions", "a basis that the symmetry takes to itself",
        f"{cause}: breakpoints that do not move to breakpoints, or functions that are continuous where a map jumps",
        "use equal cells that divide the shift, p0 or discontinuous on cells that the map takes to cells, or a Fourier "
        "basis for shifts", "equation.symmetry",
    )  # fmt: skip


def _is_constant(basis: Basis) -> bool:
    return basis.size == 1 and basis.degree == 0 and basis.cells == 1


def composed(basis: Basis, pieces: Sequence[Piece]) -> Basis:
    """φ_j∘g, on the cells between the ends of g's pieces and what g takes to breakpoints."""
    if basis.combination is not None:
        of = composed(basis.combination.of, pieces)
        whole = Combination(basis.combination.matrix, of)
        return Basis(basis.family, basis.interval, of.breakpoints, (), combination=whole)
    low, high = basis.interval  # [−1, 1], or [−reach, reach] of κ, which meets reflections alone
    breakpoints = [low]
    functions: list[dict[int, Any]] = [{} for _ in basis.functions]
    for piece in pieces:
        first, last = max(piece.image[0], low), min(piece.image[1], high)
        seen = [first, *(b for b in basis.breakpoints if first < b < last), last]
        parts = list(zip(seen, seen[1:]))
        for part in parts[:: piece.sign]:
            place = basis.cell_of(part[0])
            for j in basis.active[place]:
                functions[j][len(breakpoints) - 1] = _seen(basis.functions[j][place], basis.bounds(place), part, piece)
            breakpoints.append(piece.sign * (part[piece.sign > 0] - piece.offset))
    return Basis(basis.family, basis.interval, tuple(breakpoints), tuple(functions))


def _seen(function: Any, cell: Interval, part: Interval, piece: Piece) -> Any:
    """A function given on a cell, seen through a piece that fills a part of the cell."""
    from derive.exact.enclosure import XI
    from derive.exact.legendre import restriction

    if not isinstance(function, tuple):
        return function.xreplace({XI: piece.sign * XI + piece.offset})
    series = restriction(function, cell, part)
    return series if piece.sign > 0 else tuple(-v if k % 2 else v for k, v in enumerate(series))  # P_k(−t) = (−1)^k P_k


def piece(text: str, start: Fraction, stop: Fraction) -> Piece | None:
    """ξ → ±ξ + offset on [start, stop], where an expression in xi is that; else None."""
    from derive.exact.enclosure import XI, polynomial_series
    from derive.exact.expression import parse

    series = polynomial_series(parse(text, {"xi": XI}), start, stop)
    if series is None or len(series) != 2 or abs(series[1]) != (stop - start) / 2:
        return None
    sign = 1 if series[1] > 0 else -1
    return Piece(start, stop, sign, series[0] - sign * (start + stop) / 2)


def _frequency(i: int) -> int:
    return (i + 1) // 2


def _same(i: int) -> tuple[int, ...]:
    """The functions of one frequency."""
    f = _frequency(i)
    return (2 * f - 1, 2 * f) if f else (0,)


def _closes(multiple: int, amount: Fraction) -> Fraction:
    """The mean of cos(mθ) over the angles θ = π s t of the group that a shift s generates."""
    return Fraction(int(multiple * amount % 2 == 0))


def _mean(i: int, k: int, j: int, l: int, amount: Fraction) -> Fraction:
    """The mean of S_ik S̃_jl over the group; S turns (cos, sin) of frequency f by fθ."""
    f, g = _frequency(i), _frequency(j)
    near, far = _closes(f - g, amount), _closes(f + g, amount)
    if i == k and j == l:  # cos fθ cos gθ
        return (near + far) / 2
    if i != k and j != l:  # ± sin fθ sin gθ, plus above the diagonal
        sign = 1 if (i < k) == (j < l) else -1
        return sign * (near - far) / 2
    return Fraction(0)  # cos · sin


# --- null spaces --------------------------------------------------------------------------------------------


def null_space(unknowns: Sequence[Index], equations: Iterable[Equation]) -> list[dict[Index, Fraction]]:
    """A sparse basis of the solutions: one null space for every set of unknowns that equations link.

    Every vector's first entry is 1; vectors are in the order of their first entries.
    """
    bare = [{index: value for index, value in equation.items() if value} for equation in equations]
    bare = [equation for equation in bare if equation]
    found = []
    linked: dict[Index, int] = {}
    parts = _components([list(equation) for equation in bare])
    for number, part in enumerate(parts):
        linked |= dict.fromkeys(part, number)
    members: list[list[Equation]] = [[] for _ in parts]
    for equation in bare:
        members[linked[next(iter(equation))]].append(equation)
    for part, own in zip(parts, members):
        found += _solutions(sorted(part), own)
    found += [{index: Fraction(1)} for index in unknowns if index not in linked]
    return sorted(found, key=lambda vector: sorted(vector))


def _solutions(unknowns: Sequence[Index], equations: Sequence[Equation]) -> list[dict[Index, Fraction]]:
    from flint import fmpq_mat

    from derive.exact.matrix import as_fmpq, as_fraction

    width = len(unknowns)
    entries = [as_fmpq(equation.get(index, Fraction(0))) for equation in equations for index in reversed(unknowns)]
    # From the last unknown on, so that the free ones, and with them the vectors, come first.
    reduced, rank = fmpq_mat(len(equations), width, entries).rref()
    order = list(reversed(unknowns))
    pivots = [next(c for c in range(width) if reduced[r, c]) for r in range(rank)]
    found = []
    for free in (c for c in range(width) if c not in pivots):
        vector = {order[free]: Fraction(1)}
        for r, pivot in enumerate(pivots):
            if reduced[r, free]:
                vector[order[pivot]] = -as_fraction(reduced[r, free])
        found.append(dict(sorted(vector.items())))
    return found


def _components(links: Iterable[Sequence[T]]) -> list[list[T]]:
    """The connected parts of what lists link."""
    parent: dict[T, T] = {}

    def root(x: T) -> T:
        while parent.setdefault(x, x) != x:
            parent[x] = x = parent[parent[x]]
        return x

    for linked in links:
        for x in linked:
            parent[root(x)] = root(linked[0])
    parts: dict[T, list[T]] = {}
    for x in parent:
        parts.setdefault(root(x), []).append(x)
    return list(parts.values())
