"""How kernels store learned tables in blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

from derive.exact.matrix import ExactMatrix, identity, kron
from derive.spaces.convolution import Waves
from derive.spaces.symmetry import Admissible

Blocks = tuple[tuple[int, int, int, int, int], ...]


@dataclass(frozen=True)
class Layout:
    """How kernels store learned tables in blocks.

    blocks: "w", "V" → (first row, last, first column, last, start of its numbers) of every block.
    rows, columns: the functions of φ and φ̃ in the order of the blocks of w; None: as they are.
    entries, values: N (w = N z) as (m, start, row in the block, column in it, columns of the block) and numbers.
    waves: of κ in frequencies what stands in place of the tables Φ and C, and "numbers", from κ's coefficients to z.
    """

    blocks: Mapping[str, Blocks] = field(default_factory=dict)
    rows: tuple[int, ...] | None = None
    columns: tuple[int, ...] | None = None
    entries: tuple[tuple[int, int, int, int, int], ...] = ()
    values: tuple[Fraction, ...] = ()
    waves: Mapping[str, ExactMatrix] = field(default_factory=dict)

    @classmethod
    def of(cls, weight: Admissible) -> Layout:
        """Block after block, each with its rows and columns side by side."""
        rows: list[int] = []
        columns: list[int] = []
        found, start = [], 0
        place: dict[int, tuple[int, int, int]] = {}  # row of w → start, row in its block, columns
        for own_rows, own_columns in weight.blocks:
            first = len(rows), len(columns)
            rows += own_rows
            columns += own_columns
            found.append((first[0], len(rows), first[1], len(columns), start))
            place |= {i: (start, k, len(own_columns)) for k, i in enumerate(own_rows)}
            start += len(own_rows) * len(own_columns)
        within = {j: k for _, own in weight.blocks for k, j in enumerate(own)}
        entries = tuple((m, place[i][0], place[i][1], within[j], place[i][2]) for m, i, j, _ in weight.entries)
        values = tuple(value for *_, value in weight.entries)
        return cls({"w": tuple(found)}, tuple(rows), tuple(columns), entries, values)

    @classmethod
    def stencil(cls, nodes: int, size: int) -> Layout:
        """One block for all nodes: the coefficients of κ, applied to each node's own rows of C."""
        blocks = tuple((q, q + 1, q * size, (q + 1) * size, 0) for q in range(nodes))
        entries = tuple((m, 0, 0, m, size) for m in range(size))
        return cls({"w": blocks}, entries=entries, values=(Fraction(1),) * size)

    @classmethod
    def frequencies(cls, waves: Waves) -> Layout:
        """A block a frequency, (a) or [[a, b], [−b, a]]."""
        size, blocks, start = waves.forward.shape[0], [], 0
        entries: list[tuple[int, int, int, int, int]] = []
        values: list[Fraction] = []
        for first in (0, *range(1, size, 2)):
            width = min(2, size - first) if first else 1
            blocks.append((first, first + width, first, first + width, start))
            for i, j in product(range(width), range(width)):
                entries.append((first + (i != j), start, i, j, width))
                values.append(Fraction(-1 if i > j else 1))
            start += width * width
        tables = {"Phi": waves.inverse, "C": waves.forward, "numbers": waves.numbers}
        return cls({"w": tuple(blocks)}, entries=tuple(entries), values=tuple(values), waves=tables)

    def ordered(self, name: str, table: ExactMatrix) -> ExactMatrix:
        """A table as kernels see it: Φ and C with the functions in the order of the blocks, or in frequencies."""
        if name in self.waves:
            return self.waves[name]
        if name == "Phi" and self.rows is not None:
            return table.chosen(columns=self.rows)
        if name in ("C", "C_entry") and self.columns is not None:
            return table.chosen(rows=self.columns)
        return table

    @classmethod
    def of_axes(cls, axes: Sequence[Layout], sizes: Sequence[tuple[int, int]]) -> Layout:
        """The layout of products of what each axis has; of one axis, its own. sizes: rows and columns of w, an axis.

        Products of two blocks have their rows and columns apart: a block of the last axis for every number in a block
        of the others. Numbers, rows and columns of the last axis run first.
        """
        whole = axes[0]
        for layout, (own_rows, own_columns) in zip(axes[1:], sizes[1:]):
            if not layout.entries:
                break
            count, second = layout.numbers, layout.functions
            blocks = tuple(
                (r * own_rows + a, r * own_rows + b, c * own_columns + d, c * own_columns + e, number * count + start)
                for first, last, left, right, origin in whole.blocks["w"]
                for number, (r, c) in enumerate(product(range(first, last), range(left, right)), origin)
                for a, b, d, e, start in layout.blocks["w"]
            )
            entries = tuple(
                (m * second + n, (start + row * width + column) * count + origin, k, l, size)
                for m, start, row, column, width in whole.entries
                for n, origin, k, l, size in layout.entries
            )
            values = tuple(x * y for x in whole.values for y in layout.values)
            waves = {}
            if whole.waves or layout.waves:
                waves["numbers"] = kron([one.waves.get("numbers", identity(one.functions)) for one in (whole, layout)])
            whole = cls({"w": blocks}, entries=entries, values=values, waves=waves)
        return whole

    @property
    def numbers(self) -> int:
        """How many numbers the blocks of w hold."""
        return max(start + (b - a) * (d - c) for a, b, c, d, start in self.blocks["w"])

    @property
    def functions(self) -> int:
        """How many coefficients the blocks of w are made of."""
        return max(m for m, *_ in self.entries) + 1
