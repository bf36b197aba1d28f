"""What a richer solver would change of the loss, by dual-weighted residuals, and where: step by step, cell by cell.

The fields are given functions, and stay. h_n are a model's states after n steps, Φ_n the n-th step of a richer solver:
another space that contains the model's, or shorter steps within each of its steps. With I the inclusion, the residuals
r_n = Φ_n(I h_{n−1}) − I h_n, and r_0 = P⁺x − I P x of the records' projections, make

    F⁺ − F = Σ_n ⟨r_n, λ_n⟩ + O(e³)

λ_n is the adjoint of the richer solver, linearised half-way between its own states and I h_n: what the linearisation
leaves out is of third order in their difference e. With equal quadrature ⟨r_n, I λ⟩ is zero for every λ of the model's
own space (Galerkin), and only λ_n − Iλ_n counts; where the richer space has its own quadrature, the rest is its error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from numerics.functions.arrays import along
from numerics.functions.basis import Basis, evaluate
from numerics.functions.rules import rule
from numerics.kernels import threads
from numerics.kernels.cpu import TILE, Bound, Solver
from numerics.kernels.operators import Slab
from numerics.model.continuum import Continuum
from numerics.model.layout import kernel_weights
from numerics.model.prepared import Prepared

Array = np.ndarray


@dataclass(frozen=True)
class Stepped:
    """A model with its records, step by step.

    share: how many steps it takes where it would take one. functional, constant: weights (N, outputs) and numbers (N,)
    of a goal Σ w z + c that is linear in the outputs; None where the goal is the loss.
    """

    model: Continuum
    prepared: Prepared
    share: int = 1
    functional: Array | None = None
    constant: Array | None = None

    @cached_property
    def solver(self) -> Solver:
        """In float64: differences of solvers are small."""
        bound = Bound(self.model.representation, np.float64)
        if self.share > 1:
            whole = range(self.share)
            bound = bound.with_steps(
                [[(a + s * k / self.share, s / self.share) for a, s in slab for k in whole] for slab in bound.steps]
            )
        return bound.form(kernel_weights(self.model.fields))

    @cached_property
    def parts(self) -> list[Slab]:
        """One for every step of the model."""
        slabs = zip(self.solver.slabs, self.solver.steps)
        return [part for slab, own in slabs for part in slab.runs(len(own) // self.share)]

    def path(self, states: Array) -> list[Array]:
        """The states (rows, N) after 0, 1, 2 … steps of the model."""
        found = [self.solver.started(states)]
        for part in self.parts:
            found.append(part.forward(found[-1], keep=False)[0])
        return found

    @cached_property
    def _end(self) -> tuple[Solver, Array, Array]:
        """What follows the last step: a solver of no steps, and the readout."""
        last = self.parts[-1].without("lift").runs(self.share + 1)[-1]  # more runs than steps: the last one is empty
        end = Solver(self.solver.bound, self.solver.weights, [last])
        end.linear = self.functional is not None
        return end, *self.model.readout_map()

    def _targets(self, cut: slice) -> Array:
        return self.prepared.wanted()[:, cut] if self.functional is None else self.functional[cut].T

    def goals(self, y: Array, cut: slice) -> Array:
        """The loss, or the other goal, of final states (rows, n) of the records in ``cut``, times their weights."""
        end, operator, constant = self._end
        found = end.losses(end.outputs(y, operator, constant), self._targets(cut))
        beside = self.prepared.offset if self.constant is None else self.constant
        found = found + beside[cut]
        return np.asarray(found * self.prepared.counts[cut])

    def slope(self, y: Array, cut: slice) -> Array:
        """d(goal)/dy of every record."""
        end, operator, constant = self._end
        return np.asarray(end.gradient(y, operator, constant, self._targets(cut))[-1] * self.prepared.counts[cut])


@dataclass(frozen=True, eq=False)
class Line:
    """One axis of the domain: a basis, a richer one, and the cells between whose ``edges`` errors are told apart."""

    old: Basis
    new: Basis
    edges: Array

    @cached_property
    def _rule(self) -> tuple[Array, Array]:
        return rule(self.old, self.new, cuts=self.edges)

    @cached_property
    def _tables(self) -> tuple[Array, Array]:
        x, _ = self._rule
        return evaluate(self.old, x), evaluate(self.new, x)

    @cached_property
    def inclusion(self) -> Array:
        """I, (new, old): the coefficients of the old functions in the new basis."""
        if self.old is self.new:
            return np.eye(self.old.size)
        old, new = self._tables
        weighted = new.T * self._rule[1]
        return np.linalg.solve(weighted @ new, weighted @ old)

    @cached_property
    def values(self) -> tuple[Array, Array]:
        """New coefficients → values at the points, of the function and of its projection on the old space."""
        old, new = self._tables
        weighted = old.T * self._rule[1]
        return new, old @ np.linalg.solve(weighted @ old, weighted @ new)

    @cached_property
    def riesz(self) -> Array:
        """M⁻¹: derivatives by new coefficients → the coefficients of the function that represents them."""
        new = self._tables[1]
        return np.linalg.inv((new.T * self._rule[1]) @ new)

    @cached_property
    def sums(self) -> Array:
        """Values at the points → their integrals over the cells, (cells, points)."""
        x, weights = self._rule
        cells = np.searchsorted(self.edges, x, side="right") - 1
        found = np.zeros((len(self.edges) - 1, len(x)))
        found[cells, np.arange(len(x))] = weights
        return found


def pairing(lines: Sequence[Line], residual: Array, slope: Array) -> Array:
    """⟨r, λ⟩ by cells, summed over records. residual: (sizes, channels, N); slope: λ as derivatives, of that shape.

    Of both, what lies in the old space and what is orthogonal to it are paired apart: their products integrate to
    nothing over the domain, but not over a cell.
    """
    for axis, line in enumerate(lines):
        slope = along(line.riesz, slope, axis)
    parts = []
    for function in (residual, slope):
        whole, low = function, function
        for axis, line in enumerate(lines):
            whole, low = along(line.values[0], whole, axis), along(line.values[1], low, axis)
        parts.append((whole - low, low))
    (high_r, low_r), (high_l, low_l) = parts
    found: Array = np.sum(high_r * high_l + low_r * low_l, axis=(-2, -1))
    for axis, line in enumerate(lines):
        found = along(line.sums, found, axis)
    return found


@dataclass(frozen=True)
class Change:
    """What a richer solver changes of the mean goal.

    goal: F, of the model. parts: ⟨r_n, λ_n⟩ by steps and cells, (steps + 1, cells, …), the first of the records'
    projections. difference: F⁺ − F as it is computed, and ``readout``: the part of it that is no solver's, from a loss
    or maxima by another quadrature.
    """

    goal: float
    parts: Array
    difference: float
    readout: float


def change(model: Stepped, richer: Stepped, lines: Sequence[Line]) -> Change:
    """Its parts, for the mean over the records; work and memory are those of some gradients of the richer solver."""
    count = len(model.prepared)
    parts = np.zeros((len(model.parts) + 1, *(len(line.edges) - 1 for line in lines)))
    gradients = [part.empty_gradient() for part in richer.parts]
    goal = difference = readout = 0.0
    with threads.serial_blas():
        for first in range(0, count, TILE):
            cut = slice(first, min(first + TILE, count))
            own = model.path(model.prepared.states[:, cut])
            included = [_included(lines, h) for h in own]
            theirs = richer.path(richer.prepared.states[:, cut])
            middle = [(a + b) / 2 for a, b in zip(included, theirs)]
            ends = (model, own[-1]), (richer, included[-1]), (richer, theirs[-1])
            before, same, last = (float(m.goals(y, cut).sum()) for m, y in ends)
            goal, difference, readout = goal + before, difference + last - before, readout + same - before
            bar = richer.slope(middle[-1], cut)
            for n in range(len(model.parts), 0, -1):
                part = richer.parts[n - 1]
                residual = part.forward(included[n - 1], keep=False)[0] - included[n]
                parts[n] += pairing(lines, _shaped(lines, residual), _shaped(lines, bar))
                bar = part.adjoint(bar, part.forward(middle[n - 1], keep=True)[1], gradients[n - 1])
            parts[0] += pairing(lines, _shaped(lines, theirs[0] - included[0]), _shaped(lines, bar))
    return Change(goal / count, parts / count, difference / count, readout / count)


def _shaped(lines: Sequence[Line], rows: Array) -> Array:
    """Rows of the richer state with an axis for each of its bases, one for channels and one for records."""
    return rows.reshape(*(line.new.size for line in lines), -1, rows.shape[1])


def _included(lines: Sequence[Line], rows: Array) -> Array:
    """Rows of the state as rows of the richer one."""
    values = rows.reshape(*(line.old.size for line in lines), -1, rows.shape[1])
    for axis, line in enumerate(lines):
        values = along(line.inclusion, values, axis)
    return np.ascontiguousarray(values.reshape(-1, rows.shape[1]))
