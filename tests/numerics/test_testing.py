"""The public strategies draw what they promise, and all of it."""

from __future__ import annotations

from hypothesis import find

from numerics.testing import bases, declarations


def jumps(declared: dict) -> bool:
    return declared["family"] == "p0" and declared.get("cells", declared.get("size")) > 1


def test_bases_jump_unless_continuous_ones_are_asked_for() -> None:
    assert jumps(find(bases(), jumps))
    assert not any(map(jumps, declarations("p0", continuous=True)))


def test_a_fourier_basis_needs_a_circle() -> None:
    assert declarations("fourier") == ()
    assert find(bases(["fourier"], periodic=True), lambda declared: declared["size"] > 1)["family"] == "fourier"
