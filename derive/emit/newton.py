"""Stages that have to be solved for: Newton's method with GMRES, and the transposed equations of the adjoint.

The stages [begin, end) of an implicit tableau satisfy H_i = α_i h + Σ_j γ_ij m_j(H_j) together. Newton's corrections
solve (1 − γ J) dH = residual, and so do the changes dH of a tangent, for what comes from before; the multipliers of the
adjoint solve (1 − γᵀ Jᵀ) m̄ = what comes from behind (10). J is applied by the tangent of a stage's chain, Jᵀ by its
adjoint; no matrix is formed. Every record has equations of its
own; all of a tile's are iterated together, and those that are done stand still.

This is the algorithm alone: a ``Target`` says how loops and arrays are written; bind: the lines that give a stage i its
slot, operator and bias. Vectors hold all stages of a step below one another, row i·state + a for row a of stage i.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from derive.emit.scalar import Lines, indent
from derive.emit.target import Target

SMALLEST = Fraction(1, 1024)  # of a Newton correction that is halved until it helps
ROW = "i*state + a"
WHOLE = ("begin*state", "end*state")
_square = "{0}*{0}".format


def _stages(bind: Lines, *parts: Lines, backwards: bool = False) -> Lines:
    """The parts for every stage that is solved for."""
    order = "range(end - 1, begin - 1, -1)" if backwards else "range(begin, end)"
    return [f"for i in {order}:", *indent([*bind, *(line for part in parts for line in part)])]


def forward(to: Target, bind: Lines, stage: Lines, tangent: Lines) -> Lines:
    """One group of stages: H_i, m_i and what the adjoint reads, by Newton's method with halved steps."""
    v, number, operand, root = to.vector, to.number, to.element, to.calls["sqrt"]
    zero, one, two = (to.constant(value) for value in (0, 1, 2))
    smallest = to.constant(SMALLEST)
    start = [
        f"total = combine[n, i, 0]*{operand('h')}",
        "for j in range(begin):",
        f"    total += combine[n, i, j + 1]*{operand('M', stage='j')}",
        f"{v('known', ROW)} = total",
        f"{operand('H')} = total",
    ]
    residual = [
        f"total = {v('known', ROW)}",
        "for j in range(begin, end):",
        f"    total += combine[n, i, j + 1]*{operand('M', stage='j')}",
        f"{v('solution', ROW)} = total",
        f"{v('given_vector', ROW)} = total - {operand('H')}",
    ]
    error, size, old, damping = (number(name) for name in ("error", "size", "old", "damping"))
    decide = [
        f"{error} = {root}({error})",
        f"{size} = {root}({size}) + {root}({number('before')})",
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
    worst = to.element("unsolved")
    keep_worst = [f"if not {number('residue')} <= {worst}:", f"    {worst} = {number('residue')}"]
    only_new = f"{v('given_vector', 'a')} *= {one} if {damping} == {one} else {zero}"
    return [
        "# the first guess: what earlier stages say",
        *_stages(bind, to.rows(start)),
        "for iteration in range(iterations):",
        *indent([
            *_stages(bind, stage),
            "# residual: α_i h + Σ_j γ_ij m_j − H_i",
            *_stages(bind, to.rows(residual)),
            *to.total(error, _square(v('given_vector', 'a'))),
            *to.total(size, _square(v('solution', 'a'))),
            *to.total(number("before"), _square(v('known', 'a'))),
            *to.records(decide),
            *to.any(),
            "if not wanted:",
            "    break",
            *to.rows([only_new], *WHOLE),
            *_gmres(to, _apply(to, bind, tangent, "combine[n, i, j + 1]"), "limits[1]"),
            *_stages(bind, to.rows(update)),
        ]),
        *to.records(keep_worst),
    ]  # fmt: skip


def adjoint(to: Target, bind: Lines, transposed: Lines, reverse: Lines) -> Lines:
    """One group of stages backwards: m̄ from the transposed equations, then gradients, h̄ and earlier stages' m̄."""
    v, operand = to.vector, to.element
    return [
        *_stages(bind, to.rows([f"{v('given_vector', ROW)} = {operand('bar_M', stage='i')}"])),
        *_gmres(to, _apply(to, bind, transposed, "combine[n, j, i + 1]"), "limits[3]"),
        *_stages(bind, to.rows([f"{operand('bar_M', stage='i')} = {v('solution', ROW)}"])),
        *_stages(bind, reverse, backwards=True),
    ]


def tangent(to: Target, bind: Lines, direction: Lines, held: Lines, solved: Lines) -> Lines:
    """One group of stages: dH_i and dm_i, from dh, earlier stages' dm_j and the changes of what is learned.

    held: dm_i of dH = ``solution`` in ``moved``; of zero it is what those changes make.  solved: the same in dm_i.
    """
    v, operand = to.vector, to.element
    given = [
        f"total = combine[n, i, 0]*{operand('dot_h')}",
        "for j in range(begin):",
        f"    total += combine[n, i, j + 1]*{operand('dot_M', stage='j')}",
        "for j in range(begin, end):",
        f"    total += combine[n, i, j + 1]*{v('moved', 'j*state + a')}",
        f"{v('given_vector', ROW)} = total",
    ]
    return [
        *to.rows([f"{v('solution', 'a')} = {to.constant(0)}"], *WHOLE),
        *_stages(bind, held),
        *_stages(bind, to.rows(given)),
        *_gmres(to, _apply(to, bind, direction, "combine[n, i, j + 1]"), "limits[3]"),
        *_stages(bind, solved),
    ]


def _apply(to: Target, bind: Lines, chain: Lines, factor: str) -> Lines:
    """image = direction k − Σ_j factor · (what the chain makes of stage j's part of it)."""
    body = [
        f"total = {to.vector('directions', ROW, 'k')}",
        "for j in range(begin, end):",
        f"    total -= {factor}*{to.vector('moved', 'j*state + a')}",
        f"{to.vector('image', ROW)} = total",
    ]
    return [*_stages(bind, chain), *_stages(bind, to.rows(body))]


def _gmres(to: Target, apply: Lines, reduction: str) -> Lines:
    """solution: of the equations for ``given_vector`` that ``apply`` applies, by restarted GMRES.

    Directions are made orthogonal twice (classical Gram–Schmidt); a record whose equations are solved, or whose error
    no longer falls from one cycle to the next, stands still.
    """
    v, direction, number, root = to.vector, partial(to.vector, "directions"), to.number, to.calls["sqrt"]
    zero, one, two = (to.constant(value) for value in (0, 1, 2))
    factor, live, reach, last = (number(name) for name in ("factor", "live", "reach", "last"))
    after, before, error = number("after"), number("before"), number("error")
    begin_cycle = [
        f"{error} = {root}({error})",
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
        *indent(to.total(number("dots", "j"), f"{direction('a', 'j')}*{v('image', 'a')}")),
        "for j in range(k + 1):",
        *indent(to.rows([f"{v('image', 'a')} -= {number('dots', 'j')}*{direction('a', 'j')}"], *WHOLE)),
        *to.records([
            "for j in range(k + 1):",
            f"    {number('matrix', 'j*krylov + k')} += {number('dots', 'j')}",
        ]),
    ]  # fmt: skip
    rotate = [
        f"{after} = {root}({after})",
        f"if not {after} > limits[0]*{root}({before}):  # nothing new: the directions span the solution",
        f"    {after} = {zero}",
        f"{factor} = {one}/{after} if {after} > {zero} else {zero}",
        "for j in range(k):",
        f"    above, below = {number('matrix', 'j*krylov + k')}, {number('matrix', '(j + 1)*krylov + k')}",
        f"    {number('matrix', 'j*krylov + k')} = {number('cosine', 'j')}*above + {number('sine', 'j')}*below",
        f"    {number('matrix', '(j + 1)*krylov + k')} = {number('cosine', 'j')}*below - {number('sine', 'j')}*above",
        f"above = {number('matrix', 'k*krylov + k')}",
        f"length = {root}(above*above + {after}*{after})",
        f"{number('cosine', 'k')} = above/length if length > {zero} else {one}",
        f"{number('sine', 'k')} = {after}/length if length > {zero} else {zero}",
        f"{number('matrix', 'k*krylov + k')} = length",
        f"{number('rest', 'k + 1')} = -{number('sine', 'k')}*{number('rest', 'k')}",
        f"{number('rest', 'k')} = {number('cosine', 'k')}*{number('rest', 'k')}",
        f"{live} = {one} if {to.calls['Abs']}({number('rest', 'k + 1')}) > {reach} else {zero}",
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
        *to.rows([
            f"value = {v('given_vector', 'a')}",
            "if cycle > 0:",
            f"    value -= {v('image', 'a')}",
            f"{direction('a', '0')} = value",
        ], *WHOLE),
        *to.total(error, _square(direction("a", "0"))),
        *to.records(begin_cycle),
        *to.any(),
        "if not wanted:",
        "    break",
        *to.rows([f"{direction('a', '0')} *= {factor}"], *WHOLE),
    ]  # fmt: skip
    new_direction = [
        *to.total(before, _square(v("image", "a"))),
        *to.records(["for j in range(k + 2):", f"    {number('matrix', 'j*krylov + k')} = {zero}"]),
        "for repeat in range(2):",
        *indent(orthogonal),
        *to.total(after, _square(v("image", "a"))),
        *to.records(rotate),
        *to.rows([f"{direction('a', 'k + 1')} = {factor}*{v('image', 'a')}"], *WHOLE),
        "used = k + 1",
        *to.any(),
        "if not wanted:",
        "    break",
    ]
    return [
        *to.rows([f"{v('solution', 'a')} = {zero}"], *WHOLE),
        "for cycle in range(cycles):",
        *indent([
            *to.rows([f"{direction('a', '0')} = {v('solution', 'a')}"], *WHOLE),
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
            *to.records(substitute),
            "for j in range(used):",
            *indent(to.rows([f"{v('solution', 'a')} += {number('dots', 'j')}*{direction('a', 'j')}"], *WHOLE)),
        ]),
    ]  # fmt: skip
