"""The networks that are timed side by side compute what ours do, and the command says what it measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from derive.declaration import load_spec
from numerics import Continuum
from numerics.bench import compare, machine
from numerics.bench.rivals import NumPy
from numerics.command.main import main
from numerics.estimators.network import Network, NotComparable, products

P0 = {"family": "p0", "cells": 6}
SPEC: dict[str, Any] = {
    "name": "timed", "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/3"}, "state": {"basis": P0},
    "weight": {"width_out": P0, "width_in": P0, "depth": {"family": "p0", "cells": 3}},
    "bias": {"width": P0, "depth": {"family": "p0", "cells": 3}}, "integration": {"tableau": "heun", "steps": 3},
    "readout": {"outputs": 2, "basis": {"family": "p0", "cells": 2}}, "loss": {"kind": "l2"},
}  # fmt: skip
WAVES = {"family": "fourier", "size": 5}
CHANGES: dict[str, dict[str, Any]] = {
    "cells": {},
    "smooth": {
        "state": {"basis": {"family": "legendre", "size": 5}}, "equation": {"rate": "sin(u) - h/2 + max(h, u)"}
    },
    "gated": {"equation": {"rate": "tanh(u1)*sigmoid(u2)", "channels": 2}},
    "normalised": {"equation": {"rate": "f(u)", "activation": "gelu", "channels": 3, "normalise": "1/1000"}},
    "frequencies": {
        "equation": {"rate": "tanh(u)", "periodic": True, "symmetry": "translation", "channels": 2},
        "state": {"basis": WAVES}, "weight": {"width_out": WAVES, "width_in": WAVES, "depth": P0 | {"cells": 3}},
        "bias": {"width": {"family": "p0", "cells": 1}, "depth": P0 | {"cells": 3}},
        "readout": {"outputs": 2, "basis": {"family": "p0", "cells": 1}},
    },
    "convolution on a square": {
        "equation": {"rate": "tanh(u)", "dimension": 2, "reach": "1/2", "local": True},
        "weight": {"kernel": {"family": "hat", "size": 3}, "depth": P0 | {"cells": 3}},
        "bias": {"width": {"family": "p0", "cells": 1}, "depth": P0 | {"cells": 3}},
    },
}  # fmt: skip


@pytest.mark.first(2)
@pytest.mark.parametrize("kind", sorted(CHANGES))
def test_the_network_in_others_words_is_ours(kind: str) -> None:
    spec = load_spec(SPEC | CHANGES[kind])
    model = Continuum.from_spec(spec, seed=1)
    (slab,) = model.solver.slabs
    network = Network(slab, compare.program(spec, model).form, NumPy.library())
    states = np.random.default_rng(0).standard_normal((slab.channels * slab.sizes["state"], 4))
    found, expected = network.run(states, network.given()), model.solver.final(states)
    assert np.abs(found - expected).max() <= 1e-12 * np.abs(expected).max()
    assert np.abs(expected - states).max() > 1e-3
    assert products(network, 4) == 2 * products(network, 2) > 0


def test_operations_of_a_dense_network_are_counted() -> None:
    """2 n² a record and stage: Heun's two stages, three steps, six functions."""
    spec = load_spec(SPEC)
    model = Continuum.from_spec(spec, seed=0)
    network = Network(model.solver.slabs[0], compare.program(spec, model).form, NumPy.library())
    assert products(network, 10) == 10 * 6 * 2 * 6**2


def test_who_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(NumPy):
        def forward(self) -> Any:
            call = super().forward()
            return lambda: 1.001 * call()

    spec = load_spec(SPEC)
    rows = compare.compare(spec, 8, [NumPy], ["forward", "gradient"], seconds=0.01)
    assert set(rows[0].seconds) == {"kernels", "NumPy"} and rows[0].ratio is not None
    assert rows[1].left_out == {"NumPy": "no gradient"} and rows[1].ratio is None
    with pytest.raises(AssertionError, match="NumPy computes something else"):
        compare.compare(spec, 8, [Wrong], ["forward"], seconds=0.01)


@pytest.mark.slow
def test_what_has_no_words_is_said() -> None:
    implicit = SPEC | {"integration": {"tableau": "backward-euler", "steps": 3}}
    with pytest.raises(NotComparable, match="implicit"):
        compare.compare(load_spec(implicit), 4, [NumPy], ["forward"], seconds=0.01)
    rows = compare.alone(load_spec(implicit), 4, "implicit steps", seconds=0.01)
    assert [row.kind for row in rows] == ["forward", "gradient", "predict"]
    assert all(row.left_out["NumPy"] == "implicit steps" for row in rows)


@pytest.mark.slow
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SIDE", 64)
    monkeypatch.setattr(machine, "COPIED", 1 << 12)
    monkeypatch.setattr(compare, "SECONDS", 0.01)
    file = tmp_path / "timed.toml"
    file.write_text(
        'name = "timed"\n[equation]\nrate = "residual"\nactivation = "tanh"\nspacing = "1/2"\n'
        '[state]\nbasis = { family = "p0", cells = 4 }\n'
        '[weight]\nwidth_out = { family = "p0", cells = 4 }\nwidth_in = { family = "p0", cells = 4 }\n'
        'depth = { family = "p0", cells = 2 }\n'
        '[bias]\nwidth = { family = "p0", cells = 4 }\ndepth = { family = "p0", cells = 2 }\n'
        '[integration]\ntableau = "euler"\nsteps = 2\n[readout]\noutputs = 1\n'
        'basis = { family = "p0", cells = 1 }\n[loss]\nkind = "l2"\n'
    )
    ended = CliRunner().invoke(main, ["bench", str(file), "--records", "16", "--json"], catch_exceptions=False)
    found = json.loads(ended.stdout[ended.stdout.index("{") :])
    assert ended.exit_code == 0 and found["attained"]["products"]["float64"] > 0
    assert [row["kind"] for row in found["rows"]] == ["forward", "gradient", "predict"]
    assert all(row["seconds"]["kernels"] > 0 for row in found["rows"])
