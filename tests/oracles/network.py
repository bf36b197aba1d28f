"""An independent evaluation of the semi-discrete network (4), (5), (7) in plain NumPy.

It shares no code with the package: bases are written out here, stages follow the tableau as printed in textbooks,
and any dtype works, complex numbers included (for the complex step).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.polynomial import legendre


def basis(declared: dict, interval: tuple[float, float], points: np.ndarray) -> np.ndarray:
    """Values (points, size) of a declared basis; at a breakpoint the value from the right."""
    a, b = interval
    t = 2 * (np.asarray(points, dtype=float) - a) / (b - a) - 1
    family = declared["family"]
    if family == "legendre":
        return legendre.legvander(t, declared["size"] - 1)
    breaks = breakpoints(declared, interval)
    if family == "p0":
        cell = np.clip(np.searchsorted(breaks, points, side="right") - 1, 0, len(breaks) - 2)
        return np.eye(len(breaks) - 1)[cell]
    if family == "hat":
        return np.stack([np.interp(points, breaks, row) for row in np.eye(len(breaks))], axis=1)
    if family == "bspline":
        from scipy.interpolate import BSpline

        degree = declared["degree"]
        knots = np.concatenate([[a] * degree, breaks, [b] * degree])
        return np.nan_to_num(BSpline(knots, np.eye(len(knots) - degree - 1), degree)(points))
    if family == "chebyshev":
        return np.cos(np.arange(declared["size"]) * np.arccos(np.clip(t, -1, 1))[:, None])
    if family in ("discontinuous", "lagrange", "hierarchical"):
        return by_cell(family, breaks, declared["degree"], np.asarray(points, dtype=float))
    if family == "fourier":
        columns = [np.ones_like(t)]
        for k in range(1, declared["size"] // 2 + 1):
            columns += [np.cos(np.pi * k * t), np.sin(np.pi * k * t)]
        return np.stack(columns, axis=1)
    raise KeyError(family)


def by_cell(family: str, breaks: np.ndarray, p: int, points: np.ndarray) -> np.ndarray:
    """Finite elements of degree p, from their values on a cell's own coordinate."""
    cells = len(breaks) - 1
    cell = np.clip(np.searchsorted(breaks, points, side="right") - 1, 0, cells - 1)
    t = 2 * (points - breaks[cell]) / np.diff(breaks)[cell] - 1
    found = np.zeros((len(points), cells * (p + 1) if family == "discontinuous" else cells * p + 1))
    rows = np.arange(len(points))
    if family == "discontinuous":
        for k in range(p + 1):
            found[rows, cell * (p + 1) + k] = legendre.legval(t, np.eye(p + 1)[k])
    elif family == "lagrange":
        nodes = np.linspace(-1, 1, p + 1)
        for k in range(p + 1):
            others = np.delete(nodes, k)
            found[rows, cell * p + k] = np.prod((t[:, None] - others) / (nodes[k] - others), axis=1)
    else:
        found[rows, cell], found[rows, cell + 1] = (1 - t) / 2, (1 + t) / 2
        for k in range(2, p + 1):
            bubble = legendre.Legendre.basis(k - 1).integ(lbnd=-1)(t)
            found[rows, cells + 1 + (k - 2) * cells + cell] = bubble
    return found


def breakpoints(declared: dict, interval: tuple[float, float]) -> np.ndarray:
    a, b = interval
    family = declared["family"]
    if "breakpoints" in declared:
        return np.array([float(Fraction(x)) for x in declared["breakpoints"]])
    count = declared.get("cells") or {"p0": declared.get("size"), "hat": declared.get("size", 1) - 1}.get(family, 1)
    return np.linspace(a, b, count + 1)


