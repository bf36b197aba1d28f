"""The same equation solved and differentiated by the continuum, by SciPy and by the libraries of the field."""

from __future__ import annotations

import json
import multiprocessing
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import continua as ct
from benchmarks.studies import Number, mean
from benchmarks.studies.neural_odes.equation import STAGES, Array, Equation, gradient, records, solved, taken, tried
from benchmarks.studies.neural_odes.misleading import relative, true_gradient
from numerics.kernels import threads

BENCHMARKS = Path(__file__).resolve().parents[2]
RIVALS = BENCHMARKS.parent / ".venv" / "rivals" / "bin" / "python"  # from `make rivals`
LIBRARIES = ("diffrax", "torchdiffeq", "torchdyn")
DIGITS = (3, 4, 5, 6, 7, 8, 10)
ERROR = 1e-6  # at which evaluations are compared
NO_CLAIM = (0.0, np.inf)  # of seconds and bytes, which are the machine's


def case(seed: int, channels: int = 16, count: int = 64) -> tuple[Equation, Array, Array]:
    """An equation whose channels are up to four times as fast as each other, records and targets (c, records)."""
    x, targets = np.random.default_rng((seed, 2)).standard_normal((2, channels, count))
    return Equation.random(seed, np.linspace(1, 4, channels), 3.0), x, targets


def exactness(equation: Equation, x: Array, targets: Array, digits: int = 3) -> float:
    """The discrete adjoint beside a complex step through the same steps, along a random direction: relative."""
    model = equation.model(digits)
    found = gradient(model, x, targets)[1]
    along = np.random.default_rng(3).standard_normal(found.size)
    end = equation.holding(equation.vector + 1e-30j * along).stepped(x, taken(model, x))
    slope = float(np.sum((end - targets) ** 2).imag / 2e-30)
    return abs(slope - found @ along) / (np.linalg.norm(found) * np.linalg.norm(along))


def evaluations(equation: Equation, x: Array, digits: int) -> tuple[int, int]:
    """Of ∂h/∂δ for all records, and steps tried. Every try costs all stages but the first, which the step before has

    evaluated, or the try before.
    """
    steps = tried(equation.model(digits), x)
    return 1 + (STAGES - 1) * steps, steps


def at_error(errors: Sequence[float], counts: Sequence[float], error: float = ERROR) -> float:
    """What a solver takes for an error, between those of its tolerances, all of them as logarithms."""
    order = np.argsort(errors)
    logs = np.log(np.asarray(errors, float)[order]), np.log(np.asarray(counts, float)[order])
    return float(np.exp(np.interp(np.log(error), *logs)))


def work(equation: Equation, x: Array, wanted: Array) -> dict[str, list[tuple[float, float, float]]]:
    """Of the model and of SciPy's two methods, for every number of digits: largest error, evaluations, steps tried."""
    found: dict[str, list[tuple[float, float, float]]] = {"continuum": [], "RK45": [], "DOP853": []}
    for digits in DIGITS:
        error = np.abs(solved(equation.model(digits), x) - wanted).max()
        found["continuum"].append((error, *evaluations(equation, x, digits)))
        for name, stages in (("RK45", 6), ("DOP853", 12)):
            how = {"method": name, "rtol": 10.0**-digits, "atol": 10.0**-digits}
            run = equation.solution(x, **how)
            error = np.abs(run.y[:, -1].reshape(x.shape) - wanted).max()
            found[name].append((error, run.nfev, run.nfev / stages))
    return found


# --- the others


def installed(library: str) -> bool:
    """Whether the rivals' environment has a library."""
    command = [str(RIVALS), "-c", f"import {library}"]
    return RIVALS.exists() and subprocess.run(command, capture_output=True).returncode == 0


def rival(library: str, equation: Equation, x: Array, targets: Array, digits: Sequence[int], *more: str) -> Any:
    """What ``benchmarks/rivals/odes.py`` prints."""
    own = {"K": equation.K, "b": equation.b, "a": equation.a, "x": x, "targets": targets, "digits": digits}
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/case.npz", threads=threads.threads(), **own)
        command = [str(RIVALS), str(BENCHMARKS / "rivals" / "odes.py"), library, f"{folder}/case.npz", *more]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def fastest(call: Callable[[], Any]) -> float:
    """Processor seconds of the fastest of five calls, after one that compiles."""
    call()
    found = []
    for _ in range(5):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found)


