"""What every command shares: readable errors, tables, JSON and progress."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from derive.errors import ContinuumError, ContinuumWarning

REFUSED = 2
INTERRUPTED = 130

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
model_argument = click.argument("model", type=click.Path(path_type=Path))


class Commands(click.Group):
    """A group whose commands end in one readable block instead of a traceback, listed in the order of use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def make_context(self, *args: Any, **keys: Any) -> click.Context:
        """As click's; --help and --version write here, and Ctrl-C may come as early."""
        try:
            return super().make_context(*args, **keys)
        except BrokenPipeError:
            raise
        except OSError as error:
            click.echo(str(_unusable(error)), err=True)
            raise click.exceptions.Exit(REFUSED) from error
        except KeyboardInterrupt as interrupt:
            click.echo("interrupted; files already written are whole", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from interrupt

    def invoke(self, ctx: click.Context) -> Any:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # as schedulers stop a job: like Ctrl-C
        try:
            with _warnings_in_words():
                return super().invoke(ctx)
        except ContinuumError as error:
            click.echo(str(error), err=True)
        except BrokenPipeError:
            raise  # click ends quietly when the reader of a pipe has gone
        except OSError as error:
            click.echo(str(_unusable(error)), err=True)
        except MemoryError as error:
            click.echo(str(_too_large(error)), err=True)
        except KeyboardInterrupt as interrupt:
            click.echo(str(interrupt) or "interrupted; files already written are whole", err=True)
            ctx.exit(INTERRUPTED)
        ctx.exit(REFUSED)


@contextlib.contextmanager
def _warnings_in_words() -> Iterator[None]:
    """Warnings of this package are a line on standard error, without the place in its sources."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, ContinuumWarning):
                click.echo(str(message) if isinstance(message, ContinuumError) else f"warning: {message}", err=True)
            else:
                usual(message, category, *place, **more)

        warnings.simplefilter("default", ContinuumWarning)
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def about(path: Path | str) -> Iterator[None]:
    """Errors raised inside concern this file: they say so, unless they name it already."""
    try:
        yield
    except ContinuumError as error:
        if str(path) in error.where:
            raise
        where = f"{path}, {error.where}" if error.where else str(path)
        raise type(error)(error.given, error.allowed, error.cause, error.fix, where) from error


def is_archive(path: Path | str) -> bool:
    """Whether a path is a model rather than a spec or a spec's name: by its suffix, or by how the file begins."""
    if Path(path).suffix == ".npz" or not Path(path).is_file():
        return Path(path).suffix == ".npz"
    with open(path, "rb") as stream:
        return stream.read(4) == b"PK\3\4"


def check_out(out: Path, inputs: Sequence[Path | str | None], kinds: Sequence[str] = ()) -> None:
    """Refuse to write over what is read, or over a folder, before any work is done. Raises ContinuumError.

    kinds: the suffixes of what the command writes, where it is not a model, whose name may end in any.
    """
    if kinds and out.suffix.lower() not in ("", *kinds):
        raise ContinuumError(
            f"--out {out}", f"a name that ends in {' or '.join(kinds)}", "this command writes no other kind of file",
            f"write --out {out.with_suffix(kinds[0])}",
        )  # fmt: skip
    if any(given is not None and Path(given).exists() and out.exists() and out.samefile(given) for given in inputs):
        raise ContinuumError(
            f"--out {out}, which is also read", "another file", "a name used twice", "choose another name for --out"
        )
    if out.suffix.lower() == ".zarr" and out.exists():
        raise ContinuumError(
            f"--out {out}, which exists", "a new name", "outputs of an earlier call",
            "remove it, or choose another name",
        )  # fmt: skip
    if out.is_dir():
        raise ContinuumError(f"--out {out}, a folder", "a file", "a name left out", f"write --out {out / 'NAME'}")
    found = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    if not os.access(found, os.W_OK):
        raise ContinuumError(
            f"--out {out}, which cannot be written", "a place that can be written",
            f"missing permissions for {found}", "choose another place",
        )  # fmt: skip


def example(*lines: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Ends a command's help with an example, kept line by line."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        text = inspect.cleandoc(function.__doc__ or "")
        shown = "\n".join(f"  {line}" for line in lines)
        function.__doc__ = f"{text}\n\n\b\nExample:\n{shown}"
        return function

    return add


def print_facts(facts: dict[str, Any], as_json: bool) -> None:
    """Names and values, a line each, or one JSON document."""
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        click.echo(f"{name:18} {f'{value:.6g}' if isinstance(value, float) else value}")


def peak_memory() -> int:
    """Bytes of memory that this process has held at most so far; what it holds now where that is not known."""
    try:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    except ImportError:
        import psutil

        return int(psutil.Process().memory_info().rss)


def _unusable(error: OSError) -> ContinuumError:
    return ContinuumError(
        str(error),
        "files that can be read, and folders that can be written",
        "a path that does not exist, a full disk, or missing permissions",
        "check the path and its permissions",
    )


def _too_large(error: MemoryError) -> ContinuumError:
    return ContinuumError(
        str(error) or "more memory than there is",
        "what fits into this machine's memory",
        "bases of many functions, many stages, or many records at once",
        "make the spec or the batch smaller; `continua fit --dry-run` says what training takes",
    )


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return value.tolist()
    return str(value)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """A table on standard output; the first column is text, the others are aligned on the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    found = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for index, column in enumerate(columns):
        found.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        found.add_row(*(Text(cell) for cell in row))
    console(stderr=False).print(found)


def console(stderr: bool = True) -> Any:
    """A rich console. Lines are not cut where the output is a file or a pipe."""
    from rich.console import Console

    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=200)


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """A moving line on standard error while something of unknown length runs; silent where nobody watches."""
    if not console().is_terminal:
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console(), transient=True) as progress:
        progress.add_task(what, total=None)
        yield


def steps() -> Any:
    """A progress bar on standard error for work of known length."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console(), transient=True)


def size(count: float) -> str:
    """Bytes for people: 812 B, 14.2 KiB, 3.1 MiB."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
