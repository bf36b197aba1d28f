"""A whole model in the words of any array library, for records that are sampled at the same points.

Samples → coefficients → lift → slab after slab → maxima or shares → readout, or values of the output function. Numbers
are the model's: what is learned, and what depends on the points, is given to the library as constants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np

from derive.errors import RepresentationError
from derive.program.build import Program, build, plans, signature
from numerics.estimators.network import Library, Network, NotComparable, scalar
from numerics.functions.basis import evaluate
from numerics.kernels.bind import bind
from numerics.model import layout
from numerics.model.continuum import Continuum
from numerics.model.layout import output_map
from numerics.model.points import Grid
from numerics.model.projected import projections
from numerics.representation.tables import Representation

Array = Any


class Forward:
    """A model's outputs, in the user's units. xi: the points of the records along every axis, at: those at which

    functions are wanted; both in [−1, 1].

    Raises NotComparable for steps that have no words here: implicit ones, and those that the records choose.
    """

    def __init__(self, model: Continuum, library: Library, dtype: Any, xi: Grid, at: Grid) -> None:
        spec, rep = model.spec, model.representation
        if spec.tolerance is not None:
            raise NotComparable("steps that the records choose")
        self.model, self.library, self.dtype = model, library, np.dtype(dtype)
        self.solver = bind(rep, self.dtype.name).form(layout.kernel_weights(model.fields))
        forms = [program.form for program in programs(rep)]
        self.slabs = [Network(slab, form, library) for slab, form in zip(self.solver.slabs, forms)]
        self.projection = [self._given(p) for p in projections(rep, "entry", xi)]
        self.values = [self._given(evaluate(basis, x)) for basis, x in zip(rep.slabs[-1].axes("state"), at)]

    def _given(self, table: np.ndarray) -> Array:
        return self.library.given(np.ascontiguousarray(table, self.dtype))

    def run(self, x: Array) -> Array:
        """Samples (points along every axis, channels, records) → outputs (outputs, records), or (points, …, channels,

        records).
        """
        records, units = x.shape[-1], self.model.units
        if units.samples is not None:
            x = (x - self._column(units.samples.shift)) / self._column(units.samples.factor)
        h = self._lifted(_along_axes(self.projection, x).reshape(-1, records))
        for slab in self.slabs:
            h = slab.run(h, slab.given())
        spec = self.model.spec
        if spec.outputs is not None:
            operator, constant = output_map(self.model.representation, layout.coefficients(self.model.fields))
            h = self._given(operator) @ self._features(h) + self._given(constant[:, None])
        if not spec.functional:
            sizes = [table.shape[1] for table in self.values]
            h = _along_axes(self.values, h.reshape(*sizes, spec.output_channels, records))
        if units.targets is None:
            return h
        return h * self._column(units.targets.factor) + self._column(units.targets.shift)

    def _column(self, numbers: Sequence[float]) -> Array:
        """A number a channel, (channels, 1)."""
        return self._given(np.array(numbers)[:, None])

    def _lifted(self, x: Array) -> Array:
        """h(·, 0) = P (x, 1): Σ_i P_i (ψ_i x) + Σ_i ψ_i p_i, from the coefficients (functions · inputs, records)."""
        spec = self.model.spec
        if spec.inputs is None:
            return x
        products, one = layout.along_state(self.model.representation, "lift")
        p = layout.leading(self.model.fields["P"])
        constant = self._given(np.einsum("ni,io->no", one, p[:, :, -1]).reshape(-1, 1))
        if spec.lift_width is None:  # the same at every function
            parts = x.reshape(len(one), spec.inputs, x.shape[1])
            return (self._given(p[0, :, :-1]) @ parts).reshape(-1, x.shape[1]) + constant
        linear = np.einsum("inm,ioc->nomc", products, p[:, :, :-1])
        return self._given(linear.reshape(constant.shape[0], -1)) @ x + constant

    def _features(self, y: Array) -> Array:
        """What the readout takes: y, and below it maxima or shares of its channels, where there are some."""
        beside, channels, records = self.solver.bound.beside, self.model.spec.channels, y.shape[1]
        if beside is None:
            return y
        nodes, weights, *given = (np.asarray(a) for a in beside.tables)
        values = self._given(nodes) @ y.reshape(nodes.shape[1], channels * records)
        values = values.reshape(len(nodes), channels, records)

        def averaged(term: Any) -> Any:
            flat = term.reshape(len(nodes), channels * records)
            return (self._given(weights[None]) @ flat).reshape(channels, records)

        found = self._maxima if self.model.spec.shares is None else self._shares
        for part in found(values, averaged, *given):
            y = self.library.joined(y, part)
        return y

    def _maxima(self, values: Array, averaged: Callable[[Array], Array], sharpness: Array) -> Iterator[Array]:
        from derive.program import maximum

        form, top, beta = maximum.derive(), self.library.largest(values), self._given(sharpness.reshape(1, 1))
        total = averaged(scalar(form.term, {"beta": beta, "y": values - top}, self.library))
        yield top + scalar(form.value, {"beta": beta, "S": total}, self.library)

    def _shares(
        self, values: Array, averaged: Callable[[Array], Array], levels: Array, softness: Array
    ) -> Iterator[Array]:
        from derive.program import share

        form, epsilon = share.derive(), self._given(softness.reshape(1, 1))
        for level in levels:
            own = {"epsilon": epsilon, "level": self._given(level.reshape(1, 1)), "y": values}
            yield averaged(scalar(form.term, own, self.library))


def programs(rep: Representation) -> Sequence[Program]:
    """The programs that a representation's slabs run. Raises RepresentationError where this version derives others."""
    from derive import equation as equations

    equation, found = equations.derive(rep.spec), []
    for slab in rep.slabs:
        structures: Any = slab.structures
        built = tuple(
            build(equation, structures, slab.entry, plan, "groups" in slab.tables) for plan in plans(structures)
        )
        if signature(built) != slab.signature:
            raise RepresentationError(
                f"kernels of {rep.spec.name} that this version does not derive", "those of this version",
                "the model was written by another one", "load the model and save it again",
            )  # fmt: skip
        found.append(next(p for p in built if p.plan == slab.plan))
    return found


def _along_axes(tables: Sequence[Array], x: Array) -> Array:
    """A table for every leading axis of x, one after the other."""
    shape = list(x.shape)
    for axis, table in enumerate(tables):
        before, rest = shape[:axis], shape[axis + 1 :]
        rows, columns = table.shape
        x = table @ x.reshape(_size(before), columns, _size(rest))
        shape = [*before, rows, *rest]
    return x.reshape(*shape)


def _size(shape: Sequence[int]) -> int:
    return reduce(lambda a, b: a * b, shape, 1)
