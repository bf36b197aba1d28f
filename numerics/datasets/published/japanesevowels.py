"""JapaneseVowels (UEA archive): twelve coefficients of speech, 7 to 29 points, nine speakers."""

from __future__ import annotations

from numerics.datasets.record import Records
from numerics.datasets.shipped import sktime_parts


def parts() -> dict[str, Records]:
    return sktime_parts("JapaneseVowels")
