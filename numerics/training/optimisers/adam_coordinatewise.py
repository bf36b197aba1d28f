"""Adam as it is usual, with one second moment a coordinate.

A coordinate belongs to a function of the L2-orthonormal basis that Gram–Schmidt makes of the declared one, not to a
declared coefficient: of Legendre and Chebyshev polynomials, whose first functions span the same spaces, it is the same.
"""

from __future__ import annotations

from functools import partial

from numerics.training.optimisers import adam
from numerics.training.optimisers.state import Optimiser

OPTIMISER = Optimiser(
    partial(adam.start, coordinatewise=True),
    remark="adam-coordinatewise: one second moment for each coordinate in an L2-orthonormal basis of each field, so "
    "that its steps depend on the mesh and the basis (the first one's length grows like the square root of the number "
    "of coefficients); use kronecker or adam for steps that do not",
    on_device=adam.on_device,
)
