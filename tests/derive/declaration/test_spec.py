"""Declarations: what is read, completed, stored and refused."""

from __future__ import annotations

import copy
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from derive import declaration
from derive.declaration import load_spec
from derive.errors import SpecError
from derive.spec import digest, from_dict, step_lengths, to_dict
from tests.builders import SPECS

GUNPOINT = SPECS / "gunpoint.toml"
LEGENDRE = {"family": "legendre", "size": 4}
P0 = {"family": "p0", "cells": 2}
GOOD: dict[str, Any] = {
    "name": "good",
    "equation": {"rate": "a*tanh(u) - h/2", "parameters": {"a": "1/3"}, "spacing": "1/2"},
    "state": {"basis": LEGENDRE},
    "weight": {"width_out": LEGENDRE, "width_in": LEGENDRE, "depth": P0},
    "bias": {"width": LEGENDRE, "depth": P0},
    "integration": {"tableau": "heun", "steps": 4},
    "readout": {"outputs": 3, "basis": LEGENDRE},
    "loss": {"kind": "cross-entropy"},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """GOOD with one key set (or removed, for the value ...)."""
    found = copy.deepcopy(GOOD)
    *tables, key = path.split(".")
    place = found
    for table in tables:
        place = place.setdefault(table, {})
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return found


# path, value, what the message must say
BAD: list[tuple[str, Any, str]] = [
    ("name", ..., "the key name"),
    ("name", "", "letters, digits"),
    ("name", "../x", "letters, digits"),
    ("name", 7, "letters, digits"),
    ("colour", "red", "'colour'"),
    ("summary", ["x"], "one line"),
    ("precision", "float16", "float64, float32"),
    ("equation", ..., "the key equation"),
    ("equation", "residual", "a table [equation]"),
    ("equation.rate", ..., "the key rate"),
    ("equation.rate", "residul", "did you mean 'residual'"),
    ("equation.rate", "tanh(u) + g", "the name 'g'"),
    ("equation.rate", "__import__('os')", "ASCII letters"),
    ("equation.rate", 3, "an expression in quotes"),
    ("equation.activaton", "tanh", "did you mean 'activation'"),
    ("equation.activation", "tahn", "did you mean 'tanh'"),
    ("equation.spacing", True, "a number such as"),
    ("equation.spacing", "0", "positive"),
    ("equation.spacing", "-1/2", "positive"),
    ("equation.channels", 0, "from 1"),
    ("equation.channels", True, "whole number"),
    ("equation.channels", "2", "whole number"),
    ("equation.periodic", "yes", "true or false"),
    ("equation.parameters", ["a"], "a table"),
    ("equation.parameters", {"u": "1"}, "called 'u'"),
    ("equation.parameters", {"a": float("nan")}, "a number such as"),
    ("input.interpolant", "cubic", "linear, constant, least-squares"),
    ("input.smoothing", "1/10", "least-squares"),
    ("state.basis", "legendre", "{ family"),
    ("state.basis", {"size": 4}, "family"),
    ("state.basis", {"family": "legendr", "size": 4}, "did you mean 'legendre'"),
    ("state.basis", {"family": "legendre", "size": -4}, "whole number from 1"),
    ("state.basis", {"family": "legendre", "size": 10**9}, "whole number"),
    ("state.basis", {"family": "legendre", "cels": 4}, "cels"),
    ("state.basis", {"family": "fourier", "size": 5}, "periodic = true"),
    ("state.basis", {"family": "p0", "breakpoints": ["-1", "1", "0"]}, "breakpoints"),
    ("state.basis", {"family": "p0", "breakpoints": ["0", "1"]}, "-1"),
    ("state.basis", {"family": "hat", "breakpoints": ["-x", 1]}, "a number such as"),
    ("state.basis", {"family": "custom", "breakpoints": ["-1", "1"], "functions": ["1", "xj"]}, "xj"),
    ("state.quadrature", 1.5, "whole number"),
    ("weight.depth", ..., "the key depth"),
    ("weight.depth", [P0, P0, P0], "different lengths" if False else "steps"),
    ("integration.tableau", "rk5", "rk4"),
    ("integration.tableau", {"a": [["1"]], "b": ["1"], "c": ["0"], "order": 1}, "c_1 = Σ_j a_1,j = 1"),
    (
        "integration.tableau",
        {"a": [["sqrt(2)/2", "1 - sqrt(3)/3"]], "b": ["0", "1"], "c": ["0", "1"], "order": 1},
        "the root of one number",
    ),
    ("integration.tableau", {"a": [["sqrt(-2)"]], "b": ["1"], "c": ["1"], "order": 1}, "roots of one whole number"),
    ("integration.tableau", {"a": [], "b": ["1"], "order": 1}, "the key c"),
    ("integration.tableau", {"a": [["1/2"]], "b": ["0", "1"], "c": ["0", "3/2"], "order": 2}, "between 0 and 1"),
    ("integration.steps", 3, "a multiple of 2"),
    ("integration.steps", 0, "whole number from 1"),
    ("integration.cuts", ["0", "1/2"], "between 0 and 1, increasing"),
    ("integration.cuts", ["1/2", "1/4"], "between 0 and 1, increasing"),
    ("integration.cuts", ["half"], "number"),
    ("integration.cuts", "1/2", "list them all"),
    ("integration.cuts", ["1/3"], "a multiple of 3"),
    ("integration", {"tableau": "rk4", "steps": "adaptive"}, 'write tableau = "dopri5"'),
    ("integration.steps", ..., "the key steps"),
    ("readout.outputs", 1, "one output a class"),
    ("readout", ..., "cross-entropy on a function"),
    ("loss.kind", "hinge", "cross-entropy, h1, huber"),
    ("loss.penalty", "1/100", "{ W"),
    ("loss.penalty", {"W": "-1"}, "not negative"),
    ("loss.penalty", {"Q": "1"}, "'Q'"),
    ("training.optimiser", "sgd", "adam"),
    ("training.epochs", 0, "from 1"),
    ("training.learning_rate", -0.1, "a number up to"),
    ("training.learning_rate", float("nan"), "a number up to"),
    ("training.schedule", "cosin", "did you mean 'cosine'"),
    ("training.clip", 0, "above 0"),
    ("training.averaging", 1, "not negative"),
    ("levels", {"base": {}}, "not base"),
    ("levels", {"fine": 3}, "a table of what differs"),
    ("levels", {"fine": {"equation": {"activation": "relu"}}}, "another model"),
    ("levels", {"fine": {"readout": {"outputs": 5}}}, "readout.outputs"),
    ("loss.penalty", {"W": {"H1": "1"}}, "weight.depth is p0"),
    ("integration.tableau", {"a": [["1/2"]], "b": ["0", "1"], "c": ["0", "1/2"], "order": 3}, "Σ b_i"),
    ("levels", {"fine": {"integration": {"steps": 5}}}, "a multiple of 2"),
    ("levels", {"fine": {"colour": 1}}, "levels.fine.colour"),
]


def test_there_are_enough_bad_declarations() -> None:
    assert len(BAD) >= 40
    assert load_spec(GOOD).parameters == (("a", Fraction(1, 3)),)


@pytest.mark.parametrize(("path", "value", "words"), BAD)
def test_bad_declarations_are_refused_with_the_key_and_the_reason(path: str, value: Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(changed(path, value))
    error = caught.value
    shown = str(error)
    assert words in shown
    assert shown.count("\n") == 4 and len(shown) < 2500
    assert all((error.given, error.allowed, error.cause, error.fix))
    assert path.split(".")[0].split("[")[0] in shown


def test_slabs_of_different_lengths_are_refused() -> None:
    found = copy.deepcopy(GOOD)
    found["weight"]["depth"] = [P0, P0, P0]
    found["bias"]["depth"] = [P0, P0]
    with pytest.raises(SpecError, match="different lengths"):
        load_spec(found)


def test_an_unstable_perceptron_is_refused_with_the_steps_that_would_do() -> None:
    """Euler on −h/Δ: |1 − s/Δ| ≤ 1 needs s ≤ 2Δ (section 4)."""
    found = changed("equation", {"rate": "mlp", "spacing": "1/16"})
    found["integration"] = {"tableau": "euler", "steps": 4}
    with pytest.raises(SpecError, match="steps = 8"):
        load_spec(found)
    found["integration"]["steps"] = 8
    assert load_spec(found).steps == 8


def test_storing_and_reading_back_is_the_identity() -> None:
    for spec in (load_spec(GUNPOINT), load_spec(GOOD)):
        assert from_dict(to_dict(spec)) == spec
        whole = to_dict(spec)
        whole["training"]["learning_rate"] = 1  # as JSON writes 1.0 in other languages
        assert from_dict(whole).training.learning_rate == 1.0
    with pytest.raises(SpecError):
        from_dict({"name": "x"})


def test_the_digest_sees_what_enters_the_derivation_only() -> None:
    base = digest(load_spec(GOOD))
    for path, value in (("name", "other"), ("summary", "words"), ("training.epochs", 7), ("precision", "float32")):
        assert digest(load_spec(changed(path, value))) == base
    for path, value in (("equation.spacing", "1/3"), ("equation.parameters", {"a": "1/5"}), ("integration.steps", 6)):
        assert digest(load_spec(changed(path, value))) != base


def test_levels_name_only_what_differs() -> None:
    spec = load_spec(GUNPOINT)
    fine, pocket = spec.level("fine"), spec.level("pocket")
    assert fine.slabs[0].weight_depth.size == 4
    assert fine.slabs[0].weight_out == spec.slabs[0].weight_out
    assert pocket.slabs[0].weight_out.size == 14
    with pytest.raises(SpecError, match="fine, finer, pocket"):
        spec.level("finest")


def test_steps_are_shared_by_the_union_of_the_elements() -> None:
    found = changed("bias.depth", {"family": "hat", "breakpoints": ["0", "1/4", "1"]})
    found["integration"]["steps"] = 6
    (steps,) = step_lengths(load_spec(found))
    assert [str(s) for s, _ in steps] == ["0", "1/8", "1/4", "3/8", "1/2", "3/4"]


def test_cuts_make_elements_of_their_own() -> None:
    found = changed("integration.cuts", ["1/8", "3/4"])
    found["integration"]["steps"] = 8
    (steps,) = step_lengths(load_spec(found))
    ends = [str(s) for s, _ in steps]
    assert ends == ["0", "1/16", "1/8", "5/16", "1/2", "5/8", "3/4", "7/8"]
    stored = to_dict(load_spec(found))
    assert stored["cuts"] == ["1/8", "3/4"] and from_dict(stored) == load_spec(found)
    assert "cuts" not in to_dict(load_spec(changed("integration.steps", 4)))
    found["integration"] = {"tableau": "dopri5", "steps": "adaptive", "cuts": ["1/8"]}
    assert load_spec(found).cuts == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'name = "x', "document"),
        (b"a = 1\na = 2\n", "line 2"),
        (b"\xff\xfe", "another encoding"),
        (b"x = " + b"[" * 5000, "TOML"),
        (b"# " + b"x" * 10_000_000, "at most"),
        ('name = "π"'.encode(), "equation"),
    ],
)
def test_broken_files_name_the_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=words) as caught:
        load_spec(path)
    assert "bad.toml" in str(caught.value)


