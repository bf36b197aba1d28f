"""W = κ(ξ − ξ′): couplings against brute-force quadrature, Conv1d as a special case, gradients, levels, messages."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from derive import equation, galerkin
from derive.declaration import Reader, load_spec, read_basis
from derive.errors import SpecError
from derive.spaces import basis as bases
from derive.spaces import convolution
from derive.spaces.rules import gauss_rule, uniform_rule
from derive.spec import WIDTH
from numerics import Continuum, project
from numerics.datasets import records
from numerics.functions.basis import evaluate
from numerics.representation.find import run_time_basis

GAUSSIANS: dict[str, Any] = {"family": "custom", "functions": ["exp(-xi**2)", "xi*exp(-xi**2)"]}
UNEVEN: dict[str, Any] = {"family": "hat", "breakpoints": ["-1/2", "-1/8", "-1/32", "0", "1/32", "1/8", "1/2"]}


def basis(given: dict[str, Any], interval: Any = WIDTH) -> bases.Basis:
    return bases.build(read_basis(Reader("test"), given, "state", interval, True), interval)


def values(found: bases.Basis, given: dict[str, Any], at: np.ndarray) -> np.ndarray:
    if given is GAUSSIANS:
        return np.stack([np.exp(-(at**2)), at * np.exp(-(at**2))], axis=1)
    return evaluate(run_time_basis(found), at)


def by_quadrature(kernel: Any, state: Any, functions: Callable[..., Any], node: float, periodic: bool) -> np.ndarray:
    """∫ k_m(s) χ_l(node − s) ds over [−r, r], cut where either has a breakpoint, 40 Gauss points a piece."""
    low, high = (float(b) for b in kernel.interval)
    kinks = [node - float(b) + turn for b in state.breakpoints for turn in (-2, 0, 2)]
    cuts = np.array(sorted({low, high, *(float(b) for b in kernel.breakpoints), *(k for k in kinks if low < k < high)}))
    x, w = np.polynomial.legendre.leggauss(40)
    s = ((cuts[1:] + cuts[:-1])[:, None] / 2 + np.diff(cuts)[:, None] / 2 * x).ravel()
    weights = (np.diff(cuts)[:, None] / 2 * w).ravel()
    at = node - s
    seen = np.ones(len(at)) if periodic else (np.abs(at) <= 1).astype(float)
    inside = (at + 1) % 2 - 1 if periodic else np.clip(at, -1, 1)
    return (functions(s) * weights[:, None]).T @ (evaluate(run_time_basis(state), inside) * seen[:, None])


@pytest.mark.first(6)
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize(
    ("given", "state", "reach", "points"),
    [
        ({"family": "p0", "size": 5}, {"family": "p0", "size": 16}, "5/16", 1),
        ({"family": "hat", "size": 9}, {"family": "hat", "size": 9}, "1/4", 2),
        (UNEVEN, {"family": "bspline", "cells": 12, "degree": 2}, "1/2", 2),
        ({"family": "legendre", "size": 4}, {"family": "legendre", "size": 12}, "1", 18),
        (
            {"family": "gauss-legendre", "cells": 3, "degree": 2}, {"family": "gauss-lobatto", "cells": 4, "degree": 3},
            "1/3", 3,
        ),
        (GAUSSIANS, {"family": "hat", "size": 5}, "1/2", 2),
        ({"family": "hat", "size": 9}, {"family": "fourier", "size": 9}, "1/4", 14),
        (GAUSSIANS, {"family": "fourier", "size": 5}, "3/4", 8),
    ],
)  # fmt: skip
def test_couplings(given: dict[str, Any], state: dict[str, Any], reach: str, points: int, periodic: bool) -> None:
    if state["family"] == "fourier" and not periodic:
        return
    r = Fraction(reach)
    kernel, found = basis(given, (-r, r)), basis(state)
    rule = gauss_rule(found.breakpoints, points)
    if state["family"] == "fourier":
        rule = uniform_rule(points)
    table = convolution.couplings(kernel, found, rule, periodic).to_float()
    table = table.reshape(-1, kernel.size, found.size)
    for q, node in enumerate(rule.points.to_float().ravel()):
        expected = by_quadrature(kernel, found, lambda s: values(kernel, given, s), float(node), periodic)
        np.testing.assert_allclose(table[q], expected, rtol=0, atol=4e-14)  # the sums of doubles are off by so much


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize(
    ("given", "state", "reach"),
    [
        ({"family": "p0", "size": 5}, {"family": "p0", "size": 16}, "5/16"),
        ({"family": "hat", "size": 5}, {"family": "p0", "size": 15}, "1/4"),
        ({"family": "legendre", "size": 4}, {"family": "p0", "size": 7}, "1"),
        (GAUSSIANS, {"family": "discontinuous", "cells": 6, "degree": 0}, "1/2"),
        ({"family": "hat", "size": 9}, {"family": "fourier", "size": 9}, "1/4"),
        (GAUSSIANS, {"family": "fourier", "size": 5}, "3/4"),
    ],
)
def test_frequencies_hold_couplings(given: dict[str, Any], state: dict[str, Any], reach: str, periodic: bool) -> None:
    """C_qml from two changes of basis and a turn for each frequency."""
    r, found = Fraction(reach), basis(state)
    kernel = basis(given, (-r, r))
    fourier = state["family"] == "fourier"
    if fourier and not periodic:
        return
    rule = uniform_rule(14) if fourier else gauss_rule(found.breakpoints, 1)
    table = convolution.couplings(kernel, found, rule, periodic)
    apart = convolution.waves(table, kernel, found, rule, periodic)
    assert apart is not None
    inverse, numbers, forward = (a.to_float() for a in (apart.inverse, apart.numbers, apart.forward))
    together = np.zeros((len(inverse), kernel.size, found.size))
    for m in range(kernel.size):
        turn = np.diag(numbers[:, m])
        for i in range(1, len(forward), 2):
            turn[i : i + 2, i : i + 2] = numbers[i, m] * np.eye(min(2, len(forward) - i))
            if i + 1 < len(forward):
                turn[i, i + 1], turn[i + 1, i] = numbers[i + 1, m], -numbers[i + 1, m]
        together[:, m] = inverse @ turn @ forward
    np.testing.assert_allclose(together.reshape(table.shape), table.to_float(), rtol=0, atol=2e-15)
    if not fourier and periodic:
        assert len(forward) == found.size


@pytest.mark.parametrize(
    "state",
    [
        {"family": "hat", "size": 8}, {"family": "legendre", "size": 8}, {"family": "discontinuous", "size": 8},
        {"family": "p0", "breakpoints": ["-1", "0", "1/2", "1"]},
    ],
)  # fmt: skip
def test_what_does_not_commute_with_shifts_has_no_frequencies(state: dict[str, Any]) -> None:
    kernel, found = basis({"family": "hat", "size": 5}, (Fraction(-1, 2), Fraction(1, 2))), basis(state)
    rule = gauss_rule(found.breakpoints, 2 if state["family"] != "p0" else 1)
    table = convolution.couplings(kernel, found, rule, True)
    assert convolution.waves(table, kernel, found, rule, True) is None


@pytest.mark.first(1)
@pytest.mark.parametrize(("dimension", "held"), [(2, True), (3, False)])
def test_large_cubes_stay_stencils(dimension: int, held: bool) -> None:
    """The numbers of all frequencies, (15 · 9)³ of them, would not be worth their room."""
    spec = load_spec(
        declared(
            equation={"dimension": dimension, "reach": "1"}, state={"basis": {"family": "p0", "cells": 15}},
            weight={"kernel": {"family": "hat", "size": 9}},
        )
    )  # fmt: skip
    (form,) = galerkin.semidiscrete(spec, equation.derive(spec))
    assert ("w_waves" in form.tables) == held


# --- the network --------------------------------------------------------------------------------------------


def declared(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": "convolution",
        "equation": {"rate": "u1*sigmoid(u2) - h", "channels": 2, "local": True, "reach": "1/4", "periodic": True},
        "state": {"basis": {"family": "hat", "size": 9}},
        "weight": {"kernel": {"family": "hat", "size": 5}, "depth": {"family": "hat", "size": 2}},
        "bias": {"width": {"family": "p0", "cells": 1}, "depth": {"family": "hat", "size": 2}},
        "integration": {"tableau": "heun", "steps": 2},
        "loss": {"kind": "l2"},
    }
    for key, value in changes.items():
        found[key] = {**found[key], **value} if isinstance(found.get(key), dict) else value
    return found


def model_of(given: dict[str, Any], scale: float = 0.5) -> Continuum:
    model = Continuum.from_spec(load_spec(given), seed=0)
    return model.with_coordinates(np.random.default_rng(1).standard_normal(model.size) * scale)


def by_hand(model: Continuum, h: np.ndarray) -> np.ndarray:
    """Heun's method; the integral by brute force from the field κ itself, the projection by normal equations."""
    kappa, b, v = (model.fields[name] for name in ("W", "b", "V"))
    state, reach = basis({"family": "hat", "size": 9}), 0.25
    pieces = run_time_basis(state)
    cells = np.array([float(x) for x in state.breakpoints])
    x, w = np.polynomial.legendre.leggauss(2)
    nodes = ((cells[1:] + cells[:-1])[:, None] / 2 + np.diff(cells)[:, None] / 2 * x).ravel()
    weights = (np.diff(cells)[:, None] / 2 * w).ravel()
    at_nodes = evaluate(pieces, nodes)
    mass = (at_nodes * weights[:, None]).T @ at_nodes
    y, wy = np.polynomial.legendre.leggauss(12)

    def slope(h: np.ndarray, depth: float) -> np.ndarray:
        u = np.zeros((len(nodes), 4, h.shape[2]))
        for q, node in enumerate(nodes):
            kinks = [node - c + turn for c in cells for turn in (-2, 0, 2)]
            kinks = [*np.linspace(-reach, reach, 5), *(k for k in kinks if -reach < k < reach)]
            cuts = np.unique(kinks)
            s = ((cuts[1:] + cuts[:-1])[:, None] / 2 + np.diff(cuts)[:, None] / 2 * y).ravel()
            ws = (np.diff(cuts)[:, None] / 2 * wy).ravel()
            seen = np.einsum("sl,lcn->scn", evaluate(pieces, (node - s + 1) % 2 - 1), h)
            u[q] = np.einsum("s,soc,scn->on", ws, kappa(s, depth), seen)
        here = np.einsum("ql,lcn->qcn", at_nodes, h)
        u += b(nodes, depth)[:, :, None] + np.einsum("qoc,qcn->qon", v(nodes, depth), here)
        rate = u[:, :2] / (1 + np.exp(-u[:, 2:])) - here
        return np.einsum("jl,lcn->jcn", np.linalg.solve(mass, (at_nodes * weights[:, None]).T), rate)

    for n in range(2):
        first = slope(h, n / 2)
        second = slope(h + first / 2, n / 2 + 0.5)
        h = h + (first + second) / 4
    return h


