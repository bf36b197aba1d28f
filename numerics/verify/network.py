"""Is this network a continuum? What the weights of a discrete network look like as a field.

Neurons carry no order. A network is a continuum worth the name if there is an order in which its weights are smooth:
then few functions represent them, and refining, compressing and changing bases make sense. The null is the same
network with its neurons shuffled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from derive.errors import RepresentationError
from numerics.networks import ordering
from numerics.networks.continua import to_layers
from numerics.networks.layers import Layers
from numerics.verify.subject import NOTEBOOKS, Array, Subject

SECTION = "network"
SHUFFLES = 5
SMOOTH = 0.5  # the share of a matrix's numbers that are enough for 1 % where it is a smooth field


def smoothness(subject: Subject) -> None:
    """Order, spectra and error against coefficients, for a model that is a discrete network; nothing for others.

    Its layers are to be matrices whose rows and columns have places along one ξ: where neurons are channels as well, or
    where W is κ(ξ − ξ′), there is no order to ask for.
    """
    spec = subject.spec
    if not subject.trained or spec.channels > 1 or spec.dimension > 1 or spec.operator.by_node:
        return
    try:
        network = to_layers(subject.model)
    except RepresentationError:
        return
    ordered = _ordered(subject, network)
    for k, (w, null) in enumerate(zip(network.weights, _shuffled(network, 0).weights)):
        curves = {name: curve(w) for name, curve in ordering.FAMILIES.items()}
        best = min(curves, key=lambda name: ordering.needed(curves[name], w.size))
        count = ordering.needed(curves[best], w.size)
        shuffled = round(_least(null, ordering.FAMILIES) * w.size)
        shown = {name: (tuple(map(float, c)), tuple(map(float, e))) for name, (c, e) in map(_thinned, curves.items())}
        text = f"{count:,} in {best}; shuffled {shuffled:,}"
        subject.add(SECTION, f"W{k}: of {w.size:,} numbers, for 1 % error", "", text, None, NOTEBOOKS[4], shown)
        spectra = " and ".join(f"{_rough(a):.0%} along {axis}" for a, axis in ((w, "ξ"), (w.T, "ξ′")))
        subject.add(SECTION, f"W{k}: in the upper three quarters of frequencies", "", spectra, None, NOTEBOOKS[4])
    subject.add(SECTION, "is this network a continuum?", "", _answer(network, ordered), None, NOTEBOOKS[4])


def _answer(network: Layers, ordered: Layers) -> str:
    """Every matrix is smooth as it stands, or in another order, or of low rank, or none of these."""
    local = [name for name in ordering.FAMILIES if not name.startswith("adapted")]
    if max(_least(w, local) for w in network.weights) <= SMOOTH:
        return "yes: compressing it in smooth bases and refining it make sense"
    if max(_least(w, local) for w in ordered.weights) <= SMOOTH:
        return "in another order: `continua import --order` finds it"
    if max(_least(w, ordering.FAMILIES) for w in network.weights) <= SMOOTH:
        return "no, but of low rank: an adapted basis compresses it"
    return "no: no order and no basis of few functions represents all its matrices"


def _least(w: Array, families: Iterable[str]) -> float:
    """The share of a matrix's numbers that the best of some families needs for 1 % error."""
    return min(ordering.needed(ordering.FAMILIES[name](w), w.size) for name in families) / w.size


def _ordered(subject: Subject, network: Layers) -> Layers:
    """The network in the order that seriation finds; with its total variation, the present one's and the null's."""
    if len(network.weights) < 2 or network.kind == "residual":  # a residual network's order is that of its inputs
        return network
    found = ordering.order(network)[0]
    null = float(np.median([ordering.variation(_shuffled(network, seed)) for seed in range(SHUFFLES)]))
    here, best = (ordering.variation(n) / null for n in (network, found))
    text = f"{here:.2f} as it stands, {best:.2f} in the best order found"
    subject.add(SECTION, "total variation, shuffled neurons being 1", "", text, None, NOTEBOOKS[4])
    return found


def _shuffled(network: Layers, seed: int) -> Layers:
    """The same function with every hidden layer's neurons in a random order; a residual network's rows instead."""
    generator = np.random.default_rng(seed)
    if network.kind == "residual":
        return replace(network, weights=tuple(w[generator.permutation(len(w))] for w in network.weights))
    for layer in range(len(network.weights) - 1):
        network = ordering.permuted(network, layer, generator.permutation(len(network.weights[layer])))
    return network


def _rough(w: Array) -> float:
    """The share of ‖w‖² beyond the first quarter of the discrete cosines along the first axis."""
    from scipy.fft import dct

    squares = np.sum(dct(w, axis=0, norm="ortho") ** 2, axis=1)
    return float(squares[-(-len(squares) // 4) :].sum() / (squares.sum() or 1.0))


def _thinned(named: tuple[str, ordering.Curve]) -> tuple[str, ordering.Curve]:
    """At most some hundred points of a curve, for a picture, without the exact end."""
    name, (counts, errors) = named
    seen = np.flatnonzero(errors > 1e-8)
    chosen = seen[np.unique(np.geomspace(1, max(len(seen), 1), 120).astype(int)) - 1] if len(seen) else seen
    return name, (counts[chosen], errors[chosen])
