"""The examples of docs/ecosystems.md run, in their order; those with PyTorch where it is."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.builders import ROOT


def test_the_examples_of_the_page() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    text = (ROOT / "docs" / "ecosystems.md").read_text(encoding="utf-8")
    blocks, names = re.findall("```python\n(.*?)```", text, re.S), dict[str, Any]()
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, "docs/ecosystems.md", "exec"), names)
