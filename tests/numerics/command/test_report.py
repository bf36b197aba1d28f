"""Pages hold everything that they show, escape what they are given, and draw every kind of model."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from numerics.command import demo, report
from numerics.datasets import Records, records
from numerics.model.continuum import Continuum
from numerics.verify import Finding
from tests.builders import SPEC, bumps

PNG = b"\x89PNG\r\n\x1a\n"


class Tags(HTMLParser):
    """Every tag with its attributes, and whether each one that opens closes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(page: str) -> list[bytes]:
    """The pictures of a page that closes its tags and fetches nothing."""
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    pictures = []
    for tag, attributes in tags.found:
        assert tag not in ("script", "link", "iframe")
        assert "href" not in attributes
        if tag == "img":
            assert attributes["alt"]
            kind, data = str(attributes["src"]).split(",", 1)
            assert kind == "data:image/png;base64"
            pictures.append(base64.b64decode(data, validate=True))
    assert "url(" not in page and not re.search(r"https?://", page)
    assert all(picture.startswith(PNG) for picture in pictures)
    return pictures


@pytest.fixture(scope="module")
def data() -> Records:
    found = bumps()
    return records(found["x"], y=found["y"])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Continuum:
    path = tmp_path_factory.mktemp("report") / "small.toml"
    path.write_text(SPEC, encoding="utf-8")
    return Continuum.from_spec(path, seed=1)


HISTORY = (
    {"level": "base", "epoch": 0, "loss": 1.0, "validation": 1.1},
    {"level": "base", "epoch": 1, "loss": 0.5, "validation": 0.7},
    {"level": "fine", "epoch": 0, "loss": 0.4, "validation": None},
)


def test_a_page_escapes_what_it_is_given() -> None:
    page = report.page("<b>", [report.Section("<i>", "a & b", (report.table(["<u>"], [["<s>"]]),))])
    check(page)
    assert not any(f"<{tag}>" in page for tag in ("b", "i", "u", "s")) and "a &amp; b" in page
    assert "&lt;x&gt;" in report.preformatted("<x>")


@pytest.mark.slow
def test_a_model_page_shows_training_fields_states_and_cases(model: Continuum, data: Records) -> None:
    page = report.model_page(model.replace(history=HISTORY), data)
    assert len(check(page)) >= 4  # losses, weight field, states, and right or wrong cases
    assert all(heading in page for heading in ("Loss over time", "Weight field", "State h", "Right", "Wrong"))
    assert all(said in page for said in ("In 3 epochs", "‖W‖ is", "of 12 records are right"))


@pytest.mark.slow
def test_classes_have_their_names_everywhere(model: Continuum, data: Records) -> None:
    named = records(data.samples(), y=np.array(["<b>", "good"])[np.asarray(data.y)])
    page = report.model_page(model.replace(classes=("<b>", "good"), history=HISTORY), named)
    check(page)
    assert "<b>" not in page and "record 0, &lt;b&gt;" in page and "is &lt;b&gt;, said good" in page


@pytest.mark.slow
def test_a_model_page_without_records_or_history(model: Continuum) -> None:
    assert len(check(report.model_page(model))) == 1


@pytest.mark.slow
def test_a_page_of_numbers_and_functions_has_no_cases(tmp_path: object) -> None:
    spec = SPEC.replace("channels = 1", "channels = 2").replace('kind = "cross-entropy"', 'kind = "l2"')
    start, end = spec.index("[readout]"), spec.index("[loss]")
    from pathlib import Path

    path = Path(str(tmp_path)) / "small.toml"
    path.write_text(spec[:start] + spec[end:], encoding="utf-8")
    model = Continuum.from_spec(path, seed=0)
    x = np.random.default_rng(0).standard_normal((3, 9, 2))
    page = report.model_page(model, records(x, y=x))
    assert len(check(page)) == 3 and "The relative error is" in page  # field, states, predictions


def test_tables_scroll_inside_their_boxes() -> None:
    page = report.page("t", [report.Section("s", "", (report.table(["a"], [["b" * 400]], "words"),))])
    assert re.search(r'<div class="box"><table class="words">', page)
    assert ".box { overflow-x: auto" in page and "pre {" in page


CURVE = {"": ((4.0, 8.0, 16.0), (1e-2, 1e-3, 1e-4))}


def test_a_verification_page_says_what_was_found_and_what_was_tolerated() -> None:
    found = [
        Finding("equivalents", "refinement in depth", "order ≥ 3 − 0.3", "order 2.76", True, "", CURVE, -3.0),
        Finding("code", "bytes", "equal", "<other>", False, ""),
        Finding("code", "threads", "", "one", None, ""),
    ]
    page = report.verification_page("s", found)
    assert len(check(page)) == 1
    assert "1 of 3 properties hold; not so: bytes. Not applicable, or not reached: 1." in page
    assert "Expected order ≥ 3 − 0.3, measured order 2.76: holds." in page and "&lt;other&gt;" in page
    none = report.verification_page("s", found[:1])
    assert "1 of 1 properties hold, none fails." in none and "not reached" not in none


# --- the demonstration's numbers ----------------------------------------------------------------------------


def test_majority_and_ridge_on_records_that_a_line_tells_apart() -> None:
    generator = np.random.default_rng(1)
    x = generator.standard_normal((40, 6))
    y = (x @ np.arange(6.0) > 0).astype(int)
    both = demo.Data(records(x[:30], y=y[:30]), records(x[30:], y=y[30:]))
    commonest = int(np.mean(y[:30]) > 0.5)
    assert demo.majority(both) == np.mean(y[30:] == commonest)
    assert demo.ridge(both) >= 0.8


@pytest.mark.slow
def test_ridge_agrees_with_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    generator = np.random.default_rng(2)
    x, y = generator.standard_normal((30, 8)), np.arange(30) % 3
    new = generator.standard_normal((200, 8))
    theirs = linear.RidgeClassifier(alpha=0.7).fit(x, y).predict(new)
    assert demo._ridge_accuracy(x, y, new, theirs, 0.7) == 1.0


def test_spread_is_the_sample_standard_deviation() -> None:
    assert demo.spread([None, None]) is None
    assert demo.spread([1.0, 2.0, 3.0]) == (2.0, 1.0)
    assert demo.spread([None, 4.0]) == (4.0, 0.0)
