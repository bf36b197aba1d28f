"""Calls that have nothing to do with each other, side by side where the user has said how."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """[work(item), …], by the backend that ``joblib.parallel_config`` has set: processes, threads, Dask, Ray.

    Where nothing is set, one after the other; joblib is not imported for that.
    """
    joblib: Any = sys.modules.get("joblib")
    if joblib is None:
        return [work(item) for item in items]
    return list(joblib.Parallel()(joblib.delayed(work)(item) for item in items))
