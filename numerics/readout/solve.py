"""The readout with the least loss on given records, all other fields as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from derive.errors import TrainingError
from derive.spec import Penalty, Spec
from numerics.checks import instance
from numerics.kernels import threads
from numerics.model.continuum import Continuum
from numerics.model.prepared import Prepared, check_own
from numerics.readout import least_squares, logistic
from numerics.readout.design import Design
from numerics.readout.reduced import reduced

READOUT = ("R", "a", "Q")  # the fields of a readout
FACTS = ("readout penalty", "loss left out")  # what a history calls them


@dataclass(frozen=True)
class Solved:
    """A model whose readout was solved for.

    penalty: of the squared L2 norm of R and Q, over the mean loss of the records.  left_out: the mean loss of records
    that the readout does not know, each left out in turn.
    """

    model: Continuum
    penalty: float
    left_out: float

    @property
    def penalised(self) -> Continuum:
        """The model with this penalty, in place of those declared for the readout: it has the least loss."""
        spec, chosen = self.model.spec, Fraction(self.penalty)
        kept = tuple(p for p in spec.penalties if p.field not in READOUT)
        own = tuple(Penalty(name, "L2", chosen) for name in ("R", "Q") if name in self.model.fields)
        bare = replace(spec, penalties=kept + own, levels=())
        return self.model.replace(base=bare, level=None).running_on(self.model.bound)

    @property
    def facts(self) -> dict[str, float]:
        """What a history says of it."""
        return dict(zip(FACTS, (self.penalty, self.left_out)))


def solve_readout(model: Continuum, prepared: Prepared, versions: int = 1) -> Solved:
    """The model with the readout that minimises the mean loss + penalty · ‖R, Q‖² on prepared records.

    Squared distances are minimised exactly, of a relative error its squares, and losses of classes and probabilities by
    Newton's method; the constant a is free. The penalty is the one of a grid with the least loss of records left out;
    it stands in place of what the spec declares for R, which is its least value where the fields were trained.
    versions: how many of the prepared records, one behind the other, are one record changed; they are left out
    together. Raises TrainingError where there is no such readout, or no second record.
    """
    instance(model, Continuum, "give a model, as numerics.load reads it")
    check_solvable(model.spec)
    check_own(model.spec, prepared)
    counted = np.count_nonzero(prepared.counts.reshape(-1, versions).any(axis=1))
    if counted < 2:
        raise TrainingError(
            f"a readout solved from {counted} record", "two records that count, or more",
            "penalties are chosen by leaving each record out", "give more records, or train by another optimiser",
        )  # fmt: skip
    design = Design(model, prepared, versions)
    kind = logistic if model.spec.comparison.scores else least_squares
    with threads.serial_blas():
        found = reduced(design)
        along, free, penalty, left_out = kind.solve(found)
        model = design.with_solution(*found.coordinates(along, free))
        return Solved(model, penalty, left_out + float(np.average(prepared.offset, weights=prepared.weights)))


def check_solvable(spec: Spec) -> None:
    """Raise TrainingError where a readout cannot be solved for: there is none, or its loss has no closed form."""
    if spec.outputs is None:
        raise TrainingError(
            "a readout solved for a model without one", "a spec with [readout] outputs",
            "the output of this model is its last state", "declare readout.outputs, or train by another optimiser",
        )  # fmt: skip
    comparison = spec.comparison
    if comparison.distance is None and comparison.targets == "numbers":
        raise TrainingError(
            f"a readout solved for the loss {spec.loss}",
            "l2, h1 and relative-l2, by least squares; cross-entropy and kullback-leibler, by Newton's method",
            "a loss whose readout has no closed form", "declare one of these losses, or train by another optimiser",
        )  # fmt: skip
