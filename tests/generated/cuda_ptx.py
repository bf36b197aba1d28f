"""Compiles every kernel of some cases to PTX for real devices, none of which is needed; prints what was found as JSON."""

from __future__ import annotations

import inspect
import json
import tempfile
from pathlib import Path
from typing import Any

import numba
from numba import cuda

from numerics import device
from tests.generated.cuda_cases import CASES, Draw, representation

CHOSEN = ("h nonlinear", "entry, two channels", "two channels", "functions")
ARCHITECTURES = ((8, 0), (9, 0))

SCALARS = {"channels": numba.int64, "tile": numba.int64, "keep": numba.boolean}
WHOLE = {"operator_index": 2, "bias_index": 2}
DIMENSIONS = {"combine": 3, "operators": 3, "biases": 2, "constants": 1, "constant": 1, "operator_entry": 2, "w": 3,
              "mixed": 3, "left": 3, "value": 1, "values": 1, "total": 1}  # fmt: skip


def types(name: str, function: Any, number: Any) -> tuple[Any, ...]:
    """The types of a kernel's arguments; gradients of blocks have the block as an axis more."""
    found = []
    for argument in inspect.signature(function).parameters:
        if argument in SCALARS:
            found.append(SCALARS[argument])
        elif argument in WHOLE or argument.endswith(("_runs", "_columns")):
            found.append(numba.int64[:, ::1])
        else:
            base = argument.removeprefix("bar_")
            dimensions = DIMENSIONS.get(base, 2)
            if base in ("F1", "F2", "F3", "H", "G", "T", "U", "Z", "R"):
                dimensions = 3  # kept for the adjoint: a slot for every stage
            if name == "readout_adjoint" or "_adjoint" in name and "operators_adjoint" not in name:
                dimensions += argument in ("bar_operators", "bar_biases", "bar_operator_entry", "bar_operator", "bar_constant")
            if name == "depth_adjoint":
                dimensions = 2
            found.append(numba.types.Array(number, dimensions, "C"))
    return tuple(found)


def compile_all(path: Path, small: bool) -> dict[str, dict[str, Any]]:
    """kernel/type/architecture → its target and whether it computes in double precision."""
    module = device.load_module(path)
    report = {}
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if "_rows_" in name:
            continue
        single = "_float32" in name
        shared = not any(f"_{kind}_" in name for kind in ("forward", "adjoint")) or "operators_adjoint" in name
        numbers = [numba.float32] if single else [numba.float64, *([numba.float32] if shared else [])]
        for number in numbers:
            for cc in ARCHITECTURES[: 1 if small else 2]:
                text, _ = cuda.compile_ptx(function, types(name, function, number), cc=cc)
                target = next(line.split()[1] for line in text.splitlines() if line.startswith(".target"))
                report[f"{name}/{number}/sm_{cc[0]}{cc[1]}"] = {"target": target.rstrip(","), "double": ".f64" in text}
    return report


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        found = {}
        for case in CHOSEN:
            folder = Path(scratch) / case.replace(" ", "-").replace(",", "")
            representation(CASES[case], folder, Draw(1))
            found[case] = compile_all(folder / "cuda.py", case != CHOSEN[0])
    print(json.dumps(found))
