"""What NumPy's words mean in a kernel that is compiled: the same mathematics, in forms that are fast here.

Generated kernels are written in NumPy's words and run as plain Python. Compiled, some of the words are ours.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from numerics.kernels import functions, product

WORDS = types.ModuleType("numerics.kernels.words")
WORDS.__dict__.update(functions.FUNCTIONS, dot=product.dot)
WORDS.__dict__["__getattr__"] = lambda name: getattr(np, name)


def _edition() -> str:
    """Of what the words are made of: machine code belongs to one edition."""
    return hashlib.sha256(Path(functions.__file__).read_bytes() + product.EDITION.encode()).hexdigest()[:12]


WORDS.__name__ += f" {_edition()}"


def meant(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel with these words for NumPy's, for ``math``'s, and for what its module says with them."""
    names = {**function.__globals__, "np": WORDS, "math": WORDS, "add_dot": product.add_dot}
    made = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    made.__module__ = function.__module__
    made.__doc__ = function.__doc__
    return made
