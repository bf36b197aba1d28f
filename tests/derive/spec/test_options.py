"""The table of training options against numbers that are written out here; specs stored before an option came."""

from __future__ import annotations

import math
from typing import Any

import pytest

from derive import operators
from derive.declaration import load_spec
from derive.spec import OPTIONS, digest, from_dict, to_dict
from derive.spec.operator import Operator
from tests.builders import SPECS


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("optimiser", ["adam", "lbfgs"], ["Adam", "sgd", ""]),
        ("schedule", ["cosine", "one-cycle"], ["linear"]),
        ("epochs", [0, 1, 10**6], [-1]),
        ("learning_rate", [1e-9, 1e9], [0.0, -1.0, math.inf, math.nan]),
        ("clip", [None, 0.5], [0.0, math.inf]),
        ("averaging", [0.0, 0.9999999], [1.0, -0.1]),
        ("batch", [None, 1], [0]),
        ("validation", [0.0, 0.95], [1.0]),
        ("patience", [None, 1], [0]),
        ("seed", [0, 7], [-1]),
        ("weight_decay", [0.0, 1e5], [-1e-9, math.inf]),
        ("thin", [1.0, 1e-3], [0.0, 1.1]),
        ("jitter", [0.0, 100.0], [-0.1, math.inf]),
        ("warp", [0.0, 0.99], [1.0]),
    ],
)
def test_what_training_takes(name: str, good: list[Any], bad: list[Any]) -> None:
    option = OPTIONS[name]
    assert [value for value in [*good, *bad] if option.takes(value)] == good
    assert option.takes(None) == (name in ("clip", "batch", "patience"))


def test_every_option_takes_its_default_and_says_what_it_is() -> None:
    assert all(option.takes(option.default) and option.help and option.allowed for option in OPTIONS.values())
    kinds = {name: option.kind for name, option in OPTIONS.items()}
    assert {kinds[name] for name in ("epochs", "batch", "patience", "seed")} == {int}
    assert kinds["optimiser"] is kinds["schedule"] is str and kinds["clip"] is kinds["thin"] is float


def test_what_optimisers_do_not_read() -> None:
    said = {"schedule": "constant", "clip": 1.0, "weight_decay": 0.1, "averaging": 0.5, "thin": 0.5}
    ignored = {
        optimiser: [name for name, value in said.items() if OPTIONS[name].ignored(value, optimiser)]
        for optimiser in ("adam", "adam-coordinatewise", "kronecker", "lbfgs", "gradient-descent")
    }
    assert ignored == {
        "adam": [], "adam-coordinatewise": [], "kronecker": [], "lbfgs": ["schedule", "clip", "weight_decay"],
        "gradient-descent": ["schedule", "weight_decay"],
    }  # fmt: skip
    assert not any(option.ignored(option.default, "lbfgs") for option in OPTIONS.values())


def test_a_spec_that_was_stored_before_an_option_came_is_read() -> None:
    spec = load_spec(SPECS / "leaves.toml")
    stored = to_dict(spec)
    assert from_dict(stored) == spec and stored["training"].pop("warp") == 0.2
    read = from_dict(stored)
    assert read.training.warp == 0.0 and read.training.thin == spec.training.thin == 0.3
    assert digest(read) == digest(spec)


def test_what_a_kind_of_operator_leaves_is_known_where_both_widths_are_one_direction() -> None:
    def kinds(of: type[Operator]) -> set[type[Operator]]:
        return {of}.union(*map(kinds, of.__subclasses__()))

    every = operators.admissible.dispatch(Operator)
    assert {kind for kind in kinds(Operator) if operators.admissible.dispatch(kind) is not every} == {
        kind for kind in kinds(Operator) if kind.own == ("weight_pair",)
    }
