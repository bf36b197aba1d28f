"""The commands that make, move and use models: data, fit, refine, project, evaluate, predict and plot.

They run on a machine without SymPy, as long as nothing has to be derived.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from derive.errors import CheckpointError, DataError, SpecError
from derive.spec import OPTIMISERS, SCHEDULES
from numerics import files
from numerics.command import console
from numerics.command.console import example, json_option, model_argument

Command = Callable[..., Any]

out_option = click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
data_option = click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Records: an .npz with x, and perhaps y, xi.",
)
some_data_option = click.option("--data", type=click.Path(path_type=Path), help="Records to measure on.")
models_argument = click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=click.Path(path_type=Path))
level_option = click.option("--level", required=True, help="A level that the spec declares, or base.")
device_option = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where kernels run.",
)


# --- data and training --------------------------------------------------------------------------------------


@click.command()
@click.argument("name")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to write to.")
@json_option
@example("continua data gunpoint --out data/gunpoint")
def data(name: str, out: Path, as_json: bool) -> None:
    """Write a real data set as train.npz and test.npz.

    The split is the published one. Names: gunpoint, arrowhead, italypowerdemand, osuleaf, japanesevowels,
    basicmotions, tecator, digits, and digits2d, the same on a square; and burgers, which is solved here, with test
    records at 256 and 512 points too.
    """
    from numerics import datasets

    work = "solving" if name == "burgers" else "reading"
    with console.working(f"{work} {name}"):
        parts = datasets.parts(name)
    out.mkdir(parents=True, exist_ok=True)
    for part, found in parts.items():
        datasets.write(out / f"{part}.npz", found)
    if as_json:
        written = {part: {"file": str(out / f"{part}.npz"), "records": len(r)} for part, r in parts.items()}
        console.print_json(written)
        return
    for part, found in parts.items():
        click.echo(f"{out / part}.npz: {len(found)} records")


@click.command()
@click.argument("spec")
@data_option
@out_option
@click.option("--resume", is_flag=True, help="Go on from the last save of --out, bit for bit.")
@click.option("--dry-run", is_flag=True, help="Say what would be trained and for how long; write nothing.")
@click.option("--level", help="The level to train on (default: base, or the model's own).")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the records.")
@click.option("--optimiser", type=click.Choice(OPTIMISERS))
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True))
@click.option("--schedule", type=click.Choice(SCHEDULES), help="Of Adam's rate over the planned steps.")
@click.option("--clip", type=click.FloatRange(0, min_open=True), help="Shorten longer gradients to this L2 norm.")
@click.option("--averaging", type=click.FloatRange(0, 1, max_open=True), help="Average fields with this decay a step.")
@click.option("--batch", type=click.IntRange(1), help="Records a step (default: all).")
@click.option("--validation", type=click.FloatRange(0, 1, max_open=True), help="Share of records held out.")
@click.option("--patience", type=click.IntRange(1), help="Epochs without improvement before stopping.")
@click.option("--weight-decay", type=click.FloatRange(0), help="Of Adam, in the L2 norm of the fields.")
@click.option("--thin", type=click.FloatRange(0, 1, min_open=True), help="Keep a random share of points, this or more.")
@click.option("--jitter", type=click.FloatRange(0), help="Add noise of so many standard deviations, anew each epoch.")
@click.option("--warp", type=click.FloatRange(0, 1, max_open=True), help="Bend axes of records by this slope at most.")
@click.option("--save-every", type=click.FloatRange(0), default=10, show_default=True, help="Seconds between saves.")
@click.option("--seed", type=click.IntRange(0), help="Draws the first fields and the order of the records.")
@device_option
@json_option
@example(
    "continua data gunpoint --out data",
    "continua fit specs/gunpoint.toml --data data/train.npz --out coarse.npz",
)
def fit(
    spec: str,
    data: Path,
    out: Path,
    resume: bool,
    dry_run: bool,
    level: str | None,
    device: str,
    as_json: bool,
    save_every: float,
    **overrides: Any,
) -> None:
    """Train SPEC and write the model.

    SPEC is a TOML file, the name of a generated spec, or a model to train on. Options override the spec's
    [training]; with --resume those left out are the run's own. Ctrl-C and SIGTERM save and stop; a harder kill
    loses what came after the last save.
    """
    from numerics import datasets
    from numerics.training.run import fit as train

    records = datasets.read(data)
    given = {key: value for key, value in overrides.items() if value is not None}
    trains_on = console.is_archive(spec)
    console.check_out(out, [data, None if trains_on else spec])
    if out.exists() and not resume and not (trains_on and out.samefile(spec)):
        raise CheckpointError(
            f"--out {out}, which exists", "a new name, or --resume to go on with the run in it",
            "--resume was left out, or a name used twice", "add --resume, choose another name, or move the file",
        )  # fmt: skip
    model = on_device(_start(spec, level, given.get("seed")), device)
    with console.about(data):
        if dry_run:
            console.print_facts(_dry_run(model, records, given), as_json)
            return
        options = {**given, "out": out, "resume": resume, "save_every": save_every, "progress": not as_json}
        model = train(model, records, **options)
        facts = {"model": str(out), "epochs": len(model.history), **model.scores(model.prepare(records))}
    console.print_facts(facts, as_json)


@click.command("cross-validate")
@click.argument("spec")
@data_option
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="Parts of the records.")
@click.option("--vary", multiple=True, metavar="KEY=VALUE,VALUE…", help="Compare values of a key of SPEC; repeatable.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Draws folds and first fields.")
@json_option
@example(
    "continua cross-validate specs/gunpoint.toml --data data/train.npz",
    "continua cross-validate specs/gunpoint.toml --data data/train.npz --vary training.learning_rate=0.03,0.1",
)
def cross_validate(spec: str, data: Path, folds: int, vary: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Score SPEC on every fold of the records, trained on the others.

    Classes are shared out evenly. With --vary all combinations of the values are tried on the same folds, and the
    best is marked: the highest mean accuracy, then the least loss. Writes nothing.
    """
    from numerics import datasets
    from numerics.training import cross_validation

    records = datasets.read(data)
    candidates = _candidates(spec, vary)
    total = folds * sum(declared.training.epochs for _, declared in candidates)
    found = []
    with console.steps() as progress, console.about(data):
        task = progress.add_task("training", total=total)

        def advance(*_: Any) -> None:
            progress.advance(task)

        for _, declared in candidates:
            report = cross_validation.cross_validate(declared, records, folds=folds, seed=seed, callback=advance)
            found.append(report)
    best = max(found, key=lambda report: report.rank)
    if as_json:
        settings = [
            {"setting": setting, "folds": list(report.scores), "mean": report.mean, "deviation": report.deviation,
             "best": report is best} for (setting, _), report in zip(candidates, found)
        ]  # fmt: skip
        console.print_json({"records": len(records), "folds": folds, "seed": seed, "settings": settings})
        return
    rows = []
    for (setting, _), report in zip(candidates, found):
        name = ", ".join(f"{key} = {value}" for key, value in setting.items()) or "as declared"
        cells = [f"{mean:.4g} ± {report.deviation[score]:.2g}" for score, mean in report.mean.items()]
        rows.append([f"{'→' if report is best and vary else ' '} {name}", *cells])
    console.print_table(["", *best.mean], rows, f"{len(records)} records in {folds} folds")


