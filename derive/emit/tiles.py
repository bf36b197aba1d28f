"""The product of two matrices by a block of CUDA threads: one function of every module, and the text of a call.

A thread has 8 rows and 4 columns of the result in registers, a block as many as its threads have. Slices of both
factors, 8 deep, go through shared memory, where a thread reads its rows and columns of them four at a time. While one
slice is multiplied the next one is on its way in registers. Sums are taken in the order of b, on every device.

A thread's columns are as far apart as the block is wide, so that neighbouring threads write neighbouring records; in
the slice they lie side by side. Rows of a slice have four numbers more than they need, which spreads what threads write
over the banks of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from derive.emit.scalar import Lines
from derive.emit.target import factor

# What a kernel with products declares, once for all of them.
STAGED = "staged = cuda.shared.array(64*(cuda.blockDim.y + 1) + 32*(cuda.blockDim.x + 1), constants.dtype)"

PRODUCT = '''def product(
    height, width, depth, left, left_start, left_row, left_deep, right, right_start, right_deep, right_column,
    out, out_start, out_row, out_column, add, constants, staged,
):
    """out_ar = Σ_b left_ab right_br, or adds that: height × width numbers, depth summands each, by a block's threads.

    An array is flat; an element's place is the start and so many times each of its two distances.
    """
    zero = constants[0]
    row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x
    thread, threads, high, wide = row*columns + column, rows*columns, 8*rows, 4*columns
    aside = 8*(high + 4)  # in ``staged`` are slices of the factors, 8 deep: from 0 on a, b, and from here on b, r
    sums, ahead = cuda.local.array(32, out.dtype), cuda.local.array(96, out.dtype)
    near, far = cuda.local.array(16, out.dtype), cuda.local.array(8, out.dtype)
    # a thread fetches four neighbours at a time: in b where these are so in memory, else in a, or in r
    left_b, right_b = 1 if left_deep == 1 else 0, 1 if right_deep == 1 else 0
    left_next, right_next = 1 if left_b else left_row, 1 if right_b else right_column
    for top in range(0, height, high):
        for side in range(0, width, wide):
            for e in range(32):
                sums[e] = zero
            for past in range(-8, depth, 8):  # the slice behind these is fetched, this one is multiplied
                for e in range(0, 64//columns, 4):
                    at = e*threads + 4*thread
                    a, b = (at//8, at % 8) if left_b else (at % high, at//high)
                    a, b = top + a, past + 8 + b
                    place = left_start + a*left_row + b*left_deep
                    for k in range(4):
                        inside = a + k*(1 - left_b) < height and b + k*left_b < depth
                        ahead[e + k] = left.flat[place + k*left_next] if inside else zero
                for e in range(0, 32//rows, 4):
                    at = e*threads + 4*thread
                    r, b = (at//8, at % 8) if right_b else (at % wide, at//wide)
                    r, b = side + r, past + 8 + b
                    place = right_start + b*right_deep + r*right_column
                    for k in range(4):
                        inside = r + k*(1 - right_b) < width and b + k*right_b < depth
                        ahead[64 + e + k] = right.flat[place + k*right_next] if inside else zero
                if past >= 0:
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
                    at = e//4*4*threads + 4*thread + e % 4
                    a, b = (at//8, at % 8) if left_b else (at % high, at//high)
                    staged[b*(high + 4) + a] = ahead[e]
                for e in range(32//rows):
                    at = e//4*4*threads + 4*thread + e % 4
                    r, b = (at//8, at % 8) if right_b else (at % wide, at//wide)
                    staged[aside + b*(wide + 4) + r % columns*4 + r//columns] = ahead[64 + e]
                cuda.syncthreads()
            for e in range(32):
                a, r = top + 8*row + e//4, side + column + e % 4*columns
                if a < height and r < width:
                    place = out_start + a*out_row + r*out_column
                    out.flat[place] = out.flat[place] + sums[e] if add else sums[e]
'''


@dataclass(frozen=True)
class Matrix:
    """A matrix in a flat array: where it starts, and how far apart its rows are, and its columns."""

    array: str
    start: str
    row: str
    column: str

    @property
    def transposed(self) -> Matrix:
        return Matrix(self.array, self.start, self.column, self.row)

    @property
    def text(self) -> str:
        return f"{self.array}, {self.start}, {self.row}, {self.column}"


def plus(left: str, right: str) -> str:
    """A sum, without zeros."""
    return " + ".join(text for text in (left, right) if text != "0") or "0"


def times(left: str, right: str) -> str:
    """A product, without ones and zeros."""
    if "0" in (left, right):
        return "0"
    return "*".join(factor(text) if "+" in text else text for text in (left, right) if text != "1") or "1"


def product(height: str, width: str, depth: str, left: Matrix, right: Matrix, out: Matrix, add: bool) -> Lines:
    """A call: out = left right, or out += left right."""
    return [f"product({height}, {width}, {depth}, {left.text},", f"        {right.text},",
            f"        {out.text}, {add}, constants, staged)"]  # fmt: skip
