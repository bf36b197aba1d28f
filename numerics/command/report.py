"""Pictures of models in one self-contained HTML page: nothing is fetched when it is opened.

A page is a list of sections; a section is a heading, text, and figures or tables. Pictures are made without
pyplot, so that nothing here depends on a display or leaves figures behind.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from numerics import files
from numerics.checks import instance
from numerics.functions.basis import Basis

if TYPE_CHECKING:
    from numerics.datasets import Records, Source
    from numerics.functions.field import Field
    from numerics.model.continuum import Continuum
    from numerics.verify import Finding

Array = np.ndarray
Row = Mapping[str, Any]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2330; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
table { margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #d8dce4; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; } p { max-width: 50rem; }
pre { background: #f3f5f9; padding: .8rem; overflow-x: auto; }
"""
COLOURS = ("#3366aa", "#cc6633", "#338855", "#aa3377", "#777777", "#ccaa22", "#22aacc", "#552288")
DEPTHS_SHOWN = 4
GRID = 121  # points a direction in pictures of fields
SYMBOLS = {"xi": "ξ", "eta": "η", "zeta": "ζ", "xi_": "ξ′"}  # of the arguments of fields


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
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def _section(section: Section) -> str:
    text = f"<p>{html.escape(section.text)}</p>" if section.text else ""
    body = "\n".join(section.parts)
    return f"<section><h2>{html.escape(section.heading)}</h2>{text}\n{body}</section>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table of escaped cells."""
    head = "".join(f"<th>{html.escape(c)}</th>" for c in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


def preformatted(text: str) -> str:
    """Text as it is, in a fixed-width block."""
    return f"<pre>{html.escape(text)}</pre>"


def picture(figure: Any, alt: str) -> str:
    """A matplotlib figure as an <img> that holds its own PNG; alt: what it shows, in words."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(alt, quote=True)}" src="data:image/png;base64,{data}">'


def _axes(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    """A figure of rows × columns axes, each about width × height inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


# --- training -----------------------------------------------------------------------------------------------


def stages(history: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The history cut where the level changes: (level, rows)."""

    def level(row: Row) -> str:
        return str(row.get("level") or "base")

    return [(name, list(rows)) for name, rows in groupby(history, key=level)]


def loss_over_time(histories: Mapping[str, Sequence[Row]]) -> str:
    """Training loss against the epochs so far, one line a run, one colour a level.

    histories: a run's name → its rows (dictionaries with "level", "loss" and perhaps "validation").
    """
    figure, ((axes,),) = _axes(1, 1, 9.0, 3.8)
    colours: dict[str, str] = {}
    for history in histories.values():
        start = 0
        for level, rows in stages(history):
            named = level in colours
            colour = colours.setdefault(level, COLOURS[len(colours) % len(COLOURS)])
            epochs = np.arange(start, start + len(rows)) + 1
            label = None if named else level
            axes.plot(epochs, [row["loss"] for row in rows], color=colour, lw=1.2, alpha=0.8, label=label)
            held_out = [row.get("validation") for row in rows]
            if all(value is not None for value in held_out):
                axes.plot(epochs, held_out, color=colour, lw=1.0, ls=":")
            start += len(rows)
    axes.set(xlabel="epochs so far", ylabel="training loss")
    axes.set_yscale("log")
    if colours:
        axes.legend(title="level")
    return picture(figure, "Training loss over the epochs, coloured by level")


# --- fields -------------------------------------------------------------------------------------------------


def depths_of(field: Field) -> Array:
    """A few depths that see different parts of a field: the middles of its depth cells, thinned."""
    ends = [slab.start for slab in field.slabs] + [field.slabs[-1].stop]
    for slab in field.slabs:
        depth = slab.bases[-1]
        assert isinstance(depth, Basis)
        ends += [float(b) for b in depth.breakpoints]
    cuts = np.unique(np.round(ends, 12))
    middles = (cuts[:-1] + cuts[1:]) / 2
    if len(middles) == 1:  # one element, in which the field may still vary
        return np.array([0.1, 0.5, 0.9])
    keep = np.unique(np.linspace(0, len(middles) - 1, DEPTHS_SHOWN).round().astype(int))
    shown: Array = middles[keep]
    return shown


def strength(field: Field, depth: float) -> tuple[Array, str]:
    """W(ξ, ξ′, depth) on a grid, (GRID, GRID), or κ(s, depth) (GRID,); of several channels the Frobenius norm.

    On squares and cubes κ(s, t), or W(ξ, η, 0, 0), and 0 for what else there is.
    """
    symbol, axes = "κ" if _is_kernel(field) else "W", len(field.axes) - 1
    grid = np.ix_(*[_offsets(field)] * min(axes, 2))
    values = np.asarray(field(*grid, *[0.0] * (axes - len(grid)), depth))
    if field.slabs[0].channels == (1, 1):
        return values, symbol
    size: Array = np.sqrt(np.sum(values**2, axis=(-2, -1)))
    return size, f"|{symbol}| over channels"


def _is_kernel(field: Field) -> bool:
    """Whether W is κ(ξ − ξ′)."""
    return field.axes[0] == "s"


def _offsets(field: Field) -> Array:
    """GRID points of the first axis; those of κ are offsets ξ − ξ′ within its reach."""
    if not _is_kernel(field):
        return np.linspace(-1, 1, GRID)
    basis = field.slabs[0].bases[0]
    assert isinstance(basis, Basis)
    return np.linspace(basis.breakpoints[0], basis.breakpoints[-1], GRID)


def weight_fields(fields: Mapping[str, Field]) -> str:
    """W(ξ, ξ′, δ) of several models at the same depths, on one colour scale; of two, their difference."""
    one = next(iter(fields.values()))
    depths = depths_of(one)
    rows = {name: [strength(field, d)[0] for d in depths] for name, field in fields.items()}
    label = strength(one, depths[0])[1]
    if len(rows) == 2:
        (first, before), (second, after) = rows.items()
        rows = {**rows, f"{second} − {first}": [b - a for a, b in zip(before, after)]}
    limit = max(float(np.abs(values).max()) for row in rows.values() for values in row) or 1.0
    shown = ", ".join(f"{depth:.3g}" for depth in depths)
    if len(one.axes) == 2:
        figure, (line,) = _axes(1, len(depths), 2.9, 2.4)
        for k, (axes, depth) in enumerate(zip(line, depths)):
            for name, row in rows.items():
                axes.plot(_offsets(one), row[k], lw=1.2, label=name)
            low = -1.05 * limit if label == "κ" else 0
            axes.set(title=f"δ = {depth:.3g}", xlabel="ξ − ξ′", ylim=(low, 1.05 * limit))
        line[0].set_ylabel(label)
        if len(rows) > 1:
            line[0].legend()
        return picture(figure, f"Kernel κ(ξ − ξ′) of {', '.join(rows)} at depths {shown}")
    figure, grid = _axes(len(rows), len(depths), 2.7, 2.5)
    end = _offsets(one)[-1]
    down, across = (SYMBOLS.get(name, name) for name in one.axes[:2])
    for axes_row, (name, row) in zip(grid, rows.items()):
        for axes, depth, values in zip(axes_row, depths, row):
            extent = (-end, end, -end, end)
            image = axes.imshow(values, extent=extent, origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes.set(title=f"δ = {depth:.3g}", xlabel=across)
        axes_row[0].set_ylabel(f"{name}\n{down}")
    figure.colorbar(image, ax=grid, label=label, shrink=0.7)
    return picture(figure, f"Weight field of {', '.join(rows)} at depths {shown}")


# --- records ------------------------------------------------------------------------------------------------


def samples_of(data: Records, index: int) -> tuple[Array, Array]:
    """A record's points (n,) and samples (n, channels)."""
    xi, x = data.points()[index], data.samples()[index]
    return np.linspace(-1, 1, len(x)) if xi is None else xi, x


def states(model: Continuum, data: Records, indices: Sequence[int], labels: Sequence[str]) -> str:
    """h(ξ, δ) of a few records, first channel: from the record itself (δ = 0) to the output (δ = 1)."""
    if data.dimension > 1:
        return _states_on_squares(model, data, indices, labels)
    (points,) = model.lines()
    depths, values = model.trajectory(data.take(indices), at=points)
    shown = values[..., 0]
    limit = float(np.abs(shown).max()) or 1.0
    figure, (row,) = _axes(1, len(indices), 3.0, 3.0)
    for axes, h, label in zip(row, shown, labels):
        mesh = axes.pcolormesh(points, depths, h, cmap="RdBu_r", vmin=-limit, vmax=limit, shading="gouraud")
        axes.set(title=label, xlabel="ξ")
    row[0].set_ylabel("δ")
    figure.colorbar(mesh, ax=row, label="h")
    return picture(figure, f"State over width and depth of records {', '.join(map(str, indices))}")


def _states_on_squares(model: Continuum, data: Records, indices: Sequence[int], labels: Sequence[str]) -> str:
    """The first channel at a few depths, a row a record; of cubes the middle."""
    depths, values = model.trajectory(data.take(indices))
    chosen = np.unique(np.linspace(0, len(depths) - 1, DEPTHS_SHOWN + 1).round().astype(int))
    figure, grid = _axes(len(indices), len(chosen), 1.9, 1.9)
    for row, record, label in zip(grid, values, labels):
        limit = float(np.abs(record[..., 0]).max()) or 1.0
        for axes, k in zip(row, chosen):
            axes.imshow(_plane(record[k]), cmap="RdBu_r", vmin=-limit, vmax=limit, extent=(-1, 1, 1, -1))
            axes.set(title=f"δ = {depths[k]:.3g}", xticks=[], yticks=[])
        row[0].set_ylabel(label)
    return picture(figure, f"State at several depths of records {', '.join(map(str, indices))}")


def _plane(values: Array) -> Array:
    """The first channel (points, points) of values on a square (points, points, channels), of a cube the middle."""
    return values[..., 0] if values.ndim == 3 else values[:, :, values.shape[2] // 2, 0]


def cases(data: Records, indices: Sequence[int], labels: Sequence[str], columns: int = 4) -> str:
    """Records as curves, on squares as pictures, each under its label."""
    count = max(1, -(-len(indices) // columns))
    figure, grid = _axes(count, min(columns, max(1, len(indices))), 2.8, 1.9)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, index, label in zip(grid.flat, indices, labels):
        axes.set_title(label, fontsize=9)
        if data.dimension > 1:
            axes.imshow(_plane(data.samples()[index]), cmap="Greys")
            continue
        xi, x = samples_of(data, index)
        axes.set_axis_on()
        for channel in x.T:
            axes.plot(xi, channel, lw=1.2)
        axes.tick_params(labelsize=7)
    how = "curves" if data.dimension == 1 else "pictures"
    return picture(figure, f"Records {', '.join(map(str, indices))} as {how}")


def class_name(data: Records, label: int) -> str:
    """What a class was called, or its number."""
    return str(data.classes[label] if data.classes else label)


def probabilities(outputs: Array) -> Array:
    """Softmax over the last axis, (records, classes)."""
    shifted = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    shares: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return shares


def right_and_wrong(model: Continuum, data: Records, most: int = 8) -> list[Section]:
    """Records that a classifier gets right (the least certain first) and wrong (the surest first)."""
    prepared = model.prepare(data)
    truth = prepared.labels
    if truth is None:
        return []
    p = probabilities(model.outputs(prepared))
    guess = p.argmax(axis=1)
    sure = p.max(axis=1)
    right = np.flatnonzero(guess == truth)
    wrong = np.flatnonzero(guess != truth)
    found = [("Right, but only just", right[np.argsort(sure[right], kind="stable")]),
             ("Wrong, the surest first", wrong[np.argsort(-sure[wrong], kind="stable")])]  # fmt: skip
    sections = []
    for heading, order in found:
        chosen = [int(i) for i in order[:most]]
        labels = [
            f"record {i}: is {model.names[truth[i]]}, said {model.names[guess[i]]} ({sure[i]:.0%})"
            for i in chosen
        ]
        text = f"{len(order)} of {len(truth)} test records." + ("" if chosen else " None to show.")
        sections.append(Section(heading, text, (cases(data, chosen, labels),) if chosen else ()))
    return sections


def model_page(model: Continuum, data: Source | None = None) -> str:
    """A model's page: its weight field, its training, and, with data, states and cases. Raises DataError."""
    from numerics.datasets import records
    from numerics.model.continuum import Continuum

    instance(model, Continuum, "give a model, as numerics.load reads it")
    held = None if data is None else records(data)
    sections = [Section("What it is", "", (preformatted(repr(model)),))]
    if model.history:
        sections.append(Section("Loss over time", "", (loss_over_time({"model": model.history}),)))
    sections.append(Section("Weight field", "", (weight_fields({model.level or "base": model.fields["W"]}),)))
    if held is not None:
        chosen = first_of_each(held)
        labels = [f"record {i}" for i in chosen]
        text = "From the record at δ = 0 to the output at δ = 1."
        sections.append(Section("State h(ξ, δ)", text, (states(model, held, chosen, labels),)))
        if held.y is not None:
            sections += right_and_wrong(model, held)
    return page(f"{model.base.name} at level {model.level or 'base'}", sections)


def first_of_each(data: Records, most: int = 4) -> list[int]:
    """Indices of a few records, taken from the classes in turn where there are classes."""
    count = len(data)
    y = None if data.y is None else np.asarray(data.y)
    if y is None or y.ndim != 1 or y.dtype.kind not in "iu":
        return list(range(min(most, count)))
    ranks = np.array([np.sum(y[:n] == y[n]) for n in range(count)])
    return sorted(int(i) for i in np.lexsort((y, ranks))[:most])


def stability(name: str, above: Sequence[float], below: Sequence[float], path: str | Path) -> None:
    """Draw |R(z)| ≤ 1, z = κ s, to a PNG or SVG.

    above, below: coefficients of the stability function's numerator and denominator, constant term first.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    z = np.linspace(-6, 2, 500)[None, :] + 1j * np.linspace(-5, 5, 500)[:, None]
    figure, axes = plt.subplots(figsize=(5, 5))
    size = np.abs(np.polyval(above[::-1], z)) / np.abs(np.polyval(below[::-1], z))
    axes.contourf(z.real, z.imag, size, levels=[0, 1], colors=["#c9d8ef"])
    axes.contour(z.real, z.imag, size, levels=[1], colors=["#2b5797"])
    axes.axhline(0, color="0.7", lw=0.6)
    axes.axvline(0, color="0.7", lw=0.6)
    axes.set(xlabel="Re κs", ylabel="Im κs", title=f"{name}: |R(κs)| ≤ 1", aspect="equal")
    stream, path = io.BytesIO(), Path(path)
    figure.savefig(stream, format=path.suffix[1:].lower() or "png", dpi=120, bbox_inches="tight")
    plt.close(figure)
    files.write_if_changed(path, stream.getvalue())


def verification_page(name: str, findings: Sequence[Finding]) -> str:
    """What ``continua verify`` measured: a table, and the errors of every study against its sizes."""
    from numerics.verify import VERDICTS

    rows = [(f.name, f.expected, f.measured, VERDICTS[f.passed], f.explained) for f in findings]
    sections = [Section("Properties", "", (table(("property", "expected", "measured", "verdict", "in"), rows),))]
    for f in findings:
        if f.curves:
            figure, ((axes,),) = _axes(1, 1, 5.0, 3.2)
            for colour, (label, curve) in zip(COLOURS, f.curves.items()):
                axes.loglog(*curve, "o-", color=colour, label=label, markersize=3)
            if len(f.curves) > 1:
                axes.legend(frameon=False)
            size = "size" if "refinement" in f.name else "coefficients" if f.section == "network" else "t"
            axes.set(xlabel=size, ylabel="error")
            said = f"Expected {f.expected}, measured {f.measured}." if f.expected else f"{f.measured}."
            sections.append(Section(f.name, said, (picture(figure, f"{f.name}: {f.measured}"),)))
    return page(f"{name}: what the mathematics promises, measured", sections)
