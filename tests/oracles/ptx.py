"""Compiles kernels to PTX for real devices, none of which is needed: with the ``cuda`` extra."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path
from typing import Any

import numba

SCALARS = dict.fromkeys(("channels", "tile", "iterations", "cycles", "krylov"), numba.int64) | {"keep": numba.boolean}
WHOLE = {"operator_index": 2, "bias_index": 2, "groups": 2}
DIMENSIONS = {"combine": 3, "operators": 3, "biases": 2, "constants": 1, "constant": 1, "operator_entry": 2, "w": 3,
              "mixed": 3, "left": 3, "turned": 3, "value": 1, "values": 1, "total": 1,
              "limits": 1, "unsolved": 1, "v": 3, "mixed_local": 3, "w_values": 1,
              "weights": 1, "sharpness": 1, "levels": 1, "softness": 1}  # fmt: skip
BY_BLOCK = {"bar_operators", "bar_biases", "bar_operator_entry", "bar_operator", "bar_constant", "bar_lift",
            "bar_local_operators", "bar_parameters"}  # fmt: skip


def types(name: str, function: Any, number: Any) -> tuple[Any, ...]:
    """The types of a kernel's arguments; gradients of blocks have the block as an axis more."""
    found = []
    blocks = "w_blocks" in inspect.signature(function).parameters
    blocks = blocks or "w_entries" in inspect.signature(function).parameters
    for argument in inspect.signature(function).parameters:
        if argument in SCALARS:
            found.append(SCALARS[argument])
        elif argument in WHOLE or argument.endswith(("_runs", "_columns", "_blocks", "_entries")):
            found.append(numba.int64[:, ::1])
        else:
            base = argument.removeprefix("bar_")
            dimensions = 2 if blocks and base == "operators" else DIMENSIONS.get(base, 2)
            if re.fullmatch(r"[GHRSTUYZ]|F\d+", base):
                dimensions = 3  # kept for the adjoint: a slot for every stage
            by_block = argument in BY_BLOCK and "operators_adjoint" not in name
            dimensions += by_block
            if name == "depth_adjoint":
                dimensions = 2
            found.append(numba.types.Array(number, dimensions, "C"))
    return tuple(found)


# Where libdevice's sin, cos and tan reduce large single arguments, in a branch that others do not take: a product.
REDUCTION = re.compile(
    r"cvt\.rn\.f64\.s64\s+(%fd\d+), %rd\d+;\s+mul\.f64\s+(%fd\d+), \1, 0d3BF921FB54442D19;\s+"
    r"cvt\.rn\.f32\.f64\s+%f\d+, \2;"
)


def doubles(text: str) -> bool:
    """Whether PTX computes in double precision, but for that."""
    return re.search(r"\.f64\b", re.sub(r"\.reg \.f64.*", "", REDUCTION.sub("", text))) is not None


def compiled(path: Path, wanted: str, capability: tuple[int, int], both: bool) -> dict[str, str]:
    """kernel/type → PTX, for the kernels of a cuda.py whose names match a regular expression.

    Not optimised, which takes a fifth longer and can only remove what is looked for.
    """
    from numba import cuda

    functions = {name: f for name, f in runpy.run_path(str(path)).items() if inspect.isfunction(f)}
    found = {}
    for name, function in sorted(functions.items()):
        if "_rows" in name or not re.fullmatch(wanted, name):
            continue
        for number in (numba.float64, numba.float32) if both else (numba.float32,):
            given = types(name, function, number)
            found[f"{name}/{number}"] = cuda.compile_ptx(function, given, cc=capability, opt=False)[0]
    return found
