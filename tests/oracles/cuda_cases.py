"""Small slabs with random tables of every structure, printed for both targets, and what to compare on them.

Run as a script with NUMBA_ENABLE_CUDASIM=1 it reads names, one a line: of a declared case, or case/plan. For each it
prints, as a line of JSON, how far the simulated kernels are from the CPU's.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import sympy as sp

from derive.emit import cpu, cuda, tables
from derive.emit.cpu import Cpu
from derive.emit.loops import of_module, of_slab
from derive.equation import Equation
from derive.program import build as programs
from derive.program import loss as losses
from numerics.kernels.bound import plain_kernels
from numerics.kernels.cpu import Bound
from numerics.kernels.cuda import CudaBound
from numerics.kernels.launch import Launch
from numerics.kernels.operators import Weights
from numerics.model.layout import kernel_weights
from numerics.representation.tables import SlabTables
from numerics.verify.simulator import steady
from tests.builders import FOURIER, P0, declare, random_model

U, H = sp.symbols("u h", real=True)
LEAK = sp.Piecewise((U / 5, U <= 0), (U, True))

MLP = {"Phi": "identity", "Psi": "identity", "C": "diagonal", "X": "identity", "A": "identity"}
SPECTRAL = dict.fromkeys(MLP, "dense")
LOCAL = {"Phi": "banded", "Psi": "banded", "C": "banded", "X": "banded", "A": "dense"}
MIXED = {"Phi": "dense", "Psi": "diagonal", "C": "identity", "X": "banded", "A": "banded"}


# Several launches, tiles and blocks for eleven records; what a thread writes others read. Then, with half the work.
SMALL = Launch(records=9, threads=(2, 2), blocks=2)
PAIR = Launch(records=9, threads=(2, 1), blocks=2)
RECORDS, FEW = 11, 4  # few: of one launch, where stages are solved for or have many nodes


@dataclass(frozen=True)
class Case:
    """rate: ρ(u, h). stages: of the tableau. entry: a second slab whose state arrives in another basis.

    groups: the stages that are solved for together; none for an explicit tableau. records: what it is tried on.
    """

    rate: Any
    structures: dict[str, str]
    stages: int = 1
    channels: int = 1
    entry: bool = False
    groups: tuple[tuple[int, int], ...] = ()
    loss: str = "cross-entropy"
    launch: Launch = SMALL
    precision: str = "float64"
    records: int = RECORDS


CASES = {
    "mlp, euler": Case(2 * (sp.tanh(U) - H), MLP),
    "residual, heun": Case(sp.tanh(U) / 2, SPECTRAL, stages=2),
    "h nonlinear": Case(sp.tanh(U) * H - H**2 / 3, LOCAL, stages=2),
    "h nonlinear, nodal": Case(sp.sin(U) * H - H**3 / 3, MLP, stages=2),
    "two channels": Case(sp.erf(U) - H / 3, MIXED, stages=2, channels=2, loss="l2"),
    "entry": Case(LEAK * H - H / 7, LOCAL, stages=2, entry=True),
    "entry, two channels": Case(sp.exp(-(U**2)) + sp.sign(H) / 4, SPECTRAL, entry=True, channels=2),
    "workspace": Case(
        sp.log(1 + sp.exp(U)) - H, MIXED, stages=3,
        launch=Launch(records=7, threads=(1, 2), blocks=1),
    ),
    "functions": Case(
        sp.tanh(U) * sp.erf(H) + sp.exp(-(U**2)) * sp.atan(H) + sp.sqrt(1 + U**2) * sp.sin(H) + sp.cos(U) / (2 + H**2)
        + sp.log(1 + H**2) / (1 + sp.exp(-U)) + sp.sinh(H / 4) * sp.cosh(U / 4) + U**5 / 99,
        SPECTRAL, launch=Launch(records=7, threads=(1, 2)),
    ),
    "gauss": Case(
        sp.tanh(U) * H - H / 5, SPECTRAL, stages=2, groups=((0, 2),),
        launch=Launch(records=9, threads=(1, 2), blocks=2), records=FEW + 1,
    ),
    "implicit, two groups": Case(
        sp.sin(U) - H**3 / 9, LOCAL, stages=3, channels=2, groups=((0, 1), (1, 3)), entry=True,
        launch=Launch(records=7, threads=(1, 2), blocks=1), records=FEW,
    ),
    "implicit, nodal": Case(2 * (sp.tanh(U) - H), MLP, stages=1, groups=((0, 1),)),
    "single precision": Case(sp.tanh(U) * H, SPECTRAL, stages=2, precision="float32"),
}  # fmt: skip

DECLARED = {
    "p0, mlp, euler": declare(
        equation={"rate": "mlp"}, state={"basis": P0}, weight={"width_out": P0, "width_in": P0}, bias={"width": P0},
        integration={"tableau": "euler", "steps": 2},
    ),
    "legendre, residual, heun": declare(integration={"steps": 2}),
    "maximum, two channels": declare(
        equation={"channels": 2}, integration={"steps": 2}, readout={"maximum": "4"},
    ),
    "shares, two channels": declare(
        equation={"channels": 2}, integration={"steps": 2},
        readout={"shares": {"levels": ["-1/2", "0", "1/3"], "width": "1/4"}},
    ),
    "gate, translation, local, lift": declare(
        equation={"rate": "a*u1*sigmoid(u2) - h", "learned": {"a": "1/2"}, "local": True, "channels": 2,
                  "symmetry": "translation", "periodic": True},
        state={"basis": FOURIER}, weight={"width_out": FOURIER, "width_in": FOURIER},
        bias={"width": {"family": "p0", "cells": 1}}, lift={"inputs": 1}, integration={"steps": 2},
        readout={"outputs": 3, "basis": FOURIER},
    ),
    "convolution, gate, local": declare(
        equation={"rate": "u1*sigmoid(u2) - h", "local": True, "channels": 2, "reach": "1/4", "periodic": True},
        state={"basis": {"family": "hat", "size": 9}}, bias={"width": {"family": "p0", "cells": 1}},
        integration={"steps": 2},
    ) | {"weight": {"kernel": {"family": "hat", "size": 3}, "depth": {"family": "p0", "cells": 2}}},
    "convolution in frequencies": declare(
        equation={"rate": "u1*sigmoid(u2) - h", "channels": 2, "reach": "1"}, integration={"steps": 2},
        state={"basis": {"family": "p0", "cells": 6}}, bias={"width": {"family": "p0", "cells": 1}},
    ) | {"weight": {"kernel": {"family": "hat", "size": 9}, "depth": {"family": "p0", "cells": 2}}},
    "square": declare(
        equation={"dimension": 2, "channels": 2, "rate": "tanh(u)*h - h/3"}, integration={"steps": 2},
        state={"basis": {"axes": [{"family": "legendre", "size": 3}, {"family": "hat", "size": 5}]}},
    ),
    "cube, implicit": declare(
        equation={"dimension": 3}, state={"basis": {"family": "legendre", "size": 2}},
        weight={"width_out": {"family": "legendre", "size": 2}, "width_in": {"family": "legendre", "size": 2}},
        bias={"width": P0 | {"cells": 1}}, integration={"tableau": "implicit-midpoint", "steps": 2},
    ),
    "square, translation, local, lift": declare(
        equation={"dimension": 2, "symmetry": "translation", "periodic": True, "local": True, "rate": "u1*sigmoid(u2)"},
        state={"basis": {"family": "fourier", "size": 5}}, lift={"inputs": 1}, integration={"steps": 2},
        weight={"width_out": {"family": "fourier", "size": 3}, "width_in": {"family": "fourier", "size": 5}},
        bias={"width": {"family": "p0", "cells": 1}}, readout={"outputs": 3, "basis": {"family": "fourier", "size": 3}},
    ),
    "cube, convolution": declare(
        equation={"dimension": 3, "reach": "1/2", "channels": 2}, state={"basis": {"family": "p0", "cells": 3}},
        bias={"width": {"family": "p0", "cells": 1}}, integration={"steps": 2},
    ) | {"weight": {"kernel": {"family": "hat", "size": 3}, "depth": {"family": "p0", "cells": 2}}},
    "normalised, gate, local": declare(
        equation={"rate": "sin(u1)*sigmoid(u2) - h", "local": True, "channels": 3, "normalise": "1/10"},
        integration={"steps": 2},
    ),
    "normalised, implicit": declare(
        equation={"rate": "tanh(u) - h**2/9", "channels": 2, "normalise": "1/10"},
        integration={"tableau": "implicit-midpoint", "steps": 2},
    ),
    "adaptive, lift": declare(
        integration={"tableau": "dopri5", "steps": "adaptive", "tolerance": "1/100"}, equation={"channels": 3},
        lift={"inputs": 1},
    ),
    "three gates, local cells, implicit": declare(
        equation={"rate": "sin(u1)*tanh(u2) + u3/5 - h", "local": True, "channels": 2},
        state={"basis": P0}, weight={"width_out": P0, "width_in": P0}, bias={"width": P0},
        integration={"tableau": "implicit-midpoint", "steps": 2},
    ),
}  # fmt: skip
ON_FEW = ("square", "cube, implicit", "cube, convolution", "normalised, implicit", "three gates, local cells, implicit")


def equation(rate: Any) -> Equation:
    rho_u, rho_h = sp.diff(rate, U), sp.expand(sp.diff(rate, H))
    if rate.has(sp.sign):  # its derivative is zero on both sides of the kink
        rho_h = sp.Integer(0)
    kappa = rho_h if rho_h.is_Rational and not rate.has(sp.sign) else None
    r = rate.xreplace({H: sp.Integer(0)}) if kappa is not None else rate
    return Equation("", U, rate, {"u": rho_u, "h": rho_h}, kappa, r, Fraction(1, 2), ())


class Draw:
    """Random tables."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def normal(self, *shape: int) -> np.ndarray:
        return self.generator.standard_normal(shape) / 2

    def table(self, structure: str, rows: int, columns: int) -> np.ndarray:
        if structure == "identity":
            return np.eye(rows)
        full = self.normal(rows, columns)
        if structure == "diagonal":
            return np.diag(np.diag(full))
        if structure == "dense":
            return full
        start = self.generator.integers(0, columns, rows)
        index = np.arange(columns)
        return np.where((index >= start[:, None]) & (index < start[:, None] + 2), full, 0)


