"""Arrays that write down what is done with them, as nodes of an ONNX graph; what is known beforehand is computed.

The number of records is open. Shapes are whole numbers all the same: RECORDS, a prime that divides no other size,
stands for it, so that products and quotients of sizes say where it went.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from numerics.estimators.network import Library

Array = np.ndarray
FLOAT, DOUBLE = 1, 11  # ONNX's numbers for float32 and float64
RECORDS = 2_147_483_647
FUNCTIONS = {
    "tanh": "Tanh", "sinh": "Sinh", "cosh": "Cosh", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sin": "Sin",
    "cos": "Cos", "tan": "Tan", "atan": "Atan", "erf": "Erf", "Abs": "Abs", "sign": "Sign", "sigmoid": "Sigmoid",
    "softplus": "Softplus", "floor": "Floor", "Max": "Max", "Min": "Min",
}  # fmt: skip
SINGLE = ("Atan", "Erf")  # onnxruntime has them in float32 alone


@dataclass
class Graph:
    """Nodes and constants, in the order in which they were written. dtype: of all numbers that are not counts."""

    dtype: np.dtype[Any]
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def input(self, name: str, shape: Sequence[int]) -> Value:
        return Value(self, tuple(shape), name)

    def constant(self, array: Any) -> Value:
        """An array or number that is known; equal ones are written once."""
        given = np.asarray(array)
        given = np.asarray(given, self.dtype if given.dtype.kind == "f" else given.dtype, order="C")
        return Value(self, given.shape, array=given)

    def add(self, kind: str, shape: Sequence[int], *inputs: Value, cast: bool = False, **attributes: Any) -> Value:
        """A node with one output; cast: whether it takes and gives float32, whatever the graph does."""
        names = [value.named() for value in inputs]
        if cast and self.dtype == np.float64:
            names = [self._node("Cast", [name], to=FLOAT) for name in names]
            made = self._node("Cast", [self._node(kind, names, **attributes)], to=DOUBLE)
        else:
            made = self._node(kind, names, **attributes)
        return Value(self, tuple(shape), made)

    def _node(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        from onnx import helper

        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name


@dataclass(frozen=True, eq=False)
class Value:
    """An array of a graph. name: of what a node made; array: of what is known."""

    graph: Graph
    shape: tuple[int, ...]
    name: str = ""
    array: Array | None = None

    __array_ufunc__ = None  # NumPy's numbers leave sums and products with a value to it

    def named(self) -> str:
        """Its name in the graph, where a constant is written down when it is first used."""
        if self.array is None:
            return self.name
        content = self.array.tobytes() + f"{self.array.dtype}{self.shape}".encode()
        name = f"c{hashlib.sha256(content).hexdigest()[:16]}"
        self.graph.constants[name] = self.array
        return name

    def _with(self, other: Any) -> Value:
        return other if isinstance(other, Value) else self.graph.constant(np.asarray(other, self.graph.dtype))

    def _pair(self, kind: str, compute: Callable[..., Any], first: Any, second: Any) -> Value:
        """An operation on two, number by number."""
        a, b = self._with(first), self._with(second)
        if a.array is not None and b.array is not None:
            return self.graph.constant(compute(a.array, b.array))
        return self.graph.add(kind, np.broadcast_shapes(a.shape, b.shape), a, b)

    def __add__(self, other: Any) -> Value:
        return self._pair("Add", np.add, self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Value:
        return self._pair("Sub", np.subtract, self, other)

    def __rsub__(self, other: Any) -> Value:
        return self._pair("Sub", np.subtract, other, self)

    def __mul__(self, other: Any) -> Value:
        return self._pair("Mul", np.multiply, self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Value:
        return self._pair("Div", np.divide, self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._pair("Div", np.divide, other, self)

    def __pow__(self, exponent: int) -> Value:
        """By repeated products: Pow of a negative number is left to nobody's interpretation."""
        return reduce(lambda a, b: a * b, [self] * exponent)

    def __neg__(self) -> Value:
        return -1.0 * self

    def __lt__(self, other: Any) -> Value:
        return self._pair("Less", np.less, self, other)

    def __le__(self, other: Any) -> Value:
        return self._pair("LessOrEqual", np.less_equal, self, other)

    def __gt__(self, other: Any) -> Value:
        return self._pair("Greater", np.greater, self, other)

    def __ge__(self, other: Any) -> Value:
        return self._pair("GreaterOrEqual", np.greater_equal, self, other)

    def __matmul__(self, other: Value) -> Value:
        if self.array is not None and other.array is not None:
            return self.graph.constant(self.array @ other.array)
        stacked = np.broadcast_shapes(self.shape[:-2], other.shape[:-2])
        return self.graph.add("MatMul", (*stacked, self.shape[-2], other.shape[-1]), self, other)

    def reshape(self, *shape: int) -> Value:
        """As NumPy's. At most one size has the number of records as a factor, and is left to the graph."""
        whole = reduce(lambda a, b: a * b, self.shape, 1)
        known = -reduce(lambda a, b: a * b, shape, 1) if -1 in shape else 1
        sizes = tuple(whole // known if size == -1 else size for size in shape)
        if sizes == self.shape:
            return self
        if self.array is not None:
            return self.graph.constant(self.array.reshape(sizes))
        target = [-1 if size % RECORDS == 0 else size for size in sizes]
        return self.graph.add("Reshape", sizes, self, self.graph.constant(np.array(target, np.int64)))

    def transpose(self, *order: int) -> Value:
        return self.graph.add("Transpose", [self.shape[axis] for axis in order], self, perm=list(order))

    def mean(self, axis: int) -> Value:
        """Without the axis."""
        left = [size for k, size in enumerate(self.shape) if k != axis]
        return self.graph.add("ReduceMean", left, self, axes=[axis], keepdims=0)

    def __getitem__(self, index: Any) -> Value:
        """Of what is known, as NumPy's; of the rest a number, many places, or a new axis, and all of the others."""
        if isinstance(index, Value):
            index = index.array
        if self.array is not None:
            return self.graph.constant(self.array[index])
        found, axis = self, 0
        for part in index if isinstance(index, tuple) else (index,):
            if part is None:
                shape = (*found.shape[:axis], 1, *found.shape[axis:])
                found = self.graph.add("Unsqueeze", shape, found, self.graph.constant(np.array([axis])))
                axis += 1
            elif isinstance(part, slice):
                assert part == slice(None)
                axis += 1
            else:
                places = np.asarray(part, np.int64)
                shape = (*found.shape[:axis], *places.shape, *found.shape[axis + 1 :])
                found = self.graph.add("Gather", shape, found, self.graph.constant(places), axis=axis)
                axis += places.ndim
        return found


def library(graph: Graph) -> Library:
    """The words of a graph."""
    functions = {name: _function(graph, kind) for name, kind in FUNCTIONS.items()}
    if graph.dtype == np.float64:  # onnxruntime has these in float32 alone
        exp, log, largest = functions["exp"], functions["log"], functions["Max"]
        functions |= {
            "sinh": lambda u: (exp(u) - exp(-u)) / 2.0, "cosh": lambda u: (exp(u) + exp(-u)) / 2.0,
            "tan": lambda u: functions["sin"](u) / functions["cos"](u),
            "softplus": lambda u: largest(u, 0.0) + log(1.0 + exp(-functions["Abs"](u))),
        }  # fmt: skip
    functions["hypot"] = lambda a, b, *_: _hypot(functions, a, b)

    def where(condition: Value, yes: Any, no: Any) -> Value:
        yes, no = condition._with(yes), condition._with(no)
        return graph.add("Where", np.broadcast_shapes(condition.shape, yes.shape, no.shape), condition, yes, no)

    def largest_of(x: Value) -> Value:
        return graph.add("ReduceMax", x.shape[1:], x, axes=[0], keepdims=0)

    def joined(a: Value, b: Value) -> Value:
        return graph.add("Concat", (a.shape[0] + b.shape[0], *a.shape[1:]), a, b, axis=0)

    def scatter(rows: int, places: Array, values: Value) -> Value:
        """Every row's first contribution, then every row's second …, from the values and a row of zeros."""
        order = np.argsort(places, kind="stable")
        ends = np.searchsorted(places[order], np.arange(rows + 1))
        counts, with_zeros, total = np.diff(ends), values, None
        if counts.min() < counts.max():
            with_zeros = joined(values, 0.0 * values[np.array([0])])
        for turn in range(counts.max()):
            held = turn < counts
            chosen = np.where(held, order[np.minimum(ends[:-1] + turn, len(order) - 1)], values.shape[0])
            part = with_zeros[chosen]
            total = part if total is None else total + part
        assert total is not None
        return total

    return Library(functions, where, graph.constant, scatter, largest_of, joined)


def _function(graph: Graph, kind: str) -> Callable[..., Any]:
    def call(*given: Any) -> Any:
        values = [v if isinstance(v, Value) else graph.constant(np.asarray(v, graph.dtype)) for v in given]
        shape = np.broadcast_shapes(*(value.shape for value in values))
        return graph.add(kind, shape, *values, cast=kind in SINGLE)

    return call


def _hypot(functions: Any, a: Any, b: Any) -> Any:
    """√(a² + b²) without overflow: the larger times √(1 + q²)."""
    a, b = functions["Abs"](a), functions["Abs"](b)
    high, low = functions["Max"](a, b), functions["Min"](a, b)
    quotient = low / functions["Max"](high, 1e-300 if high.graph.dtype == np.float64 else 1e-37)
    return high * functions["sqrt"](1.0 + quotient * quotient)
