"""The functions of the grammar as SymPy has them, with two classes of our own."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def sympy_function(name: str) -> Any:
    import sympy as sp

    special = {"abs": sp.Abs, "max": sp.Max, "min": sp.Min, "sigmoid": sigmoid(), "softplus": softplus()}
    return special.get(name) or getattr(sp, name)


@cache
def sigmoid() -> Any:
    """The logistic function as a SymPy class, so that printers can write it without overflow."""
    import sympy as sp

    class sigmoid(sp.Function):  # type: ignore[misc]
        nargs = 1

        def fdiff(self, argindex: int = 1) -> Any:
            return self * (1 - self)

        def _eval_rewrite_as_exp(self, x: Any, **_: Any) -> Any:
            return 1 / (1 + sp.exp(-x))

        def _eval_evalf(self, precision: int) -> Any:
            value = self.rewrite(sp.exp)._eval_evalf(precision)
            # rounding leaves an imaginary part, and max and min would refuse to compare
            return sp.re(value) if self.is_extended_real and value is not None else value

        def _eval_is_extended_real(self) -> Any:
            return self.args[0].is_extended_real

    return sigmoid


@cache
def softplus() -> Any:
    """log(1 + exp x) as a SymPy class; its derivative is the logistic function."""
    import sympy as sp

    class softplus(sp.Function):  # type: ignore[misc]
        nargs = 1

        def fdiff(self, argindex: int = 1) -> Any:
            return sigmoid()(self.args[0])

        def _eval_rewrite_as_exp(self, x: Any, **_: Any) -> Any:
            return sp.log(1 + sp.exp(x))

        def _eval_evalf(self, precision: int) -> Any:
            value = self.rewrite(sp.exp)._eval_evalf(precision)
            # rounding leaves an imaginary part, and max and min would refuse to compare
            return sp.re(value) if self.is_extended_real and value is not None else value

        def _eval_is_extended_real(self) -> Any:
            return self.args[0].is_extended_real

    return softplus
