"""Gauss–Newton: steps by the size of the mesh, and beside L-BFGS and Adam at equal CPU time.

    python benchmarks/gauss_newton.py mesh            # steps and products to a gradient of 10⁻⁶, 16 to 256 functions
    python benchmarks/gauss_newton.py time            # training and held-out losses after equal CPU times
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from continua import Continuum, fit
from numerics.datasets import Records, burgers, records, shipped
from numerics.kernels import threads
from numerics.model.curvature import Curvature
from numerics.training import optimisers
from numerics.training.options import options_of

SIZES = (16, 32, 64, 128, 256)
REACHED = 1e-6


def smooth(size: int) -> dict[str, Any]:
    """One channel on cells, as many for the fields as for the state; the penalty makes the fields unique."""
    cells = {"family": "p0", "cells": size}
    return {
        "name": f"mesh-{size}",
        "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2", "channels": 1},
        "state": {"basis": cells},
        "weight": {"width_out": cells, "width_in": cells, "depth": {"family": "p0", "cells": 2}},
        "bias": {"width": cells, "depth": {"family": "p0", "cells": 2}},
        "integration": {"tableau": "heun", "steps": 4},
        "loss": {"kind": "l2", "penalty": {"W": "1/1000", "b": "1/1000"}},
    }
