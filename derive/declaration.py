"""TOML tables → a resolved Spec: completes what is left out and refuses what cannot work, with the key's path."""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from derive import registry, tableau
from derive.errors import DerivationError, ExpressionError, SpecError, advice
from derive.exact import expression, surd
from derive.exact.surd import Exact, Surd
from derive.spec import (
    CONSTANT,
    OPTIONS,
    PARAMETER,
    BasisSpec,
    ClassWeights,
    Option,
    Penalty,
    Piece,
    Slab,
    Spec,
    SymmetrySpec,
    TableauSpec,
    Training,
    depth_elements,
    product,
    steps_an_element,
)
from derive.spec import NAME as NAME
from derive.suggestion import nearest

WIDTH = (Fraction(-1), Fraction(1))
LARGEST = {"size": 2048, "cells": 2048, "degree": 64, "steps": 100_000, "outputs": 100_000, "channels": 4096,
           "levels": 64, "dimension": 3}  # fmt: skip
SHARPEST = 1000  # β of a smooth maximum
NUMBERED = tuple(f"u{k}" for k in range(1, 9))  # the names of several pre-activations
LARGEST_PRODUCT = 4096  # functions on a square or a cube
LARGEST_TABLE = 1 << 30  # bytes of one table; a spec beyond it is a typing error
FORMULAS = {"rates": "equation.rate", "activations": "equation.activation", "losses": "loss.kind"}
NAMES = "letters, digits, - and _, a letter first, at most 64"

TABLES: dict[str, tuple[str, ...]] = {
    "": (
        "name",
        "summary",
        "precision",
        "equation",
        "input",
        "lift",
        "state",
        "weight",
        "bias",
        "integration",
        "readout",
        "loss",
        "training",
        "levels",
    ),
    "equation": (
        "rate",
        "activation",
        "spacing",
        "channels",
        "parameters",
        "learned",
        "local",
        "normalise",
        "symmetry",
        "reach",
        "periodic",
        "dimension",
    ),
    "input": ("interpolant", "smoothing"),
    "lift": ("inputs", "width"),
    "state": ("basis", "quadrature"),
    "weight": ("width_out", "width_in", "kernel", "depth"),
    "bias": ("width", "depth"),
    "integration": ("tableau", "steps", "tolerance"),
    "readout": ("outputs", "basis", "maximum", "width"),
    "loss": ("kind", "weight", "class_weights", "penalty"),
    "training": tuple(OPTIONS),
}
REQUIRED = ("name", "equation", "state", "weight", "bias", "integration", "loss")


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


LARGEST_FILE = 1 << 20
LARGEST_NUMBER = 10**18
# tomllib takes time that grows like the square of a dotted key's length
LONG_KEY = re.compile(r"""^[\s\[]*(?:[\w"'-]+\s*\.\s*){32}""", re.MULTILINE)


def read_toml(source: str | Path) -> dict[str, Any]:
    """The tables of a declaration's file, unchecked. Raises SpecError for what is no TOML."""
    path = Path(source)
    fix = "give the path of a TOML file; `continua new NAME` writes a commented one"
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SpecError(
                f"{path.stat().st_size} bytes",
                f"a declaration of at most {LARGEST_FILE} bytes",
                "another file was named",
                fix,
                str(path),
            )
        text = path.read_text(encoding="utf-8-sig")  # some editors write a mark before the first line
        if LONG_KEY.search(text):
            raise SpecError(
                "a key of more than 32 parts", "[table.key], a few parts", "a generated file", fix, str(path)
            )
        found = tomllib.loads(text)
        _check_numbers(found, str(path))
        return found
    except OSError as error:
        raise SpecError(
            f"{path} ({error.strerror})", "a readable TOML file", "a typing error in the path", fix, str(path)
        ) from None
    except UnicodeDecodeError as error:
        raise SpecError(
            f"byte {error.start} of the file, {error.object[error.start]:#04x}", "text in UTF-8",
            "a file saved in another encoding, such as UTF-16", "save it as UTF-8", str(path),
        ) from None  # fmt: skip
    except (ValueError, RecursionError) as error:  # broken TOML, or a number that Python will not read
        raise SpecError(
            f"{error}" or type(error).__name__,
            "TOML: tables in [brackets], one key = value a line, each key once",
            "a missing quote or bracket, or a key given twice",
            "correct that line",
            str(path),
        ) from None


def _check_numbers(value: Any, where: str) -> None:
    """Refuse whole numbers that nothing can mean, and that Python would not even print."""
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            _check_numbers(part, where)
    elif isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise SpecError(
            f"a whole number of {value.bit_length()} bits", f"whole numbers up to {LARGEST_NUMBER:g}",
            "a generated file, or an extra digit", "write the number that is meant", where,
        )  # fmt: skip


def read(data: Mapping[str, Any], where: str) -> Spec:
    """The Spec of a parsed declaration. where: the file, for messages. Raises SpecError."""
    reader = Reader(where)
    base = {key: value for key, value in data.items() if key != "levels"}
    spec = reader.spec(base)
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
        inner.same_model(changes)
        merged = merge(base, changes)
        merged["name"] = base["name"]
        levels.append((str(name), inner.spec(merged)))
    return Spec(**{**{f: getattr(spec, f) for f in spec.__dataclass_fields__}, "levels": tuple(levels)})


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


