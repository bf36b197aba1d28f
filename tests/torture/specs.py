"""Two thousand declarations for ``continua check``.

What must hold for every one: exit status 0 or 2; on 2 one readable block (what was given, what is allowed, the likely
cause, the fix) and nothing else; under 2 seconds; never a traceback, never a file written.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import resource
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.torture import known
from tests.torture.harness import PATIENCE, ROOT, Check, Outcome, Section, complaint, generator, shortened, watch

COUNT = 2_000
LIMIT = 2.0  # seconds
LONGEST = 4_000  # characters of a readable block
FILE = "spec.toml"
PROGRAM = "from numerics.command.main import main; main(prog_name='continua')"

SPECS = {
    name: (ROOT / "specs" / f"{name}.toml").read_text(encoding="utf-8")
    for name in ("custom", "digits", "gunpoint", "mlp", "vowels")
}
GUNPOINT = SPECS["gunpoint"]

# --- files that somebody thought of -------------------------------------------------------------------------


def line(key: str, text: str, spec: str = GUNPOINT) -> bytes:
    """A spec in which the first line that sets a key is another text."""
    changed, count = re.subn(rf"(?m)^{key} *=.*$", lambda _: text, spec, count=1)
    if not count:
        raise ValueError(f"no line sets {key}")
    return changed.encode("utf-8", "surrogateescape")


def below(table: str, text: str) -> bytes:
    """A spec with a text below a table's head."""
    if f"[{table}]" not in GUNPOINT:
        raise ValueError(f"no table {table}")
    return re.sub(rf"(?m)^\[{table}\].*$", lambda found: f"{found[0]}\n{text}", GUNPOINT, count=1).encode()


def levels(text: str) -> bytes:
    """A spec with other levels."""
    return (GUNPOINT.split("[levels]")[0] + text).encode()


def tableau(a: str, b: str, c: str, order: str) -> bytes:
    return line("tableau", f"tableau = {{ a = {a}, b = {b}, c = {c}, order = {order} }}")


def two_depths(first: int, second: int) -> bytes:
    """A spec whose weight and bias have so many equal cells in depth, written as breakpoints."""
    texts = iter(", ".join(f'"{k}/{n}"' for k in range(1, n)) for n in (first, second))
    pattern = r"(?m)^depth +=.*$"
    return re.sub(
        pattern, lambda _: f'depth = {{ family = "p0", breakpoints = ["0", {next(texts)}, "1"] }}', GUNPOINT
    ).encode()


WIDE = '{ family = "legendre", size = 4 }'
NINES = "9" * 5000

