"""[equation] and [input]: the rate with its activation and parameters, and what W may be."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Any

from derive import registry
from derive.declaration.formulas import read_formula
from derive.declaration.reader import Reader
from derive.declaration.symmetries import read_symmetries
from derive.exact.grammar import FUNCTIONS
from derive.spec import PARAMETER

NUMBERED = tuple(f"u{k}" for k in range(1, 9))  # the names of several pre-activations


def read_equation(reader: Reader, data: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """What the two tables say of a Spec, by its fields; and the dimension of the domain."""
    table = reader.table(data, "equation")
    exact, learned = (read_parameters(reader, table, key) for key in ("parameters", "learned"))
    names = {k for k, _ in exact}
    both = names & {k for k, _ in learned}
    if both:
        reader.fail(f"equation.learned.{min(both)}", "a parameter that is given and learned", "one of the two",
                    "a line left over", "remove it from parameters, or from learned")  # fmt: skip
    known = {"u", *NUMBERED, "h", "Delta", *names, *(k for k, _ in learned)}
    spacing = reader.exact(table.get("spacing", 1), "equation.spacing")
    if spacing <= 0:
        reader.fail("equation.spacing", f"{spacing}", "a positive number Δ", "a sign", 'write spacing = "1/4"')
    numbers = {**dict(exact), "Delta": spacing}
    rate = read_formula(reader, reader.need(table, "rate", "equation"), "rates", known, "equation.rate", numbers)
    activation = read_formula(
        reader, table.get("activation", "tanh"), "activations", {"u", *names}, "equation.activation", dict(exact)
    )
    dimension = reader.integer(table, "dimension", "equation", 1, 1)
    periodic = _periodic(reader, table, dimension)
    local = table.get("local", False)
    if not isinstance(local, bool):
        reader.fail("equation.local", f"{local!r}", "true or false: whether there is a V", "quotes around it",
                    "write local = true")  # fmt: skip
    given = reader.table(data, "input", {})
    interpolant = reader.choice(
        given.get("interpolant", "linear"), ("linear", "constant", "least-squares"), "input.interpolant"
    )
    smoothing = reader.exact(given["smoothing"], "input.smoothing") if "smoothing" in given else None
    if smoothing is not None and (smoothing <= 0 or interpolant != "least-squares"):
        reader.fail(
            "input.smoothing",
            f"{smoothing}",
            'a positive number, with interpolant = "least-squares"',
            "the other interpolants need none",
            "remove it",
        )
    found = {
        "rate": rate,
        "activation": activation,
        "spacing": spacing,
        "parameters": exact,
        "pre_activations": _pre_activations(reader, rate, {k for k, _ in exact + learned}),
        "learned": learned,
        "local": local,
        "normalise": _normalise(reader, table),
        "symmetries": read_symmetries(reader, table, all(periodic)),
        "reach": _reach(reader, table, any(periodic)),
        "exchange": _exchange(reader, table),
        "periodic": periodic,
        "channels": reader.integer(table, "channels", "equation", 1, 1),
        "interpolant": interpolant,
        "smoothing": smoothing,
    }
    if dimension > 1 and smoothing is not None:
        reader.fail("input.smoothing", f"smoothing on a domain of {dimension} axes",
                    "least-squares without smoothing, or the other interpolants",
                    "records on grids are fitted axis by axis", "remove it")  # fmt: skip
    return found, dimension


def read_parameters(reader: Reader, table: Mapping[str, Any], key: str) -> tuple[tuple[str, Fraction], ...]:
    """The rate's parameters that are given, or learned."""
    given = table.get(key, {})
    path = f"equation.{key}"
    if not isinstance(given, Mapping):
        reader.fail(path, f"{given!r}", 'a table such as { a = "1/2" }', "a value", "use { }")
    reserved = {"u", *NUMBERED, "h", "f", "Delta", "pi", *FUNCTIONS}
    for name in given:
        if not PARAMETER.fullmatch(str(name)) or name in reserved:
            reader.fail(
                f"{path}.{name}",
                f"a parameter called {name!r}",
                f"letters and digits; not {', '.join(sorted(reserved))}",
                "a name with a meaning of its own",
                "rename the parameter",
            )
    return tuple(sorted((str(k), reader.exact(v, f"{path}.{k}")) for k, v in given.items()))


