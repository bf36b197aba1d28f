"""Moves between levels, and what is reported of them: projections, distances, losses and their attribution (17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from derive.spec import Spec
from numerics.functions.field import Field
from numerics.levels import adapted
from numerics.levels.attribution import POINTS
from numerics.levels.projection import Report, project
from numerics.model.continuum import Continuum
from numerics.verify.fields import axes, inner, projected, spread
from numerics.verify.records import with_targets
from numerics.verify.references import formulas
from numerics.verify.references.formulas import Array, Functions, along
from numerics.verify.references.network import Reference
from numerics.verify.subject import Subject

SECTION = "moves"
MOST = 3  # levels that are looked at
EXACT = 1e-9  # a change of a field that is none


def levels(subject: Subject) -> None:
    """Every level: the fields there, ‖F − PF‖ and ‖F‖, and the losses and changes that the report says."""
    base = subject.base
    if not base.levels:
        return
    ladder = tuple((name, replace(spec, precision="float64")) for name, spec in base.levels)
    plain = replace(base, precision="float64", levels=ladder)
    old = Continuum.from_spec(plain, seed=3)
    way = np.random.default_rng(51).standard_normal(old.size)
    old = old.with_coordinates(subject.share * (old.coordinates + 3 * way / np.linalg.norm(way)))
    data = with_targets(plain, subject.share)
    worst = dict.fromkeys(("fields", "distances", "norms", "losses", "attribution", "parts"), 0.0)
    attributed = False
    for name, spec in plain.levels[:MOST]:
        if len(spec.slabs) != len(plain.slabs):  # no move leads there
            continue
        new = project(old, name, data)
        report = new.report
        for field in old.fields:
            move = _Move.of(plain, spec, old.fields[field], new.fields[field])
            size = max(1.0, move.norm)
            worst["fields"] = max(worst["fields"], move.gap)
            worst["distances"] = max(worst["distances"], abs(report.distance[field] - move.distance) / size)
            worst["norms"] = max(worst["norms"], abs(report.norm[field] - move.norm) / size)
        before, after = (model.objective(model.prepare(data))[0] for model in (old, new))
        scale = max(1.0, abs(before))
        losses = [report.loss_before - before, report.loss_after - after]
        worst["losses"] = max(worst["losses"], *(abs(gap) / scale for gap in losses))
        if report.loss_between is not None:
            whole = report.fields_part + report.solver_part
            worst["parts"] = max(worst["parts"], abs(whole - (after - before)) / scale)
        there = _on_old_solver(plain, spec, old, new)
        if there is not None and report.attribution is not None:
            attributed = True
            worst["attribution"] = max(worst["attribution"], *_attribution(old, there, data, report, scale))
    limits = {"fields": "fields on other levels", "distances": "‖F − PF‖ in reports", "norms": "‖F‖ in reports",
              "losses": "losses before and after", "parts": "the parts of a change add up"}  # fmt: skip
    for key, text in limits.items():
        subject.at_most(SECTION, text, worst[key], 1e-9, "README.md")
    if attributed:
        text = "(17) and the loss between, from the fields' own gradients"
        subject.at_most(SECTION, text, worst["attribution"], 1e-9, "README.md")


class _Move:
    """One field before and after. gap: of its coefficients, from those of a projection by dense sums."""

    def __init__(self, gap: float, squares: Sequence[float]) -> None:
        self.gap = gap
        self.norm, self.distance = (float(np.sqrt(square)) for square in squares)

    @classmethod
    def of(cls, source: Spec, target: Spec, old: Field, new: Field) -> _Move:
        gap, squares = 0.0, [0.0, 0.0]
        for k, (first, second) in enumerate(zip(old.slabs, new.slabs)):
            here, there = (axes(spec, old.name, k) for spec in (source, target))
            forms = [_form(spec, k) if old.name == "W" else None for spec in (source, target)]
            a = spread(source, old.name, first.coefficients, k, forms[0])
            b = spread(target, old.name, second.coefficients, k, forms[1])
            squares[0] += inner(here, a, a)
            if not here:
                squares[1] += float(np.sum((a - b) ** 2))
                gap = max(gap, formulas.gap(a, b))
                continue
            parts = [formulas.functions(*pair) for pair in here]
            truth = projected(target, old.name, k, forms[1], parts, a)
            gap = max(gap, formulas.gap(truth, second.coefficients.reshape(truth.shape)))
            for axis, (part, other) in enumerate(zip(parts, (formulas.functions(*pair) for pair in there))):
                both = _coordinates(part, other)
                a, b = along(both[0], a, axis), along(both[1], b, axis)
            squares[1] += float(np.sum((a - b) ** 2))
        return cls(gap, squares)


def _form(spec: Spec, k: int):  # type: ignore[no-untyped-def]
    """A slab's semi-discrete form, where both widths of W are one direction."""
    return Reference.of(replace(spec, levels=())).forms[k] if spec.operator.paired else None


