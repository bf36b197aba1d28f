"""Tests derive into a cache of this checkout, keyed by the derivation's sources: the second run compiles little."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings

os.environ["XDG_CACHE_HOME"] = str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "continua")
os.environ.setdefault("MPLBACKEND", "Agg")

# `make quick` and `make test` draw the same examples every time; `make night` draws others, and fifty times as many.
settings.register_profile("quick", deadline=None, derandomize=True, max_examples=10)
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=25)
settings.register_profile("night", deadline=None, max_examples=50 * 25)
settings.load_profile("ci")
