"""Fields and kernels: both hold the same coefficients, each in a layout of its own, and only this file knows both."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from derive.spec import COORDINATES, Penalty
from numerics.functions.field import Field, FieldSlab
from numerics.kernels.operators import Weights
from numerics.representation.tables import Representation, SlabTables

Array = np.ndarray
Coefficients = dict[str, list[Array]]  # of every field, an array a slab
STAGED = ("W", "b", "V", "parameters", "P")  # fields that the stages read


def zero_fields(rep: Representation) -> dict[str, Field]:
    """Fields of a representation with zero coefficients."""
    spec, c = rep.spec, rep.spec.channels
    wide = spec.pre_activations * c
    weight, bias = spec.operator.axes, (*spec.along_axes("bias_width"), "bias_depth")
    own, both = COORDINATES[: spec.dimension], spec.operator.arguments
    fields = {
        "W": Field(
            "W", tuple(_zero_slab(s, (*weight, "weight_depth"), (wide, c)) for s in rep.slabs), (*both, "delta")
        ),
        "b": Field("b", tuple(_zero_slab(s, bias, (wide,)) for s in rep.slabs), (*own, "delta")),
    }
    if spec.local:
        fields["V"] = Field("V", tuple(_zero_slab(s, bias, (wide, c)) for s in rep.slabs), (*own, "delta"))
    if spec.learned:
        fields["parameters"] = _constant("parameters", (len(spec.learned), c))
    if spec.inputs is not None:
        fields["P"] = _varying(rep, "P", "lift", (c, spec.inputs + 1))
    if spec.outputs is not None:
        fields["R"] = _varying(rep, "R", "readout", (spec.outputs, c))
        shape = (spec.outputs,)
        fields["a"] = _constant("a", shape) if spec.functional else _varying(rep, "a", "readout", shape)
        if spec.beside:
            fields["Q"] = _constant("Q", (spec.outputs, spec.beside * c))
    return fields


def _varying(rep: Representation, name: str, role: str, shape: tuple[int, ...]) -> Field:
    """A field that varies along ξ in the basis of a "lift" or "readout", or that is constant where these have none."""
    tables = rep.readout
    if f"gram/{role}" not in tables:
        return _constant(name, shape)
    roles = rep.spec.along_axes(role)
    psi, stiffness = tuple(map(rep.readout_basis, roles)), tuple(tables.get(f"stiffness/{own}") for own in roles)
    sizes = (basis.size for basis in psi)
    slab = FieldSlab(0.0, 1.0, psi, rep.readout_factors(f"gram/{role}"), np.zeros((*sizes, *shape)), stiffness)
    return Field(name, (slab,), COORDINATES[: rep.spec.dimension])


def _constant(name: str, shape: tuple[int, ...]) -> Field:
    return Field(name, (FieldSlab(0.0, 1.0, (), (), np.zeros(shape), ()),), ())


def _zero_slab(slab: SlabTables, roles: tuple[str, ...], channels: tuple[int, ...]) -> FieldSlab:
    bases = tuple(slab.pair(role) if role.startswith("weight_pair") else slab.basis(role) for role in roles)
    return FieldSlab(
        slab.start,
        slab.stop,
        bases,
        tuple(slab.tables[f"gram/{role}"] for role in roles),
        np.zeros((*(b.size for b in bases), *channels)),
        tuple(slab.tables.get(f"stiffness/{role}") for role in roles),
    )


def coefficients(fields: Mapping[str, Field]) -> Coefficients:
    """Fields' coefficients, an array a slab."""
    return {name: [slab.coefficients for slab in f.slabs] for name, f in fields.items()}


def room(name: str, shape: tuple[int, ...], dimension: int, dtype: Any) -> Array:
    """Empty coefficients of a field (*sizes, *channels), which lie in memory as ``weights_of`` arranges them."""
    order, back = _order(name, len(shape), dimension)
    return np.empty([shape[axis] for axis in order], dtype).transpose(back)


