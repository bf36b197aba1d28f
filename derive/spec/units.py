"""What the numbers of records mean: where their points lie, and in what units values are worked on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

SCALES = ("none", "standard", "robust")
MISSING = ("refused", "unsampled")


@dataclass(frozen=True)
class UnitsSpec:
    """As declared in [input] and [readout].

    domain: the ends of the domain in the units of the records' points, a pair an axis, which ξ = −1 and 1 stand for;
    None where training finds them in the points. names: what these units are called, one an axis; () without.
    scale, outputs: how samples, and targets, are scaled to what is computed with: by mean and standard deviation
    ("standard"), by median and quartiles ("robust"), or not ("none"). missing: what NaN in a sample is.
    """

    domain: tuple[tuple[Fraction, Fraction], ...] | None = None
    names: tuple[str, ...] = ()
    scale: str = "none"
    outputs: str = "none"
    missing: str = "refused"


PLAIN = UnitsSpec()  # points are ξ, and values are taken as they are
