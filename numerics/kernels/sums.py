"""What a gradient on a GPU leaves there, in one allocation, so that one launch sums it and one copy takes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from numerics.kernels.cuda_slab import CudaSlab
from numerics.kernels.launch import cut, layout, to_host
from numerics.kernels.operators import AS_THEY_ARE, Weights


@dataclass(frozen=True, eq=False)
class Sums:
    """What a gradient leaves on the device, in one allocation: what the blocks add to, sums, losses.

    shapes: of the arrays by name, in order. "k/w" and the like are the gradients of slab k's coefficients, "k/bar_…"
    of its operators, "operator" and "constant" of the readout; "blocks …" the parts that blocks have found of these.
    of_states: dL/dstates, launch by launch, where they are wanted. blocks: how many of them there are.
    """

    flat: Any
    shapes: Mapping[str, tuple[int, ...]]
    of_states: list[Any]
    blocks: int

    @classmethod
    def empty(
        cls, slabs: Sequence[CudaSlab], weights: Sequence[Weights], readout: Mapping[str, Any], records: int,
        blocks: int,
    ) -> Sums:  # fmt: skip
        """Zeros in place of those of so many records. readout: of which there are gradients."""
        shapes = sum_shapes(slabs, weights, readout, records, blocks)
        return cls(slabs[-1].zeros(layout(shapes)[1]), shapes, [], blocks)

    @cached_property
    def arrays(self) -> dict[str, Any]:
        """All of them."""
        return cut(self.flat, self.shapes)

    def of_slab(self, k: int, before: str = "") -> dict[str, Any]:
        """The gradients of a slab's operators, or of each block."""
        prefix = f"{before}{k}/"
        return {n.removeprefix(prefix): a for n, a in self.arrays.items() if n.startswith(f"{prefix}bar_")}

    @property
    def segments(self) -> np.ndarray:
        """(from, how many, to) of every array that the blocks have added to."""
        places, _ = layout(self.shapes)
        names = [name.removeprefix("blocks ") for name in places if name.startswith("blocks ")]
        rows = [(places[f"blocks {n}"].start, math.prod(self.shapes[n]), places[n].start) for n in names]
        return np.array(rows, np.int64)

    def to_host(self, operators: bool) -> dict[str, np.ndarray]:
        """Sums and losses, by one copy. operators: those of operators, too."""
        names = [name for name in self.shapes if not name.startswith("blocks ")]
        names = names if operators else names[: names.index("losses") + 1]
        shapes = {name: self.shapes[name] for name in names}
        places, _ = layout(self.shapes)
        return cut(to_host(self.flat[places[names[0]].start : places[names[-1]].stop]), shapes)


def sum_shapes(
    slabs: Sequence[CudaSlab], weights: Sequence[Weights], readout: Mapping[str, Any], records: int, blocks: int
) -> dict[str, tuple[int, ...]]:
    """See ``Sums.shapes``; the slabs need not be formed."""
    operators: dict[str, tuple[int, ...]] = {}
    found, rest = operators.copy(), {name: tuple(a.shape) for name, a in readout.items()}
    for k, (slab, own) in enumerate(zip(slabs, weights)):
        operators |= {f"{k}/bar_{name}": shape for name, shape in slab.operator_shapes.items()}
        for name, a in own.arrays.items():
            as_it_is = name in AS_THEY_ARE
            (rest if as_it_is else found)[f"{k}/bar_{name}" if as_it_is else f"{k}/{name}"] = tuple(a.shape)
    of_blocks = {f"blocks {name}": (blocks, *shape) for name, shape in {**operators, **rest}.items()}
    return {**of_blocks, **found, **rest, "losses": (records,), **operators}
