"""Users' names in kernels: whatever a parameter is called, the equation is the same."""

from __future__ import annotations

import ast
import builtins
import keyword
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from derive.declaration import load_spec
from derive.emit.cuda import Cuda
from derive.emit.loops import printed
from derive.errors import SpecError
from derive.generate import generate
from derive.spec import from_dict, to_dict
from derive.spec.table_names import FORMAT
from numerics import testing
from numerics.model.continuum import Continuum
from numerics.model.prepared import Prepared

P = {"family": "p0", "cells": 2}
ONE = {"family": "p0", "cells": 1}


def declared(first: str, second: str, given_: str = "d", tableau: str = "euler") -> dict[str, Any]:
    return {
        "name": "names",
        "equation": {
            "rate": f"tanh(u)*{first} - {second}*h + {given_}*{first}**2",
            "learned": {first: "1/2", second: "1/3"}, "parameters": {given_: "1/5"},
        },
        "state": {"basis": P}, "weight": {"width_out": P, "width_in": P, "depth": ONE},
        "bias": {"width": P, "depth": ONE}, "integration": {"tableau": tableau, "steps": 2}, "loss": {"kind": "l2"},
    }  # fmt: skip


@cache
def locals_of_kernels() -> list[str]:
    """Every name that a kernel binds, on both targets, of explicit and of implicit stages."""
    found: set[str] = set()
    for tableau in ("heun", "implicit-midpoint"):
        files = generate(load_spec(declared("a", "b", tableau=tableau)))
        for module in ("cpu.py", "cuda.py"):
            for node in ast.walk(ast.parse(files[module])):
                if isinstance(node, ast.Name | ast.arg):
                    found.add(node.id if isinstance(node, ast.Name) else node.arg)
    return sorted(found)


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def written_out(fields: dict[str, np.ndarray], h: np.ndarray) -> np.ndarray:
    """Two Euler steps of half a unit for cells of length 1, a and b the learned parameters."""
    w, bias, (a, b) = fields["W"], fields["b"], fields["a"]
    for _ in range(2):
        u = w @ h + bias[:, None]
        h = h + (np.tanh(u) * a - b * h + a**2 / 5) / 2
    return h


def check(first: str, second: str, given_: str) -> None:
    model = Continuum.from_spec(declared(first, second, given_), seed=0)
    order = [name for name, _ in model.spec.learned]
    generator = np.random.default_rng(1)
    model = model.with_coordinates(generator.standard_normal(model.size))
    own = {name: f.slabs[0].coefficients for name, f in model.fields.items()}
    learned = own["parameters"].ravel()[[order.index(first), order.index(second)]]
    fields = {"W": own["W"].reshape(2, 2), "b": own["b"].ravel(), "a": learned}
    h, y = generator.standard_normal((2, 2, 3))
    found = model.solver.final(h)
    assert np.abs(found - written_out(fields, h)).max() <= 1e-14
    # the parameters' gradient, by a complex step of the loop above: ½ of the cells' squares is the l2 norm's density
    _, gradient = model.coefficient_gradient(Prepared(h, y, np.zeros(3), None))
    for k, name in enumerate((first, second)):
        moved = fields | {"a": fields["a"] + 1e-30j * np.eye(2)[k]}
        slope = np.mean(np.sum((model.readout_map()[0] @ written_out(moved, h) - y) ** 2, axis=0)).imag / 1e-30
        assert abs(gradient["parameters"][0].ravel()[order.index(name)] - slope) <= 1e-13 * max(1.0, abs(slope))


WORDS = ("c2", "bias", "v", "f1", "t0", "lambda", "None", "print", "math", "np", "u9", "E", "I", "S", "N", "xi")


@pytest.mark.first(4)
@pytest.mark.parametrize("name", WORDS)
def test_names_that_once_met_others(name: str) -> None:
    check(name, "b" if name != "b" else "a", "d")


@pytest.mark.slow
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_any_name_is_a_parameter(data: st.DataObject) -> None:
    names = testing.names(locals_of_kernels())
    check(*data.draw(st.lists(names, min_size=3, max_size=3, unique=True)))


@pytest.mark.slow
def test_the_strategy_knows_kernels_python_and_numpy() -> None:
    for wanted in (locals_of_kernels(), keyword.kwlist, dir(builtins), dir(np)):
        allowed = set(testing.allowed_names(wanted))
        assert len(allowed) > 10 and not {"tanh", "u", "u1", "h", "f", "Delta", "pi"} & allowed


@pytest.mark.slow
def test_users_names_are_prefixed_on_both_targets() -> None:
    files = generate(load_spec(declared("constants", "records", "row")))
    for module in ("cpu.py", "cuda.py"):
        text = files[module].decode()
        plain_names = generate(load_spec(declared("x1", "x2", "x3")))[module].decode()
        bound = {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}
        others = {n.id for n in ast.walk(ast.parse(plain_names)) if isinstance(n, ast.Name)}
        assert bound - others == {"own_constants", "own_records"}
    assert "constants from 1/2" in files["derivation.md"].decode()


def test_every_sum_of_a_loss_has_a_name_of_its_own() -> None:
    from derive import registry
    from derive.program import loss

    for name in registry.names("losses"):
        form = loss.derive(name)
        assert all(f"sum_{key} += " in printed(form.kernel(), Cuda).text() for key, _ in form.sums)


@pytest.mark.parametrize("name", ["u", "u1", "h", "f", "Delta", "pi", "tanh", "max", "a_b", "2a", "é", "a b", ""])
def test_names_with_a_meaning_are_refused_with_what_is_allowed(name: str) -> None:
    spec = declared("a", "b")
    spec["equation"] |= {"rate": "tanh(u)", "learned": {name: "1/2"}}
    with pytest.raises(SpecError, match="letters and digits; not") as caught:
        load_spec(spec)
    assert "equation.learned" in caught.value.where


@pytest.mark.parametrize("changes", [
    {"name": 'x"""\nimport os\n"""'}, {"learned": [["a; import os #", "1/2"], ["b", "1"]]},
    {"parameters": [["d = 1\n", "1/5"]]},
])  # fmt: skip
def test_what_is_no_name_is_not_written_into_a_module(changes: dict[str, Any]) -> None:
    """A model's file holds its spec: names are checked again, or the file would hold code."""
    stored = to_dict(load_spec(declared("a", "b")))
    assert from_dict(stored).name == "names" and FORMAT >= 6
    with pytest.raises(SpecError, match="is no name"):
        from_dict(stored | changes)
