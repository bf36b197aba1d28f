"""How long exact tables take: seconds from a declaration to every generated file, in a process that has started.

    python benchmarks/derivation.py [RECORD]

State 128 and weights 32 × 32 × 8 in four families, P0 with 256 cells, Legendre with 256 functions. Then the condition
numbers of the families' Gram matrices, as in docs/bases.md.
With RECORD the table is also written to that file.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from derive import registry
from derive.declaration import load_spec
from derive.generate import generate
from derive.spaces import basis as bases
from derive.spaces.products import gram
from derive.spec import WIDTH, BasisSpec


def declared(family: str, state: int, weight: int, depth: int) -> dict[str, Any]:
    width = {"family": family, "size": weight}
    cells = {"family": "p0", "cells": depth}
    return {
        "name": family,
        "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/8", "periodic": family == "fourier"},
        "state": {"basis": {"family": family, "size": state}},
        "weight": {"width_out": width, "width_in": width, "depth": cells},
        "bias": {"width": width, "depth": cells},
        "integration": {"tableau": "euler", "steps": depth},
        "loss": {"kind": "l2"},
    }


CASES = {
    "Legendre 128, 32 × 32 × 8": declared("legendre", 128, 32, 8),
    "B-spline 128, 32 × 32 × 8": declared("bspline", 128, 32, 8),
    "Chebyshev 128, 32 × 32 × 8": declared("chebyshev", 128, 32, 8),
    "Fourier 129, 33 × 33 × 8": declared("fourier", 129, 33, 8),
    "P0 256, 256 × 256 × 8": declared("p0", 256, 256, 8),
    "Legendre 256, 32 × 32 × 8": declared("legendre", 256, 32, 8),
}


FAMILIES: dict[str, Callable[[int], dict[str, int]]] = {
    "p0": lambda n: {"cells": n},
    "discontinuous": lambda n: {"degree": 1, "cells": n // 2},
    "hat": lambda n: {"size": n},
    "lagrange": lambda n: {"degree": 2, "cells": n // 2},
    "bspline": lambda n: {"degree": 3, "size": n},
    "hierarchical": lambda n: {"degree": 2, "cells": n // 2},
    "legendre": lambda n: {"size": n},
    "chebyshev": lambda n: {"size": n},
    "gauss-legendre": lambda n: {"size": n},
    "gauss-lobatto": lambda n: {"size": n},
    "multiwavelet": lambda n: {"size": n},
    "fourier": lambda n: {"size": n + 1},
}


def conditioning(family: str, given: dict[str, int]) -> float:
    basis = bases.build(BasisSpec(family, **registry.entry("bases", family).resolve(given, WIDTH)))
    return float(np.linalg.cond(gram(basis, basis).to_float()))


def main() -> None:
    generate(load_spec(declared("hat", 4, 3, 1)))  # imports, and SymPy's caches
    lines = [f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"]
    print(lines[0])
    for name, spec in CASES.items():
        start = time.perf_counter()
        generate(load_spec(spec))
        lines.append(f"{name:28s} {time.perf_counter() - start:6.1f} s")
        print(lines[-1], flush=True)
    lines += ["", f"{'condition of the Gram matrix':28s} {'about 8':>8s} {'16':>8s} {'32':>8s} functions"]
    print("\n".join(lines[-2:]))
    for family, given in FAMILIES.items():
        numbers = [conditioning(family, given(n)) for n in (8, 16, 32)]
        lines.append(f"{family:28s} " + " ".join(f"{c:8.1f}" for c in numbers))
        print(lines[-1])
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
