"""Pages of models and of what was measured: one self-contained HTML file each, that fetches nothing when it is opened.

A page is a list of sections; a section is a heading, a sentence that says what was found, and pictures (of the room
``pictures``) or tables.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derive import typeset
from numerics import files
from numerics.checks import instance
from numerics.pictures import fields, predictions, records, studies, training

if TYPE_CHECKING:
    from numerics.datasets import Records, Source
    from numerics.model.continuum import Continuum
    from numerics.verify import Finding

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2330; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.box { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #d8dce4; vertical-align: top; }
th:first-child, td:first-child, .words th, .words td { text-align: left; }
.numbers th, .numbers td { white-space: nowrap; }
img { max-width: 100%; height: auto; } p { max-width: 50rem; }
pre { background: #f3f5f9; padding: .8rem; overflow-x: auto; overflow-wrap: normal; }
"""


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph, and the pictures or tables (HTML) under it."""

    heading: str
    text: str = ""
    parts: tuple[str, ...] = ()


def page(title: str, sections: Sequence[Section]) -> str:
    """A whole HTML document; ``parts`` are taken as they are, all other text is escaped."""
    body = "\n".join(_section(section) for section in sections)
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title><style>{STYLE}{typeset.STYLE}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def _section(section: Section) -> str:
    text = f"<p>{html.escape(section.text)}</p>" if section.text else ""
    body = "\n".join(section.parts)
    return f"<section><h2>{html.escape(section.heading)}</h2>{text}\n{body}</section>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "numbers") -> str:
    """An HTML table of escaped cells, in a box in which it scrolls. kind: "numbers", or "words", which wrap."""
    head = "".join(f"<th>{html.escape(c)}</th>" for c in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>\n" for row in rows)
    return (
        f'<div class="box"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'
    )


def preformatted(text: str) -> str:
    """Text as it is, in a fixed-width block."""
    return f"<pre>{html.escape(text)}</pre>"


def picture(figure: Any, alt: str) -> str:
    """A matplotlib figure as an <img> that holds its own PNG; alt: what it shows, in words."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(alt, quote=True)}" src="data:image/png;base64,{data}">'


# --- models -------------------------------------------------------------------------------------------------


def right_and_wrong(model: Continuum, data: Records, most: int = 8) -> list[Section]:
    """Records that a classifier gets right (the least certain first) and wrong (the surest first)."""
    if not model.names:
        return []
    plot = model.plot
    p, truth = plot.answers(data)
    found = [("Right, but only just", predictions.narrow_answers(p, truth)),
             ("Wrong, the surest first", predictions.surest_mistakes(p, truth))]  # fmt: skip
    sections = []
    for heading, order in found:
        chosen = [int(i) for i in order[:most]]
        labels = predictions.case_labels(p, truth, model.names, chosen)
        text = f"{len(order)} of {len(truth)} records." + ("" if chosen else " None to show.")
        shown = records.cases(data, chosen, [label.replace(": ", "\n") for label in labels], plot.frame)
        alt = f"{heading}: {'; '.join(labels)}"
        sections.append(Section(heading, text, (picture(shown, alt),) if chosen else ()))
    return sections


def model_page(model: Continuum, data: Source | None = None) -> str:
    """A model's page: its weight field, its training, and, with data, states and predictions. Raises DataError."""
    from numerics.datasets import records as make_records
    from numerics.model.continuum import Continuum

    instance(model, Continuum, "give a model, as numerics.load reads it")
    held = None if data is None else make_records(data)
    plot = model.plot
    sections = [Section("What it is", "", (model._repr_html_(),))]
    if model.history:
        said, shown = training.said(model.history), [plot.loss()]
        if len(training.stages(model.history)) > 1 and all(row.get("flops") for row in model.history):
            shown.append(plot.work())
        sections.append(Section("Loss over time", said, tuple(picture(own, said) for own in shown)))
    said = fields.said(model.fields["W"])
    sections.append(Section("Weight field", said, (picture(plot.fields(), f"W at several depths. {said}"),)))
    if held is not None:
        names = [f"record {i}" + _class(held, i) for i in records.first_of_each(held)]
        said = "From the record at δ = 0 to the output at δ = 1."
        shown = picture(plot.states(held, titles=names), f"State over width and depth of {', '.join(names)}")
        sections.append(Section("State h(ξ, δ)", said, (shown,)))
        if held.known:
            figure, said = plot.found(held)
            sections.append(Section("Predictions", said, (picture(figure, f"Predictions and truth. {said}"),)))
            sections += right_and_wrong(model, held)
    return page(f"{model.base.name} at level {model.level or 'base'}", sections)


def _class(data: Records, index: int) -> str:
    """Of which class a record is, where there are classes with names."""
    return f", {records.class_name(data, data.y[index])}" if data.classes and data.y is not None else ""


# --- what was measured ----------------------------------------------------------------------------------------


def stability(name: str, above: Sequence[float], below: Sequence[float], path: str | Path) -> None:
    """Draw |R(z)| ≤ 1, z = κ s, to a PNG, SVG or PDF; see ``studies.stability``."""
    stream, path = io.BytesIO(), Path(path)
    studies.stability(name, above, below).savefig(stream, format=path.suffix[1:].lower() or "png", dpi=120)
    files.write_if_changed(path, stream.getvalue())


def verification_page(name: str, findings: Sequence[Finding]) -> str:
    """What ``continua verify`` measured: a table, and the errors of every study against its sizes."""
    from numerics.verify import VERDICTS

    rows = [(f.name, f.expected, f.measured, VERDICTS[f.passed], f.explained) for f in findings]
    columns = ("property", "expected", "measured", "verdict", "in")
    sections = [Section("Properties", _counted(findings), (table(columns, rows, "words"),))]
    for f in findings:
        if f.curves:
            size = "size" if "refinement" in f.name else "coefficients" if f.section == "network" else "t"
            shown = studies.convergence(f.curves, size, f.slope)
            said = f"Expected {f.expected}, measured {f.measured}: {VERDICTS[f.passed]}." if f.expected else f.measured
            sections.append(Section(f.name, said, (picture(shown, f"{f.name}: {f.measured}"),)))
    return page(f"{name}: what the mathematics promises, measured", sections)


def _counted(findings: Sequence[Finding]) -> str:
    """How many properties hold, and which do not, in a sentence or two."""
    failed = [f.name for f in findings if f.passed is False]
    held, open_ = (sum(f.passed is value for f in findings) for value in (True, None))
    text = f"{held} of {len(findings)} properties hold"
    text += f"; not so: {'; '.join(failed)}." if failed else ", none fails."
    return text + (f" Not applicable, or not reached: {open_}." if open_ else "")
