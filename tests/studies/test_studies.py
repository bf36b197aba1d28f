"""Every study's numbers, in its short form, lie in their windows."""

from __future__ import annotations

import pytest

from benchmarks import studies


@pytest.mark.slow
@pytest.mark.compiled  # they train: plain Python would take hours
@pytest.mark.parametrize("name", studies.names())
def test_numbers_lie_in_their_windows(name: str) -> None:
    found = studies.module(name).study(False)
    assert len(found) >= 3
    assert [f"{n.what}: {n.value:.4g}, not {n.low:.4g} to {n.high:.4g}" for n in found if not n.holds] == []
