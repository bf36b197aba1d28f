"""Which checks see a module: the cheapest and most direct ones first, for the first that fails ends a mutant."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

from tests.mutants.mutant import Check

TESTS = Path(__file__).parents[1]
WIDER = "wider_family"
KERNELS = "kernels"
NETWORKS = "whole_networks"
CUDA = "cuda_simulator"
ON_DEVICE = ("cuda", "cuda_slab", "device_kernels", "device_tables", "launch", "specialised", "sums")
DEVICE = tuple(f"kernels/{n}" for n in ON_DEVICE)
GPU = ("emit/cuda", "emit/forming", "emit/lanes", "emit/tiles")  # what is printed for it alone
ORDERS = "convergence"

# Files of tests of a module of ``derive`` (or of a folder), in order; all of them are followed by THEN.
DERIVE = {
    "adjoint": ("adjoint", "explain"),
    "bases": ("bases", "families", "transfer", "spec", "losses"),
    "spaces": ("bases", "families", "inner_product", "transfer"),
    "spaces/basis": ("bases", "families", "transfer", "spec", "losses"),
    "spaces/sizes": ("bases", "families", "transfer", "spec", "losses"),
    "exact": ("bases", "families", "inner_product"),
    "spaces/convolution": (),
    "declaration": ("spec", "families", "bases", "tableau", "losses"),
    "emit/cpu": (),
    **dict.fromkeys(GPU, ()),
    "emit/loops": ("losses",),
    "emit/target": ("losses",),
    "explain": ("explain",),
    "explain/tableaux": ("tableau", "explain"),
    "typeset": ("typeset", "explain"),
    "spec/shown": ("pictures",),
    "emit/manifest": ("explain",),
    "emit/newton": ("curvature",),
    "emit/scalar": ("finite", "losses"),
    "emit/tables": ("losses", "families"),
    "equation": ("equation", "explain", "losses"),
    "errors": ("spec", "expression"),
    "exact/matrix": ("surd", "inner_product"),
    "exact/expression": ("expression", "equation"),
    "exact/functions": ("expression", "equation"),
    "exact/grammar": ("expression", "equation"),
    "exact/values": ("expression", "equation"),
    "exact/finite": ("finite", "equation", "losses"),
    "galerkin": ("explain", "families"),
    "kinks": ("equation", "losses"),
    "layout": ("explain", "families"),
    "operators": ("explain", "families"),
    "spaces/quadrature": ("explain", "families"),
    "spaces/products": ("transfer", "bases", "families", "inner_product"),
    "activations": ("equation", "finite"),
    "losses": ("losses",),
    "program": ("equation", "finite", "explain", "curvature"),
    "program/loss": ("losses", "curvature"),
    "program/flops": ("flops",),
    "exact/rank": ("rank",),
    "rates": ("equation",),
    "registry": ("spec", "explain", "bases", "suggestion"),
    "spaces/stages": ("stages", "explain"),
    "spec": ("spec", "explain"),
    "suggestion": ("suggestion",),
    "exact/surd": ("surd", "tableau"),
    "spaces/symmetry": ("symmetry",),
    "tableau": ("tableau", "explain", "adjoint"),
    "tableaux": ("tableau",),
    "spaces/transfer": ("transfer",),
}
# What follows: the kernels against independent NumPy, random networks, and the bytes of what is checked in.
THEN = (KERNELS, WIDER, NETWORKS)
SIMULATED = (*GPU, "emit/loops", "emit/newton", "emit/target", "emit/scalar", "program")
RUN_TIME = {  # and what of ``numerics`` stands directly on it
    "spaces/basis": ("projection", "adapted"),
    "declaration": ("continuum", "networks"),
    "declaration/outputs": ("shares", "maximum", "continuum"),
    "spec": ("continuum", "networks", "projection"),
    "galerkin": ("projection", "networks"),
    "layout": ("projection", "networks"),
    "operators": ("projection", "networks"),
    "spaces/quadrature": ("projection", "networks"),
    "spaces/richer": ("tolerance",),
    "spaces/transfer": ("projection",),
    "tableau": ("stiffness",),
    "emit/cpu": ("continuum",),
    "emit/newton": ("stiffness",),
    "emit/tables": ("projection", "fit"),
    "emit/manifest": ("projection", "networks"),
    "explain": ("cli",),
    "registry": ("cli",),
    "errors": ("cli",),
    "equation": ("export",),
    "spaces/convolution": ("convolution",),
    "exact/expression": ("torture::test_a_sample_holds[expressions]",),
    "exact/values": ("torture::test_a_sample_holds[expressions]",),
}

NUMERICS = {
    "__init__": ("continuum", "fit"),
    "levels/adapted": ("adapted", "cli"),
    "kernels/steps": ("adaptive", "walks"),
    "kernels/adaptive": ("walks", "adaptive"),
    "archive": ("datasets", "networks", "cli"),
    "datasets/burgers": ("burgers",),
    "datasets/exponential": ("burgers", "vorticity"),
    "datasets/vorticity": ("vorticity",),
    "model/checkpoint": ("checkpoint", "fit", "cli"),
    "model/file_contents": ("checkpoint", "fit", "cli"),
    "model/file_format": ("checkpoint", "fit", "cli"),
    "command": ("cli", "networks", "datasets", "fit"),
    "command/console": ("cli",),
    "files": ("checkpoint", "cli"),
    "networks/convolutional": ("convolutions", "export", "units_of_networks"),
    "model": ("continuum", "fit", "projection", "networks", "adaptive", "checkpoint"),
    "training/cross_validation": ("cross_validation",),
    "datasets/published": ("datasets",),
    "datasets/shipped": ("datasets",),
    "datasets": ("datasets", "labels", "points", "doors", "fit", "continuum", "cli"),
    "command/demo": ("report", "cli"),
    "command/describe": ("cli", "continuum", "checkpoint"),
    "kernels/cache": ("kernel_cache", "calls", "first_use"),
    "kernels/functions": ("functions", "finite"),
    "kernels/words": ("functions", "kernel_cache"),
    "kernels/compile": ("kernel_cache", "first_use", "continuum"),
    "kernels/rehearsal": ("first_use",),
    "kernels/threads": ("calls", "fit", "continuum"),
    "command/doctor": ("cli",),
    "checks": ("checks", "doors", "points", "datasets"),
    "model/ensemble": ("ensemble",),
    "functions": ("pieces", "quadrature", "field", "adaptive", "projection"),
    "functions/field": ("field", "doors", "optimisers", "projection", "fit"),
    "functions/integrals": ("quadrature", "fit", "continuum", "projection"),
    "functions/legendre": ("own_points", "pieces", "quadrature"),
    "functions/fields_from": ("quadrature", "fit", "continuum", "projection"),
    "functions/random": ("quadrature", "fit", "continuum", "projection"),
    "training": ("fit", "sampling", "optimisers", "nested", "multigrid", "cli"),
    "training/nested": ("nested",),
    "training/ladder": ("nested", "multigrid"),
    "training/multigrid": ("multigrid",),
    "training/objective": ("fit", "nested", "multigrid", "readout"),
    "datasets/labels": ("labels", "doors"),
    "networks": ("networks", "convolutions", "export", "units_of_networks", "doors"),
    "training/optimisers": ("optimisers", "fit", "nested"),
    "training/optimisers/kronecker": ("kronecker", "optimisers"),
    "networks/ordering": ("networks", "doors", "cli"),
    "levels/coordinates": ("coordinates", "nested", "multigrid"),
    "levels/distances": ("projection", "quadrature"),
    "levels/attribution": ("attribution", "projection"),
    "levels/stages": ("attribution", "loss_changes", "weighted_records"),
    "readout": ("readout",),
    "levels/fields": ("projection", "loss_changes", "quadrature", "adapted", "adaptive"),
    "levels/projection": ("projection", "loss_changes", "quadrature", "adapted", "adaptive"),
    "levels/refinement": ("projection", "tolerance", "cli"),
    "levels/goal": ("goal", "tolerance"),
    "levels/residuals": ("goal", "weighted_records"),
    "levels/richer": ("tolerance", "goal"),
    "levels/tolerance": ("tolerance", "cli"),
    "pictures/errors": ("tolerance", "cli"),
    "command/report": ("report", "cli"),
    "pictures": ("pictures", "predictions", "report"),
    "model/shown": ("pictures", "report"),
    "progress": ("first_use", "cli"),
    "representation/edition": ("first_use",),
    "representation/find": ("checkpoint", "pickles", "projection", "adapted", "cli"),
    "representation/folders": ("checkpoint", "cli", "kernel_cache"),
    "representation/tables": ("checkpoint", "pickles", "projection", "continuum"),
    "datasets/sampling": ("sampling",),
    "kernels/bind": ("bound", "calls", "pickles", "fit"),
    "kernels/bound": ("bound", "finite", "continuum", "adaptive", "calls", "projection", "fit"),
    "kernels/cpu": ("bound", "continuum", "adaptive", "walks", "calls", "projection", "fit"),
    "kernels/own_points": ("own_points", "calls"),
    "kernels/operators": ("continuum", "adaptive", "calls", "projection", "loss_changes", "fit"),
    "kernels/stability": ("stability", "fit"),
    "estimators": ("forward", "onnx"),
    "estimators/network": ("forward", "bench", "onnx"),
    "model/adjoint": ("pull_back",),
    "model/arrangement": ("arrangement", "bursts"),
    "model/resident": ("bursts",),
    "model/device_answers": ("device_answers",),
    "training/bursts": ("bursts",),
    "model/curvature": ("curvature", "fit"),
    "levels/matching": ("matching",),
    "networks/stages": ("export", "convolutions"),
    "model/inputs": ("input_gradient", "continuum"),
    "model/projected": ("own_points", "points", "continuum", "fit"),
    "model/targets": ("stability", "fit"),
    "model/units": ("units", "points"),
    "model/trouble": ("stability", "fit"),
    "command/template": ("cli",),
    "testing": ("testing",),
}
ALSO = {
    "model/continuum": ("losses", "units", "weights", NETWORKS),
    "model/layout": ("layout", "curvature", NETWORKS),
    "model/prepared": ("losses",),
    "functions": ("losses", "families"),
    "functions/integrals": ("families", "adapted"),
    "functions/fields_from": ("families", "adapted"),
    "functions/random": ("families", "adapted"),
    "representation/tables": ("losses",),
    "kernels/bound": (NETWORKS,),
    "kernels/cpu": (NETWORKS,),
    "kernels/operators": (NETWORKS,),
    "model/targets": ("losses",),
}
FUNCTIONS = ("functions/random", "functions/fields_from", "functions/integrals")
KERNELS_OF_A_STEP = ("kernels/bound", "kernels/cpu", "kernels/operators")
# where orders, and the continuous adjoint along a trajectory, come from
ALONG_DEPTH = (*KERNELS_OF_A_STEP, "kernels/steps", "model/continuum", "model/layout", *FUNCTIONS)
BESIDE = {  # name → files of tests that belong to those of the name and follow them
    "checkpoint": ("files", "damaged_cache"),
    "cli": ("mistakes",),
    "fit": ("resuming",),
    "units": ("gaps_and_targets_elsewhere",),
    WIDER: ("symmetries",),
}
ALWAYS_COMPILED = ("functions",)  # it looks at machine code
ANY = ("continuum", "fit", "cli")  # of a module that is not named above
APART = ("gpu_script", "pytorch")  # a minute of work about another machine; another environment's
VERIFIED = "verify"  # what `continua verify` is made of, and its tests
COMPILED_KERNELS = (
    *KERNELS_OF_A_STEP, "kernels/threads", "model/continuum", "model/layout", *FUNCTIONS, "representation"
)  # fmt: skip


@cache
def checks(path: str) -> tuple[Check, ...]:
    """The checks of a source file, in order."""
    folder, _, rest = path.removesuffix(".py").partition("/")
    return _derive(rest) if folder == "derive" else _numerics(rest)


def _room(module: str, rooms: Collection[str]) -> str:
    """The entry for a module: its own, or that of the nearest folder that has one."""
    while module not in rooms and "/" in module:
        module = module.rpartition("/")[0]
    return module


def _derive(module: str) -> tuple[Check, ...]:
    above = RUN_TIME.get(_room(module, RUN_TIME), ())
    module = _room(module, DERIVE)
    direct = DERIVE.get(module, ("spec", "explain"))
    if module.startswith(GPU):
        cheap = Check("tests", (_path(CUDA), "-k", "constants or generic"), compiled=False)
        return cheap, *_files(["products", CUDA], compiled=False), Check("bytes", ())
    after = [CUDA] if module in SIMULATED else []
    whole = _files([*direct, *above, *THEN], compiled=False)
    return *whole, Check("bytes", ()), *_files(after, compiled=False)


def _numerics(module: str) -> tuple[Check, ...]:
    if module.startswith(VERIFIED):
        return _files(["verify_references", "verify"])
    if module in DEVICE:
        return _files(["device_calls", "products", "bursts", CUDA], compiled=False)
    direct = NUMERICS.get(_room(module, NUMERICS), ANY)
    kernels = [KERNELS] if _room(module, COMPILED_KERNELS) in COMPILED_KERNELS else []
    gap = (Check("tests", (_path(ORDERS), "-k", "heun or gap and not implicit")),) if module in ALONG_DEPTH else ()
    first = _files([*direct, *kernels, *ALSO.get(module, ())])
    return tuple(dict.fromkeys((*first, *gap, *_files(_beside(module)))))


@cache
def _beside(module: str) -> list[str]:
    """What else tests the room of a module of ``numerics``: it may see what no named file does."""
    room = TESTS / "numerics" / module.partition("/")[0]
    found = sorted(path.stem.removeprefix("test_") for path in room.glob("test_*.py"))
    return [name for name in found if name not in APART]


@cache
def _path(name: str) -> str:
    """Where the tests of a name lie (no two files have one name), with what follows after ``::``."""
    name, *part = name.split("::")
    (path,) = TESTS.rglob(f"test_{name}.py")
    return "::".join([path.relative_to(TESTS.parent).as_posix(), *part])


def _files(names: Sequence[str], compiled: bool = True) -> tuple[Check, ...]:
    every = [file for name in names for file in (name, *BESIDE.get(name, ()))]
    return tuple(Check("tests", (_path(name),), compiled or name in ALWAYS_COMPILED) for name in every)
