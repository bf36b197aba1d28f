"""Where the start decides: y = sin(u) has many basins. Fine at once, coarse to fine, weak records first.

Of weak records u, the phase of the sine, is small and does not wrap around: they are what low frequencies are to full
waveform inversion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import continua as ct
from benchmarks.studies import Number
from benchmarks.studies.field_inversion.problem import (
    SIZE,
    Array,
    Asked,
    declare,
    distance,
    inputs,
    nearly_coarse,
    truth,
)

STRENGTHS = (0.25, 0.5, 1.0, 2.0)  # of the records
# Stage by stage (strengths of the records, level of the fields); every stage has as many iterations.
WAYS: dict[str, Sequence[tuple[tuple[float, ...], str]]] = {
    "fine at once": [((2.0,), "base")] * 4,
    "coarse to fine": [((2.0,), level) for level in ("size2", "size4", "base", "base")],
    "weak records first": [((s,), "base") for s in STRENGTHS],
    "weak and coarse first": [((s,), level) for s, level in zip(STRENGTHS, ("size2", "size4", "base", "base"))],
    "all strengths at once": [(STRENGTHS, "base")] * 4,
}
ITERATIONS, FOUND = 60, 0.01


def found(way: str, seed: int, known: Any, count: int = 60) -> Any:
    """The fields that a way ends with, from a random start; of several strengths records are shared out."""
    x = inputs(count, SIZE, 5, decay=0.5)
    model = ct.Continuum.from_spec(known.base, seed=seed)
    stages = WAYS[way]
    for k, (strengths, level) in enumerate(stages):
        if k and (strengths, level) == stages[k - 1]:
            continue
        if level != (model.level or "base"):
            model = ct.refine(model, level=level) if k else ct.project(model, level=level)
        asked = Asked.of(known, np.concatenate([s * x[j :: len(strengths)] for j, s in enumerate(strengths)]))
        times = list(stages).count((strengths, level))
        model = ct.fit(model, asked.records, optimiser="lbfgs", epochs=times * ITERATIONS, learning_rate=0.1)
    return model


def errors(way: str, seeds: range, rate: str = "sin(u) - h", fields: Callable[..., Any] = truth) -> Array:
    """Relative errors of W at the end."""
    known = fields(declare(rate), 2.0)
    return np.array([distance(found(way, seed, known), known) for seed in seeds])


def numbers(long: bool) -> list[Number]:
    seeds = range(20 if long else 5)
    share = {way: errors(way, seeds) < FOUND for way in WAYS}
    windows = {
        "fine at once": (0, 0.3), "coarse to fine": (0, 0.3), "weak records first": (0.5, 1),
        "weak and coarse first": (0.5, 1), "all strengths at once": (0.1, 0.9),
    }  # fmt: skip
    nearly = {way: errors(way, seeds, fields=nearly_coarse) < FOUND for way in ("fine at once", "coarse to fine")}
    plain = errors("fine at once", seeds, "tanh(u) - h") < FOUND
    more = float(share["weak records first"].mean() - share["fine at once"].mean())
    return [
        *(_share(f"sin, {way}", ok, *windows[way]) for way, ok in share.items()),
        Number("sin: weak records first less fine at once", more, 0.3, 1),
        *(_share(f"sin, a W* that is nearly coarse, {way}", ok, 0, 0.5) for way, ok in nearly.items()),
        _share("tanh, fine at once", plain, 0.7, 1),
    ]


def _share(what: str, ok: Array, low: float, high: float) -> Number:
    mean = float(ok.mean())
    spread = float(np.sqrt(mean * (1 - mean) / len(ok)))
    return Number(f"{what}: share of {len(ok)} starts that find W*", mean, low, high, spread)