def test_the_network_is_the_integral_equation() -> None:
    model = model_of(declared())
    assert model.fields["W"].axes == ("s", "delta")
    assert model.size == 5 * 2 * 4 * 2 + 2 * 4 + 2 * 4 * 2
    h = np.random.default_rng(2).standard_normal((9, 2, 3))
    found = model.solver.final(h.reshape(18, 3)).reshape(9, 2, 3)
    np.testing.assert_allclose(found, by_hand(model, h), rtol=0, atol=1e-12)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("state", [{"family": "hat", "size": 9}, {"family": "p0", "cells": 9}])
def test_gradients_are_those_of_the_loss(state: dict[str, Any], periodic: bool) -> None:
    """Central differences of the whole objective, to their own accuracy; once in frequencies."""
    far = {"kernel": {"family": "hat", "size": 11}}
    model = model_of(declared(state={"basis": state}, weight=far, equation={"reach": "1", "periodic": periodic}))
    assert ("w_waves" in model.representation.slabs[0].tables) == (state["family"] == "p0")
    generator = np.random.default_rng(3)
    prepared = model.prepare(records(generator.standard_normal((4, 9, 2)), y=generator.standard_normal((4, 9, 2))))
    vector = model.coordinates
    way = generator.standard_normal(len(vector))
    _, gradient = model.objective(prepared, vector)
    step = 1e-5
    ends = [model.objective(prepared, vector + sign * step * way)[0] for sign in (1, -1)]
    assert abs((ends[0] - ends[1]) / (2 * step) - gradient @ way) < 1e-8 * np.linalg.norm(gradient)


