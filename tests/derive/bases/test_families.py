"""What each family promises beside the contract of all: spaces, orthogonality, nodes, vanishing moments."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
from numpy.polynomial import chebyshev, legendre

from derive.declaration import load_spec
from derive.spaces import transfer
from derive.spaces.products import evaluate, gram
from derive.spaces.rules import gauss_rule
from derive.spaces.run_time import arrays
from numerics import Continuum
from numerics.functions.basis import Basis
from numerics.functions.basis import evaluate as values
from tests.oracles.bases import declare, make

UNEVEN = (F(-1), F(-1, 3), F(1, 2), F(1))


def same_space(first, second) -> bool:
    return first.size == second.size and transfer.contains(first, second) and transfer.contains(second, first)


@pytest.mark.parametrize("degree", [1, 2, 4])
def test_families_that_span_one_space(degree: int) -> None:
    cells = {"breakpoints": UNEVEN, "degree": degree}
    discontinuous = [make("discontinuous", **cells), make("gauss-legendre", **cells)]
    continuous = [make(name, **cells) for name in ("lagrange", "gauss-lobatto", "hierarchical")]
    assert same_space(*discontinuous)
    assert all(same_space(continuous[0], other) for other in continuous[1:])
    assert transfer.contains(discontinuous[0], continuous[0])
    assert same_space(make("chebyshev", size=degree + 3), make("legendre", size=degree + 3))
    assert same_space(make("multiwavelet", cells=4, degree=degree), make("discontinuous", cells=4, degree=degree))
    assert same_space(make("hat", breakpoints=UNEVEN), make("lagrange", breakpoints=UNEVEN, degree=1))
    assert same_space(make("p0", cells=8), make("multiwavelet", size=8))


def test_chebyshev_against_numpy() -> None:
    x = np.linspace(-1, 1, 201)
    found = values(Basis.from_arrays(arrays(make("chebyshev", size=40))), x)
    assert np.max(np.abs(found - chebyshev.chebvander(x, 39))) <= 1e-12


@pytest.mark.parametrize("size", [1, 2, 5, 30])
def test_gauss_nodes_against_numpy(size: int) -> None:
    basis = make("gauss-legendre", size=size)
    x, w = legendre.leggauss(size)
    assert np.max(np.abs(basis.nodes.points.to_float().ravel() - x)) <= 1e-15
    assert np.max(np.abs(basis.nodes.weights.to_float().ravel() - w)) <= 1e-14
    assert evaluate(basis, basis.nodes).is_identity()
    assert gram(basis, basis).is_diagonal()


@pytest.mark.parametrize("size", [2, 3, 6, 25])
def test_lobatto_nodes_are_extrema_of_legendre(size: int) -> None:
    """Nodes: ±1 and the roots of P′_{n−1}; weights integrate to degree 2n − 3 and no further."""
    basis = make("gauss-lobatto", size=size)
    x, w = (a.to_float().ravel() for a in (basis.nodes.points, basis.nodes.weights))
    slope = legendre.Legendre.basis(size - 1).deriv()
    assert x[0] == -1 and x[-1] == 1 and np.max(np.abs(slope(x[1:-1])), initial=0) <= 1e-10 * size**2
    for power in range(2 * size - 2):
        assert abs(w @ x**power - (2 / (power + 1) if power % 2 == 0 else 0)) <= 1e-14
    assert abs(w @ x ** (2 * size - 2) - 2 / (2 * size - 1)) > 1e-14 or size > 12
    assert evaluate(basis, basis.nodes).is_identity()


@pytest.mark.parametrize("family", ["gauss-legendre", "gauss-lobatto"])
@pytest.mark.parametrize("cells", [1, 3])
def test_a_nodal_state_has_identity_tables_and_its_own_mass(family: str, cells: int) -> None:
    """X = A = I is found by the derivation; at Lobatto points M_h is lumped and not M."""
    width = {"family": "legendre", "size": 4}
    once = {"family": "p0", "cells": 1}
    spec = {
        "name": "nodal",
        "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
        "state": {"basis": {"family": family, "degree": 4, "cells": cells}},
        "weight": {"width_out": width, "width_in": width, "depth": once},
        "bias": {"width": width, "depth": once},
        "integration": {"tableau": "heun", "steps": 2},
        "loss": {"kind": "l2"},
    }
    slab = Continuum.from_spec(load_spec(spec)).representation.slabs[0]
    assert slab.structures["X"] == slab.structures["A"] == "identity"
    lumped, mass = slab.tables["M_h"], slab.tables["M"]
    assert np.array_equal(lumped, np.diag(np.diag(lumped)))
    assert (np.abs(lumped - mass).max() > 1e-3) == (family == "gauss-lobatto")


@pytest.mark.parametrize("degree", [0, 1, 3])
@pytest.mark.parametrize("cells", [{"cells": 8}, {"breakpoints": (F(-1), F(-1, 5), F(0), F(2, 3), F(1))}])
def test_multiwavelets_are_orthogonal_with_vanishing_moments(degree: int, cells: dict) -> None:
    basis = make("multiwavelet", degree=degree, **cells)
    assert gram(basis, basis).is_diagonal()
    polynomials = make("legendre", size=2 * degree + 2)
    moments = gram(basis, polynomials).nonzero()
    for first in range(degree + 1, basis.size, degree + 1):
        for n in range(degree + 1):  # the n-th wavelet of a cell is orthogonal to p + 1 + n powers
            assert not moments[first + n, : degree + 1 + n].any()


def test_haar() -> None:
    found = values(Basis.from_arrays(arrays(make("multiwavelet", size=4))), np.array([-0.75, -0.25, 0.25, 0.75])).T
    assert np.array_equal(found[0], np.ones(4))
    assert np.array_equal(np.sign(found[1:]), [[-1, -1, 1, 1], [-1, 1, 0, 0], [0, 0, -1, 1]])


def test_raising_the_degree_of_a_hierarchical_basis_only_adds_functions() -> None:
    x = np.linspace(-1, 1, 50)
    low, high = (
        values(Basis.from_arrays(arrays(make("hierarchical", breakpoints=UNEVEN, degree=p))), x) for p in (3, 5)
    )
    assert np.max(np.abs(low - high[:, : low.shape[1]])) <= 1e-14


def test_combinations_of_closed_forms() -> None:
    """Parts of both kinds in one cell: −2 exp ξ + 3 ξ + ½ |ξ| at points, to the last digits."""
    of = declare("custom", functions=("exp(xi)", "xi", "abs(xi)"), breakpoints=(F(-1), F(0), F(1)))
    basis = make("combination", of=of, rows=((F(-2), F(3), F(1, 2)), (F(0), F(1), F(-1))))
    rule = gauss_rule(basis.breakpoints, 5)
    x = rule.points.to_float().ravel()
    expected = np.stack([-2 * np.exp(x) + 3 * x + np.abs(x) / 2, x - np.abs(x)], axis=1)
    assert np.max(np.abs(evaluate(basis, rule).to_float() - expected)) <= 1e-15


@pytest.mark.parametrize("count", [2, 3, 5])
def test_lobatto_rules_of_several_cells_add_up_at_shared_points(count: int) -> None:
    """Exact to degree 2n − 3 for functions that are smooth on every cell and continuous between them."""
    from derive.spaces.rules import lobatto_rule

    cuts = [-1.0, -0.5, 0.25, 1.0]
    rule = lobatto_rule([F(c) for c in cuts], count)
    x, w = rule.points.to_float().ravel(), rule.weights.to_float().ravel()
    assert len(x) == 3 * (count - 1) + 1 and np.all(np.diff(x) > 0)
    for power in range(1, 2 * count - 2):
        for kink in cuts[1:-1]:
            integral = ((1 - kink) ** (power + 1) + (1 + kink) ** (power + 1)) / (power + 1)
            assert abs(w @ np.abs(x - kink) ** power - integral) <= 1e-14
    assert abs(w.sum() - 2) <= 1e-15
