"""Tests derive into a cache of this checkout, keyed by the derivation's sources: the second run compiles little."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings

os.environ["XDG_CACHE_HOME"] = str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "continua")
os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile("ci", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("ci")
