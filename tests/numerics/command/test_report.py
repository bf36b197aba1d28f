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
        if tag not in ("img", "meta"):
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


def test_stages_follow_the_levels() -> None:
    assert [(level, len(rows)) for level, rows in report.stages(HISTORY)] == [("base", 2), ("fine", 1)]
    assert report.stages([{"level": None, "loss": 1.0}])[0][0] == "base"


@pytest.mark.slow
def test_a_model_page_shows_training_fields_states_and_cases(model: Continuum, data: Records) -> None:
    page = report.model_page(model.replace(history=HISTORY), data)
    assert len(check(page)) >= 4  # losses, weight field, states, and right or wrong cases
    assert all(heading in page for heading in ("Loss over time", "Weight field", "State h", "Right", "Wrong"))


@pytest.mark.slow
def test_a_model_page_without_records_or_history(model: Continuum) -> None:
    assert len(check(report.model_page(model))) == 1


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list:
    """The figures that pictures are made of, before they are."""
    found: list = []
    monkeypatch.setattr(report, "picture", lambda figure, alt: found.append(figure) or "")
    return found


def labels(figure) -> list[tuple[str, str, str]]:
    return [(axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]


@pytest.mark.slow
def test_every_axis_says_what_it_is(model: Continuum, data: Records, figures: list) -> None:
    """The rows of a grid are named at their left, once; depths above, the arguments at the axes they belong to."""
    field = model.fields["W"]
    depths = [f"δ = {depth:.3g}" for depth in report.depths_of(field)]
    report.weight_fields({"before": field, "after": field.with_coefficients([2 * s.coefficients for s in field.slabs])})
    names = ("before", "after", "after − before")
    expected = [(depth, "ξ′", f"{name}\nξ" if k == 0 else "") for name in names for k, depth in enumerate(depths)]
    assert len(depths) > 1 and labels(figures[-1]) == [*expected, ("", "", "W")]  # the last is the colour bar
    report.states(model, data, [0, 1, 2], ["a", "b", "c"])
    assert labels(figures[-1]) == [("a", "ξ", "δ"), ("b", "ξ", ""), ("c", "ξ", ""), ("", "", "h")]
    report.loss_over_time({"run": HISTORY, "again": HISTORY})
    (axes,) = figures[-1].axes
    assert labels(figures[-1]) == [("", "epochs so far", "training loss")]
    assert axes.get_yscale() == "log" and axes.get_legend().get_title().get_text() == "level"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["base", "fine"]  # each level once
    report.cases(data, [0, 1], ["first", "second"])
    assert [title for title, *_ in labels(figures[-1])] == ["first", "second"]


@pytest.mark.slow
def test_studies_are_drawn_against_what_was_refined(figures: list) -> None:
    curve = {"one": ((1.0, 2.0), (0.1, 0.01)), "two": ((1.0, 2.0), (0.2, 0.02))}
    studies = [("equivalents", "refinement in depth", "size"), ("network", "W0", "coefficients"), ("x", "Taylor", "t")]
    for section, name, axis in studies:
        report.verification_page("s", [Finding(section, name, "", "1", True, "", curve)])
        assert labels(figures[-1]) == [("", axis, "error")]
        assert [text.get_text() for text in figures[-1].axes[0].get_legend().get_texts()] == ["one", "two"]


def test_strength_is_the_field_itself_with_one_channel(model: Continuum) -> None:
    values, label = report.strength(model.fields["W"], 0.5)
    points = np.linspace(-1, 1, report.GRID)
    assert label == "W" and values.shape == (report.GRID, report.GRID)
    for i, j in ((0, 0), (3, 70), (120, 17)):  # first index ξ, second ξ′
        assert values[i, j] == pytest.approx(float(model.fields["W"](points[i], points[j], 0.5)), abs=1e-14)


@pytest.mark.slow
def test_pictures_of_channels_and_functions(tmp_path: object) -> None:
    spec = SPEC.replace("channels = 1", "channels = 2").replace('kind = "cross-entropy"', 'kind = "l2"')
    start, end = spec.index("[readout]"), spec.index("[loss]")
    from pathlib import Path

    path = Path(str(tmp_path)) / "small.toml"
    path.write_text(spec[:start] + spec[end:], encoding="utf-8")
    model = Continuum.from_spec(path, seed=0)
    x = np.random.default_rng(0).standard_normal((3, 9, 2))
    assert len(check(report.model_page(model, records(x, y=x)))) == 2
    values, label = report.strength(model.fields["W"], 0.5)
    assert values.shape == (report.GRID, report.GRID) and (values >= 0).all() and "channels" in label


def test_records_are_chosen_from_all_classes() -> None:
    x = np.zeros((6, 5))
    y = np.array([1, 1, 1, 1, 0, 2])
    assert report.first_of_each(records(x, y=y), most=3) == [0, 4, 5]
    assert report.first_of_each(records(x, xi=None), most=3) == [0, 1, 2]


def test_probabilities_do_not_overflow() -> None:
    p = report.probabilities(np.array([[1000.0, 1000.0], [0.0, np.log(3)]]))
    np.testing.assert_allclose(p, [[0.5, 0.5], [0.25, 0.75]], atol=1e-15)


# --- the demonstration's numbers ----------------------------------------------------------------------------


def test_majority_and_ridge_on_records_that_a_line_tells_apart() -> None:
    generator = np.random.default_rng(1)
    x = generator.standard_normal((40, 6))
    y = (x @ np.arange(6.0) > 0).astype(int)
    both = demo.Data(records(x[:30], y=y[:30]), records(x[30:], xi=None, y=y[30:]))
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
