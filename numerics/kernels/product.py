"""Products of matrices in kernels, register-blocked: linear algebra libraries lose half their time at small sizes.

out = a b, or out += a b, for a (m, k), b (k, n), n the records of a tile. Panels of b, as wide as two vector registers,
are copied behind each other; then ROWS rows of a at a time meet a panel, and the ROWS × 2 registers with their sums are
written once. Products over more than LONG terms, whose panels would not stay in the first-level cache, are the
library's. Which registers there are is asked of the machine: sums over k run in the same order on all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import carray
from numba.core import cgutils, types
from numba.extending import intrinsic, overload
from numpy.lib.stride_tricks import as_strided

from numerics.kernels import cache

ROWS = 4
VECTORS = 2
LONG = 256


def _register() -> int:
    """The bytes of a vector register."""
    features = llvm.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


REGISTER = _register()
EDITION = hashlib.sha256(Path(__file__).read_bytes() + bytes([REGISTER])).hexdigest()
WIDTH = VECTORS * REGISTER  # the bytes of a panel's row


class _Matrix:
    """An array's entries in LLVM's words; strides in bytes."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        array = context.make_array(kind)(context, builder, value)
        self.builder = builder
        self.entry = context.get_value_type(kind.dtype)
        self.size = context.get_abi_sizeof(self.entry)
        self.lanes = REGISTER // self.size
        self.vector = ir.VectorType(self.entry, self.lanes)
        self.bytes = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        self.shape = cgutils.unpack_tuple(builder, array.shape, 2)
        self.strides = cgutils.unpack_tuple(builder, array.strides, 2)

    def at(self, row: Any, column: Any) -> Any:
        """The address of an entry."""
        place = self.builder.add(self.builder.mul(row, self.strides[0]), self.builder.mul(column, self.strides[1]))
        return self.builder.gep(self.bytes, [place])

    def moved(self, address: Any, place: Any) -> Any:
        return self.builder.gep(address, [place])

    def load(self, address: Any) -> Any:
        found = self.builder.load(self.builder.bitcast(address, self.vector.as_pointer()))
        found.align = self.size
        return found

    def store(self, value: Any, address: Any) -> None:
        self.builder.store(value, self.builder.bitcast(address, self.vector.as_pointer())).align = self.size

    def spread(self, address: Any) -> Any:
        """A vector of which every entry is that at an address."""
        one = self.builder.load(self.builder.bitcast(address, self.entry.as_pointer()))
        nothing, index = ir.Constant(self.vector, ir.Undefined), ir.IntType(32)
        first = self.builder.insert_element(nothing, one, ir.Constant(index, 0))
        return self.builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(index, self.lanes), None))


