"""Random specs, from ragged records to loss and gradient, against a network written out in NumPy.

The oracle knows the declaration and the coefficients only: bases, quadrature, interpolants, stages, readouts, losses
and penalties are written out here or in ``tests.oracles.network``. Gradients are compared with its complex step.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.special import erf

from derive.declaration import load_spec
from numerics.datasets import records
from numerics.model.continuum import Continuum
from tests.oracles.network import around, as_polynomials, basis, breakpoints, gauss, smallest_rule, spectral_points

WIDTH, DEPTH = (-1.0, 1.0), (0.0, 1.0)
ACTIVATIONS = {
    "identity": lambda u: u,
    "tanh": np.tanh,
    "sin": np.sin,
    "sigmoid": lambda u: 1 / (1 + np.exp(-u)),
    "softplus": lambda u: np.log(1 + np.exp(u)),
    "silu": lambda u: u / (1 + np.exp(-u)),
    "gelu": lambda u: u * (1 + erf(u / np.sqrt(2))) / 2,
    "sin(u)/2 + u": lambda u: np.sin(u) / 2 + u,
}
RATES = {
    "mlp": lambda f, delta: lambda u, h: (f(u) - h) / delta,
    "residual": lambda f, delta: lambda u, h: f(u) / delta,
    "literal": lambda f, delta: lambda u, h: (f(u) - u) / delta,
    "tanh(u)*h - a*h**2": lambda f, delta: lambda u, h: np.tanh(u) * h - 0.4 * h**2,
    "exp(-u**2) - 2*h": lambda f, delta: lambda u, h: np.exp(-(u**2)) - 2 * h,
    "u*cos(h)/(1 + h**2)": lambda f, delta: lambda u, h: u * np.cos(h) / (1 + h**2),
}
TABLEAUX = {
    "euler": ([["0"]], ["1"]),
    "heun": ([["0", "0"], ["1", "0"]], ["1/2", "1/2"]),
    "rk4": (
        [["0"] * 4, ["1/2", "0", "0", "0"], ["0", "1/2", "0", "0"], ["0", "0", "1", "0"]],
        ["1/6", "1/3", "1/3", "1/6"],
    ),
    "midpoint": ([["0", "0"], ["1/2", "0"]], ["0", "1"]),  # a weight that is zero
    "kutta": ([["0"] * 3, ["1/2", "0", "0"], ["-1", "2", "0"]], ["1/6", "2/3", "1/6"]),
}
ORDERS = {"midpoint": 2, "kutta": 3}


# --- random declarations ------------------------------------------------------------------------------------


CUSTOM = {
    "polynomials": ({"breakpoints": ["-1", "0", "1"], "functions": ["1", "xi", "abs(xi)"]},
                    [np.ones_like, lambda x: x, np.abs]),
    "closed forms": ({"breakpoints": ["-1", "1/3", "1"], "functions": ["exp(xi)", "sqrt(2 + xi)", "sin(3*xi)"]},
                     [np.exp, lambda x: np.sqrt(2 + x), lambda x: np.sin(3 * x)]),
}  # fmt: skip


@st.composite
def bases(draw, continuous: bool = False, periodic: bool = False) -> dict:
    """A small basis: every family, sometimes with cells of uneven lengths."""
    families = ["hat", "bspline", "legendre", "lagrange", "chebyshev", "hierarchical"]
    others = ["p0", "discontinuous", "custom", *["fourier"] * periodic]
    family = draw(st.sampled_from(families if continuous else families + others))
    if family in ("legendre", "chebyshev"):
        return {"family": family, "size": draw(st.integers(1, 5))}
    if family == "fourier":
        return {"family": family, "size": draw(st.sampled_from([1, 3, 5]))}
    if family == "custom":
        return {"family": family, **CUSTOM[draw(st.sampled_from(sorted(CUSTOM)))][0]}
    low, high = Fraction(-1), Fraction(1)
    declared = {"family": family}
    if family in ("bspline", "lagrange", "hierarchical", "discontinuous"):
        declared["degree"] = draw(st.integers(1, 3))
    if draw(st.booleans()):
        inner = sorted(draw(st.sets(st.sampled_from([Fraction(k, 7) for k in range(1, 7)]), min_size=1, max_size=2)))
        declared["breakpoints"] = [str(low + (high - low) * x) for x in (Fraction(0), *inner, Fraction(1))]
    else:
        declared["cells"] = draw(st.integers(1, 4))
    return declared


@st.composite
def declarations(draw) -> dict:
    h1, periodic = draw(st.booleans()), draw(st.booleans())
    depth = st.sampled_from(
        [{"family": "p0", "cells": 2}, {"family": "hat", "cells": 2}, {"family": "legendre", "size": 2},
         {"family": "hat", "breakpoints": ["0", "1/3", "1"]}]
    )  # fmt: skip
    name = draw(st.sampled_from(sorted(TABLEAUX)))
    a, b = TABLEAUX[name]
    c = [str(sum(Fraction(x) for x in row)) for row in a]
    tableau = {"a": a, "b": b, "c": c, "order": ORDERS[name]} if name in ORDERS else name
    weight_depth = {"family": "hat", "cells": 2} if h1 else draw(depth)
    bias_depth = draw(depth)
    uneven = any("breakpoints" in d for d in (weight_depth, bias_depth))
    rate = draw(st.sampled_from(sorted(RATES)))
    output = draw(st.sampled_from(["function", "classes", "numbers"]))
    declared = {
        "name": "random",
        "equation": {
            "rate": rate, "activation": draw(st.sampled_from(sorted(ACTIVATIONS))),
            "spacing": draw(st.sampled_from(["1/2", "1/3", "1"])), "channels": draw(st.integers(1, 2)),
            "parameters": {"a": "2/5"}, "periodic": periodic, "local": draw(st.booleans()),
        },
        "state": {"basis": draw(bases(False, periodic))},
        "weight": {
            "width_out": draw(bases(h1, periodic)), "width_in": draw(bases(h1, periodic)), "depth": weight_depth,
        },
        "bias": {"width": draw(bases(False, periodic)), "depth": bias_depth},
        "integration": {"tableau": tableau, "steps": 6 if uneven else 4},
        "loss": {
            "kind": "cross-entropy" if output == "classes" else "l2",
            "penalty": {"W": {"H1": "1/7"} if h1 else "1/5", "b": "1/3"},
        },
    }  # fmt: skip
    if declared["equation"]["local"]:
        declared["loss"]["penalty"]["V"] = "1/6"
    if output == "classes":
        declared["loss"] |= draw(st.sampled_from([{}, *({"class_weights": w} for w in ("balanced", ["2/3", 1, 3]))]))
    if output != "function":
        declared["readout"] = {"outputs": 3, "basis": draw(bases(False, periodic))}
    return declared


# --- the oracle ---------------------------------------------------------------------------------------------


def values(declared: dict, points: np.ndarray) -> np.ndarray:
    """(points, size) along the width."""
    if declared["family"] != "custom":
        return basis(declared, WIDTH, points)
    return next(
        np.stack([f(points) for f in written], axis=1)
        for text, written in CUSTOM.values()
        if text["functions"] == declared["functions"]
    )


def polynomials(declared: dict) -> dict:
    """What stands for functions of one's own in the choice of a rule: 1, |ξ| and ξ are hats, others polynomials."""
    if declared["family"] != "custom":
        return declared
    return {"family": "hat", "cells": 2} if "xi" in declared["functions"] else {"family": "legendre", "size": 7}


