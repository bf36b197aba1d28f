"""Records with points and classes, and models trained on them in units of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics import Continuum, fit
from tests.builders import declare

RNG = np.random.default_rng(0)
XI = np.sort(np.concatenate([[-1, 1], RNG.uniform(-1, 1, 9)]))
X = RNG.standard_normal((12, 11))
CLASSES = np.array(["a", "b", "c"])[np.arange(12) % 3]
NUMBERS = {**declare(readout={"outputs": 2}), "loss": {"kind": "l2"}}


def scaled(declared: dict[str, Any], scale: str = "standard", **units: Any) -> dict[str, Any]:
    readout = declared.get("readout", {})
    if readout and declared["loss"]["kind"] != "cross-entropy":
        readout = {**readout, "scale": scale}
    return {**declared, "input": {"scale": scale, **units}, **({"readout": readout} if readout else {})}


def trained(declared: dict[str, Any], x: Any, y: Any, xi: Any = XI, **options: Any) -> Continuum:
    settings = {"epochs": 5, "learning_rate": 0.05, "optimiser": "adam", **options}
    return fit(Continuum.from_spec(declared, seed=1), x, y, xi, **settings)
