"""ItalyPowerDemand (UCR archive): days of electricity in Italy, of winter or of summer."""

from __future__ import annotations

from numerics.datasets.record import Records
from numerics.datasets.shipped import sktime_parts


def parts() -> dict[str, Records]:
    return sktime_parts("ItalyPowerDemand")