@cache
def _order(name: str, axes: int, dimension: int) -> tuple[list[int], list[int]]:
    """The order of a field's axes in memory, and what puts them back."""
    order = list(range(axes))
    if name in ("W", "b", "V"):
        depth = axes - (2 if name == "b" else 3)
        order.insert(0, order.pop(depth))
        if depth == 2 * dimension:  # W of both widths, whose outer functions come with the channels that they make
            order.insert(1 + dimension, order.pop(1 + depth))
    return order, sorted(range(axes), key=order.__getitem__)


def leading(field: Field) -> Array:
    """Coefficients (functions of ξ, *channels) of a field along ξ, or of a constant."""
    return _flat(field.slabs[0].coefficients, len(field.axes))


def _leading(given: Coefficients, name: str) -> Array:
    """The same of the field of this name."""
    (found,) = given[name]
    return _flat(found, found.ndim - (1 if name == "a" else 2))


def kernel_weights(fields: Mapping[str, Field]) -> list[Weights]:
    """Fields' coefficients in the kernels' layout."""
    return weights_of(coefficients(fields))


def weights_of(given: Coefficients) -> list[Weights]:
    """Coefficients in the kernels' layout.

    w[i,j,k,o,c] → (k, i·o, j·c), β[i,k,o] → (k, i·o), and both z[m,k,o,c] and v[m,k,o,c] → (k, m, o·c), where i, j and
    m run over the products of all axes' functions, the last axis first.
    """
    found = []
    for n, (own_w, own_b) in enumerate(zip(given["W"], given["b"])):
        dimension = own_b.ndim - 2
        w, b = _flat_weight(own_w, dimension), _flat(own_b, dimension)
        if w.ndim == 5:
            i, j, k, o, c = w.shape
            weights = w.transpose(2, 0, 3, 1, 4).reshape(k, i * o, j * c)
        else:
            weights = _depth_first(w)
        found.append(
            Weights(
                weights,
                b.transpose(1, 0, 2).reshape(b.shape[1], -1),
                _depth_first(_flat(given["V"][n], dimension)) if "V" in given else None,
                given["parameters"][0] if "parameters" in given else None,
                np.hstack(list(_leading(given, "P"))) if n == 0 and "P" in given else None,
            )
        )
    return found


def penalise(
    penalties: Iterable[Penalty], fields: Mapping[str, Field], given: Coefficients, gradient: Coefficients
) -> list[float]:
    """Every penalty at the coefficients, times its weight; adds its slope there to the gradient, in place."""
    found = []
    for penalty in penalties:
        own = fields[penalty.field].slabs, given[penalty.field], gradient[penalty.field]
        for slab, c, mine in zip(*own):
            value, slope = slab.penalty(penalty.norm, c)
            found.append(float(penalty.weight) * value)
            mine += float(penalty.weight) * slope
    return found


def weight_gradients(given: Coefficients, weights: Sequence[Weights]) -> Coefficients:
    """dL/dcoefficients of what the stages read, shaped as the coefficients, from those in the kernels' layout."""
    found: Coefficients = {name: [] for name in STAGED if name in given}
    for n, back in enumerate(weights):
        own = {name: given[name][n] for name in ("W", "b", "V") if name in given}
        dimension = own["b"].ndim - 2
        shape = _flat_weight(own["W"], dimension).shape
        if len(shape) == 5:
            i, j, k, o, c = shape
            w = back.w.reshape(k, i, o, j, c).transpose(1, 3, 0, 2, 4)
        else:
            w = _depth_second(back.w, shape)
        found["W"].append(w.reshape(own["W"].shape))
        m, kb, ob = _flat(own["b"], dimension).shape
        found["b"].append(back.beta.reshape(kb, m, ob).transpose(1, 0, 2).reshape(own["b"].shape))
        if back.v is not None:
            found["V"].append(_depth_second(back.v, _flat(own["V"], dimension).shape).reshape(own["V"].shape))
        if back.parameters is not None:
            found["parameters"].append(back.parameters)
        if back.lift is not None:
            parts_of_lift = np.hsplit(back.lift, len(_leading(given, "P")))
            found["P"].append(np.reshape(parts_of_lift, given["P"][0].shape))
    if "parameters" in found:  # all slabs share them
        found["parameters"] = [np.sum(found["parameters"], axis=0)]
    return found


