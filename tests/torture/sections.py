"""The sections, in the order in which they run."""

from __future__ import annotations

from tests.torture import data, expressions, kills, machine, models, specs

SECTIONS = (expressions.SECTION, specs.SECTION, data.SECTION, models.SECTION, kills.SECTION, machine.SECTION)
