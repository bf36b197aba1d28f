"""The attribution of a loss change (17) between fields in bases that do not hold each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numerics import Continuum, project
from numerics.datasets import records
from numerics.functions.field import Field
from numerics.levels import projection, stages
from tests.builders import marked

ONCE = {"family": "p0", "cells": 1}
TWICE = {"family": "p0", "cells": 2}
LEGENDRE, HAT = {"family": "legendre", "size": 3}, {"family": "hat", "cells": 2}
BOTH = {"family": "discontinuous", "degree": 2, "cells": 2}  # holds parabolas and hats


def fourier(n: int) -> dict[str, Any]:
    return {"family": "fourier", "size": n}


def declared(**changes: Any) -> dict[str, Any]:
    """Parabolas, hats, and what holds both."""
    levels = {
        name: {"weight": {"width_out": basis, "width_in": basis}, "bias": {"width": basis}}
        for name, basis in (("hats", HAT), ("both", BOTH))
    }
    start = {
        "name": "pairing",
        "equation": {"rate": "tanh(u) - h", "channels": 2},
        "state": {"basis": {"family": "legendre", "size": 4}},
        "weight": {"width_out": LEGENDRE, "width_in": LEGENDRE, "depth": TWICE},
        "bias": {"width": LEGENDRE, "depth": ONCE},
        "integration": {"tableau": "heun", "steps": 2},
        "readout": {"outputs": 2, "basis": LEGENDRE},
        "loss": {"kind": "l2"},
        "levels": levels,
    }
    return {key: {**start.get(key, {}), **value} if isinstance(value, dict) and key != "levels" else value
            for key, value in {**start, **changes}.items()}  # fmt: skip


KERNELS = {name: {"weight": {"kernel": basis}} for name, basis in (("hats", HAT), ("both", BOTH))}
KERNEL = {"kernel": LEGENDRE, "depth": TWICE}
WAVES = {name: {"weight": {"width_out": fourier(n), "width_in": fourier(n)}} for name, n in (("hats", 3), ("both", 7))}
CASES: dict[str, dict[str, Any]] = {
    "local": declared(equation={"local": True}),
    "two parts, implicit": declared(
        equation={"local": True, "rate": "tanh(u1)*sigmoid(u2) - h"}, integration={"tableau": "backward-euler"}
    ),
    "square": declared(equation={"dimension": 2, "channels": 1}),
    "reach": {**declared(equation={"reach": "1/2"}, levels=KERNELS), "weight": KERNEL},
    "reflection": declared(equation={"symmetry": "reflection"}),
    "translation": declared(
        equation={"symmetry": "translation", "periodic": True}, state={"basis": fourier(7)}, bias={"width": ONCE},
        weight={"width_out": fourier(5), "width_in": fourier(5)}, readout={"basis": ONCE}, levels=WAVES,
    ),
    "slabs with other states": declared(
        equation={"local": True}, state={"basis": [{"family": "legendre", "size": n} for n in (4, 3, 5)]},
        integration={"tableau": "heun", "steps": 4}, levels={
            name: {"weight": {"width_out": [basis, basis], "width_in": [basis, basis]}, "bias": {"width": [basis] * 2}}
            for name, basis in (("hats", HAT), ("both", BOTH))
        },
    ),
    "lift": declared(
        lift={"inputs": 2, "width": LEGENDRE}, readout={"outputs": 2, "basis": LEGENDRE},
        levels={name: {"lift": {"width": basis}} for name, basis in (("hats", HAT), ("both", BOTH))},
    ),
    "adaptive": declared(
        equation={"local": True}, integration={"tableau": "heun", "steps": 2, "tolerance": "1/100"}
    ),
}  # fmt: skip


CASES["formed"] = declared()


@pytest.mark.slow
@pytest.mark.parametrize("case", marked(CASES, slow=list(CASES)[1:-1]))
def test_the_parts_are_those_of_gradients_in_a_space_that_holds_both(case: str) -> None:
    """The share of every field from dL/dcoefficients on a level whose bases hold the fields before and after."""
    old = Continuum.from_spec(CASES[case], seed=3)
    generator = np.random.default_rng(4)
    old = old.with_coordinates(0.7 * generator.standard_normal(old.size))
    x = generator.standard_normal((3, *[6] * old.spec.dimension, 2 if old.spec.dimension == 1 else 1))
    data = records(x, y=generator.standard_normal((3, 2)))
    moved = project(old, "hats")
    new = projection._between(old, moved)
    assert new is not None
    prepared = old.prepare(data)
    found = stages.between(old, new, prepared, new.prepare(data))
    first, last = (projection._between(old, project(model, "both")) for model in (old, moved))
    assert first is not None and last is not None
    if old.spec.tolerance is not None:  # with the steps of the old fields
        first = first.running_on(first.bound.with_steps(old.solver.find_steps(prepared.states)))
    t, weights = np.polynomial.legendre.leggauss(3)
    if case in ("formed", "lift"):
        assert "3 Gauss points" in found.rule
    else:
        assert "trapezoidal" in found.rule
        t, weights = np.array([-1.0, 1.0]), np.ones(2)
    expected = dict.fromkeys(old.fields, 0.0)
    ready = first.prepare(data)
    for share, weight in zip((1 + t) / 2, weights / 2):
        at = {name: along(first.fields[name], last.fields[name], share) for name in expected}
        _, gradient = first.replace(fields=at).running_on(first.bound).coefficient_gradient(ready)
        for name in expected:
            pairs = zip(gradient[name], first.fields[name].slabs, last.fields[name].slabs)
            expected[name] += weight * sum(float(np.sum(g * (b.coefficients - a.coefficients))) for g, a, b in pairs)
    size = max(map(abs, expected.values()))
    assert size > 1e-5  # the move does something
    for name, value in expected.items():
        assert found.shares[name].total == pytest.approx(value, abs=1e-10 * size)
        for axis, (edges, parts) in found.shares[name].along.items():
            assert len(edges) == len(parts) + 1
            if "Gauss" in found.rule or name != "W":
                assert parts.sum() == pytest.approx(value, abs=1e-10 * size), (name, axis)


def along(old: Field, new: Field, share: float) -> Field:
    return old.holding([a.coefficients + share * (b.coefficients - a.coefficients)
                        for a, b in zip(old.slabs, new.slabs)])  # fmt: skip
