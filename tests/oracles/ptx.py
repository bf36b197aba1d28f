"""Compiles kernels of a case to PTX for real devices, none of which is needed; prints what was found as JSON.

    python -m tests.oracles.ptx CASE KERNELS MAJOR.MINOR [FOLDER FOR THE TEXTS]

KERNELS: a regular expression of their names. MAJOR.MINOR: compute capability.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import numba
from numba import cuda

from numerics.representation.folders import load_module
from tests.builders import random_model
from tests.oracles.cuda_cases import CASES, DECLARED, Draw, representation

SCALARS = dict.fromkeys(("channels", "tile", "iterations", "cycles", "krylov"), numba.int64) | {"keep": numba.boolean}
WHOLE = {"operator_index": 2, "bias_index": 2, "groups": 2}
DIMENSIONS = {"combine": 3, "operators": 3, "biases": 2, "constants": 1, "constant": 1, "operator_entry": 2, "w": 3,
              "mixed": 3, "left": 3, "turned": 3, "value": 1, "values": 1, "total": 1,
              "limits": 1, "unsolved": 1, "v": 3, "mixed_local": 3, "w_values": 1,
              "weights": 1, "sharpness": 1}  # fmt: skip
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


def compile_all(path: Path, wanted: str, capability: str, keep: Path | None) -> dict[str, dict[str, Any]]:
    """kernel/type → its target and whether it computes in double precision; the texts are left in ``keep``."""
    module, cc = load_module(path), tuple(map(int, capability.split(".")))
    report = {}
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if "_rows" in name or not re.fullmatch(wanted, name):
            continue
        sweeps = re.search(r"(forward|(?<!operators_)adjoint)(_float32)?_\d+$", name)
        for number in (numba.float64, numba.float32):
            if sweeps and (number == numba.float32) != ("_float32" in name):
                continue
            text, _ = cuda.compile_ptx(function, types(name, function, number), cc=cc)
            target = next(line.split()[1] for line in text.splitlines() if line.startswith(".target"))
            report[f"{name}/{number}"] = {"target": target.rstrip(","), "double": ".f64" in text}
            if keep:
                (keep / f"{name}-{number}.ptx").write_text(text, encoding="utf-8")
    return report


if __name__ == "__main__":
    case, wanted, capability, *texts = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "module"
        if case in CASES:
            representation(CASES[case], folder, Draw(1))
        else:
            folder = random_model(DECLARED[case]).representation.module.parent
        print(json.dumps(compile_all(folder / "cuda.py", wanted, capability, Path(texts[0]) if texts else None)))
