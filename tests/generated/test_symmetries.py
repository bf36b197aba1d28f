"""Networks that commute with shifts, reflections and maps of one's own, and the weights that these leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

from derive.declaration import Reader, load_spec, read_basis, read_symmetry
from derive.errors import SpecError
from derive.spaces import basis as bases
from derive.spaces import symmetry
from derive.spec import SymmetrySpec, from_dict, to_dict
from numerics import Continuum, project
from tests.builders import coefficients
from tests.oracles.network import convolution
from tests.oracles.wider_cases import (
    CASES,
    CELLS,
    FIRST_TWO,
    FOURIER,
    HALVES,
    LEGENDRE,
    ONE,
    SWAP,
    Case,
    model_of,
)

# --- symmetry -----------------------------------------------------------------------------------------------


def rolled(model: Continuum, states: Any, angle: float) -> Any:
    """Fourier coefficients of h(ξ + s): every frequency k turns by kπs."""
    parts = states.reshape(-1, 3, states.shape[1]).copy()
    for k in range(1, len(parts), 2):
        turn = (k + 1) // 2 * np.pi * angle
        c, s = parts[k].copy(), parts[k + 1].copy()
        parts[k], parts[k + 1] = np.cos(turn) * c + np.sin(turn) * s, np.cos(turn) * s - np.sin(turn) * c
    return parts.reshape(states.shape)


def test_translation_commutes_on_the_grid_and_is_measured_off_it() -> None:
    model = model_of(CASES["translation"])
    nodes = len(model.representation.slabs[0].tables["nodes"])
    states = np.random.default_rng(3).standard_normal((27, 4))
    gaps = []
    for angle in (2 / nodes, 6 / nodes, 0.123):
        gap = rolled(model, model.solver.final(states), angle) - model.solver.final(rolled(model, states, angle))
        gaps.append(np.abs(gap).max())
    assert max(gaps[:2]) <= 1e-12 < 1e-6 < gaps[2] < 1  # products alias off the grid


@pytest.mark.slow
def test_reflections_and_shifts_commute() -> None:
    states = np.random.default_rng(3).standard_normal((6, 3, 4))
    model = model_of(CASES["reflection"])
    mirror = (-1.0) ** np.arange(6)[:, None, None]
    ahead = model.solver.final((mirror * states).reshape(18, 4)).reshape(states.shape)
    assert np.abs(mirror * model.solver.final(states.reshape(18, 4)).reshape(states.shape) - ahead).max() <= 1e-12
    states = np.random.default_rng(3).standard_normal((8, 3, 4))
    model = model_of(CASES["shift"])
    ahead = model.solver.final(np.roll(states, 2, axis=0).reshape(24, 4)).reshape(states.shape)
    behind = np.roll(model.solver.final(states.reshape(24, 4)).reshape(states.shape), 2, axis=0)
    assert np.abs(behind - ahead).max() <= 1e-12
    ahead = model.solver.final(np.roll(states, 1, axis=0).reshape(24, 4)).reshape(states.shape)
    behind = np.roll(model.solver.final(states.reshape(24, 4)).reshape(states.shape), 1, axis=0)
    assert np.abs(behind - ahead).max() > 1e-3


@pytest.mark.slow
def test_maps_of_one_s_own_commute_and_others_do_not() -> None:
    """Cells with two functions each: a mirrored half changes the order of its cells and the signs of their slopes."""
    linear = {"family": "discontinuous", "degree": 1, "cells": 4}
    case = Case(lambda u, h, p: u, {"rate": "sin(u) + h*u/4", "local": True, "symmetry": HALVES}, linear, linear)
    model, states = model_of(case), np.random.default_rng(3).standard_normal((8, 3, 4))

    def after(h: Any) -> Any:
        return model.solver.final(h.reshape(24, 4)).reshape(h.shape)

    def mirrored(h: Any, low: int) -> Any:  # the two cells from `low` on
        found = h.copy()
        found[low : low + 4] = h[[low + 2, low + 3, low, low + 1]] * np.array([1, -1, 1, -1])[:, None, None]
        return found

    assert np.abs(mirrored(after(states), 0) - after(mirrored(states, 0))).max() <= 1e-12
    assert np.abs(mirrored(after(states), 4) - after(mirrored(states, 4))).max() > 1e-3
    assert model.spec.slabs[0].bias_width.size == 2 + 4  # even ones of the first half, all of the other


def test_every_permutation_of_cells_leaves_two_numbers() -> None:
    """Two cells change places, and all move on by one: of W a multiple of 1 and one of 11ᵀ, a layer for sets."""
    model = Continuum.from_spec(load_spec(Case(
        lambda u, h, p: u, {"symmetry": [FIRST_TWO, {"shift": "1/4"}], "periodic": True, "channels": 1},
        state=CELLS, width=CELLS, bias=CELLS,
    ).declared()), seed=0)  # fmt: skip
    assert coefficients(model)["W"].shape == (2, 2, 1, 1) and coefficients(model)["b"].shape == (1, 2, 1)
    states = np.random.default_rng(0).standard_normal((8, 3))
    order = np.random.default_rng(1).permutation(8)
    assert np.abs(model.solver.final(states)[order] - model.solver.final(states[order])).max() <= 1e-13


def test_the_constrained_convolution_is_a_fourier_neural_operator_s_layer() -> None:
    """rfft, a complex matrix a frequency, irfft (Li et al. 2021)."""
    generator = np.random.default_rng(4)
    z = generator.standard_normal((7, 3, 2))
    values = generator.standard_normal((16, 2))
    xi = -1 + 2 * np.arange(16) / 16
    waves = np.concatenate([[np.ones(16)], *([np.cos(k * np.pi * xi), np.sin(k * np.pi * xi)] for k in (1, 2, 3))])
    coupling = waves * 2 / 16  # ∫ φ_j h, exact for what 16 points resolve
    found = np.einsum("iq,ijoc,jp,pc->qo", waves, convolution(z), coupling, values)
    spectrum = np.fft.rfft(values, axis=0)
    out = np.zeros((9, 3), complex)
    out[0] = 2 * (z[0] @ spectrum[0])
    for k in (1, 2, 3):  # a cos k(ξ − ξ′) + b …: the multiplier a + ib
        out[k] = (z[2 * k - 1] + 1j * z[2 * k]) @ spectrum[k]
    assert np.abs(found - np.fft.irfft(out, 16, axis=0)).max() <= 1e-13


def own(declared: dict[str, Any]) -> SymmetrySpec:
    return read_symmetry(Reader("test"), declared, False)


KINDS: dict[str, tuple[dict[str, Any], SymmetrySpec, Callable[[Any], Any]]] = {
    "legendre, reflection": (LEGENDRE, SymmetrySpec("reflection"), lambda x: -x),
    "hat, reflection": ({"family": "hat", "cells": 3}, SymmetrySpec("reflection"), lambda x: -x),
    "spline, reflection": ({"family": "bspline", "cells": 3, "degree": 2}, SymmetrySpec("reflection"), lambda x: -x),
    "nodal, reflection": ({"family": "gauss-legendre", "cells": 2, "degree": 2}, SymmetrySpec("reflection"),
                          lambda x: -x),
    "cells, shift": (CELLS, SymmetrySpec("shift", sp.Rational(1, 4)), lambda x: (x + 0.25 + 1) % 2 - 1),
    "fourier, shift": (FOURIER, SymmetrySpec("shift", sp.Rational(2, 3)), lambda x: (x + 2 / 3 + 1) % 2 - 1),
    "fourier, reflection": (FOURIER, SymmetrySpec("reflection"), lambda x: -x),
    "cells, map": (CELLS, own(HALVES), lambda x: np.where(x < 0, -1 - x, x)),
    "linear on cells, map": ({"family": "discontinuous", "degree": 1, "cells": 4}, own(HALVES),
                             lambda x: np.where(x < 0, -1 - x, x)),
    "uneven cells, map": (
        {"family": "p0", "breakpoints": ["-1", "-2/3", "0", "1/3", "2/3", "1"]},
        own({"map": ["-2/3 - xi", "4/3 - xi"], "breakpoints": ["-1", "1/3", "1"]}),
        lambda x: np.where(x < 1 / 3, -2 / 3 - x, 4 / 3 - x)),
    "combination, map": (
        {"family": "combination", "of": CELLS,
         "rows": [[1, 0, 0, 1, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0, 0, 0], [0, 0, 2, 1, 0, 0, 0, 0],
                  [0, 0, 0, 0, 1, 2, 3, 4]]},
        own(HALVES), lambda x: np.where(x < 0, -1 - x, x)),
    "multiwavelet, map": ({"family": "multiwavelet", "degree": 1, "cells": 4}, own(SWAP),
                          lambda x: np.where(x < 0, x + 1, x - 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_the_admissible_weights_are_all_that_the_symmetry_leaves(name: str) -> None:
    """Their number is the rank of the average over the group, and each of them is invariant at points."""
    from fractions import Fraction

    from numerics.functions.basis import evaluate
    from numerics.representation.find import run_time_basis

    declared, one, move = KINDS[name]
    if one.amount is not None:
        one = SymmetrySpec(one.kind, Fraction(int(one.amount.p), int(one.amount.q)))
    spec = read_basis(Reader("test"), declared, "basis", (Fraction(-1), Fraction(1)), True)
    basis = bases.build(spec)
    found = symmetry.admissible([one], basis, basis)
    points = np.sort(np.random.default_rng(0).uniform(-1, 1, 400))
    table = evaluate(run_time_basis(basis), points)
    matrix = np.linalg.lstsq(table, evaluate(run_time_basis(basis), move(points)), rcond=None)[0]
    action, power, order = np.kron(matrix, matrix), np.eye(len(matrix) ** 2), 1
    total = power.copy()
    while not np.allclose(power := action @ power, np.eye(len(power)), atol=1e-8):
        total, order = total + power, order + 1
    assert found.size == np.linalg.matrix_rank(total / order, tol=1e-8)
    z = np.random.default_rng(1).standard_normal(found.size)
    w = np.zeros((basis.size, basis.size))
    for m, i, j, value in found.entries:
        w[i, j] += float(value) * z[m]
    assert np.allclose(action @ w.ravel(), w.ravel(), atol=1e-9)
    rows = np.array([[float(v) for v in row] for row in symmetry.invariant([one], basis)])
    assert np.allclose(rows @ matrix.T, rows, atol=1e-9) or np.allclose(matrix @ rows.T, rows.T, atol=1e-9)


def test_blocks_are_the_frequencies_and_the_parities() -> None:
    declared = CASES["translation"].declared()
    model = Continuum.from_spec(load_spec(declared))
    blocks = model.representation.slabs[0].tables["w_blocks"]
    assert [tuple(row) for row in blocks] == [(0, 1, 0, 1, 0), (1, 3, 1, 3, 1), (3, 5, 3, 5, 5), (5, 7, 5, 7, 9)]
    assert coefficients(model)["W"].shape == (7, 2, 6, 3)
    reflected = Continuum.from_spec(load_spec(CASES["reflection"].declared())).representation.slabs[0]
    assert [tuple(row[:4]) for row in reflected.tables["w_blocks"]] == [(0, 2, 0, 2), (2, 4, 2, 4)]


@pytest.mark.slow
def test_fields_with_symmetries_are_functions_and_levels_keep_them() -> None:
    """W depends on ξ − ξ′ alone; a level with more frequencies changes neither the field nor the outputs."""
    declared = CASES["translation"].declared() | {
        "levels": {"more": {"weight": {"width_out": {"family": "fourier", "size": 11},
                                       "width_in": {"family": "fourier", "size": 11}}},
                   "less": {"weight": {"width_out": {"family": "fourier", "size": 3},
                                       "width_in": {"family": "fourier", "size": 3}}}},
    }  # fmt: skip
    model = Continuum.from_spec(load_spec(declared), seed=3)
    field_w = model.fields["W"]
    x, y = np.array([-0.8, 0.1, 0.4]), np.array([0.3, -0.2, 0.9])
    moved = [(v + 0.37 + 1) % 2 - 1 for v in (x, y)]
    assert np.allclose(field_w(x, y, 0.3), field_w(*moved, 0.3), atol=1e-12)
    assert np.allclose(field_w(x[:, None], y[None], 0.3)[1, 2], field_w(x[1], y[2], 0.3))
    data = np.random.default_rng(0).standard_normal((4, 20, 3))
    more = project(model, "more", x=data)
    assert more.report.distance["W"] <= 1e-12 and more.report.outputs_fields <= 1e-12
    less = project(model, "less", x=data, y=data)
    back = project(less, "base", x=data, y=data)
    assert back.report.distance["W"] <= 1e-12 and less.report.attribution is not None
    gone = model.fields["W"].slabs[0].coefficients[3:] * np.sqrt(2 * 0.5)  # orthonormal up to 2, cells of length ½
    assert less.report.distance["W"] == pytest.approx(np.sqrt(np.sum(gone**2)), rel=1e-12)
    waves = np.array([0, 1, 1, 2, 2, 3, 3]) * np.pi  # both derivatives of cos k(ξ − ξ′) have the norm² 2 k²
    stiffness = model.representation.slabs[0].tables["stiffness/weight_pair"]
    assert np.allclose(stiffness, np.diag(4 * waves**2), atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"symmetry": "translation"}, "periodic = true"),
        ({"symmetry": "translation", "periodic": True}, "a Fourier basis"),
        ({"symmetry": {"shift": "1/3"}, "periodic": True}, "cells that divide"),
        ({"symmetry": {"map": ["2*xi + 1", "xi"], "breakpoints": ["-1", "0", "1"]}}, "changes the measure"),
        ({"symmetry": {"map": "abs(xi)"}}, "changes the measure"),
        ({"symmetry": {"map": "1/2"}}, "changes the measure"),
        ({"symmetry": {"map": "xi + sqrt(2)"}}, "exact number"),
        ({"symmetry": {"map": "xi + 1/2"}}, "no bijection"),
        ({"symmetry": {"map": ["xi", "-xi"], "breakpoints": ["-1", "0", "1"]}}, "[-1, 0], [-1, 0]"),
        ({"symmetry": {"map": ["xi", "xi"]}}, "between every two breakpoints"),
        ({"symmetry": {"map": "-xi", "breakpoints": ["0", "1"]}}, "from -1 to 1"),
        ({"symmetry": {"map": "-xi", "breakpoints": ["-1", "1"], "sign": -1}}, "'sign'"),
        ({"symmetry": {"map": "-eta"}}, "'eta'"),
        ({"symmetry": {"map": 7}}, "in quotes"),
        (
            {"symmetry": {"map": ["xi + 10/10007", "xi - 20004/10007"], "breakpoints": ["-1", "9997/10007", "1"]}},
            "10007 equal cells",
        ),
        ({"symmetry": {"map": ["-1/3 - xi", "4/3 - xi"], "breakpoints": ["-1", "1/3", "1"]}}, "no bijection"),
        ({"symmetry": {"map": ["-2/3 - xi", "4/3 - xi"], "breakpoints": ["-1", "1/3", "1"]}}, "function 1, counted"),
        ({"symmetry": "rotation"}, '"reflection"'),
        ({"rate": "u1 + u3"}, "without gaps"),
        ({"rate": "u*u1"}, "u alone"),
        ({"rate": "a*tanh(u)", "learned": {"a": "1"}, "parameters": {"a": "1"}}, "one of the two"),
        ({"rate": "tanh(u)", "learned": {"u1": "1"}}, "a name with a meaning"),
        ({"local": "yes"}, "whether there is a V"),
        ({"normalise": "0"}, "above 0"),
        ({"normalise": "2"}, "at most 1"),
        ({"normalise": True}, "equation.normalise"),
        ({"normalise": "1/100", "channels": 1}, "one channel"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    declared = CASES["local"].declared()
    declared["equation"] = {**declared["equation"], "local": False, **changes}
    with pytest.raises(SpecError) as error:
        load_spec(declared)
    assert said in str(error.value)


def test_maps_that_have_a_name_are_known_by_it() -> None:
    reader = Reader("test")
    mirror = {"map": ["-xi", "-xi"], "breakpoints": ["-1", "1/3", "1"]}
    assert read_symmetry(reader, mirror, False) == SymmetrySpec("reflection")
    assert read_symmetry(reader, SWAP, True) == read_symmetry(reader, {"shift": "1"}, True)
    assert read_symmetry(reader, SWAP, False).kind == "map"
    found = load_spec(CASES["map"].declared())
    assert from_dict(to_dict(found)) == found and len({str(one) for one in found.symmetries}) == 2


def test_a_kernel_of_the_distance_knows_no_other_maps() -> None:
    declared = CASES["local"].declared()
    declared["equation"] |= {"reach": "1/2", "symmetry": HALVES}
    declared["weight"] = {"kernel": ONE, "depth": ONE}
    with pytest.raises(SpecError, match="their distance"):
        load_spec(declared)