def along_state(rep: Representation, role: str) -> tuple[Array, Array]:
    """Of a "lift" or a "readout" at every point: h → ψ_i h (i, n, n) and ψ_i (n, i), in the state's coefficients.

    One that does not vary along ξ has the one ψ = 1.
    """
    tables, slabs = rep.readout, rep.slabs
    if f"products/{role}" in tables:
        return tables[f"products/{role}"], tables[f"one/{role}"]
    one = slabs[0].tables["one/entry"] if role == "lift" else slabs[-1].tables["one/state"]
    return np.eye(len(one))[None], one[:, None]


def readout_map(rep: Representation, given: Coefficients) -> tuple[Array, Array]:
    """The affine map from y's coefficients to what the loss compares: (outputs, state · channels), (outputs,).

    After those come columns for what is beside y, maxima or shares: numbers a channel · channels.
    Functions are compared in L2 exactly, by M and not by M_h, whatever quadrature the state has.
    """
    if rep.spec.outputs is None:
        return rep.comparison, np.zeros(len(rep.comparison))
    return _readout_map(rep, given, rep.root)


Parts = list[tuple[str, Array, Array]]


def readout_parts(rep: Representation) -> dict[str, tuple[tuple[int, ...], Parts]]:
    """What ``readout_map`` makes of each field, as data: of "operator" and "constant" their shape, and for every field

    in them a table (m, functions), and where in the flat array the numbers lie that it makes of a field (functions,
    rest): (m, rest). Nothing without a readout.
    """
    spec = rep.spec
    if spec.outputs is None:
        return {}
    outputs, c = spec.outputs, spec.channels
    if not spec.functional:
        products, one = along_state(rep, "readout")
        n = len(one)
        tables = np.stack([(rep.root @ product).ravel() for product in products], axis=1)
        places = np.arange(n * outputs * n * c).reshape(n, outputs, n, c).swapaxes(1, 2)
        constant: Parts = [("a", rep.root @ one, np.arange(n * outputs))]
        return {
            "operator": ((n * outputs, n * c), [("R", tables, places)]),
            "constant": ((n * outputs,), constant),
        }
    gram = rep.readout_gram
    width = gram.shape[1] * c
    shape = outputs, width + spec.beside * c
    places = np.arange(math.prod(shape)).reshape(shape)
    parts: Parts = [("R", gram.T, places[:, :width].reshape(outputs, -1, c).swapaxes(0, 1))]
    if spec.beside:
        parts.append(("Q", np.eye(1), places[:, width:]))
    return {"operator": (shape, parts), "constant": ((outputs,), [("a", np.eye(1), np.arange(outputs))])}


def readout_change(rep: Representation, along: Coefficients) -> tuple[Array, Array]:
    """The derivative of ``readout_map`` along coefficients, in which it is linear, or constant without a readout."""
    if rep.spec.outputs is None:
        return np.zeros_like(rep.comparison), np.zeros(len(rep.comparison))
    return readout_map(rep, along)


def output_map(rep: Representation, given: Coefficients) -> tuple[Array, Array]:
    """The same to what the model gives: numbers, or the coefficients of a function."""
    size = len(rep.root)
    if rep.spec.outputs is None:
        return np.eye(size * rep.spec.channels), np.zeros(size * rep.spec.channels)
    return _readout_map(rep, given, np.eye(size))


def _readout_map(rep: Representation, given: Coefficients, root: Array) -> tuple[Array, Array]:
    """root: of functions, their coefficients → what is wanted of them."""
    spec = rep.spec
    if not spec.functional:
        products, one = along_state(rep, "readout")
        r, a = (_leading(given, name) for name in ("R", "a"))
        terms = [_kron(root @ product, own) for product, own in zip(products, r)]
        return sum(terms[1:], terms[0]), (root @ one @ a).ravel()
    r = _leading(given, "R")
    operator = np.einsum("ioc,ij->ojc", r, rep.readout_gram).reshape(spec.outputs or 0, -1)
    if spec.beside:
        operator = np.hstack([operator, given["Q"][0]])
    return operator, given["a"][0]


