"""Stages that have to be solved for: Newton's method with GMRES, and the transposed equations of the adjoint.

The stages [begin, end) of an implicit tableau satisfy H_i = α_i h + Σ_j γ_ij m_j(H_j) together. Newton's corrections
solve (1 − γ J) dH = residual, the multipliers of the adjoint solve (1 − γᵀ Jᵀ) m̄ = what comes from behind (10). J is
applied by the tangent of a stage's chain, Jᵀ by its adjoint; no matrix is formed. Every record has equations of its
own; all of a tile's are iterated together, and those that are done stand still.

This is the algorithm alone: a ``Loops`` says how a target writes loops and arrays. Vectors hold all stages of a step
below one another, row i·state + a for row a of stage i.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction

from derive.emit.scalar import Constants, Lines, indent

# What a record needs of vectors and of single numbers, for the linear equations and for Newton's method around them.
VECTORS = ("given_vector", "solution", "image", "moved")
NUMBERS = ("error", "live", "reach", "last", "factor", "before", "after")
NEWTON_VECTORS = ("known", "change")
NEWTON_NUMBERS = ("size", "old", "damping", "residue")

# What a caller chooses: how many Newton steps, GMRES cycles and directions a cycle; and in ``limits``, in units of the
# size of what is solved for: the error at which Newton's method stops, the error reduction of a linear solve inside
# it, the error that rounding may leave, and the error reduction of the adjoint's linear solve.
ARGUMENTS = ("groups", "limits", "iterations", "cycles", "krylov")
SMALLEST = Fraction(1, 1024)  # of a Newton correction that is halved until it helps


@dataclass
class Loops(ABC):
    """How a target writes what the algorithm needs.

    bind: the lines that give a stage i its slot, operator and bias. root, modulus: names of functions.
    """

    constants: Constants
    bind: Lines
    root: str
    modulus: str

    @abstractmethod
    def rows(self, body: Lines, low: str = "0", high: str = "state") -> Lines:
        """The body for every row a from low to high and every record r."""

    @abstractmethod
    def records(self, body: Lines) -> Lines:
        """The body for every record r."""

    @abstractmethod
    def total(self, target: str, term: str) -> Lines:
        """target = Σ term over the rows a of the stages that are solved for, for every record r."""

    @abstractmethod
    def any(self) -> Lines:
        """wanted = whether the number ``live`` of any record is 1."""

    @abstractmethod
    def vector(self, name: str, row: str) -> str:
        """One element of a vector, at a record r."""

    @abstractmethod
    def direction(self, k: str, row: str) -> str:
        """One element of GMRES's k-th direction."""

    @abstractmethod
    def number(self, name: str, k: str = "0") -> str:
        """A number that every record has; some have several."""

    @abstractmethod
    def operand(self, name: str, stage: str = "i") -> str:
        """Element a of the operand h, H, m or bar_m; of the given stage, for H and m."""

    @abstractmethod
    def worst(self) -> str:
        """The element of the argument ``unsolved`` that belongs to record r."""

    def constant(self, value: Fraction | int) -> str:
        return self.constants.name(Fraction(value))


ROW = "i*state + a"
WHOLE = ("begin*state", "end*state")


def _square(element: str) -> str:
    return f"{element}*{element}"


def _stages(loops: Loops, *parts: Lines, backwards: bool = False) -> Lines:
    """The parts for every stage that is solved for."""
    order = "range(end - 1, begin - 1, -1)" if backwards else "range(begin, end)"
    return [f"for i in {order}:", *indent([*loops.bind, *(line for part in parts for line in part)])]


