"""One case: our kernels and everybody else's on the same numbers, compared first and then timed in turns.

A turn is what a program meets that uses one library: a pause, in which the threads of the library before stop spinning
and give back their cores; a call that is not timed, which brings numbers and code back into caches and wakes threads;
then a few calls that are. The medians are over all timed calls of all turns.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from derive.program.build import Program
from derive.spec import Spec
from numerics.bench.rivals import RIVALS, Call, NumPy, Rival
from numerics.datasets import records as given
from numerics.estimators.network import Library, Network, NotComparable, products
from numerics.kernels import threads
from numerics.model.continuum import Continuum

KINDS = ("forward", "gradient", "predict")
SECONDS = 1.0  # of timing a kind and case, about
FEWEST, MOST = 2, 60  # turns
PAUSE = 0.04  # seconds; OpenBLAS' threads spin for some 30 ms
CALLS = 3  # that are timed in a turn
AGREE = {"float32": 2e-4, "float64": 1e-10}  # relative differences of what is computed


@dataclass
class Row:
    """What one kind of work took. seconds: by name, medians; ours is "kernels". operations: of its matrix products."""

    kind: str
    seconds: dict[str, float] = field(default_factory=dict)
    operations: float = 0.0
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def best(self) -> tuple[str, float] | None:
        """The fastest of the others."""
        others = {name: s for name, s in self.seconds.items() if name != "kernels"}
        return min(others.items(), key=lambda item: item[1]) if others else None

    @property
    def ratio(self) -> float | None:
        """How many times longer the best of the others takes."""
        return None if self.best is None else self.best[1] / self.seconds["kernels"]


def program(spec: Spec, model: Continuum) -> Program:
    """The program that a model's one slab runs."""
    from derive.derived import derive

    if len(model.solver.slabs) != 1:
        raise NotComparable("several slabs")
    plan = model.solver.slabs[0].plan
    return next(p for p in derive(spec)[0].programs[0] if p.plan == plan)


def compare(
    spec: Spec, records: int, rivals: Iterable[type[Rival]] = RIVALS, kinds: Iterable[str] = KINDS,
    seconds: float = SECONDS,
) -> list[Row]:
    """Times of every kind of work that there is for a spec: gradients are those of the loss l2.

    Raises NotComparable for a network that is written here in no library's words.
    """
    model = Continuum.from_spec(spec, seed=0)
    form = program(spec, model).form
    case = _case(model, records)

    def slabs(library: Library) -> Network:
        return Network(model.solver.slabs[0], form, library)

    found = []
    with threadpool_limits(threads.threads()):
        for kind in kinds:
            row = Row(kind, operations=products(slabs(NumPy.library()), records) * (3 if kind == "gradient" else 1))
            try:
                calls: dict[str, Call] = {"kernels": _ours(model, case, kind)}
            except NotComparable:
                continue
            wanted = calls["kernels"]()
            for rival in rivals:
                if not rival.installed():
                    row.left_out[rival.name] = "not installed"
                    continue
                try:
                    call = getattr(rival(slabs, case), kind)()
                    _check(rival.name, wanted, call(), spec.precision)
                except NotComparable as reason:
                    row.left_out[rival.name] = str(reason)
                    continue
                calls[rival.name] = call
            row.seconds = _timed(calls, seconds)
            found.append(row)
    return found


def alone(spec: Spec, records: int, reason: str, seconds: float = SECONDS) -> list[Row]:
    """Our own times, where nobody else can be compared for this reason."""
    model = Continuum.from_spec(spec, seed=0)
    case = _case(model, records)
    found = []
    for kind in KINDS:
        with contextlib.suppress(NotComparable):
            row = Row(kind, _timed({"kernels": _ours(model, case, kind)}, seconds))
            row.left_out = {rival.name: reason for rival in RIVALS}
            found.append(row)
    return found


def _case(model: Continuum, records: int) -> dict[str, np.ndarray]:
    """Random records, what projects them, the readout and targets, in the kernels' precision."""
    spec, generator = model.spec, np.random.default_rng(0)
    if spec.inputs is not None or spec.dimension > 1 or spec.channels > 1 or not spec.functional:
        samples = None
    else:
        samples = generator.standard_normal((records, max(2, spec.entry.size)))
    dtype, bound = np.dtype(spec.precision), model.solver.bound
    first = model.solver.slabs[0]
    rows = first.channels * first.sizes["entry"]
    case = {"states": generator.standard_normal((rows, records)) / np.sqrt(first.sizes["entry"])}
    if samples is not None:
        unit = model.project_samples(given(np.eye(samples.shape[1])))
        case |= {"samples": samples, "projection": unit}
    operator, constant = model.readout_map() if spec.outputs is not None else bound.comparison
    case |= {"operator": np.asarray(operator), "constant": np.asarray(constant)}
    case["targets"] = generator.standard_normal((len(constant), records))
    return {name: np.ascontiguousarray(a, dtype) for name, a in case.items()}


def _ours(model: Continuum, case: Mapping[str, np.ndarray], kind: str) -> Call:
    solver, operator, constant = model.solver.unlifted(), case["operator"], case["constant"]
    if kind == "forward":
        return lambda: solver.outputs(case["states"], operator, constant)
    if kind == "predict":
        if "samples" not in case:
            raise NotComparable("records that are not samples on an interval with one channel")
        samples = case["samples"].astype(np.float64)
        return lambda: model(samples).T
    if model.spec.loss != "l2":
        raise NotComparable(f"the loss {model.spec.loss}")
    learned = ("bar_operators", "bar_biases", "bar_local_operators", "bar_parameters")

    def gradient() -> list[np.ndarray]:
        (own,) = solver.gradient(case["states"], operator, constant, case["targets"])[1]
        return [own[name] / 2 for name in learned if name in own]  # l2 has no half

    return gradient


def _check(name: str, ours: Any, theirs: Any, precision: str) -> None:
    """Raise AssertionError where the two compute different things."""
    pairs = zip(ours, theirs, strict=True) if isinstance(ours, list) else [(ours, theirs)]
    for mine, other in pairs:
        other = np.asarray(other.detach() if hasattr(other, "detach") else other)
        apart = float(np.linalg.norm(mine - other) / np.linalg.norm(other))
        assert apart < AGREE[precision], f"{name} computes something else: {apart:.1e}"


def _timed(calls: Mapping[str, Call], seconds: float) -> dict[str, float]:
    """Medians of turns that everybody has in every round."""
    round_ = sum(PAUSE + (CALLS + 1) * _seconds(call) for call in calls.values())
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(int(min(MOST, max(FEWEST, seconds / round_)))):
        for name, call in calls.items():
            time.sleep(PAUSE)
            call()
            times[name] += [_seconds(call) for _ in range(CALLS)]
    return {name: statistics.median(own) for name, own in times.items()}


def _seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
