"""How large the arrays of a slab's kernels are, and their working memory.

Sizes are texts over the shapes of a kernel's arguments, the same for every target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from derive.program.build import Form, Program
from derive.program.layout import MAKES, Memory, Operand, wide

# What a record needs of vectors and of single numbers, for the linear equations of implicit stages and for Newton's
# method around them.
VECTORS = ("given_vector", "solution", "image", "moved")
NUMBERS = ("error", "live", "reach", "last", "factor", "before", "after")
NEWTON_VECTORS = ("known", "change")
NEWTON_NUMBERS = ("size", "old", "damping", "residue")
LISTS = {"dots": "krylov + 1", "cosine": "krylov", "sine": "krylov", "rest": "krylov + 1",
         "matrix": "(krylov + 1)*krylov"}  # fmt: skip


def tables(program: Program, names: Iterable[str]) -> list[str]:
    """Tables as arguments: those whose structure leaves something to do, runs after banded ones."""
    found = []
    for table in names:
        if program.structure(table) != "identity":
            found += [table, f"{table}_runs"] if program.structure(table) == "banded" else [table]
    return found


def sizes(program: Program, like: str) -> tuple[tuple[str, str], ...]:
    """The numbers of steps, stages, records and rows, by name; like: the array of a state."""
    parts = program.parts
    nodes = "biases.shape[1]" if parts == 1 else f"biases.shape[1]//{parts}"
    found = {
        "steps": "combine.shape[0]", "stages": "combine.shape[1] - 1", "records": f"{like}.shape[1]",
        "state": f"{like}.shape[0]", "node": nodes, "wide": "biases.shape[1]",
        "weight_out": "operators.shape[1]", "weight_in": "operators.shape[2]", "entry": "h_entry.shape[0]",
    }  # fmt: skip
    if program.blocks:  # their operator is a row of numbers
        outer, inner = _blocks_between(program)
        found |= {"weight_out": outer or "biases.shape[1]", "weight_in": inner or f"{like}.shape[0]"}
    return (*found.items(), *((o.rows, _between(program, o)) for o in between(program.form)))


def between(form: Form) -> tuple[Operand, ...]:
    """The operands between two factors of a Kronecker product."""
    found = {o.name: o for o in (*form.kept, *form.work, *form.bars, *form.dots) if o.axis == o.name}
    return tuple(found[name] for name in sorted(found))


def _between(program: Program, operand: Operand) -> str:
    """The number of rows between two factors of a table, such as G_1's."""
    made, _, count = operand.name.partition("_")
    table = next(table for table, makes in MAKES.items() if makes == made)
    axes = [f"{name}.shape[{int(k >= int(count))}]" for k, name in enumerate(program.factors(table))]
    return "*".join([*axes, wide(program.parts) if operand.wide else "channels"])


def _blocks_between(program: Program) -> tuple[str | None, str | None]:
    """The rows of what blocks make, and of what they act on; None where these are nodes, or the state."""
    found: list[str | None] = []
    for table, axis, channels in (("Phi", 1, wide(program.parts)), ("C", 0, "channels")):
        axes = [f"{name}.shape[{axis}]" for name in program.factors(table)]
        found.append(None if program.structure(table) == "identity" else "*".join([*axes, channels]))
    return found[0], found[1]


def forward_memory(program: Program) -> tuple[Memory, ...]:
    """The working memory of the forward kernel."""
    form, implicit = program.form, program.implicit
    own = "H" not in {o.name for o in form.kept}
    stages = ("stages",) if implicit else ()
    return (
        Memory("m", ("stages", "state", "records")),
        *([Memory("H", (*stages, "state", "records"))] if own else []),
        *(Memory(o.name, (o.rows, "records")) for o in form.work),
        *(_dots(form) if implicit else ()),
        *(_newton(VECTORS + NEWTON_VECTORS, NUMBERS + NEWTON_NUMBERS) if implicit else ()),
    )


def adjoint_memory(program: Program) -> tuple[Memory, ...]:
    """The working memory of the adjoint kernel."""
    return (
        Memory("bar_m", ("stages", "state", "records")),
        Memory("bar_h", ("state", "records")),
        *(Memory(f"bar_{o.name}", (o.rows, "records")) for o in program.form.bars),
        *(_newton(VECTORS, NUMBERS) if program.implicit else ()),
    )


def tangent_memory(program: Program) -> tuple[Memory, ...]:
    """The working memory of the tangent kernel."""
    return (
        Memory("dot_m", ("stages", "state", "records")),
        *(() if program.implicit else (Memory("dot_H", ("state", "records")),)),
        *_dots(program.form),
        *(_newton(VECTORS, NUMBERS) if program.implicit else ()),
    )


def _dots(form: Form) -> Iterator[Memory]:
    return (Memory(f"dot_{o.name}", (o.rows, "records")) for o in form.dots)


def _newton(vectors: tuple[str, ...], numbers: tuple[str, ...]) -> tuple[Memory, ...]:
    """Vectors hold all stages of a step below one another."""
    return (
        *(Memory(name, ("stages*state", "records")) for name in vectors),
        *(Memory(f"{name}_r", (rows, "records")) for name, rows in (dict.fromkeys(numbers, "1") | LISTS).items()),
        Memory("directions", ("krylov + 1", "stages*state", "records")),
    )