def sizes(structures: dict[str, str]) -> dict[str, int]:
    square = {"identity", "diagonal"}
    state, node = 4, 4 if {structures["X"], structures["A"]} & square else 5
    return {
        "state": state,
        "node": node,
        "weight_out": node if structures["Phi"] in square else 3,
        "weight_in": state if structures["C"] in square else 3,
        "bias": node if structures["Psi"] in square else 3,
    }


def slab_arrays(case: Case, draw: Draw, entry: bool) -> dict[str, np.ndarray]:
    n = sizes(case.structures)
    shapes = {"Phi": ("node", "weight_out"), "Psi": ("node", "bias"), "C": ("weight_in", "state"),
              "X": ("node", "state"), "A": ("state", "node")}  # fmt: skip
    found = {}
    for name, (rows, columns) in shapes.items():
        found[name] = draw.table(case.structures[name], n[rows], n[columns])
        if case.structures[name] == "banded":
            found[f"{name}_runs"] = tables.runs(found[name] != 0)
    if entry:
        found["P_entry"] = draw.normal(n["state"], 3)
        if not case.groups:
            found |= {"C_entry": draw.normal(n["weight_in"], 3), "X_entry": draw.normal(n["node"], 3)}
    steps = 2
    found |= {"theta": draw.normal(2, 3), "vartheta": draw.normal(3, 2)}
    found["operator_index"] = draw.generator.integers(0, 2, (steps, case.stages))
    found["bias_index"] = draw.generator.integers(0, 3, (steps, case.stages))
    combine = draw.normal(steps, case.stages + 1, case.stages + 1)
    found["combine"] = np.stack([np.tril(step) for step in combine])
    if case.groups:
        found["groups"] = np.array(case.groups)
        for start, stop in case.groups:  # entries that keep Newton's method convergent
            found["combine"][:, start:stop, start + 1 : stop + 1] = combine[:, start:stop, start + 1 : stop + 1] / 8
    return found


