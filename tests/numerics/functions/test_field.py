"""Fields: values, norms and the Riesz metric, against loops and quadrature written here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import legendre as series
from scipy.integrate import quad

from derive.errors import DataError, RepresentationError
from numerics.functions.basis import Basis, derivative, evaluate
from numerics.functions.field import Field, FieldSlab

T, LENGTHS = series.leggauss(24)


def spectral(size: int, interval=(-1.0, 1.0)) -> Basis:
    return Basis("polynomial", np.array(interval), np.eye(size)[:, None, :], size)


def steps(breakpoints) -> Basis:
    cells = len(breakpoints) - 1
    return Basis("polynomial", np.asarray(breakpoints, dtype=float), np.eye(cells)[:, :, None], cells)


def hat(breakpoints) -> Basis:
    cells = len(breakpoints) - 1
    coefficients = np.zeros((cells + 1, cells, 2))
    for cell in range(cells):
        coefficients[cell, cell] = 0.5, -0.5
        coefficients[cell + 1, cell] = 0.5, 0.5
    return Basis("polynomial", np.asarray(breakpoints, dtype=float), coefficients, cells + 1)


def rule(pieces: Basis):
    a, b = pieces.breakpoints[:-1, None], pieces.breakpoints[1:, None]
    return (a + (b - a) * (T + 1) / 2).ravel(), ((b - a) / 2 * LENGTHS).ravel()


def product(pieces: Basis, table) -> np.ndarray:
    x, w = rule(pieces)
    return table(pieces, x).T @ (table(pieces, x) * w[:, None])


def slab(start: float, stop: float, bases, channels, generator) -> FieldSlab:
    return FieldSlab(
        start,
        stop,
        tuple(bases),
        tuple(product(b, evaluate) for b in bases),
        generator.standard_normal((*(b.size for b in bases), *channels)),
        tuple(None if b.coefficients.shape[2] == 1 and b.cells > 1 else product(b, derivative) for b in bases),
    )


def weight_field(seed: int = 0, channels=(1, 1)) -> Field:
    """Two slabs with different bases; the depth is linear in the first and piecewise constant in the second."""
    generator = np.random.default_rng(seed)
    first = [hat([-1, 0.3, 1]), spectral(4), hat([0, 0.5])]
    second = [spectral(5), hat([-1, -0.5, 0.1, 1]), steps([0.5, 0.8, 1.0])]
    return Field(
        "W",
        (slab(0.0, 0.5, first, channels, generator), slab(0.5, 1.0, second, channels, generator)),
        ("xi", "xi_", "delta"),
    )


def smooth_field(seed: int = 0, channels=(2, 3)) -> Field:
    generator = np.random.default_rng(seed)
    bases = [spectral(4), hat([-1, -0.2, 0.4, 1]), spectral(3, (0.0, 1.0))]
    return Field("W", (slab(0.0, 1.0, bases, channels, generator),), ("xi", "xi_", "delta"))


def value(field: Field, xi: float, xi_: float, delta: float) -> np.ndarray:
    """Σ_ijk w_ijk φ_i φ̃_j θ_k as three loops."""
    part = next(s for s in reversed(field.slabs) if s.start <= delta)
    rows = [evaluate(b, np.array([p]))[0] for b, p in zip(part.bases, (xi, xi_, delta))]
    total = np.zeros(part.channels)
    for i, p in enumerate(rows[0]):
        for j, q in enumerate(rows[1]):
            for k, r in enumerate(rows[2]):
                total += part.coefficients[i, j, k] * p * q * r
    return total


def plus(field: Field, factor: float, other: Field) -> Field:
    slabs = zip(field.slabs, other.slabs)
    sums = tuple(replace(s, coefficients=s.coefficients + factor * o.coefficients) for s, o in slabs)
    return Field(field.name, sums, field.axes)


COORDINATE = st.floats(-1, 1)


@given(xi=COORDINATE, xi_=COORDINATE, delta=st.floats(0, 1))
def test_a_field_is_a_function(xi: float, xi_: float, delta: float) -> None:
    single, several = weight_field(), weight_field(channels=(3, 2))
    found = single(xi, xi_, delta)
    assert np.ndim(found) == 0
    assert abs(found - value(single, xi, xi_, delta)[0, 0]) <= 1e-12
    assert several(xi, xi_, delta).shape == (3, 2)
    assert np.allclose(several(xi, xi_, delta), value(several, xi, xi_, delta), atol=1e-12, rtol=0)


def test_values_on_grids_and_along_lines_broadcast() -> None:
    field = weight_field(channels=(2, 1))
    xi, xi_, delta = np.linspace(-1, 1, 4), np.linspace(-0.9, 0.9, 3), np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    grid = field(*np.ix_(xi, xi_, delta))
    assert grid.shape == (4, 3, 5, 2, 1)
    for a, x in enumerate(xi):
        for b, y in enumerate(xi_):
            for c, d in enumerate(delta):
                assert np.allclose(grid[a, b, c], value(field, x, y, d), atol=1e-13, rtol=0)
    assert np.allclose(field(xi[:, None], xi_, 0.2), grid[:, :, 1], atol=1e-13)
    line = field(xi[:3], xi_, delta[:3])
    assert np.allclose(line, [grid[n, n, n] for n in range(3)], atol=1e-13)
    assert field(xi[:, None, None], 0.0, delta).shape == (4, 1, 5, 2, 1)
    assert field(np.empty(0), 0.0, 0.5).shape == (0, 2, 1)


def test_at_a_depth_where_slabs_meet_the_later_one_counts() -> None:
    field = weight_field()
    later = Field("W", field.slabs[1:], field.axes)
    assert field(0.2, 0.1, 0.5) == later(0.2, 0.1, 0.5)
    assert field(0.2, 0.1, np.nextafter(0.5, 0)) != later(0.2, 0.1, 0.5)


def test_fields_of_fewer_axes() -> None:
    generator = np.random.default_rng(1)
    bias = Field("b", (slab(0.0, 1.0, [spectral(4), steps([0, 0.5, 1])], (1,), generator),), ("xi", "delta"))
    expected = evaluate(spectral(4), np.array([0.3]))[0] @ bias.slabs[0].coefficients[:, 1, 0]
    assert abs(bias(0.3, 0.7) - expected) <= 1e-14
    readout = Field("R", (slab(0.0, 1.0, [hat([-1, 0, 1])], (3, 2), generator),), ("xi",))
    assert np.allclose(readout(np.array([0.0, 1.0])), readout.slabs[0].coefficients[1:], atol=1e-15)
    constant = Field("a", (FieldSlab(0.0, 1.0, (), (), np.array([1.0, -2.0])),), ())
    assert np.array_equal(constant(), [1, -2])
    assert constant.squared_norm() == constant.squared_norm("H1") == 5.0
    assert np.array_equal(constant.squared_norm_gradient("H1")[0], [2, -4])


# --- norms --------------------------------------------------------------------------------------------------


def square_integral(field: Field, tables) -> float:
    """Σ over the points of a tensor Gauss rule; tables: values or derivatives, one an axis."""
    total = 0.0
    for part in field.slabs:
        rules = [rule(b) for b in part.bases]
        factors = [table(b, x) for table, b, (x, _) in zip(tables, part.bases, rules)]
        values = np.einsum("pi,qj,rk,ijkab->pqrab", *factors, part.coefficients, optimize=True)
        total += float(np.einsum("pqrab,p,q,r->", values**2, *(w for _, w in rules), optimize=True))
    return total


def test_norms_are_integrals() -> None:
    for field in (weight_field(), smooth_field()):
        exact = square_integral(field, [evaluate] * 3)
        assert abs(field.squared_norm() - exact) <= 1e-12 * exact
        assert abs(field.norm() - np.sqrt(exact)) <= 1e-12
    field = smooth_field()
    exact += sum(square_integral(field, [derivative if a == axis else evaluate for a in range(3)]) for axis in range(3))
    assert abs(field.squared_norm("H1") - exact) <= 1e-12 * exact


def test_the_norm_of_a_known_function() -> None:
    """b(ξ) = ξ + 2 on one linear hat cell: ∫ b² = 2/3 + 8, ∫ b'² = 2; and by quad."""
    basis = hat([-1, 1])
    part = slab(0.0, 1.0, [basis], (1,), np.random.default_rng(0))
    field = Field("R", (replace(part, coefficients=np.array([[1.0], [3.0]])),), ("xi",))
    assert abs(field.squared_norm() - 26 / 3) <= 1e-14
    assert abs(field.squared_norm("H1") - 32 / 3) <= 1e-14
    assert abs(field.squared_norm() - quad(lambda x: float(field(x)) ** 2, -1, 1)[0]) <= 1e-12


