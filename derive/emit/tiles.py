"""Products of two matrices and sums over records by a block of CUDA threads: functions of every module, and calls.

A thread has 8 rows and 4 columns of the result in registers, a block as many as its threads have, which stand here in a
square or in two, whatever the block's shape is. Slices of both factors, 8 deep, go through shared memory, where a
thread reads its rows and columns of them four at a time. While one slice is multiplied the next one is on its way in
registers. Sums are taken in the order of b, on every device.

A thread's columns are as far apart as that square is wide, so that neighbouring threads write neighbouring records; in
the slice they lie side by side. Rows of a slice have four numbers more than they need, which spreads what threads write
over the banks of the memory.

What a table does to every channel alike, or to every node, is one product: its columns are those of several pieces, one
after the other, so that few records fill a block, too. A gradient likewise sums over several pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

from derive.emit.scalar import Lines
from derive.emit.target import factor

# What a kernel with products declares, once for all of them: as much as any number of threads needs.
STAGED = "staged = cuda.shared.array(8*cuda.blockDim.x*cuda.blockDim.y + 320, constants.dtype)"

PRODUCT = '''def product(
    height, many, width, each, over, depth, left, left_start, left_row, left_over, left_deep,
    right, right_start, right_over, right_deep, right_many, right_column,
    out, out_start, out_row, out_many, out_column, add, constants, staged,
):
    """out_a,pr = Σ_sb left_a,sb right_sb,pr, or adds that, by a block's threads.

    a < height, p < many, r < width, s < over, b < depth. An array is flat; an element's place is the start and so many
    times each of its distances. A piece p of the columns takes ``each`` of the block's; 0 where there is one alone.
    """
    zero = constants[0]
    threads = cuda.blockDim.x*cuda.blockDim.y
    thread = cuda.threadIdx.y*cuda.blockDim.x + cuda.threadIdx.x
    columns = 16 if threads > 64 else 8 if threads > 16 else 4 if threads > 4 else 2 if threads > 1 else 1
    rows, row, column = threads//columns, thread//columns, thread % columns
    high, wide, side_by_side = 8*rows, 4*columns, many*each if each else width
    aside = 8*(high + 4)  # in ``staged`` are slices of the factors, 8 deep: from 0 on a, b, and from here on b, r
    sums, ahead = cuda.local.array(32, out.dtype), cuda.local.array(96, out.dtype)
    near, far = cuda.local.array(16, out.dtype), cuda.local.array(8, out.dtype)
    # neighbouring threads fetch neighbours: in b where these are so in memory, else in a, or in r
    left_b, right_b = 1 if left_deep == 1 else 0, 1 if right_deep == 1 else 0
    for top in range(0, height, high):
        for side in range(0, side_by_side, wide):
            for e in range(32):
                sums[e] = zero
            s, begin = 0, 0  # of the slice that is fetched; the one before is multiplied
            for slices in range(over*((depth + 7)//8) + 1):
                for e in range(64//columns):
                    at = e*threads + thread
                    a, b = (at//8, at % 8) if left_b else (at % high, at//high)
                    a, b = top + a, begin + b
                    inside = s < over and a < height and b < depth
                    place = left_start + s*left_over + a*left_row + b*left_deep
                    ahead[e] = left.flat[place] if inside else zero
                for e in range(32//rows):
                    at = e*threads + thread
                    r, b = (at//8, at % 8) if right_b else (at % wide, at//wide)
                    p, r = ((side + r)//each, (side + r) % each) if each else (0, side + r)
                    b = begin + b
                    inside = s < over and b < depth and p < many and r < width
                    place = right_start + s*right_over + b*right_deep + p*right_many + r*right_column
                    ahead[64 + e] = right.flat[place] if inside else zero
                if slices > 0:
                    for b in range(0, 8, 2):
                        for a in range(8):
                            near[a] = staged[b*(high + 4) + 8*row + a]
                            near[8 + a] = staged[(b + 1)*(high + 4) + 8*row + a]
                        for r in range(4):
                            far[r] = staged[aside + b*(wide + 4) + 4*column + r]
                            far[4 + r] = staged[aside + (b + 1)*(wide + 4) + 4*column + r]
                        for a in range(8):
                            for r in range(4):
                                sums[4*a + r] += near[a]*far[r]
                                sums[4*a + r] += near[8 + a]*far[4 + r]
                cuda.syncthreads()
                for e in range(64//columns):
                    at = e*threads + thread
                    a, b = (at//8, at % 8) if left_b else (at % high, at//high)
                    staged[b*(high + 4) + a] = ahead[e]
                for e in range(32//rows):
                    at = e*threads + thread
                    r, b = (at//8, at % 8) if right_b else (at % wide, at//wide)
                    staged[aside + b*(wide + 4) + r % columns*4 + r//columns] = ahead[64 + e]
                cuda.syncthreads()
                s, begin = (s, begin + 8) if begin + 8 < depth else (s + 1, 0)
            for e in range(32):
                a, r = top + 8*row + e//4, side + column + e % 4*columns
                p, r = (r//each, r % each) if each else (0, r)
                if a < height and p < many and r < width:
                    place = out_start + a*out_row + p*out_many + r*out_column
                    out.flat[place] = out.flat[place] + sums[e] if add else sums[e]
'''


SUMMED = '''def summed(height, count, given, given_start, given_row, out, constants, staged):
    """out_a += Σ_r given_ar, by a block's threads, of which neighbours read neighbouring records.

    Each sums the records that are its own, of four rows; then one adds what those of a row have found.
    """
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    for top in range(0, height, 4*rows):
        for e in range(4):
            a = top + e*rows + row
            total = constants[0]
            if a < height:
                for r in range(column, count, columns):
                    total += given.flat[given_start + a*given_row + r]
            staged[(e*rows + row)*(columns + 1) + column] = total
        cuda.syncthreads()
        for a in range(row*columns + column, min(4*rows, height - top), rows*columns):
            total = out.flat[top + a]
            for r in range(columns):
                total += staged[a*(columns + 1) + r]
            out.flat[top + a] = total
        cuda.syncthreads()
'''


@dataclass(frozen=True)
class Matrix:
    """A matrix in a flat array: where it starts, how far apart its rows are, and its columns.

    pieces: how far apart pieces of it are, along the rows or the columns that there are several of.
    """

    array: str
    start: str
    row: str
    column: str
    pieces: str = "0"

    @property
    def transposed(self) -> Matrix:
        return Matrix(self.array, self.start, self.column, self.row, self.pieces)


def plus(left: str, right: str) -> str:
    """A sum, without zeros."""
    return " + ".join(text for text in (left, right) if text != "0") or "0"


def times(left: str, right: str) -> str:
    """A product, without ones and zeros."""
    if "0" in (left, right):
        return "0"
    return "*".join(factor(text) if "+" in text else text for text in (left, right) if text != "1") or "1"


def summed(height: str, given: Matrix, out: str) -> Lines:
    """A call: out += the sums of the rows of what is given."""
    return [f"summed({height}, count, {given.array}, {given.start}, {given.row}, {out}, constants, staged)"]


def product(
    height: str, width: str, depth: str, left: Matrix, right: Matrix, out: Matrix, add: bool,
    many: str = "1", each: str = "0", over: str = "1",
) -> Lines:  # fmt: skip
    """A call: out = left right, or out += left right. many: pieces of columns, over: pieces of what is summed over."""
    deep, beside = (right.pieces, "0") if over != "1" else ("0", right.pieces)
    last = f"{out.column}, {add}, constants, staged)"
    return [f"product({height}, {many}, {width}, {each}, {over}, {depth},",
            f"        {left.array}, {left.start}, {left.row}, {left.pieces}, {left.column},",
            f"        {right.array}, {right.start}, {deep}, {right.row}, {beside}, {right.column},",
            f"        {out.array}, {out.start}, {out.row}, {out.pieces}, {last}"]  # fmt: skip
