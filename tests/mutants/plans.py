"""Which checks see a module: the cheapest and most direct ones first, for the first that fails ends a mutant."""

from __future__ import annotations

from functools import cache

from tests.mutants.mutant import Check

WIDER = "tests/generated/test_wider_family.py"
KERNELS = "tests/generated/test_kernels.py"
NETWORKS = "tests/properties/test_whole_networks.py"
CUDA = "tests/generated/test_cuda_simulator.py"
ORDERS = "tests/properties/test_convergence.py"

# Tests of a module of ``derive`` (or of a folder), in order; all of them are followed by THEN.
DERIVE = {
    "adjoint": ("adjoint", "explain"),
    "approximation": ("approximation",),
    "bases": ("bases", "families", "transfer", "spec", "losses"),
    "closed_form": ("bases", "families", "inner_product"),
    "convolution": (),
    "declaration": ("spec", "families", "bases", "tableau", "losses"),
    "emit/cpu": (),
    "emit/cuda": (),
    "emit/derivation": ("explain",),
    "emit/manifest": ("explain",),
    "emit/newton": (),
    "emit/notation": ("explain",),
    "emit/scalar": ("approximation", "losses"),
    "emit/tables": ("losses", "families"),
    "equation": ("equation", "explain", "losses"),
    "errors": ("spec", "expression"),
    "exact": ("surd", "inner_product"),
    "explain": ("explain",),
    "expression": ("expression", "equation"),
    "finite": ("finite", "equation", "losses"),
    "galerkin": ("explain", "families"),
    "inner_product": ("transfer", "bases", "families", "inner_product"),
    "activations": ("equation", "approximation"),
    "ladder": ("spec", "explain"),
    "loss": ("losses",),
    "losses": ("losses",),
    "program": ("equation", "approximation", "explain"),
    "rank": ("rank",),
    "rates": ("equation",),
    "registry": ("spec", "explain", "bases", "suggestion"),
    "seen": ("seen",),
    "spec": ("spec", "explain"),
    "suggestion": ("suggestion",),
    "surd": ("surd", "tableau"),
    "symmetry": ("symmetry",),
    "tableau": ("tableau", "explain", "adjoint"),
    "tableaux": ("tableau",),
    "transfer": ("transfer",),
}
# What follows: the kernels against independent NumPy, random networks, and the bytes of what is checked in.
THEN = (KERNELS, WIDER, NETWORKS)
SIMULATED = ("emit/cuda", "emit/newton", "program", "emit/scalar")
RUN_TIME = {  # and what of ``numerics`` stands directly on it
    "bases": ("tests/numerics/test_projection.py", "tests/numerics/test_adapted.py"),
    "declaration": ("tests/numerics/test_continuum.py", "tests/numerics/test_networks.py"),
    "spec": (
        "tests/numerics/test_continuum.py",
        "tests/numerics/test_networks.py",
        "tests/numerics/test_projection.py",
    ),
    "ladder": ("tests/numerics/test_projection.py", "tests/numerics/test_continuum.py"),
    "galerkin": ("tests/numerics/test_projection.py", "tests/numerics/test_networks.py"),
    "transfer": ("tests/numerics/test_projection.py",),
    "tableau": ("tests/properties/test_stiffness.py",),
    "emit/cpu": ("tests/numerics/test_continuum.py",),
    "emit/newton": ("tests/properties/test_stiffness.py",),
    "emit/tables": ("tests/numerics/test_projection.py", "tests/numerics/test_fit.py"),
    "emit/manifest": ("tests/numerics/test_projection.py", "tests/numerics/test_networks.py"),
    "explain": ("tests/numerics/test_cli.py",),
    "emit/notation": ("tests/numerics/test_cli.py",),
    "registry": ("tests/numerics/test_cli.py",),
    "errors": ("tests/numerics/test_cli.py",),
    "convolution": ("tests/generated/test_convolution.py",),
    "expression": ("tests/torture/test_torture.py::test_a_sample_holds[expressions]",),
}

