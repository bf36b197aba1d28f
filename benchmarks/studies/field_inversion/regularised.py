"""Noise and regularisation: L2 and H1 penalties, with weights by the discrepancy principle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.studies import Number
from benchmarks.studies._perceptrons import of_seeds
from benchmarks.studies.field_inversion.problem import (
    SIZE,
    Array,
    Asked,
    declare,
    distance,
    inputs,
    inverted,
    rough,
    stiffness,
    truth,
)

ALPHAS, DECAY = np.append(10.0 ** np.arange(0, -9.1, -0.5), 0.0), 3.0


@dataclass(frozen=True)
class Path:
    """Errors of W and mean losses over α, from large to 0; expected: the truth's loss, that of the noise."""

    alphas: Array
    errors: Array
    losses: Array
    expected: float

    @property
    def chosen(self) -> int:
        """The discrepancy principle (Morozov 1966): the largest α with a loss of no more than the noise's."""
        below = np.flatnonzero(self.losses <= self.expected)
        return int(below[0]) if len(below) else len(self.losses) - 1

    @property
    def at_chosen(self) -> float:
        return float(self.errors[self.chosen])


def path(norm: str, noise: float, seed: int, white: bool = False, count: int = 30) -> Path:
    """W from records of smooth functions, whose short waves are weak, for every α; white: of a rough W*."""
    known = rough(declare(), seed) if white else truth(declare())
    asked = Asked.of(known, inputs(count, SIZE, seed, DECAY), noise, seed)
    model, penalty = known.with_coordinates(0 * known.coordinates), stiffness(known, norm)
    prepared = model.prepare(asked.records)
    errors, losses = [], []
    for alpha in ALPHAS:
        model = inverted(model, asked, alpha, penalty, 2)
        errors.append(distance(model, known))
        losses.append(model.objective(prepared)[0])
    return Path(ALPHAS, np.array(errors), np.array(losses), asked.expected)


def numbers(long: bool) -> list[Number]:
    found = []
    for white in (False, True):
        kind = "rough W*" if white else "smooth W*"
        for noise in (0.01, 0.03, 0.1) if long else (0.03,):
            paths = {norm: [path(norm, noise, s, white) for s in range(8 if long else 2)] for norm in ("L2", "H1")}
            name = f"{kind}, {100 * noise:.0f} % of noise"
            for norm, own in paths.items():
                found += [
                    of_seeds(f"{name}, {norm}: error by the discrepancy principle", [p.at_chosen for p in own], 0, 1),
                    of_seeds(f"{name}, {norm}: over the best α's", [p.at_chosen / p.errors.min() for p in own], 1, 2.5),
                    of_seeds(f"{name}, {norm}: none's over it", [p.errors[-1] / p.at_chosen for p in own], 1, 100),
                ]
            first, second = paths.values()
            chosen = [q.at_chosen / p.at_chosen for p, q in zip(first, second)]
            best = [q.errors.min() / p.errors.min() for p, q in zip(first, second)]
            found += [
                of_seeds(f"{name}: H1 over L2 by the discrepancy principle", chosen, 0.5, 2),
                of_seeds(f"{name}: H1 over L2, best α's", best, *((0.8, 2) if white else (0.3, 1))),
            ]
    return found
