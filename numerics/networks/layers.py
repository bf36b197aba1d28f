"""Discrete networks ↔ continua: a perceptron or a residual network *is* a continuum on piecewise constants (section 2).

With P0 states, one midpoint in a cell, and one Euler step of s = Δ a layer, the semi-discrete form is the network:
w_ij = (n/2) W_ij. Layers of different widths are slabs with bases of their own; layers of one width are the cells of
one depth basis. The last, affine layer is the readout, R_k = (n/2) W_k. Layers that convolve are in ``convolutions``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DataError, RepresentationError, advice
from derive.spec import of_axis, step_lengths
from numerics.checks import instance, numbers
from numerics.datasets.record import archive, class_names, located
from numerics.model.continuum import Continuum, leading
from numerics.networks import convolutions
from numerics.networks.stages import first_stages
from numerics.representation import find
from numerics.representation.tables import SlabTables, kron

Array = np.ndarray

KINDS = ("mlp", "residual")
LASTS = ("affine", "activation")
WORDS = ("activation", "kind", "last", "ends")  # entries of a file beside the arrays
SKLEARN = {"logistic": "sigmoid", "tanh": "tanh", "relu": "relu", "identity": "identity"}


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
    counts = [len(a) if isinstance(a, Sequence) and not isinstance(a, str) else 0 for a in (weights, biases)]
    if counts[0] != counts[1] or not counts[0]:
        raise DataError(
            f"{counts[0]} weight matrices and {counts[1]} biases", "as many of both, one at least, in two lists",
            "an array left out", "give a bias for every layer, zeros if it has none",
        )  # fmt: skip
    found = [numbers(w, f"W{k}") for k, w in enumerate(weights)], [numbers(b, f"b{k}") for k, b in enumerate(biases)]
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
        convolutions.check(network)
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


def declare(
    network: Layers, name: str, loss: str | None = None, levels: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The declaration of the continuum that a network is."""
    inner = network.inner
    widths = network.widths[: inner + 1]
    classes = network.last == "affine" and len(network.weights[-1]) > 1
    spec: dict[str, Any] = {
        "name": name,
        "summary": " → ".join(str(n) for n in network.widths),
        "equation": {"rate": network.kind, "activation": network.activation, "spacing": f"1/{inner}"},
        "input": {"interpolant": "constant"},
        "integration": {"tableau": "euler", "steps": inner},
        "loss": {"kind": loss or ("cross-entropy" if classes else "l2")},
        "levels": {} if levels is None else levels,
    }
    if network.length is not None:
        return convolutions.declare(network, spec)
    cells = [{"family": "p0", "cells": n} for n in widths]
    if len(set(widths)) == 1:  # one width: the layers are the cells of a depth basis
        depth = {"family": "p0", "cells": inner}
        spec["state"] = {"basis": cells[0]}
        spec["weight"] = {"width_out": cells[0], "width_in": cells[0], "depth": depth}
        spec["bias"] = {"width": cells[0], "depth": depth}
    else:
        once = [{"family": "p0", "cells": 1}] * inner
        spec["state"] = {"basis": cells}
        spec["weight"] = {"width_out": cells[1:], "width_in": cells[:-1], "depth": once}
        spec["bias"] = {"width": cells[1:], "depth": once}
    if network.last == "affine":
        spec["readout"] = {"outputs": len(network.weights[-1]), "basis": cells[-1]}
    return spec