def own_memory(seed: int, channels: int, count: int, digits: int, memory: str) -> float:
    """Bytes by which a gradient raises the peak that solving has reached; memory: an option of training."""
    equation, x, targets = case(seed, channels, count)
    model = equation.model(digits)
    prepared = model.prepare(ct.records(records(x), y=records(targets)))
    model = model.running_on(model.bound.keeping(memory))
    solved(model, x)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model.objective(prepared)
    return 1024.0 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def memories(channels: int = 16, count: int = 8000, digits: int = 6) -> dict[str, float]:
    """Beyond that of solving, of a gradient by every library and way, over the bytes of all states at one depth."""
    equation, x, targets = case(0, channels, count)
    found = {}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as fresh:
        for way in ("stored", "checkpoint"):
            found[f"continuum, {way}"] = fresh.submit(own_memory, 0, channels, count, digits, way).result()
    for library in filter(installed, LIBRARIES):
        for way in ("discrete", "backwards"):
            found[f"{library}, {way}"] = rival(library, equation, x, targets, [digits], way)
    return {name: size / x.nbytes for name, size in found.items()}


def beside(found: Mapping[str, Any], wanted: Array, slope: Array) -> dict[str, Any]:
    """A rival's rows: of every number of digits errors of outputs and gradients, evaluations and seconds."""
    return {
        int(digits): {
            "error": float(np.abs(np.array(row["y"]) - wanted).max()),
            "evaluations": row["evaluations"],
            **{way: relative(np.array(row[way]["gradient"]), slope) for way in ("discrete", "backwards")},
            **{f"{way}, seconds": row[way]["seconds"] for way in ("discrete", "backwards")},
        }
        for digits, row in found.items()
    }


def numbers(seeds: range, long: bool) -> list[Number]:
    cases = [case(seed) for seed in seeds]
    ends, slopes = [e.final(x) for e, x, _ in cases], [true_gradient(*own) for own in cases]
    fine = [e.model(10) for e, *_ in cases]
    apart = max(np.abs(solved(model, x) - end).max() for model, (_, x, _), end in zip(fine, cases, ends))
    misses = [
        [relative(gradient(e.model(digits), x, t)[1], slope) for (e, x, t), slope in zip(cases, slopes)]
        for digits in (10, 3)
    ]
    works = [work(e, x, end) for (e, x, _), end in zip(cases, ends)]
    costs = {name: [at_error(*zip(*[r[:2] for r in w[name]])) for w in works] for name in works[0]}
    steps = {name: [at_error(*zip(*[(r[0], r[2]) for r in w[name]])) for w in works] for name in works[0]}
    found = [
        Number("ten digits a step: largest error of an output", float(apart), 0, 1e-8),
        Number("ten digits a step: error of the gradient", max(misses[0]), 0, 1e-8),
        mean("three digits a step: error of the gradient", misses[1], 1e-5, 1e-1),
        Number("its distance from a complex step, same steps", max(exactness(*own) for own in cases), 0, 1e-12),
        mean("error 1e-6: steps tried over SciPy's RK45's", np.divide(steps["continuum"], steps["RK45"]), 0.5, 2),
        mean("error 1e-6: evaluations over SciPy's RK45's", np.divide(costs["continuum"], costs["RK45"]), 0.5, 2),
        mean("error 1e-6: the same of DOP853", np.divide(costs["DOP853"], costs["RK45"]), 0.5, 1.5),
    ]  # fmt: skip
    return found + (beside_others(cases[0], ends[0], slopes[0], costs["RK45"][0]) if long else [])


def beside_others(own: tuple[Equation, Array, Array], end: Array, slope: Array, usual: float) -> list[Number]:
    """Rows of the libraries that are installed; usual: the evaluations of SciPy's RK45 for an error of ERROR."""
    equation, x, targets = own
    model, found = equation.model(6), []
    prepared = model.prepare(ct.records(records(x), y=records(targets)))
    seconds = fastest(lambda: model.objective(prepared))
    found.append(Number("six digits: milliseconds of a gradient", 1000 * seconds, *NO_CLAIM))
    for library in filter(installed, LIBRARIES):
        rows = beside(rival(library, equation, x, targets, DIGITS), end, slope)
        cost = at_error([r["error"] for r in rows.values()], [r["evaluations"] for r in rows.values()])
        found += [
            Number(f"{library}, ten digits: largest error of an output", rows[10]["error"], 0, 1e-7),
            Number(f"{library}, ten digits: error of the gradient", rows[10]["discrete"], 0, 1e-7),
            Number(f"{library}, ten digits: the same, continuous adjoint", rows[10]["backwards"], 0, 1e-6),
            Number(f"{library}, error 1e-6: evaluations over SciPy's RK45's", cost / usual, 0.5, 2),
            *(
                Number(f"{library}, six digits: time over ours, {way}", rows[6][f"{way}, seconds"] / seconds, *NO_CLAIM)
                for way in ("discrete", "backwards")
            ),
        ]
    return found + [
        Number(f"memory beyond solving, in states: {name}", size, *NO_CLAIM) for name, size in memories().items()
    ]
