"""A spec as a table for notebooks: what it declares, in the order of its file."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from derive import registry, typeset

if TYPE_CHECKING:
    from derive.spec.basis import BasisSpec

STYLE = """
.continuum th { text-align: left; vertical-align: top; font-weight: 600; } .continuum td { text-align: left; }
"""


def basis(given: BasisSpec) -> str:
    """A basis in a few words."""
    if given.axes is not None:
        return " ⊗ ".join(map(basis, given.axes))
    return f"{given.family}, {given.size} function" + "s" * (given.size != 1)


def expression(spec: Any) -> str:
    """The rate of a ``Spec`` as an expression, those with names written out."""
    named = spec.rate in registry.names("rates")
    return str(registry.entry("rates", spec.rate).EXPRESSION if named else spec.rate)


def uses(spec: Any) -> tuple[bool, bool]:
    """Whether the rate of a ``Spec`` uses the activation, and Δ."""
    rate = expression(spec).replace(" ", "")
    return "f(" in rate, "Delta" in rate


def rows(spec: Any) -> list[tuple[str, str]]:
    """(what, HTML) of a ``Spec``."""
    named, rate = spec.rate in registry.names("rates"), expression(spec)
    activated, spaced = uses(spec)
    found = [("rate", typeset.inline(f"∂h/∂δ = {typeset.expression(rate)}") + (f" ({spec.rate})" if named else ""))]
    if activated:
        found.append(("activation", typeset.inline("f") + " = " + html.escape(spec.activation)))
    if spaced:
        found.append(("spacing", typeset.inline(f"Δ = {spec.spacing}")))
    found += [("parameter", typeset.inline(f"{name} = {value}")) for name, value in spec.parameters]
    found += [("learned", typeset.inline(f"{name}") + f", from {value}") for name, value in spec.learned]
    bases = {"weight": (*spec.operator.roles, "weight_depth"), "bias": ("bias_width", "bias_depth")}
    for what, roles in {"state": ("state",), **bases}.items():
        found.append((what, html.escape("; ".join(basis(getattr(spec.slabs[0], role)) for role in roles))))
    if spec.units.domain is not None:
        names = spec.units.names or ("",) * spec.dimension
        ends = (f"{float(a):g} to {float(b):g} {name}".strip() for (a, b), name in zip(spec.units.domain, names))
        found.append(("domain", html.escape(" × ".join(ends))))
    counts = [f"{spec.channels} of the state", f"{spec.record_channels} of the records"]
    found += [("channels", ", ".join(counts)), ("solver", html.escape(spec.solver))]
    if spec.outputs is not None:
        found.append(("outputs", str(spec.outputs)))
    found.append(("loss", html.escape(spec.loss)))
    if spec.levels:
        found.append(("levels", html.escape(", ".join(["base", *(name for name, _ in spec.levels)]))))
    return found


def table(title: str, said: str, found: Iterable[tuple[str, str]]) -> str:
    """A titled table of (what, HTML), with a sentence under the title."""
    body = "".join(f"<tr><th>{html.escape(what)}</th><td>{value}</td></tr>" for what, value in found)
    head = f"<strong>{html.escape(title)}</strong>" + (f"<br>{html.escape(said)}" if said else "")
    return (
        f'<div class="continuum"><style>{STYLE}</style>{head}<div style="overflow-x:auto"><table><tbody>{body}'
        "</tbody></table></div></div>"
    )  # fmt: skip
