"""The sections, in the order in which they run."""

from __future__ import annotations

from tests.torture import data, expressions, models, specs

SECTIONS = (expressions.SECTION, specs.SECTION, data.SECTION, models.SECTION)
