"""The value of a discrete network, and its making from weights and biases: what is none is refused by its layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from derive.errors import DataError, advice
from numerics.checks import numbers

Array = np.ndarray
KINDS = ("mlp", "residual")
LASTS = ("affine", "activation")
ENDS = ("zeros", "circular")


@dataclass(frozen=True, eq=False)
class Layers:
    """A discrete network: h ← f(W h + b) for kind "mlp", h ← h + f(W h + b) for "residual", layer after layer.

    weights: (out × in) each; biases: (out,) each; last: "affine" if the last layer has no activation (and, in a
    residual network, no h of its own), else "activation".

    Convolutions, u_i = Σ_m w_m h_{i + m − (K − 1)/2}, have weights (out × in × K), K odd, channels in place of neurons,
    and an affine last layer (out × in) acts on the mean over the samples. ends: what lies beyond the samples, "zeros"
    or "circular"; length: how many samples a signal has; both None where layers are matrices.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    activation: str
    kind: str = "mlp"
    last: str = "affine"
    ends: str | None = None
    length: int | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of inputs, then of every layer's outputs."""
        return (self.weights[0].shape[1], *(len(w) for w in self.weights))

    @property
    def inner(self) -> int:
        """How many layers have an activation."""
        return len(self.weights) - (self.last == "affine")


def check_convolutions(network: Layers) -> None:
    """Raise DataError for a network of convolutions that is no continuum."""
    sizes = [w.shape[2] for w in network.weights[: network.inner]]
    length = network.length
    if network.ends not in ENDS:
        raise DataError(f"ends {network.ends!r} of convolutions", " or ".join(ENDS), "it was left out",
                        'write ends = "zeros"')  # fmt: skip
    if not isinstance(length, int) or isinstance(length, bool) or length < 1:
        raise DataError(f"length {length!r} of convolutions", "how many samples a signal has", "it was left out",
                        "write length = 128")  # fmt: skip
    if any(k % 2 == 0 for k in sizes):
        raise DataError(f"stencils of {sizes} weights", "odd numbers", "a stencil without a middle",
                        "pad the stencil by one zero")  # fmt: skip
    if max(sizes, default=0) > length * (2 - (network.ends == "circular")):
        raise DataError(f"stencils of {sizes} weights on {length} samples", "stencils no longer than the signal",
                        "a length that is too small", "give the length of the signals")  # fmt: skip


def _held(given: Any) -> Any:
    """What a tensor of PyTorch holds, without what led to it."""
    return given.detach().cpu() if hasattr(given, "detach") else given


def layers(
    weights: Sequence[Any],
    biases: Sequence[Any],
    activation: str,
    kind: str = "mlp",
    last: str = "affine",
    ends: str | None = None,
    length: int | None = None,
) -> Layers:
    """A discrete network from its weights and biases, see ``Layers``. Raises DataError naming the layer."""
    for value, allowed, name in ((kind, KINDS, "kind"), (last, LASTS, "last")):
        if value not in allowed:
            raise DataError(f"{name} {value!r}", ", ".join(allowed), *advice(value, allowed))
    if hasattr(weights, "state_dict") or isinstance(weights, Mapping):
        raise DataError(
            f"a {type(weights).__name__} in place of weights", "weight matrices and biases, in two lists",
            "a network of PyTorch, or its state dict", "give it to from_torch",
        )  # fmt: skip
    counts = [len(a) if isinstance(a, Sequence) and not isinstance(a, str) else 0 for a in (weights, biases)]
    if counts[0] != counts[1] or not counts[0]:
        raise DataError(
            f"{counts[0]} weight matrices and {counts[1]} biases", "as many of both, one at least, in two lists",
            "an array left out", "give a bias for every layer, zeros if it has none",
        )  # fmt: skip
    named = ("W", weights), ("b", biases)
    found = tuple([numbers(_held(a), f"{letter}{k}") for k, a in enumerate(arrays)] for letter, arrays in named)
    for k, (w, b) in enumerate(zip(*found)):
        before = len(found[1][k - 1]) if k else w.shape[1] if w.ndim > 1 else 0
        stencil = length is not None and not (k == counts[0] - 1 and last == "affine")
        if w.ndim != 2 + stencil or b.shape != w.shape[:1] or w.shape[1] != before or not w.size:
            raise DataError(
                f"layer {k}: weights {w.shape}, bias {b.shape}, {before} numbers arriving",
                f"W (out × in{' × K' if stencil else ''}), b (out,)",
                "a transposed matrix, a layer left out, or convolutions without their length",
                f"give W{k} as outputs × inputs{' × K' if stencil else ''}",
            )  # fmt: skip
        if not (np.isfinite(w).all() and np.isfinite(b).all()):
            raise DataError(f"layer {k} with values that are not finite", "finite numbers", "a diverged training",
                          "train the network again")  # fmt: skip
    network = Layers(tuple(found[0]), tuple(found[1]), activation, kind, last, ends, length)
    if length is not None or ends is not None:
        check_convolutions(network)
    if network.inner == 0:
        raise DataError("a single affine layer", "a layer with an activation", "a linear model",
                      'use last = "activation", or add a layer')  # fmt: skip
    inner = set(network.widths[: network.inner + 1])
    if kind == "residual" and len(inner) > 1:
        raise DataError(
            f"a residual network of widths {network.widths}", "equal widths of all layers but an affine last",
            "h + f(W h + b) needs both of one size", 'use kind = "mlp"',
        )  # fmt: skip
    return network