def from_layers(
    weights: Sequence[Any] | Layers,
    biases: Sequence[Any] = (),
    activation: str = "tanh",
    *,
    kind: str = "mlp",
    last: str = "affine",
    ends: str | None = None,
    length: int | None = None,
    loss: str | None = None,
    levels: Mapping[str, Any] | None = None,
    name: str = "network",
    classes: Sequence[Any] = (),
) -> Continuum:
    """The continuum that a discrete network is: the same outputs to rounding, for inputs of n samples a record.

    weights: matrices (out × in), stencils (out × in × K), or a ``Layers``; biases: vectors (out,). activation: a name
    or an expression in u. kind, last, ends, length: see ``Layers``; the last two belong to stencils. loss: for further
    training; cross-entropy unless the output is one number or a function. levels: other representations, as in a spec's
    [levels]. Raises DataError and SpecError.
    """
    if isinstance(weights, Layers):
        if (tuple(biases), activation, kind, last, ends, length) != ((), "tanh", "mlp", "affine", None, None):
            raise DataError(
                "Layers beside biases, an activation, a kind or a last layer", "Layers alone, or matrices with these",
                "Layers hold their own", "leave the others out, or change the Layers",
            )  # fmt: skip
        given = weights
        weights, biases, activation, kind, last = given.weights, given.biases, given.activation, given.kind, given.last
        ends, length = given.ends, given.length
    network, labels = layers(weights, biases, activation, kind, last, ends, length), class_names(classes)
    if labels and (network.last != "affine" or len(labels) != network.widths[-1]):
        raise DataError(
            f"{len(labels)} classes", "one name an output of an affine last layer", "a name too many or too few",
            "name every output, or leave classes out",
        )  # fmt: skip
    model = Continuum.from_fields(declare(network, name, loss, levels))
    if network.length is not None:
        return model.replace(fields=convolutions.fields(network, model), classes=labels)
    matrices = [w * (w.shape[1] / 2) for w in network.weights]  # w_ij = (n/2) W_ij
    inner = network.inner
    if len(model.fields["W"].slabs) == 1:
        w = [np.stack(matrices[:inner], axis=2)]
        b = [np.stack(network.biases[:inner], axis=1)]
    else:
        w = [m[:, :, None] for m in matrices[:inner]]
        b = [v[:, None] for v in network.biases[:inner]]
    values = {"W": [a[..., None, None] for a in w], "b": [a[..., None] for a in b]}
    if network.last == "affine":
        values["R"] = [matrices[-1].T[:, :, None]]
        values["a"] = [network.biases[-1]]
    fields = {key: field.with_coefficients(values[key]) for key, field in model.fields.items()}
    return model.replace(fields=fields, classes=labels)


def to_layers(model: Continuum) -> Layers:
    """The discrete network that a continuum's Euler steps are. Raises RepresentationError where they are none.

    Neurons are the states' nodes ξ_q with their channels, the channels of a node side by side: on piecewise constants,
    and on other nodal bases, the coefficients themselves. A perceptron steps from values to values at the nodes,
    v ← f(E A v + b), whatever its states' basis, as A f is all that is left of a state. The inputs are the values of
    the record, as the function that it is in the basis of the state, at the nodes of the first slab; where that slab
    has another basis, its coefficients. The outputs are those of a functional readout, or y at the nodes of the last.

    Steps with κ(ξ − ξ′) on equal cells are convolutions where all cells have one stencil and one bias; else matrices.
    """
    instance(model, Continuum, "give a model, as numerics.load reads it")
    kind, activation = _layer(model)
    spec = model.spec
    found = convolutions.stencils(model, kind)
    if found is not None:
        ends = "circular" if spec.periodic else "zeros"
        return Layers(found[0], found[1], activation, kind, found[2], ends, spec.entry.size)
    before, shift = _lift(model)
    weights: list[Array] = []
    biases: list[Array] = []
    for stage in first_stages(model):
        values = _wide(stage.slab, "A", spec.channels)
        if not weights and not stage.arrives:  # the state's values at the nodes, as all other layers have them
            before = values if before is None else _after(before, _wide(stage.slab, "A", spec.record_channels))
        weights.append(_after(stage.operator, before))
        biases.append(stage.bias if shift is None else stage.bias + stage.operator @ shift)
        before, shift = values, None
    last = _last(model)
    if last is None:
        return Layers(tuple(weights), tuple(biases), activation, kind, "activation")
    operator, constant = last
    return Layers((*weights, _after(operator, before)), (*biases, constant), activation, kind, "affine")