def gauss(breaks: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = legendre.leggauss(count)
    left, right = breaks[:-1, None], breaks[1:, None]
    return (left + (right - left) * (x + 1) / 2).ravel(), ((right - left) / 2 * w).ravel()


Function = Callable[[np.ndarray], np.ndarray]  # points → (points, size)


def smallest_rule(cuts: np.ndarray, state: Function, others: Iterable[Function], least: int) -> Any:
    """The first Gauss rule, with as many points in every cell, of ``least`` points or more, that integrates the

    products of a state's functions with themselves and with the others' as a rule of 60 points a cell does: tried out.
    """
    involved, (fine, lengths) = [state, *others], gauss(cuts, 60)
    wanted = [(state(fine) * lengths[:, None]).T @ f(fine) for f in involved]
    for per_cell in itertools.count(1):
        nodes, weights = gauss(cuts, per_cell)
        found = ((state(nodes) * weights[:, None]).T @ f(nodes) for f in involved)
        if len(nodes) >= least and all(np.allclose(a, b, rtol=0, atol=1e-12) for a, b in zip(found, wanted)):
            return nodes, weights


def as_polynomials(declared: dict) -> Function:
    """What section 3 looks at in a basis: its functions, or the polynomials that stand for functions that are none."""
    if declared["family"] == "fourier":
        declared = {"family": "legendre", "size": 2 * declared["size"] + 1}
    return lambda points: basis(declared, (-1.0, 1.0), points)


def spectral_points(size: int) -> int:
    """Three halves as many as functions."""
    return next(n for n in itertools.count(size) if 2 * n >= 3 * size)


def around(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Equal spaces on the circle."""
    return np.linspace(-1, 1, points, endpoint=False), np.full(points, 2 / points)


def rule(declared: dict) -> tuple[np.ndarray, np.ndarray]:
    """The quadrature that section 3 asks for."""
    state = declared["state"]["basis"]
    if state["family"] == "fourier":
        return around(spectral_points(state["size"]))
    chosen = (state, declared["weight"].get("width_out", {"family": "p0", "size": 1}), declared["bias"]["width"])
    cuts = np.unique(np.concatenate([breakpoints(b, (-1.0, 1.0)) for b in chosen]).round(14))
    spectral = len(breakpoints(state, (-1.0, 1.0))) == 2 and state["size"] > 1
    least = spectral_points(state["size"]) if spectral else 1
    return smallest_rule(cuts, as_polynomials(state), map(as_polynomials, chosen[1:]), least)


def convolved(kernel: dict, reach: float, state: dict, nodes: np.ndarray, periodic: bool) -> np.ndarray:
    """∫ κ_m(ξ_q − ξ′) χ_l(ξ′) dξ′ (nodes, m, l), between all kinks of both; zero beyond the ends, or around."""
    found = []
    for node in nodes:
        total = 0.0
        for turn in (-2, 0, 2) if periodic else (0,):
            low, high = max(node - reach, turn - 1), min(node + reach, turn + 1)
            kinks = [*(node - breakpoints(kernel, (-reach, reach))), *(turn + breakpoints(state, (-1.0, 1.0)))]
            y, weights = gauss(np.unique([low, max(low, high), *(k for k in kinks if low < k < high)]), 40)
            total = total + (basis(kernel, (-reach, reach), node - y) * weights[:, None]).T @ basis(
                state, (-1.0, 1.0), y - turn
            )
        found.append(total)
    return np.array(found)


def network(spec: dict, nodes, weights, w, beta, h, tableau, rate, v=None):
    """h(·, 1) as coefficients (n, c, N) from h(·, 0); a single slab.

    nodes, weights: the quadrature of (5). w[i,j,k,o,c], or w[m,k,o,c] of κ, beta[i,k,o], v[i,k,o,c].
    tableau: (A, b, c). rate: ρ(u, h), for u (Q, o, N) and h (Q, c, N). Stages as in the textbook, without splitting the
    rate.
    """
    state, weight, bias = spec["state"]["basis"], spec["weight"], spec["bias"]
    width, depth = (-1.0, 1.0), (0.0, 1.0)
    x = basis(state, width, nodes)
    psi = basis(bias["width"], width, nodes)
    if "kernel" in weight:
        reach, periodic = float(Fraction(spec["equation"]["reach"])), spec["equation"].get("periodic", False)
        operator = "k,mkoc,qml,lcn->qon", convolved(weight["kernel"], reach, state, nodes, periodic)
    else:
        breaks = np.union1d(breakpoints(state, width), breakpoints(weight["width_in"], width))
        fine, fine_weights = gauss(breaks, 64)
        coupling = (basis(weight["width_in"], width, fine) * fine_weights[:, None]).T @ basis(state, width, fine)
        phi = basis(weight["width_out"], width, nodes)
        operator = "k,ijkoc,qijl,lcn->qon", np.einsum("qi,jl->qijl", phi, coupling)
    projector = np.linalg.solve((x * weights[:, None]).T @ x, (x * weights[:, None]).T)
    steps, (a_matrix, b_row, c_row) = spec["integration"]["steps"], tableau
    s = 1.0 / steps

    def right_hand_side(state_now, depth_now, step):
        inside = np.clip(depth_now, step * s + 1e-9, (step + 1) * s - 1e-9)
        where = depth_now if continuous(weight["depth"]) else inside
        theta = basis(weight["depth"], depth, np.array([where]))[0]
        where = depth_now if continuous(bias["depth"]) else inside
        vartheta = basis(bias["depth"], depth, np.array([where]))[0]
        u = np.einsum(operator[0], theta, w, operator[1], state_now, optimize=True)
        u = u + np.einsum("k,qi,iko->qo", vartheta, psi, beta)[:, :, None]
        at_nodes = np.einsum("qj,jcn->qcn", x, state_now)
        if v is not None:
            u = u + np.einsum("k,qi,ikoc,qcn->qon", vartheta, psi, v, at_nodes)
        return np.einsum("jq,qcn->jcn", projector, rate(u, at_nodes))

    for n in range(steps):
        k = []
        if np.any(np.triu(a_matrix)):
            k = implicit_stages(
                lambda i, stage, n=n: right_hand_side(stage, (n + c_row[i]) * s, n), h, s * np.array(a_matrix)
            )
        else:
            for i in range(len(b_row)):
                stage = h + s * sum((a_matrix[i][j] * k[j] for j in range(i)), 0 * h)
                k.append(right_hand_side(stage, (n + c_row[i]) * s, n))
        h = h + s * sum(b_row[i] * k[i] for i in range(len(b_row)))
    return h


def implicit_stages(slope, h: np.ndarray, sa: np.ndarray) -> np.ndarray:
    """k_i = slope(i, h + Σ_j sa_ij k_j), all stages of one record after the other, by Newton with a dense Jacobian.

    The Jacobian, at the real part, is taken column by column with a complex step; the unknowns may be complex.
    """
    stages, (size, channels, records) = len(sa), h.shape
    found = np.zeros((stages, size, channels, records), dtype=np.result_type(slope(0, h)))
    for r in range(records):
        start = h[:, :, r : r + 1]

        def left(flat: np.ndarray, start=start) -> np.ndarray:
            k = flat.reshape(stages, size, channels, 1)
            values = [slope(i, start + np.einsum("j,jncr->ncr", sa[i], k)) for i in range(stages)]
            return np.ravel(values) - flat

        k = np.ravel([slope(i, start) for i in range(stages)])
        for _ in range(60):
            real = k.real
            # weights and h may be complex themselves
            columns = [(left(real + 1e-30j * e) - left(real + 0j)).imag / 1e-30 for e in np.eye(len(k))]
            change = np.linalg.solve(np.array(columns).T, left(k))
            k = k - change
            if np.max(np.abs(change)) <= 1e-15 * np.max(np.abs(k)):
                break
        solved = np.max(np.abs(change)) <= 1e-8 * np.max(np.abs(k))  # else there may be no solution
        found[..., r] = k.reshape(stages, size, channels) if solved else np.nan
    return found


def continuous(declared: dict) -> bool:
    return declared["family"] != "p0"


TABLEAUX = {
    "euler": ([[0.0]], [1.0], [0.0]),
    "heun": ([[0, 0], [1.0, 0]], [0.5, 0.5], [0, 1.0]),
    "rk4": (
        [[0, 0, 0, 0], [0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 1.0, 0]],
        [1 / 6, 1 / 3, 1 / 3, 1 / 6],
        [0, 0.5, 0.5, 1.0],
    ),
    "backward-euler": ([[1.0]], [1.0], [1.0]),
    "implicit-midpoint": ([[0.5]], [1.0], [0.5]),
    "gauss4": (
        [[1 / 4, 1 / 4 - 3**0.5 / 6], [1 / 4 + 3**0.5 / 6, 1 / 4]],
        [0.5, 0.5],
        [0.5 - 3**0.5 / 6, 0.5 + 3**0.5 / 6],
    ),
    "sdirk2": ([[1 - 0.5**0.5, 0], [0.5**0.5, 1 - 0.5**0.5]], [0.5**0.5, 1 - 0.5**0.5], [1 - 0.5**0.5, 1.0]),
}


# --- rates, and what coefficients of symmetric weights mean ---


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def halves(u: Any) -> tuple[Any, Any]:
    """u1 and u2 of every channel: one after the other in the second axis."""
    return u[:, : u.shape[1] // 2], u[:, u.shape[1] // 2 :]


def convolution(z: Any) -> Any:
    """Frequency 0 is a number, frequency k the block [[a, b], [−b, a]] (section 3)."""
    size = len(z)
    w = np.zeros((size, size, *z.shape[1:]), z.dtype)
    w[0, 0] = z[0]
    for k in range(1, size, 2):
        w[k, k] = w[k + 1, k + 1] = z[k]
        w[k, k + 1], w[k + 1, k] = z[k + 1], -z[k + 1]
    return w


def even(z: Any) -> Any:
    """Legendre polynomials keep the pairs of equal parity."""
    w = np.zeros((4, 4, *z.shape[1:]), z.dtype)
    for m, (i, j) in enumerate((i, j) for i in range(4) for j in range(4) if (i + j) % 2 == 0):
        w[i, j] = z[m]
    return w
