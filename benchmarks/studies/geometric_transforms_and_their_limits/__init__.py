"""Geometric transforms and their limits: four sentences of Chollet's *The limitations of deep learning*, tried.

A network is a chain of simple geometric transformations that uncrumples its data (``flows``); it is fooled by
perturbations that nobody sees (``perturbations``); it generalises near its records only (``local``); and what a short
program does, such as sorting, it does not learn (``sorting``).
"""

from __future__ import annotations

from benchmarks.studies import Number
from benchmarks.studies.geometric_transforms_and_their_limits import flows, local, perturbations, sorting

TITLE = "Does a network uncrumple its data, and what can such a transformation not do?"


def study(long: bool) -> list[Number]:
    seeds = range(10 if long else 3)
    return [number for part in (flows, perturbations, local, sorting) for number in part.numbers(seeds)]
