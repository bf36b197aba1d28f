"""A model's outputs for states, and from derivatives by the outputs those by the states and by all coordinates.

For whoever has a loss of their own: outputs are what the model gives, numbers or the coefficients of a function, and
not what its loss compares.
"""

from __future__ import annotations

import numpy as np

from numerics.kernels import rehearsal, threads
from numerics.model import layout
from numerics.model.continuum import Continuum

Array = np.ndarray


def outputs(model: Continuum, states: Array) -> Array:
    """Numbers, or coefficients of the output function, (outputs, N), for states (entry rows, N), see

    ``Continuum.project_samples``. Raises TrainingError for an output that is not finite.
    """
    operator, constant = layout.output_map(model.representation, layout.coefficients(model.fields))
    return model.finite(model.solver.outputs(states, operator, constant).T, states).T


def pull_back(model: Continuum, states: Array, bar: Array) -> tuple[Array, Array]:
    """From dL/d(outputs) (outputs, N): dL/dcoordinates (size,), summed over the records, and dL/dstates (10), (11)."""
    given = layout.coefficients(model.fields)
    operator, constant = layout.output_map(model.representation, given)
    with threads.serial_blas():
        rehearsal.gradient(model.bound, lambda: layout.weights_of(given), operator, constant)
        back, bar_operator, bar_constant, bar_states = model.solver.pull_back(states, operator, constant, bar)
        gradient = layout.weight_gradients(given, back)
        gradient |= layout.output_gradients(model.representation, given, bar_operator, bar_constant)
        return model.orthonormal_gradient(gradient), bar_states