def _number(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def _block(rows: int) -> Callable[..., Any]:
    """out[at + i, column + j] = (or += where ``add``) Σ_k a[row + i, k] panel[k, j], i < rows, j over a panel's row."""

    @intrinsic
    def block(typing: Any, a: Any, row: Any, panel: Any, out: Any, at: Any, column: Any, add: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            left = _Matrix(context, builder, a, given[0])
            right = _Matrix(context, builder, panel, given[2])
            result = _Matrix(context, builder, out, given[3])
            length, start = left.shape[1], builder.block
            lines = [left.at(builder.add(given[1], _number(i)), _number(0)) for i in range(rows)]
            targets = [result.at(builder.add(given[4], _number(i)), given[5]) for i in range(rows)]
            loop, done = (builder.append_basic_block(name) for name in ("product", "store"))
            nothing = ir.Constant(left.vector, None)
            builder.cbranch(builder.icmp_signed(">", length, _number(0)), loop, done)
            builder.position_at_end(loop)
            k = builder.phi(ir.IntType(64))
            sums = [[builder.phi(left.vector) for _ in range(VECTORS)] for _ in range(rows)]
            place = right.moved(right.bytes, builder.mul(k, _number(WIDTH)))
            loaded = [right.load(right.moved(place, _number(v * REGISTER))) for v in range(VECTORS)]
            along = builder.mul(k, left.strides[1])
            fused, found = ["contract"], []
            for i in range(rows):
                factor = left.spread(left.moved(lines[i], along))
                products = [builder.fmul(factor, loaded[v], flags=fused) for v in range(VECTORS)]
                found.append([builder.fadd(products[v], sums[i][v], flags=fused) for v in range(VECTORS)])
            following = builder.add(k, _number(1))
            k.add_incoming(_number(0), start)
            k.add_incoming(following, loop)
            for i in range(rows):
                for v in range(VECTORS):
                    sums[i][v].add_incoming(nothing, start)
                    sums[i][v].add_incoming(found[i][v], loop)
            builder.cbranch(builder.icmp_signed("<", following, length), loop, done)
            builder.position_at_end(done)
            for i in range(rows):
                for v in range(VECTORS):
                    total = builder.phi(left.vector)
                    total.add_incoming(nothing, start)
                    total.add_incoming(found[i][v], loop)
                    found[i][v] = total
            with builder.if_else(given[6]) as (adding, setting):
                with adding:
                    for i in range(rows):
                        for v in range(VECTORS):
                            address = result.moved(targets[i], _number(v * REGISTER))
                            result.store(builder.fadd(result.load(address), found[i][v]), address)
                with setting:
                    for i in range(rows):
                        for v in range(VECTORS):
                            result.store(found[i][v], result.moved(targets[i], _number(v * REGISTER)))
            return context.get_dummy_value()

        return types.void(a, types.intp, panel, out, types.intp, types.intp, types.boolean), write

    return block


@intrinsic
def _copy(typing: Any, b: Any, row: Any, column: Any, panel: Any) -> Any:
    """panel[row] = b[row, column:], a panel's row."""

    def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        source, panel_ = _Matrix(context, builder, b, given[0]), _Matrix(context, builder, panel, given[3])
        start, end = source.at(given[1], given[2]), panel_.at(given[1], _number(0))
        for v in range(VECTORS):
            by = _number(v * REGISTER)
            panel_.store(source.load(source.moved(start, by)), panel_.moved(end, by))
        return context.get_dummy_value()

    return types.void(b, types.intp, types.intp, panel), write


@intrinsic
def _turn(typing: Any, b: Any, row: Any, column: Any, panel: Any) -> Any:
    """panel[row + i, j] = b[column + j, row + i], i over a register's entries and j over a panel's row."""

    def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        source, panel_ = _Matrix(context, builder, b, given[0]), _Matrix(context, builder, panel, given[3])
        lanes, index = source.lanes, ir.IntType(32)
        low, high = (
            ir.Constant(ir.VectorType(index, lanes), [half + i // 2 + i % 2 * lanes for i in range(lanes)])
            for half in (0, lanes // 2)
        )
        for v in range(VECTORS):
            columns = [builder.add(given[2], _number(v * lanes + j)) for j in range(lanes)]
            vectors = [source.load(source.at(column, given[1])) for column in columns]
            for _ in range(lanes.bit_length() - 1):  # every time two halves are dealt like cards
                pairs = [(vectors[i], vectors[i + lanes // 2]) for i in range(lanes // 2)]
                vectors = [builder.shuffle_vector(x, y, mask) for x, y in pairs for mask in (low, high)]
            for i in range(lanes):
                end = panel_.at(builder.add(given[1], _number(i)), _number(v * lanes))
                panel_.store(vectors[i], end)
        return context.get_dummy_value()

    return types.void(b, types.intp, types.intp, panel), write


_four, _one = _block(ROWS), _block(1)
_jit = numba.njit(nogil=True, error_model="numpy")


@_jit
def _whole(a, panel, out, column, until, add):
    """Rows of a, until one, with a panel, written as they are."""
    blocks = until - until % ROWS
    for row in range(0, blocks, ROWS):
        _four(a, row, panel, out, row, column, add)
    for row in range(blocks, until):
        _one(a, row, panel, out, row, column, add)


@_jit
def _part(a, panel, out, column, begin, count, made, add):
    """Rows of a from one on with a panel of which ``count`` columns are out's. made: room for one row of all."""
    for row in range(begin, a.shape[0]):
        _one(a, row, panel, made, 0, 0, False)
        for j in range(count):
            out[row, column + j] = out[row, column + j] + made[0, j] if add else made[0, j]


@_jit
def _multiplied(a, b, out, turned, add):
    """b (k, n), or turned (n, k).

    The last panel comes first where it is not full: its rows, as wide as a full one's, run into the following row of
    out, which is written after it. Only where they would run out of out, or add to what is there, entries are written
    one by one. What no column of b fills in a panel is what follows in memory, or was there; it is dropped.
    """
    width, lanes = WIDTH // a.itemsize, REGISTER // a.itemsize
    k, m, n = a.shape[1], out.shape[0], out.shape[1]
    room = np.empty((k + 1, width), a.dtype)
    panel, made = room[:k], room[k:]
    for column in range(n - 1 - (n - 1) % width, -1, -width):
        count = min(width, n - column)
        through = 0
        if turned and count == width:
            through = k - k % lanes
            for i in range(0, through, lanes):
                _turn(b, i, column, panel)
        elif not turned:
            through = max(0, min(k, ((k * n) - column - width) // n + 1))
            for i in range(through):
                _copy(b, i, column, panel)
        for i in range(through, k):
            for j in range(count):
                panel[i, j] = b[column + j, i] if turned else b[i, column + j]
        if count == width:
            _whole(a, panel, out, column, m, add)
        elif add:
            _part(a, panel, out, column, 0, count, made, add)
        else:
            until = max(0, min(m, ((m * n) - column - width) // n + 1))
            _whole(a, panel, out, column, until, add)
            _part(a, panel, out, column, until, count, made, add)


# --- one machine code for all kernels -----------------------------------------------------------------------

SYMBOL = "continua_product_{}"
_ready: dict[str, Any] = {}  # what holds the machine code


def _product(a, b, out, m, k, n, a_turned, b_turned, add):
    """From the addresses of a (m, k), b (k, n) and out (m, n), whose entries lie row by row, or turned."""
    whole = carray(a, (m, k))
    size = whole.itemsize
    left = as_strided(whole, (m, k), (size, m * size) if a_turned else (k * size, size))
    right = carray(b, (n, k)) if b_turned else carray(b, (k, n))
    _multiplied(left, right, carray(out, (m, n)), b_turned, add)


def _arguments(entry: Any) -> tuple[Any, ...]:
    address = types.CPointer(entry)
    return (address,) * 3 + (types.intp,) * 3 + (types.boolean,) * 3


def ready(given: Iterable[Any]) -> None:
    """Let a kernel with arguments of these types find the product.

    It is compiled once a precision, and a symbol in kernels' machine code stands for its address: compiled into every
    one, it would take them twice their time to compile.
    """
    for entry in {kind.dtype for kind in given if isinstance(kind, types.Array)} & {types.float32, types.float64}:
        if entry.name not in _ready:
            compiled: Any = cache.jit(_product, edition=EDITION, nogil=True, error_model="numpy")
            cache.compile_for(compiled, _arguments(entry))
            found = _ready[entry.name] = compiled.overloads[_arguments(entry)]
            address = found.library.get_pointer_to_function(found.fndesc.llvm_func_name)
            llvm.add_symbol(SYMBOL.format(entry.name), address)


def _ours(a: Any, b: Any, out: Any) -> bool:
    """Whether a product is of real matrices that lie row by row, or turned."""
    kinds = all(isinstance(x, types.Array) and x.ndim == 2 for x in (a, b, out))
    same = kinds and a.dtype == b.dtype == out.dtype and isinstance(a.dtype, types.Float)
    return same and a.layout in "CF" and b.layout in "CF" and out.layout == "C"


@intrinsic
def _call(typing: Any, a: Any, b: Any, out: Any, add: Any) -> Any:
    """The product by its symbol."""
    given_types = _arguments(a.dtype)

    def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        arrays = [context.make_array(kind)(context, builder, value) for kind, value in zip((a, b, out), given)]
        shapes = [cgutils.unpack_tuple(builder, array.shape, 2) for array in arrays]
        kind = context.call_conv.get_function_type(types.void, given_types)
        function = cgutils.get_or_insert_function(builder.module, kind, SYMBOL.format(a.dtype.name))
        sizes = [shapes[0][0], shapes[0][1], shapes[1][1]]
        turned = [cgutils.bool_t(array.layout == "F") for array in (a, b)]
        addresses = [array.data for array in arrays]
        context.call_conv.call_function(
            builder, function, types.void, given_types, [*addresses, *sizes, *turned, given[3]]
        )
        return context.get_dummy_value()

    return types.void(a, b, out, add), write


def dot(a: Any, b: Any, out: Any) -> Any:
    """out = a b."""
    return np.dot(a, b, out)


def add_dot(a: Any, b: Any, out: Any) -> None:
    """out += a b."""
    out += np.dot(a, b)


def _dot(a, b, out):
    if not _ours(a, b, out):
        return lambda a, b, out: np.dot(a, b, out)

    def ours(a, b, out):
        if a.shape[1] > LONG:
            np.dot(a, b, out)
        else:
            _call(a, b, out, False)

    return ours


def _add_dot(a, b, out):
    def library(a, b, out):
        out += np.dot(a, b)

    def ours(a, b, out):
        if a.shape[1] > LONG:
            out += np.dot(a, b)
        else:
            _call(a, b, out, True)

    return ours if _ours(a, b, out) else library


overload(dot)(_dot)
overload(add_dot)(_add_dot)
