"""A plugin of pytest: a property that fails has failed; a smaller example of it would only take time."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """After ``conftest``, on top of the profile that it chose; before any test is imported."""
    settings.register_profile("no shrinking", phases=[p for p in Phase if p not in (Phase.shrink, Phase.explain)])
    settings.load_profile("no shrinking")
