"""Names that there are not: what was probably meant, wherever a name is looked up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from derive import registry, spec
from derive.declaration import load_spec
from derive.errors import ContinuumError, SpecError
from derive.spec import Training
from derive.suggestion import SYNONYMS, nearest, plain
from numerics import from_layers, testing
from numerics.functions.field import Block
from numerics.training.optimisers import start


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_spelling_of_every_name_is_found(kind: str) -> None:
    names = registry.names(kind)
    for name in names:
        spellings = [name.upper(), name.title(), f"torch.{name}", f" {name}"]
        spellings += [name.replace("-", other) for other in "_ "]
        for other in spellings:
            assert nearest(other, names) == name


def test_synonyms_are_written_plainly_and_lead_to_names_that_there_are() -> None:
    known = {name for kind in registry.KINDS for name in registry.names(kind)}
    known |= {*spec.OPTIMISERS, *spec.SCHEDULES, *spec.OPTIONS}
    known |= {"constant", "linear", "least-squares", "abs", "atan", "log", "sign", "max", "min", "float32", "float64",
              "zeros", "circular", "spacing", "tableau", "size", "degree", "order"}  # fmt: skip
    assert all(key == plain(key) for key in SYNONYMS)
    assert not {name for names in SYNONYMS.values() for name in names} - known


def test_nothing_is_suggested_where_nothing_is_near() -> None:
    assert nearest("qwxz", registry.names("bases")) is None and nearest("", ("a",)) is None
    assert nearest(3, ("l2",)) is None and nearest("np.", ("l2", "tanh")) is None


def changed(path: str, value: Any) -> dict[str, Any]:
    """The plain declaration with one value changed or added."""
    *tables, key = path.split(".")
    found = {**testing.PLAIN}
    inner = found
    for table in tables:
        inner[table] = {**inner.get(table, {})}
        inner = inner[table]
    inner[key] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "meant"),
    [
        ("equation.activation", "ReLU", "relu"), ("equation.activation", "leaky_relu", "leaky-relu"),
        ("equation.activation", "LeakyReLU", "leaky-relu"), ("equation.activation", "np.tanh", "tanh"),
        ("equation.activation", "swish", "silu"), ("equation.activation", "logistic", "sigmoid"),
        ("equation.rate", "MLP", "mlp"), ("equation.rate", "ResNet", "residual"),
        ("equation.rate", "residal", "residual"),
        ("loss.kind", "mse", "l2"), ("loss.kind", "MSE", "l2"), ("loss.kind", "cross_entropy", "cross-entropy"),
        ("loss.kind", "CrossEntropyLoss", "cross-entropy"), ("loss.kind", "relative_l2", "relative-l2"),
        ("integration.tableau", "RK4", "rk4"), ("integration.tableau", "implicit_euler", "backward-euler"),
        ("integration.tableau", "rk45", "dopri5"), ("state.basis.family", "B-Spline", "bspline"),
        ("state.basis.family", "gauss_lobatto", "gauss-lobatto"), ("state.basis.family", "piecewise-constant", "p0"),
        ("state.basis.Cells", 3, "cells"), ("equation.Spacing", "1/2", "spacing"),
        ("training.lr", 0.1, "learning_rate"),
        ("training.optimizer", "adam", "optimiser"), ("training.optimiser", "L-BFGS", "lbfgs"),
        ("training.optimiser", "SGD", "gradient-descent"), ("precision", "double", "float64"),
        ("input.interpolant", "Least_Squares", "least-squares"), ("integration.steps", "Adaptive", "adaptive"),
        ("equation.symmetry", "Reflection", "reflection"), ("loss.penalty", {"w": "1/10"}, "W"),
    ],
)  # fmt: skip
def test_a_declaration_is_told_the_name_that_was_meant(path: str, value: Any, meant: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(changed(path, value))
    assert caught.value.cause == f"did you mean {meant!r}?" and meant in caught.value.fix


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("equation.rate", "ReLU", 'write it there: activation = "relu"'), ("loss.kind", "tanh", 'activation = "tanh"'),
        ("equation.steps", 4, "write it in [integration]"), ("integration.rate", "mlp", "write it in [equation]"),
        ("equation.rate", "h^2", "h**2"),
    ],
)  # fmt: skip
def test_a_name_in_the_wrong_place_is_told_where_it_belongs(path: str, value: Any, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(changed(path, value))
    assert says in caught.value.fix


@pytest.mark.parametrize(
    ("path", "value"),
    [("equation.dimension", 4), ("equation.channels", 0), ("equation.spacing", "1e-3"),
     ("training.epochs", 0), ("state.basis.cells", 2049), ("integration.steps", 100001), ("equation.spacing", "1/0")],
)  # fmt: skip
def test_a_fix_is_not_what_was_given(path: str, value: Any) -> None:
    """What it says can be written in its place."""
    with pytest.raises(SpecError) as caught:
        load_spec(changed(path, value))
    written = re.findall(r'"(.+?)"| = (\d+)$', caught.value.fix)[0]
    again = written[0] or int(written[1])
    assert again != value and "quotes" not in caught.value.fix
    declared = changed(path, again)
    declared["equation"] = {**declared["equation"], "rate": "residual"}  # whatever its spacing, it is stable
    assert load_spec(declared)


def test_a_mark_before_the_first_line_is_no_part_of_the_text(tmp_path: Path) -> None:
    text = 'name = "marked"\n' + "\n".join(
        f"[{table}]\n" + "\n".join(f"{key} = {_toml(value)}" for key, value in keys.items())
        for table, keys in testing.PLAIN.items() if table != "name"
    )  # fmt: skip
    (tmp_path / "plain.toml").write_text(text, encoding="utf-8")
    (tmp_path / "marked.toml").write_text(text, encoding="utf-8-sig")
    (tmp_path / "wide.toml").write_text(text, encoding="utf-16")
    assert load_spec(tmp_path / "marked.toml") == load_spec(tmp_path / "plain.toml")
    with pytest.raises(SpecError, match="save it as UTF-8"):
        load_spec(tmp_path / "wide.toml")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(v)}" for key, v in value.items()) + " }"
    return str(value) if isinstance(value, int) else f'"{value}"'


def test_the_run_time_s_names_are_suggested_too() -> None:
    w, b = [np.eye(2)], [np.zeros(2)]
    for work, meant in (
        (lambda: from_layers(w, b, "tanh", kind="ResNet", last="activation"), "residual"),
        (lambda: from_layers(w, b, "tanh", last="Activation"), "activation"),
        (lambda: from_layers(w, b, "Tanh", last="activation"), "tanh"),
        (lambda: start((Block("W", slice(0, 1), ((1,),)),), 1, Training(optimiser="Adam")), "adam"),
        (lambda: registry.entry("bases", "Hat"), "hat"),
        (lambda: registry.entry("basis", "hat"), "bases"),
        (lambda: load_spec({**testing.PLAIN, "levels": {"fine": {}}}).level("Fine"), "fine"),
    ):
        with pytest.raises(ContinuumError) as caught:
            work()
        assert f"did you mean {meant!r}?" == caught.value.cause
