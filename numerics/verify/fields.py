"""Fields: their values, norms, penalties and L2 gradients, from tables that are formed here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from derive.errors import RepresentationError
from derive.spec import BasisSpec, Spec
from numerics.verify.records import with_targets
from numerics.verify.references import formulas
from numerics.verify.references.formulas import Array, Functions, Interval, along
from numerics.verify.references.network import _unfolded
from numerics.verify.subject import Subject

if TYPE_CHECKING:
    from derive.galerkin import SemiDiscrete

SECTION = "fields"
Axes = list[tuple[BasisSpec, Interval]]


def axes(spec: Spec, name: str, k: int) -> Axes:
    """The bases of a field's full coefficients in slab k, in the order of their axes; of W those of ξ and of ξ′."""
    slab = spec.slabs[k]
    depth = (slab.start, slab.stop)

    def width(role: str, interval: Interval = formulas.WIDTH) -> Axes:
        return [(getattr(slab.along(axis), role), interval) for axis in range(spec.dimension)]

    if name == "W":
        ends = {"weight_out": formulas.WIDTH, "weight_in": spec.operator.inner}
        return [*(one for role in spec.operator.roles for one in width(role, ends[role])), (slab.weight_depth, depth)]
    if name in ("b", "V"):
        return [*width("bias_width"), (slab.bias_depth, depth)]
    declared = {"P": spec.lift_width, "R": spec.readout or spec.readout_width, "a": spec.readout_width}.get(name)
    if declared is None or (name == "a" and spec.functional):
        return []
    return [(declared.along(axis), formulas.WIDTH) for axis in range(spec.dimension)]


def full(subject: Subject, name: str, coefficients: Array, k: int) -> Array:
    """A field's coefficients in slab k with one axis a basis."""
    return spread(subject.spec, name, coefficients, k, subject.reference.forms[k] if name == "W" else None)


def spread(spec: Spec, name: str, coefficients: Array, k: int, form: SemiDiscrete | None) -> Array:
    """Coefficients with one axis a basis; those that symmetries leave of W spread over ξ and ξ′."""
    own = axes(spec, name, k)
    if name == "W" and form is not None and form.weights:
        coefficients = _unfolded(form, coefficients.reshape(-1, *coefficients.shape[spec.dimension :]))
    rest = coefficients.shape[coefficients.ndim - (2 if name in ("W", "V", "R", "P") else 1) :]
    return coefficients.reshape(*(basis.size for basis, _ in own), *rest) if own else coefficients


def projected(
    spec: Spec, name: str, k: int, form: SemiDiscrete | None, parts: Sequence[Functions], series: Array
) -> Array:
    """A field's own coefficients of the L2 projection of Σ series e_a e_b … of some functions of its arguments."""
    bases = [formulas.functions(*pair) for pair in axes(spec, name, k)]
    loads, masses = series, [formulas.gram(basis) for basis in bases]
    for axis, (basis, part) in enumerate(zip(bases, parts)):
        loads = along(_mixed(basis, part), loads, axis)
    if name != "W" or form is None or not form.weights:
        for axis, mass in enumerate(masses):
            loads = along(np.linalg.inv(mass), loads, axis)
        return loads
    d = spec.dimension
    n = _unfolded(form, np.eye(int(np.prod([weight.size for weight in form.weights]))))  # (I, J, m)
    outer, inner_mass = (reduce(np.kron, masses[a : a + d]) for a in (0, d))
    loads = along(np.linalg.inv(masses[-1]), loads, 2 * d).reshape(n.shape[0], n.shape[1], -1)
    gram = np.einsum("ijm,ijn->mn", n, np.einsum("ik,klm,lj->ijm", outer, n, inner_mass, optimize=True))
    found = np.linalg.solve(gram, np.einsum("ijm,ijr->mr", n, loads))
    return found.reshape(len(gram), masses[-1].shape[0], *series.shape[2 * d + 1 :])


def _mixed(basis: Functions, part: Functions) -> Array:
    """⟨χ_i, e_a⟩ over the basis' interval."""
    low, high = basis.breakpoints[[0, -1]]
    cuts = part.breakpoints[(part.breakpoints > low) & (part.breakpoints < high)]
    x, w = formulas.gauss(np.append(basis.breakpoints, cuts), basis.points + part.points)
    return np.asarray((basis.values(x).T * w) @ part.values(x))


def inner(own: Axes, first: Array, second: Array, slopes: bool = False) -> float:
    """∫ F G, with the products of all derivatives added, of coefficients with one axis a basis."""
    bases = [formulas.functions(*pair) for pair in own]
    masses = [formulas.gram(basis) for basis in bases]
    chosen = [masses]
    if slopes:
        chosen += [[*masses[:n], formulas.stiffness(basis), *masses[n + 1 :]] for n, basis in enumerate(bases)]
    total = 0.0
    for matrices in chosen:
        moved = second
        for axis, matrix in enumerate(matrices):
            moved = along(matrix, moved, axis)
        total += float(np.sum(first * moved))
    return total


