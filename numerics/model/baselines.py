"""What stands beside a model's results: one that knows nothing of the record, and a linear one on its coefficients.

Both are found where a model is trained (``training.comparison``) and kept with it, so that any other records show what
the continuum adds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from derive.spec import Spec
from numerics.model.prepared import Prepared

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Baselines:
    """mean: the mean target (outputs,); linear: (outputs, coefficients of a record), with its constant (outputs,).

    Of what the loss compares; of classes their shares, so that the largest output is the answer.
    """

    mean: Array
    linear: Array
    constant: Array

    def outputs(self, prepared: Prepared) -> dict[str, Array]:
        """By name, what each makes of records (N, outputs)."""
        mean = np.broadcast_to(self.mean, (len(prepared), len(self.mean)))
        return {"linear": prepared.states.T @ self.linear.T + self.constant, "null": mean}

    def fit(self, spec: Spec) -> bool:
        """Whether these are of a model with such records and outputs."""
        outputs = spec.outputs if spec.functional else spec.output_channels * spec.slabs[-1].state.size
        coefficients = spec.entry_channels * spec.entry.size
        wanted = {"mean": (outputs,), "constant": (outputs,), "linear": (outputs, coefficients)}
        return all(getattr(self, name).shape == shape for name, shape in wanted.items())
