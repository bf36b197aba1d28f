"""Networks of one-dimensional convolutions ↔ continua with W = κ(ξ − ξ′) on piecewise constants (section 3).

With P0 states of cells s̄, one node a cell, P0 κ in K such cells and one Euler step of s = Δ a layer, the semi-discrete
form is the network: w_m = s̄ κ_{K−1−m}. Layers with fewer channels than the widest have zeros for the others.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from derive.spec import uniform
from derive.spec.operator import Convolution
from numerics.functions.field import Field
from numerics.model.continuum import Continuum
from numerics.networks.layers import Layers
from numerics.networks.stages import first_stages

Array = np.ndarray
WIDTH = (Fraction(-1), Fraction(1))


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


def stencils(model: Continuum, kind: str) -> tuple[tuple[Array, ...], tuple[Array, ...], str] | None:
    """Weights, biases and the last layer's kind, where every Euler step is one stencil and one bias on equal cells.

    κ may be in any basis. None where a layer says more than that: a field or readout that varies along ξ, other states.
    """
    if not _shifts(model):
        return None
    spec, kappa = model.spec, model.spec.operator
    assert isinstance(kappa, Convolution)
    cells, channels = spec.entry.size, spec.channels
    half = math.ceil(kappa.reach * cells / 2 + 0.5) - 1  # cells on either side that κ reaches
    half = half if all(spec.periodic) else min(half, cells - 1)
    if all(spec.periodic) and 2 * half + 1 > cells:
        return None
    weights, biases = [], []
    for stage in first_stages(model, (0, cells - 1)):
        ends = stage.operator.reshape(2, channels, cells, channels)
        left = ends[0][:, cells - half :] if all(spec.periodic) else ends[1][:, cells - 1 - half : cells - 1]
        weights.append(np.concatenate([left, ends[0][:, : half + 1]], axis=1).transpose(0, 2, 1))
        bias = stage.bias.reshape(cells, channels)
        if not _equal(bias):
            return None
        biases.append(bias[0])
    return _between(model, kind, weights, biases)


def _shifts(model: Continuum) -> bool:
    """Whether states are equal cells with one node each, and W and V the same at each of them."""
    spec = model.spec
    if spec.dimension > 1 or spec.lift_width is not None or spec.readout_width is not None:
        return False
    return isinstance(spec.operator, Convolution) and all(
        own.state.family == "p0" and own.state.cuts(WIDTH) == uniform(WIDTH, spec.entry.size)
        and not slab.entry and slab.structures["X"] == slab.structures["A"] == "identity"
        and (not spec.local or _equal(slab.tables["Psi"]))
        for own, slab in zip(spec.slabs, model.representation.slabs)
    )  # fmt: skip


def _between(
    model: Continuum, kind: str, weights: list[Array], biases: list[Array]
) -> tuple[tuple[Array, ...], tuple[Array, ...], str] | None:
    """The layers with what stands before and behind them: a lift in the first, channels cut, or an affine last one."""
    spec, cells = model.spec, model.spec.entry.size
    if "P" in model.fields:
        p = model.fields["P"].slabs[0].coefficients
        if kind == "residual" or (p[:, -1].any() and not all(spec.periodic)):  # beyond the ends there is no constant
            return None
        biases[0] = biases[0] + np.einsum("oid,i->o", weights[0], p[:, -1])
        weights[0] = np.einsum("oid,ic->ocd", weights[0], p[:, :-1])
    samples, targets = model.units.samples, model.units.targets
    if samples is not None:
        if kind == "residual" or (any(samples.shift) and not all(spec.periodic)):  # there are zeros beyond the ends
            return None
        weights[0] = weights[0] / np.array(samples.factor)[:, None]
        biases[0] = biases[0] - np.einsum("oid,i->o", weights[0], np.array(samples.shift))
    if targets is not None and not spec.functional:
        return None
    if spec.outputs is None:
        return tuple(weights), tuple(biases), "activation"
    if spec.functional:
        operator, constant = model.readout_map()
        of_cells = operator.reshape(spec.outputs, cells, -1).transpose(1, 0, 2)
        if not _equal(of_cells):
            return None
        last = cells * of_cells[0]
        if targets is not None:
            factor = np.array(targets.factor)
            last, constant = factor[:, None] * last, factor * constant + np.array(targets.shift)
        return (*weights, last), (*biases, constant), "affine"
    r, a = (model.fields[name].slabs[0].coefficients for name in ("R", "a"))
    if kind == "residual" or a.any() or not np.array_equal(r, np.eye(*r.shape)):
        return None
    weights[-1], biases[-1] = weights[-1][: len(r)], biases[-1][: len(r)]
    return tuple(weights), tuple(biases), "activation"


def _equal(values: Array) -> bool:
    """Whether an array says the same at every place, its first axis, to rounding."""
    return bool(np.ptp(values, axis=0).max() <= 8 * np.finfo(float).eps * np.abs(values).max())
