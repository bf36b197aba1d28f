"""The file of a declaration: its tables, unchecked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from derive.errors import SpecError
from derive.exact.expression import Written

LARGEST_FILE = 1 << 20
LARGEST_NUMBER = 10**18
# tomllib takes time that grows like the square of a dotted key's length
LONG_KEY = re.compile(r"""^[\s\[]*(?:[\w"'-]+\s*\.\s*){32}""", re.MULTILINE)

def read_toml(source: str | Path) -> dict[str, Any]:
    """The tables of a declaration's file, unchecked. Raises SpecError for what is no TOML."""
    path = Path(source)
    fix = "give the path of a TOML file; `continua new NAME` writes a commented one"
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SpecError(
                f"{path.stat().st_size} bytes",
                f"a declaration of at most {LARGEST_FILE} bytes",
                "another file was named",
                fix,
                str(path),
            )
        text = path.read_text(encoding="utf-8-sig")  # some editors write a mark before the first line
        if LONG_KEY.search(text):
            raise SpecError(
                "a key of more than 32 parts", "[table.key], a few parts", "a generated file", fix, str(path)
            )
        found = tomllib.loads(text, parse_float=Written)
        _check_numbers(found, str(path))
        return found
    except OSError as error:
        raise SpecError(
            f"{path} ({error.strerror})", "a readable TOML file", "a typing error in the path", fix, str(path)
        ) from None
    except UnicodeDecodeError as error:
        raise SpecError(
            f"byte {error.start} of the file, {error.object[error.start]:#04x}", "text in UTF-8",
            "a file saved in another encoding, such as UTF-16", "save it as UTF-8", str(path),
        ) from None  # fmt: skip
    except (ValueError, RecursionError) as error:  # broken TOML, or a number that Python will not read
        raise SpecError(
            f"{error}" or type(error).__name__,
            "TOML: tables in [brackets], one key = value a line, each key once",
            "a missing quote or bracket, or a key given twice",
            "correct that line",
            str(path),
        ) from None


def _check_numbers(value: Any, where: str) -> None:
    """Refuse whole numbers that nothing can mean, and that Python would not even print."""
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            _check_numbers(part, where)
    elif isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise SpecError(
            f"a whole number of {value.bit_length()} bits", f"whole numbers up to {LARGEST_NUMBER:g}",
            "a generated file, or an extra digit", "write the number that is meant", where,
        )  # fmt: skip