def representation(case: Case, folder: Path, draw: Draw) -> Any:
    """What a solver reads of a representation, with both modules written to ``folder``."""
    form = losses.derive(case.loss)
    printed = {
        suffix: tuple(
            programs.build(equation(case.rate), case.structures, entry, plan, bool(case.groups))  # type: ignore[arg-type]
            for plan in programs.PLANS
        )
        for suffix, entry in (("1", False), *([("2", True)] if case.entry else []))
    }
    folder.mkdir(parents=True)
    cpu_kernels = {suffix: of_slab(chains, suffix, Cpu) for suffix, chains in printed.items()}
    flat, common = [k for found in cpu_kernels.values() for k in found], of_module(form, Cpu)
    (folder / "cpu.py").write_text(cpu.module("t", "f", [*flat, *common]), encoding="utf-8")
    (folder / "cuda.py").write_text(cuda.module("t", "f", printed, form), encoding="utf-8")
    slabs = []
    for suffix in printed:
        arrays = slab_arrays(case, draw, suffix == "2")
        for kernel in cpu_kernels[suffix]:
            arrays[f"constants/{kernel.name.removesuffix('_' + suffix)}"] = tables.nearest(kernel.constants)
        slabs.append(
            SlabTables(0.0, 1.0, "", "formed", suffix == "2", case.structures, arrays, folder / "cpu.py", suffix)
        )
    if case.entry:  # the first slab's state, of size 4 in its own basis, is read by the second in one of size 4
        for name in sorted({"C_entry", "X_entry", "P_entry"} & set(slabs[1].tables)):
            slabs[1].tables[name] = draw.normal(len(slabs[1].tables[name]), 4)
    constants = tables.nearest(next(kernel.constants for kernel in common if kernel.name == "loss"))
    return SimpleNamespace(
        spec=SimpleNamespace(channels=case.channels, tolerance=None, pre_activations=1, beside=0, outputs=3),
        slabs=tuple(slabs),
        loss_constants=constants,
        readout={},
        module=folder / "cpu.py",
    )


