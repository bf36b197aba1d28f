"""Discrete networks ↔ continua: a perceptron or a residual network *is* a continuum on piecewise constants (section 2).

With P0 states, one midpoint in a cell, and one Euler step of s = Δ a layer, the semi-discrete form is the network:
w_ij = (n/2) W_ij. Layers of different widths are slabs with bases of their own; layers of one width are the cells of
one depth basis. The last, affine layer is the readout, R_k = (n/2) W_k. Layers that convolve are in ``convolutional``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from derive.errors import DataError, RepresentationError
from derive.spec import of_axis, step_lengths
from numerics.checks import instance
from numerics.datasets.checked import class_names
from numerics.model.continuum import Continuum
from numerics.model.layout import along_state, leading
from numerics.networks import convolutional
from numerics.networks.layers import Layers, layers
from numerics.networks.stages import first_stages
from numerics.representation import find
from numerics.representation.tables import SlabTables, kron

Array = np.ndarray
SKLEARN = {"logistic": "sigmoid", "tanh": "tanh", "relu": "relu", "identity": "identity"}


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
        return convolutional.declare(network, spec)
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
        return model.replace(fields=convolutional.fields(network, model), classes=labels)
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
    found = convolutional.stencils(model, kind)
    if found is not None:
        ends = "circular" if all(spec.periodic) else "zeros"
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
    if spec.shares is not None:
        reasons.append("shares above levels in the readout")
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
    if not _is_identity(*_lift(model)):
        found.append(f"{'a lift' if 'P' in model.fields else 'samples that are scaled'} before a residual network")
    return found


def _is_identity(matrix: Array | None, shift: Array | None) -> bool:
    return matrix is None or (np.array_equal(matrix, np.eye(*matrix.shape)) and (shift is None or not shift.any()))


def _lift(model: Continuum) -> tuple[Array | None, Array | None]:
    """h(·, 0) = L x + l for the coefficients of records, (functions · c, functions · inputs) and (functions · c,);

    records as they were measured, whatever their scale.
    """
    found: tuple[Array | None, Array | None] = None, None
    if "P" in model.fields:
        products, one = along_state(model.representation, "lift")
        p = leading(model.fields["P"])
        linear = np.sum([np.kron(*pair) for pair in zip(products, p[:, :, :-1])], axis=0)
        found = linear, (one @ p[:, :, -1]).ravel()
    scale = model.units.samples
    if scale is None:
        return found
    factor, shift = np.array(scale.factor), np.array(scale.shift)
    one = model.representation.slabs[0].tables["one/entry"]
    turned, moved = np.diag(np.tile(1 / factor, len(one))), -np.kron(one, shift / factor)
    operator, constant = found
    if operator is None:
        return turned, moved
    return operator @ turned, operator @ moved + constant


def _last(model: Continuum) -> tuple[Array, Array] | None:
    """What is affine behind the steps, from the final state's coefficients; None where its values are the outputs.

    Outputs are in the units of the targets.
    """
    found, scale = _plain_last(model), model.units.targets
    if scale is None:
        return found
    if found is None:
        values = _wide(model.representation.slabs[-1], "X", model.spec.output_channels)
        size = model.representation.slabs[-1].sizes["node"] * model.spec.output_channels
        found = (np.eye(size) if values is None else values), np.zeros(size)
    operator, constant = found
    factor, shift = (np.resize(numbers, len(constant)) for numbers in (scale.factor, scale.shift))
    return factor[:, None] * operator, factor * constant + shift


def _plain_last(model: Continuum) -> tuple[Array, Array] | None:
    """The same before targets are scaled back."""
    spec, slab = model.spec, model.representation.slabs[-1]
    if spec.functional:
        return model.readout_map()
    x = _wide(slab, "X", spec.output_channels)
    if spec.outputs is not None:
        products, one = along_state(model.representation, "readout")
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
