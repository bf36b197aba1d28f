"""Adam as it is usual, with one second moment a coordinate."""

from __future__ import annotations

from functools import partial

from numerics.training.optimisers import adam
from numerics.training.optimisers.state import Optimiser

OPTIMISER = Optimiser(
    partial(adam.start, coordinatewise=True),
    remark="adam-coordinatewise: its steps depend on the mesh (the first one's length grows like the "
    "square root of the number of coefficients); use adam for steps that do not",
    on_device=adam.on_device,
)
