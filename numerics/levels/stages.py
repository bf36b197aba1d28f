"""The attribution (17) of fields that no space of the old bases holds, taken at what the stages see of them.

Stage operators, biases and readouts belong to the solver, which both levels share: between those of the old and of the
new fields a straight line leads through all bases. Operators that are applied as factors do not, they belong to bases;
their effects on the states are compared at both ends, which is the trapezoidal rule (14).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from numerics.functions.basis import Basis
from numerics.functions.field import Field
from numerics.kernels import threads
from numerics.kernels.cpu import TILE, Bound, Solver
from numerics.kernels.steps import Steps
from numerics.levels.attribution import CELLS, POINTS, Attribution, Parts, Share, gauss_rule, in_cells
from numerics.levels.distances import side_by_side
from numerics.levels.fields import changes
from numerics.model.continuum import Continuum
from numerics.model.layout import kernel_weights
from numerics.model.prepared import Prepared

Array = np.ndarray
Values = dict[str, Array]

# What stages and readout take, and the fields that make it.
MADE_OF = {
    "operators": "W", "operator_entry": "W", "biases": "b", "local_operators": "V", "parameters": "parameters",
    "lift": "P", "start": "P", "R": "R", "Q": "Q", "a": "a",
}  # fmt: skip
STAGED = ("operators", "operator_entry", "biases", "local_operators")  # what belongs to a stage


def between(
    old: Continuum, new: Continuum, prepared: Prepared, moved: Prepared | None = None, points: int = POINTS
) -> Attribution:
    """The attribution of a change of fields on one solver, in whatever bases.

    new: the model with the fields after, on the old one's solver. moved: the records as it prepares them, where lifts
    have other bases along ξ; the path then leads from the old lifted records to the new ones. Adaptive steps are those
    of the old fields.
    """
    moved = prepared if moved is None else moved
    steps = None if old.spec.tolerance is None else old.solver.find_steps(prepared.states)
    slabs = range(len(old.representation.slabs))
    formed = all(slab.formable for slab in (*old.representation.slabs, *new.representation.slabs))
    path = _Path(old, new, [_apart(model, steps, formed) for model in (old, new)], prepared, moved)
    if formed or not any(True for k in slabs for _ in changes(old, new.representation, "W", k)):
        rule, name = gauss_rule(points), f"{points} Gauss points, at the stages"
        products = _summed([{k: w * v for k, v in path.products(t).items()} for t, w in zip(*rule)])
    else:
        name = "the trapezoidal rule (14), at the stages"
        ends = [path.products(t, leave=("operators",)) for t in (0.0, 1.0)]
        products = _summed([{k: v / 2 for k, v in end.items()} for end in ends])
        products["0/operators"] = np.array(path.effects() / 2)  # of all slabs
    shares = path.shares(products)
    for p in old.spec.penalties:
        change = float(p.weight) * _penalty_change(old.fields[p.field], new.fields[p.field], p.norm)
        shares[f"penalty of {p.field}"] = Share(change)
    return Attribution(new.loss(moved) - old.loss(prepared), shares, name)


def _summed(parts: list[Values]) -> Values:
    return {name: np.sum([part[name] for part in parts], axis=0) for name in parts[0]}


def _apart(model: Continuum, steps: list[Steps] | None, formed: bool) -> Solver:
    """A solver with operators and biases of every stage, in order; rows that stages share are told apart.

    steps: those to take where they are adaptive, so that two models have the same stages.
    """
    bound = Bound(model.representation, model.spec.precision, plan="formed" if formed else "factors")
    bound = bound if steps is None else bound.with_steps(steps)
    return bound.unshared().form(kernel_weights(model.fields))


class _Path:
    """From the old fields to the new ones, along what the stages see of them."""

    def __init__(
        self, old: Continuum, new: Continuum, ends: list[Solver], prepared: Prepared, moved: Prepared
    ) -> None:
        self.models, self.solvers, self.records = (old, new), ends, (prepared, moved)
        self.lifted = old.spec.lift_width == new.spec.lift_width
        values = [self._values(model, solver) for model, solver in zip(self.models, ends)]
        if not self.lifted:
            for own, solver, records in zip(values, ends, self.records):
                own["start"] = solver.started(records.states).astype(np.float64)
        self.values = values

    def _values(self, model: Continuum, solver: Solver) -> Values:
        operator, constant = model.readout_map()
        found = {"R": operator, "a": constant}
        for k, slab in enumerate(solver.slabs):
            found |= {f"{k}/{name}": a.astype(np.float64) for name, a in slab.operators.items()}
        return found if self.lifted else {name: a for name, a in found.items() if not name.endswith("/lift")}

    def products(self, t: float, leave: tuple[str, ...] = ()) -> Values:
        """dL/dv · (change of v) at the share t of the way, for all that stages and readout take but what is left."""
        first, last = self.values
        names = [name for name in first if name.split("/")[-1] not in leave]
        at = {name: (1 - t) * first[name] + t * last[name] for name in names}
        solver = self.solvers[round(t)] if leave else self._solver(at)  # what is left out, an end has of its own
        records = self.records[round(t) if leave else 0]
        states = at.get("start", records.states)
        targets = records.wanted()
        solver = solver if self.lifted else solver.unlifted()
        _, slabs, bar_operator, bar_constant, bar = solver.gradient(states, at["R"], at["a"], targets, records.weights)
        slopes = {"R": bar_operator, "a": bar_constant, "start": bar}
        for k, bars in enumerate(slabs):
            slopes |= {f"{k}/{name.removeprefix('bar_')}": a for name, a in bars.items()}
        count = len(self.records[0])
        return {n: slopes[n].astype(np.float64) / count * (last[n] - first[n]) for n in names}

    def _solver(self, at: Values) -> Solver:
        """The old network with other operators."""
        old = self.solvers[0]
        slabs = []
        for k, slab in enumerate(old.slabs):
            own = {name: at.get(f"{k}/{name}", a) for name, a in slab.operators.items()}
            slabs.append(slab.holding({n: np.ascontiguousarray(a, old.dtype) for n, a in own.items()}))
        return type(old)(old.bound, old.weights, slabs)

    def effects(self) -> float:
        """Σ_s ⟨dL/dE_s, E′_s − E_s⟩ of the part W of the stage operators, at both ends together."""
        old, new = self.solvers
        forth = _weights_pairing(self.models[0], old, new, self.records[0])
        return forth - _weights_pairing(self.models[1], new, old, self.records[1])

    def shares(self, products: Values) -> dict[str, Share]:
        """Products by the field that they belong to, and where along ξ and δ they do."""
        old, found = self.models[0], dict(products)
        if old.spec.beside:  # their coefficients come after those of R
            found["R"], found["Q"] = np.split(found["R"], [-old.spec.beside * old.spec.channels], axis=1)
        totals: dict[str, float] = {}
        along: dict[str, dict[str, Parts]] = {}
        for name, own in found.items():
            *slab, kind = name.split("/")
            field = MADE_OF[kind]
            totals[field] = totals.get(field, 0.0) + float(own.sum())
            for axis, (edges, parts) in self._places(int(slab[0]), kind, own) if slab else ():
                known = along.setdefault(field, {})
                known[axis] = edges, parts + (known[axis][1] if axis in known else 0)
        return {name: Share(total, along.get(name, {})) for name, total in totals.items() if name in old.fields}

    def _places(self, k: int, kind: str, products: Array) -> Iterator[tuple[str, Parts]]:
        """Products (stages, nodes · pre-activations, …) of a slab by cells of ξ and elements of δ."""
        solver, field = self.solvers[0], self.models[0].fields["W" if kind.startswith("operator") else "b"]
        if kind not in STAGED or products.ndim < 2:
            return
        products = products[None] if kind == "operator_entry" else products  # of the first stage
        depths = np.array([start + length / 2 for start, length in solver.steps[k]])
        depths = depths[:1] if len(products) < len(depths) else np.repeat(depths, len(products) // len(depths))
        depth = (basis for slab in field.slabs if isinstance(basis := slab.bases[-1], Basis))
        edges = np.unique(np.concatenate([basis.breakpoints for basis in depth]))
        nodes, at_nodes = solver.slabs[k].tables.factors("nodes"), solver.slabs[k].plan == "formed"
        if len(nodes) == 1 and (kind == "biases" or (kind != "local_operators" and at_nodes)):
            by_node = products.sum(axis=0).reshape(len(nodes[0]), -1).sum(axis=1)
            yield "xi", in_cells(np.linspace(-1, 1, CELLS + 1), nodes[0], by_node)
        yield "delta", in_cells(edges, depths, products.reshape(len(products), -1).sum(axis=1))


def _penalty_change(old: Field, new: Field, norm: str) -> float:
    """Of a squared norm ⟨b + a, b − a⟩, without cancellation."""
    if norm == "H1" and any(basis.kind == "closed-form" for f in (old, new) for s in f.slabs for basis in s.bases):
        return new.squared_norm(norm) - old.squared_norm(norm)  # whose derivatives are not printed
    pairs = (pair for slabs in zip(old.slabs, new.slabs) for pair in side_by_side(*slabs, norm))
    return math.fsum(float(np.sum((b + a) * (b - a))) for a, b in pairs)


def _weights_pairing(model: Continuum, at: Solver, other: Solver, prepared: Prepared) -> float:
    """Σ_s ⟨dL/dE_s, E′_s − E_s⟩ of the part W of the stage operators, E_s a model's and E′_s another one's.

    dL/dE_s is the sum over records of p hᵀ, with h the state of the stage and p = dL/du there: what is paired is
    p with E′_s h − E_s h, whatever bases, blocks and axes make E_s. p is the gradient of the biases of one record.
    Records count as their weights say.
    """
    readout, targets = model.readout_map(), prepared.wanted()

    def one(start: int) -> float:
        chosen = slice(start * TILE, (start + 1) * TILE)
        states, counts = prepared.states[:, chosen], prepared.counts[chosen]
        bars = at.bias_gradients(states, *readout, targets[:, chosen])
        h, found = at.started(states), 0.0
        for slab, changed, p in zip(at.slabs, other.slabs, bars):
            for s, (seen, entry) in enumerate(slab.stage_states(h)):
                effects = [own.applied_weight(s, seen, entry) for own in (slab, changed)]
                found += float(np.sum(p[s] * (effects[1] - effects[0]) * counts))
            h = slab.forward(h, keep=False)[0]
        return found

    with threads.serial_blas():
        return math.fsum(threads.spread(one, -(-len(prepared) // TILE))) / len(prepared)
