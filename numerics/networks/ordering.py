"""An order for neurons that carry none: permutations of hidden layers that make the weights a smooth field.

Permuting a hidden layer's neurons permutes the rows of one matrix, the bias with it, and the columns of the next one:
the function stays, the field W(ξ, ξ′) changes. Its total variation is a sum over layers of path lengths through the
neurons, so that every layer is a shortest-path problem of its own (seriation): started from the Fiedler vector of the
neurons' similarity (Atkins, Boman and Hendrickson 1998), improved by 2-opt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.polynomial import legendre
from scipy.fft import dctn
from scipy.linalg import eigh
from scipy.spatial.distance import cdist

from derive.errors import DataError
from numerics.checks import instance
from numerics.networks.layers import Layers

Array = np.ndarray

SHARE = 0.01  # relative L2 error at which coefficients are counted


@dataclass(frozen=True)
class Gain:
    """What an order gains. variation: the fields' total variation before and after, summed over layers.

    needed: for every layer and family, how many coefficients represent W to 1 % in L2, before and after; no more
    than the network's own n × n′.
    """

    variation: tuple[float, float]
    needed: tuple[dict[str, tuple[int, int]], ...]
    sizes: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        before, after = self.variation
        lines = [f"total variation {before:.4g} → {after:.4g}"]
        for k, (families, (rows, columns)) in enumerate(zip(self.needed, self.sizes)):
            parts = [f"{name} {old:,} → {new:,}" for name, (old, new) in families.items()]
            lines.append(f"  W{k}: of {rows * columns:,} numbers, for 1 % error: {', '.join(parts)}")
        return "\n".join(lines)


def order(network: Layers) -> tuple[Layers, Gain]:
    """The network with its hidden neurons in a smooth order, and the gain.

    Raises DataError for residual networks and for convolutions.
    """
    instance(network, Layers, "make them with numerics.networks.layers.layers")
    _check_matrices(network)
    if network.kind == "residual":
        raise DataError(
            "an order for a residual network", "networks of kind mlp",
            "its layers share one order, which is that of the inputs, and these are not permuted",
            "import it without an order",
        )  # fmt: skip
    found = network
    for layer in range(len(network.weights) - 1):
        found = permuted(found, layer, shortest_path(distances(found, layer)))
    pairs = list(zip(network.weights, found.weights))
    counts = [
        {name: (needed(curve(old), old.size), needed(curve(new), new.size)) for name, curve in FAMILIES.items()}
        for old, new in pairs
    ]
    return found, Gain((variation(network), variation(found)), tuple(counts), tuple(w.shape for w in network.weights))


def _check_matrices(network: Layers) -> None:
    if network.length is not None:
        raise DataError(
            "an order for a network of convolutions", "networks whose layers are matrices",
            "ξ is the place of a sample, which has its order; channels are numbered, and no field varies along them",
            "import it without an order",
        )  # fmt: skip


def permuted(network: Layers, layer: int, permutation: Array) -> Layers:
    """The same function with the neurons of a hidden layer in another order.

    Raises DataError for what is no order, and for convolutions.
    """
    _check_matrices(network)
    n = len(_hidden(network, layer)[0])
    order = np.asarray(permutation)
    if order.shape != (n,) or order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(n)):
        raise DataError(
            f"an order of shape {order.shape}", f"each of 0 … {n - 1} once", "a neuron left out, or another layer's",
            "give a permutation",
        )  # fmt: skip
    weights, biases = list(network.weights), list(network.biases)
    weights[layer] = weights[layer][permutation]
    biases[layer] = biases[layer][permutation]
    weights[layer + 1] = weights[layer + 1][:, permutation]
    return replace(network, weights=tuple(weights), biases=tuple(biases))


def distances(network: Layers, layer: int) -> Array:
    """(n, n): what two neurons of a layer add to the total variation as neighbours. Raises DataError."""
    _check_matrices(network)
    incoming, outgoing = _hidden(network, layer)
    n = len(incoming)
    # W = (n′/2) w on cells of lengths 2/n and 2/n′: neighbouring rows count Σ |Δw|, columns of the next w n/n″ times it
    features = np.hstack([incoming, network.biases[layer][:, None], outgoing.T * (n / len(outgoing))])
    found: Array = cdist(features, features, "cityblock")
    return found


def _hidden(network: Layers, layer: int) -> tuple[Array, Array]:
    """The matrices before and behind a hidden layer. Raises DataError for a layer that is none."""
    count = len(network.weights) - 1
    if not isinstance(layer, int | np.integer) or not 0 <= layer < count:
        raise DataError(f"hidden layer {layer!r}", f"0 … {count - 1}", "the last layer, or a name", "give its number")
    return network.weights[layer], network.weights[layer + 1]


def variation(network: Layers) -> float:
    """Σ over hidden layers of the total variation of W along ξ, of b, and of the next W along ξ′."""
    return float(sum(np.trace(distances(network, layer), offset=1) for layer in range(len(network.weights) - 1)))


def shortest_path(lengths: Array) -> Array:
    """An order (n,) of the points with a short path: the best of the given and the spectral one, after 2-opt."""
    n = len(lengths)
    if n < 3:
        return np.arange(n)
    starts = [np.arange(n), fiedler(lengths)]
    improve = _two_opt()
    paths = [improve(np.ascontiguousarray(lengths), start.astype(np.int64)) for start in starts]
    return min(paths, key=lambda path: float(lengths[path[:-1], path[1:]].sum()))


def fiedler(lengths: Array) -> Array:
    """The order of the second eigenvector of the Laplacian of exp(−d/median d)."""
    typical = np.median(lengths[lengths > 0]) if (lengths > 0).any() else 1.0
    similarity = np.exp(-lengths / typical)
    laplacian = np.diag(similarity.sum(axis=1)) - similarity
    vector = eigh(laplacian, subset_by_index=[1, 1])[1][:, 0]
    return np.argsort(vector, kind="stable")


@cache
def _two_opt() -> Any:
    from numerics.kernels.cache import jit

    return jit(_reversals)


def _reversals(lengths: Array, path: Array) -> Array:
    """Reverse parts of an open path as long as one of them shortens it."""
    n = len(path)
    improved = True
    while improved:
        improved = False
        for i in range(n - 1):
            for j in range(i + 1, n):
                # the part i … j turned round: the edges at its two ends change
                gain = 0.0
                if i > 0:
                    gain += lengths[path[i - 1], path[i]] - lengths[path[i - 1], path[j]]
                if j < n - 1:
                    gain += lengths[path[j], path[j + 1]] - lengths[path[i], path[j + 1]]
                if gain > 1e-12:
                    path[i : j + 1] = path[i : j + 1][::-1].copy()
                    improved = True
    return path


# --- how many coefficients a field needs --------------------------------------------------------------------

Curve = tuple[Array, Array]  # numbers of coefficients, increasing, and the least relative L2 errors with them


def leading_legendre(w: Array) -> Curve:
    """With P_0 … P_{m−1} and P_0 … P_{m′−1}, m m′ of them, as averages on cells."""
    coefficients = _legendre_averages(len(w)).T @ w @ _legendre_averages(w.shape[1])
    kept = np.cumsum(np.cumsum(coefficients**2, axis=0), axis=1)
    sizes = np.outer(np.arange(1, len(w) + 1), np.arange(1, w.shape[1] + 1))
    order = np.argsort(sizes, axis=None, kind="stable")
    counts, left = sizes.ravel()[order], np.minimum.accumulate((np.sum(w**2) - kept).ravel()[order])
    last = np.append(np.diff(counts) > 0, True)  # of the shapes with equally many
    return counts[last], _relative(left[last], w)


def largest_cosines(w: Array) -> Curve:
    """With the largest of the discrete cosine coefficients."""
    squares = np.sort(dctn(w, norm="ortho").ravel() ** 2)[::-1]
    return np.arange(1, w.size + 1), _relative(_tails(squares), w)


def adapted(w: Array) -> Curve:
    """With the first r singular vectors on either side, r (n + n′) numbers."""
    squares = np.linalg.svd(w, compute_uv=False) ** 2
    return np.arange(1, len(squares) + 1) * sum(w.shape), _relative(_tails(squares), w)


FAMILIES = {"legendre": leading_legendre, "largest cosines": largest_cosines, "adapted (SVD)": adapted}


def needed(curve: Curve, most: int, share: float = SHARE) -> int:
    """How many coefficients leave at most this share of a field; no more than the ``most`` that it has itself."""
    counts, errors = curve
    enough = counts[errors <= share]
    return int(min(enough[0], most)) if len(enough) else most


def _tails(squares: Array) -> Array:
    """What the first 1, 2, 3 … leave."""
    return np.append(np.cumsum(squares[::-1])[::-1][1:], 0.0)


def _relative(squares: Array, w: Array) -> Array:
    return np.asarray(np.sqrt(np.maximum(squares, 0) / (np.sum(w**2) or 1.0)))


def _legendre_averages(n: int) -> Array:
    """(n, n) orthonormal columns: the first m span the averages of P_0 … P_{m−1} on n cells."""
    ends = legendre.legvander(np.linspace(-1, 1, n + 1), n)
    averages = np.ones((n, n))
    for k in range(1, n):  # ∫ P_k = (P_{k+1} − P_{k−1})/(2k + 1)
        averages[:, k] = np.diff(ends[:, k + 1] - ends[:, k - 1]) / (2 * k + 1) * n / 2
    return np.linalg.qr(averages)[0]
