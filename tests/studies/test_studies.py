"""Every study's numbers, in its short form, lie in their windows; its notebook is that of its code."""

from __future__ import annotations

import pytest

from benchmarks import studies
from benchmarks.studies import _notebooks


@pytest.mark.slow
@pytest.mark.compiled  # they train: plain Python would take hours
@pytest.mark.parametrize("name", studies.names())
def test_numbers_lie_in_their_windows(name: str) -> None:
    found = studies.module(name).study(False)
    assert len(found) >= 3
    assert [f"{n.what}: {n.value:.4g}, not {n.low:.4g} to {n.high:.4g}" for n in found if not n.holds] == []


@pytest.mark.parametrize("name", studies.names())
def test_outputs_of_notebooks_are_those_of_their_code(name: str) -> None:
    """`make test` does not execute them: it would take minutes. Run `python -m benchmarks.studies NAME --notebook`."""
    assert _notebooks.stamped(name) == _notebooks.digest(name)
