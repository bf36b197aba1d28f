"""Real Fourier functions 1, cos(2πkτ), sin(2πkτ) with τ = (ξ − middle)/length; on [-1, 1]: cos(kπξ), sin(kπξ)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from derive.exact.series import Interval
from derive.spaces.basis import Basis
from derive.spaces.sizes import count

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "1, cos, sin of the periodic interval; an odd number of functions"
PARAMETERS = ("size",)
RICHER = ("size",)


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = 2K + 1 for the highest frequency K."""
    size = count(given, "size")
    if size % 2 == 0:
        raise ValueError(f"size = {size}: an odd number is needed, every frequency has a cosine and a sine")
    return {"size": size, "cells": 1, "degree": None, "breakpoints": None, "functions": ()}


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """The functions in the order 1, cos 1, sin 1, cos 2, sin 2, …"""
    import sympy as sp

    from derive.exact.enclosure import XI

    start, stop = interval
    turns = 2 * sp.pi * (XI - sp.Rational((start + stop) / 2)) / sp.Rational(stop - start)
    expressions = [sp.S.One]
    for k in range(1, spec.size // 2 + 1):
        expressions += [sp.cos(k * turns), sp.sin(k * turns)]
    return Basis("fourier", interval, interval, tuple({0: e} for e in expressions), period=stop - start)