@pytest.mark.first(3)
@pytest.mark.parametrize("k", [5, 11])
@pytest.mark.parametrize("ends", ["zeros", "circular"])
@pytest.mark.parametrize("kind", ["mlp", "residual"])
def test_piecewise_constants_are_conv1d(ends: str, kind: str, k: int) -> None:
    """u_i = Σ_m g_m h_{i + m − (K − 1)/2}, out of range zero or around, written out; long stencils in frequencies."""
    generator = np.random.default_rng(4)
    n, c, depth = 12, 3, 4
    g = generator.standard_normal((depth, c, c, k)) / 3
    b = generator.standard_normal((depth, c)) / 3
    cell = {"family": "p0", "cells": n}
    model = Continuum.from_spec(
        load_spec(
            declared(
                equation={
                    "rate": kind, "activation": "tanh", "spacing": f"1/{depth}", "channels": c, "local": False,
                    "reach": f"{k}/{n}", "periodic": ends == "circular",
                },
                state={"basis": cell},
                weight={"kernel": {"family": "p0", "cells": k}, "depth": {"family": "p0", "cells": depth}},
                bias={"width": {"family": "p0", "cells": 1}, "depth": {"family": "p0", "cells": depth}},
                integration={"tableau": "euler", "steps": depth},
            )
        )
    )  # fmt: skip
    assert ("w_waves" in model.representation.slabs[0].tables) == (k == 11)
    spacing = 2 / n
    kappa = g[:, :, :, ::-1].transpose(3, 0, 1, 2) / spacing
    model = model.replace(
        fields={
            "W": model.fields["W"].with_coefficients([kappa]),
            "b": model.fields["b"].with_coefficients([b[None]]),
        }
    )
    h = generator.standard_normal((n, c, 2))
    expected = h.copy()
    for layer in range(depth):
        u = np.zeros_like(expected)
        for i in range(n):
            u[i] = b[layer][:, None]
            for m in range(k):
                j = i + m - k // 2
                if ends == "circular" or 0 <= j < n:
                    u[i] += g[layer, :, :, m] @ expected[j % n]
        expected = np.tanh(u) if kind == "mlp" else expected + np.tanh(u)
    found = model.solver.final(h.reshape(-1, 2)).reshape(n, c, 2)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


