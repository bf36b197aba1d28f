"""``continua bench``: a spec's kernels beside the same network in the libraries that are installed."""

from __future__ import annotations

import click

from numerics.command import console
from numerics.command.console import example, json_option
from numerics.command.generation import derivation

WORDS = {"forward": "forward", "gradient": "forward and gradient", "predict": "samples to outputs"}


@click.command()
@click.argument("spec", metavar="SPEC")
@click.option("--records", type=click.IntRange(1), default=1024, show_default=True, help="Records at once.")
@click.option("--all", "everybody", is_flag=True, help="Also torch.compile, which compiles for minutes.")
@json_option
@example("continua bench specs/gunpoint.toml", "continua bench specs/digits.toml --records 4096 --json")
def bench(spec: str, records: int, everybody: bool, as_json: bool) -> None:
    """Time a SPEC's kernels beside NumPy, PyTorch, JAX, diffrax and torchdiffeq.

    The same network with the same weights, its outputs and gradients compared before anything is timed; equal precision
    and threads (CONTINUA_THREADS); medians of rounds in which everybody has a turn: a pause, a call that is not timed,
    and three that are. Libraries that are not installed are left out.
    """
    from derive.declaration import load_spec

    derivation("derive.derived")
    from numerics.bench import compare, machine
    from numerics.bench.rivals import RIVALS
    from numerics.estimators.network import NotComparable

    declared = load_spec(spec)
    chosen = [rival for rival in RIVALS if everybody or not rival.slow_start]
    with console.about(spec):
        attained = machine.attained()
        try:
            rows = compare.compare(declared, records, chosen)
        except NotComparable as reason:
            rows = compare.alone(declared, records, str(reason))
    if as_json:
        found = {"machine": machine.name(), "attained": vars(attained), "rows": [vars(row) for row in rows]}
        console.print_json(found)
        return
    peak = attained.products[declared.precision]
    click.echo(f"{machine.name()}; {declared.precision} products attain {peak / 1e9:.0f} GFlop/s")
    table, head = [], ("work", "with", "milliseconds", "others / ours")
    for row in rows:
        ours = row.seconds["kernels"]
        for name, seconds in row.seconds.items():
            text = f"{row.operations / ours / peak:.0%} of attainable" if name == "kernels" and row.operations else ""
            table.append((WORDS[row.kind], name, f"{1e3 * seconds:.3f}", text or f"{seconds / ours:.2f}"))
        table += [(WORDS[row.kind], name, "–", reason) for name, reason in row.left_out.items()]
    console.print_table(head, table)