def _layer(model: Continuum) -> tuple[str, str]:
    """The kind and the activation that all steps share. Raises RepresentationError saying why there is none."""
    spec = model.spec
    reasons = []
    if spec.tolerance is not None:
        reasons.append("steps that the records choose")
    if spec.tableau.a != ((Fraction(0),),) or spec.tableau.b != (Fraction(1),):
        reasons.append(f"the tableau {spec.tableau.name}, which is not Euler's")
    if spec.normalise is not None:
        reasons.append("pre-activations that are normalised over the channels")
    if spec.maximum is not None:
        reasons.append("smooth maxima in the readout")
    if not reasons:
        lengths = sorted({length for slab in step_lengths(spec) for _, length in slab})
        found = {find.layer(spec, length) for length in lengths}
        if len(found) == 1 and None not in found:
            ((kind, activation),) = (pair for pair in found if pair is not None)
            reasons = _changes(model) if kind == "residual" else []
            if not reasons:
                return kind, activation
        else:
            steps = " and ".join(map(str, lengths[:3]))
            reasons.append(f"the rate {spec.rate} with Δ = {spec.spacing} in steps of {steps}")
    raise RepresentationError(
        f"{', '.join(reasons)}: no discrete network",
        "Euler steps that are all h ← f(u), or all h ← h + f(u): rate mlp with steps of s = Δ, or rate residual",
        "the model stands on another representation",
        "declare such a level and project the model onto it first",
    )


def _changes(model: Continuum) -> list[str]:
    """What keeps a state from being the same values in all layers of a residual network."""
    slabs = model.representation.slabs
    found = []
    if any(slab.entry for slab in slabs):
        found.append("a residual network whose states change their basis")
    elif sizes := [x.shape for slab in slabs for x in slab.factors("X") if len(x) != x.shape[1]]:
        found.append(f"{sizes[0][0]} nodes for {sizes[0][1]} functions of a residual network's state")
    elif any(not np.array_equal(x, y) for slab in slabs[1:] for x, y in zip(slab.factors("X"), slabs[0].factors("X"))):
        found.append("a residual network whose nodes change")
    if "P" in model.fields and not _is_identity(*_lift(model)):
        found.append("a lift before a residual network")
    return found


def _is_identity(matrix: Array | None, shift: Array | None) -> bool:
    return matrix is None or (np.array_equal(matrix, np.eye(*matrix.shape)) and (shift is None or not shift.any()))


def _lift(model: Continuum) -> tuple[Array | None, Array | None]:
    """h(·, 0) = L x + l for the coefficients of records, (functions · c, functions · inputs) and (functions · c,)."""
    if "P" not in model.fields:
        return None, None
    products, one = model.along_state("lift")
    p = leading(model.fields["P"])
    return np.sum([np.kron(*pair) for pair in zip(products, p[:, :, :-1])], axis=0), (one @ p[:, :, -1]).ravel()


def _last(model: Continuum) -> tuple[Array, Array] | None:
    """What is affine behind the steps, from the final state's coefficients; None where its values are the outputs."""
    spec, slab = model.spec, model.representation.slabs[-1]
    if spec.functional:
        return model.readout_map()
    x = _wide(slab, "X", spec.output_channels)
    if spec.outputs is not None:
        products, one = model.along_state("readout")
        r, a = (leading(model.fields[name]) for name in ("R", "a"))
        operator, constant = np.sum([np.kron(*pair) for pair in zip(products, r)], axis=0), (one @ a).ravel()
        return (operator, constant) if x is None else (x @ operator, x @ constant)
    if x is None or len(x) == x.shape[1]:  # X A = 1
        return None
    return x, np.zeros(len(x))


def _wide(slab: SlabTables, name: str, channels: int) -> Array | None:
    """A or X on the whole domain, for all channels; None for the identity."""
    if all(slab.structures[of_axis(name, axis)] == "identity" for axis in range(slab.dimension)):
        return None
    return np.kron(kron(slab.factors(name)), np.eye(channels))


def _after(operator: Array, before: Array | None) -> Array:
    return operator if before is None else operator @ before


