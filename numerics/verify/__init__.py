"""What the mathematics promises, measured on a spec: ``continua verify``.

Every property is measured against something that shares no code with what it measures, the room ``references``: loops
over layers, the NumPy network, complex steps, SciPy's integrators, mpmath at 50 digits, formulas and dense sums. What a
spec can be expected to reach is derived from it: the order of its tableau, the degree of its bases, kinks of its rate.

PROPERTIES lists the rows with the function that measures each; a new row is a function and a line there. By files:

``equivalents``, ``orders``      layers; refinement in depth and width, and how the order of a study is judged
``derivatives``                  gradients, derivatives of outputs, Taylor remainders, the continuous adjoint
``spaces``, ``rules``            Gram matrices, projections, symmetries; quadrature and tables
``activations``, ``losses``      of the rate and the loss, their values and slopes
``records``, ``outputs``         from samples to coefficients; predictions and trajectories
``fields``, ``starts``           values, norms, penalties; random and given fields
``steps``, ``moves``             adaptive steps; moves between levels
``code``, ``simulator``          kernels, precisions, threads, bytes; CUDA kernels without a GPU
``network``                      the weights of a discrete network as a field
``subject``                      what is verified, and what is found
"""

from __future__ import annotations

from collections.abc import Callable

from derive.spec import Spec
from numerics.kernels import threads
from numerics.model.continuum import Continuum
from numerics.verify import (
    activations,
    code,
    derivatives,
    equivalents,
    fields,
    losses,
    moves,
    network,
    outputs,
    records,
    rules,
    spaces,
    starts,
    steps,
)
from numerics.verify.references.formulas import NoReference
from numerics.verify.subject import Finding, Subject

__all__ = ["FULL", "PROPERTIES", "VERDICTS", "Finding", "properties", "verify"]

Property = tuple[str, Callable[[Subject], None]]

VERDICTS = {True: "holds", False: "FAILS", None: "–"}
PROPERTIES: tuple[Property, ...] = (
    ("a network of layers", equivalents.layers),
    ("refinement in depth", equivalents.depth),
    ("refinement in width", equivalents.width),
    ("refinement in width and depth", equivalents.both),
    ("gradients", derivatives.gradient),
    ("derivatives of outputs", derivatives.tangents),
    ("Taylor remainders", derivatives.taylor),
    ("the continuous adjoint", derivatives.adjoints),
    ("Gram matrices", spaces.grams),
    ("couplings of κ", spaces.couplings),
    ("projections", spaces.projections),
    ("conditions", spaces.conditions),
    ("symmetries", spaces.symmetries),
    ("quadrature and tables", rules.tables),
    ("records", records.coefficients),
    ("activations", activations.functions),
    ("slopes of the rate", activations.slopes),
    ("the rate in float32", activations.single),
    ("losses", losses.values),
    ("losses of records", losses.of_records),
    ("outputs", outputs.predictions),
    ("trajectories", outputs.path),
    ("fields", fields.values),
    ("penalties", fields.penalties),
    ("L2 gradients", fields.gradients),
    ("random fields", starts.random_fields),
    ("their law", starts.law),
    ("symmetric random fields", starts.mirrored),
    ("given fields", starts.given_fields),
    ("adaptive steps", steps.control),
    ("moves between levels", moves.levels),
    ("adapted bases", moves.singular_functions),
    ("kernels", code.kernels),
    ("precision", code.precision),
    ("threads", code.threads),
    ("regeneration", code.regeneration),
    ("the weights as a field", network.smoothness),
)
FULL: tuple[Property, ...] = (("the CUDA kernels in the simulator", code.simulator),)


def properties(full: bool) -> tuple[Property, ...]:
    """What is measured: in seconds, or with ``full`` in minutes."""
    return (*PROPERTIES, *FULL) if full else PROPERTIES


def verify(
    spec: Spec, model: Continuum | None = None, full: bool = False, progress: Callable[[str], None] | None = None
) -> list[Finding]:
    """Measure every property on a spec, or on a model of it. progress: told what is measured next.

    With one thread of linear algebra: the matrices are small, and threads that wait for each other cost most.
    """
    with threads.serial_blas():
        subject = Subject.of(spec, model)
        for what, measure in properties(full):
            if progress is not None:
                progress(what)
            attempt(subject, what, measure)
    return subject.findings


def attempt(subject: Subject, what: str, measure: Callable[[Subject], None]) -> None:
    """Measure a property; one that ends in an error is a row that fails, with the error, and no end of the others.

    One that has nothing to measure against says so, and is no failure.
    """
    section = measure.__module__.rpartition(".")[2]
    try:
        measure(subject)
    except NoReference as error:
        subject.add(section, what, "a reference", str(error), None, "docs/testing.md")
    except Exception as error:
        said = " ".join(str(error).split()) or "no reason given"
        text = f"ended in {type(error).__name__}: {said}"
        subject.add(section, what, "an answer", text, False, "docs/testing.md")