def values(subject: Subject) -> None:
    """Every field at points, and its L2 norm; its H1 norm where it has one."""
    spec, generator = subject.spec, np.random.default_rng(41)
    worst = {"values": 0.0, "L2": 0.0, "H1": 0.0, "inner": 0.0}
    for name, field in subject.model.fields.items():
        other = field.with_coefficients([generator.standard_normal(s.coefficients.shape) for s in field.slabs])
        product = 0.0
        squares = {"L2": 0.0, "H1": 0.0}
        for k, slab in enumerate(field.slabs):
            own, whole = axes(spec, name, k), full(subject, name, slab.coefficients, k)
            for norm in squares:
                squares[norm] += inner(own, whole, whole, norm == "H1")
            product += inner(own, whole, full(subject, name, other.slabs[k].coefficients, k))
            if own:
                points = [np.sort(generator.uniform(float(interval[0]), float(interval[1]), 3)) for _, interval in own]
                truth = whole
                for axis, ((basis, interval), x) in enumerate(zip(own, points)):
                    truth = along(formulas.functions(basis, interval).values(x), truth, axis)
                found = np.asarray(field(*np.ix_(*points)))
                worst["values"] = max(worst["values"], formulas.gap(truth.reshape(found.shape), found))
        worst["inner"] = max(worst["inner"], abs(field.inner(other) - product) / max(1.0, abs(product)))
        for norm, truth_of in squares.items():
            try:
                found_norm = field.squared_norm(norm)
            except RepresentationError:  # it has none
                continue
            worst[norm] = max(worst[norm], abs(found_norm - truth_of) / max(1.0, truth_of))
    subject.at_most(SECTION, "fields at points", worst["values"], 1e-11, "docs/bases.md")
    subject.at_most(SECTION, "L2 norms of fields", worst["L2"], 1e-11, "docs/bases.md")
    subject.at_most(SECTION, "inner products of fields", worst["inner"], 1e-11, "docs/bases.md")
    subject.at_most(SECTION, "H1 norms of fields", worst["H1"], 1e-10, "docs/bases.md")


def penalties(subject: Subject) -> None:
    """What penalties add to the objective, and to its derivative in a direction of the fields."""
    spec, model, prepared, bare = subject.spec, subject.model, subject.prepared, subject.bare()
    if not spec.penalties:
        return
    generator = np.random.default_rng(42)
    with_them, without = model.coefficient_gradient(prepared), bare.coefficient_gradient(prepared)
    truth, slope, found_slope = 0.0, 0.0, 0.0
    for name in {penalty.field for penalty in spec.penalties}:
        for k, slab in enumerate(model.fields[name].slabs):
            way = generator.standard_normal(slab.coefficients.shape)
            found_slope += float(np.sum((with_them[1][name][k] - without[1][name][k]) * way))
            here, there = (full(subject, name, part, k) for part in (slab.coefficients, way))
            for penalty in spec.penalties:
                if penalty.field == name:
                    given = axes(spec, name, k), here
                    truth += float(penalty.weight) * inner(*given, here, penalty.norm == "H1")
                    slope += 2 * float(penalty.weight) * inner(*given, there, penalty.norm == "H1")
    found = [with_them[0] - without[0], model.loss(prepared) - bare.loss(prepared)]
    gap = max(abs(value - truth) for value in found) / max(1.0, truth)
    subject.at_most(SECTION, "penalties: their value", gap, 1e-11, "README.md")
    gap = abs(found_slope - slope) / max(1.0, abs(slope))
    subject.at_most(SECTION, "penalties: their derivative", gap, 1e-10, "README.md")


def gradients(subject: Subject) -> None:
    """The L2 gradient as fields: ⟨g, F⟩ in L2 is the derivative along F."""
    spec, model = subject.spec, subject.bare()
    data = with_targets(spec, subject.share)
    _, slopes = model.coefficient_gradient(model.prepare(data))
    _, fields = model.value_and_gradient(data, None)
    worst = 0.0
    for name, field in fields.items():
        for k, slab in enumerate(field.slabs):
            own, slope = model.fields[name].slabs[k].coefficients, slopes[name][k]
            parts = [full(subject, name, part, k) for part in (slab.coefficients, own)]
            gap = abs(inner(axes(spec, name, k), parts[0], parts[1]) - float(np.sum(slope * own)))
            worst = max(worst, gap / (float(np.linalg.norm(slope) * np.linalg.norm(own)) or 1.0))
    subject.at_most(SECTION, "L2 gradients as fields", worst, 1e-11, "docs/bases.md")
