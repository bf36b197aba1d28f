"""What the threads of a block do to form the operators of a stage, and to take their adjoint: text of CUDA kernels."""

from __future__ import annotations

from derive.emit.lanes import BY_ROWS, SYNC, by_all, channel_loops, in_register
from derive.emit.scalar import Lines, indent
from derive.emit.target import Target
from derive.emit.tiles import Matrix, product, times
from derive.program import operations as ops

ROOM = ("mixed", "left", "turned", "mixed_bias", "mixed_local")  # between the operations


class Forming(Target):
    """A block works on the operators of a stage."""

    def mix(self, op: ops.Mix) -> Lines:
        term = f"{op.rows}[s, k]*{op.fields}[k, a{'' if op.vector else ', d'}]"
        body = in_register(self.element(op.out), f"for k in range({op.rows}.shape[1]):", term)
        return _coefficients(op.fields, op.vector, body)

    def unmix(self, op: ops.Unmix) -> Lines:
        """The sums over the stages are a kernel's of their own; what they are of is left in the room between."""
        name, out = self.lies_in(op.operand), f"{op.fields}[k, e]"
        if self.kernel.program is None:
            term = f"{op.rows}[s, k]*{name}[s, e]"
            lines = in_register(out, f"for s in range({op.rows}.shape[0]):", term, start=out)
            each = f"for e in range(cuda.grid(1), {op.fields}.shape[1], cuda.gridsize(1)):"
            return [each, f"    for k in range({op.fields}.shape[0]):", *indent(lines, 2)]
        room = "mixed_bias" if op.vector else "mixed"
        return [] if name in ROOM else _coefficients(room, op.vector, [f"{self.element(room)} = {self.element(name)}"])

    def sandwich(self, op: ops.Sandwich) -> Lines:
        """First Φ, then C; transposed the other way round. The columns are Cᵀ times those rows."""
        sides = [side for side in (op.left, op.right) if side][:: -1 if op.transposed else 1]
        arrays = [self.lies_in(op.operand), *(["left"] if len(sides) == 2 else []), self.lies_in(op.out)]
        lines: Lines = []
        for (table, structure), source, target in zip(sides, arrays, arrays[1:]):
            side = self._above if table == "Phi" else self._beside
            said = f"# {ops.plain(target)} of {ops.plain(source)} by {ops.plain(table)}"
            lines += [*([SYNC] if lines else []), said, *side(table, structure, op.transposed, source, target)]
        return lines

    def _above(self, table: str, structure: str, transposed: bool, source: str, target: str) -> Lines:
        """target = Φ source, for every pre-activation of every channel."""
        if structure == "dense":
            own, size = Matrix(table, "0", f"{table}.shape[1]", "1"), f"{source}.shape[2]"
            made, given = (f"{table}.shape[{k}]" for k in ((1, 0) if transposed else (0, 1)))
            right, out = (Matrix(f"{name}[s]", f"c*{size}", times(self.wide, size), "1") for name in (source, target))
            call = product(made, size, given, own.transposed if transposed else own, right, out, False)
            return [f"for c in range({self.wide}):", *indent(call)]
        elements = f"{target}[s, {{}}, d]".format, f"{source}[s, {{}}, d]".format
        other = f"for d in range(column, {source}.shape[2], columns):"
        return channel_loops(structure, table, transposed, *elements, other, False, BY_ROWS, self.wide)

    def _beside(self, table: str, structure: str, transposed: bool, source: str, target: str) -> Lines:
        """target = source C, for every channel."""
        if structure == "dense":
            own = Matrix(table, "0", f"{table}.shape[1]", "1")
            given, made = (f"{table}.shape[{k}]" for k in ((1, 0) if transposed else (0, 1)))
            left, out = (Matrix(f"{name}[s]", "c", f"{name}.shape[2]", "channels") for name in (source, target))
            sizes = f"{source}.shape[1]", made, given
            call = product(*sizes, left, own.transposed if transposed else own, out, False)
            return ["for c in range(channels):", *indent(call)]
        elements = f"{target}[s, d, {{}}]".format, f"{source}[s, d, {{}}]".format
        other, lanes = f"for d in range(row, {source}.shape[1], rows):", "column, {}, columns"
        return channel_loops(structure, table, not transposed, *elements, other, False, lanes, "channels")

    def place(self, op: ops.Place) -> Lines:
        """A thread has its own pairs of channels."""
        blocks, given = (op.operand, self.lies_in(op.out)) if op.transposed else (op.out, op.operand)
        place, number = f"{blocks}[s, at + c]", f"{given}[s, w_entries[e, 0], o*channels + c]"
        change = f"{number} += w_values[e]*{place}" if op.transposed else f"{place} += w_values[e]*{number}"
        clear = [*by_all("a", f"{blocks}.shape[1]", [f"{blocks}[s, a] = constants[0]"]), SYNC]
        clear_own = [f"for a in range({given}.shape[1]):", f"    {given}[s, a, o*channels + c] = constants[0]"]
        return [
            *([] if op.transposed else clear),
            f"for o in range(row, {self.wide}, rows):",
            "    for c in range(column, channels, columns):",
            *indent(clear_own if op.transposed else [], 2),
            "        for e in range(w_entries.shape[0]):",
            f"            line = w_entries[e, 2]*{self.wide} + o",
            f"            at = (w_entries[e, 1]*{self.wide} + line*w_entries[e, 4] + w_entries[e, 3])*channels",
            f"            {change}",
        ]


def _coefficients(like: str, vector: bool, body: Lines) -> Lines:
    """The body for every coefficient of a field, a vector or a matrix."""
    if vector:
        return [f"for a in range(thread, {like}.shape[1], threads):", *indent(body)]
    return [f"for a in range(row, {like}.shape[1], rows):", f"    for d in range(column, {like}.shape[2], columns):",
            *indent(body, 2)]  # fmt: skip
