"""What optimisers do with whole vectors, compiled: one pass where NumPy makes one an operation.

The texts are plain Python. Sums run in an order that the processor alone decides, whatever the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics.kernels.compile import native

FIRST_DECAY, FLOOR = 0.9, 1e-8  # Adam's usual constants; the floor bounds its quotient


# Adam's update of all coordinates, or of one field's: both give the squared lengths of the gradient and of the step.
# unbiased: 1/(1 − decay^count); length: the rate over 1 − FIRST_DECAY^count; shrink: the rate times the weight decay.


def _adam_of_coordinates(
    gradient: np.ndarray, vector: np.ndarray, decay: float, unbiased: float, length: float, shrink: float,
    moment: np.ndarray, second: np.ndarray, new: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple[float, float]:  # fmt: skip
    (new_moment, new_second, moved), square, way = new, 0.0, 0.0
    for n in range(vector.size):
        g = gradient[n]
        square += g * g
        m = FIRST_DECAY * moment[n] + (1 - FIRST_DECAY) * g
        s = decay * second[n] + (1 - decay) * (g * g)
        change = -length * m / (np.sqrt(unbiased * s) + FLOOR) - shrink * vector[n]
        new_moment[n], new_second[n] = m, s
        way += change * change
        moved[n] = vector[n] + change
    return square, way


def _adam_of_field(
    gradient: np.ndarray, vector: np.ndarray, decay: float, unbiased: float, length: float, shrink: float,
    moment: np.ndarray, second: np.ndarray, new: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple[float, float]:  # fmt: skip
    (new_moment, new_second, moved), square, way = new, 0.0, 0.0
    for n in range(vector.size):
        square += gradient[n] * gradient[n]
    new_second[0] = decay * second[0] + (1 - decay) * square
    scale = length / (np.sqrt(unbiased * new_second[0]) + FLOOR)
    for n in range(vector.size):
        new_moment[n] = FIRST_DECAY * moment[n] + (1 - FIRST_DECAY) * gradient[n]
        change = -scale * new_moment[n] - shrink * vector[n]
        way += change * change
        moved[n] = vector[n] + change
    return square, way


adam_of_coordinates: Any = native(_adam_of_coordinates)
adam_of_field: Any = native(_adam_of_field)
