"""ONNX graphs by onnxruntime, beside the models that they are of: numbers, shapes, what they say, what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from derive.errors import ContinuumError, DataError, RepresentationError
from numerics import Continuum, from_layers, to_onnx
from numerics.command.main import main
from numerics.estimators.onnx_file import OPSET, check
from numerics.estimators.onnx_values import Graph, library
from numerics.model.units import Scale, Units
from tests.builders import EVERY, FUNCTION, NUMBERS, random_model

runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

ORT = {"providers": ["CPUExecutionProvider"]}
UNITS = Units(((0.0, 12.8),), Scale((200.0,), (30.0,), (110.0,), (290.0,)))


def run(made: Any, x: np.ndarray) -> np.ndarray:
    return runtime.InferenceSession(made.SerializeToString(), **ORT).run(None, {"x": x})[0]


@pytest.mark.first(6)
@pytest.mark.parametrize("name", EVERY)
def test_every_kind_of_model(name: str) -> None:
    model = random_model(EVERY[name])
    assert check(model, to_onnx(model, 7)).difference <= (1e-7 if name == "functions" else 1e-13)
    assert check(model, to_onnx(model, 7, precision="float32")).difference <= 1e-6


def test_any_number_of_records_at_points_of_the_domain() -> None:
    """The oracle is the model itself, asked for the same points in the user's units."""
    model = random_model(FUNCTION).replace(units=UNITS)
    xi, at = np.array([0.0, 1.5, 4.0, 12.0]), np.linspace(1, 11, 6)
    made = to_onnx(model, xi, at)
    for records in (1, 5):
        x = np.random.default_rng(records).normal(200, 30, (records, 4, 1))
        found = run(made, x)
        assert found.shape == (records, 6, 1)
        assert np.abs(found - model(x, xi, at)).max() <= 1e-13
    said = {entry.key: json.loads(entry.value) for entry in made.metadata_props}
    assert np.allclose(said["xi"], [xi]) and np.allclose(said["at"], [at])
    assert made.opset_import[0].version == OPSET
    assert [d.dim_param or d.dim_value for d in made.graph.input[0].type.tensor_type.shape.dim] == ["records", 4, 1]


def test_classes_have_their_names() -> None:
    model = random_model(NUMBERS).replace(classes=("ash", "elm", "oak"))
    (said,) = [entry.value for entry in to_onnx(model, 9).metadata_props if entry.key == "classes"]
    assert json.loads(said) == ["ash", "elm", "oak"]


def test_a_perceptron_gives_a_value_a_neuron() -> None:
    generator = np.random.default_rng(0)
    weights = [generator.standard_normal((5, 4)), generator.standard_normal((3, 5))]
    model = from_layers(weights, [np.ones(5), np.ones(3)], last="activation")
    x = generator.standard_normal((6, 4))
    expected = np.tanh(np.tanh(x @ weights[0].T + 1) @ weights[1].T + 1)
    assert np.abs(run(to_onnx(model, 4), x[..., None])[..., 0] - expected).max() <= 1e-14


@pytest.mark.parametrize(
    ("steps", "says"),
    [({"tableau": "backward-euler", "steps": 2}, "implicit"), ({"tableau": "dopri5", "steps": "adaptive"}, "choose")],
)
def test_steps_that_no_graph_has_are_refused(steps: dict[str, Any], says: str) -> None:
    with pytest.raises(RepresentationError, match=says) as error:
        to_onnx(random_model({**FUNCTION, "integration": steps}), 7)
    assert "explicit tableau" in error.value.fix


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(NUMBERS)
    for given, says in (
        ({"xi": 7, "at": [0.0]}, "numbers a record"), ({"xi": [0.5, 2.0]}, "xi = 2"), ({"xi": 0}, "0 samples"),
        ({"xi": 7, "precision": "float16"}, "float16"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=says):
            to_onnx(model, **given)
    made = to_onnx(model, 7)
    with pytest.raises(RepresentationError, match="differ by"):
        check(model.with_coordinates(model.coordinates * 1.001), made)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ContinuumError, match=r"neural-continua\[onnx\]"):
        to_onnx(model, 7)


