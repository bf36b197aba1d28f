"""What the exact zeros and ones of a table say of it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from derive.exact.matrix import ExactMatrix

Structure = Literal["identity", "diagonal", "banded", "dense", "blocks"]


def structure(table: ExactMatrix) -> Structure:
    """What the pattern of exact zeros and ones says: identity, diagonal, banded (rows are short runs) or dense."""
    pattern = table.nonzero()
    rows, columns = pattern.shape
    if rows == columns and not (pattern & ~np.eye(rows, dtype=bool)).any():
        return "identity" if table.is_identity() else "diagonal"
    runs = [int(r.nonzero()[0][-1] - r.nonzero()[0][0] + 1) if r.any() else 0 for r in pattern]
    # A run of at most a quarter of the row beats a dense product on every size that we measured.
    return "banded" if 4 * max(runs, default=0) <= columns else "dense"