def results(bound: Bound, case: Case, draw: Draw, records: int | None = None) -> dict[str, np.ndarray]:
    """Everything that bound tables compute, by name, for random weights and records: so many, or the case's own."""
    c, n, records = case.channels, sizes(case.structures), records or case.records
    weights = [
        Weights(draw.normal(3, c * n["weight_out"], c * n["weight_in"]), draw.normal(2, c * n["bias"]))
        for _ in bound.slabs
    ]
    solver = bound.form(weights)
    states, operator, constant = draw.normal(c * n["state"], records), draw.normal(3, c * n["state"]), draw.normal(3)
    targets = np.eye(3)[draw.generator.integers(0, 3, records)].T
    losses_, gradient, bar_operator, bar_constant, bar_states = solver.gradient(states, operator, constant, targets)
    outputs = solver.outputs(states, operator, constant)
    found = {"final": solver.final(states), "losses": losses_, "bar_operator": bar_operator, "outputs": outputs}
    found |= {"bar_constant": bar_constant, "bar_states": bar_states, "loss": solver.losses(outputs, targets)}
    back, *of_readout, of_states = solver.pull_back(states, operator, constant, targets - outputs)
    found |= {"pulled operator": of_readout[0], "pulled constant": of_readout[1], "pulled states": of_states}
    found |= {f"{k}/pulled {name}": a for k, own in enumerate(back) for name, a in own.arrays.items()}
    _, means, *_ = solver.mean_gradient(states, operator, constant, targets)
    found |= {f"{k}/mean {name}": a for k, own in enumerate(means) for name, a in own.arrays.items()}
    for k, bars in enumerate(gradient):
        found |= {f"{k}/{name}": array for name, array in bars.items()}
    for k, states_along in enumerate(solver.path(states)):
        found |= {f"{k}/path {n}": state for n, state in enumerate(states_along)}
    return found


def compare(
    name: str, plan: str, folder: Path, launch: Launch | None = None, records: int | None = None
) -> dict[str, float]:
    """quantity → largest difference between simulator and CPU text, relative to the largest value."""
    case = CASES[name]
    made = representation(case, folder / "module", Draw(1))
    host = results(Bound(made, case.precision, plan, plain_kernels), case, Draw(2), records)
    there = results(CudaBound(made, case.precision, plan, launch or case.launch), case, Draw(2), records)
    assert host.keys() == there.keys()
    assert all(there[key].dtype == host[key].dtype for key in host)
    return {key: float(np.max(np.abs(there[key] - host[key])) / np.max(np.abs(host[key]))) for key in host}


def compare_declared(name: str, launch: Launch = PAIR) -> dict[str, float]:
    """The same for a model of a declared spec: loss, gradients and final state."""
    model, records = random_model(DECLARED[name]), FEW if name in ON_FEW else RECORDS
    slab = model.solver.slabs[0]
    inputs = model.spec.inputs
    states = Draw(3).normal((slab.channels if inputs is None else inputs + 1) * slab.sizes["entry"], records)
    weights, targets = kernel_weights(model.fields), np.eye(3)[np.arange(records) % 3].T
    both = []
    for bound in (
        Bound(model.representation, plan=slab.tables.plan, find=plain_kernels),
        CudaBound(model.representation, plan=slab.tables.plan, launch=launch),
    ):
        solver = bound.form(weights)
        if model.spec.tolerance is not None:  # every call finds its steps anew, for all launches together
            both.append({"final": solver.final(states)})
            continue
        losses_, _, bar_operator, _, bar_states = solver.gradient(states, *model.readout_map(), targets)
        outputs = solver.outputs(states, *model.readout_map())
        found = {"final": solver.final(states), "losses": losses_, "outputs": outputs}
        found |= solver.mean_gradient(states, *model.readout_map(), targets)[1][0].given(np.dtype(np.float64))
        both.append(found | {"bar_operator": bar_operator, "bar_states": bar_states})
    host, there = both
    return {key: float(np.max(np.abs(there[key] - host[key])) / np.max(np.abs(host[key]))) for key in host}


if __name__ == "__main__":
    assert os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
    steady()
    for line in sys.stdin:
        name, _, plan = line.strip().partition("/")
        with tempfile.TemporaryDirectory() as scratch:
            found = compare(name, plan, Path(scratch), records=FEW) if plan else compare_declared(name)
            print(json.dumps(found), flush=True)
