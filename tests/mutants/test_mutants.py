"""The list of faults does not rot, and the sample is the same for everybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import record
from tests.mutants.faults import DERIVE, NUMERICS, Fault
from tests.mutants.faults_generated import GENERATED
from tests.mutants.faults_verify import HELD_OUT, HIDDEN
from tests.mutants.plans import checks

ROOT = Path(__file__).parents[2]
FAULTS = (*DERIVE, *NUMERICS, *GENERATED, *(fault for fault, _ in (*HIDDEN, *HELD_OUT)))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_changes_what_is_there(fault: Fault) -> None:
    """Its old text occurs once, and what it plants is another program in the same place."""
    text = (ROOT / fault.path).read_text(encoding="utf-8")
    mutant = fault.mutant(ROOT)  # raises where the old text is not there, or is there twice
    assert mutant.text != text
    compile(mutant.text, fault.path, "exec")
    assert mutant.before != mutant.after
    assert mutant.checks


def test_there_are_enough_of_every_kind() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 60
    assert len(GENERATED) >= 20
    assert len(DERIVE) >= 20
    assert len(NUMERICS) >= 20
    assert len(HIDDEN) == 36
    with pytest.raises(ValueError, match="0 times"):
        Fault("nothing", "derive/tableau.py", "no such text", "").apply((ROOT / "derive/tableau.py").read_text())


def test_every_source_has_checks_that_exist() -> None:
    for folder in ("derive", "numerics"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.read_text(encoding="utf-8"):
                found = checks(path.relative_to(ROOT).as_posix())
                tests = [a for check in found if check.kind == "tests" for a in check.arguments if a.endswith(".py")]
                assert tests, path
                assert [name for name in tests if not (ROOT / name).is_file()] == []


@pytest.mark.slow
def test_the_sample_is_reproducible() -> None:
    pytest.importorskip("cosmic_ray")
    from tests.mutants.sampling import sample

    first, again = (sample(ROOT, 4, "one") for _ in range(2))
    assert first == again
    assert len({mutant.name for mutant in first}) == 4
    assert len({mutant.path for mutant in first}) > 1
    for mutant in first:
        assert mutant.text != (ROOT / mutant.path).read_text(encoding="utf-8")
        compile(mutant.text, mutant.path, "exec")


def test_explanations_say_what_they_mean_of_texts_that_are_there() -> None:
    for name, why in record.explanations().items():
        assert why.startswith(("equivalent because ", "not caught: ")), name
        path, _, change = name.partition(": ")
        before = change.partition(" → ")[0]
        assert before in (ROOT / path).read_text(encoding="utf-8"), name
