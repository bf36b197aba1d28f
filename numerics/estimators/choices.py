"""A declaration from a few plain choices, for those who would rather not write one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral, Rational
from typing import Any

import numpy as np

from derive.errors import SpecError

WIDTH, CELLS, CHANNELS = 40, 32, 16  # of a state; of a convolution's state, and how many channels that has
MAPS = 4  # channels between functions
STATE, WEIGHT = 160, 64  # numbers of a state with its channels, and of one side of W, at most
GRADES = (Fraction(1), Fraction(1, 4), Fraction(1, 16))  # breakpoints of κ, parts of its reach: finer in the middle
SHARPNESS = 4  # β of the smooth maxima beside a convolution's means


@dataclass(frozen=True)
class Choices:
    """What an estimator's parameters say of its model.

    width: functions of the state, None for as many as the records' points bear. depth: steps. channels: of the state,
    None for those of the records, or 16 of a convolution and 4 between functions. reach: of a convolution, where the
    domain has the length 2; None for a W between any two points. penalty: of the squared norms of W and of the readout.
    """

    width: int | None = None
    depth: int = 4
    channels: int | None = None
    reach: Any = None
    periodic: bool = False
    penalty: float = 1 / 100

    def declare(
        self, inputs: int, points: int, readout: Mapping[str, Any], loss: str, given: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The declaration of a model of records with so many channels and points.

        readout: its table, with a basis of any kind where the outputs are numbers; given: the table [input].
        Raises SpecError for choices that do not make one.
        """
        for name in ("width", "depth", "channels"):
            if getattr(self, name) is not None or name == "depth":
                whole(name, getattr(self, name))
        numbers, channels = "basis" in readout, self._channels(inputs, "basis" in readout)
        body = self._dense(points, channels) if self.reach is None else self._convolution()
        if numbers:
            readout = {**readout, **body.pop("readout")}
        body.pop("readout", None)
        lift = {} if channels == inputs and numbers and self.reach is None else {"lift": {"inputs": inputs}}
        penalty = {name: str(_fraction("penalty", self.penalty)) for name in ("W", "R")[: 1 + numbers]}
        equation = {"activation": "gelu", "spacing": "1/4", "channels": channels, "periodic": self.periodic}
        return {
            "name": "estimator", "input": dict(given), **lift, **body,
            "equation": {**equation, **body["equation"]}, "readout": dict(readout),
            "loss": {"kind": loss, "penalty": penalty if self.penalty else {}},
        }  # fmt: skip

    def _channels(self, inputs: int, numbers: bool) -> int:
        if self.channels is not None:
            return int(self.channels)
        return CHANNELS if self.reach is not None else inputs if numbers else MAPS

    def _dense(self, points: int, channels: int) -> dict[str, Any]:
        """W between any two points, of half as many functions as the state."""
        size = int(self.width or 0) or max(4, min(WIDTH, points, STATE // channels))
        sizes = size, max(3, min((size + 1) // 2, WEIGHT // channels))
        family = "fourier" if self.periodic else "legendre"
        state, half = ({"family": family, "size": n | self.periodic} for n in sizes)
        depth = {"family": "p0", "cells": max(1, int(self.depth) // 2)}
        return {
            "equation": {"rate": "residual"},
            "state": {"basis": state},
            "weight": {"width_out": half, "width_in": half, "depth": depth},
            "bias": {"width": half, "depth": depth},
            "integration": {"tableau": "heun", "steps": 2 * max(1, int(self.depth) // 2)},
            "readout": {"basis": half},
        }

    def _convolution(self) -> dict[str, Any]:
        """κ(ξ − ξ′) on hats, a step a cell of depth; means and smooth maxima of the channels are read out."""
        cells, reach = int(self.width or CELLS), _fraction("reach", self.reach)
        ends = sorted({Fraction(0), *(sign * part * reach for part in GRADES for sign in (-1, 1))})
        state = {"family": "hat", "cells": cells}
        one, depth = {"family": "p0", "cells": 1}, {"family": "p0", "cells": int(self.depth)}
        return {
            "equation": {"rate": "residual", "reach": str(reach)},
            "state": {"basis": state},
            "weight": {"kernel": {"family": "hat", "breakpoints": [str(end) for end in ends]}, "depth": depth},
            "bias": {"width": one, "depth": depth},
            "integration": {"tableau": "euler", "steps": int(self.depth)},
            "readout": {"basis": one, "maximum": str(SHARPNESS)},
        }


def whole(name: str, value: Any) -> int:
    """A whole number from 1, of any type. Raises SpecError for others."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise SpecError(f"{name} = {value!r}", "a whole number from 1", "a sign, or a text", f"{name} = 4")
    return int(value)


def ends(domain: Any) -> list[str]:
    """Where a domain begins and ends. Raises SpecError for what are no two numbers."""
    if not isinstance(domain, list | tuple | np.ndarray) or len(domain) != 2:
        raise SpecError(
            f"domain = {domain!r}", "where it begins and ends, in the units of t", "its length in place of both",
            "domain = (0, 10)",
        )  # fmt: skip
    return [str(_fraction("domain", end)) for end in domain]


def _fraction(name: str, number: Any) -> Fraction:
    """A number as it is written. Raises SpecError for what is none."""
    try:
        return Fraction(number if isinstance(number, str | Rational) else repr(float(number)))
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        raise SpecError(f"{name} = {number!r}", "a number", "a text, or a missing value", f"{name} = 0.25") from None
