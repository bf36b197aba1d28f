"""A sample of every section, and what is known to fail; the whole runs by ``python -m tests.torture``."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.torture import harness
from tests.torture.harness import Check, Section
from tests.torture.sections import SECTIONS

pytestmark = pytest.mark.compiled

NAMED = [pytest.param(section, id=section.name) for section in SECTIONS]
KNOWN = [
    pytest.param(section, number, id=f"{section.name}-{number}", marks=pytest.mark.xfail(strict=True, reason=reason))
    for section in SECTIONS
    for number, reason in section.known.items()
]


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """Speed is measured by ``make torture``, on a machine that does nothing else."""
    harness.PATIENCE["factor"] = 30.0
    yield
    harness.PATIENCE["factor"] = 1.0


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Check]]:
    """The check of every section, in a folder of its own, made when it is first used."""
    here = os.getcwd()
    yield {}
    os.chdir(here)


def check_of(section: Section, checks: dict[str, Check], factory: pytest.TempPathFactory) -> Check:
    folder = factory.getbasetemp() / f"torture-{section.name}"
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    if section.name not in checks:
        checks[section.name] = section.prepare(folder)
    return checks[section.name]


@pytest.mark.slow
@pytest.mark.parametrize("section", NAMED)
def test_a_sample_holds(section: Section, checks: dict[str, Check], tmp_path_factory: pytest.TempPathFactory) -> None:
    check = check_of(section, checks, tmp_path_factory)
    found = [(number, check(number)) for number in section.sample if number not in section.known]
    assert not [(number, outcome.label, outcome.problem) for number, outcome in found if outcome.problem]


@pytest.mark.slow
@pytest.mark.parametrize(("section", "number"), KNOWN)
def test_what_is_known_to_fail(
    section: Section, number: int, checks: dict[str, Check], tmp_path_factory: pytest.TempPathFactory
) -> None:
    outcome = check_of(section, checks, tmp_path_factory)(number)
    assert not outcome.problem, f"{outcome.label}: {outcome.problem}"


def test_known_failures_are_in_the_samples() -> None:
    assert all(set(section.known) <= set(section.sample) for section in SECTIONS)


def test_a_record_keeps_the_parts_of_sections_that_did_not_run() -> None:
    before = "one\n  cases 1\n\nthree\n  cases 3\n"
    assert harness.combined(before, {"two": "two\n  cases 2\n"}, ["one", "two", "three"]) == (
        "one\n  cases 1\n\ntwo\n  cases 2\n\nthree\n  cases 3\n"
    )
    assert harness.combined(before, {"one": "one\n  cases 9\n"}, ["one", "two", "three"]).startswith("one\n  cases 9\n")
    assert harness.combined("", {"one": "one\n"}, ["one"]) == "one\n"
