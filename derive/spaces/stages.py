"""What the stages see of the depth functions (section 4): Σ s b̄_i θ_k θ_l beside ⟨θ_k, θ_l⟩.

Of tables that are derived already this is known without flint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from derive.errors import SpecError, SpecWarning
from derive.spec import Spec, step_lengths

if TYPE_CHECKING:
    from derive.exact.matrix import ExactMatrix
    from derive.spaces.basis import Basis

LEAST = 0.1  # of ‖θ‖², for every combination θ of a basis: less is not close to 1
ROLES = {"weight_depth": "weight.depth", "bias_depth": "bias.depth"}
TABLES = {"weight_depth": ("theta", "operator_index"), "bias_depth": ("vartheta", "bias_index")}
Array = np.ndarray


def stage_rows(
    spec: Spec, depth: Basis, steps: tuple[tuple[Fraction, Fraction], ...]
) -> tuple[ExactMatrix, tuple[tuple[int, ...], ...]]:
    """Θ_sk = θ_k(δ_s) at all stages: its distinct rows, and which row each (step, stage) uses.

    At a breakpoint the value is the limit from inside the step (section 4).
    """
    from derive.exact.matrix import stack
    from derive.spaces.products import evaluate_at

    found: dict[tuple[str, ...], int] = {}
    rows: list[ExactMatrix] = []
    index = []
    for start, length in steps:
        stages = []
        for c in spec.tableau.c:
            row = evaluate_at(depth, start + c * length, (start, start + length))
            key = tuple(str(entry) for entry in row.entries())
            if key not in found:
                found[key] = len(rows)
                rows.append(row)
            stages.append(found[key])
        index.append(tuple(stages))
    return stack(rows), tuple(index)


def shares(spec: Spec, slab: int, rows: Array, index: Array, gram: Array) -> Array:
    """What the stages see of ‖θ‖², in increasing order, for the functions θ that they tell apart best.

    rows: (distinct stages, functions); index: (steps, stages), which row each has; gram: ⟨θ_k, θ_l⟩.
    """
    lengths = [float(length) for _, length in step_lengths(spec)[slab]]
    values = np.asarray(rows)[np.asarray(index)]  # (steps, stages, functions)
    weights = np.outer(lengths, [float(b) for b in spec.tableau.b])
    seen = np.tensordot(weights[..., None] * values, values, ((0, 1), (0, 1)))
    root = np.linalg.inv(np.linalg.cholesky(gram))
    return np.linalg.eigvalsh(root @ (seen + seen.T) @ root.T / 2)


def blind(spec: Spec, tables: Iterator[Mapping[str, Array]]) -> bool:
    """Whether some depth function of the fields is hardly seen, from a representation's tables, slab by slab."""
    return spec.tolerance is None and any(
        shares(spec, k, own[rows], own[index], own[f"gram/{role}"])[0] < LEAST
        for k, own in enumerate(tables)
        for role, (rows, index) in TABLES.items()
    )


def check(spec: Spec, prefix: str = "") -> list[SpecWarning]:
    """A warning for every depth basis with functions that no stage sees, or hardly any; none for adaptive steps.

    prefix: of the keys' paths, a level's.
    """
    if spec.tolerance is not None:
        return []
    found = {}
    for k in range(len(spec.slabs)):
        for role, path in ROLES.items():
            least = _derived(spec, k, role)
            if least[0] < LEAST and path not in found:
                found[path] = _warning(spec, k, role, least, prefix + path)
    return list(found.values())


def _derived(spec: Spec, slab: int, role: str) -> Array:
    from derive.spaces.basis import build
    from derive.spaces.products import gram

    own = spec.slabs[slab]
    basis = build(getattr(own, role), (own.start, own.stop))
    rows, index = stage_rows(spec, basis, step_lengths(spec)[slab])
    return shares(spec, slab, rows.to_float(), np.array(index), gram(basis, basis).to_float())


def _warning(spec: Spec, slab: int, role: str, least: Array, path: str) -> SpecWarning:
    few = int((np.abs(least) < 1e-9).sum())
    what = f"{few} of {len(least)} functions that no stage sees"
    if not few:
        what = f"{len(least)} functions, of a combination of which the stages see {max(least[0], 0):.0%}"
    return SpecWarning(
        f"{getattr(spec.slabs[slab], role).family}, {what}, with {spec.tableau.name} × {spec.steps}",
        f"Σ s b θ_k θ_l of full rank, {LEAST:.0%} of ⟨θ_k, θ_l⟩ at least: else data say nothing about a coefficient",
        "too few stages for so many functions, or stages that meet one end of every element only",
        _fix(spec, slab, role), path,
    )  # fmt: skip


def _fix(spec: Spec, slab: int, role: str) -> str:
    """The fewest steps, doubled, that see all functions; where none do, fewer functions."""
    for factor in (2, 4, 8, 16):
        more = replace(spec, steps=factor * spec.steps)
        try:
            if _derived(more, slab, role)[0] >= LEAST:
                return f"write steps = {more.steps}, or fewer functions of the depth"
        except SpecError:
            break
    return "write fewer functions of the depth, or another tableau"
