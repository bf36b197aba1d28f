"""What a CUDA kernel's text means when it is compiled: for one shape of a block of threads, and with indices from 0 on.

Generated kernels run in blocks of any shape, and as plain Python. A device's compiler makes half as many instructions
where the shape is a number: strides and shares of loops are constants then. And what it is told by unsigned indices is
that they do not count from the end of an array, which it would otherwise look at for each of them; that none does is
what running the kernels in lockstep shows (``tests/oracles/lockstep.py``).
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

ALIGNMENT = 16  # bytes of shared memory that a thread may read at once


class _Meaning(ast.NodeTransformer):
    """The shape of a block as numbers, indices unsigned, shared memory aligned."""

    def __init__(self, threads: tuple[int, int] | None) -> None:
        self.shape = dict(zip(("cuda.blockDim.x", "cuda.blockDim.y"), threads or ()))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        number = self.shape.get(ast.unparse(node))
        return node if number is None else ast.Constant(number)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if ast.unparse(node.func) == "cuda.shared.array":
            node.keywords.append(ast.keyword("alignment", ast.Constant(ALIGNMENT)))
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Tuple):
            node.slice.elts = [self._unsigned(index) for index in node.slice.elts]
        elif isinstance(node.value, ast.Name) and not isinstance(node.slice, ast.Slice):
            node.slice = self._unsigned(node.slice)
        return node

    def _unsigned(self, index: ast.expr) -> ast.expr:
        return index if isinstance(index, ast.Constant) else ast.Call(ast.Name("uint64", ast.Load()), [index], [])


@cache
def specialised(function: Callable[..., Any], threads: tuple[int, int] | None = None) -> Callable[..., Any]:
    """The function as it is compiled for blocks of so many (columns, rows) of threads; None: for blocks of any shape.

    So are the functions of its module that it calls: a device has them as its own.
    """
    tree, code = meaning(function, threads), function.__code__
    ast.increment_lineno(tree, code.co_firstlineno - 1)
    own = {f.__name__: _on_device(f, threads) for f in _called(function)}
    space = {**function.__globals__, "uint64": np.uint64, **own}
    exec(compile(tree, code.co_filename, "exec"), space)  # noqa: S102
    made: Callable[..., Any] = space[function.__name__]
    return made


_shared: dict[tuple[str, tuple[int, int] | None], Any] = {}


def _on_device(function: Callable[..., Any], threads: tuple[int, int] | None) -> Any:
    """A function as kernels call it: one for all modules that have its text, which Numba then types once, not in each.

    Typing the product of two matrices takes most of the time that its callers' compilation does.
    """
    from numba import cuda

    key = _source(function), threads
    if key not in _shared:
        _shared.setdefault(key, cuda.jit(device=True)(specialised(function, threads)))
    return _shared[key]


def _source(function: Callable[..., Any]) -> str:
    """The text of a function and of those that it calls."""
    return "\n".join([inspect.getsource(function), *map(_source, _called(function))])


def meaning(function: Callable[..., Any], threads: tuple[int, int] | None) -> ast.Module:
    """What is compiled of a function's own text."""
    tree: ast.Module = _Meaning(threads).visit(ast.parse(textwrap.dedent(inspect.getsource(function))))
    return ast.fix_missing_locations(tree)


def _called(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The functions of its module that a function calls, by name."""
    found = {name: function.__globals__.get(name) for name in sorted(function.__code__.co_names)}
    return [f for f in found.values() if inspect.isfunction(f)]