# Run as processes of their own, so that interpreter and console take part.
REAL: dict[str, bytes] = {
    "a rate that warns": line("rate", 'rate = "1if u else h"'),
    "as it is": GUNPOINT.encode(),
    "empty": b"",
    "binary": bytes(range(256)) * 40,
    "cut in the middle": GUNPOINT.encode()[: len(GUNPOINT) // 2],
    "10 MB of comments": b"# comment\n" * 1_000_000,
    "nested arrays": b"a = " + b"[" * 100_000,
    "a number of 5000 digits": line("steps", f"steps = {NINES}"),
    "a key with an escape sequence": GUNPOINT.encode() + b'"\\u001b[31mred" = 1\n',
}

FILES: dict[str, bytes] = {
    # other kinds of files
    "one nul": b"\0", "spaces": b"   \n\n\t", "a line": b"hello", "JSON": b'{"name": "x"}',
    "YAML": b"name: x\nequation:\n  a: 1\n",
    "ini": b"[name]\nx = y\n", "gzip": b"\x1f\x8b\x08\0" + bytes(100), "zip": b"PK\x03\x04" + bytes(100),
    "npy": b"\x93NUMPY\x01\0", "UTF-16": GUNPOINT.encode("utf-16"), "UTF-32": GUNPOINT.encode("utf-32"),
    "latin-1": GUNPOINT.encode("latin-1", "replace"), "a mark of order": b"\xef\xbb\xbf" + GUNPOINT.encode(),
    "a lone byte": GUNPOINT.encode() + b"\xff", "a lone surrogate": GUNPOINT.encode() + b"\xed\xa0\x80",
    "a nul at the end": GUNPOINT.encode() + b"\0", "nul bytes": GUNPOINT.encode().replace(b" ", b"\0"),
    "carriage returns": GUNPOINT.replace("\n", "\r").encode(),
    "both line ends": GUNPOINT.replace("\n", "\r\n").encode(),
    "just over a mebibyte": GUNPOINT.encode() + b"# comment\n" * 110_000, "10 MB of nul": bytes(10_000_000),
    "10 MB in a line": b'name = "' + b"x" * 10_000_000 + b'"\n', "a mebibyte of tables": b"[a]\n[b]\n" * 120_000,
    # nesting
    "closed arrays": b"a = " + b"[" * 400_000 + b"]" * 400_000, "a few arrays": b"a = " + b"[" * 300 + b"]" * 300,
    "inline tables": b"a = " + b"{a=" * 100_000, "closed inline tables": b"a = " + b"{a=" * 200 + b"1" + b"}" * 200,
    "a dotted key": ".".join(["a"] * 300_000).encode() + b" = 1\n", "a dotted table": b"[" + b"a." * 300_000 + b"a]\n",
    "a dotted table of 900": b"[" + b"a." * 900 + b"a]\nb = 1\n", "tables of arrays": b"[[a]]\n" * 150_000,
    "a dotted key in a table": below("equation", ".".join(["a"] * 5000) + " = 1"),
    "a basis of bases": line("width_out",
        "width_out = " + '{ family = "combination", rows = [["1"]], of = ' * 300 + WIDE
                             + " }" * 300),
    "a basis of a basis": line("width_out", "width_out = " + '{ family = "combination", rows = [["1"]], of = ' * 20
                               + WIDE.replace("4", "1") + " }" * 20),
    "a level of levels": levels("[levels.a.levels.b.levels.c]\nsteps = 1\n"),
    # numbers
    "a negative number of 5000 digits": line("steps", f"steps = -{NINES}"),
    "5000 digits in quotes": line("spacing", f'spacing = "{NINES}"'),
    "a hexadecimal number of 9000 digits": line("steps", "steps = 0x" + "f" * 9000),
    "a hexadecimal spacing": line("spacing", "spacing = 0x" + "f" * 9000),
    "a hexadecimal name": line("name", "name = 0x" + "f" * 9000),
    "a hexadecimal list": line("basis", "basis = [[0x" + "f" * 9000 + "]]"),
    "a float of 5000 digits": line("spacing", f"spacing = 0.{NINES}"),
    "an infinite spacing": line("spacing", "spacing = inf"), "no spacing": line("spacing", "spacing = nan"),
    "a huge exponent": line("learning_rate", "learning_rate = 1e999999"),
    "a spacing by zero": line("spacing", 'spacing = "1/0"'),
    "a tiny spacing": line("spacing", 'spacing = "1/999999999999"'),
    "a huge spacing": line("spacing", 'spacing = "999999999999"'),
    "a spacing of long digits": line("spacing", 'spacing = "' + "1" * 39 + "/" + "9" * 40 + '"'),
    "a spacing of zero": line("spacing", "spacing = 0"),
    "a day": line("spacing", "spacing = 1979-05-27"), "no day": line("spacing", "spacing = 1979-13-45"),
    "a time": line("name", "name = 07:32:00"), "steps that are true": line("steps", "steps = true"),
    # sizes
    "a size of 2048": line("basis", 'basis = { family = "legendre", size = 2048 }'),
    "a size of a million": line("basis", 'basis = { family = "legendre", size = 1000000 }'),
    "cells of 2048": below("input", "").replace(b'{ family = "p0", cells = 2 }', b'{ family = "p0", cells = 2048 }'),
    "steps of 100,000": line("steps", "steps = 100000"),
    "channels of 4096": below("equation", "").replace(b"channels = 1", b"channels = 4096"),
    "outputs of 100,000": line("outputs", "outputs = 100000"),
    "epochs of a billion": line("epochs", "epochs = 1000000000"),
    "quadrature of a billion": below("state", "quadrature = 1000000000"),
    "everything at its largest": re.sub(r"size *= \d+", "size = 2048", re.sub(r"cells *= \d+", "cells = 2048",
        GUNPOINT)).encode(),
    "2049 breakpoints": line("width_out", 'width_out = { family = "p0", breakpoints = ['
                             + ", ".join(f'"{k - 1024}/1024"' for k in range(2049)) + "] }"),
    "breakpoints of long fractions": line("depth", 'depth     = { family = "p0", breakpoints = ["0", '
                                          + ", ".join(f'"{k}/{10**38 + 7 * k}"' for k in range(1, 900)) + ', "1"] }'),
    "two sets of 2000 breakpoints": two_depths(1999, 1998),
    "900 long functions": line("width_out", 'width_out = { family = "custom", functions = ['
                               + ", ".join(f'"{"tanh(xi)*" * 110}{k}"' for k in range(900)) + "] }"),
    "1000 slabs": line("basis", f"basis = [{', '.join([WIDE] * 1001)}]"),
    "1001 slabs": line("basis", f"basis = [{', '.join([WIDE] * 1002)}]"),
    "no slabs": line("basis", "basis = []"), "one slab": line("basis", f"basis = [{WIDE}]"),
    "30,000 levels": levels("[levels]\n" + "".join(f"l{k} = {{}}\n" for k in range(30_000))),
    "300 levels": levels("[levels]\n" + "".join(f"l{k} = {{}}\n" for k in range(300))),
    "30 levels of 100,000 steps":
        levels("[levels]\n" + "".join(f"l{k} = {{ integration = {{ steps = {100_000 - 4 * k} }} }}\n"
                                                              for k in range(30))),
    "40,000 parameters": below("equation",
        "parameters = { " + ", ".join(f'p{k} = "1/3"' for k in range(40_000)) + " }"),
    "40,000 keys": GUNPOINT.encode() + "".join(f"key{k} = 1\n" for k in range(40_000)).encode(),
    "a key of a mebibyte": ("k" * 1_000_000 + " = 1\n").encode() + GUNPOINT[:40].encode(),
    "a key of 300,000 letters": ("e" * 300_000 + " = 1\n").encode() + GUNPOINT.encode(),
    "a family of 300,000 letters": line("basis", 'basis = { family = "' + "legendre" * 37_500 + '" }'),
    "a rate of 300,000 letters": line("rate", 'rate = "' + "residual" * 37_500 + '"'),
    "a name of 300,000 letters": line("name", 'name = "' + "n" * 300_000 + '"'),
    "a summary of 300,000 letters": line("summary", 'summary = "' + "n" * 300_000 + '"'),
    # tableaux
    "a tableau of order a billion": tableau('[["1/2"]]', '["0", "1"]', '["0", "1/2"]', "1000000000"),
    "a tableau of order 30": tableau('[["1/2"]]', '["0", "1"]', '["0", "1/2"]', "30"),
    "an empty tableau": tableau("[]", "[]", "[]", "1"), "a tableau of numbers": tableau("1", "2", "3", "4"),
    "a tableau of text": tableau('"ab"', '"cd"', '"ef"', "1"),
    "a tableau of tables": tableau("[{}]", "[{}]", "[{}]", "1"),
    "a tableau of 32 stages": tableau("[" + ", ".join("[" + ", ".join(['"1/7"'] * k) + "]" for k in range(1, 32)) + "]",
                                      "[" + ", ".join(['"1/32"'] * 32) + "]", "[" + ", ".join(['"1/2"'] * 32) + "]",
                                          "5"),
    "a tableau of 5000 stages": tableau("[" + ", ".join(["[]"] * 5000) + "]", "[" + ", ".join(['"1"'] * 5000) + "]",
                                        "[" + ", ".join(['"1"'] * 5000) + "]", "1"),
    "a tableau within itself": tableau('[["1", "1"], ["1", "1"]]', '["1/2", "1/2"]', '["0", "1"]', "2"),
    "mlp that is not stable": SPECS["mlp"].replace('spacing = "1/2"', 'spacing = "1/999999999999"').encode(),
    # keys and texts
    "a key twice": below("equation", 'rate = "mlp"'), "a table twice": GUNPOINT.encode() + b"\n[equation]\n",
    "a name as a table": line("name", "") + b"\n[name]\n",
    "tables as numbers": b"name = 'x'\nequation = 1\nstate = 2\nweight = 3\n",
    "only a name": b'name = "x"\n', "an empty name": line("name", 'name = ""'),
    "a path": line("name", 'name = "../../canary"'),
    "a name of dots": line("name", 'name = ".."'), "a name of another language": line("name", 'name = "名前"'),
    "a name of two lines": line("name", 'name = "a\\nb"'), "an empty key": GUNPOINT.encode() + b'"" = 1\n',
    "a key with a line": GUNPOINT.encode() + b'"a\\nb  given    nothing" = 1\n',
    "a key of spaces": GUNPOINT.encode() + b'"   " = 1\n',
    "a level called base": levels("[levels]\nbase = {}\n"), "a level with a line": levels('[levels]\n"a\\nb" = {}\n'),
    "a level with an escape": levels('[levels]\n"\\u001b[2J" = {}\n'),
    "a level up": levels('[levels]\n"../canary" = {}\n'),
    "a level of text": levels('[levels]\na = "b"\n'),
    "levels of text": (GUNPOINT.split("[levels]")[0]).encode() + b"\n[x]\n",
    "a level with another name": levels('[levels]\na = { name = "b" }\n'), "a level with a tableau": levels(
        '[levels]\na = { integration = { tableau = { a = [], b = ["1"], c = ["0"], order = 1 } } }\n'),
    "a family with a line": line("basis", 'basis = { family = "a\\nb" }'),
    "a family with an escape": line("basis", 'basis = { family = "\\u001b[31m" }'),
    "a direction changed": line("summary", 'summary = "\\u202egnp.exe"'),
    "an escape in the summary": line("summary", 'summary = "\\u001b]0;x\\u0007"'),
    "a rate with a line": line("rate", 'rate = "u\\nh"'), "a rate with an escape": line("rate", 'rate = "\\u001b[2J"'),
     "a rate with a nul": line("rate", 'rate = "u\\u0000"'),
    "a rate that is run": line("rate", "rate = \"__import__('os').system('touch canary')\""),
    "a rate of tables": line("rate", "rate = {}"),
    "a parameter called f": below("equation", 'parameters = { f = "1" }'),
    "a parameter of tables": below("equation", "parameters = { a = {} }"),
    "a parameter with a line": below("equation", 'parameters = { "a\\nb" = "1" }'),
    "parameters in a list": below("equation", "parameters = [1]"),
    "functions as text": line("width_out", 'width_out = { family = "custom", functions = "xi" }'),
    "functions as numbers": line("width_out", 'width_out = { family = "custom", functions = [1, 2] }'),
    "functions of tables": line("width_out", 'width_out = { family = "custom", functions = [{}, []] }'),
    "no functions": line("width_out", 'width_out = { family = "custom", functions = [] }'),
    "rows as text": line("width_out", f'width_out = {{ family = "combination", rows = "1", of = {WIDE} }}'),
    "rows of different lengths": line("width_out",
        f'width_out = {{ family = "combination", rows = [["1"], []], of = {WIDE} }}'),
    "2000 rows": line("width_out",
        f'width_out = {{ family = "combination", rows = {json.dumps([["1"] * 4] * 2000)}, of = {WIDE} }}'),
    "of as text": line("width_out", 'width_out = { family = "combination", rows = [["1"]], of = "legendre" }'),
    "breakpoints as text": line("width_out", 'width_out = { family = "p0", breakpoints = "01" }'),
    "breakpoints of tables": line("width_out", 'width_out = { family = "p0", breakpoints = [{}, {}] }'),
    "breakpoints that go back": line("width_out", 'width_out = { family = "p0", breakpoints = ["-1", "1", "0", "1"] }'),
    "a penalty of text": line("penalty", 'penalty = "W"'),
    "a penalty on nothing": line("penalty", 'penalty = { X = "1" }'),
    "a penalty in a norm": line("penalty", 'penalty = { W = { L7 = "1" } }'),
    "a loss of tables": line("kind", "kind = {}"),
    "a loss of u": line("kind", 'kind = "u"'), "a precision": b'precision = "float16"\n' + GUNPOINT.encode(),
    "an interpolant": line("interpolant", "interpolant = []"), "a seed": line("epochs", "epochs = 1\nseed = -1"),
}  # fmt: skip

# --- paths instead of contents ------------------------------------------------------------------------------

PATHS: dict[str, str] = {
    "nothing there": "nothing.toml",
    "a folder": ".",
    "a folder that is not there": "no/where.toml",
    "below a file": f"{FILE}/below.toml",
    "a long name": "long" * 100 + ".toml",
    "a long path": "long/" * 2000 + "x.toml",
    "no name": "",
    "a name with a line": "a\nb.toml",
    "a name with an escape": "\x1b[31mred.toml",
    "a name that is no UTF-8": "caf\udce9.toml",
    "a name like an option": "-x.toml",
    "a device": "/dev/null",
}

# --- random changes -----------------------------------------------------------------------------------------


class Raw(str):
    """A value as TOML text."""


VALUES = [Raw(text) for text in (
    "0", "-1", "1", "2", "3", "7", "64", "65", "2047", "2048", "2049", "4097", "100000", "100001", "1000000000",
    "9223372036854775808", "1" + "0" * 40, "-0", "0x7f", "0.5", "-0.0", "1e308", "1e-308", "inf", "-inf", "nan",
        "true", "false",
    '""', '" "', '"1/2"', '"-1/2"', '"1/0"', '"0.1"', '"1e3"', '"0x1"', '"½"', '"nan"', '"1/3/5"', "'\\'",
        '"u"', '"u + h"',
    '"max(sqrt(-1), u)"', '"__import__(1)"', '"tanh(u) - 1/2*h"', '"f(u)"', '"xi"', '"legendre"', '"p0"', '"hat"',
    '"fourier"',
    '"bspline"', '"custom"', '"chebyshev"', '"lagrange"', '"hierarchical"', '"multiwavelet"', '"combination"',
    '"discontinuous"',
    '"residual"', '"mlp"', '"literal"', '"relu"', '"gelu"', '"euler"', '"rk4"', '"dopri5"', '"l2"', '"h1"', '"huber"',
    '"cross-entropy"', '"kullback-leibler"', '"lbfgs"', '"least-squares"', '"constant"', '"float32"',
    '"Legendre"', '"é"',
    '"\\u0000"', '"\\u001b[31m"', '"\\n"', '"\\u202e"', '"' + "x" * 3000 + '"', "[]", "[[]]", "[1]",
        '["-1", "1"]', '["-1", "0", "1"]',
    '["0", "1/2", "1"]', '["0", "1"]', '["1", "xi"]', "[{}]", "{}", "{ a = 1 }", '{ family = "legendre", size = 3 }',
    '{ family = "p0", cells = 3 }', '{ family = "p0", cells = 2048 }',
    '{ family = "custom", functions = ["1", "xi"] }',
    '{ family = "fourier", size = 5 }', '{ family = "hat", cells = 1 }',
    '[{ family = "p0", cells = 2 }, { family = "p0", cells = 3 }]',
    "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "[" * 40 + "]" * 40,
)]  # fmt: skip

KEYS = ("size", "cells", "degree", "breakpoints", "functions", "of", "rows", "family", "rate", "steps", "levels",
    "name", "W", "b",
        "R", "L2", "H1", "x", "Size", "größe", '"a b"', '""', '"\\u001b"', '"a\\nb"', "a.b", "k" * 500)  # fmt: skip


def toml(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {toml(v)}" for key, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)


def _key(key: str) -> str:
    return key if isinstance(key, Raw) or re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (table or list, key or index) in a declaration."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = []
    for key, value in items:
        found += [(tree, key), *places(value)]
    return found


def change(random_: random.Random, tree: dict[str, Any]) -> None:
    """One change somewhere in a declaration."""
    container, key = random_.choice(places(tree))
    value = container[key]
    kind = random_.randrange(9)
    if kind == 0 and isinstance(container, dict):
        del container[key]
    elif kind == 1 and isinstance(container, dict):
        container[Raw(random_.choice(KEYS))] = container.pop(key)
    elif kind == 2 and isinstance(value, dict):
        value[Raw(random_.choice(KEYS))] = random_.choice(VALUES)
    elif kind == 3:
        container[key] = [value] * random_.choice((1, 2, 3, 50))
    elif kind == 4 and isinstance(container, dict):
        container[key] = {str(key): value}
    elif kind == 5 and isinstance(value, int):
        container[key] = random_.choice((-value, value + 1, value * 10, value * 1000, 2 * value, value - 1))
    elif kind == 6:
        other, place = random_.choice(places(tree))
        container[key] = copy.deepcopy(other[place])
    else:
        container[key] = random_.choice(VALUES)


def damaged(random_: random.Random, content: bytes) -> bytes:
    """A file after an accident: cut, overwritten, or its lines repeated, lost or exchanged."""
    kind = random_.randrange(6)
    place = random_.randrange(len(content))
    lines = content.split(b"\n")
    k = random_.randrange(len(lines))
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + random_.randbytes(random_.choice((1, 2, 30))) + content[place + 1 :]
    if kind == 2:
        return (
            content[:place]
            + random_.choice((b'"', b"[", b"]", b"{", b"}", b"=", b"'''", b"\n", b",", b"\\", b"\xc3"))
            + content[place:]
        )
    if kind == 3:
        return b"\n".join([*lines[: k + 1], *lines[k:]])
    if kind == 4:
        return b"\n".join([*lines[:k], *lines[k + 1 :]])
    other = random_.randrange(len(lines))
    lines[k], lines[other] = lines[other], lines[k]
    return b"\n".join(lines)


def content_of(number: int) -> bytes:
    """The file of a random case."""
    random_ = generator("specs", number)
    text = SPECS[random_.choice(sorted(SPECS))]
    if random_.random() < 0.3:
        return damaged(random_, text.encode())
    tree = tomllib.loads(text)
    for _ in range(random_.choice((1, 1, 1, 2, 4))):
        change(random_, tree)
    content = (
        "\n".join(f"{_key(key)} = {toml(value)}" for key, value in tree.items()).encode("utf-8", "replace") + b"\n"
    )
    return damaged(random_, content) if random_.random() < 0.1 else content


# --- the check ----------------------------------------------------------------------------------------------

LABELS = ("  given    ", "  allowed  ", "  cause    ", "  fix      ")


def unreadable(text: str) -> str:
    """What is wrong with an error as it was printed; "" for one readable block."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) != 5 or not re.match(r"[A-Za-z]+Error( in .+)?$", lines[0]):
        return f"{len(lines)} lines"
    if not all(one.startswith(label) and one.strip() != label.strip() for label, one in zip(LABELS, lines[1:])):
        return "an answer is missing"
    if len(text) > LONGEST:
        return f"{len(text)} characters"
    return "" if all(one.isprintable() for one in lines) else "characters that a terminal obeys"


def judge(code: int, out: str, err: str) -> str:
    """What does not hold for a finished command; "" where all does."""
    if code == 0:
        return "" if out.count("\n") == 1 and not err else f"not one line: {shortened(out + err, 80)}"
    if code != 2:
        return f"exit {code}: {shortened(err.strip()[-200:], 120)}"
    problem = unreadable(err)
    if problem or out:
        return f"not a readable block: {problem or 'standard output'}: {shortened(err, 160)}"
    return ""


def prepare(folder: Path) -> Check:
    """Checks in this process, and ``REAL`` in processes of their own."""
    from click.testing import CliRunner

    from numerics.command.main import main

    runner = CliRunner()
    for name, text in SPECS.items():  # imports are no case's time
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
        runner.invoke(main, ["check", f"{name}.toml"])
        (folder / f"{name}.toml").unlink()

    def in_process(path: str) -> tuple[str, float]:
        seen = watch(lambda: runner.invoke(main, ["check", "--", path]), LIMIT)
        problem = complaint(seen, LIMIT, ())
        if problem or seen.value is None:
            return problem, seen.seconds
        result = seen.value
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            again = type(seen)(None, result.exception, seen.seconds, ())
            return complaint(again, LIMIT, ()), seen.seconds
        return judge(result.exit_code, result.stdout, result.stderr), seen.seconds

    def as_process(path: str) -> tuple[str, float]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", PROGRAM, "check", "--", path]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, env=environment, timeout=300)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        late = seconds > LIMIT * PATIENCE["factor"]
        problem = judge(done.returncode, out, err) or ("slow, as a process" if late else "")
        return problem, seconds

    def check(number: int) -> Outcome:
        label, path, content, run = case(number, in_process, as_process)
        for name in os.listdir(folder):
            (folder / name).unlink()
        (folder / FILE).write_bytes(content)
        problem, seconds = run(path)
        kept = (folder / FILE).read_bytes() == content
        if os.listdir(folder) != [FILE] or not kept:
            problem = f"a file was written: {os.listdir(folder)}"
        return Outcome(label, problem, seconds)

    return check


Run = Callable[[str], tuple[str, float]]


def case(number: int, in_process: Run, as_process: Run) -> tuple[str, str, bytes, Run]:
    """Label, path, content and way to run of a case: ``REAL``, then ``PATHS``, then ``FILES``, then random ones."""
    name = LITERALS[number] if number < len(LITERALS) else ""
    if name in REAL:
        return name, FILE, REAL[name], as_process
    if name in PATHS:
        return name, PATHS[name], GUNPOINT.encode(), as_process if name == "a name that is no UTF-8" else in_process
    content = FILES[name] if name else content_of(number)
    return name or shortened(ascii(content[-160:])), FILE, content, in_process


LITERALS = (*REAL, *PATHS, *FILES)

SECTION = Section(
    "specs",
    COUNT,
    prepare,
    (__file__,),
    sample=known.sample(LITERALS, 40),
    known=known.numbered(known.SPECS, LITERALS),
)
