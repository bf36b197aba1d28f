"""What kernels on a GPU read of tables beside their numbers: where columns begin and end, which blocks are alike."""

from __future__ import annotations

import numpy as np


def columns(runs: np.ndarray, count: int) -> np.ndarray:
    """(count, 2): first and one past the last row whose run meets each column of a banded table."""
    reach = np.zeros((count, 2), dtype=np.int64)
    for b in range(count):
        (meets,) = np.nonzero((runs[:, 0] <= b) & (b < runs[:, 1]))
        if len(meets):
            reach[b] = meets[0], meets[-1] + 1
    return reach


def alike(blocks: np.ndarray) -> np.ndarray:
    """Blocks with the same numbers, as far apart as one another and with no row or column in common, in groups.

    blocks: (n, 5), first row and one past the last, first column and one past the last, first number. A group is its
    first block, how many there are, and how many rows and columns each is behind the one before: (groups, 8).
    """
    same: dict[tuple[int, int, int], dict[tuple[int, int], None]] = {}
    for high, high_end, low, low_end, origin in blocks.tolist():
        same.setdefault((high_end - high, low_end - low, origin), {})[high, low] = None
    found = []
    for (rows, columns, origin), places in same.items():
        while places:
            high, low = next(iter(places))
            steps = ((a - high, b - low) for a, b in places if a >= high + rows and b >= low + columns)
            down, along = next(steps, (0, 0))
            many = 0
            while (place := (high + many * down, low + many * along)) in places:
                del places[place]
                many += 1
            found.append((high, high + rows, low, low + columns, origin, many, down, along))
    return np.array(found, np.int64).reshape(-1, 8)