def _pre_activations(reader: Reader, rate: str, parameters: Collection[str]) -> int:
    """How many u a rate names beside its parameters, which may be u9, u10, …: u alone, or u1, u2, …"""
    used = set() if rate in registry.names("rates") else set(re.findall(r"\bu\d*\b", rate)) - set(parameters)
    count = max((int(name[1:]) for name in used - {"u"}), default=1)
    if ("u" in used and len(used) > 1) or (used - {"u"} and used != set(NUMBERED[:count])):
        reader.fail("equation.rate", f"the pre-activations {', '.join(sorted(used))}",
                    "u alone, or u1, u2, … without gaps", "a number left out, or one too many",
                    "number them from 1")  # fmt: skip
    return count if used - {"u"} else 1


def _normalise(reader: Reader, table: Mapping[str, Any]) -> Fraction | None:
    """ε of pre-activations that are normalised over the channels."""
    if "normalise" not in table:
        return None
    found = reader.exact(table["normalise"], "equation.normalise")
    if not 0 < found <= 1:
        reader.fail("equation.normalise", f"{found}", "a number ε above 0, at most 1",
                    "a sign, or a switch", 'write normalise = "1/1000" for u/√(mean of u² + 1/1000)')  # fmt: skip
    if table.get("channels", 1) == 1:
        reader.fail("equation.normalise", "one channel to normalise over", "channels = 2 or more",
                    "the key channels was left out", "declare channels, or leave normalise out")  # fmt: skip
    return found


def _periodic(reader: Reader, table: Mapping[str, Any], dimension: int) -> tuple[bool, ...]:
    """Whether the domain closes to a circle, along every axis."""
    given = table.get("periodic", False)
    listed = list(given) if isinstance(given, list | tuple) else [given] * dimension
    if len(listed) != dimension or not all(isinstance(one, bool) for one in listed):
        several = f", or a list of {dimension} of these, one an axis" if dimension > 1 else ""
        reader.fail(
            "equation.periodic", f"{given!r}", f"true or false{several}", "quotes around it", "write periodic = true"
        )
    return tuple(listed)


def _exchange(reader: Reader, table: Mapping[str, Any]) -> str | None:
    """What exchanging ξ and ξ′ makes of W."""
    if "exchange" not in table:
        return None
    found = reader.choice(table["exchange"], ("symmetric", "antisymmetric"), "equation.exchange")
    others = [key for key in ("symmetry", "reach") if key in table]
    others += [key for key in ("channels", "dimension") if table.get(key, 1) != 1]
    if others:
        reader.fail("equation.exchange", f"exchange with {', '.join(others)}",
                    "W(ξ, ξ′) of one channel on an interval, without reach and symmetry",
                    "another kind of W, or matrices for numbers", f"remove {others[0]}, or exchange")  # fmt: skip
    return found


def _reach(reader: Reader, table: Mapping[str, Any], periodic: bool) -> Fraction | None:
    """How far κ(ξ − ξ′) sees; the whole domain is 1 both ways round a circle, 2 on an interval."""
    if "reach" not in table:
        return None
    found, most = reader.exact(table["reach"], "equation.reach"), 1 if periodic else 2
    if not 0 < found <= most:
        reader.fail("equation.reach", f"{found}", f"a number above 0, at most {most}",
                    "a sign, or a width for a half width",
                    'write reach = "1/8" for W(ξ, ξ′) = κ(ξ − ξ′), zero for |ξ − ξ′| > 1/8')  # fmt: skip
    return found
