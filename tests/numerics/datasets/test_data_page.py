"""The examples of docs/data.md, run as they stand and in their order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from numerics.command.main import main
from tests.builders import ROOT


@pytest.mark.slow
def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for language, block in re.findall("```(python|sh)\n(.*?)```", text, re.S):
        if language == "python":
            exec(block, names)
            continue
        for line in block.splitlines():
            done = CliRunner().invoke(main, shlex.split(line)[1:])
            assert done.exit_code == 0, (line, done.output)