def from_sklearn(estimator: Any, levels: Mapping[str, Any] | None = None, name: str = "network") -> Continuum:
    """The continuum of a fitted ``MLPClassifier`` or ``MLPRegressor``.

    A classifier's outputs are the logarithms of its probabilities up to a constant; for two classes, where
    scikit-learn has one number u, they are (0, u). Raises DataError for other estimators.
    """
    if not hasattr(estimator, "coefs_") or getattr(estimator, "out_activation_", None) not in (
        "identity", "softmax", "logistic",
    ):  # fmt: skip
        raise _no_network(estimator)
    weights, biases = [w.T for w in estimator.coefs_], list(estimator.intercepts_)
    kind = estimator.out_activation_
    if kind == "logistic":
        if len(weights[-1]) > 1:
            raise DataError("a classifier of several labels at once", "one class a record", "multilabel targets",
                          "train one classifier a label")  # fmt: skip
        weights[-1] = np.vstack([np.zeros_like(weights[-1]), weights[-1]])
        biases[-1] = np.concatenate([[0.0], biases[-1]])
    return from_layers(
        weights, biases, SKLEARN[estimator.activation], levels=levels, name=name,
        loss="l2" if kind == "identity" else "cross-entropy",
        classes=[] if kind == "identity" else estimator.classes_,
    )  # fmt: skip


def _no_network(estimator: Any) -> DataError:
    """What is wrong with an estimator that holds no weights."""
    allowed, name = "a fitted MLPClassifier or MLPRegressor", type(estimator).__name__
    if hasattr(estimator, "steps"):
        return DataError(
            f"a {name} of {', '.join(step for step, _ in estimator.steps)}", allowed,
            "a chain whose other steps change the records before the network sees them",
            "give the network alone, estimator[-1], and to the model what estimator[:-1].transform(x) gives",
        )  # fmt: skip
    if hasattr(estimator, "best_estimator_"):
        fix = "give what it found, estimator.best_estimator_"
        return DataError(f"a {name}", allowed, "a search around the network", fix)
    if hasattr(estimator, "hidden_layer_sizes"):
        return DataError(f"a {name} without weights", allowed, "it was not fitted", "call fit first")
    return DataError(f"a {name}", allowed, "an estimator of another kind, or another object", "train one of these")


# --- files --------------------------------------------------------------------------------------------------


def read(path: str | Path) -> Layers:
    """A network from an .npz with W0, b0, W1, b1, … (W: out × in) and ``activation``, perhaps ``kind`` and ``last``."""
    with located(str(path)):
        arrays = archive(path, _check_entries)
        words: dict[str, Any] = {key: _word(arrays[key], key) for key in WORDS if key in arrays}
        if "length" in arrays:
            words["length"] = _whole(arrays["length"])
        count = (len(arrays) - len(words)) // 2
        return layers([arrays[f"W{k}"] for k in range(count)], [arrays[f"b{k}"] for k in range(count)], **words)


def _word(array: Array, name: str) -> str:
    if array.ndim or array.dtype.kind != "U":
        raise DataError(f"{name} of type {array.dtype}", "a text", "a number, or a list", f"write {name} as a text")
    return str(array)


def _whole(array: Array) -> int:
    if array.ndim or array.dtype.kind not in "iu":
        raise DataError(f"length of type {array.dtype}", "a whole number", "a text, or a list", "write length = 128")
    return int(array)


def _check_entries(names: Sequence[str]) -> None:
    count = sum(key.startswith("W") for key in names)
    needed = {*(f"{letter}{k}" for k in range(max(count, 1)) for letter in "Wb"), "activation"}
    odd = sorted(needed - set(names)) + sorted(set(names) - needed - {*WORDS, "length"})
    if odd:
        raise DataError(f"the entries {', '.join(sorted(names)) or 'none'}", "W0, b0, W1, b1, … and activation",
                      f"{odd[0]} is left out or unknown", "write all of them with numpy.savez")  # fmt: skip


def arrays(network: Layers) -> dict[str, Array]:
    """The entries of the .npz that ``read`` reads."""
    words: dict[str, Any] = {"activation": network.activation, "kind": network.kind, "last": network.last}
    if network.length is not None:
        words |= {"ends": network.ends, "length": network.length}
    found = {key: np.array(value) for key, value in words.items()}
    for k, (w, b) in enumerate(zip(network.weights, network.biases)):
        found |= {f"W{k}": w, f"b{k}": b}
    return found