@pytest.mark.parametrize("norm", ["L2", "H1"])
def test_the_gradient_of_a_norm_is_its_derivative(norm: str) -> None:
    field, direction = smooth_field(1), smooth_field(2)
    found = sum(float(np.sum(g * d.coefficients)) for g, d in zip(field.squared_norm_gradient(norm), direction.slabs))
    ahead, behind = (plus(field, t, direction).squared_norm(norm) for t in (1.0, -1.0))
    exact = (ahead - behind) / 2  # of a square, central differences are exact
    assert abs(found - exact) <= 1e-12 * abs(exact) + 1e-10


def test_inner_products() -> None:
    field, other = weight_field(1), weight_field(2)
    exact = (plus(field, 1.0, other).squared_norm() - field.squared_norm() - other.squared_norm()) / 2
    assert abs(field.inner(other) - exact) <= 1e-12 * field.norm() * other.norm()
    assert abs(field.inner(field) - field.squared_norm()) <= 1e-12 * field.squared_norm()


# --- metric -------------------------------------------------------------------------------------------------


def test_orthonormal_coordinates() -> None:
    part = smooth_field(3).slabs[0]
    z = part.orthonormal()
    assert abs(np.sum(z**2) - square_integral(Field("W", (part,), ("xi", "xi_", "delta")), [evaluate] * 3)) <= 1e-11
    back = part.from_orthonormal(z)
    assert np.allclose(back.coefficients, part.coefficients, atol=1e-12)
    assert back.factored[0][1] is part.factored[0][1]


