"""Domains that close to a circle along one axis and have ends along another."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import legendre
from scipy.interpolate import RegularGridInterpolator

from derive.declaration import load_spec
from derive.errors import ContinuumWarning, SpecError
from derive.spec import digest, from_dict, to_dict
from numerics import Continuum, load
from numerics.datasets import records

ONE: dict[str, Any] = {"family": "p0", "cells": 1}
FOURIER: dict[str, Any] = {"family": "fourier", "size": 5}
HAT: dict[str, Any] = {"family": "hat", "size": 4}


def cylinder(periodic: Any = (True, False), **changes: Any) -> dict[str, Any]:
    """∂h/∂δ = u without weights: the output is the record's projection."""
    closed = list(periodic) if isinstance(periodic, tuple) else periodic
    declared = {
        "name": "cylinder",
        "equation": {"rate": "u", "dimension": 2, "periodic": closed},
        "state": {"basis": {"axes": [FOURIER, HAT]}},
        "weight": {"width_out": ONE, "width_in": ONE, "depth": ONE},
        "bias": {"width": ONE, "depth": ONE},
        "integration": {"tableau": "euler", "steps": 1},
        "loss": {"kind": "l2"},
    }
    return declared | {key: {**declared.get(key, {}), **value} for key, value in changes.items()}  # type: ignore[dict-item]


def projected(x: np.ndarray, xi: np.ndarray, eta: np.ndarray, at: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The L2 projection of what is linear between samples (around the circle in ξ), by dense Gauss sums."""
    closed = np.concatenate([[xi[-1] - 2], xi, [xi[0] + 2]])
    surface = RegularGridInterpolator((closed, eta), np.concatenate([x[-1:], x, x[:1]]))
    t, w = legendre.leggauss(20)

    def points(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        middle, half = (ends[1:] + ends[:-1]) / 2, np.diff(ends) / 2
        return (middle[:, None] + half[:, None] * t).ravel(), (half[:, None] * w).ravel()

    def circle(p: np.ndarray) -> np.ndarray:
        return np.stack([np.ones_like(p), *(f(k * np.pi * p) for k in (1, 2) for f in (np.cos, np.sin))], axis=1)

    def hats(p: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(p, np.linspace(-1, 1, 4), one) for one in np.eye(4)], axis=1)

    (a, wa), (b, wb) = points(np.unique([-1, 1, *xi])), points(np.unique([-1, 1, *eta, *np.linspace(-1, 1, 4)]))
    values = surface(np.stack(np.meshgrid(a, np.clip(b, eta[0], eta[-1]), indexing="ij"), axis=-1))
    first, second = circle(a), hats(b)
    loads = np.einsum("pi,p,pq,q,qj->ij", first, wa, values, wb, second)
    masses = (first.T * wa) @ first, (second.T * wb) @ second
    found = np.linalg.solve(masses[0], loads) @ np.linalg.inv(masses[1])
    return np.asarray(circle(at[0]) @ found @ hats(at[1]).T)


@pytest.mark.parametrize("given", [True, False])
def test_records_go_on_around_the_circle_and_end_at_the_ends(given: bool) -> None:
    model = Continuum.from_fields(cylinder())
    generator = np.random.default_rng(0)
    x = generator.standard_normal((2, 7, 6, 1))
    xi = np.sort(generator.uniform(-1, 1, 7)) if given else -1 + 2 * np.arange(7) / 7
    eta = np.sort(generator.uniform(-1, 1, 6)) if given else np.linspace(-1, 1, 6)
    at = np.linspace(-1, 1, 11), np.linspace(-1, 1, 9)
    found = model(x, (xi, eta) if given else None, at=at)
    for one, own in zip(x, found):
        np.testing.assert_allclose(own[..., 0], projected(one[..., 0], xi, eta, at), atol=1e-12)


def test_a_convolution_turns_with_its_records_and_sees_the_ends() -> None:
    """κ(ξ − ξ′, η − η′) on cells: outputs of turned records are turned; moved along the other axis they differ."""
    declared = cylinder(
        equation={"rate": "tanh(u) - h", "reach": "1/2", "channels": 2},
        state={"basis": {"axes": [{"family": "p0", "cells": 8}, {"family": "p0", "cells": 6}]}},
        weight={"depth": ONE}, input={"interpolant": "constant"},
    )  # fmt: skip
    declared["weight"] = {"kernel": {"family": "legendre", "size": 3}, "depth": ONE}
    model = Continuum.from_spec(declared, seed=2)
    model = model.with_coordinates(np.random.default_rng(1).standard_normal(model.size))
    x = np.random.default_rng(3).standard_normal((3, 8, 6, 2))
    y = model(x)
    for turn in (1, 3):
        np.testing.assert_allclose(model(np.roll(x, turn, axis=1)), np.roll(y, turn, axis=1), atol=1e-12)
    assert np.abs(model(np.roll(x, 1, axis=2)) - np.roll(y, 1, axis=2)).max() > 1e-2


def test_models_of_cylinders_are_saved_and_specs_stored(tmp_path: Any) -> None:
    spec = load_spec(cylinder())
    assert spec.periodic == (True, False) and from_dict(to_dict(spec)) == spec
    both = [load_spec(cylinder(p, state={"basis": HAT})) for p in (True, (True, True), (True, False))]
    assert digest(both[0]) == digest(both[1]) != digest(both[2])
    stored = to_dict(both[1])
    assert stored["periodic"] is True and from_dict(stored) == both[1]  # as files have always had it
    model, x = Continuum.from_spec(cylinder(), seed=1), np.random.default_rng(0).standard_normal((2, 5, 5, 1))
    model.save(tmp_path / "m.npz")
    np.testing.assert_array_equal(load(tmp_path / "m.npz")(x), model(x))


def test_only_records_that_close_along_a_circle_warn() -> None:
    model = Continuum.from_fields(cylinder())
    x = np.random.default_rng(0).standard_normal((2, 6, 6, 1))
    x[:, :, -1] = x[:, :, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.prepare(records(x, y=x))
    x[:, -1] = x[:, 0]
    with pytest.warns(ContinuumWarning, match="leave their last sample out"):
        model.prepare(records(x, y=x))


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (cylinder((True,)), "a list of 2 of these"),
        (cylinder(("true", False)), "equation.periodic"),
        (cylinder((False, True)), "a Fourier basis on a domain that is not periodic"),
        (cylinder(state={"basis": FOURIER}), "a Fourier basis on a domain that is not periodic"),
        (cylinder(equation={"symmetry": "translation"}), "periodic = true for shifts"),
        (cylinder(equation={"reach": "3/2"}), "at most 1"),
    ],
)
def test_what_a_cylinder_does_not_have_is_refused(declared: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load_spec(declared)