def _candidates(spec: str, vary: tuple[str, ...]) -> list[tuple[dict[str, Any], Any]]:
    """The settings that --vary asks for, each with its Spec."""
    from derive.declaration import load_spec, read_toml
    from numerics.model.continuum import resolve
    from numerics.training.cross_validation import varied

    if not vary:
        return [({}, resolve(spec))]
    choices = {}
    for option in vary:
        key, _, values = option.partition("=")
        if not key or not values or key in choices:
            raise SpecError(
                f"--vary {option}", "KEY=VALUE,VALUE…, every key once", "a key without values, or given twice",
                "write --vary training.learning_rate=0.003,0.01",
            )  # fmt: skip
        choices[key] = [_value(text) for text in values.split(",")]
    with console.about(spec):
        return [(setting, load_spec(declared)) for setting, declared in varied(read_toml(spec), choices)]


def _value(text: str) -> Any:
    """A value as TOML reads it, and what TOML does not read as text: names, exact numbers such as 1/10."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _start(spec: str, level: str | None, seed: int | None) -> Any:
    """The model that training starts from: a new one, or a saved one."""
    from numerics.model.checkpoint import load
    from numerics.model.continuum import Continuum

    if console.is_archive(spec):
        model = load(spec)
        if level not in (None, model.level or "base"):
            raise SpecError(
                f"--level {level} with a model at level {model.level or 'base'}", "the model's own level",
                "training does not move a model between levels",
                "use `continua refine` or `continua project` first",
            )  # fmt: skip
        return model
    from numerics.model.continuum import resolve

    base = resolve(spec)
    chosen = None if level in (None, "base") else level
    return Continuum.from_spec(base, seed=base.training.seed if seed is None else seed, level=chosen)


def _dry_run(model: Any, records: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What training would do and take, from the gradients of one batch (the second one: the first may compile)."""
    import numpy as np

    prepared = model.prepare(records)
    settings = model.spec.training
    batch = min(given.get("batch", settings.batch) or len(prepared), len(prepared))
    part = prepared.take(np.arange(batch))
    model.objective(part)
    start = time.perf_counter()
    loss, _ = model.objective(part)
    seconds = (time.perf_counter() - start) * -(-len(prepared) // batch)
    epochs = given.get("epochs", settings.epochs)
    vectors = {"lbfgs": 30}.get(given.get("optimiser", settings.optimiser), 8) * 8 * model.size
    return {
        "model": repr(model), "records": len(prepared), "coefficients": model.size, "epochs": epochs,
        "loss": loss, "seconds an epoch": seconds, "seconds in all": seconds * epochs,
        "memory (MiB)": (console.peak_memory() + vectors) / 2**20,
    }  # fmt: skip


def on_device(model: Any, name: str) -> Any:
    """The model with its kernels on a device. Raises RepresentationError saying what is missing there."""
    if name == "cpu":
        return model
    from numerics.kernels import cuda

    cuda.require()
    return model.replace(device=name)


# --- levels -------------------------------------------------------------------------------------------------


@click.command()
@model_argument
@level_option
@some_data_option
@out_option
@json_option
@example("continua refine coarse.npz --level fine --data data/train.npz --out fine.npz")
def refine(model: Path, level: str, data: Path | None, out: Path, as_json: bool) -> None:
    """Move MODEL to a level that contains it.

    Its fields stay as they are, and with the solver unchanged so does what they compute. Prints the fields
    part and the solver part of the change before it writes.
    """
    from numerics.levels.refinement import refine as move

    _move(move, model, level, data, out, as_json)


@click.command()
@model_argument
@level_option
@some_data_option
@out_option
@json_option
@example("continua project fine.npz --level pocket --data data/train.npz --out pocket.npz")
def project(model: Path, level: str, data: Path | None, out: Path, as_json: bool) -> None:
    """Move MODEL to any level, as well as that allows.

    Its fields become their best L2 approximations there. Prints ‖W − PW‖ and, with data, the predicted and
    the measured change of the loss before it writes.
    """
    from numerics.levels.projection import project as move

    _move(move, model, level, data, out, as_json)


def _move(move: Command, path: Path, level: str, data: Path | None, out: Path, as_json: bool) -> None:
    from numerics import datasets
    from numerics.model.checkpoint import load

    console.check_out(out, [data, path])
    records = None if data is None else datasets.read(data)
    with console.working(f"moving to {level}"), console.about(data or path):
        moved = move(load(path), level, records=records)
    if not as_json:
        click.echo(str(moved.report))
    moved.save(out)
    if as_json:
        console.print_json({"model": str(out), **report_dict(moved.report)})


def report_dict(report: Any) -> dict[str, Any]:
    """A report's numbers, with the parts that it computes from them."""
    numbers = {name: getattr(report, name) for name in type(report).__dataclass_fields__}
    return {**numbers, "fields_part": report.fields_part, "solver_part": report.solver_part}


# --- using models -------------------------------------------------------------------------------------------


def _answering(paths: tuple[Path, ...], device: str) -> Any:
    """The model in a file, or the ensemble of those in several."""
    from numerics.model.checkpoint import load
    from numerics.model.ensemble import Ensemble

    models = [on_device(load(path), device) for path in paths]
    return models[0] if len(models) == 1 else Ensemble(tuple(models))


@click.command()
@models_argument
@data_option
@click.option("--resample", metavar="WAY[,WAY…]", help="Also at fewer points: half, quarter, random30 (per cent) …")
@device_option
@json_option
@example(
    "continua evaluate fine.npz --data data/test.npz",
    "continua evaluate seed0.npz seed1.npz seed2.npz --data data/test.npz",
    "continua evaluate fine.npz --data data/test.npz --resample half,quarter,random30",
)
def evaluate(models: tuple[Path, ...], data: Path, resample: str | None, device: str, as_json: bool) -> None:
    """Score MODEL on records: loss, and accuracy or rmse.

    Several models are scored as one: the mean of their outputs, and of classifiers that of their probabilities.
    With --resample also on the same records at fewer points, and how far the outputs move: the root mean square of
    the change over that of the outputs.
    """
    from numerics import datasets

    records = datasets.read(data)
    if records.y is None:
        raise DataError(
            "records without y",
            "an .npz with targets y",
            "the file holds samples only",
            "use `predict`",
            str(data),
        )
    found = _answering(models, device)
    with console.working("evaluating"), console.about(data):
        scores = found.scores(found.prepare(records))
        rows = _resampled(found, records, resample.split(",")) if resample else {}
    if not rows:
        console.print_facts({"records": len(records), **scores}, as_json)
    elif as_json:
        console.print_json({"records": len(records), **scores, "resampled": rows})
    else:
        columns = list(next(iter(rows.values())))
        table = [[name, *(f"{row[c]:.6g}" if c in row else "" for c in columns)]
                 for name, row in {"as recorded": scores, **rows}.items()]  # fmt: skip
        console.print_table(["", *columns], table, f"{len(records)} records")


def _resampled(model: Any, records: Any, ways: list[str]) -> dict[str, dict[str, float]]:
    """Scores on records with fewer points, and the relative change of the outputs, functions on one grid."""
    import numpy as np

    from numerics.datasets.sampling import thinned
    from numerics.model.continuum import lines

    if not model.spec.functional:
        records = records.as_functions()
    points = model.sample_points(records)
    others = {way: thinned(records, points, way) for way in ways}
    grid = None if model.spec.functional else lines(model.spec, finer=2)
    before = model(records, at=grid)
    scale = float(np.linalg.norm(before))
    rows = {}
    for way, fewer in others.items():
        change = float(np.linalg.norm(model(fewer, at=grid) - before))
        scores = model.scores(model.prepare(fewer))
        rows[way] = {**scores, "change of the outputs": change / scale if scale else change}
    return rows


@click.command()
@models_argument
@data_option
@click.option("--out", type=click.Path(path_type=Path), help="An .npz for the outputs (default: print them).")
@click.option("--at", type=click.Path(path_type=Path), help="An .npy with the points to give functions at.")
@device_option
@json_option
@example("continua predict pocket.npz --data data/test.npz --out predictions.npz")
def predict(
    models: tuple[Path, ...], data: Path, out: Path | None, at: Path | None, device: str, as_json: bool
) -> None:
    """Outputs of MODEL for records at any sampling.

    A classifier's outputs are scores, the logarithms of probabilities up to a constant; the class with the highest
    comes with them, as `label` in --out. Several models give the mean of their outputs, and of classifiers that of
    their probabilities.
    """
    from numerics import datasets

    if out is not None:
        console.check_out(out, [data, *models, at], (".npz",))
    records = datasets.read(data)
    found = _answering(models, device)
    with console.working("predicting"), console.about(data):
        points = None if at is None else _points(at, found)
        y = found(records, at=points)
    labels = found.labels(y)
    if out is not None:
        files.write_if_changed(out, _packed(y, records, points, labels))
        click.echo(f"{out}: {len(records)} records", err=as_json)
    elif not as_json:
        for n, values in enumerate(y):
            said = [] if labels is None else [str(labels[n])]
            click.echo(" ".join([str(n), *said, *(f"{v:.6g}" for v in values.ravel())]))
    if as_json:
        chosen = {} if labels is None else {"label": labels.tolist()}
        console.print_json({"y": [values.tolist() for values in y], **chosen})


def _points(path: Path, model: Any) -> Any:
    """The points in an .npy, for a model whose outputs are functions."""
    import numpy as np

    if model.spec.functional:
        raise DataError(
            f"--at for a model that gives {model.spec.outputs} numbers a record", "a model that gives functions",
            "its readout integrates the function away", "leave --at out",
        )  # fmt: skip
    if model.spec.dimension > 1:
        raise DataError(
            f"--at for functions on {model.spec.dimension} axes", "the records' own points, or Python",
            "points of one axis", "leave --at out, or call the model with at=(first, second)",
        )  # fmt: skip
    try:
        points = np.load(path, allow_pickle=False)
    except (ValueError, EOFError):
        points = None
    allowed = "an .npy with a list of points from -1 to 1"
    if not isinstance(points, np.ndarray):
        kind = "an archive of several arrays" if points is not None else "a file that is not an .npy"
        fix = "write the points alone: np.save(\"points.npy\", xi)"
        raise DataError(kind, allowed, "another kind of file", fix, str(path))
    if points.ndim != 1 or points.dtype.kind not in "iuf" or not points.size:
        raise DataError(
            f"an array of type {points.dtype}, shape {points.shape}", allowed, "points of every record, or none",
            "one list of numbers for all records: its shape is (points,)", str(path),
        )  # fmt: skip
    return points


def _packed(y: Any, records: Any, points: Any, labels: Any) -> bytes:
    """Predictions as an .npz: y (samples, …) and a classifier's labels; ragged ones as y, xi and offsets."""
    import numpy as np

    arrays = {"y": y} if labels is None else {"y": y, "label": labels}
    if isinstance(y, list):
        ends = np.cumsum([0, *(len(values) for values in y)])
        arrays = {"y": np.concatenate(y), "offsets": ends}
    if points is not None:
        arrays["xi"] = points
    elif isinstance(y, list) and records.xi is not None:
        arrays["xi"] = records.xi
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@click.command()
@model_argument
@some_data_option
@click.option("--out", type=click.Path(path_type=Path), default=Path("model.html"), show_default=True)
@example("continua plot fine.npz --data data/test.npz --out fine.html")
def plot(model: Path, data: Path | None, out: Path) -> None:
    """Draw MODEL on one HTML page.

    Training, weight field and, with records, states and cases.
    """
    from numerics import datasets
    from numerics.command import report
    from numerics.model.checkpoint import load

    console.check_out(out, [data, model], (".html",))
    with console.working("drawing"):
        records = None if data is None else datasets.read(data)
        page = report.model_page(load(model), records)
    files.write_if_changed(out, page.encode())
    click.echo(str(out))


# --- discrete networks --------------------------------------------------------------------------------------


@click.command("import")
@click.argument("network", type=click.Path(path_type=Path))
@out_option
@click.option("--order", "ordered", is_flag=True, help="Permute hidden neurons so that the weights are a smooth field.")
@click.option("--levels", type=click.Path(path_type=Path), help="A TOML file whose [levels] the model gets.")
@click.option("--name", help="The model's name (default: the file's).")
@json_option
@example("continua import network.npz --order --out model.npz")
def import_(network: Path, out: Path, ordered: bool, levels: Path | None, name: str | None, as_json: bool) -> None:
    """Write the continuum that NETWORK is: the same outputs, to rounding.

    NETWORK is an .npz with W0, b0, W1, b1, … (W: out × in), `activation`, and perhaps `kind` (mlp or residual) and
    `last` (affine, the default, or activation: whether the last layer has one). Convolutions have W of out × in × K,
    `ends` (zeros or circular) and `length`, the number of samples.
    """
    from numerics.networks import layers as networks
    from numerics.networks import ordering

    console.check_out(out, [network, levels])
    with console.working("importing"), console.about(network):
        found = networks.read(network)
        facts: dict[str, Any] = {"model": str(out), "layers": " → ".join(map(str, found.widths))}
        if ordered:
            found, gain = ordering.order(found)
            facts |= {"variation before": gain.variation[0], "variation after": gain.variation[1]}
        ladder = {} if levels is None else _levels(levels)
        stem = name or "".join(c if c.isascii() and c.isalnum() else "-" for c in network.stem)
        model = networks.from_layers(found, levels=ladder, name=stem if stem[:1].isalpha() else f"n{stem}")
    model.save(out)
    if ordered and not as_json:
        click.echo(str(gain))
    console.print_facts({**facts, "coefficients": model.size}, as_json)


def _levels(path: Path) -> Any:
    """The [levels] table of a TOML file."""
    from derive.declaration import read_toml

    found = read_toml(path)
    if "levels" not in found:
        raise SpecError(
            f"the tables {', '.join(found) or 'none'}", "a TOML file with a table [levels]", "another kind of file",
            "write [levels] as in a spec", str(path),
        )  # fmt: skip
    return found["levels"]


@click.command()
@model_argument
@out_option
@example("continua export model.npz --out network.npz")
def export(model: Path, out: Path) -> None:
    """Write the discrete network that MODEL is, as `import` reads it.

    Every Euler step of MODEL is a layer: h ← f(u), as of rate mlp with s = Δ, or h ← h + f(u), as of rate residual;
    other models are projected onto such a level first. The network takes the values of a record at the nodes of the
    state, on piecewise constants one a cell, with the channels of a node side by side. It gives what the readout gives,
    or the values of y at the nodes. Layers with one stencil for all cells are written as convolutions.
    """
    import numpy as np

    from numerics.model.checkpoint import load
    from numerics.networks import layers as networks

    console.check_out(out, [model], (".npz",))
    with console.about(model):
        network = networks.to_layers(load(model))
    stream = io.BytesIO()
    entries: dict[str, Any] = networks.arrays(network)
    np.savez(stream, **entries)
    files.write_if_changed(out, stream.getvalue())
    click.echo(f"{out}: {' → '.join(map(str, network.widths))}, {network.activation}")


ALL = (data, fit, cross_validate, refine, project, evaluate, predict, plot, import_, export)
