"""Records → coefficients, for the spec's interpolant, against dense least squares of the interpolants themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from derive.spec import CONSTANT, BasisSpec, Spec
from numerics.datasets import Records
from numerics.datasets import records as make_records
from numerics.verify.references import formulas
from numerics.verify.references.formulas import Array, along
from numerics.verify.subject import Subject

SECTION = "records"
SEEN = 4  # records that are looked at
UNEVEN, SPREAD = 9, 0.4  # samples, and how far they are from equal distances


def sampled(spec: Spec, size: float = 1.0, functions: bool = False) -> Records:
    """A few records of a size at points of their own, uneven where that is allowed; with functions as targets."""
    generator = np.random.default_rng(11)
    grids, x, y = [], [], []
    for _ in range(SEEN):
        grid = [points(spec, axis, generator) for axis in range(spec.dimension)]
        shape = [len(xi) for xi in grid]
        grids.append(grid[0] if spec.dimension == 1 else tuple(grid))
        x.append(size * generator.standard_normal((*shape, spec.record_channels)))
        y.append(generator.standard_normal((*shape, spec.output_channels)))
    given = None if spec.interpolant == "constant" else grids
    return make_records(x, xi=given, y=y if functions else None)


def with_targets(spec: Spec, size: float = 1.0) -> Records:
    """These records with what the loss compares: classes, probabilities, or functions."""
    data = sampled(spec, size, functions=not spec.functional)
    if not spec.functional:
        return data
    assert spec.outputs is not None
    classes = np.arange(len(data)) % spec.outputs
    return replace(data, y=classes if spec.loss == "cross-entropy" else np.eye(spec.outputs)[classes])


def points(spec: Spec, axis: int, generator: np.random.Generator) -> Array:
    """Uneven points along an axis; those that determine both ends' functions for least squares."""
    if spec.interpolant == "constant":
        return equal_points("constant", int(generator.integers(2, UNEVEN)), spec.periodic[axis])
    if spec.interpolant == "linear":
        count = int(generator.integers(3, UNEVEN))
        found = equal_points("linear", count, True) + 2 / count * (0.5 + SPREAD * generator.uniform(-1, 1, count))
        return np.asarray(found)
    ends, size = [[-1.0, 1.0]], 0
    for declared in (spec.entry.along(axis), spec.slabs[-1].state.along(axis)):
        basis = formulas.functions(declared)
        ends.append(list(basis.breakpoints))
        size = max(size, basis.fitted if declared.family != "fourier" else 2 * declared.size)
    return formulas.gauss(np.concatenate(ends), size + 1)[0]


def equal_points(interpolant: str, count: int, periodic: bool) -> Array:
    """Where samples without points lie (section 3)."""
    if interpolant == "constant":
        return (2 * np.arange(count) + 1) / count - 1
    return np.linspace(-1, 1, count, endpoint=not periodic) if count > 1 or periodic else np.zeros(1)


def expected(spec: Spec, state: BasisSpec, data: Sequence[tuple[Sequence[Array], Array]]) -> Array:
    """Coefficients (size · channels, N) of samples (points …, channels) on grids."""
    smoothing = None if spec.smoothing is None else float(spec.smoothing)
    known: dict[tuple[int, bytes], Array] = {}
    found = []
    for grid, values in data:
        for axis, xi in enumerate(grid):
            basis, key = formulas.functions(state.along(axis)), (axis, xi.tobytes())
            if key not in known:
                known[key] = formulas.samples_matrix(basis, spec.interpolant, spec.periodic[axis], xi, smoothing)
            values = along(known[key], values, axis)
        found.append(values.reshape(-1, values.shape[-1]).ravel())
    return np.stack(found, axis=1)


def grids_of(spec: Spec, data: Records) -> list[tuple[Array, ...]]:
    """The points of every record along every axis."""
    return [
        tuple(equal_points(spec.interpolant, n, closed) for n, closed in zip(shape, spec.periodic))
        if grid is None
        else tuple(grid)
        for grid, shape in zip(data.grids(), data.shapes)
    ]


def coefficients(subject: Subject) -> None:
    """Records at points of their own, and at those that samples without any have; a circle is closed."""
    spec, generator = subject.spec, np.random.default_rng(12)
    shape = [_enough(spec)] * spec.dimension
    alone = [1] * spec.dimension
    plain, single = (make_records(generator.standard_normal((2, *n, spec.record_channels))) for n in (shape, alone))
    closed = ", closed to a circle" if any(spec.periodic) else ""
    for name, data in (
        (f"{spec.interpolant} records → coefficients{closed}", sampled(spec)),
        ("records without points", plain),
        ("a single sample is a constant", single),
    ):
        truth = expected(spec, spec.entry, list(zip(grids_of(spec, data), data.samples())))
        gap = formulas.gap(lifted(spec, truth), subject.model.project_samples(data))
        subject.at_most(SECTION, name, gap, 1e-11, "README.md")


def _enough(spec: Spec) -> int:
    """Equal points; as many as determine a least-squares fit on most bases."""
    size = max(spec.entry.along(axis).size for axis in range(spec.dimension))
    return 4 * size + 1 if spec.interpolant == "least-squares" else UNEVEN


def lifted(spec: Spec, x: Array) -> Array:
    """With a lift: ψ_i x and ψ_i, projected, of every function ψ_i that it has along ξ; else x itself."""
    if spec.inputs is None:
        return x
    states = [formulas.functions(spec.entry.along(axis)) for axis in range(spec.dimension)]
    products, ones = along_xi(spec.lift_width or CONSTANT, states)
    parts = x.reshape(len(ones[0]), spec.inputs, -1)
    found = []
    for product, one in zip(products, ones):
        whole = np.broadcast_to(one[:, None, None], (len(one), 1, parts.shape[2]))
        found.append(np.concatenate([np.tensordot(product, parts, 1), whole], axis=1))
    return np.stack(found, axis=1).reshape(-1, parts.shape[2])


def along_xi(width: BasisSpec, states: Sequence[formulas.Functions]) -> tuple[list[Array], list[Array]]:
    """Of every function ψ_i of a width on the whole domain: h → the projection of ψ_i h, and that of ψ_i."""
    products, ones = [np.ones((1, 1))], [np.ones(1)]
    for axis, state in enumerate(states):
        psi = formulas.functions(width.along(axis))
        rule = formulas.gauss(np.concatenate([psi.breakpoints, state.breakpoints]), psi.fitted + 2 * state.fitted)
        factors, own = psi.values(rule[0]), state.values(rule[0])
        here = [formulas.projected(state, rule, factors[:, i, None] * own) for i in range(psi.size)]
        one = [formulas.projected(state, rule, factors[:, i]) for i in range(psi.size)]
        products = [np.kron(a, b) for a in products for b in here]
        ones = [np.kron(a, b) for a in ones for b in one]
    return products, ones
