"""TOML tables → a resolved Spec: completes what is left out and refuses what cannot work, with the key's path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from derive.declaration.bases import read_width
from derive.declaration.equation import read_equation
from derive.declaration.integration import check_steps, read_cuts, read_steps, read_tableau
from derive.declaration.keys import TABLES
from derive.declaration.outputs import read_maximum, read_readout_width, read_shares, read_targets
from derive.declaration.penalties import read_penalties
from derive.declaration.reader import LARGEST, NAMES, Reader
from derive.declaration.slabs import read_slabs
from derive.declaration.symmetries import invariant_slabs
from derive.declaration.toml import read_toml
from derive.declaration.training import check_strategy, read_training
from derive.declaration.units import read_units
from derive.errors import SpecError
from derive.spec import NAME, Spec
from derive.spec.operator import operator

REQUIRED = ("name", "equation", "state", "weight", "bias", "integration", "loss")
LARGEST_TABLE = 1 << 30  # numbers of one table; a spec beyond it is a typing error


def load_spec(source: str | Path | Mapping[str, Any]) -> Spec:
    """A Spec from a TOML file or from a mapping of the same shape. Raises SpecError."""
    if isinstance(source, Mapping):
        return read(source, str(source.get("name", "spec")))
    if not isinstance(source, str | os.PathLike):
        raise SpecError(
            f"a declaration of type {type(source).__name__}", "a path, or a table", "another argument",
            "give the path of a TOML file, or a mapping of the same shape",
        )  # fmt: skip
    return read(read_toml(source), str(source))


def read(data: Mapping[str, Any], where: str) -> Spec:
    """The Spec of a parsed declaration. where: the file, for messages. Raises SpecError."""
    reader = Reader(where)
    base = {key: value for key, value in data.items() if key != "levels"}
    spec = read_one(reader, base)
    ladder = reader.table(data, "levels", {}) if "levels" in data else {}
    if len(ladder) > LARGEST["levels"]:
        reader.fail("levels", f"{len(ladder)} levels", f"at most {LARGEST['levels']}", "a generated file", "keep some")
    levels = []
    for name, changes in ladder.items():
        if not NAME.fullmatch(str(name)) or name == "base":
            reader.fail(
                f"levels.{name}",
                f"a level called {name!r}",
                "letters, digits, - and _; not base",
                "a name that files cannot carry",
                "rename the level",
            )
        inner = Reader(where, f"levels.{name}.")
        if not isinstance(changes, Mapping):
            inner.fail(
                "",
                f"{changes!r}",
                "a table of what differs",
                "a value where a table is meant",
                "write name = { integration = { steps = 8 } }",
            )
        _check_same_model(inner, changes)
        merged = merge(base, changes)
        merged["name"] = base["name"]
        levels.append((str(name), read_one(inner, merged)))
    check_strategy(reader, spec.training, [name for name, _ in levels])
    return replace(spec, levels=tuple(levels))


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A level's declaration over the base's; a basis or a tableau is replaced as a whole."""
    found = dict(base)
    for key, value in changes.items():
        old = found.get(key)
        whole = isinstance(value, Mapping) and not value.keys().isdisjoint(("family", "axes", "a"))
        if isinstance(value, Mapping) and isinstance(old, Mapping) and not whole:
            found[key] = merge(old, value)
        else:
            found[key] = value
    return found


def _check_same_model(reader: Reader, changes: Mapping[str, Any]) -> None:
    """A level is another representation of one model: it changes bases, steps and training, nothing else."""
    fixed = [key for key in ("equation", "input", "loss", "summary") if key in changes]
    for table, keys in (("lift", ("inputs",)), ("readout", ("outputs", "maximum", "shares", "scale"))):
        if isinstance(changes.get(table), Mapping):
            fixed += [f"{table}.{key}" for key in keys if key in changes[table]]
    if fixed:
        reader.fail(
            fixed[0],
            f"a level with another {fixed[0]}",
            "levels that change state, weight, bias, integration, lift.width, readout.basis, readout.width, "
            "precision or training",
            "another model, not another representation of this one",
            "write a spec of its own for it",
        )


def read_one(reader: Reader, data: Mapping[str, Any]) -> Spec:
    """The Spec of the base or of a level, without levels of its own."""
    reader.known(data, [k for k in TABLES[""] if k != "levels" or not reader.prefix], "")
    for key in REQUIRED:
        reader.need(data, key, "")
    name = data["name"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        reader.fail(
            "name",
            f"{name!r}",
            NAMES,
            "the name is also a folder's",
            "rename the spec",
        )
    equation, dimension = read_equation(reader, data)
    kind = operator(dimension, equation["reach"], equation["symmetries"], equation["exchange"])
    entry, slabs = read_slabs(reader, data, equation["periodic"], kind)
    slabs = invariant_slabs(reader, equation["symmetries"], entry, slabs, kind)
    outputs, readout, loss, weight, class_weights = read_targets(reader, data, equation, slabs, dimension)
    maximum = read_maximum(reader, data, readout)
    readout_width = read_readout_width(reader, data, readout, equation)
    lift = reader.table(data, "lift", {})
    if "lift" in data:
        reader.need(lift, "inputs", "lift")
    integration = reader.table(data, "integration")
    method = read_tableau(reader, integration)
    steps, tolerance = read_steps(reader, integration, method, entry, slabs)
    cuts = read_cuts(reader, integration) if tolerance is None else ()
    spec = Spec(
        name=name,
        summary=_summary(reader, data),
        inputs=reader.integer(lift, "inputs", "lift", 1),
        lift_width=read_width(reader, lift, "lift", equation),
        entry=entry,
        slabs=slabs,
        tableau=method,
        steps=steps,
        tolerance=tolerance,
        cuts=cuts,
        outputs=outputs,
        readout=readout,
        readout_width=readout_width,
        maximum=maximum,
        shares=read_shares(reader, data, readout),
        loss=loss,
        loss_weight=weight,
        class_weights=class_weights,
        penalties=read_penalties(reader, reader.table(data, "loss"), equation, slabs, readout),
        training=read_training(reader, data),
        units=read_units(reader, data, dimension, loss, equation["interpolant"]),
        precision=reader.choice(data.get("precision", "float64"), ("float64", "float32"), "precision"),
        **equation,
    )
    check_steps(reader, spec)
    _check_size(reader, spec)
    return spec


def _summary(reader: Reader, data: Mapping[str, Any]) -> str:
    value = data.get("summary", "")
    if not isinstance(value, str) or len(value) > 500 or not value.isprintable():
        reader.fail("summary", f"{value!r}", "one line of text", "a list, a number or several lines", "shorten it")
    return str(value)


def _check_size(reader: Reader, spec: Spec) -> None:
    """Refuse what cannot fit before anything is allocated."""
    for slab in (one.along(axis) for one in spec.slabs for axis in range(spec.dimension)):
        nodes = slab.quadrature or 2 * slab.state.size + max(slab.weight_out.size, slab.bias_width.size)
        stages = spec.steps * len(spec.tableau.b)
        largest = 8 * spec.operator.numbers(slab, nodes, spec.channels, stages)
        if largest > LARGEST_TABLE * 8:
            reader.fail(
                "",
                f"tables of about {largest / 2**30:.0f} GiB",
                f"at most {LARGEST_TABLE * 8 / 2**30:.0f} GiB",
                "sizes or channels with an extra digit",
                "use smaller bases or fewer channels",
            )
