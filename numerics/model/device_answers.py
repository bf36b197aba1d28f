"""Outputs for records that lie on a GPU, without a copy: device arrays in, a device array out.

All that is done beside the kernels, units, projection, readout, values at points, is affine in a record's samples, or
in its final state. The host does it once to records of one sample that is not zero each, and so finds the matrices;
the device multiplies by these.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from derive.errors import DataError
from numerics.datasets import Records
from numerics.kernels import threads
from numerics.kernels.cuda import CudaBound
from numerics.kernels.launch import array_of, contiguous, on_gpu, to_device, to_host

Array = np.ndarray
LARGEST = 8192  # numbers of a record


@dataclass(frozen=True, eq=False)
class Maps:
    """What is done to samples before the kernels and to what these give, each (matrix, offset) on the device.

    shape: of an answer.
    """

    before: tuple[Any, Any]
    after: tuple[Any, Any]
    shape: tuple[int, ...]


_maps: WeakKeyDictionary[Any, dict[Any, Maps]] = WeakKeyDictionary()


def answer(model: Any, x: Any, xi: Any, at: Any) -> Any:
    """What a call of a continuum returns, on the device, in x's own precision; x: (samples, points[, channels]).

    Numbers are not looked at: of what is not finite the outputs are not, either. Raises DataError for a model whose
    kernels run elsewhere, and for records that have points of their own.
    """
    bound = model.bound
    if type(bound) is not CudaBound:
        raise DataError(
            "an array on a GPU", "arrays where the model's kernels run", f"the model's device is {model.device!r}",
            'take model.replace(device="cuda"), or copy the array to the host',
        )  # fmt: skip
    if bound.open:
        raise DataError(
            "records on a GPU for a model with adaptive steps", "steps that are declared",
            "they are found on the host, for all records together", "copy the records to the host",
        )  # fmt: skip
    given = contiguous(array_of(x))
    maps = _maps_of(model, tuple(given.shape[1:]), xi, at)
    records = given.shape[0]
    samples = given.reshape(records, math.prod(given.shape[1:]))
    found = _room((records, math.prod(maps.shape)), given.dtype if given.dtype.kind == "f" else bound.dtype)
    model.solver.told(samples, maps.before, maps.after, found, model.spec.functional)
    return _awaited(found.reshape((records, *maps.shape)))


def _room(shape: tuple[int, ...], dtype: Any) -> Any:
    from numba import cuda

    return cuda.device_array(shape, dtype)


def _awaited(array: Any) -> Any:
    """The array with the stream whose kernels still write it, for which who takes it has to wait."""
    from numba import cuda

    return array.bind(cuda.legacy_default_stream())  # last: parts and other shapes do not keep it


def _maps_of(model: Any, shape: tuple[int, ...], xi: Any, at: Any) -> Maps:
    """The model's maps for records of this shape at these points, found when they are first needed."""
    xi, at = (_points(given, name) for given, name in ((xi, "xi"), (at, "at")))
    known = _maps.setdefault(model, {})
    key = shape, repr(xi), repr(at)
    if key not in known:
        if math.prod(shape) > LARGEST:
            raise DataError(
                f"records of {math.prod(shape):,} numbers on a GPU", f"at most {LARGEST:,}", "they are multiplied by a "
                "matrix of as many columns there", "copy them to the host, which projects them axis by axis",
            )  # fmt: skip
        known[key] = _found(model, shape, xi, at)
    return known[key]


def _points(given: Any, name: str) -> Any:
    """Points that records share, as lists of numbers."""
    if given is None:
        return None
    axes = [
        to_host(array_of(a)) if on_gpu(a) else np.asarray(a) for a in (given if isinstance(given, tuple) else (given,))
    ]
    if any(a.ndim != 1 for a in axes):
        raise DataError(
            f"{name} of {axes[0].ndim} axes with records on a GPU", "points that all records share, one list an axis",
            "records with points of their own", "copy them to the host",
        )  # fmt: skip
    lists = tuple(a.tolist() for a in axes)
    return lists if isinstance(given, tuple) else lists[0]


def _found(model: Any, shape: tuple[int, ...], xi: Any, at: Any) -> Maps:
    def records(count: int) -> Callable[[Array], Records]:
        return lambda samples: model.taken(samples.reshape(count, *shape), xi=_again(xi))

    with warnings.catch_warnings(), threads.serial_blas():
        warnings.simplefilter("ignore")  # records of one sample are unlike any that the model has seen
        size = math.prod(shape)
        before = _affine(lambda samples: model.project_samples(records(size + 1)(samples)).T, size)
        last = model.representation.slabs[-1]
        operator, constant = model.readout_map()
        rows = operator.shape[1] if model.spec.functional else last.sizes["state"] * model.spec.channels
        shapes = []

        def told(y: Array) -> Array:
            if model.spec.functional:
                values = model.units.given((operator @ y.T + constant[:, None]).T)
            else:
                data = records(len(y))(np.zeros((len(y), size)))
                values = model.told(y.T, data, _again(at))
            shapes.append(values.shape[1:])
            return np.asarray(values).reshape(len(y), -1)

        after = _affine(told, rows)
    return Maps(_sent(before), _sent(after), shapes[0])


def _sent(pair: tuple[Array, Array]) -> tuple[Any, Any]:
    matrix, offset = (to_device(a, np.float64) for a in pair)
    return matrix, offset


def _again(points: Any) -> Any:
    return tuple(map(np.array, points)) if isinstance(points, tuple) else None if points is None else np.array(points)


def _affine(function: Callable[[Array], Array], size: int) -> tuple[Array, Array]:
    """(matrix (size, n), offset (n,)) of an affine function of rows (size,) with values (n,)."""
    values = function(np.concatenate([np.zeros((1, size)), np.eye(size)]))
    return np.ascontiguousarray(values[1:] - values[0]), np.ascontiguousarray(values[0])
