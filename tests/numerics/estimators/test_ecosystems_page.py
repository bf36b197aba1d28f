"""The examples of docs/ecosystems.md run, in their order; those with PyTorch where it is."""

from __future__ import annotations

import pytest

from tests.builders import ROOT, run_examples


def test_the_examples_of_the_page() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    run_examples(ROOT / "docs" / "ecosystems.md")
