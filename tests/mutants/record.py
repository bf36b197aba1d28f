"""The record of a run: totals, what found the faults in generated code, and every survivor with its explanation."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.mutants.mutant import Mutant

EXPLANATIONS = Path(__file__).with_name("explanations.toml")
WIDTH = 118


def write(
    out: Path, mutants: Sequence[Mutant], rows: dict[str, dict[str, Any]], commit: str, newer: Sequence[str] = ()
) -> None:
    """The record of the mutants that are done, as plain text. newer: tests of a later commit than the tree's."""
    out.write_text("\n".join(_lines(mutants, rows, commit, newer)) + "\n", encoding="utf-8")


def _lines(mutants: Sequence[Mutant], rows: dict[str, dict[str, Any]], commit: str, newer: Sequence[str]) -> list[str]:
    found = [
        "Faults planted in the sources and in the checked-in kernels, one at a time, and which test finds each.",
        f"python -m tests.mutants   (tree {commit[:12]})",
        *([f"with tests written since: {', '.join(newer)}"] if newer else []),
        "",
        f"{'part':<28}{'mutants':>9}{'done':>7}{'caught':>8}{'caught %':>10}{'minutes':>9}",
    ]
    parts = {
        "sampled over the sources": [m for m in mutants if m.part == "sampled"],
        "listed, in derive": [m for m in mutants if m.part == "listed" and m.path.startswith("derive")],
        "listed, in numerics": [m for m in mutants if m.part == "listed" and m.path.startswith("numerics")],
        "listed, in generated code": [m for m in mutants if m.path.startswith("generated")],
    }
    for name, group in parts.items():
        found += _total(name, group, rows) if group else []
    found += _total("all", mutants, rows)
    found += _without_equivalents(parts["sampled over the sources"], rows)
    found += ["", "What found them:", *_finders(mutants, rows)]
    survivors = [m for m in mutants if rows.get(m.name, {}).get("outcome") == "survived"]
    found += ["", f"Survivors: {len(survivors) or 'none'}", *_survivors(survivors)]
    found += _generated([m for m in parts["listed, in generated code"] if m.name in rows], rows)
    found += ["", "Listed faults in the sources, and the first check that failed:"]
    found += [_listed(m, rows) for m in mutants if m.part == "listed" and not m.every]
    found += ["", "Sampled mutations, and the first check that failed:"]
    found += [_sampled(m, rows) for m in mutants if m.part == "sampled"]
    return found


def _total(name: str, group: Sequence[Mutant], rows: dict[str, dict[str, Any]]) -> list[str]:
    done = [rows[m.name] for m in group if m.name in rows]
    caught = sum(row["outcome"] == "caught" for row in done)
    share = f"{100 * caught / len(done):.1f}" if done else "–"
    minutes = sum(row["seconds"] for row in done) / 60
    return [f"{name:<28}{len(group):>9}{len(done):>7}{caught:>8}{share:>10}{minutes:>9.1f}"]


def equivalent(group: Sequence[Mutant]) -> set[str]:
    """The names of those that are explained to be the same program."""
    why = explanations()
    return {m.name for m in group if why.get(m.name, "").startswith("equivalent")}


def _without_equivalents(group: Sequence[Mutant], rows: dict[str, dict[str, Any]]) -> list[str]:
    same = equivalent(group)
    others = [rows[m.name] for m in group if m.name in rows and m.name not in same]
    if not same or not others:
        return []
    caught = sum(row["outcome"] == "caught" for row in others)
    share = f"{caught} of {len(others)}, {100 * caught / len(others):.1f} %"
    return ["", f"{len(same)} of the sampled ones are equivalent; of the others {share}, are caught."]


def _finders(mutants: Sequence[Mutant], rows: dict[str, dict[str, Any]]) -> list[str]:
    counts: Counter[str] = Counter()
    for mutant in mutants:
        row = rows.get(mutant.name)
        if row and row["outcome"] == "caught" and not mutant.every:
            by = row["by"].partition("::")[0]
            counts[
                by if by.startswith("tests/") else by if by.startswith("generate") else "a test that did not end"
            ] += 1
    return [f"  {count:>4}  {name}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _survivors(survivors: Sequence[Mutant]) -> list[str]:
    why = explanations()
    found = []
    for m in survivors:
        found += [
            f"  {m.path}:{m.line}" + (f"  ({m.name})" if m.part == "listed" else ""),
            f"    - {m.before}", f"    + {m.after}", f"    {why.get(m.name, 'not explained yet')}",
        ]  # fmt: skip
    return found


def _generated(group: Sequence[Mutant], rows: dict[str, dict[str, Any]]) -> list[str]:
    if not group:
        return []
    numerical = sum(bool({"verify", "tests"} & rows[m.name]["all"].keys()) for m in group)
    same = sum("bytes" in rows[m.name]["all"] for m in group)
    found = [
        "",
        f"Generated code: of {len(group)} faults `continua generate --check` finds {same}, a numerical property of",
        f"`continua verify SPEC` (or a test) finds {numerical}:",
    ]
    for m in group:
        seen = rows[m.name]["all"]
        found += [f"  {m.path}:{m.line}  {m.name.partition(': ')[2]}", f"    - {m.before}", f"    + {m.after}"]
        named = "; ".join(seen[kind] for kind in ("verify", "tests") if kind in seen)
        found += [f"    {'bytes differ' if 'bytes' in seen else 'the same bytes'}; {named or 'no property'}"]
    return found


def _listed(m: Mutant, rows: dict[str, dict[str, Any]]) -> str:
    return _cut(f"  {m.path}:{m.line}  {m.name}", _by(m, rows))


def _sampled(m: Mutant, rows: dict[str, dict[str, Any]]) -> str:
    return _cut(f"  {m.path}:{m.line}  {m.before} → {m.after}", _by(m, rows))


def _by(m: Mutant, rows: dict[str, dict[str, Any]]) -> str:
    row = rows.get(m.name)
    return "not run" if row is None else row["by"] or "SURVIVED"


def _cut(text: str, by: str) -> str:
    short = text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
    return f"{short}\n      {by}"


def explanations() -> dict[str, str]:
    """mutant → why it survives."""
    stored = tomllib.loads(EXPLANATIONS.read_text(encoding="utf-8"))
    return {entry["mutant"]: entry["why"] for entry in stored.get("survivor", [])}