def _coordinates(first: Functions, second: Functions) -> tuple[Array, Array]:
    """Two bases in coordinates of one orthonormal basis of both."""
    x, w = formulas.gauss(np.append(first.breakpoints, second.breakpoints), max(first.fitted, second.fitted) + 2)
    root = np.sqrt(w)[:, None]
    triangle = np.linalg.qr(np.hstack([first.values(x) * root, second.values(x) * root]))[1]
    return triangle[:, : first.size], triangle[:, first.size :]


def _on_old_solver(source: Spec, target: Spec, old: Continuum, new: Continuum) -> Continuum | None:
    """The new fields in the old bases, where these hold them."""
    fields = {}
    for name, field in new.fields.items():
        slabs = []
        for k, (slab, own) in enumerate(zip(field.slabs, old.fields[name].slabs)):
            form, there = (_form(spec, k) if name == "W" else None for spec in (source, target))
            whole = spread(target, name, slab.coefficients, k, there)
            parts = [formulas.functions(*pair) for pair in axes(target, name, k)]
            moved = projected(source, name, k, form, parts, whole).reshape(own.coefficients.shape) if parts else whole
            slabs.append(replace(own, coefficients=np.ascontiguousarray(moved)))
        fields[name] = replace(old.fields[name], slabs=tuple(slabs))
        if _Move.of(target, source, field, fields[name]).distance > EXACT * max(1.0, field.norm()):
            return None
    return old.replace(fields=fields)


def _attribution(old: Continuum, there: Continuum, data: object, report: Report, scale: float) -> list[float]:
    """The share of every field by (17), where it lies along its axes, and the loss between."""
    prepared = old.prepare(data)  # type: ignore[arg-type]
    between, _ = there.coefficient_gradient(prepared)
    assert report.attribution is not None
    found = [abs((report.loss_between or 0.0) - between) / scale]
    shares = dict.fromkeys(old.fields, 0.0)
    for t, weight in zip(*np.polynomial.legendre.leggauss(POINTS)):
        fields = {name: _along(field, there.fields[name], (1 + t) / 2) for name, field in old.fields.items()}
        _, gradient = old.replace(fields=fields).coefficient_gradient(prepared)
        for name, field in old.fields.items():
            for slab, other, g in zip(field.slabs, there.fields[name].slabs, gradient[name]):
                shares[name] += weight / 2 * float(np.sum(g * (other.coefficients - slab.coefficients)))
    for name, share in report.attribution.shares.items():
        found.append(abs(share.total - shares[name]) / scale)
        found += [abs(float(parts.sum()) - shares[name]) / scale for _, parts in share.along.values()]
    return found


def _along(old: Field, new: Field, t: float) -> Field:
    """The field at a share of the way."""
    return old.holding([(1 - t) * a.coefficients + t * b.coefficients for a, b in zip(old.slabs, new.slabs)])


# --- adapted bases ------------------------------------------------------------------------------------------


def singular_functions(subject: Subject) -> None:
    """Along every width of W as few orthonormal functions as leave the error that was asked for."""
    spec = subject.spec
    if spec.operator.narrower:
        return
    worst, loose = 0.0, 0
    for k, slab in enumerate(subject.model.fields["W"].slabs):
        masses = [formulas.gram(formulas.functions(*pair)) for pair in axes(spec, "W", k)]
        roots = [np.linalg.cholesky(mass).T for mass in masses]
        whole = slab.coefficients
        for axis, root in enumerate(roots):
            whole = along(root, whole, axis)  # in orthonormal coordinates
        for axis in range(2 * spec.dimension):
            flat = np.moveaxis(whole, axis, 0).reshape(whole.shape[axis], -1)
            for error in (0.5, 0.1):
                rows = adapted.leading(slab, axis, error) @ roots[axis].T
                worst = max(worst, formulas.gap(np.eye(len(rows)), rows @ rows.T))
                lost = [float(np.linalg.norm(flat - part.T @ (part @ flat))) for part in (rows, rows[:-1])]
                size = float(np.linalg.norm(flat))
                worst = max(worst, float(lost[0] / size - error))
                loose += len(rows) > 1 and lost[1] <= error * size * (1 - 1e-9)
    subject.at_most(SECTION, "adapted bases: orthonormal, with the error asked for", float(worst), 1e-10, "README.md")
    subject.add(SECTION, "adapted bases with a function too many", "0", str(loose), loose == 0, "README.md")
