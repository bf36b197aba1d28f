"""Chebyshev polynomials T₀ … T_{n−1} of the interval's coordinate t in [-1, 1]. Not orthogonal in L2."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from derive.bases.legendre import resolve
from derive.exact.series import Interval, times_t, trimmed
from derive.spaces.basis import Basis

if TYPE_CHECKING:
    from derive.spec import BasisSpec

__all__ = ["PARAMETERS", "RICHER", "SUMMARY", "build", "resolve"]

SUMMARY = "Chebyshev polynomials on the whole interval; the space of Legendre, other coefficients"
PARAMETERS = ("size", "degree")
RICHER = ("size",)


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """T_{n+1} = 2 t T_n − T_{n−1}, in Legendre coefficients throughout."""
    series: list[list[Fraction]] = [[Fraction(1)], [Fraction(0), Fraction(1)]]
    while len(series) < spec.size:
        following = [2 * value for value in times_t(series[-1])]
        for k, value in enumerate(series[-2]):
            following[k] -= value
        series.append(following)
    functions: list[Mapping[int, Any]] = [{0: trimmed(s)} for s in series[: spec.size]]
    return Basis("chebyshev", interval, interval, tuple(functions))