NUMERICS = {
    "__init__": ("continuum", "fit"),
    "adapted": ("adapted", "cli"),
    "adaptive": ("adaptive",),
    "burgers": ("burgers",),
    "checkpoint": ("checkpoint", "fit", "cli"),
    "cli": ("cli", "networks", "datasets"),
    "commands": ("cli", "networks", "datasets", "fit"),
    "console": ("cli",),
    "convolutions": ("convolutions", "export"),
    "continuum": ("continuum", "fit", "projection", "networks", "adaptive", "checkpoint"),
    "cross_validation": ("cross_validation",),
    "cuda": (),
    "datasets": ("datasets", "labels", "points", "doors", "fit", "continuum", "cli"),
    "demo": ("report", "cli"),
    "describe": ("cli", "continuum", "checkpoint"),
    "device": ("kernel_cache", "calls", "fit", "continuum"),
    "doctor": ("cli",),
    "doors": ("doors", "points", "datasets"),
    "ensemble": ("ensemble",),
    "field": ("field", "doors", "optimisers", "projection", "fit"),
    "fit": ("fit", "sampling", "optimisers", "cli"),
    "initial": ("quadrature", "fit", "continuum", "projection"),
    "labels": ("labels", "doors"),
    "networks": ("networks", "convolutions", "export", "doors"),
    "optimisers": ("optimisers", "fit"),
    "ordering": ("networks", "doors", "cli"),
    "pieces": ("pieces", "quadrature", "field", "adaptive", "projection"),
    "projection": ("projection", "loss_changes", "quadrature", "adapted", "adaptive"),
    "reference": (),
    "refinement": ("projection", "cli"),
    "report": ("report", "cli"),
    "representation": ("checkpoint", "pickles", "projection", "adapted", "cli"),
    "sampling": ("sampling",),
    "solver": ("continuum", "adaptive", "calls", "projection", "fit"),
    "stability": ("stability", "fit"),
    "stages": ("export", "convolutions"),
    "targets": ("stability", "fit"),
    "template": ("cli",),
    "testing": ("testing",),
    "verify": (),
}
ALSO = {
    "continuum": ("tests/derive/test_losses.py", NETWORKS),
    "pieces": ("tests/derive/test_losses.py", "tests/derive/test_families.py"),
    "initial": ("tests/derive/test_families.py", "tests/numerics/test_adapted.py"),
    "representation": ("tests/derive/test_losses.py",),
    "solver": (NETWORKS,),
    "targets": ("tests/derive/test_losses.py",),
}
ALONG_DEPTH = ("solver", "adaptive", "continuum", "initial")  # orders, and the continuous adjoint along a trajectory
ALWAYS_COMPILED = ("tests/derive/test_approximation.py",)  # it looks at machine code
ANY = ("continuum", "fit", "cli")  # of a module that is not named above
VERIFIED = ("reference", "verify")  # what `continua verify` is made of, and its tests
COMPILED_KERNELS = ("solver", "device", "continuum", "initial", "representation")


@cache
def checks(path: str) -> tuple[Check, ...]:
    """The checks of a source file, in order."""
    folder, _, rest = path.removesuffix(".py").partition("/")
    parts = rest.split("/")
    if folder == "derive":
        module = rest if rest in DERIVE else parts[0] if parts[0] in DERIVE else rest.removesuffix("/__init__")
        return _derive(module)
    return _numerics(parts[0])


def _derive(module: str) -> tuple[Check, ...]:
    direct = [f"tests/derive/test_{name}.py" for name in DERIVE.get(module, ("spec", "explain"))]
    if module.startswith("emit/cuda"):
        cheap = Check("tests", (CUDA, "-k", "constants or generic"), compiled=False)
        return cheap, *_files([CUDA], compiled=False), Check("bytes", ())
    after = [CUDA] if module in SIMULATED else []
    whole = _files([*direct, *RUN_TIME.get(module, ()), *THEN], compiled=False)
    return *whole, Check("bytes", ()), *_files(after, compiled=False)


def _numerics(module: str) -> tuple[Check, ...]:
    if module in VERIFIED:
        return _files(["tests/numerics/test_verify_references.py", "tests/numerics/test_verify.py"])
    if module == "cuda":
        return _files([CUDA], compiled=False)
    direct = [f"tests/numerics/test_{name}.py" for name in NUMERICS.get(module, ANY)]
    kernels = [KERNELS] if module in COMPILED_KERNELS else []
    gap = (Check("tests", (ORDERS, "-k", "heun or gap and not implicit")),) if module in ALONG_DEPTH else ()
    return *_files([*direct, *kernels, *ALSO.get(module, ())]), *gap


def _files(paths: list[str], compiled: bool = True) -> tuple[Check, ...]:
    return tuple(Check("tests", (path,), compiled or path in ALWAYS_COMPILED) for path in paths)