class Reader:
    """Reads one declaration; ``prefix`` is the path in front of its keys (a level's)."""

    def __init__(self, where: str, prefix: str = "") -> None:
        self.where = where
        self.prefix = prefix

    def fail(self, path: str, given: str, allowed: str, cause: str, fix: str) -> Any:
        place = f"{self.where}, {self.prefix}{path}".rstrip(", .")
        raise SpecError(_short(given), allowed, cause, fix, place)

    # --- values ---------------------------------------------------------------------------------------------

    def table(self, data: Mapping[str, Any], key: str, default: Any = None) -> Mapping[str, Any]:
        """A sub-table with only known keys."""
        value = data.get(key, default)
        if not isinstance(value, Mapping):
            self.fail(
                key, f"{value!r}", f"a table [{key}]", "a value where a table is meant", f"write [{key}] above its keys"
            )
        if key in TABLES:
            self.known(value, TABLES[key], key)
        return value  # type: ignore[no-any-return]

    def known(self, table: Mapping[str, Any], allowed: Collection[str], path: str) -> None:
        for key in table:
            if key not in allowed:
                homes = [name for name, keys in TABLES.items() if name and key in keys]
                cause = f"a key of [{homes[0]}]" if homes else "a typing error, or a key of another table"
                fix = f"write it in [{homes[0]}]" if homes else "correct or remove it"
                self.fail(
                    f"{path}.{key}".lstrip("."),
                    f"the key {key!r}",
                    f"{', '.join(allowed)}",
                    *((cause, fix) if homes else advice(key, allowed, cause, fix)),
                )

    def integer(self, table: Mapping[str, Any], key: str, path: str, low: int, default: Any = None) -> Any:
        value = table.get(key, default)
        if value is None and key not in table and default is None:
            return None
        high = LARGEST.get(key, 10**9)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fail(
                f"{path}.{key}",
                f"{value!r}",
                f"a whole number from {low} to {high}",
                "a quoted number, a fraction, or a size out of range",
                f"write {key} = {min(max(low, 4), high)}",
            )
        return value

    def exact(self, value: Any, path: str) -> Fraction:
        if isinstance(value, Fraction):  # from Python, or a tableau's file
            return value
        try:
            return expression.parse_rational(value)
        except ExpressionError as error:
            return self.fail(path, error.given, error.allowed, error.cause, error.fix)  # type: ignore[no-any-return]

    def entry(self, value: Any, path: str) -> Exact:
        """An entry of a tableau, which may hold a square root."""
        if not isinstance(value, str) or "sqrt" not in value:
            return self.exact(value, path)
        try:
            return surd.parse(value)
        except ExpressionError as error:
            return self.fail(path, error.given, error.allowed, error.cause, error.fix)  # type: ignore[no-any-return]

    def choice(self, value: Any, allowed: Collection[str], path: str) -> str:
        if not isinstance(value, str) or value not in allowed:
            self.fail(
                path,
                f"{value!r}",
                ", ".join(allowed),
                *advice(value, allowed, "a name that does not exist", "use one of the above"),
            )
        return str(value)

    def need(self, table: Mapping[str, Any], key: str, path: str) -> Any:
        if key not in table:
            self.fail(f"{path}.{key}".lstrip("."), "nothing", f"the key {key}", "it was left out", f"add {key}")
        return table[key]

    def same_model(self, changes: Mapping[str, Any]) -> None:
        """A level is another representation of one model: it changes bases, steps and training, nothing else."""
        fixed = [key for key in ("equation", "input", "loss", "summary") if key in changes]
        for table, keys in (("lift", ("inputs",)), ("readout", ("outputs", "maximum"))):
            if isinstance(changes.get(table), Mapping):
                fixed += [f"{table}.{key}" for key in keys if key in changes[table]]
        if fixed:
            self.fail(
                fixed[0],
                f"a level with another {fixed[0]}",
                "levels that change state, weight, bias, integration, lift.width, readout.basis, readout.width, "
                "precision or training",
                "another model, not another representation of this one",
                "write a spec of its own for it",
            )

    # --- the parts ------------------------------------------------------------------------------------------

    def spec(self, data: Mapping[str, Any]) -> Spec:
        self.known(data, [k for k in TABLES[""] if k != "levels" or not self.prefix], "")
        for key in REQUIRED:
            self.need(data, key, "")
        name = data["name"]
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self.fail(
                "name",
                f"{name!r}",
                NAMES,
                "the name is also a folder's",
                "rename the spec",
            )
        equation = self.equation(data)
        dimension = self.integer(self.table(data, "equation"), "dimension", "equation", 1, 1)
        self.several(equation, dimension)
        entry, slabs = self.slabs(data, equation["periodic"], equation["reach"], dimension)
        slabs = self.invariant(equation["symmetries"], entry, slabs, equation["reach"], dimension)
        outputs, readout, loss, weight, class_weights = self.targets(data, equation, slabs, dimension)
        maximum = self.maximum(data, readout)
        readout_width = self.everywhere(data, readout, equation, dimension)
        lift = self.table(data, "lift", {})
        if "lift" in data:
            self.need(lift, "inputs", "lift")
        integration = self.table(data, "integration")
        method = self.tableau(integration)
        steps, tolerance = self.steps(integration, method, entry, slabs)
        spec = Spec(
            name=name,
            summary=self.summary(data),
            inputs=self.integer(lift, "inputs", "lift", 1),
            lift_width=self.along(lift, "lift", equation, dimension),
            entry=entry,
            slabs=slabs,
            tableau=method,
            steps=steps,
            tolerance=tolerance,
            outputs=outputs,
            readout=readout,
            readout_width=readout_width,
            maximum=maximum,
            loss=loss,
            weight=weight,
            class_weights=class_weights,
            penalties=self.penalties(self.table(data, "loss"), equation, slabs, readout),
            training=self.training(data),
            precision=self.choice(data.get("precision", "float64"), ("float64", "float32"), "precision"),
            **equation,
        )
        self.check_depth(spec)
        self.check_size(spec)
        return spec

    def summary(self, data: Mapping[str, Any]) -> str:
        value = data.get("summary", "")
        if not isinstance(value, str) or len(value) > 500 or not value.isprintable():
            self.fail("summary", f"{value!r}", "one line of text", "a list, a number or several lines", "shorten it")
        return str(value)

    def equation(self, data: Mapping[str, Any]) -> dict[str, Any]:
        table = self.table(data, "equation")
        exact, learned = (self.parameters(table, key) for key in ("parameters", "learned"))
        names = {k for k, _ in exact}
        both = names & {k for k, _ in learned}
        if both:
            self.fail(f"equation.learned.{min(both)}", "a parameter that is given and learned", "one of the two",
                      "a line left over", "remove it from parameters, or from learned")  # fmt: skip
        known = {"u", *NUMBERED, "h", "Delta", *names, *(k for k, _ in learned)}
        spacing = self.exact(table.get("spacing", 1), "equation.spacing")
        if spacing <= 0:
            self.fail("equation.spacing", f"{spacing}", "a positive number Δ", "a sign", 'write spacing = "1/4"')
        numbers = {**dict(exact), "Delta": spacing}
        rate = self.formula(self.need(table, "rate", "equation"), "rates", known, "equation.rate", numbers)
        activation = self.formula(
            table.get("activation", "tanh"), "activations", {"u", *names}, "equation.activation", dict(exact)
        )
        periodic = table.get("periodic", False)
        if not isinstance(periodic, bool):
            self.fail(
                "equation.periodic", f"{periodic!r}", "true or false", "quotes around it", "write periodic = true"
            )
        local = table.get("local", False)
        if not isinstance(local, bool):
            self.fail("equation.local", f"{local!r}", "true or false: whether there is a V", "quotes around it",
                      "write local = true")  # fmt: skip
        given = self.table(data, "input", {})
        interpolant = self.choice(
            given.get("interpolant", "linear"), ("linear", "constant", "least-squares"), "input.interpolant"
        )
        smoothing = self.exact(given["smoothing"], "input.smoothing") if "smoothing" in given else None
        if smoothing is not None and (smoothing <= 0 or interpolant != "least-squares"):
            self.fail(
                "input.smoothing",
                f"{smoothing}",
                'a positive number, with interpolant = "least-squares"',
                "the other interpolants need none",
                "remove it",
            )
        return {
            "rate": rate,
            "activation": activation,
            "spacing": spacing,
            "parameters": exact,
            "pre_activations": self.pre_activations(rate, {k for k, _ in exact + learned}),
            "learned": learned,
            "local": local,
            "normalise": self.normalise(table),
            "symmetries": self.symmetries(table, periodic),
            "reach": self.reach(table, periodic),
            "periodic": periodic,
            "channels": self.integer(table, "channels", "equation", 1, 1),
            "interpolant": interpolant,
            "smoothing": smoothing,
        }

    def parameters(self, table: Mapping[str, Any], key: str) -> tuple[tuple[str, Fraction], ...]:
        """The rate's parameters that are given, or learned."""
        given = table.get(key, {})
        path = f"equation.{key}"
        if not isinstance(given, Mapping):
            self.fail(path, f"{given!r}", 'a table such as { a = "1/2" }', "a value", "use { }")
        reserved = {"u", *NUMBERED, "h", "f", "Delta", "pi", *expression.FUNCTIONS}
        for name in given:
            if not PARAMETER.fullmatch(str(name)) or name in reserved:
                self.fail(
                    f"{path}.{name}",
                    f"a parameter called {name!r}",
                    f"letters and digits; not {', '.join(sorted(reserved))}",
                    "a name with a meaning of its own",
                    "rename the parameter",
                )
        return tuple(sorted((str(k), self.exact(v, f"{path}.{k}")) for k, v in given.items()))

    def pre_activations(self, rate: str, parameters: Collection[str]) -> int:
        """How many u a rate names beside its parameters, which may be u9, u10, …: u alone, or u1, u2, …"""
        used = set() if rate in registry.names("rates") else set(re.findall(r"\bu\d*\b", rate)) - set(parameters)
        count = max((int(name[1:]) for name in used - {"u"}), default=1)
        if ("u" in used and len(used) > 1) or (used - {"u"} and used != set(NUMBERED[:count])):
            self.fail("equation.rate", f"the pre-activations {', '.join(sorted(used))}",
                      "u alone, or u1, u2, … without gaps", "a number left out, or one too many",
                      "number them from 1")  # fmt: skip
        return count if used - {"u"} else 1

    def normalise(self, table: Mapping[str, Any]) -> Fraction | None:
        """ε of pre-activations that are normalised over the channels."""
        if "normalise" not in table:
            return None
        found = self.exact(table["normalise"], "equation.normalise")
        if not 0 < found <= 1:
            self.fail("equation.normalise", f"{found}", "a number ε above 0, at most 1",
                      "a sign, or a switch", 'write normalise = "1/1000" for u/√(mean of u² + 1/1000)')  # fmt: skip
        if table.get("channels", 1) == 1:
            self.fail("equation.normalise", "one channel to normalise over", "channels = 2 or more",
                      "the key channels was left out", "declare channels, or leave normalise out")  # fmt: skip
        return found

    def symmetries(self, table: Mapping[str, Any], periodic: bool) -> tuple[SymmetrySpec, ...]:
        given = table.get("symmetry", [])
        return tuple(self.symmetry(one, periodic) for one in (given if isinstance(given, list | tuple) else [given]))

    def symmetry(self, given: Any, periodic: bool) -> SymmetrySpec:
        path, keys = "equation.symmetry", set(given) if isinstance(given, Mapping) else set()
        if given not in ("translation", "reflection") and keys != {"shift"} and "map" not in keys:
            self.fail(path, f"{given!r}",
                      '"translation", "reflection", { shift = "1/4" }, { map = "-xi" }, or a list of them',
                      *advice(given, ("translation", "reflection"), fix='write symmetry = "translation"'))  # fmt: skip
        if "map" in keys:
            found = self.width_map(given, path)
            shift = SymmetrySpec("shift", found.own[0].offset)
            return next((k for k in (SymmetrySpec("reflection"), *[shift] * periodic) if k.pieces == found.own), found)
        if given != "reflection" and not periodic:
            self.fail(path, f"{given!r} on an interval with ends", "periodic = true for shifts",
                      "the key periodic was left out", "write periodic = true in [equation]")  # fmt: skip
        if keys:
            return self.few_cells(SymmetrySpec("shift", self.exact(given["shift"], f"{path}.shift")), path)
        return SymmetrySpec(given)

    def width_map(self, given: Mapping[str, Any], path: str) -> SymmetrySpec:
        """{ map = [expressions in xi], breakpoints = […] }: ξ or −ξ and a number on every piece, which fill [−1, 1]."""
        from derive.spaces import symmetry

        self.known(given, ("map", "breakpoints"), path)
        cuts = self.points(given["breakpoints"], f"{path}.breakpoints") if "breakpoints" in given else WIDTH
        listed = isinstance(given["map"], list | tuple)
        texts = self.functions(given["map"] if listed else [given["map"]], path, "map", {"xi"})
        if len(texts) != len(cuts) - 1 or cuts != tuple(sorted({*cuts, *WIDTH})) or (cuts[0], cuts[-1]) != WIDTH:
            self.fail(path, f"{len(texts)} pieces, breakpoints {', '.join(map(str, cuts))}",
                      "one expression between every two breakpoints, which increase from -1 to 1",
                      "a breakpoint left out, or the ends",
                      'write map = ["xi + 1", "xi - 1"], breakpoints = ["-1", "0", "1"]')  # fmt: skip
        pieces: list[Piece] = []
        for text, a, b in zip(texts, cuts, cuts[1:]):
            piece = symmetry.piece(text, a, b)
            if piece is None:
                self.fail(path, f"{text} on [{a}, {b}]", "xi or -xi plus an exact number: a map that keeps all lengths",
                          "a slope other than 1 and -1 changes the measure, and (6) holds for integrals over it",
                          'write "xi + 1/2" or "1/2 - xi", piece by piece')  # fmt: skip
            assert piece is not None
            last = pieces[-1] if pieces else None
            if last and (last.sign, last.offset) == (piece.sign, piece.offset):
                pieces[-1] = replace(last, stop=b)
            else:
                pieces.append(piece)
        images = sorted(piece.image for piece in pieces)
        if [a for a, _ in images] + [WIDTH[1]] != [WIDTH[0]] + [b for _, b in images]:
            self.fail(path, f"pieces that land on {', '.join(f'[{a}, {b}]' for a, b in images)}",
                      "pieces that fill [-1, 1], every part once", "no bijection: a number that moves a piece too far",
                      "change it so that the images lie side by side")  # fmt: skip
        return self.few_cells(SymmetrySpec("map", own=tuple(pieces)), path)

    def few_cells(self, found: SymmetrySpec, path: str) -> SymmetrySpec:
        if found.cells > LARGEST["cells"]:
            self.fail(path, f"{found}, which permutes {found.cells} equal cells", f"at most {LARGEST['cells']} cells",
                      "a number with an extra digit", 'use simpler fractions, or "translation"')  # fmt: skip
        return found

    def reach(self, table: Mapping[str, Any], periodic: bool) -> Fraction | None:
        """How far κ(ξ − ξ′) sees; the whole domain is 1 both ways round a circle, 2 on an interval."""
        if "reach" not in table:
            return None
        found, most = self.exact(table["reach"], "equation.reach"), 1 if periodic else 2
        if not 0 < found <= most:
            self.fail("equation.reach", f"{found}", f"a number above 0, at most {most}",
                      "a sign, or a width for a half width",
                      'write reach = "1/8" for W(ξ, ξ′) = κ(ξ − ξ′), zero for |ξ − ξ′| > 1/8')  # fmt: skip
        return found

    def invariant(
        self,
        symmetries: tuple[SymmetrySpec, ...],
        entry: BasisSpec,
        slabs: tuple[Slab, ...],
        reach: Fraction | None,
        dimension: int,
    ) -> tuple[Slab, ...]:
        """The slabs with bias bases that the symmetries leave alone; the others must be closed under them.

        κ(ξ − ξ′) moves with every shift; a reflection leaves the even ones.
        """
        if not symmetries:
            return slabs
        from derive.spaces import basis as bases
        from derive.spaces import symmetry

        own = [one for one in symmetries if one.kind == "map"]
        if reach is not None and own:
            self.fail("equation.symmetry", f"{own[0]}, with equation.reach", "a reflection, or shifts, of κ(ξ − ξ′)",
                      "a map that moves parts apart changes their distance ξ − ξ′",
                      "remove reach and declare width_out and width_in, or remove the map")  # fmt: skip
        try:
            for declared in (entry, *(slab.state for slab in slabs)):
                for axis in range(dimension):
                    symmetry.check_closed(symmetries, bases.build(declared.along(axis)), "state.basis")
            slabs = tuple(
                replace(slab, bias_width=self.left(symmetries, slab.bias_width, "bias.width")) for slab in slabs
            )
            mirrors = [one for one in symmetries if one.kind == "reflection"]
            if reach is None or not mirrors:
                return slabs
            ends = (-reach, reach)
            return tuple(
                replace(slab, weight_in=self.left(mirrors, slab.weight_in, "weight.kernel", ends)) for slab in slabs
            )
        except DerivationError as error:
            return self.fail(error.where, error.given, error.allowed, error.cause, error.fix)  # type: ignore[no-any-return]

    def left(
        self, symmetries: Sequence[SymmetrySpec], declared: BasisSpec, role: str, interval: Any = WIDTH
    ) -> BasisSpec:
        """The functions of a basis that symmetries along every axis leave alone."""
        from derive.spaces import symmetry

        parts = declared.axes or (declared,)
        return product([symmetry.invariant_basis(symmetries, part, role, interval) for part in parts])

    def formula(
        self, value: Any, kind: str, names: set[str], path: str, numbers: Mapping[str, Fraction] | None = None
    ) -> str:
        """A registry name, or an expression that passes the grammar; numbers: what some of its names are."""
        known = registry.names(kind)
        if isinstance(value, str) and value in known:
            return value
        place = f"{self.where}, {self.prefix}{path}"
        try:
            expression.check(value, names, place, ("f",) if kind == "rates" else (), numbers)
        except ExpressionError as error:
            if isinstance(value, str) and re.fullmatch(r"\s*[A-Za-z][\w. -]*", value):  # a name, and no formula
                self.elsewhere(value, kind, path)
                self.choice(value, known, path)
            raise SpecError(error.given, error.allowed, error.cause, error.fix, place) from None
        return str(value)

    def elsewhere(self, value: str, kind: str, path: str) -> None:
        """Refuse a name that belongs under another key."""
        if nearest(value, registry.names(kind)) is not None:
            return
        for other, key in FORMULAS.items():
            found = nearest(value, registry.names(other))
            if other != kind and found is not None:
                self.fail(path, f"{value!r}", ", ".join(registry.names(kind)), f"{found!r} belongs to {key}",
                          f'write it there: {key.rpartition(".")[2]} = "{found}"')  # fmt: skip

    def several(self, equation: Mapping[str, Any], dimension: int) -> None:
        """What a domain with several axes does not have."""
        if dimension > 1 and equation["smoothing"] is not None:
            self.fail("input.smoothing", f"smoothing on a domain of {dimension} axes",
                      "least-squares without smoothing, or the other interpolants",
                      "records on grids are fitted axis by axis", "remove it")  # fmt: skip

    def basis(self, value: Any, path: str, interval: tuple[Fraction, Fraction], periodic: bool) -> BasisSpec:
        if not isinstance(value, Mapping):
            self.fail(
                path, f"{value!r}", '{ family = "legendre", size = 20 }', "a family's name alone", "write a table"
            )
        family = self.choice(self.need(value, "family", path), registry.names("bases"), f"{path}.family")
        entry = registry.entry("bases", family)
        self.known(value, ("family", *entry.PARAMETERS), path)
        given: dict[str, Any] = {}
        for key in ("size", "cells", "degree"):
            if key in value:
                given[key] = self.integer(value, key, path, 0 if key == "degree" else 1)
        if "breakpoints" in value:
            given["breakpoints"] = self.points(value["breakpoints"], f"{path}.breakpoints")
        if "of" in value:
            given["of"] = self.basis(value["of"], f"{path}.of", interval, periodic)
        if "rows" in value:
            rows = value["rows"]
            if not isinstance(rows, list | tuple) or not all(isinstance(row, list | tuple) for row in rows):
                self.fail(f"{path}.rows", f"{rows!r}", 'lists such as [["1", "1/2"]]', "one list", "use [[ ]]")
            given["rows"] = tuple(tuple(self.exact(v, f"{path}.rows") for v in row) for row in rows)
        if "functions" in value:
            given["functions"] = self.functions(value["functions"], path, "functions", {"xi", "delta"})
        try:
            resolved = BasisSpec(family, **entry.resolve(given, interval))
        except ValueError as error:
            self.fail(
                path, _short(str(dict(value))), f"a {family} basis: {entry.SUMMARY}", str(error), "change these numbers"
            )
        if resolved.size > LARGEST["size"]:
            self.fail(path, f"{resolved.size} functions", f"at most {LARGEST['size']}", "an extra digit", "use fewer")
        if family == "fourier" and path.startswith("weight.kernel"):
            self.fail(path, "a Fourier basis for κ on [−reach, reach]", "hat, bspline, legendre, p0, …",
                      "κ is not periodic there",
                      'use another family, or symmetry = "translation" instead of reach')  # fmt: skip
        if family == "fourier" and interval == WIDTH and not periodic:
            self.fail(
                path,
                "a Fourier basis on a domain that is not periodic",
                "equation.periodic = true",
                "on an interval its coefficients fall only like 1/k",
                "declare periodic = true, or use legendre",
            )
        return resolved

    def product(
        self, value: Any, path: str, interval: tuple[Fraction, Fraction], periodic: bool, dimension: int
    ) -> BasisSpec:
        """A basis of the whole domain: one for every axis, { axes = [ … ] }, or the same along all of them."""
        if not isinstance(value, Mapping) or "axes" not in value:
            axes = [self.basis(value, path, interval, periodic)] * dimension
        else:
            self.known(value, ("axes",), path)
            given = value["axes"]
            if not isinstance(given, list | tuple) or len(given) != dimension:
                self.fail(
                    f"{path}.axes", f"{given!r}", f"a list of {dimension} bases, one an axis of the domain",
                    "another equation.dimension", "write a basis for every axis, or one for all of them",
                )  # fmt: skip
            axes = [self.basis(one, f"{path}.axes[{k}]", interval, periodic) for k, one in enumerate(given)]
        found = product(axes)
        if found.size > LARGEST_PRODUCT:
            self.fail(path, f"{found.size} functions", f"at most {LARGEST_PRODUCT}", "sizes of one axis", "use fewer")
        return found

    def points(self, value: Any, path: str) -> tuple[Fraction, ...]:
        if not isinstance(value, list | tuple) or not 2 <= len(value) <= LARGEST["cells"] + 1:
            self.fail(path, f"{value!r}", 'a list such as ["-1", "0", "1"]', "one number", "list them all")
        return tuple(self.exact(p, path) for p in value)

    def functions(self, value: Any, path: str, key: str, names: set[str]) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= LARGEST["size"]:
            self.fail(f"{path}.{key}", f"{value!r}", 'a list such as ["1", "xi"]', "one text alone", "use [ ]")
        for k, text in enumerate(value):
            try:
                expression.check(text, names)
            except ExpressionError as error:
                self.fail(f"{path}.{key}[{k}]", error.given, error.allowed, error.cause, error.fix)
        return tuple(str(v) for v in value)

    def slabs(
        self, data: Mapping[str, Any], periodic: bool, reach: Fraction | None, dimension: int
    ) -> tuple[BasisSpec, tuple[Slab, ...]]:
        state, weight, bias = (self.table(data, key) for key in ("state", "weight", "bias"))
        keys = ("width_out", "width_in", "depth") if reach is None else ("kernel", "depth")
        for key in weight:
            if key not in keys:
                self.fail(
                    f"weight.{key}", f"{key} {'without' if reach is None else 'with'} equation.reach",
                    f"weight.{', weight.'.join(keys)}", "W(ξ, ξ′) has two widths, κ(ξ − ξ′) with a reach has a kernel",
                    f"remove weight.{key}, or {'write' if reach is None else 'remove'} equation.reach",
                )  # fmt: skip
        given = {f"weight.{k}": self.need(weight, k, "weight") for k in keys}
        given |= {f"bias.{k}": self.need(bias, k, "bias") for k in TABLES["bias"]}
        states = self.need(state, "basis", "state")
        lengths = {path: len(v) for path, v in given.items() if isinstance(v, list | tuple)}
        if isinstance(states, list | tuple):
            lengths["state.basis, less the input's,"] = len(states) - 1
        counts = set(lengths.values()) or {1}
        if len(counts) > 1 or not 1 <= min(counts) <= 1000:
            self.fail(
                "",
                "lists of bases of different lengths: " + ", ".join(f"{p} {n}" for p, n in lengths.items()),
                "lists with one basis a slab; state.basis has one more, the input's",
                "a slab left out",
                "give every list the same slabs, or one basis for all",
            )
        count = min(counts)

        def one(path: str, value: Any, k: int, interval: tuple[Fraction, Fraction]) -> BasisSpec:
            listed = isinstance(value, list | tuple)
            chosen, place = (value[k], f"{path}[{k}]") if listed else (value, path)
            if path.endswith("depth"):
                return self.basis(chosen, place, interval, periodic)
            return self.product(chosen, place, interval, periodic, dimension)

        quadrature = self.integer(state, "quadrature", "state", 1)
        intervals = {"weight.kernel": (-reach, reach)} if reach is not None else {}
        found = []
        for k in range(count):
            depth = (Fraction(k, count), Fraction(k + 1, count))
            places = {path: depth if path.endswith("depth") else intervals.get(path, WIDTH) for path in given}
            parts = {path: one(path, v, k, places[path]) for path, v in given.items()}
            found.append(
                Slab(
                    *depth,
                    one("state.basis", states, k + 1, WIDTH),
                    parts.get("weight.width_out", product([CONSTANT] * dimension)),
                    parts["weight.kernel" if reach is not None else "weight.width_in"],
                    parts["weight.depth"],
                    parts["bias.width"],
                    parts["bias.depth"],
                    quadrature,
                )
            )
        return one("state.basis", states, 0, WIDTH), tuple(found)

    def steps(
        self, table: Mapping[str, Any], method: TableauSpec, arrives: BasisSpec, slabs: tuple[Slab, ...]
    ) -> tuple[int, Fraction | None]:
        """The number of steps; or, where they are adaptive, one for each depth element and the tolerance."""
        given = self.need(table, "steps", "integration")
        if isinstance(given, str) and nearest(given, ("adaptive",)):
            self.choice(given, ("adaptive",), "integration.steps")
        if given != "adaptive":  # a tolerance then waits for the level that has adaptive steps
            return self.integer(table, "steps", "integration", 1), None
        if method.embedded is None:
            entries = {name: registry.entry("tableaux", name) for name in registry.names("tableaux")}
            known = [name for name, entry in entries.items() if hasattr(entry, "EMBEDDED")]
            self.fail(
                "integration.steps", f"adaptive steps with {method.name}",
                f"a tableau with embedded weights: {', '.join(known)}, or your own with embedded = [...]",
                "a single method does not tell its error", f'write tableau = "{known[0]}"',
            )  # fmt: skip
        if any(slab.state != arrives for slab in slabs):
            self.fail(
                "integration.steps", "adaptive steps with state bases that change along the depth",
                "one state basis for all slabs", "a network of layers, whose steps are its layers",
                "write the number of steps",
            )  # fmt: skip
        tolerance = self.exact(table.get("tolerance", "1/1000"), "integration.tolerance")
        if not 0 < tolerance < 1:
            self.fail(
                "integration.tolerance", f"{tolerance}", "a number between 0 and 1", "a sign, or a number of digits",
                'write tolerance = "1/1000"',
            )  # fmt: skip
        return sum(len(depth_elements(slab)) - 1 for slab in slabs), tolerance

    def tableau(self, table: Mapping[str, Any]) -> TableauSpec:
        value = table.get("tableau", "euler")
        if isinstance(value, str):
            name = self.choice(value, registry.names("tableaux"), "integration.tableau")
            entry = registry.entry("tableaux", name)
            rows, b, c, order = entry.A, entry.B, entry.C, entry.ORDER
            embedded = getattr(entry, "EMBEDDED", None)
        elif isinstance(value, Mapping):
            path = "integration.tableau"
            self.known(value, ("a", "b", "c", "order", "embedded"), path)
            embedded = value.get("embedded")
            rows, b, c = (self.need(value, key, path) for key in ("a", "b", "c"))
            name, order = "own", self.integer({"order": self.need(value, "order", path)}, "order", path, 1)
            if not all(isinstance(v, list | tuple) for v in (rows, b, c, embedded or [])) or not all(
                isinstance(r, list | tuple) for r in rows
            ):
                self.fail(
                    path,
                    f"{value!r}",
                    'a = [["1/2"]], b = ["0", "1"], c = ["0", "1/2"]',
                    "a row without brackets",
                    "use lists",
                )
        else:
            self.fail(
                "integration.tableau", f"{value!r}", "a name or a table with a, b, c and order", "a number", "name one"
            )
        return self.square_tableau(name, rows, b, c, order, embedded)

    def square_tableau(self, name: str, rows: Any, b: Any, c: Any, order: int, embedded: Any) -> TableauSpec:
        path, stages = "integration.tableau", len(b)
        # rows may leave out the empty first one and the zeros on and above the diagonal
        rows = [[], *rows] if len(rows) == stages - 1 else list(rows)
        if not 1 <= stages <= 32 or len(rows) != stages or len(c) != stages or any(len(r) > stages for r in rows):
            self.fail(
                path,
                f"{len(rows)} rows of a, {stages} of b, {len(c)} of c",
                "as many rows of a and entries of c as of b",
                "an entry left out",
                "write a row of a for every stage but the first",
            )
        a = tuple(tuple(self.entry(v, path + ".a") for v in [*r, *[0] * (stages - len(r))]) for r in rows)
        weights = tuple(self.entry(v, path + ".b") for v in b)
        nodes = tuple(self.entry(v, path + ".c") for v in c)
        other = None if embedded is None else tuple(self.entry(v, path + ".embedded") for v in embedded)
        entries = (*weights, *(other or ()), *nodes, *(entry for row in a for entry in row))
        roots = sorted({entry.d for entry in entries if isinstance(entry, Surd)})
        if len(roots) > 1:
            self.fail(
                path,
                f"the square roots of {', '.join(map(str, roots))}",
                "the root of one number in a tableau",
                "entries of different methods",
                "use one method's entries",
            )
        if any(not 0 <= v <= 1 for v in nodes):
            self.fail(
                path + ".c",
                f"{[str(v) for v in nodes]}",
                "nodes between 0 and 1",
                "a stage outside its step",
                "the fields are known inside the step only",
            )
        if other is not None and (len(other) != stages or other == weights or sum(other) != 1):
            self.fail(
                path + ".embedded",
                f"{[str(v) for v in other]}",
                f"{stages} weights with sum 1 that are not b",
                "weights of another method",
                "use those of a method of another order on the same stages",
            )
        lower = None if other is None else tableau.order(a, other)
        found = TableauSpec(name, a, weights, nodes, order, other, lower)
        try:
            tableau.check(found)
        except DerivationError as error:
            self.fail(path, error.given, error.allowed, error.cause, error.fix)
        return found

    def targets(
        self, data: Mapping[str, Any], equation: Mapping[str, Any], slabs: tuple[Slab, ...], dimension: int
    ) -> Any:
        outputs, readout = None, None
        if "readout" in data:
            table = self.table(data, "readout")
            outputs = self.integer({"outputs": self.need(table, "outputs", "readout")}, "outputs", "readout", 1)
            if "basis" in table:
                readout = self.product(table["basis"], "readout.basis", WIDTH, equation["periodic"], dimension)
        table = self.table(data, "loss")
        loss = self.formula(self.need(table, "kind", "loss"), "losses", {"z", "t"}, "loss.kind")
        on = registry.compares(loss)
        if ("function" if readout is None else "outputs") not in on:
            self.fail(
                "loss.kind",
                f"{loss} on {'a function' if readout is None else 'outputs'}",
                f"{loss} on {' or '.join(on)}",
                "a readout that is missing, or without a basis, or that should not be there",
                "add [readout] with outputs and basis, or use l2",
            )
        if loss == "h1":
            states = [slabs[-1].state.along(axis) for axis in range(dimension)]
            jumps = [state.family for state in states if _jumps(state)]
            constant = equation["interpolant"] == "constant"
            if jumps or constant:
                self.fail(
                    "loss.kind",
                    f"h1 with {'targets that are' if constant else f'a {jumps[0]} state, which is'} not continuous",
                    "a continuous state basis and a linear or least-squares interpolant",
                    "what jumps has no slope in L2",
                    "use l2, or another basis and interpolant",
                )
        if loss in ("cross-entropy", "kullback-leibler") and readout is not None and outputs == 1:
            self.fail(
                "readout.outputs",
                f"one output for {loss}",
                "one output a class, at least 2",
                "a single class",
                "write outputs = 2",
            )
        weight = self.weight(table, equation, dimension) if "weight" in table else None
        if weight and (loss != "l2" or readout is not None):
            self.fail(
                "loss.weight",
                f"a weight for {loss} on {'a function' if readout is None else 'outputs'}",
                "a weight for l2 on a function: ∫ weight · |y − y*|² dξ",
                "a loss that integrates nothing",
                "leave weight out",
            )
        return outputs, readout, loss, weight, self.class_weights(table, loss, outputs)

    def maximum(self, data: Mapping[str, Any], readout: BasisSpec | None) -> Fraction | None:
        """The sharpness β of the smooth maxima that functionals have beside them."""
        table = self.table(data, "readout", {})
        if "maximum" not in table:
            return None
        found = self.exact(table["maximum"], "readout.maximum")
        if not 0 < found <= SHARPEST:
            self.fail("readout.maximum", f"{found}", f"a sharpness β above 0, at most {SHARPEST}",
                      "a sign, or another unit", 'write maximum = "4" for (1/4) log(½ ∫ exp(4 y) dξ)')  # fmt: skip
        if readout is None:
            self.fail("readout.maximum", "a maximum for an output function", "a maximum beside functionals",
                      "a readout without a basis gives a value at every point",
                      'add basis = { family = "p0", cells = 1 } for the mean beside the maximum')  # fmt: skip
        return found

    def everywhere(
        self, data: Mapping[str, Any], readout: BasisSpec | None, equation: Mapping[str, Any], dimension: int
    ) -> BasisSpec | None:
        """The width basis of a readout at every point."""
        table = self.table(data, "readout", {})
        if "width" in table and readout is not None:
            self.fail("readout.width", "basis and width", "basis for numbers, or width for a function",
                      "functionals integrate ξ away, and vary along it by their basis",
                      "leave one of the two out")  # fmt: skip
        return self.along(table, "readout", equation, dimension)

    def along(
        self, table: Mapping[str, Any], key: str, equation: Mapping[str, Any], dimension: int
    ) -> BasisSpec | None:
        """The basis of a lift or readout along ξ: what the symmetries leave of it."""
        if "width" not in table:
            return None
        path = f"{key}.width"
        found = self.product(table["width"], path, WIDTH, equation["periodic"], dimension)
        if not equation["symmetries"]:
            return found
        try:
            return self.left(equation["symmetries"], found, path)
        except DerivationError as error:
            return self.fail(path, error.given, error.allowed, error.cause, error.fix)  # type: ignore[no-any-return]

    def weight(self, table: Mapping[str, Any], equation: Mapping[str, Any], dimension: int) -> BasisSpec:
        """The weight of l2: an expression in xi, or a basis of one function; a list has one an axis, multiplied."""

        def declared(one: Any) -> Any:
            return {"family": "custom", "functions": [one]} if isinstance(one, str) else one

        value = table["weight"]
        chosen = {"axes": [declared(one) for one in value]} if isinstance(value, list | tuple) else declared(value)
        found = self.product(chosen, "loss.weight", WIDTH, equation["periodic"], dimension)
        if found.size != 1:
            self.fail(
                "loss.weight", f"{found.size} functions", "one function", "a basis, not a weight", 'write "1 + xi**2"'
            )
        return found

    def class_weights(self, table: Mapping[str, Any], loss: str, outputs: int | None) -> ClassWeights:
        """What the records of each class count in the cross-entropy."""
        if "class_weights" not in table:
            return ()
        value, path = table["class_weights"], "loss.class_weights"
        if loss != "cross-entropy":
            self.fail(path, f"weights of classes for {loss}", 'weights for kind = "cross-entropy"',
                      "a loss without classes", "leave class_weights out")  # fmt: skip
        if value == "balanced":
            return "balanced"
        if not isinstance(value, list | tuple) or len(value) != outputs:
            self.fail(path, f"{value!r}", f'"balanced", or a list of {outputs} numbers, one a class',
                      "a typing error, or a class left out", 'write class_weights = "balanced"')  # fmt: skip
        found = tuple(self.exact(number, path) for number in value)
        if any(number <= 0 for number in found):
            self.fail(path, f"{[str(number) for number in found]}", "positive numbers", "a sign, or a class to ignore",
                      "leave the records of such a class out of the data")  # fmt: skip
        return found

    def penalties(
        self,
        table: Mapping[str, Any],
        equation: Mapping[str, Any],
        slabs: tuple[Slab, ...],
        readout: BasisSpec | None,
    ) -> tuple[Penalty, ...]:
        given = table.get("penalty", {})
        if not isinstance(given, Mapping):
            self.fail("loss.penalty", f"{given!r}", '{ W = "1/10000" }', "a number alone", "name the field")
        fields = ("W", "b", *["V"] * equation["local"], *["R"] * (readout is not None))
        if "V" in given and "V" not in fields:
            self.fail("loss.penalty.V", "a penalty on V, which this equation does not have", ", ".join(fields),
                      "local = true was left out", "write local = true in [equation], or remove it")  # fmt: skip
        self.known(given, fields, "loss.penalty")
        found = []
        for field, value in given.items():
            norms = value if isinstance(value, Mapping) else {"L2": value}
            self.known(norms, ("L2", "H1"), f"loss.penalty.{field}")
            for norm, number in norms.items():
                weight = self.exact(number, f"loss.penalty.{field}")
                if weight < 0:
                    self.fail(
                        f"loss.penalty.{field}", f"{weight}", "a number that is not negative", "a sign", "drop the sign"
                    )
                if norm == "H1":
                    self.smooth(field, slabs, readout)
                found.append(Penalty(field, norm, weight))
        return tuple(found)

    def smooth(self, field: str, slabs: tuple[Slab, ...], readout: BasisSpec | None) -> None:
        """H1 norms need continuous bases in every direction."""
        chosen: dict[str, dict[str, list[BasisSpec | None]]] = {
            "W": {
                "the widths of weight": [basis for s in slabs for basis in (s.weight_out, s.weight_in)],
                "weight.depth": [s.weight_depth for s in slabs],
            },
            "b": {"bias.width": [s.bias_width for s in slabs], "bias.depth": [s.bias_depth for s in slabs]},
            "R": {"readout.basis": [readout]},
        }
        chosen["V"] = chosen["b"]  # they share their bases
        for path, found in chosen[field].items():
            for basis in (part for whole in found if whole is not None for part in whole.axes or (whole,)):
                if _jumps(basis):
                    self.fail(
                        f"loss.penalty.{field}",
                        f"an H1 norm of {field}, whose {path} is {basis.family} on {basis.cells} cells",
                        "continuous bases in every direction, or the L2 norm",
                        "a field that jumps has no H1 norm",
                        f"use hat, bspline or legendre for {path}",
                    )

    def training(self, data: Mapping[str, Any]) -> Training:
        table = self.table(data, "training", {})
        return Training(**{key: self.option(OPTIONS[key], table) for key in table})

    def option(self, option: Option, table: Mapping[str, Any]) -> Any:
        """A value of [training]."""
        key, value = option.name, table[option.name]
        if option.kind is int:
            return self.integer(table, key, "training", int(option.low))
        if option.kind is str:
            return self.choice(value, option.choices, f"training.{key}")
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not option.declared(value):
            most = option.high if option.largest is None else option.largest
            self.fail(
                f"training.{key}",
                f"{value!r}",
                f"a number up to {most:g}, {'above 0' if option.above else 'not negative'}",
                "a sign or quotes",
                f"write {key} = {option.example}",
            )
        return float(value)

    # --- what cannot work -----------------------------------------------------------------------------------

    def check_depth(self, spec: Spec) -> None:
        """Fixed steps divide the depth elements, and are stable where that can be known (section 4)."""
        try:
            share = steps_an_element(spec)
        except SpecError as error:
            self.fail(error.where, error.given, error.allowed, error.cause, error.fix)
        if spec.rate != "mlp" or spec.tolerance is not None:
            return
        ends = [depth_elements(slab) for slab in spec.slabs]
        longest = max(b - a for e in ends for a, b in zip(e, e[1:])) / share
        kappa = -1 / spec.spacing
        if not tableau.stable(spec.tableau, kappa, longest):
            below, factor = 1, 2
            while factor < 10**9 and not tableau.stable(spec.tableau, kappa, longest / factor):
                below, factor = factor, 2 * factor
            while factor - below > 1:
                middle = (below + factor) // 2
                if tableau.stable(spec.tableau, kappa, longest / middle):
                    factor = middle
                else:
                    below = middle
            self.fail(
                "integration.steps",
                f"{spec.steps} steps of up to {longest} with Δ = {spec.spacing}",
                f"steps s with |R(−s/Δ)| ≤ 1, R the stability function of {spec.tableau.name}",
                "the linear part −h/Δ grows instead of decaying",
                f"use steps = {spec.steps * factor}",
            )

    def check_size(self, spec: Spec) -> None:
        """Refuse what cannot fit before anything is allocated."""
        for slab in (one.along(axis) for one in spec.slabs for axis in range(spec.dimension)):
            nodes = slab.quadrature or 2 * slab.state.size + max(slab.weight_out.size, slab.bias_width.size)
            stages = spec.steps * len(spec.tableau.b)
            largest = (
                8
                * spec.channels**2
                * max(
                    nodes * slab.state.size * min(stages, slab.weight_depth.size * 4),
                    slab.weight_out.size * slab.weight_in.size * slab.weight_depth.size,
                )
            )
            if spec.reach is not None:
                largest = 8 * nodes * slab.weight_in.size * (slab.state.size + spec.channels)
            if largest > LARGEST_TABLE * 8:
                self.fail(
                    "",
                    f"tables of about {largest / 2**30:.0f} GiB",
                    f"at most {LARGEST_TABLE * 8 / 2**30:.0f} GiB",
                    "sizes or channels with an extra digit",
                    "use smaller bases or fewer channels",
                )


def _jumps(basis: BasisSpec) -> bool:
    """Whether a basis is known, without building it, to be discontinuous."""
    if basis.of is not None:
        return _jumps(basis.of)
    return (basis.cells or 1) > 1 and getattr(registry.entry("bases", basis.family), "JUMPS", False)


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:197] + "…"