def exact_rule(*declared: dict, interval=WIDTH, extra=()) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights that integrate every product of these bases exactly."""
    cuts = np.concatenate([breakpoints(d, interval) for d in declared] + [np.asarray(extra, dtype=float)])
    cuts = np.unique(cuts)
    return gauss(cuts[np.append(True, np.diff(cuts) > 1e-13)], 32)


def mass(first: dict, second: dict) -> np.ndarray:
    x, w = exact_rule(first, second)
    return (values(first, x) * w[:, None]).T @ values(second, x)


def depth_mass(declared: dict) -> np.ndarray:
    x, w = exact_rule(declared, interval=DEPTH)
    table = basis(declared, DEPTH, x)
    return (table * w[:, None]).T @ table


def stiffness(declared: dict, interval=WIDTH) -> np.ndarray:
    """∫ ∂φ_i ∂φ_j: derivatives of the polynomial through six points of a cell."""
    total = np.zeros((basis(declared, interval, np.zeros(1)).shape[1],) * 2)
    x, w = np.polynomial.legendre.leggauss(6)
    cuts = breakpoints(declared, interval)
    for left, right in zip(cuts, cuts[1:]):
        points = left + (right - left) * (x + 1) / 2
        fitted = np.polynomial.polynomial.polyfit(x, basis(declared, interval, points), 5)
        slopes = np.polynomial.polynomial.polyval(x, np.polynomial.polynomial.polyder(fitted)).T * 2 / (right - left)
        total += (slopes * (w * (right - left) / 2)[:, None]).T @ slopes
    return total


def interpolant(periodic: bool, xi: np.ndarray, samples: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The piecewise-linear function through the samples, constant beyond them or wrapping: (points, channels)."""
    return np.stack([np.interp(points, xi, v, period=2 if periodic else None) for v in samples.T], axis=1)


