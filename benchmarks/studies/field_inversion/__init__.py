"""Field inversion: fields W* and b* that are known, recovered from inputs and outputs alone.

``problem``: fields, records, Gauss–Newton; ``determined``: what the records say of the fields; ``regularised``: noise,
penalties and the discrepancy principle; ``continuation``: how many random starts end at the truth.
"""

from __future__ import annotations

from benchmarks.studies import Number
from benchmarks.studies.field_inversion import continuation, determined, regularised

TITLE = "Field inversion: which parts of W* and b* inputs and outputs determine, and how to find them"


def study(long: bool) -> list[Number]:
    return [*determined.numbers(long), *regularised.numbers(long), *continuation.numbers(long)]