def test_shifts_by_a_cell_are_kept_and_a_reflection_leaves_even_kernels() -> None:
    cell, one = {"family": "p0", "cells": 8}, {"width": {"family": "p0", "cells": 1}}
    model = model_of(declared(equation={"symmetry": {"shift": "1/4"}}, state={"basis": cell}, bias=one))
    h = np.random.default_rng(5).standard_normal((8, 2, 3))
    ahead = model.solver.final(np.roll(h, 1, axis=0).reshape(16, 3)).reshape(8, 2, 3)
    after = model.solver.final(h.reshape(16, 3)).reshape(8, 2, 3)
    np.testing.assert_allclose(ahead, np.roll(after, 1, axis=0), rtol=0, atol=1e-13)
    even = model_of(declared(equation={"symmetry": "reflection"}, state={"basis": cell}, bias=one))
    assert even.fields["W"].slabs[0].coefficients.shape[0] == 3
    s = np.linspace(-0.25, 0.25, 17)
    np.testing.assert_allclose(even.fields["W"](s, 0.3), even.fields["W"](-s, 0.3), rtol=0, atol=1e-13)
    ahead = even.solver.final(h[::-1].reshape(16, 3)).reshape(8, 2, 3)
    after = even.solver.final(h.reshape(16, 3)).reshape(8, 2, 3)
    np.testing.assert_allclose(ahead, after[::-1], rtol=0, atol=1e-13)


@pytest.mark.slow
def test_levels_refine_and_project_the_kernel() -> None:
    finer = {"family": "hat", "size": 9}
    states = {f"state-{n}": {"state": {"basis": {"family": "hat", "size": n}}} for n in (17, 33)}
    given = {**declared(), "levels": {"fine": {"weight": {"kernel": finer}}, **states}}
    model = model_of(given)
    fine = project(model, "fine")
    s = np.linspace(-0.25, 0.25, 41)
    np.testing.assert_allclose(fine.fields["W"](s, 0.4), model.fields["W"](s, 0.4), rtol=0, atol=1e-13)
    x = np.random.default_rng(6).standard_normal((3, 9, 2))
    np.testing.assert_allclose(fine(x), model(x), rtol=0, atol=1e-12)
    back = project(fine, "base")
    np.testing.assert_allclose(back.fields["W"](s, 0.4), model.fields["W"](s, 0.4), rtol=0, atol=1e-13)
    xi = np.linspace(-1, 1, 65)
    smooth = np.stack([np.sin(np.pi * xi), np.cos(2 * np.pi * xi)], axis=1)[None]
    coarse, middle, best = (m(smooth) for m in (model, project(model, "state-17"), project(model, "state-33")))
    assert np.abs(middle - best).max() < np.abs(coarse - best).max() / 3


def test_an_arriving_basis_has_couplings_of_its_own() -> None:
    changing = {"state": {"basis": [{"family": "hat", "size": 9}, {"family": "legendre", "size": 6}]}}
    spec = load_spec(declared(**changing))
    (form,) = galerkin.semidiscrete(spec, equation.derive(spec))
    assert form.tables["C_entry"].shape == (form.nodes[0].shape[0] * 5, 9)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"equation": {"reach": "3/2"}}, "at most 1"),
        ({"equation": {"reach": 0}}, "above 0"),
        ({"weight": {"width_out": {"family": "p0", "cells": 2}}}, "width_out with equation.reach"),
        ({"weight": {"kernel": {"family": "fourier", "size": 5}}}, "not periodic there"),
        ({"weight": {"kernel": {"family": "hat", "breakpoints": ["-1", "0", "1"]}}}, "must start at -1/4"),
    ],
)
def test_bad_kernels_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(declared(**changes))
    assert says in str(caught.value)


def test_a_kernel_needs_a_reach() -> None:
    given = declared()
    del given["equation"]["reach"]
    with pytest.raises(SpecError, match=r"kernel without equation\.reach"):
        load_spec(given)