def test_words_of_a_graph_are_numpys() -> None:
    """What models seldom need: rows that several places add to, hypot, powers, and the functions in both precisions."""
    from onnx import helper, numpy_helper
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented

    u = np.random.default_rng(0).uniform(-2, 2, (3, 4))
    wanted = {
        "sinh": np.sinh, "tan": np.tan, "sign": np.sign, "floor": np.floor, "sqrt": lambda v: np.sqrt(np.abs(v)),
        "hypot": lambda v: np.hypot(v, 2.0), "Min": lambda v: np.minimum(v, 0.5),
        "softplus": lambda v: np.log1p(np.exp(v)), "scatter": lambda v: np.array([v[1] + v[2], 0 * v[0], v[0]]),
        "power": lambda v: v**3,
    }  # fmt: skip
    for dtype in (np.float64, np.float32):
        for name, expected in wanted.items():
            graph = Graph(np.dtype(dtype))
            words, x = library(graph), graph.input("x", (3, 4))
            made = {
                "hypot": lambda w, v: w.functions["hypot"](v, 2.0, 0.0), "power": lambda w, v: v**3,
                "Min": lambda w, v: w.functions["Min"](v, 0.5), "sqrt": lambda w, v: w.functions["sqrt"](
                    w.functions["Abs"](v)),
                "scatter": lambda w, v: w.scatter(3, np.array([2, 0, 0]), v),
            }.get(name, lambda w, v, name=name: w.functions[name](v))(words, x)  # fmt: skip
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            info = [helper.make_tensor_value_info(n, kind, s) for n, s in (("x", (3, 4)), (made.named(), made.shape))]
            constants = [numpy_helper.from_array(a, n) for n, a in graph.constants.items()]
            whole = helper.make_model(
                helper.make_graph(graph.nodes, "words", info[:1], info[1:], constants),
                opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8,
            )  # fmt: skip
            try:
                found = run(whole, u.astype(dtype))
            except NotImplemented as missing:  # older runtimes have some words in single precision only
                assert name == "tan" and dtype is np.float64, missing
                continue
            assert np.abs(found - expected(u)).max() <= 50 * np.finfo(dtype).eps, name


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = random_model(FUNCTION).replace(units=UNITS)
    model.save("model.npz")
    np.save("at.npy", np.linspace(1, 12, 5))
    options = "--samples 20 --at at.npy --precision float32"
    done = CliRunner().invoke(main, f"export model.npz --out m.onnx {options}".split())
    assert done.exit_code == 0 and "opset 17" in done.stdout, done.output
    x = np.random.default_rng(0).normal(200, 30, (2, 20, 1)).astype(np.float32)
    found = runtime.InferenceSession("m.onnx", **ORT).run(None, {"x": x})[0]
    assert np.abs(found - model(x, at=np.linspace(1, 12, 5))).max() <= 1e-4
    for options, says in (
        ("--out n.onnx", "neither --samples nor --xi"),
        ("--out n.onnx --samples 4 --xi at.npy", "both"),
        ("--out n.npz --samples 4", "--samples for a discrete network"),
    ):
        refused = CliRunner().invoke(main, f"export model.npz {options}".split())
        assert refused.exit_code == 2 and says in refused.stderr and not Path(options.split()[1]).exists()


def test_a_networks_own_inputs_need_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model: Continuum = from_layers([np.ones((3, 4)), np.ones((2, 3))], [np.zeros(3), np.zeros(2)])
    model.save("model.npz")
    done = CliRunner().invoke(main, ["export", "model.npz", "--out", "m.onnx"])
    assert done.exit_code == 0, done.output
    assert runtime.InferenceSession("m.onnx", **ORT).run(None, {"x": np.ones((2, 4, 1))})[0].shape == (2, 2)
