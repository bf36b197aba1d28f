"""Refinement: moving a model to a level whose fields contain the old ones, so that no field changes."""

from __future__ import annotations

from derive.errors import RepresentationError
from numerics.datasets import Records
from numerics.levels.fields import contained
from numerics.levels.projection import move
from numerics.model.continuum import Continuum

LOST = 1e-10  # part of a field's norm: a smaller distance is none, where the field happens to lie in a smaller space


def refine(model: Continuum, level: str, records: Records | None = None, readout: bool = False) -> Continuum:
    """The model on a finer level (a prolongation), with ``.report``: the fields part is zero to rounding.

    With the solver unchanged the outputs do not change either; a level with other steps or another state moves
    them by its discretisation error, reported as the solver part. readout: whether the readout is then solved for on
    the records, see ``numerics.readout``. Raises RepresentationError when the level's
    spaces do not contain the model's fields: the derivation shows which spaces contain which, exactly, and a field
    that changes level between others is measured.
    """
    new = move(model, level, records, readout)
    for name, lost in new.report.distance.items():
        if lost > LOST * new.report.norm[name] and not contained(model, new.representation, name):
            raise RepresentationError(
                f"level {level!r}, which would change the field {name} by {lost:.2e}",
                "a level whose bases contain the present ones",
                "the level is coarser in one direction, or its breakpoints do not include the present ones",
                "use `project` to accept the change and see what it costs",
            )
    return new
