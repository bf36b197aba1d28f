"""One set of bound tables for each representation, precision and device, made when it is first needed.

It is kept as long as somebody holds it: a model does, and a run holds its model.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

from numerics.kernels.cpu import Bound
from numerics.kernels.cuda import CudaBound
from numerics.representation.tables import Representation

_alive: WeakValueDictionary[tuple[int, str, str], Bound] = WeakValueDictionary()


def bind(representation: Representation, precision: str, device: str = "cpu") -> Bound:
    """The representation's tables for kernels in this precision on "cpu" or "cuda"; the same for all who ask.

    Raises RepresentationError, saying what is missing, where no GPU can be used.
    """
    key = id(representation), precision, device  # its own as long as the entry: bound tables hold the representation
    found = _alive.get(key)
    if found is None:
        made = Bound if device == "cpu" else CudaBound
        found = _alive.setdefault(key, made(representation, precision))
    return found