def test_a_missing_file_says_so() -> None:
    with pytest.raises(SpecError, match="No such file"):
        load_spec("nowhere.toml")


def test_reading_a_spec_imports_no_sympy() -> None:
    code = (
        "import sys; from derive.declaration import load_spec; load_spec(sys.argv[1]); "
        "sys.exit(bool({'sympy', 'flint', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(GUNPOINT)]).returncode == 0
    assert declaration.LARGEST_FILE < 10_000_000


@pytest.mark.parametrize(("channels", "largest"), [(16, 1448), (32, 724), (64, 362)])
def test_fields_of_eight_gibibytes_are_the_largest(channels: int, largest: int) -> None:
    """W has 8 c² n² 2 bytes on two depth cells: 2³³ are allowed."""
    for size, good in ((largest, True), (largest + 1, False)):
        width = {"family": "p0", "cells": size}
        declared = changed("equation.channels", channels)
        declared["weight"] |= {"width_out": width, "width_in": width}
        assert (8 * channels**2 * size**2 * 2 <= 2**33) == good
        if good:
            assert load_spec(declared).channels == channels
        else:
            with pytest.raises(SpecError, match="tables of about 8 GiB"):
                load_spec(declared)


@pytest.mark.parametrize("row", [["1", "0", "0"], ["1", "0", "0", "0", "0"]])
def test_combinations_have_a_number_for_every_function(row: list[str]) -> None:
    rows = [["1", "0", "0", "1/2"], row]
    with pytest.raises(SpecError, match=rf"rows\[1\] has {len(row)} numbers for the 4 functions of legendre"):
        load_spec(changed("weight.width_out", {"family": "combination", "of": LEGENDRE, "rows": rows}))


def test_decimal_numbers_are_read_as_they_are_written(tmp_path: Path) -> None:
    """0.1 in a file is 1/10, as "1/10" is, whatever double is nearest to it."""
    text = (SPECS / "gunpoint.toml").read_text(encoding="utf-8")
    assert 'spacing = "1/4"' in text
    found = []
    for number in ('"1/10"', "0.1", '"0.1"', "1e-1", "0.100000000000000000001"):
        (tmp_path / "spec.toml").write_text(text.replace('spacing = "1/4"', f"spacing = {number}"), encoding="utf-8")
        found.append(load_spec(tmp_path / "spec.toml").spacing)
    assert found[:4] == [Fraction(1, 10)] * 4 and found[4] - Fraction(1, 10) == Fraction(1, 10**21)
