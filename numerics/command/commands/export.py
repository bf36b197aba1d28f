"""``continua export``: the discrete network that a model is, or its ONNX graph."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import click

from derive.errors import ContinuumError
from numerics import files
from numerics.command import console
from numerics.command.console import example, model_argument
from numerics.command.models import points_in
from numerics.command.options import out_option

FORMATS = (".npz", ".onnx")


@click.command()
@model_argument
@out_option
@click.option("--samples", type=click.IntRange(1), help="ONNX: how many samples a record has, at the default points.")
@click.option("--xi", type=click.Path(path_type=Path), help="ONNX: an .npy with the points of the records' samples.")
@click.option("--at", type=click.Path(path_type=Path), help="ONNX: an .npy with the points to give functions at.")
@click.option(
    "--precision", type=click.Choice(["float32", "float64"]), help="ONNX: of the graph (default: the model's own)."
)
@example(
    "continua export model.npz --out network.npz", "continua export model.npz --out model.onnx --samples 150"
)
def export(
    model: Path, out: Path, samples: int | None, xi: Path | None, at: Path | None, precision: str | None
) -> None:
    """Write MODEL as a discrete network (.npz), or as an ONNX graph (.onnx).

    As .npz it is what `import` reads. Every Euler step of MODEL is a layer: h ← f(u), as of rate mlp with s = Δ, or
    h ← h + f(u), as of rate residual; other models are projected onto such a level first. The network takes the values
    of a record at the nodes of the state, on piecewise constants one a cell, with the channels of a node side by side.
    It gives what the readout gives, or the values of y at the nodes. Layers with one stencil for all cells are written
    as convolutions.

    As .onnx it takes records (records, points, channels) sampled at points that are fixed now, any number of them, and
    does all that MODEL does, whatever its bases and explicit steps. The graph (opset 17) is compared with MODEL by
    onnxruntime before it is written.
    """
    console.check_out(out, [model, xi, at], FORMATS)
    given = {"--samples": samples, "--xi": xi, "--at": at, "--precision": precision}
    if out.suffix.lower() == ".onnx":
        _write_graph(model, out, samples, xi, at, precision)
        return
    unused = [name for name, value in given.items() if value is not None]
    if unused:
        raise ContinuumError(
            f"{unused[0]} for a discrete network", "--out with a name that ends in .onnx",
            "an option of ONNX graphs, or another suffix", f"write --out {out.with_suffix('.onnx')}, or leave it out",
        )  # fmt: skip
    _write_network(model, out)


def _write_network(model: Path, out: Path) -> None:
    import numpy as np

    from numerics.model.checkpoint import load
    from numerics.networks.continua import to_layers
    from numerics.networks.files import arrays

    with console.about(model):
        network = to_layers(load(model))
    stream = io.BytesIO()
    entries: dict[str, Any] = arrays(network)
    np.savez(stream, **entries)
    files.write_if_changed(out, stream.getvalue())
    click.echo(f"{out}: {' → '.join(map(str, network.widths))}, {network.activation}")


def _write_graph(
    path: Path, out: Path, samples: int | None, xi: Path | None, at: Path | None, precision: str | None
) -> None:
    from numerics.estimators.onnx_file import check, to_onnx
    from numerics.model.checkpoint import load

    with console.about(path):
        model = load(path)
        grid: Any = samples if xi is None else points_in(xi)
        if grid is None and model.spec.interpolant == "constant":  # a network's inputs, one a cell
            grid = tuple(basis.size for basis in model.spec.entry.axes or (model.spec.entry,))
        if grid is None or (samples is not None and xi is not None):
            raise ContinuumError(
                "both --samples and --xi" if grid is not None else "neither --samples nor --xi", "one of them",
                "the points of the records are fixed in the graph", "write --samples 150, or --xi points.npy",
            )  # fmt: skip
        with console.working("writing the graph"):
            made = to_onnx(model, grid, None if at is None else points_in(at), precision)
            found = check(model, made)
    files.write_if_changed(out, made.SerializeToString())
    click.echo(
        f"{out}: {len(made.graph.node):,} operations, opset {made.opset_import[0].version}; "
        f"onnxruntime differs by {found.difference:.1e} of the largest output, over {found.records} random records"
    )
