"""``continua import``: the continuum that a discrete network is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from derive.errors import SpecError
from numerics.command import console
from numerics.command.console import example, json_option
from numerics.command.options import out_option


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
    from numerics.networks import ordering
    from numerics.networks.continua import from_layers
    from numerics.networks.files import read

    console.check_out(out, [network, levels])
    with console.working("importing"), console.about(network):
        found = read(network)
        facts: dict[str, Any] = {"model": str(out), "layers": " → ".join(map(str, found.widths))}
        if ordered:
            found, gain = ordering.order(found)
            facts |= {"variation before": gain.variation[0], "variation after": gain.variation[1]}
        ladder = {} if levels is None else _levels(levels)
        stem = name or "".join(c if c.isascii() and c.isalnum() else "-" for c in network.stem)
        model = from_layers(found, levels=ladder, name=stem if stem[:1].isalpha() else f"n{stem}")
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
