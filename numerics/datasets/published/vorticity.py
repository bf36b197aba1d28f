"""Vorticities of a fluid on a square, made here: at time 2 from those at time 0, for testing at three resolutions."""

from __future__ import annotations

from numerics.datasets import vorticity
from numerics.datasets.record import Records


def parts() -> dict[str, Records]:
    return vorticity.load()
