"""Every test derives into a cache of its own, so that nothing is found that another checkout left behind."""

from __future__ import annotations

import os
import tempfile

from hypothesis import settings

os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="continua-tests-")
os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile("ci", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("ci")