def _kron(outer: Array, inner: Array) -> Array:
    """``np.kron`` of matrices, which takes much longer to look at its arguments."""
    (i, j), (k, m) = outer.shape, inner.shape
    found: Array = outer[:, None, :, None] * inner[None, :, None, :]
    return found.reshape(i * k, j * m)


def readout_gradients(
    rep: Representation, given: Coefficients, bar_operator: Array, bar_constant: Array
) -> Coefficients:
    """dL/dcoefficients of the readout's fields, from those of ``readout_map``."""
    return {} if rep.spec.outputs is None else _readout_gradients(rep, given, bar_operator, bar_constant, rep.root)


def output_gradients(
    rep: Representation, given: Coefficients, bar_operator: Array, bar_constant: Array
) -> Coefficients:
    """The same from those of ``output_map``."""
    if rep.spec.outputs is None:
        return {}
    return _readout_gradients(rep, given, bar_operator, bar_constant, np.eye(len(rep.root)))


def _readout_gradients(
    rep: Representation, given: Coefficients, bar_operator: Array, bar_constant: Array, root: Array
) -> Coefficients:
    spec = rep.spec
    assert spec.outputs is not None
    if not spec.functional:
        products, one = along_state(rep, "readout")
        blocks = bar_operator.reshape(len(one), spec.outputs, len(one), spec.channels)
        parts = np.swapaxes(blocks, 0, 1).reshape(spec.outputs, len(one) ** 2, -1)
        r = np.stack([(root @ product).ravel() @ parts for product in products])
        a = (root @ one).T @ bar_constant.reshape(len(one), -1)
        return {name: [bar.reshape(given[name][0].shape)] for name, bar in (("R", r), ("a", a))}
    gram = rep.readout_gram
    width = gram.shape[1] * spec.channels
    bar_operator, bar_q = bar_operator[:, :width], bar_operator[:, width:]
    r = np.einsum("ojc,ij->ioc", bar_operator.reshape(spec.outputs, -1, spec.channels), gram)
    found = {"R": [r.reshape(given["R"][0].shape)], "a": [bar_constant]}
    return found | ({"Q": [bar_q]} if spec.beside else {})


def read_out(rep: Representation, given: Coefficients, y: Array) -> Array:
    """What a readout at every point makes of final states (n·c, N): coefficients (n·outputs, N)."""
    (products, one), (r, a) = along_state(rep, "readout"), (_leading(given, name) for name in ("R", "a"))
    final = y.reshape(len(one), -1, y.shape[1])
    parts = sum(np.tensordot(product, own @ final, 1) for product, own in zip(products, r))
    return np.asarray((parts + (one @ a)[:, :, None]).reshape(-1, y.shape[1]))


def whole(field: Field, coefficients: Sequence[Array], dimension: int) -> list[Array]:
    """Coefficients like a field's, slab by slab, with one axis for the products of the functions along all axes."""
    if not field.slabs[0].bases or dimension == 1:
        return list(coefficients)
    return [_flat_weight(a, dimension) if field.name == "W" else _flat(a, dimension) for a in coefficients]


def _flat(coefficients: Array, dimension: int) -> Array:
    """Coefficients whose first axes, one for every axis of the domain, are one."""
    return coefficients.reshape(-1, *coefficients.shape[dimension:])


def _flat_weight(w: Array, dimension: int) -> Array:
    """The coefficients of W as w[i,j,k,o,c], or z[m,k,o,c]."""
    widths = w.ndim - 3
    return _flat(w, dimension) if widths == dimension else w.reshape(math.prod(w.shape[:dimension]), -1, *w.shape[-3:])


def _depth_first(z: Array) -> Array:
    m, k, o, c = z.shape
    return z.transpose(1, 0, 2, 3).reshape(k, m, o * c)


def _depth_second(z: Array, shape: tuple[int, ...]) -> Array:
    m, k, o, c = shape
    return z.reshape(k, m, o, c).transpose(1, 0, 2, 3)
