"""The symmetry study: null spaces against SymPy's, means over a group by loops, the heat flow of a connection."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import sympy as sp
from scipy.linalg import expm
from sympy.polys.matrices import DomainMatrix

import continua as ct
from benchmarks.studies.symmetry import channels, frames
from benchmarks.studies.symmetry import representations as r
from benchmarks.studies.symmetry.positions import as_map, square

D4 = r.generated(r.TURN, r.MIRROR)
KINDS = {"scalar": r.trivial, "sign": r.sign, "vector": r.vector, "regular": r.regular(D4)}


def test_the_square_has_eight_elements_and_representations_multiply() -> None:
    """Every one of them, by all 64 products; on positions (row, column) by what a turn does to an image."""
    assert len(D4) == 8
    for rho in (*KINDS.values(), r.positions(3, 2), r.together(r.vector, r.copies(2, r.sign))):
        for g, h in product(D4, D4):
            assert (rho(g) @ rho(h) == rho(r.times(g, h))).all()
    image = np.arange(16)
    for g, move in ((r.TURN, lambda a: np.rot90(a, 1)), (r.MIRROR, lambda a: a[:, ::-1])):
        assert ((r.positions(4, 2)(g) @ image).reshape(4, 4) == move(image.reshape(4, 4))).all()


@pytest.mark.parametrize(("inner", "outer"), [*product(["scalar", "sign", "vector"], repeat=2), ("scalar", "regular")])
def test_kernels_are_sympys_null_space(inner: str, outer: str) -> None:
    """(A ⊗ B ⊗ C − 1) vec κ = 0 for a turn and a mirror, reduced by SymPy; and the number by characters."""
    actions = (r.positions(3, 2), KINDS[outer], KINDS[inner])
    found, shape = r.left_alone((r.TURN, r.MIRROR), *actions)
    rows = []
    for g in (r.TURN, r.MIRROR):
        whole = np.kron(np.kron(actions[0](g), actions[1](g)), actions[2](g))
        assert (whole @ found == found).all()
        rows.append(whole - np.eye(len(whole), dtype=int))
    exact = DomainMatrix([[sp.QQ(int(v)) for v in row] for row in np.vstack(rows)], np.vstack(rows).shape, sp.QQ)
    assert np.prod(shape) == len(found)
    assert found.shape[1] == len(found) - exact.to_sparse().rank() == r.by_characters(D4, *actions)
    assert np.linalg.matrix_rank(found) == found.shape[1] if found.size else True


def test_an_action_that_mixes_is_refused() -> None:
    def mixing(g: r.Element) -> np.ndarray:
        return np.array([[1, 0], [1, -1]]) if g == r.FLIP else np.eye(2, dtype=int)

    with pytest.raises(ValueError, match="no signed permutation"):
        r.left_alone((r.FLIP,), mixing)


@pytest.mark.slow
def test_what_is_left_of_a_network_is_its_mean_over_the_group() -> None:
    """W of 3 × 3 cells, turned and with its channels moved by hand: channel g ↦ that of the next quarter."""
    turns = r.generated(r.TURN)
    model = ct.Continuum.from_spec(channels.turning(4, 2), seed=3)
    inside = channels.of_square(model, (r.TURN,), r.regular(turns)).nearest(model)
    after = [turns.index(r.times(r.TURN, g)) for g in turns]
    w, total = model.fields["W"].slabs[0].coefficients, 0.0
    for _ in range(4):
        w = np.rot90(w, 1, (0, 1)).reshape(3, 3, 2, 2, 4, 4)
        moved = np.zeros_like(w)
        for out, inner in product(range(4), range(4)):
            moved[..., after[out], after[inner]] = w[..., out, inner]
        w = moved.reshape(3, 3, 2, 8, 4)
        total = total + w / 4
    assert np.abs(w - model.fields["W"].slabs[0].coefficients).max() == 0  # four quarters
    assert np.abs(inside.fields["W"].slabs[0].coefficients - total).max() < 1e-15
    a = inside.fields["P"].slabs[0].coefficients
    assert np.abs(a - a.mean(axis=0)).max() < 1e-15


def test_a_map_of_pixels_says_where_each_goes() -> None:
    images = square(4, r.TURN)
    assert (np.rot90(np.arange(16).reshape(4, 4), 1).ravel()[images] == np.arange(16)).all()
    declared, xi = as_map(images), sp.Symbol("xi")
    for i, text in enumerate(declared["map"]):
        centre = sp.Rational(2 * i + 1, 16) - 1
        assert sp.sympify(declared["breakpoints"][i]) < centre < sp.sympify(declared["breakpoints"][i + 1])
        assert sp.sympify(text).subs(xi, centre) == sp.Rational(2 * images[i] + 1, 16) - 1


def test_transport_turns_by_the_holonomy_around_the_circle_in_every_frame() -> None:
    for kind in ("still", "one turn", "random"):
        step, whole = frames.transport(frames.frames(kind), 2.0), np.eye(2)
        for i in range(frames.CELLS):
            whole = step[(i + 1) % frames.CELLS, i] @ whole
        assert np.trace(whole) == pytest.approx(2 * np.cos(2.0), abs=1e-13)


def test_the_heat_flow_of_the_connection() -> None:
    """exp(t D²) with D as a dense matrix: trigonometric differentiation, less iθ/2; of z = v_1 + i v_2."""
    n = frames.CELLS
    at = 2 * np.arange(n) / n
    k = np.fft.fftfreq(n, 1 / n)
    derivative = (
        np.exp(1j * np.pi * np.outer(at, k)) @ np.diag(1j * np.pi * k) @ np.exp(-1j * np.pi * np.outer(k, at)) / n
    )
    connected = derivative - 1j * frames.HOLONOMY / 2 * np.eye(n)
    v = np.random.default_rng(0).standard_normal((3, n, 2))
    z = (v[..., 0] + 1j * v[..., 1]) @ expm(frames.TIME * connected @ connected).T
    z = z * np.sqrt(2) / np.sqrt(1 + np.abs(z) ** 2)
    found = frames.smoothed(v)
    assert np.abs(found[..., 0] + 1j * found[..., 1] - z).max() < 1e-12
