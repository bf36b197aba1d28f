"""A model's objective to second order: J, the derivative of what the loss compares by all coordinates, and Jᵀ ℓ″ J.

With ℓ″ the Hessian of the loss in these outputs, the Gauss–Newton product is H v = Jᵀ ℓ″ J v, in the L2 metric since
coordinates are orthonormal (``mathematics.md``, section 8); penalties, which are squares, enter with all of their
Hessian. It is exact: a tangent sweep, the loss's second derivative, an adjoint sweep; no matrix is formed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from numerics.kernels import rehearsal, threads
from numerics.kernels.cpu import Solver
from numerics.model import layout
from numerics.model.continuum import Continuum
from numerics.model.prepared import Prepared, check_own

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Curvature:
    """A model's objective on records, around its coordinates; products cost about two gradients each.

    solver: the network there; with adaptive steps it takes those that it has chosen there.
    """

    model: Continuum
    prepared: Prepared
    solver: Solver

    @classmethod
    def of(cls, model: Continuum, prepared: Prepared) -> Curvature:
        """Of a model on records that it has prepared. Raises DataError for records of another one."""
        check_own(model.spec, prepared)
        with threads.serial_blas():
            return cls(model, prepared, model.solver.settled(prepared.states))

    @cached_property
    def readout(self) -> tuple[Array, Array]:
        """The affine map from y's coefficients to the outputs."""
        return self.model.readout_map()

    def tangent(self, direction: Array) -> tuple[Array, Array]:
        """The outputs and J v, (outputs, N), for a direction v (size,) of the coordinates."""
        model, along = self.model, self.model.coefficients_at(direction)
        given = layout.coefficients(model.fields)
        rehearsal.along(model.bound, lambda: layout.weights_of(given), *self.readout)
        with threads.serial_blas():
            changes, readout = layout.weights_of(along), layout.readout_change(model.representation, along)
            return self.solver.tangent(self.prepared.states, *self.readout, changes, *readout)

    def adjoint(self, bar: Array) -> Array:
        """Jᵀ w (size,), summed over the records, for w (outputs, N)."""
        model, given = self.model, layout.coefficients(self.model.fields)
        rehearsal.gradient(model.bound, lambda: layout.weights_of(given), *self.readout)
        with threads.serial_blas():
            back, *bars, _ = self.solver.pull_back(self.prepared.states, *self.readout, bar)
            gradient = layout.weight_gradients(given, back)
            gradient |= layout.readout_gradients(model.representation, given, *bars)
            return model.orthonormal_gradient(gradient)

    def product(self, direction: Array) -> Array:
        """H v (size,) of the objective, for a direction v (size,): of the mean loss and of the penalties."""
        found: Array = self.of_loss(direction) + self._penalties(direction)
        return found

    def of_loss(self, direction: Array) -> Array:
        """The same of the mean loss over the records alone."""
        outputs, turned = self.tangent(direction)
        curved = self.solver.curved(outputs, self.prepared.wanted(), turned)
        return self.adjoint(curved * self.prepared.counts / len(self.prepared))

    def _penalties(self, direction: Array) -> Array:
        """What the penalties' Hessian makes of a direction; their gradients are linear."""
        model = self.model
        along = model.coefficients_at(direction)
        slopes = {name: [np.zeros_like(a) for a in own] for name, own in along.items()}
        layout.penalise(model.spec.penalties, model.fields, along, slopes)
        return model.orthonormal_gradient(slopes)
