"""Fields at the start: random functions with the law that they promise, and the projections of given ones."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np
from numpy.polynomial import legendre

from derive.spec import BasisSpec, Spec
from numerics.functions.random import MODES, Modes, random_function
from numerics.model.continuum import Continuum
from numerics.verify.fields import Axes, axes, full, projected
from numerics.verify.references import formulas
from numerics.verify.references.formulas import Array, Functions, along
from numerics.verify.subject import Subject

SECTION = "starts"
NORM = 2.0  # of W; of V and R one
SEEDS = 48
DEPTHS = 3  # modes along the depth
MOST_POINTS = 1 << 21
LOW = 3  # modes along every axis that make a field's large features
DEVIATIONS = 6  # standard errors of a mean that say it is another law


def random_fields(subject: Subject) -> None:
    """Every field is the L2 projection of the function that its seed draws, which knows no basis."""
    spec, seed = subject.spec, 7
    model = Continuum.from_spec(spec, seed=seed)
    worst = 0.0
    for name, field in model.fields.items():
        function = random_function(name, field.slabs[0].channels, seed, spec)
        if isinstance(function, Modes):
            for k, slab in enumerate(field.slabs):
                parts, series = _series(subject, name, axes(spec, name, k), function)
                truth = projected(spec, name, k, subject.reference.forms[k], parts, series)
                worst = max(worst, formulas.gap(truth, slab.coefficients.reshape(truth.shape)))
        elif function is None:
            worst = max(worst, max(float(np.abs(slab.coefficients).max()) for slab in field.slabs))
    subject.at_most(SECTION, "random fields are projections of one function a seed", worst, 1e-10, "docs/bases.md")


Rule = tuple[Array, Array]


def _expansion(spec: Spec, name: str, interval: formulas.Interval, count: int, depth: bool) -> tuple[Functions, Rule]:
    """Functions that a random one is a combination of, along an axis, one more than ``count``; and a rule for them."""
    if name == "W" and not depth and any(one.kind == "translation" for one in spec.symmetries):
        basis = formulas.functions(BasisSpec("fourier", 2 * count + 1, cells=1), interval)
        points = 4 * count + 5
        return basis, (2 * np.arange(points) / points - 1, np.full(points, 2 / points))
    ends = np.array([0.0, 1.0] if depth else [float(end) for end in interval])  # depth modes know no slabs

    def values(x: Array) -> Array:
        return legendre.legvander((2 * x - ends[0] - ends[1]) / (ends[1] - ends[0]), count)

    return Functions(count + 1, ends, values, count + formulas.MORE, count + 1), formulas.gauss(ends, count + 2)


def _series(subject: Subject, name: str, own: Axes, function: Any) -> tuple[list[Functions], Array]:
    """A random function as coefficients of those expansions, from its values."""
    widths = len(own) - 1 if name in ("W", "b", "V") else len(own)
    counts = [MODES[widths]] * widths + [DEPTHS] * (len(own) - widths)
    found = [
        _expansion(subject.spec, name, interval, count, axis == widths)
        for axis, ((_, interval), count) in enumerate(zip(own, counts))
    ]
    values = function(*np.ix_(*(rule[0] for _, rule in found)))
    for axis, (part, rule) in enumerate(found):
        values = along(formulas.projected(part, rule, np.eye(len(rule[0]))), values, axis)
    return [part for part, _ in found], values


def law(subject: Subject) -> None:
    """Amplitudes of the modes of W, V and R over many seeds: they fall like 1/(1 + degree), and norms are as said."""
    spec = subject.spec
    scales = {"W": NORM, "V": 1.0, "R": 1.0}
    worst, seen = 0.0, []
    for name in [name for name in scales if name in subject.model.fields]:
        own = axes(spec, name, 0)
        turned = name == "W" and any(one.kind == "translation" for one in spec.symmetries)
        narrower = spec.symmetries or (name == "W" and spec.operator.paired)
        others = narrower and name != "R" and not (turned and spec.dimension == 1)
        if not own or others or (name == "R" and not spec.functional):
            continue
        variance = scales[name] ** 2 / spec.channels
        if name == "W" and spec.operator.by_node:  # what it does to a constant is as large
            variance /= float(math.prod(end - start for _, (start, end) in own[:-1]))
        ratios = []
        for seed in range(SEEDS):
            function = random_function(name, subject.model.fields[name].slabs[0].channels, seed, spec)
            modes, count = _amplitudes(*_series(subject, name, own, function), len(own), turned)
            decay = reduce(np.multiply.outer, [1 / (1 + np.arange(n)) for n in modes.shape[:count]]) ** 2
            ratios.append(
                modes**2 / (variance * decay / decay.sum()).reshape(*decay.shape, *[1] * (modes.ndim - count))
            )
        found = np.array(ratios)
        low = found[(slice(None), *[slice(0, LOW)] * count)]
        for part in (found, low):
            worst = max(worst, abs(float(part.mean()) - 1) / np.sqrt(2 / part.size))
        seen.append(name)
    if seen:
        name = f"squares of random modes of {', '.join(seen)}: standard errors from their law"
        subject.at_most(SECTION, name, float(worst), DEVIATIONS, "docs/bases.md")


def _amplitudes(parts: list[Functions], series: Array, axes_of: int, turned: bool) -> tuple[Array, int]:
    """Coefficients of orthonormal modes, and how many axes these have; of waves of ξ − ξ′ by their frequency."""
    for axis, part in enumerate(parts):
        if part.breakpoints[0] == 0.0 or not turned:  # Legendre polynomials, the last of which is one too many
            norms = np.sqrt(np.diff(part.breakpoints) / (2 * np.arange(part.size - 1) + 1))
            series = along(np.diag(norms), np.take(series, range(part.size - 1), axis=axis), axis)
    if not turned:
        return series, axes_of
    waves = range(1, parts[0].size // 2)
    cosines = [2 * series[0, 0], *(np.sqrt(2) * series[2 * k - 1, 2 * k - 1] for k in waves)]
    sines = [np.sqrt(2) * series[2 * k, 2 * k - 1] for k in waves]
    sines = [cosines[0], *sines]  # a sine of frequency 0 is none: it takes the place of the other
    return np.stack([np.array(cosines), np.array(sines)], axis=2), 2


def mirrored(subject: Subject) -> None:
    """A random W that is narrower is about as large as one that is not: the part that a projection keeps is scaled."""
    spec = subject.spec
    turned = any(one.kind == "translation" for one in spec.symmetries)
    if not (spec.symmetries or spec.exchange) or turned or spec.dimension > 1:
        return
    x, w = formulas.gauss(np.linspace(-1, 1, 2 * _cells(subject) + 1), MODES[2])
    squares = []
    for seed in range(SEEDS // 4):
        function: Any = random_function("W", subject.model.fields["W"].slabs[0].channels, seed, spec)
        depths, shares = formulas.gauss([0.0, 1.0], 4)
        values = _mean_over_group(subject, function, x, depths)
        squares.append(np.einsum("x,y,d,xydoc->oc", w, w, shares, values**2) * spec.channels)
    found = float(np.mean(squares)) / NORM**2
    subject.add(SECTION, "‖W‖² of symmetric random weights, of others", "0.5 to 2", f"{found:.2f}",
                0.5 <= found <= 2, "docs/bases.md")  # fmt: skip


def _cells(subject: Subject) -> int:
    return math.lcm(*(one.cells for one in subject.spec.symmetries))


def _mean_over_group(subject: Subject, function: Any, x: Array, depths: Array) -> Array:
    """The mean of W(gξ, gξ′, δ) over the group that the maps generate, each applied to both; or of ±W(ξ′, ξ, δ)."""
    from numerics.functions.random import moved

    if subject.spec.exchange:
        values = function(*np.ix_(x, x, depths))
        other = values.swapaxes(0, 1)
        return np.asarray(values + other if subject.spec.exchange == "symmetric" else values - other) / 2
    found, waiting = [x], [x]
    while waiting:
        here = waiting.pop()
        for one in subject.spec.symmetries:
            there = moved(one, here)[0]
            if not any(np.allclose(there, other, atol=1e-9) for other in found):
                found.append(there)
                waiting.append(there)
    return np.asarray(sum(function(*np.ix_(g, g, depths)) for g in found)) / len(found)


def given_fields(subject: Subject) -> None:
    """A field of a product of functions of its arguments has the products of their projections' coefficients."""
    spec = subject.spec
    if spec.symmetries:
        return
    whole = ("b", "V") if spec.operator.paired else ("W", "b", "V")
    names = [name for name in whole if name in subject.model.fields and _small(axes(spec, name, 0))]
    waves = {name: _waves(axes(spec, name, 0)) for name in names}

    def function(name: str) -> Any:
        channels = subject.model.fields[name].slabs[0].channels
        ones = np.arange(1, 1 + int(np.prod(channels))).reshape(channels)

        def field(*points: Array) -> Array:
            value = reduce(np.multiply, [f(x) for f, x in zip(waves[name], points)])
            return np.asarray(np.multiply.outer(value, ones))

        return field

    model = Continuum.from_fields(spec, **{name: function(name) for name in names})
    worst = 0.0
    for name in names:
        for k, slab in enumerate(model.fields[name].slabs):
            parts = []
            for f, (basis, interval) in zip(waves[name], axes(spec, name, k)):
                own = formulas.functions(basis, interval)
                rule = formulas.gauss(own.breakpoints, 2 * own.points + formulas.MORE)
                parts.append(formulas.projected(own, rule, f(rule[0])))
            channels = slab.channels
            truth = reduce(np.multiply.outer, [*parts, np.arange(1, 1 + int(np.prod(channels))).reshape(channels)])
            worst = max(worst, formulas.gap(truth, full(subject, name, slab.coefficients, k)))
    subject.at_most(SECTION, "fields from given functions", worst, 1e-11, "docs/bases.md")


def _small(own: Axes) -> bool:
    """Whether a field can be evaluated at all Gauss points at once."""
    points = [formulas.MORE * (len(formulas.functions(*pair).breakpoints) - 1) for pair in own]
    return float(np.prod(points, dtype=float)) <= MOST_POINTS


def _waves(own: Axes) -> list[Any]:
    """A function for every axis: the shortest wave of a Fourier basis, else one that no polynomial is."""

    def wave(basis: BasisSpec, n: int) -> Any:
        if basis.family == "fourier":
            return lambda x: np.cos(np.pi * (basis.size // 2) * x) + 0.5
        return lambda x: np.cos((1.3 + n / 2) * x + n)

    return [wave(basis, n) for n, (basis, _) in enumerate(own)]