def projected(state: dict, periodic: bool, xi: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Coefficients (channels, size) of the interpolant's L2 projection."""
    points, w = exact_rule(state, extra=xi)
    table = values(state, points) * w[:, None]
    return np.linalg.solve(mass(state, state), table.T @ interpolant(periodic, xi, samples, points)).T


def quadrature(declared: dict) -> tuple[np.ndarray, np.ndarray]:
    """Section 3: exact on products of χ with φ and ψ; ⌈3n/2⌉ points at least for a spectral state."""
    state = declared["state"]["basis"]
    size = values(state, np.zeros(1)).shape[1]
    if state["family"] == "fourier":
        return around(spectral_points(size))
    chosen = [state, declared["weight"]["width_out"], declared["bias"]["width"]]
    cuts = np.unique(np.concatenate([breakpoints(d, WIDTH) for d in chosen]).round(14))
    spectral = len(breakpoints(state, WIDTH)) == 2 and size > 1
    first, *others = (as_polynomials(polynomials(d)) for d in chosen)
    return smallest_rule(cuts, first, others, spectral_points(size) if spectral else 1)


def reference(declared: dict, fields: dict, xs: list, points: list, y) -> complex:
    """Mean loss with penalties; ``fields`` may be complex."""
    state, weight, bias = declared["state"]["basis"], declared["weight"], declared["bias"]
    equation, loss = declared["equation"], declared["loss"]
    f = ACTIVATIONS[equation["activation"]]
    rho = RATES[equation["rate"]](f, float(Fraction(equation["spacing"])))
    nodes, lengths = quadrature(declared)
    x = values(state, nodes)
    back = np.linalg.solve((x * lengths[:, None]).T @ x, (x * lengths[:, None]).T)
    phi, psi = values(weight["width_out"], nodes), values(bias["width"], nodes)
    inner = mass(weight["width_in"], state)
    tableau = declared["integration"]["tableau"]
    name = tableau if isinstance(tableau, str) else next(k for k, o in ORDERS.items() if o == tableau["order"])
    a = [[float(Fraction(v)) for v in row] for row in TABLEAUX[name][0]]
    b = [float(Fraction(v)) for v in TABLEAUX[name][1]]
    cuts = np.union1d(breakpoints(weight["depth"], DEPTH), breakpoints(bias["depth"], DEPTH))
    cuts = cuts[np.append(True, np.diff(cuts) > 1e-12)]
    each = declared["integration"]["steps"] // (len(cuts) - 1)

    def rate(h, depth, start, stop):
        # a jump at the end of a step is not seen by its stages
        theta, vartheta = (
            basis(d, DEPTH, np.clip([depth], start + 1e-12, stop - 1e-12) if d["family"] == "p0" else np.array([depth]))
            for d in (weight["depth"], bias["depth"])
        )
        u = np.einsum("k,qi,ijkoc,jl,cln->oqn", theta[0], phi, fields["W"], inner, h)
        u = u + np.einsum("k,qi,iko->oq", vartheta[0], psi, fields["b"])[:, :, None]
        if "V" in fields:
            u = u + np.einsum("k,qi,ikoc,ql,cln->oqn", vartheta[0], psi, fields["V"], x, h)
        return np.einsum("lq,oqn->oln", back, rho(u, np.einsum("ql,cln->cqn", x, h)))

    periodic = equation["periodic"]
    h = np.stack([projected(state, periodic, xi, v) for xi, v in zip(points, xs)], axis=-1).astype(complex)
    for left, right in zip(cuts, cuts[1:]):
        s = (right - left) / each
        for n in range(each):
            start = left + n * s
            k = []
            for i, row in enumerate(a):
                stage = h + s * sum((v * m for v, m in zip(row, k)), 0 * h)
                k.append(rate(stage, start + sum(row) * s, start, start + s))
            h = h + s * sum(v * m for v, m in zip(b, k))
    if "readout" in declared:
        g = mass(declared["readout"]["basis"], state)
        z = np.einsum("ioc,il,cln->no", fields["R"], g, h) + fields["a"]
        if loss["kind"] == "cross-entropy":
            weights = {"balanced": [3 / (2 * 2), 0, 3 / (2 * 1)]}.get(str(loss.get("class_weights")))
            weights = weights or [float(Fraction(w)) for w in loss.get("class_weights", (1, 1, 1))]
            total = sum(weights[k] * (np.log(np.sum(np.exp(row))) - row[k]) for row, k in zip(z, y))
        else:
            total = np.sum((z - np.asarray(y)) ** 2)
    else:
        total = 0
        for n, (xi, v) in enumerate(zip(points, y)):
            where, w = exact_rule(state, extra=xi)
            gap = values(state, where) @ h[:, :, n].T - interpolant(periodic, xi, v, where)
            total = total + np.sum(w[:, None] * gap**2)
    total = total / len(xs)
    grams = [mass(weight[d], weight[d]) for d in ("width_out", "width_in")]
    grams.append(depth_mass(weight["depth"]))
    penalty = loss["penalty"]["W"]
    parts = [grams]
    if isinstance(penalty, dict):
        axes = ((weight["width_out"], WIDTH), (weight["width_in"], WIDTH), (weight["depth"], DEPTH))
        parts += [[stiffness(*axis) if j == k else m for j, m in enumerate(grams)] for k, axis in enumerate(axes)]
    factor = float(Fraction(penalty["H1"] if isinstance(penalty, dict) else penalty))
    w, beta = fields["W"], fields["b"]
    total = total + factor * sum(np.einsum("ijkoc,ia,jb,kd,abdoc->", w, p, q, r, w) for p, q, r in parts)
    m, n = mass(bias["width"], bias["width"]), depth_mass(bias["depth"])
    if "V" in fields:
        v = fields["V"]
        total = total + float(Fraction(loss["penalty"]["V"])) * np.einsum("ikoc,ia,kb,aboc->", v, m, n, v)
    return total + float(Fraction(loss["penalty"]["b"])) * np.einsum("iko,ia,kb,abo->", beta, m, n, beta)


# --- the comparison -----------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(declared=declarations(), seed=st.integers(0, 1000))
def test_loss_and_gradient_of_a_random_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, declared: dict, seed: int
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = Continuum.from_spec(load_spec(declared), seed=0)
    generator = np.random.default_rng(seed)
    model = model.with_coordinates(0.6 * generator.standard_normal(model.size))
    channels = declared["equation"]["channels"]
    points = [np.sort(generator.uniform(-1, 1, n)) for n in (1, 4, 7)]
    xs = [generator.standard_normal((len(p), channels)) for p in points]
    if "readout" not in declared:
        y = [generator.standard_normal((len(p), channels)) for p in points]
    elif declared["loss"]["kind"] == "l2":
        y = generator.standard_normal((3, 3))
    else:
        y = np.array([0, 2, 0])
    prepared = model.prepare(records(xs, xi=points, y=y))
    with np.errstate(over="ignore", invalid="ignore"):
        loss, gradient = model.coefficient_gradient(prepared)
    fields = {name: f.slabs[0].coefficients for name, f in model.fields.items()}
    directions = {name: generator.standard_normal(v.shape) for name, v in fields.items()}
    step = 1e-30
    moved = {name: v + 1j * step * directions[name] for name, v in fields.items()}
    with np.errstate(over="ignore", invalid="ignore"):
        expected = reference(declared, moved, xs, points, y)
    assume(abs(expected.real) < 100)  # some rates explode; rounding is then amplified in both
    assert abs(loss - expected.real) <= 1e-11 * max(1.0, abs(expected.real))
    assert abs(model.loss(prepared) - expected.real) <= 1e-11 * max(1.0, abs(expected.real))
    found = sum(np.sum(gradient[name][0] * d) for name, d in directions.items())
    size = np.sqrt(sum(np.sum(gradient[name][0] ** 2) for name in directions))
    length = np.sqrt(sum(np.sum(d**2) for d in directions.values()))
    assert abs(found - expected.imag / step) <= 1e-11 * max(1.0, size * length)
