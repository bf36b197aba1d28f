"""Compiles kernels to PTX and machine code for real devices, none of which is needed: with the ``cuda`` extra."""

from __future__ import annotations

import contextlib
import inspect
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numba

from numerics.kernels.launch import Launch
from numerics.kernels.specialised import specialised

SCALARS = dict.fromkeys(("channels", "iterations", "cycles", "krylov"), numba.int64) | {"keep": numba.boolean}
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
    blocks = "w_alike" in inspect.signature(function).parameters
    blocks = blocks or "w_entries" in inspect.signature(function).parameters
    for argument in inspect.signature(function).parameters:
        if argument in SCALARS:
            found.append(SCALARS[argument])
        elif argument in WHOLE or argument.endswith(("_runs", "_columns", "_alike", "_entries")):
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


CALLED = ("product", "summed")  # by kernels: no kernels of their own
# Where libdevice's sin, cos and tan reduce large single arguments, in a branch that others do not take: a product.
REDUCTION = re.compile(
    r"cvt\.rn\.f64\.s64\s+(%fd\d+), %rd\d+;\s+mul\.f64\s+(%fd\d+), \1, 0d3BF921FB54442D19;\s+"
    r"cvt\.rn\.f32\.f64\s+%f\d+, \2;"
)


def doubles(text: str) -> bool:
    """Whether PTX computes in double precision, but for that."""
    return re.search(r"\.f64\b", re.sub(r"\.reg \.f64.*", "", REDUCTION.sub("", text))) is not None


@contextlib.contextmanager
def on(capability: tuple[int, int]) -> Iterator[None]:
    """Functions of kernels are compiled for the device at hand; inside there is one of this capability."""
    from numba.cuda import dispatcher

    device = SimpleNamespace(compute_capability=capability)
    with mock.patch.object(dispatcher, "get_current_device", lambda: device):
        yield


def functions(path: Path, wanted: str) -> dict[str, Any]:
    """The kernels of a cuda.py whose names match a regular expression, as they are compiled for the usual blocks."""
    found = {name: f for name, f in runpy.run_path(str(path)).items() if inspect.isfunction(f)}
    kernels = {name: f for name, f in sorted(found.items()) if "_rows" not in name and name not in CALLED}
    return {name: specialised(f, Launch().threads) for name, f in kernels.items() if re.fullmatch(wanted, name)}


def compiled(
    path: Path, wanted: str, capability: tuple[int, int], both: str = "", optimised: bool = False
) -> dict[str, str]:
    """kernel/type → PTX; both: kernels that are compiled in double precision, too.

    Optimising takes a fifth longer and can only remove doubles.
    """
    from numba import cuda

    found = {}
    for name, function in functions(path, wanted).items():
        for number in (numba.float64, numba.float32) if re.fullmatch(both, name) else (numba.float32,):
            given = types(name, function, number)
            with on(capability):
                found[f"{name}/{number}"] = cuda.compile_ptx(function, given, cc=capability, opt=optimised)[0]
    return found


def linked(path: Path, wanted: str, capability: tuple[int, int], number: Any) -> dict[str, dict[str, int]]:
    """kernel → what its machine code needs: "registers", bytes of "spills", of "shared" memory."""
    from cuda.bindings import nvjitlink
    from numba import cuda

    found = {}
    for name, function in functions(path, wanted).items():
        with on(capability):
            code, _ = cuda.compile(
                function, types(name, function, number), cc=capability, output="ltoir", abi="numba", device=False
            )
        handle = nvjitlink.create(3, ["-arch=sm_{}{}".format(*capability), "-lto", "-verbose"])
        nvjitlink.add_data(handle, nvjitlink.InputType.LTOIR, code, len(code), name)
        nvjitlink.complete(handle)
        log = bytearray(nvjitlink.get_info_log_size(handle))
        nvjitlink.get_info_log(handle, log)
        said = log.decode(errors="replace")
        patterns = {"registers": r"Used (\d+) registers", "spills": r"(\d+) bytes spill", "shared": r"(\d+) bytes smem"}
        found[name] = {what: sum(map(int, re.findall(pattern, said))) for what, pattern in patterns.items()}
    return found


def products(text: str) -> list[list[str]]:
    """The innermost loops of PTX that multiply, as lists of instructions."""
    lines = [line.strip() for line in text.splitlines()]
    labels = {line[:-1]: k for k, line in enumerate(lines) if re.fullmatch(r"\$\w+:", line)}
    found = []
    for k, line in enumerate(lines):
        target = re.search(r"bra(?:\.uni)?\s+(\$\w+);", line)
        if target and labels[target[1]] < k:
            body = [text for text in lines[labels[target[1]] : k + 1] if re.match(r"(@!?%p\d+\s+)?[a-z]+\.?.*;", text)]
            if not any(text.endswith(":") for text in lines[labels[target[1]] + 1 : k]) and _fma(body) >= 32:
                found.append(body)
    return found


def _fma(body: list[str]) -> int:
    return sum(line.startswith("fma.") for line in body)


def instructions_a_product(body: list[str]) -> float:
    return len(body) / _fma(body)
