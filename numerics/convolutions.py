"""Networks of one-dimensional convolutions ↔ continua with W = κ(ξ − ξ′) on piecewise constants (section 3).

With P0 states of cells s̄, one node a cell, P0 κ in K such cells and one Euler step of s = Δ a layer, the semi-discrete
form is the network: w_m = s̄ κ_{K−1−m}. Layers with fewer channels than the widest have zeros for the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.errors import DataError, RepresentationError

if TYPE_CHECKING:
    from numerics.continuum import Continuum
    from numerics.field import Field
    from numerics.networks import Layers

Array = np.ndarray
ENDS = ("zeros", "circular")


def check(network: Layers) -> None:
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


def declare(network: Layers, spec: dict[str, Any]) -> dict[str, Any]:
    """The declaration of the continuum, from what all networks have in common."""
    inner, widths = network.inner, network.widths
    channels, size = max(widths[: inner + 1]), max(w.shape[2] for w in network.weights[:inner])
    cells = {"family": "p0", "cells": network.length}
    depth, one = {"family": "p0", "cells": inner}, {"family": "p0", "cells": 1}
    spec["equation"] |= {
        "channels": channels, "reach": f"{size}/{network.length}", "periodic": network.ends == "circular"
    }  # fmt: skip
    spec["state"] = {"basis": cells}
    spec["weight"] = {"kernel": {"family": "p0", "cells": size}, "depth": depth}
    spec["bias"] = {"width": one, "depth": depth}
    if widths[0] < channels:
        spec["lift"] = {"inputs": widths[0]}
    if network.last == "affine":
        spec["readout"] = {"outputs": widths[-1], "basis": one}
    elif widths[-1] < channels:
        spec["readout"] = {"outputs": widths[-1]}
    return spec


def fields(network: Layers, model: Continuum) -> dict[str, Field]:
    """The fields that make the continuum the network."""
    shape = model.fields["W"].slabs[0].coefficients.shape
    kappa, bias = np.zeros(shape), np.zeros((1, *shape[1:3]))
    assert network.length is not None
    for layer, (w, b) in enumerate(zip(network.weights[: network.inner], network.biases)):
        out, inputs, size = w.shape
        first = (shape[0] - size) // 2
        kappa[first : first + size, layer, :out, :inputs] = w[:, :, ::-1].transpose(2, 0, 1) * network.length / 2
        bias[0, layer, :out] = b
    values = {"W": [kappa], "b": [bias]}
    channels, inputs, outputs = shape[2], network.widths[0], network.widths[-1]
    if "P" in model.fields:
        values["P"] = [np.eye(channels, inputs + 1) * (np.arange(inputs + 1) < inputs)]
    if network.last == "affine":  # of the mean, ½ ∫ h dξ
        r = np.zeros((1, outputs, channels))
        r[0, :, : network.widths[-2]] = network.weights[-1] / 2
        values |= {"R": [r], "a": [network.biases[-1]]}
    elif "R" in model.fields:
        values |= {"R": [np.eye(outputs, channels)], "a": [np.zeros(outputs)]}
    return {name: field.with_coefficients(values[name]) for name, field in model.fields.items()}


def stencils(model: Continuum) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Weights and biases of the layers, for a continuum on piecewise constants; κ may be in any basis.

    Raises RepresentationError where the network is none of convolutions.
    """
    spec, (slab,) = model.spec, model.solver.slabs
    assert spec.reach is not None
    cells, channels, size = spec.entry.size, spec.channels, spec.slabs[0].weight_in.size
    half = math.ceil(spec.reach * cells / 2 + 0.5) - 1  # cells on either side that κ reaches
    if 2 * half + 1 > cells:
        raise _none(f"κ reaches {half} cells on either side of {cells}", "use more cells, or a shorter reach")
    couplings = _couplings(slab.tables.tables, size)[half, :, : 2 * half + 1]
    theta, coefficients = slab.tables.tables["theta"], model.solver.weights[0].w
    weights, biases = [], []
    for rows in zip(slab.bound["operator_index"][:, 0], slab.bound["bias_index"][:, 0]):
        kappa = np.tensordot(theta[rows[0]], coefficients, 1).reshape(size, channels, channels).transpose(1, 0, 2)
        bias = slab.operators["biases"][rows[1]].reshape(cells, channels)
        if (bias != bias[0]).any():
            raise _none("a bias that varies along ξ", "use a constant basis for the bias")
        weights.append(np.einsum("omi,md->oid", kappa, couplings))
        biases.append(np.array(bias[0], dtype=np.float64))
    if spec.lift_width is not None or spec.readout_width is not None:
        raise _none("a lift or readout that varies along ξ", "leave its width out")
    if "P" in model.fields:
        p = model.fields["P"].slabs[0].coefficients
        if spec.rate == "residual" or p[:, -1].any():
            raise _none("a lift that no first layer can take over", "use as many channels as the records have")
        weights[0] = np.einsum("oid,ic->ocd", weights[0], p[:, :-1])
    if spec.outputs is not None:
        r, a = (model.fields[name].slabs[0].coefficients for name in ("R", "a"))
        if spec.functional and len(r) > 1:
            raise _none("a readout that weighs places", "use a constant basis for the readout")
        if spec.functional:
            return (*weights, 2 * r[0]), (*biases, a)
        if a.any() or not np.array_equal(r, np.eye(*r.shape)) or spec.rate == "residual":
            raise _none("a readout that mixes channels", "leave the readout out")
        weights[-1], biases[-1] = weights[-1][: len(r)], biases[-1][: len(r)]
    return tuple(weights), tuple(biases)


def _couplings(tables: Mapping[str, Array], size: int) -> Array:
    """(nodes, functions of κ, cells): ∫ k_m(ξ_q − ξ′) χ_l(ξ′) dξ′, from what the kernels have."""
    numbers, low = tables.get("w_waves", np.eye(size)), tables["C"]
    made = np.zeros((tables["Phi"].shape[1], size, low.shape[1]))
    for first, _, left, _, start in tables["w_blocks"]:
        for (m, own, i, j, _), value in zip(tables["w_entries"], tables["w_values"]):
            if own == start:
                made[first + i] += value * numbers[m][:, None] * low[left + j]
    return np.tensordot(tables["Phi"], made, 1)


def _none(reason: str, fix: str) -> RepresentationError:
    return RepresentationError(
        f"{reason}: no network of convolutions", "one stencil and one bias a layer, the mean before an affine last one",
        "the model says more than convolutions can", fix,
    )  # fmt: skip
