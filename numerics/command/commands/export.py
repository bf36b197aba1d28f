"""``continua export``: the discrete network that a model is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import click

from numerics import files
from numerics.command import console
from numerics.command.console import example, model_argument
from numerics.command.options import out_option


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
    from numerics.networks.continua import to_layers
    from numerics.networks.files import arrays

    console.check_out(out, [model], (".npz",))
    with console.about(model):
        network = to_layers(load(model))
    stream = io.BytesIO()
    entries: dict[str, Any] = arrays(network)
    np.savez(stream, **entries)
    files.write_if_changed(out, stream.getvalue())
    click.echo(f"{out}: {' → '.join(map(str, network.widths))}, {network.activation}")
