"""What the product still violates: inputs of pytest's samples, and why they fail. An entry that holds must go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EXPRESSIONS: dict[str | int, str] = {}
SPECS: dict[str | int, str] = {}
DATA: dict[str | int, str] = {}
MODELS: dict[str | int, str] = {}
KILLS: dict[int, str] = {}
MACHINE: dict[str | int, str] = {}

# They take seconds: the samples leave them out.
LEFT_OUT = ("u + (((9**64)**64)**64)**-64", "sqrt(((7**64)**64)**64 + 1)", "abs(exp(exp(exp(99))) - u)",
            "min(exp(exp(10**12)), exp(exp(10**12 - 1)))", "a dotted table", "900 long functions", "30,000 levels",
            "30 levels of 100,000 steps",
            "steps of 100,000", "zeros as x, twice as many", "zeros as offsets", "zeros as y",
            "zeros as xi", "zeros by bzip2", "zeros behind x",
            "nothing as classes", "100,000 points", "20,000 records", "log(" * 49 + "2" + ")" * 49, 972)  # fmt: skip


def sample(literals: Sequence[str], more: int) -> tuple[int, ...]:
    """The numbers of all literal cases and of the first random ones, less those that are left out."""
    every = [*literals, *range(len(literals), len(literals) + more)]
    return tuple(number for number, key in enumerate(every) if key not in LEFT_OUT)


def numbered(known: Mapping[str | int, str], literals: Sequence[str]) -> dict[int, str]:
    """Reasons by number; literal cases are named, random ones numbered."""
    return {literals.index(key) if isinstance(key, str) else key: reason for key, reason in known.items()}
