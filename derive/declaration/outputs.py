"""[readout] and [loss]: what comes out, and how it is compared."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from derive.declaration.bases import discontinuous, read_product, read_width
from derive.declaration.formulas import read_formula
from derive.declaration.reader import Reader
from derive.spec import WIDTH, BasisSpec, ClassWeights, Shares, Slab, comparison

SHARPEST = 1000  # β of a smooth maximum, and 1/width of the steps of shares
LEVELS = 1000  # above which shares are taken, at most


def read_targets(
    reader: Reader, data: Mapping[str, Any], equation: Mapping[str, Any], slabs: tuple[Slab, ...], dimension: int
) -> tuple[int | None, BasisSpec | None, str, BasisSpec | None, ClassWeights]:
    """How many outputs, the basis of a readout, the loss, its weight, and what the records of each class count."""
    outputs, readout = None, None
    if "readout" in data:
        table = reader.table(data, "readout")
        outputs = reader.integer({"outputs": reader.need(table, "outputs", "readout")}, "outputs", "readout", 1)
        if "basis" in table:
            readout = read_product(reader, table["basis"], "readout.basis", WIDTH, equation["periodic"])
    table = reader.table(data, "loss")
    loss = read_formula(reader, reader.need(table, "kind", "loss"), "losses", {"z", "t"}, "loss.kind")
    compared = comparison(loss)
    on = compared.on
    if ("function" if readout is None else "outputs") not in on:
        reader.fail(
            "loss.kind",
            f"{loss} on {'a function' if readout is None else 'outputs'}",
            f"{loss} on {' or '.join(on)}",
            "a readout that is missing, or without a basis, or that should not be there",
            "add [readout] with outputs and basis, or use l2",
        )
    if compared.distance == "H1":
        states = [slabs[-1].state.along(axis) for axis in range(dimension)]
        jumps = [state.family for state in states if discontinuous(state)]
        constant = equation["interpolant"] == "constant"
        if jumps or constant:
            reader.fail(
                "loss.kind",
                f"{loss} with {'targets that are' if constant else f'a {jumps[0]} state, which is'} not continuous",
                "a continuous state basis and a linear or least-squares interpolant",
                "what jumps has no slope in L2",
                "use l2, or another basis and interpolant",
            )
    if compared.scores and readout is not None and outputs == 1:
        reader.fail(
            "readout.outputs",
            f"one output for {loss}",
            "one output a class, at least 2",
            "a single class",
            "write outputs = 2",
        )
    weight = _weight(reader, table, equation) if "weight" in table else None
    if weight and (compared.distance != "L2" or readout is not None):
        reader.fail(
            "loss.weight",
            f"a weight for {loss} on {'a function' if readout is None else 'outputs'}",
            "a weight for l2 on a function: ∫ weight · |y − y*|² dξ",
            "a loss that integrates nothing",
            "leave weight out",
        )
    return outputs, readout, loss, weight, _class_weights(reader, table, loss, outputs)


def read_maximum(reader: Reader, data: Mapping[str, Any], readout: BasisSpec | None) -> Fraction | None:
    """The sharpness β of the smooth maxima that functionals have beside them."""
    table = reader.table(data, "readout", {})
    if "maximum" not in table:
        return None
    found = reader.exact(table["maximum"], "readout.maximum")
    if not 0 < found <= SHARPEST:
        reader.fail("readout.maximum", f"{found}", f"a sharpness β above 0, at most {SHARPEST}",
                    "a sign, or another unit", 'write maximum = "4" for (1/4) log(½ ∫ exp(4 y) dξ)')  # fmt: skip
    if readout is None:
        reader.fail("readout.maximum", "a maximum for an output function", "a maximum beside functionals",
                    "a readout without a basis gives a value at every point",
                    'add basis = { family = "p0", cells = 1 } for the mean beside the maximum')  # fmt: skip
    return found


def read_shares(reader: Reader, data: Mapping[str, Any], readout: BasisSpec | None) -> Shares | None:
    """The levels above which functionals have shares of the domain beside them, and the width of their steps."""
    table = reader.table(data, "readout", {})
    if "shares" not in table:
        return None
    path, example = "readout.shares", 'write shares = { levels = ["-1", "0", "1"], width = "1/4" }'
    own = table["shares"]
    if not isinstance(own, Mapping):
        reader.fail(path, f"{own!r}", "a table of levels and a width", "levels alone", example)
    reader.known(own, ("levels", "width"), path)
    levels = reader.need(own, "levels", path)
    if not isinstance(levels, list | tuple) or not 1 <= len(levels) <= LEVELS:
        reader.fail(f"{path}.levels", f"{levels!r}", f"a list of 1 to {LEVELS} numbers", "one number alone", example)
    found = tuple(reader.exact(level, f"{path}.levels") for level in levels)
    if any(low >= high for low, high in zip(found, found[1:])):
        reader.fail(f"{path}.levels", f"{[str(level) for level in found]}", "numbers that increase",
                    "an order that was meant to say something, or a level twice", "sort them")  # fmt: skip
    width = reader.exact(reader.need(own, "width", path), f"{path}.width")
    if not width >= Fraction(1, SHARPEST):
        reader.fail(f"{path}.width", f"{width}", f"a width of 1/{SHARPEST} or more",
                    "a sign, or steps too steep to have a slope", example)  # fmt: skip
    if readout is None:
        reader.fail(path, "shares for an output function", "shares beside functionals",
                    "a readout without a basis gives a value at every point",
                    'add basis = { family = "p0", cells = 1 } for the mean beside the shares')  # fmt: skip
    if "maximum" in table:
        reader.fail(path, "shares and a maximum", "one of the two", "two readouts of one state",
                    "leave maximum out: the share above a high level tells of the maximum")  # fmt: skip
    return Shares(found, width)


def read_readout_width(
    reader: Reader, data: Mapping[str, Any], readout: BasisSpec | None, equation: Mapping[str, Any]
) -> BasisSpec | None:
    """The width basis of a readout at every point."""
    table = reader.table(data, "readout", {})
    if "width" in table and readout is not None:
        reader.fail("readout.width", "basis and width", "basis for numbers, or width for a function",
                    "functionals integrate ξ away, and vary along it by their basis",
                    "leave one of the two out")  # fmt: skip
    return read_width(reader, table, "readout", equation)


def _weight(reader: Reader, table: Mapping[str, Any], equation: Mapping[str, Any]) -> BasisSpec:
    """The weight of l2: an expression in xi, or a basis of one function; a list has one an axis, multiplied."""

    def declared(one: Any) -> Any:
        return {"family": "custom", "functions": [one]} if isinstance(one, str) else one

    value = table["weight"]
    chosen = {"axes": [declared(one) for one in value]} if isinstance(value, list | tuple) else declared(value)
    found = read_product(reader, chosen, "loss.weight", WIDTH, equation["periodic"])
    if found.size != 1:
        reader.fail(
            "loss.weight", f"{found.size} functions", "one function", "a basis, not a weight", 'write "1 + xi**2"'
        )
    return found


def _class_weights(reader: Reader, table: Mapping[str, Any], loss: str, outputs: int | None) -> ClassWeights:
    """What the records of each class count in the cross-entropy."""
    if "class_weights" not in table:
        return ()
    value, path = table["class_weights"], "loss.class_weights"
    if comparison(loss).targets != "classes":
        reader.fail(path, f"weights of classes for {loss}", 'weights for kind = "cross-entropy"',
                    "a loss without classes", "leave class_weights out")  # fmt: skip
    if value == "balanced":
        return "balanced"
    if not isinstance(value, list | tuple) or len(value) != outputs:
        reader.fail(path, f"{value!r}", f'"balanced", or a list of {outputs} numbers, one a class',
                    "a typing error, or a class left out", 'write class_weights = "balanced"')  # fmt: skip
    found = tuple(reader.exact(number, path) for number in value)
    if any(number <= 0 for number in found):
        reader.fail(path, f"{[str(number) for number in found]}", "positive numbers", "a sign, or a class to ignore",
                    "leave the records of such a class out of the data")  # fmt: skip
    return found
