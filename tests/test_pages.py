"""The pages of docs/: their examples run as they stand, and what they say of the program is what it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from derive.declaration.keys import TABLES
from derive.registry import KINDS
from tests.builders import ROOT, marked, run_examples

DOCS = ROOT / "docs"
EXAMPLES = {  # and which of them compile kernels: those that train on more than a few numbers
    "data": False,
    "python": False,
    "ten-lines": True,
    "troubleshooting": False,
    "how-to/changing-a-basis": False,
    "how-to/images": False,
    "how-to/imported-networks": False,
    "how-to/own-rate": False,
    "how-to/pdes": False,
    "how-to/sensors": False,
    "how-to/spectra": False,
    "how-to/speech": False,
    "how-to/training-over-levels": True,
}
ELSEWHERE = {"ecosystems": "tests/numerics/estimators", "testing": "tests/numerics/test_testing.py"}  # whose tests do


@pytest.mark.slow
@pytest.mark.parametrize("page", marked(EXAMPLES, compiled=[page for page, compiles in EXAMPLES.items() if compiles]))
def test_examples_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in "pandas", "sklearn":
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    run_examples(DOCS / f"{page}.md")


def test_every_page_with_examples_is_run() -> None:
    with_examples = {
        path.relative_to(DOCS).with_suffix("").as_posix()
        for path in DOCS.rglob("*.md")
        if "```python" in path.read_text(encoding="utf-8")
    }
    assert with_examples == {*EXAMPLES, *ELSEWHERE}


def test_the_front_page_is_short_and_its_example_is_run() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall("```python\n(.*?)```", text, re.S)
    assert len(text.splitlines()) <= 150
    assert text.index("make demo\nmake test") < 100
    assert example in (DOCS / "ten-lines.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.relative_to(DOCS)}" for p in sorted(DOCS.rglob("*.md")))])
def test_files_that_are_linked_exist(page: str) -> None:
    path = ROOT / page
    words = re.sub("```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
    for link in re.findall(r"\]\(([^)#\s]+)", words):
        assert "://" in link or (path.parent / link).exists(), link


def test_equations_have_the_numbers_that_docstrings_cite() -> None:
    text = (DOCS / "mathematics.md").read_text(encoding="utf-8")
    numbers = [int(k) for k in re.findall(r"^\$\$ \(e(\d+)\)$", text, re.M)]
    assert numbers == list(range(1, len(numbers) + 1))
    files = (path for room in ("derive", "numerics") for path in (ROOT / room).rglob("*.py"))
    cited = re.findall(r"(?:of|estimate|projections|gradient|by|from) \((\d+)\)", "".join(map(Path.read_text, files)))
    assert cited and {int(k) for k in cited} <= set(numbers)


def test_the_reference_of_the_declaration_has_every_table_and_kind() -> None:
    text = (DOCS / "spec.md").read_text(encoding="utf-8")
    tables = {name for name, of in TABLES[""].items() if of and name in TABLES}
    assert set(re.findall(r"^```\{keys\} (\w+)$", text, re.M)) | {"training"} == tables
    assert set(re.findall(r"^```\{entries\} (\w+)$", text, re.M)) == set(KINDS)
