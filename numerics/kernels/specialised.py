"""What a CUDA kernel's text means when it is compiled: for one shape of a block of threads, and with indices from 0 on.

Generated kernels run in blocks of any shape, and as plain Python. A device's compiler makes half as many instructions
where the shape is a number: strides and shares of loops are constants then. And what it is told by unsigned indices is
that they do not count from the end of an array, which it would otherwise look at for each of them; that none does is
what running the kernels in lockstep shows (``tests/oracles/lockstep.py``).

Where a thread stands is new to the compiler after every barrier of a kernel, and in a function that it calls, where
arrays begin is, too. What follows from these, addresses and bounds of loops, it would otherwise compute once for all
operations of a sweep, before the first one, in more registers than there are.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from numerics.kernels.cache import text

ALIGNMENT = 16  # bytes of shared memory that a thread may read at once
MOST = 1024  # threads of a block


class _Meaning(ast.NodeTransformer):
    """The shape of a block as numbers, indices unsigned, shared memory aligned, a thread's place new where it may be.

    called: a function that kernels call. places: the names that say where a thread stands.
    """

    def __init__(self, threads: tuple[int, int] | None, called: bool, places: Sequence[str]) -> None:
        self.shape = dict(zip(("cuda.blockDim.x", "cuda.blockDim.y"), threads or ()))
        self.called, self.places = called, places

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        if self.called:
            starts = [argument.arg for argument in node.args.args if argument.arg.endswith("_start")]
            node.body[:0] = [ast.Assign([ast.Name(n, ast.Store())], _anew(ast.Name(n, ast.Load()))) for n in starts]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        said = ast.unparse(node)
        if self.called and said.startswith("cuda.threadIdx"):
            return _place(node)
        return ast.Constant(self.shape[said]) if said in self.shape else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if ast.unparse(node) != "cuda.syncthreads()":
            return node
        return [node, *(ast.Assign([ast.Name(n, ast.Store())], _place(ast.Name(n, ast.Load()))) for n in self.places)]

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


def _anew(value: ast.expr) -> ast.expr:
    return ast.Call(ast.Name("anew", ast.Load()), [value], [])


def _place(value: ast.expr) -> ast.expr:
    """The same for where a thread stands, which is known not to be negative."""
    return ast.BinOp(_anew(value), ast.BitAnd(), ast.Constant(MOST - 1))


@cache
def _intrinsic() -> Any:
    """anew(x): the number x, of which a compiler knows nothing."""
    from llvmlite import ir
    from numba.cuda.extending import intrinsic

    @intrinsic  # type: ignore[untyped-decorator]
    def anew(context: Any, x: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            (own,) = (value.type for value in given)
            register = "l" if own.width == 64 else "r"
            return builder.asm(ir.FunctionType(own, [own]), "", f"={register},0", given, True)

        return x(x), code

    return anew


@cache
def specialised(
    function: Callable[..., Any], threads: tuple[int, int] | None = None, called: bool = False
) -> Callable[..., Any]:
    """The function as it is compiled for blocks of so many (columns, rows) of threads; None: for blocks of any shape.

    So are the functions of its module that it calls: a device has them as its own. called: it is one of these.
    """
    tree, code = meaning(function, threads, called), function.__code__
    ast.increment_lineno(tree, code.co_firstlineno - 1)
    own = {f.__name__: _on_device(f, threads) for f in _called(function)}
    space = {**function.__globals__, "uint64": np.uint64, "anew": _intrinsic(), **own}
    exec(compile(tree, code.co_filename, "exec"), space)  # noqa: S102
    made: Callable[..., Any] = space[function.__name__]
    return made


_shared: dict[tuple[Any, ...], Any] = {}


def _on_device(function: Callable[..., Any], threads: tuple[int, int] | None) -> Any:
    """A function as kernels call it: one for all modules that have its text, which Numba then types once, not in each.

    Typing the product of two matrices takes most of the time that its callers' compilation does.
    """
    from numba import cuda

    key = text(function), threads
    if key not in _shared:
        _shared.setdefault(key, cuda.jit(device=True)(specialised(function, threads, True)))
    return _shared[key]


def meaning(function: Callable[..., Any], threads: tuple[int, int] | None, called: bool = False) -> ast.Module:
    """What is compiled of a function's own text."""
    parsed = ast.parse(textwrap.dedent(inspect.getsource(function)))
    tree: ast.Module = _Meaning(threads, called, () if called else _places(parsed)).visit(parsed)
    return ast.fix_missing_locations(tree)


def _places(tree: ast.Module) -> list[str]:
    """The names that say where in its block a thread stands, and never anything else."""
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    stored = Counter(node.id for node in names)
    pairs: list[tuple[ast.expr, ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs += zip(target.elts, value.elts)
            else:
                pairs.append((target, value))
    placed = [target.id for target, value in pairs if isinstance(target, ast.Name) and _in_block(value)]
    return [name for name in placed if stored[name] == 1]


def _in_block(value: ast.expr) -> bool:
    """Whether an expression is made of a thread's place in its block and of the block's shape."""
    said = {ast.unparse(node) for node in ast.walk(value) if isinstance(node, ast.Attribute)}
    own = [name for name in said if name.startswith("cuda.threadIdx.")]
    others = said - {*own, "cuda.threadIdx", "cuda.blockDim", "cuda.blockDim.x", "cuda.blockDim.y"}
    return bool(own) and not others and not any(isinstance(node, ast.Call | ast.Subscript) for node in ast.walk(value))


def _called(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The functions of its module that a function calls, by name."""
    found = {name: function.__globals__.get(name) for name in sorted(function.__code__.co_names)}
    return [f for f in found.values() if inspect.isfunction(f)]
