"""One model, many representations: moving fields between levels, and what it does to them, the outputs and the loss.

Every move reports two parts. *Fields*: what the projection of the fields changes with the solver kept, in L2 (13) or by
what it does (16). *Solver*: what other state bases, quadrature or steps change with the fields kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from derive import typeset
from derive.errors import DataError, RepresentationError, advice
from derive.spec import Spec, shown, step_lengths
from numerics.checks import instance
from numerics.datasets import Records
from numerics.datasets import records as make_records
from numerics.functions.arrays import along
from numerics.functions.rules import rule
from numerics.levels import attribution, stages
from numerics.levels.attribution import Attribution
from numerics.levels.distances import distance
from numerics.levels.fields import transfer_fields
from numerics.levels.matching import Match, matched
from numerics.model.continuum import Continuum
from numerics.model.points import lines
from numerics.model.prepared import Prepared
from numerics.pictures import changes
from numerics.pictures.axes import XI, Frame
from numerics.readout.solve import solve_readout
from numerics.representation import find
from numerics.representation.tables import Representation, kron

Array = np.ndarray
Sizes = tuple[int, int]

METRICS = ("L2", "outputs")
HELD = 1e-11  # distance of a field from a space that holds it, over its norm
PROBES = 16  # random smooth records that measure outputs when no data are given


@dataclass(frozen=True)
class Report:
    """What a move from one level to another does. Losses and their attribution are None without data.

    distance: ‖F − F′‖ of the new field F′ by field, norm: ‖F‖ by field, both in L2, in a common space.
    outputs_fields, outputs_solver: relative change of the outputs (root mean square), on the data or on probes.
    loss_between: the loss with the new fields on the old solver (None when the two cannot be combined).
    attribution: which part of the change by the fields belongs to which of them, and where (17).
    Losses are objectives here: with penalties.
    loss_solved: the loss with a readout that was solved for afterwards, with the declared penalties as all losses here;
    penalty, left_out: the one that was chosen for it, and the mean loss of records left out.
    measured: on data, else on probes.
    match: how the fields were chosen by their outputs; None in L2, where F′ = PF.  frame: of points in pictures.
    """

    source: str
    target: str
    coefficients: Sizes
    distance: Mapping[str, float]
    norm: Mapping[str, float]
    outputs_fields: float | None
    outputs_solver: float | None
    loss_before: float | None = None
    loss_between: float | None = None
    loss_after: float | None = None
    loss_solved: float | None = None
    penalty: float | None = None
    left_out: float | None = None
    attribution: Attribution | None = None
    measured: bool = False
    match: Match | None = None
    frame: Frame = XI

    @property
    def fields_part(self) -> float | None:
        """Change of the loss by the fields."""
        return None if self.loss_between is None or self.loss_before is None else self.loss_between - self.loss_before

    @property
    def solver_part(self) -> float | None:
        """Change of the loss by the solver."""
        return None if self.loss_between is None or self.loss_after is None else self.loss_after - self.loss_between

    def __str__(self) -> str:
        lines = [f"{self.source} → {self.target}: {self.coefficients[0]} → {self.coefficients[1]} coefficients"]
        for name, lost in self.distance.items():
            lines.append(f"  ‖{name} − {self._new(name)}‖ = {lost:.3e}   of ‖{name}‖ = {self.norm[name]:.3e}")
        if self.match is not None:
            apart = " → ".join(map(_number, self.match.apart))
            lines.append(f"  outputs apart (16) {apart}   ε {', '.join(map(_number, self.match.damping)) or 'unused'}")
        parts = f"fields {_number(self.outputs_fields)}   solver {_number(self.outputs_solver)}"
        where = "on the records" if self.measured else "on random smooth records"
        lines.append(f"  outputs move by   {parts}   {where}")
        if self.loss_before is not None:
            lines += [
                f"  objective {_number(self.loss_before)} → {_number(self.loss_after)}",
                f"  change by fields  {_number(self.fields_part)}{self._parts(' = ', ' + ', '   defect ')}",
                f"  change by solver  {_number(self.solver_part)}",
            ]
        if self.loss_solved is not None:
            lines.append(f"  objective with the readout solved for  {_number(self.loss_solved)}")
            lines.append(f"  its penalty {_number(self.penalty)}   loss of records left out {_number(self.left_out)}")
        return "\n".join(lines)

    def _new(self, name: str) -> str:
        """What a field has become: its projection in L2, or one that was chosen by its outputs."""
        return f"P{name}" if self.match is None else f"{name}′"

    def _repr_html_(self) -> str:
        math, number = typeset.inline, _number
        rows = [("coefficients", f"{self.coefficients[0]:,} → {self.coefficients[1]:,}")]
        for name, lost in self.distance.items():
            change = math(f"‖{name} − {f'P {name}' if self.match is None else f'{name}′'}‖")
            rows.append((f"field {name}", f"{change} = {lost:.3e} of {self.norm[name]:.3e}"))
        if self.match is not None:
            rows.append(("outputs apart", " → ".join(map(number, self.match.apart))))
        where = "on the records" if self.measured else "on random smooth records"
        parts = f"{number(self.outputs_fields)} by the fields, {number(self.outputs_solver)} by the solver"
        rows.append(("outputs move by", f"{parts}, {where}"))
        if self.loss_before is not None:
            rows += [
                ("objective", f"{number(self.loss_before)} → {number(self.loss_after)}"),
                ("change by the fields", f"{number(self.fields_part)}{self._parts(': ', ', ', '; defect ')}"),
                ("change by the solver", number(self.solver_part)),
            ]
        if self.loss_solved is not None:
            rows.append(("objective with the readout solved for", number(self.loss_solved)))
            rows.append(("its penalty", number(self.penalty)))
            rows.append(("loss of records left out", number(self.left_out)))
        return shown.table(f"{self.source} → {self.target}", "", rows)


    def _parts(self, before: str, between: str, defect: str) -> str:
        """The shares of the fields, where they are not zero, and the defect of their sum."""
        if self.attribution is None:
            return ""
        own = [f"{name} {share.total:.3e}" for name, share in self.attribution.shares.items() if share.total]
        return f"{before}{between.join(own)}{defect}{self.attribution.defect:.1e}" if own else ""

    def plot(self) -> Any:
        """Where the change of the loss by the fields sits, as a Figure. Raises DataError for a move without data."""
        if self.attribution is None:
            raise DataError(
                "a report without an attribution", "that of a move with records, on a solver that both levels share",
                "the move was made without records", "give project or refine the training records",
            )  # fmt: skip
        return changes.shares(self.attribution.shares, self.attribution.change, self.frame)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3e}"


def project(
    model: Continuum, level: str, x: Any = None, y: Any = None, xi: Any = None, records: Records | None = None,
    metric: str = "L2", readout: bool = False,
) -> Continuum:  # fmt: skip
    """The model on another level: its fields' L2 projections (13), with ``.report``.

    level: a level's name or "base". With data (x, y[, xi] or records) the report holds the losses, and which part of
    their change belongs to which field, cell and element (17).
    metric: "outputs" for the fields there whose outputs on the data differ least from the model's (16); see
    ``numerics.levels.matching``. readout: whether the readout is then solved for on the data, see ``numerics.readout``.
    Raises RepresentationError for an unknown level or slabs that do not match, DataError for the data, or none with
    this metric or a readout, TrainingError for a readout that cannot be solved for.
    """
    if metric not in METRICS:
        raise DataError(f"metric {metric!r}", " or ".join(METRICS), *advice(metric, METRICS))
    if records is not None and x is not None:
        raise DataError("x and records", "one of the two", "data given twice", "leave one of them out")
    data = x if records is None else records
    given = None if data is y is xi is None else make_records(data, xi=xi, y=y)
    if metric == "outputs" and (given is None or not given.known):
        raise DataError(
            'metric "outputs" without records and their targets', "x and y, or records",
            "outputs differ on given records, and count as the loss counts them", "give the training records",
        )  # fmt: skip
    return move(model, level, given, metric, readout)


def move(model: Continuum, level: str, data: Records | None, metric: str = "L2", readout: bool = False) -> Continuum:
    """``project``, for records or None."""
    data = None if data is None else make_records(data)
    if readout and (data is None or not data.known):
        raise DataError(
            "a readout to be solved for, and no records with targets", "records, x and y", "the data were left out",
            "give the training records, or leave readout out",
        )  # fmt: skip
    if readout and data is not None and data.classes and not model.classes:
        raise DataError(
            "a readout to be solved for, and a model that knows no classes", "a trained model",
            f"names of classes ({data.classes[0]}, …), which training learns", 'call fit with optimiser="ridge"',
        )  # fmt: skip
    new, match = moved(model, level), None
    if metric == "outputs" and data is not None:
        new, match = matched(model, new, data)
    report = replace(_report(model, _between(model, new), new, data), match=match)
    if readout and data is not None:
        prepared = new.prepare(data)
        solved = solve_readout(new, prepared)
        new, loss = solved.model, solved.model.loss(prepared)
        report = replace(report, loss_solved=loss, penalty=solved.penalty, left_out=solved.left_out)
    return new.replace(report=report)


def moved(model: Continuum, level: str) -> Continuum:
    """The model on another level, or anew on its own, without a report."""
    spec = _check_level(model, level)
    target = None if level == "base" else level
    rep = find.representation(spec, model.base)
    return Continuum(
        model.base, target, transfer_fields(model, rep), model.history, classes=model.classes, device=model.device,
        units=model.units, baselines=model.baselines if same_ends(model.spec, spec) else None, stored=rep,
    )  # fmt: skip


def _between(old: Continuum, new: Continuum) -> Continuum | None:
    """The new fields on the old solver."""
    if _same_solver(old.representation, new.representation):
        return new
    spec = find.between(old.spec, new.spec)
    if spec is None:
        return None
    if all(old.fields[n].slabs[0].coefficients.shape == f.slabs[0].coefficients.shape for n, f in new.fields.items()):
        entries = old.representation.entry["bases"], new.representation.entry["bases"]
        if entries[0] == entries[1]:
            return old
    stored = find.representation(spec, old.base)
    return Continuum(
        replace(spec, levels=()), None, new.fields, old.history, classes=old.classes, units=new.units, stored=stored
    )


def _report(old: Continuum, middle: Continuum | None, new: Continuum, data: Records | None) -> Report:
    probe = data or _probes(old)
    prepared = [None if m is None else m.prepare(probe) for m in (old, middle, new)]
    parts = _output_changes(old, middle, new, probe)
    report = Report(
        source=old.level or "base",
        target=new.level or "base",
        coefficients=(old.size, new.size),
        distance={name: distance(f, new.fields[name]) for name, f in old.fields.items()},
        norm={name: f.norm() for name, f in old.fields.items()},
        outputs_fields=parts[0],
        outputs_solver=parts[1],
        measured=data is not None,
        frame=old.plot.frame,
    )
    if data is None or not data.known:
        return report
    first, last = prepared[0], prepared[2]
    assert first is not None and last is not None
    return replace(
        report,
        loss_before=old.loss(first),
        loss_between=None if middle is None or prepared[1] is None else middle.loss(prepared[1]),
        loss_after=new.loss(last),
        attribution=None if middle is None else _attributed(old, middle, new, first, prepared[1] or first),
    )


def _attributed(
    old: Continuum, middle: Continuum, new: Continuum, prepared: Prepared, moved: Prepared
) -> Attribution:
    """In the old bases where these hold the new fields, else at the stages."""
    try:
        back = transfer_fields(new, old.representation)
    except RepresentationError:  # bases that no projection leads back from
        return stages.between(old, middle, prepared, moved)
    near = all(distance(f, new.fields[name]) <= HELD * (1 + f.norm()) for name, f in back.items())
    return attribution.between(old, back, prepared) if near else stages.between(old, middle, prepared, moved)


def _probes(model: Continuum) -> Records:
    """Random smooth records, the same for every call."""
    spec = model.spec
    x = np.random.default_rng(0).standard_normal((PROBES, *[8] * spec.dimension, spec.record_channels))
    grid = []
    for axis, (xi, periodic) in enumerate(zip(lines(spec), spec.periodic)):
        modes = np.polynomial.legendre.legvander(xi, 7) / (1.0 + np.arange(8))
        if periodic and spec.interpolant != "constant":
            modes, xi = (modes * np.cos(np.pi * xi / 2)[:, None] ** 2)[:-1], xi[:-1]
        x = along(modes, x, axis + 1)
        grid.append(xi)
    points = None if spec.interpolant == "constant" else grid[0] if spec.dimension == 1 else tuple(grid)
    return replace(make_records(x, xi=points), units=model.units)


def _output_changes(
    old: Continuum, middle: Continuum | None, new: Continuum, probe: Records
) -> tuple[float | None, float | None]:
    models = [m for m in (old, middle, new) if m is not None]
    at, weights = (None, np.ones(1)) if old.spec.functional else _shared_points(models)
    where = None if at is None else tuple(old.units.points(xi, axis) for axis, xi in enumerate(at))
    scale = old.units.targets  # of the model's own values: a shift of the user's would hide every change
    found = {id(m): np.asarray(m(probe, at=where)) for m in models}
    values = {key: np.moveaxis(own if scale is None else scale.to(own), 0, -1) for key, own in found.items()}

    def size(given: Array) -> float:
        """The root of the mean over records, as they count, and channels, and of functions over the domain."""
        squares = np.average(np.mean(given**2, axis=-2), axis=-1, weights=probe.weights)
        return float(np.sqrt(np.sum(weights * squares)))

    if middle is None:
        return None, None
    whole = size(values[id(old)]) or 1.0
    parts = (values[id(middle)] - values[id(old)], values[id(new)] - values[id(middle)])
    return size(parts[0]) / whole, size(parts[1]) / whole


def _shared_points(models: list[Continuum]) -> tuple[tuple[Array, ...], Array]:
    """Points along every axis, and their weights on the grid with sum 1, that integrate squares of all models'

    outputs.
    """
    axes = zip(*(m.representation.slabs[-1].axes("state") for m in models))
    points, lengths = zip(*(rule(*bases) for bases in axes))
    return points, np.asarray(kron(lengths).reshape([len(x) for x in points]) / 2 ** len(points))


def same_ends(first: Spec, second: Spec) -> bool:
    """Whether records and targets have the same coefficients."""
    ends = [(spec.entry, spec.entry_channels, spec.lift_width) for spec in (first, second)]
    return ends[0] == ends[1] and (first.functional or first.slabs[-1].state == second.slabs[-1].state)


def _same_solver(first: Representation, second: Representation) -> bool:
    """Whether two representations share state bases, nodes, tableau and steps: then equal fields give equal outputs."""

    def key(spec: Spec) -> tuple[Any, ...]:
        slabs = tuple((s.start, s.stop, s.state) for s in spec.slabs)
        steps = step_lengths(spec)
        solver = spec.entry, slabs, spec.tableau, steps, spec.tolerance
        return *solver, spec.rate, spec.activation, spec.spacing, spec.parameters

    return key(first.spec) == key(second.spec) and all(
        all(map(np.array_equal, a.factors("nodes"), b.factors("nodes"))) for a, b in zip(first.slabs, second.slabs)
    )


def _check_level(model: Continuum, level: str) -> Spec:
    """The spec of a declared level ("base" is the spec itself). Raises RepresentationError naming the levels."""
    instance(model, Continuum, "give a model, as numerics.load reads it")
    names = [name for name, _ in model.base.levels]
    if isinstance(level, str) and level == "base":
        return model.base
    if not isinstance(level, str) or level not in names:
        raise RepresentationError(
            f"level {level!r}",
            f"levels of {model.base.name}: {', '.join(['base', *names])}",
            *advice(
                level, ["base", *names], "a typing error, or a level that the spec does not declare",
                "declare it under [levels] and generate again",
            ),
        )  # fmt: skip
    return model.base.level(level)
