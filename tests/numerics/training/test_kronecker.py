"""Kronecker-factored second moments against whole matrices, under changes of basis and of mesh, and beside Adam."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from derive.errors import CheckpointError
from derive.spec import Training
from numerics import datasets
from numerics.functions.field import Block
from numerics.model.continuum import Continuum
from numerics.training import optimisers
from numerics.training.multigrid import Same
from numerics.training.optimisers import kronecker, step
from numerics.training.run import fit
from tests.builders import NUMBERS, bumps

Array = np.ndarray
SHAPES = {"W": ((3, 4, 2), (2, 4, 1)), "b": ((5,),)}  # a field of two slabs, and one of one axis


def blocks_of(shapes: dict[str, Any]) -> optimisers.Blocks:
    found, begin = [], 0
    for name, own in shapes.items():
        stop = begin + sum(math.prod(shape) for shape in own)
        found.append(Block(name, slice(begin, stop), own))
        begin = stop
    return tuple(found)


BLOCKS = blocks_of(SHAPES)
SIZE = BLOCKS[-1].part.stop


def start(name: str = "kronecker", blocks: optimisers.Blocks = BLOCKS, **options: Any) -> optimisers.State:
    return optimisers.start(blocks, 1, Training(**{"optimiser": name, "learning_rate": 0.1, "epochs": 20, **options}))


def drawn(count: int, seed: int = 0) -> Array:
    """Gradients of very different sizes along every axis."""
    generator = np.random.default_rng(seed)
    sizes = np.geomspace(1, 1e-2, SIZE)
    return generator.standard_normal((count, SIZE)) * generator.permutation(sizes)


def given(gradients: Array) -> Callable[[Array], tuple[float, Array]]:
    """An objective with these gradients, one after the other, wherever it is asked."""
    rest: Iterator[Array] = iter(gradients)
    return lambda vector: (0.0, next(rest))


def after(state: optimisers.State, gradients: Array, vector: Array) -> tuple[optimisers.State, Array, list[float]]:
    objective, lengths = given(gradients), []
    for _ in gradients:
        state, vector, info = step(state, objective, vector)
        lengths.append(info.length)
    return state, vector, lengths


def test_a_step_is_that_of_the_whole_matrix() -> None:
    """S^(−½) m / √‖g‖² with S, of all of a slab's coordinates, written out by ``np.kron``."""
    gradients = drawn(6)
    _, found, _ = after(start(weight_decay=0.3), gradients, np.ones(SIZE))
    x, m = np.ones(SIZE), np.zeros(SIZE)
    factors = [[np.zeros((n, n)) for n in shape] for shapes in SHAPES.values() for shape in shapes]
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * g
        rate, k, move = 0.1 * (1 + math.cos(math.pi * (t - 1) / 20)) / 2, 0, -np.zeros(SIZE)
        for block in BLOCKS:
            own = list(range(k, k + len(block.shapes)))
            for at, array in zip(own, block.arrays(g)):
                for axis, factor in enumerate(factors[at]):
                    rows = np.array([array.take(n, axis).ravel() for n in range(len(factor))])
                    factors[at][axis] = 0.95 * factor + 0.05 * rows @ rows.T
            total = sum(np.trace(factors[at][0]) for at in own)
            parts = []
            for at, moment in zip(own, block.arrays(m)):
                size = np.trace(factors[at][0])
                second = np.full((1, 1), (size / total + 1e-3) / 1.001)
                for factor in factors[at]:
                    second = np.kron(second, (factor / size + 1e-3 * np.eye(len(factor))) / 1.001)
                values, vectors = np.linalg.eigh(second)
                parts.append(vectors @ (vectors.T @ moment.ravel() / np.sqrt(values)))
            adam = 1 / (1 - 0.9**t) / math.sqrt(total / (1 - 0.95**t))
            move[block.part] = rate * adam * np.concatenate(parts)
            k += len(block.shapes)
        x = x - move - rate * 0.3 * x
    np.testing.assert_allclose(found, x, rtol=0, atol=1e-7)  # Adam's floor of 1e-8 is left out here