def forward(loops: Loops, stage: Lines, tangent: Lines) -> Lines:
    """One group of stages: H_i, m_i and what the adjoint reads, by Newton's method with halved steps."""
    v, number, operand = loops.vector, loops.number, loops.operand
    zero, one, two = (loops.constant(value) for value in (0, 1, 2))
    smallest = loops.constant(SMALLEST)
    start = [
        f"total = combine[n, i, 0]*{operand('h')}",
        "for j in range(begin):",
        f"    total += combine[n, i, j + 1]*{operand('m', 'j')}",
        f"{v('known', ROW)} = total",
        f"{operand('H')} = total",
    ]
    residual = [
        f"total = {v('known', ROW)}",
        "for j in range(begin, end):",
        f"    total += combine[n, i, j + 1]*{operand('m', 'j')}",
        f"{v('solution', ROW)} = total",
        f"{v('given_vector', ROW)} = total - {operand('H')}",
    ]
    error, size, old, damping = (number(name) for name in ("error", "size", "old", "damping"))
    decide = [
        f"{error} = {loops.root}({error})",
        f"{size} = {loops.root}({size}) + {loops.root}({number('before')})",
        f"{number('residue')} = {error}/{size} if {size} > {zero} else {error}",
        f"stuck = iteration > 0 and {two}*{error} > {old} and {old} <= limits[2]*{size}",
        f"if not {error} > limits[0]*{size} or stuck:  # as good as rounding allows",
        f"    {damping} = {zero}",
        f"elif iteration > 0 and not {error} < {old}:  # half of the correction; given up when that is nothing",
        f"    {damping} = {damping}/{two} if {damping} > {smallest} else {zero}",
        "else:",
        f"    {old} = {error}",
        f"    {damping} = {one}",
        f"{number('live')} = {one} if {damping} > {zero} else {zero}",
    ]
    update = [
        f"if {damping} == {one}:",
        f"    {v('change', ROW)} = {v('solution', ROW)}",
        f"    {operand('H')} += {v('solution', ROW)}",
        f"elif {damping} > {zero}:",
        f"    {operand('H')} -= {damping}*{v('change', ROW)}",
    ]
    keep_worst = [f"if not {number('residue')} <= {loops.worst()}:", f"    {loops.worst()} = {number('residue')}"]
    only_new = f"{v('given_vector', 'a')} *= {one} if {damping} == {one} else {zero}"
    return [
        "# the first guess: what earlier stages say",
        *_stages(loops, loops.rows(start)),
        "for iteration in range(iterations):",
        *indent([
            *_stages(loops, stage),
            "# residual: α_i h + Σ_j γ_ij m_j − H_i",
            *_stages(loops, loops.rows(residual)),
            *loops.total(error, _square(v('given_vector', 'a'))),
            *loops.total(size, _square(v('solution', 'a'))),
            *loops.total(number("before"), _square(v('known', 'a'))),
            *loops.records(decide),
            *loops.any(),
            "if not wanted:",
            "    break",
            *loops.rows([only_new], *WHOLE),
            *_gmres(loops, _apply(loops, tangent, "combine[n, i, j + 1]"), "limits[1]"),
            *_stages(loops, loops.rows(update)),
        ]),
        *loops.records(keep_worst),
    ]  # fmt: skip


def adjoint(loops: Loops, transposed: Lines, reverse: Lines) -> Lines:
    """One group of stages backwards: m̄ from the transposed equations, then gradients, h̄ and earlier stages' m̄."""
    v, operand = loops.vector, loops.operand
    return [
        *_stages(loops, loops.rows([f"{v('given_vector', ROW)} = {operand('bar_m')}"])),
        *_gmres(loops, _apply(loops, transposed, "combine[n, j, i + 1]"), "limits[3]"),
        *_stages(loops, loops.rows([f"{operand('bar_m')} = {v('solution', ROW)}"])),
        *_stages(loops, reverse, backwards=True),
    ]


def _apply(loops: Loops, chain: Lines, factor: str) -> Lines:
    """image = direction k − Σ_j factor · (what the chain makes of stage j's part of it)."""
    body = [
        f"total = {loops.direction('k', ROW)}",
        "for j in range(begin, end):",
        f"    total -= {factor}*{loops.vector('moved', 'j*state + a')}",
        f"{loops.vector('image', ROW)} = total",
    ]
    return [*_stages(loops, chain), *_stages(loops, loops.rows(body))]


