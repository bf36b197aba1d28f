"""Symmetry: what a group leaves of a network, exactly, and how many records that spares, beside images of the records.

``representations``: channels that transform, characters, null spaces and training inside them; ``positions``: what a
declaration can say; ``channels``: p4m and turned digits; ``flows``: Burgers' equation; ``frames``: vectors on a circle
in a frame that turns.
"""

from __future__ import annotations

from benchmarks.studies import Number
from benchmarks.studies.symmetry import channels, flows, frames, positions

TITLE = "Symmetry: null spaces, channels that transform, records that are spared, frames that are not seen"


def study(long: bool) -> list[Number]:
    return [*positions.numbers(), *channels.numbers(long), *flows.numbers(long), *frames.numbers(long)]
