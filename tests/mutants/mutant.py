"""What a mutant is: one changed file of a copy of the tree, and the checks that are run against it, in order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One command that must fail. kind: "tests" (pytest), "bytes" (generated code up to date) or "verify".

    arguments: pytest's arguments, or specs.  compiled: with Numba; else kernels run as plain Python, which takes less
    time than compiling them where a change of ``derive`` makes every cached kernel stale.
    """

    kind: str
    arguments: tuple[str, ...]
    compiled: bool = True

    @property
    def key(self) -> str:
        """The same for equal checks."""
        return " ".join((self.kind, *self.arguments, "" if self.compiled else "plain")).strip()


@dataclass(frozen=True)
class Mutant:
    """One fault.

    part: "sampled" or "listed".  name: its identity, which survives changes elsewhere in the file.
    before, after: the changed line, stripped.  text: the whole file with the fault.
    every: whether all checks are run even after one has failed, to know which of them see the fault.
    """

    part: str
    name: str
    path: str
    line: int
    before: str
    after: str
    text: str
    checks: tuple[Check, ...]
    every: bool = False


def first_difference(old: str, new: str) -> tuple[int, str, str]:
    """Line number (from 1), line before and line after, stripped, of the first line that differs."""
    before, after = old.splitlines(), new.splitlines()
    pairs = enumerate(zip(before, after), 1)
    number, (left, right) = next((n, lines) for n, lines in pairs if lines[0] != lines[1])
    return number, left.strip(), right.strip() if len(before) == len(after) else "(left out)"
