"""A model in words: the equation it solves, its fields, its levels, how it was trained; ``continua show``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numerics.command.console import size
from numerics.pictures.training import stages

SHOWN = 4  # channels whose scale is told

if TYPE_CHECKING:
    from derive.spec.operator import Operator
    from numerics.model.continuum import Continuum


def facts(model: Continuum, rate_expression: Callable[[str], str]) -> dict[str, Any]:
    """Everything that ``show`` says, JSON-able. rate_expression: a rate's name → it written out."""
    spec = model.spec
    return {
        "name": model.base.name,
        "summary": model.base.summary,
        "level": model.level or "base",
        "levels": ["base", *(name for name, _ in model.base.levels)],
        "rate": rate_expression(spec.rate),
        "activation": spec.activation,
        "spacing": str(spec.spacing),
        "channels": spec.channels,
        "pre_activations": spec.pre_activations,
        "learned": [name for name, _ in spec.learned],
        "local": spec.local,
        "normalise": None if spec.normalise is None else str(spec.normalise),
        "symmetries": list(map(str, spec.symmetries)),
        "reach": None if spec.reach is None else str(spec.reach),
        "exchange": spec.exchange,
        "dimension": spec.dimension,
        "inputs": spec.inputs,
        "lift_width": None if spec.lift_width is None else spec.lift_width.family,
        "outputs": spec.outputs,
        "readout_width": None if spec.readout_width is None else spec.readout_width.family,
        "functional": spec.functional,
        "maximum": None if spec.maximum is None else str(spec.maximum),
        "shares": None if spec.shares is None else [*map(str, spec.shares.levels)],
        "loss": spec.loss,
        "tableau": spec.tableau.name,
        "points": model.units.describe(spec),
        "samples": _scale(model.units.samples),
        "targets": _scale(model.units.targets),
        "steps": spec.steps if spec.tolerance is None else "adaptive",
        "precision": spec.precision,
        "coefficients": model.size,
        "fields": {name: _field(field) for name, field in model.fields.items()},
        "history": [_stage(level, rows) for level, rows in stages(model.history)],
    }


def _scale(scale: Any) -> list[tuple[float, float]] | None:
    """Shift and factor of every channel, None where values are taken as they are."""
    return None if scale is None else list(zip(scale.shift, scale.factor))


def _field(field: Any) -> dict[str, Any]:
    return {
        "slabs": [
            {"shape": list(s.coefficients.shape), "families": [basis.kind for basis in s.bases]} for s in field.slabs
        ],
        "coefficients": sum(s.coefficients.size for s in field.slabs),
        "norm": field.norm(),
    }


def _stage(level: str, rows: list[Any]) -> dict[str, Any]:
    return {"level": level, "epochs": len(rows), "first loss": rows[0]["loss"], "last loss": rows[-1]["loss"]}


def text(found: dict[str, Any], kind: Operator, stored: int) -> str:
    """The facts for people. kind: of W. stored: bytes of the file."""
    lines = [
        f"{found['name']}, level {found['level']} of {', '.join(found['levels'])}",
        f"  {found['summary']}",
        "",
        f"  u(ξ, δ) = ∫ {kind.symbol} h(ξ′, δ) dξ′{' + V(ξ, δ) h(ξ, δ)' if found['local'] else ''} + b(ξ, δ)",
        f"  ∂h/∂δ   = {found['rate'].replace('Delta', 'Δ')}   with f = {found['activation']}, Δ = {found['spacing']}",
        *_more(found, kind),
        _readout(found),
        *_units(found),
        f"  solved with {found['tableau']}, {found['steps']} steps, in {found['precision']}",
        "",
    ]
    for name, field in found["fields"].items():
        shapes = ", ".join("×".join(map(str, slab["shape"])) for slab in field["slabs"])
        lines.append(f"  {name}  {shapes}   {field['coefficients']} coefficients, norm {field['norm']:.4g}")
    lines.append(f"  {found['coefficients']} coefficients in all, {size(stored)} on disk")
    for stage in found["history"]:
        losses = f"objective {stage['first loss']:.4g} → {stage['last loss']:.4g}"
        lines.append(f"  trained at {stage['level']}: {stage['epochs']} epochs, {losses}")
    return "\n".join(lines)


def _more(found: dict[str, Any], kind: Operator) -> list[str]:
    lines = []
    if found["dimension"] > 1:
        lines.append(f"  ξ is a point of {'the square [−1, 1]²' if found['dimension'] == 2 else 'the cube [−1, 1]³'}")
    if found["pre_activations"] > 1:
        of = _channels(found["channels"])
        lines.append(f"  {found['pre_activations']} pre-activations u1, u2, … for each of {of}")
    if found["learned"]:
        lines.append(f"  learned parameters, a number a channel: {', '.join(found['learned'])}")
    if found["normalise"] is not None:
        lines.append(f"  the rate takes u/√(S + {found['normalise']}) for u, S the mean of u² over the channels")
    lines += [f"  {remark}" for remark in kind.remarks]
    if found["inputs"] is not None:
        along = "" if found["lift_width"] is None else f", P(ξ) of {found['lift_width']} functions"
        lines.append(f"  h(ξ, 0) = P (x(ξ), 1) for records of {_channels(found['inputs'])}{along}")
    return lines


def _units(found: dict[str, Any]) -> list[str]:
    lines = [] if found["points"] == "-1 to 1" else [f"  points from {found['points']}"]
    for name, symbol in (("samples", "x"), ("targets", "y")):
        pairs = found[name] or ()
        shown = [f"{factor:.4g} z {'−' if shift < 0 else '+'} {abs(shift):.4g}" for shift, factor in pairs[:SHOWN]]
        if shown:
            more = ", …" if len(pairs) > SHOWN else ""
            lines.append(f"  {name} {symbol} = {', '.join(shown)}{more}, z being what the equation sees")
    return lines


def _channels(count: int) -> str:
    return "one channel" if count == 1 else f"{count} channels"


def _readout(found: dict[str, Any]) -> str:
    if found["outputs"] is None:
        return f"  output h(ξ, 1), loss {found['loss']}"
    if not found["functional"]:
        along = "" if found["readout_width"] is None else f", R(ξ) and a(ξ) of {found['readout_width']} functions"
        return f"  output R h(ξ, 1) + a of {_channels(found['outputs'])}{along}, loss {found['loss']}"
    terms, meaning = "∫ R_k(ξ) h(ξ, 1) dξ + a_k", ""
    if found["maximum"] is not None:
        terms += " + Σ_c Q_kc m_c"
        meaning = f", m_c = log(½ ∫ exp(β h_c(ξ, 1)) dξ)/β with β = {found['maximum']}"
    if found["shares"] is not None:
        terms += " + Σ_lc Q_klc s_lc"
        meaning = f", s_lc the share of the domain with h_c above ℓ = {', '.join(found['shares'])}"
    return f"  outputs {terms}, k = 1 … {found['outputs']}{meaning}, loss {found['loss']}"
