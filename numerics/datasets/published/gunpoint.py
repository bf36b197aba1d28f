"""GunPoint (UCR archive): two motions, told apart by the position of a hand."""

from __future__ import annotations

from numerics.datasets.record import Records
from numerics.datasets.shipped import sktime_parts


def parts() -> dict[str, Records]:
    return sktime_parts("GunPoint")
