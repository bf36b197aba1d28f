"""What a loss compares: the facts beside its formula that others ask for, told by its file in ``derive.losses``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from derive import registry


@dataclass(frozen=True)
class Comparison:
    """on: "outputs", "function", or both.

    targets: what they are; "numbers", "classes", "probabilities", or numbers that are "not zero" all together.
    distance: the norm whose square the loss is on a function, "L2" or "H1". What no coefficient reaches adds to such a
    loss, it may have a weight in L2, and its root is an error in the data's own units. None for other losses.
    """

    on: tuple[str, ...] = ("outputs",)
    targets: str = "numbers"
    distance: str | None = None

    @property
    def scores(self) -> bool:
        """Whether outputs are logarithms of the probabilities of classes, up to a constant."""
        return self.targets in ("classes", "probabilities")


@cache
def comparison(loss: str) -> Comparison:
    """Of a loss by its name; one's own expression compares numbers."""
    if loss not in registry.names("losses"):
        return Comparison()
    entry = registry.entry("losses", loss)
    return Comparison(tuple(entry.ON), getattr(entry, "TARGETS", "numbers"), getattr(entry, "DISTANCE", None))