def test_a_field_with_one_direction_moves_as_by_adam() -> None:
    """A gradient that is a product of one vector an axis has shares of 1: its field moves by the rate."""
    generator = np.random.default_rng(1)
    blocks = blocks_of({"W": ((3, 4, 2),), "b": ((5,),)})
    product = np.einsum("i,j,k->ijk", *(generator.standard_normal(n) for n in (3, 4, 2))).ravel()
    for way in (np.concatenate([product, np.zeros(5)]), np.concatenate([np.zeros(24), generator.standard_normal(5)])):
        gradients = np.outer([1.0, 0.5, 2.0, -1.0], way)
        _, expected, _ = after(start("adam", blocks), gradients, np.zeros(29))
        _, found, lengths = after(start(blocks=blocks), gradients, np.zeros(29))
        np.testing.assert_allclose(found, expected, rtol=1e-10)
        assert lengths[0] == pytest.approx(0.1, rel=1e-6)


def test_the_size_of_a_loss_does_not_matter() -> None:
    gradients = drawn(5, 6)
    _, found, _ = after(start(), gradients, np.zeros(SIZE))
    _, larger, _ = after(start(), 1e4 * gradients, np.zeros(SIZE))
    np.testing.assert_allclose(larger, found, rtol=1e-4)


def test_states_of_the_first_version_are_refused() -> None:
    """Its factors were the same, but a rate was the length of the whole step: going on with one would leap."""
    state, _, _ = after(start(), drawn(3), np.zeros(SIZE))
    arrays = dict(state.to_arrays())
    assert np.array_equal(start().from_arrays(arrays).to_arrays()["second"], arrays["second"])
    arrays["factors"] = arrays.pop("second")
    with pytest.raises(CheckpointError, match="another version of it"):
        start().from_arrays(arrays)


# --- bases --------------------------------------------------------------------------------------------------


def test_rotations_along_axes_turn_the_steps() -> None:
    """A field alike in two orthonormal bases, along every axis another one."""
    generator, gradients = np.random.default_rng(2), drawn(15, 2)
    shapes = [shape for own in SHAPES.values() for shape in own]
    turns = [[np.linalg.qr(generator.standard_normal((n, n)))[0] for n in shape] for shape in shapes]

    def turned(vector: Array) -> Array:
        arrays, found = [own for block in BLOCKS for own in block.arrays(vector)], []
        for array, own in zip(arrays, turns):
            for axis, q in enumerate(own):
                array = np.moveaxis(np.tensordot(q, array, (1, axis)), 0, axis)
            found.append(array.ravel())
        return np.concatenate(found)

    _, vector, _ = after(start(), gradients, np.zeros(SIZE))
    _, other, _ = after(start(), np.array([turned(g) for g in gradients]), np.zeros(SIZE))
    np.testing.assert_allclose(other, turned(vector), rtol=0, atol=1e-12)


FOUR = {
    "legendre": {"family": "legendre", "size": 4},
    "lagrange": {"family": "lagrange", "degree": 3, "cells": 1},
    "custom": {"family": "custom", "breakpoints": ["-1", "1"], "functions": ["1", "xi", "xi**2 + xi", "xi**3 - 2*xi"]},
}


def test_bases_of_one_space_give_one_model() -> None:
    """Three bases of the cubic polynomials, along both widths, of biases and of the readout."""
    data = datasets.records(**bumps(8))
    outputs = []
    for basis in FOUR.values():
        own = {"readout": {"outputs": 2, "basis": basis}}
        declared = NUMBERS | own | {
            "weight": {"width_out": basis, "width_in": basis, "depth": {"family": "p0", "cells": 2}},
            "bias": {"width": basis, "depth": {"family": "p0", "cells": 2}},
        }  # fmt: skip
        model = Continuum.from_spec(declared, seed=0)
        trained = fit(model, data, optimiser="kronecker", learning_rate=0.1, epochs=12, batch=5)
        assert trained.history[-1]["loss"] < 0.5 * trained.history[0]["loss"]
        outputs.append(trained(data))
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(outputs[2], outputs[0], rtol=0, atol=1e-10)


# --- meshes -------------------------------------------------------------------------------------------------


def on_cells(cells: int) -> Any:
    """½ Σ_r ∫ (tanh ∫ W h_r dξ′ − t_r)² dξ of W on squares, in orthonormal coordinates: w · 2/n."""
    middles = -1 + (2 * np.arange(cells) + 1) / cells
    h = np.stack([np.exp(middles), np.cos(3 * middles), middles**3], axis=1)
    t = 0.8 * np.stack([np.sin(2 * middles), middles**2 - 0.5, np.cos(4 * middles)], axis=1)

    def objective(z: Array) -> tuple[float, Array]:
        y = np.tanh(z.reshape(cells, cells) @ h)
        residual = (y - t) * 2 / cells
        return 0.5 * float(np.sum((y - t) * residual)), ((residual * (1 - y**2)) @ h.T).ravel()

    return objective


