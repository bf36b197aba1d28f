"""Solutions of Burgers' equation, made here: at time 1 from those at time 0, for testing at three resolutions."""

from __future__ import annotations

from numerics.datasets import burgers
from numerics.datasets.record import Records


def parts() -> dict[str, Records]:
    return burgers.load()
