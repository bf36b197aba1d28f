"""Refinement: moving a model to a level whose fields contain the old ones, so that no field changes."""

from __future__ import annotations

from derive.errors import RepresentationError
from numerics.datasets import Records
from numerics.datasets import records as make_records
from numerics.levels.fields import contained
from numerics.levels.projection import move
from numerics.levels.tolerance import LIMIT, refined
from numerics.model.continuum import Continuum

LOST = 1e-10  # part of a field's norm: a smaller distance is none, where the field happens to lie in a smaller space


def refine(
    model: Continuum, level: str | None = None, records: Records | None = None, tolerance: float | None = None,
    limit: int | None = None, readout: bool = False,
) -> Continuum:  # fmt: skip
    """The model on a finer level (a prolongation), with ``.report``: the fields part is zero to rounding.

    level: a declared one. With the solver unchanged the outputs do not change either; a level with other steps or
    another state moves them by its discretisation error, reported as the solver part. Raises RepresentationError when
    the level's spaces do not contain the model's fields: the derivation shows which spaces contain which, exactly, and
    a field that changes level between others is measured.
    tolerance: in place of a level, the error of the loss on records that the solver may make. The state and the steps
    are then refined where dual-weighted residuals say that the error sits, with ``limit`` functions and steps at most
    (1,024 unless told), and the model stands on a new level, "refined". Raises RepresentationError where that cannot be
    reached. readout: with a level, whether the readout is then solved for on the records, see ``numerics.readout``.
    """
    if (level is None) == (tolerance is None):
        raise RepresentationError(
            "a level and a tolerance" if level is not None else "neither a level nor a tolerance", "one of the two",
            "a declared level says where to refine; a tolerance lets the error say it",
            'write refine(model, level="fine"), or refine(model, tolerance=1e-3, records=records(x, y))',
        )  # fmt: skip
    if (limit is not None) if level is not None else readout:
        raise RepresentationError(
            "a level and a limit" if level is not None else "a tolerance and a readout to be solved for",
            "limit with a tolerance, readout with a level", "a level has the functions that it declares, and a "
            "tolerance is kept for the model as it is", "leave it out; solve for the readout in a call of its own",
        )  # fmt: skip
    data = None if records is None else make_records(records)
    if level is None:
        return refined(model, tolerance, data, LIMIT if limit is None else limit)
    return _to_level(model, level, data, readout)


def _to_level(model: Continuum, level: str, data: Records | None, readout: bool) -> Continuum:
    new = move(model, level, data, readout=readout)
    for name, lost in new.report.distance.items():
        if lost > LOST * new.report.norm[name] and not contained(model, new.representation, name):
            raise RepresentationError(
                f"level {level!r}, which would change the field {name} by {lost:.2e}",
                "a level whose bases contain the present ones",
                "the level is coarser in one direction, or its breakpoints do not include the present ones",
                "use `project` to accept the change and see what it costs",
            )
    return new