def test_steps_converge_under_refinement() -> None:
    """Means over the coarsest cells: of functions on cells they converge with order 2, and so do lengths."""
    fields, lengths = [], []
    for cells in (16, 32, 64):
        state, vector, found = start(blocks=blocks_of({"W": ((cells, cells),)})), np.zeros(cells**2), []
        for _ in range(15):
            state, vector, info = step(state, on_cells(cells), vector)
            found.append(info.length)
        w = vector.reshape(cells, cells) * cells / 2
        fields.append(w.reshape(16, cells // 16, 16, cells // 16).mean(axis=(1, 3)))
        lengths.append(found)
    coarse, middle, fine = fields
    size, error = np.linalg.norm(fine), np.linalg.norm(coarse - fine)
    assert error <= 0.05 * size
    assert np.linalg.norm(middle - fine) <= 0.3 * error
    np.testing.assert_allclose(lengths[0], lengths[2], rtol=5e-2)
    np.testing.assert_allclose(lengths[1], lengths[2], rtol=1e-2)


def test_ill_conditioned_axes_are_adapted_to() -> None:
    """½ ‖Aᵀ z B‖², whose Hessian has a condition of 1000 along each axis, in directions that no coordinate has."""
    generator = np.random.default_rng(5)
    shape = (8, 6)
    a, b = (np.linalg.qr(generator.standard_normal((n, n)))[0] * np.geomspace(1, 0.03, n) for n in shape)
    values = {}
    for name in ("adam", "adam-coordinatewise", "kronecker"):
        state, vector = start(name, blocks_of({"W": (shape,)}), epochs=300, learning_rate=1.0), np.ones(48)

        def objective(z: Array) -> tuple[float, Array]:
            y = a.T @ z.reshape(shape) @ b
            return 0.5 * float(np.sum(y**2)), (a @ y @ b.T).ravel()

        for _ in range(300):
            state, vector, _ = step(state, objective, vector)
        values[name] = objective(vector)[0]
    assert values.pop("kronecker") <= 1e-4 * min(values.values())


# --- axes that are too long ---------------------------------------------------------------------------------


def test_long_axes_have_one_second_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any axis to adapt to, a step is Adam's in L2; of two axes the other one is adapted to."""
    monkeypatch.setattr(kronecker, "LONGEST", 3)
    gradients = drawn(7, 3)
    part = BLOCKS[1].part
    _, adam, _ = after(start("adam"), gradients, np.zeros(SIZE))
    state, found, _ = after(start(), gradients, np.zeros(SIZE))
    np.testing.assert_allclose(found[part], adam[part], rtol=1e-12)
    assert [len(f) for own in state.factors for f in own] == [3, 1, 2, 2, 1, 1, 1]
    assert not np.allclose(found[BLOCKS[0].part], adam[BLOCKS[0].part], rtol=1e-3)
    traces = [[float(np.trace(factor)) for factor in own] for own in state.factors]
    assert all(own == pytest.approx(own[:1] * len(own)) for own in traces)


def test_axes_that_grow_longer_than_the_bound_or_shorter_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a whole, or with equal shares, of the same ‖g‖²."""
    state, _, _ = after(start(), drawn(4, 4), np.zeros(SIZE))
    for longest in (4, 256):
        monkeypatch.setattr(kronecker, "LONGEST", longest)
        plan = optimisers.Plan(BLOCKS, 1, Training(optimiser="kronecker"))
        before, state = state, state.moved(Same(), plan)
        (old,), (new,) = before.factors[-1], state.factors[-1]
        assert len(new) == (1 if longest == 4 else 5) and np.trace(new) == pytest.approx(np.trace(old))
    assert np.allclose(new, np.trace(new) / 5 * np.eye(5))


def test_a_field_whose_gradient_is_zero_stays() -> None:
    gradients = drawn(3)
    gradients[:, BLOCKS[0].part] = 0
    _, found, _ = after(start(), gradients, np.ones(SIZE))
    assert np.array_equal(found[BLOCKS[0].part], np.ones(BLOCKS[0].part.stop)) and found[-1] != 1