def test_gradients_pull_back() -> None:
    """⟨dL/dz, dz⟩ = ⟨dL/dc, dc⟩ for dc that belongs to dz, and the Riesz gradient represents dL/dc in L2 (12)."""
    part, change = smooth_field(4).slabs[0], smooth_field(5).slabs[0]
    gradient = np.random.default_rng(6).standard_normal(part.coefficients.shape)
    directional = np.sum(gradient * change.coefficients)
    assert abs(np.sum(part.pull_back_orthonormal(gradient) * change.orthonormal()) - directional) <= 1e-11
    axes = ("xi", "xi_", "delta")
    riesz = Field("W", (replace(part, coefficients=part.riesz(gradient)),), axes)
    assert abs(riesz.inner(Field("W", (change,), axes)) - directional) <= 1e-11
    expected = np.einsum("il,jm,kn,lmnab->ijkab", *map(np.linalg.inv, part.grams), gradient, optimize=True)
    assert np.allclose(part.riesz(gradient), expected, atol=1e-10)


def test_coefficients_and_gradients_go_where_there_is_room_for_them() -> None:
    """L⁻ᵀ z and L⁻¹ g by dense inverses of whole tensors, into arrays of single precision that lie otherwise."""
    part = smooth_field(8).slabs[0]
    given = np.random.default_rng(9).standard_normal(part.coefficients.shape)
    inverses = [np.linalg.inv(np.linalg.cholesky(gram)) for gram in part.grams]
    for method, letters in ((part.at, "li,mj,nk"), (part.pull_back_orthonormal, "il,jm,kn")):
        expected = np.einsum(f"{letters},lmnab->ijkab", *inverses, given, optimize=True)
        room = np.empty(given.shape[::-1], np.float32).T
        assert method(given, out=room) is room
        np.testing.assert_allclose(method(given), expected, rtol=0, atol=1e-12 * np.abs(expected).max())
        np.testing.assert_allclose(room, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("norm", ["L2", "H1"])
def test_a_penalty_is_a_squared_norm_with_its_derivative(norm: str) -> None:
    part, other = smooth_field(10).slabs[0], smooth_field(11).slabs[0]
    c, way = other.coefficients, part.coefficients
    value, slope = part.penalty(norm, c)  # of the given coefficients, not of its own
    assert abs(value - other.squared_norm(norm)) <= 1e-12 * value
    ends = [part.penalty(norm, c + sign * way)[0] for sign in (1, -1)]
    assert abs(np.sum(slope * way) - (ends[0] - ends[1]) / 2) <= 1e-11 * value  # exact for squares


def test_factors_follow_their_gram_matrices() -> None:
    part = slab(0.0, 1.0, [spectral(3)], (1,), np.random.default_rng(7))
    other = replace(part, grams=(4 * part.grams[0],))
    assert np.allclose(other.orthonormal(), 2 * part.orthonormal())


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ((0.0, 0.0), "2 arguments for the field W"),
        ((1.5, 0.0, 0.0), "the coordinate 1.5"),
        ((0.0, -1.1, 0.0), "the coordinate -1.1"),
        ((0.0, 0.0, -0.1), "the coordinate -0.1"),
        ((0.0, 0.0, np.nan), "the coordinate nan"),
        ((np.zeros(2), np.zeros(3), 0.0), "shapes that broadcast"),
    ],
)
def test_bad_arguments_are_named(points, message: str) -> None:
    with pytest.raises(DataError) as caught:
        weight_field()(*points)
    assert message in str(caught.value)


def test_what_fields_refuse() -> None:
    field = weight_field()
    with pytest.raises(RepresentationError, match="along axis 3 of 3, whose basis has no derivative"):
        field.squared_norm("H1")
    with pytest.raises(DataError, match="norm 'H2'"):
        field.norm("H2")
    with pytest.raises(RepresentationError, match="fields in the same bases"):
        field.inner(smooth_field())
    basis = spectral(2)
    with pytest.raises(RepresentationError, match="not positive definite"):
        FieldSlab(0.0, 1.0, (basis,), (np.ones((2, 2)),), np.zeros((2, 1)))


def test_the_repr_says_the_sizes() -> None:
    assert repr(weight_field(channels=(2, 2))) == "Field('W', axes=(xi, xi_, delta), coefficients 3×4×2×2×2, 5×4×2×2×2)"
