"""[integration]: tableau and steps."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from derive import registry, tableau
from derive.declaration.reader import LARGEST, Reader
from derive.errors import DerivationError, SpecError
from derive.exact.surd import Surd
from derive.spec import BasisSpec, Slab, Spec, TableauSpec, depth_elements, step_elements, steps_an_element
from derive.suggestion import nearest


def read_steps(
    reader: Reader, table: Mapping[str, Any], method: TableauSpec, arrives: BasisSpec, slabs: tuple[Slab, ...]
) -> tuple[int, Fraction | None]:
    """The number of steps; or, where they are adaptive, one for each depth element and the tolerance."""
    given = reader.need(table, "steps", "integration")
    if isinstance(given, str) and nearest(given, ("adaptive",)):
        reader.choice(given, ("adaptive",), "integration.steps")
    if given != "adaptive":  # a tolerance then waits for the level that has adaptive steps
        return reader.integer(table, "steps", "integration", 1), None
    if method.embedded is None:
        entries = {name: registry.entry("tableaux", name) for name in registry.names("tableaux")}
        known = [name for name, entry in entries.items() if hasattr(entry, "EMBEDDED")]
        reader.fail(
            "integration.steps", f"adaptive steps with {method.name}",
            f"a tableau with embedded weights: {', '.join(known)}, or your own with embedded = [...]",
            "a single method does not tell its error", f'write tableau = "{known[0]}"',
        )  # fmt: skip
    if any(slab.state != arrives for slab in slabs):
        reader.fail(
            "integration.steps", "adaptive steps with state bases that change along the depth",
            "one state basis for all slabs", "a network of layers, whose steps are its layers",
            "write the number of steps",
        )  # fmt: skip
    tolerance = reader.exact(table.get("tolerance", "1/1000"), "integration.tolerance")
    if not 0 < tolerance < 1:
        reader.fail(
            "integration.tolerance", f"{tolerance}", "a number between 0 and 1", "a sign, or a number of digits",
            'write tolerance = "1/1000"',
        )  # fmt: skip
    return sum(len(depth_elements(slab)) - 1 for slab in slabs), tolerance


def read_cuts(reader: Reader, table: Mapping[str, Any]) -> tuple[Fraction, ...]:
    """Depths inside [0, 1] that fixed steps do not cross; with adaptive steps they wait as a tolerance does."""
    path, given = "integration.cuts", table.get("cuts", [])
    if not isinstance(given, list | tuple) or len(given) >= LARGEST["cells"]:
        reader.fail(path, f"{given!r}", 'a list such as ["1/8", "1/4"]', "one number", "list them all")
    found = tuple(reader.exact(cut, path) for cut in given)
    if any(a >= b for a, b in zip((Fraction(0), *found), (*found, Fraction(1)))):
        reader.fail(
            path, ", ".join(map(str, found)), "numbers between 0 and 1, increasing", "an end, or another order",
            "leave 0 and 1 out, and sort them",
        )  # fmt: skip
    return found


def read_tableau(reader: Reader, table: Mapping[str, Any]) -> TableauSpec:
    """A tableau of the registry, or one's own; its order conditions hold."""
    value = table.get("tableau", "euler")
    if isinstance(value, str):
        name = reader.choice(value, registry.names("tableaux"), "integration.tableau")
        entry = registry.entry("tableaux", name)
        rows, b, c, order = entry.A, entry.B, entry.C, entry.ORDER
        embedded = getattr(entry, "EMBEDDED", None)
    elif isinstance(value, Mapping):
        path = "integration.tableau"
        reader.known(value, ("a", "b", "c", "order", "embedded"), path)
        embedded = value.get("embedded")
        rows, b, c = (reader.need(value, key, path) for key in ("a", "b", "c"))
        name, order = "own", reader.integer({"order": reader.need(value, "order", path)}, "order", path, 1)
        if not all(isinstance(v, list | tuple) for v in (rows, b, c, embedded or [])) or not all(
            isinstance(r, list | tuple) for r in rows
        ):
            reader.fail(
                path,
                f"{value!r}",
                'a = [["1/2"]], b = ["0", "1"], c = ["0", "1/2"]',
                "a row without brackets",
                "use lists",
            )
    else:
        reader.fail(
            "integration.tableau", f"{value!r}", "a name or a table with a, b, c and order", "a number", "name one"
        )
    return _checked(reader, name, rows, b, c, order, embedded)


def _checked(reader: Reader, name: str, rows: Any, b: Any, c: Any, order: int, embedded: Any) -> TableauSpec:
    path, stages = "integration.tableau", len(b)
    # rows may leave out the empty first one and the zeros on and above the diagonal
    rows = [[], *rows] if len(rows) == stages - 1 else list(rows)
    if not 1 <= stages <= 32 or len(rows) != stages or len(c) != stages or any(len(r) > stages for r in rows):
        reader.fail(
            path,
            f"{len(rows)} rows of a, {stages} of b, {len(c)} of c",
            "as many rows of a and entries of c as of b",
            "an entry left out",
            "write a row of a for every stage but the first",
        )
    a = tuple(tuple(reader.entry(v, path + ".a") for v in [*r, *[0] * (stages - len(r))]) for r in rows)
    weights = tuple(reader.entry(v, path + ".b") for v in b)
    nodes = tuple(reader.entry(v, path + ".c") for v in c)
    other = None if embedded is None else tuple(reader.entry(v, path + ".embedded") for v in embedded)
    entries = (*weights, *(other or ()), *nodes, *(entry for row in a for entry in row))
    roots = sorted({entry.d for entry in entries if isinstance(entry, Surd)})
    if len(roots) > 1:
        reader.fail(
            path,
            f"the square roots of {', '.join(map(str, roots))}",
            "the root of one number in a tableau",
            "entries of different methods",
            "use one method's entries",
        )
    if any(not 0 <= v <= 1 for v in nodes):
        reader.fail(
            path + ".c",
            f"{[str(v) for v in nodes]}",
            "nodes between 0 and 1",
            "a stage outside its step",
            "the fields are known inside the step only",
        )
    if other is not None and (len(other) != stages or other == weights or sum(other) != 1):
        reader.fail(
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
        reader.fail(path, error.given, error.allowed, error.cause, error.fix)
    return found


def check_steps(reader: Reader, spec: Spec) -> None:
    """Fixed steps divide the depth elements, and are stable where that can be known (section 4)."""
    try:
        share = steps_an_element(spec)
    except SpecError as error:
        reader.fail(error.where, error.given, error.allowed, error.cause, error.fix)
    if spec.rate != "mlp" or spec.tolerance is not None:
        return
    longest = max(b - a for e in step_elements(spec) for a, b in zip(e, e[1:])) / share
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
        reader.fail(
            "integration.steps",
            f"{spec.steps} steps of up to {longest} with Δ = {spec.spacing}",
            f"steps s with |R(−s/Δ)| ≤ 1, R the stability function of {spec.tableau.name}",
            "the linear part −h/Δ grows instead of decaying",
            f"use steps = {spec.steps * factor}",
        )
