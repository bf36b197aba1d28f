"""The cube and the pixel: is the image of a rotating cube a discontinuous function, as S. Mani's *Difficulties with
continuous approximation* says, and what follows for a continuum that learns it?

``rendering``: hard-edged images, and exact areas; ``moduli``: how much each changes with the angle and with the number
of pixels; ``learning``: angles → image in both forms, and image → angle.
"""

from __future__ import annotations

from benchmarks.studies import Number
from benchmarks.studies.the_cube_and_the_pixel import learning, moduli

TITLE = "Is the image of a rotating cube continuous in its angles, and can a continuum learn it?"


def study(long: bool) -> list[Number]:
    return [*moduli.numbers(), *learning.numbers(range(5 if long else 2), (8, 16, 32) if long else (8, 16))]