def _gmres(loops: Loops, apply: Lines, reduction: str) -> Lines:
    """solution: of the equations for ``given_vector`` that ``apply`` applies, by restarted GMRES.

    Directions are made orthogonal twice (classical Gram–Schmidt); a record whose equations are solved, or whose error
    no longer falls from one cycle to the next, stands still.
    """
    v, direction, number = loops.vector, loops.direction, loops.number
    zero, one, two = (loops.constant(value) for value in (0, 1, 2))
    factor, live, reach, last = (number(name) for name in ("factor", "live", "reach", "last"))
    after, before, error = number("after"), number("before"), number("error")
    begin_cycle = [
        f"{error} = {loops.root}({error})",
        "if cycle == 0:",
        f"    {reach} = {reduction}*{error}",
        f"    {last} = {two}*{error} + {error}",
        f"{live} = {one} if {error} > {reach} and {two}*{error} < {last} else {zero}",
        f"{last} = {error}",
        f"{number('rest', '0')} = {error}",
        f"{factor} = {one}/{error} if {live} == {one} else {zero}",
    ]
    orthogonal = [
        "for j in range(k + 1):",
        *indent(loops.total(number("dots", "j"), f"{direction('j', 'a')}*{v('image', 'a')}")),
        "for j in range(k + 1):",
        *indent(loops.rows([f"{v('image', 'a')} -= {number('dots', 'j')}*{direction('j', 'a')}"], *WHOLE)),
        *loops.records([
            "for j in range(k + 1):",
            f"    {number('matrix', 'j*krylov + k')} += {number('dots', 'j')}",
        ]),
    ]  # fmt: skip
    rotate = [
        f"{after} = {loops.root}({after})",
        f"if not {after} > limits[0]*{loops.root}({before}):  # nothing new: the directions span the solution",
        f"    {after} = {zero}",
        f"{factor} = {one}/{after} if {after} > {zero} else {zero}",
        "for j in range(k):",
        f"    above, below = {number('matrix', 'j*krylov + k')}, {number('matrix', '(j + 1)*krylov + k')}",
        f"    {number('matrix', 'j*krylov + k')} = {number('cosine', 'j')}*above + {number('sine', 'j')}*below",
        f"    {number('matrix', '(j + 1)*krylov + k')} = {number('cosine', 'j')}*below - {number('sine', 'j')}*above",
        f"above = {number('matrix', 'k*krylov + k')}",
        f"length = {loops.root}(above*above + {after}*{after})",
        f"{number('cosine', 'k')} = above/length if length > {zero} else {one}",
        f"{number('sine', 'k')} = {after}/length if length > {zero} else {zero}",
        f"{number('matrix', 'k*krylov + k')} = length",
        f"{number('rest', 'k + 1')} = -{number('sine', 'k')}*{number('rest', 'k')}",
        f"{number('rest', 'k')} = {number('cosine', 'k')}*{number('rest', 'k')}",
        f"{live} = {one} if {loops.modulus}({number('rest', 'k + 1')}) > {reach} else {zero}",
    ]
    substitute = [
        "for back in range(used):",
        "    j = used - 1 - back",
        f"    total = {number('rest', 'j')}",
        "    for l in range(j + 1, used):",
        f"        total -= {number('matrix', 'j*krylov + l')}*{number('dots', 'l')}",
        f"    pivot = {number('matrix', 'j*krylov + j')}",
        f"    {number('dots', 'j')} = total/pivot if pivot != {zero} else {zero}",
    ]
    start_cycle = [
        *loops.rows([
            f"value = {v('given_vector', 'a')}",
            "if cycle > 0:",
            f"    value -= {v('image', 'a')}",
            f"{direction('0', 'a')} = value",
        ], *WHOLE),
        *loops.total(error, _square(direction("0", "a"))),
        *loops.records(begin_cycle),
        *loops.any(),
        "if not wanted:",
        "    break",
        *loops.rows([f"{direction('0', 'a')} *= {factor}"], *WHOLE),
    ]  # fmt: skip
    new_direction = [
        *loops.total(before, _square(v("image", "a"))),
        *loops.records(["for j in range(k + 2):", f"    {number('matrix', 'j*krylov + k')} = {zero}"]),
        "for repeat in range(2):",
        *indent(orthogonal),
        *loops.total(after, _square(v("image", "a"))),
        *loops.records(rotate),
        *loops.rows([f"{direction('k + 1', 'a')} = {factor}*{v('image', 'a')}"], *WHOLE),
        "used = k + 1",
        *loops.any(),
        "if not wanted:",
        "    break",
    ]
    return [
        *loops.rows([f"{v('solution', 'a')} = {zero}"], *WHOLE),
        "for cycle in range(cycles):",
        *indent([
            *loops.rows([f"{direction('0', 'a')} = {v('solution', 'a')}"], *WHOLE),
            "used = 0",
            "for step in range(krylov + 1):",
            "    k = max(step - 1, 0)",
            "    if step > 0 or cycle > 0:",
            *indent(apply, 2),
            "    if step == 0:  # what is left of the right side",
            *indent(start_cycle, 2),
            "    else:",
            *indent(new_direction, 2),
            "if used == 0:",
            "    break",
            *loops.records(substitute),
            "for j in range(used):",
            *indent(loops.rows([f"{v('solution', 'a')} += {number('dots', 'j')}*{direction('j', 'a')}"], *WHOLE)),
        ]),
    ]  # fmt: skip


def vectors(solving: bool) -> tuple[str, ...]:
    """The vectors of the adjoint's equations; with those of Newton's method when the stages are being solved for."""
    return VECTORS + NEWTON_VECTORS if solving else VECTORS


def numbers(solving: bool) -> dict[str, str]:
    """name → how many of that number a record needs."""
    lists = {"dots": "krylov + 1", "cosine": "krylov", "sine": "krylov", "rest": "krylov + 1"}
    single = NUMBERS + NEWTON_NUMBERS if solving else NUMBERS
    return dict.fromkeys(single, "1") | lists | {"matrix": "(krylov + 1)*krylov"}
