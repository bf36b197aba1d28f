"""Depth functions that no stage sees: warned of where the declaration is read, and nowhere else."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from derive.declaration import load_spec
from derive.errors import SpecWarning
from derive.spaces import stages
from numerics import Continuum, testing
from numerics.command.main import main
from tests.builders import SPECS


def declared(depth: dict[str, Any], tableau: str, steps: int) -> dict[str, Any]:
    return {
        **testing.PLAIN, "equation": {**testing.PLAIN["equation"], "rate": "residual"},
        "weight": {**testing.PLAIN["weight"], "depth": depth}, "integration": {"tableau": tableau, "steps": steps},
    }  # fmt: skip


OWN = """
name = "own"
equation = { rate = "residual" }
state = { basis = { family = "p0", cells = 2 } }
bias = { width = { family = "p0", cells = 2 }, depth = { family = "p0", cells = 2 } }
weight = { width_out = { family = "p0", cells = 2 }, width_in = { family = "p0", cells = 2 },
           depth = { family = "p0", cells = 2 } }
integration = { tableau = "euler", steps = 4 }
loss = { kind = "l2" }
levels = { fine = { weight = { depth = { family = "hat", cells = 4 } } } }
""".replace(",\n          ", ",")
LEGENDRE, HAT = {"family": "legendre", "size": 4}, {"family": "hat", "cells": 4}


@pytest.mark.parametrize(
    ("depth", "tableau", "steps", "says"),
    [
        (LEGENDRE, "euler", 2, "2 of 4 functions that no stage sees"),
        (HAT, "euler", 4, "1 of 5 functions that no stage sees"),  # the last hat is met at its foot only
        (HAT, "backward-euler", 4, "1 of 5 functions that no stage sees"),
        (LEGENDRE, "euler", 4, "the stages see 5%"),
        (LEGENDRE, "midpoint", 2, "2 of 4 functions that no stage sees"),
        (LEGENDRE, "heun", 4, ""), (HAT, "heun", 4, ""), (LEGENDRE, "rk4", 4, ""), (HAT, "euler", 8, ""),
        ({"family": "p0", "cells": 2}, "euler", 2, ""), (LEGENDRE, "dopri5", 2, ""),
    ],
)  # fmt: skip
def test_what_the_stages_do_not_determine_is_said(depth: dict[str, Any], tableau: str, steps: int, says: str) -> None:
    found = stages.check(load_spec(declared(depth, tableau, steps)))
    assert len(found) == bool(says)
    if says:
        assert says in found[0].given and found[0].where == "weight.depth"
        steps = int(found[0].fix.partition("steps = ")[2].partition(",")[0])
        assert not stages.check(load_spec(declared(depth, tableau, steps)))


def test_shares_are_those_of_a_loop_over_the_stages() -> None:
    """Two steps of Heun's, NumPy's Legendre functions: Σ s b θ_k θ_l beside ∫ θ_k θ_l, generalised eigenvalues."""
    from scipy.linalg import eigh

    spec, size = load_spec(declared(LEGENDRE, "heun", 2)), 4
    total = np.zeros((size, size))
    for start in (0.0, 0.5):
        for node, weight in ((0.0, 0.5), (1.0, 0.5)):
            theta = np.polynomial.legendre.legvander([2 * (start + node / 2) - 1], size - 1)[0]
            total += 0.5 * weight * np.outer(theta, theta)
    gram = np.diag([1 / (2 * k + 1) for k in range(size)])
    np.testing.assert_allclose(stages._derived(spec, 0, "weight_depth"), eigh(total, gram)[0], rtol=0, atol=1e-13)


def test_python_and_the_command_line_warn(tmp_path: Path) -> None:
    with pytest.warns(SpecWarning, match="no stage sees"):
        Continuum.from_spec(declared(HAT, "euler", 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Continuum.from_spec(declared(HAT, "euler", 8))
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    done = CliRunner().invoke(main, ["check", str(path)])
    assert done.exit_code == 0 and done.stdout.startswith("own: ")
    assert "SpecWarning in levels.fine.weight.depth" in done.stderr and done.stderr.count("SpecWarning") == 1
    assert "write steps = 8" in done.stderr and ".py" not in done.stderr
    done = CliRunner().invoke(main, ["check", str(path), "--json"])
    assert json.loads(done.stdout)["name"] == "own"


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.toml")), ids=lambda path: path.stem)
def test_no_declaration_of_ours_is_warned_of(path: Path) -> None:
    spec = load_spec(path)
    assert not [found for own in (spec, *(level for _, level in spec.levels)) for found in stages.check(own)]
