"""Models as ONNX graphs: records at fixed points in, outputs out, with any number of records.

The graph is the model's program, written operation by operation (``forward``): projection of the samples, lift, every
stage of every step with its operators formed, maxima or shares, readout, or the values of the output function.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.errors import ContinuumError, DataError, RepresentationError
from numerics.checks import instance, numbers
from numerics.functions.sampled_records import check_points, default_points
from numerics.model import points
from numerics.model.continuum import Continuum
from numerics.model.points import Grid

if TYPE_CHECKING:
    from numerics.estimators.onnx_values import Graph

Array = np.ndarray
OPSET, IR = 17, 8  # of 2022: what it has is in every later one
PRECISIONS = ("float64", "float32")
LARGEST = 1 << 31  # bytes: more fit into no ONNX file
CHECKED = 16  # records
TOLERATED = {"float64": 1e-6, "float32": 1e-4}  # of the largest output; what is measured is hundreds of times less


def to_onnx(model: Continuum, xi: Any, at: Any = None, precision: str | None = None) -> Any:
    """The model as an ``onnx.ModelProto``, opset 17: input "x" (records, points[, points …], channels), output "y".

    xi: where the records are sampled, points in the user's units, or how many samples there are, at the default points;
    on squares and cubes a tuple, one an axis. at: where functions are given (default: the records' points).
    precision: of inputs, outputs and arithmetic (default: the model's). Its points and classes are in the metadata.
    Raises RepresentationError for implicit and adaptive steps, which no graph of fixed length is; DataError for points
    that do not fit; ContinuumError without the extra ``onnx``.
    """
    instance(model, Continuum, "give a model, as numerics.load reads it")
    onnx = _package("onnx")
    chosen = model.spec.precision if precision is None else precision
    if chosen not in PRECISIONS:
        raise DataError(f"precision {chosen!r}", " or ".join(PRECISIONS), "another type", 'write "float32"')
    grid = _grid(model, xi)
    if at is not None and model.spec.functional:
        raise DataError(
            f"points for a model that gives {model.spec.outputs} numbers a record", "models that give functions",
            "its readout integrates the function away", "leave `at` out",
        )  # fmt: skip
    where = points.answered(model.base, grid) if at is None else model.units.grid(points.wanted(model.spec, at))
    graph, shapes = _traced(model, np.dtype(chosen), grid, where)
    helper = onnx.helper
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(chosen))
    values = [helper.make_tensor_value_info(name, kind, ["records", *shape]) for name, shape in zip("xy", shapes)]
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
    made = helper.make_model(
        helper.make_graph(graph.nodes, model.base.name, values[:1], values[1:], constants),
        opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="neural-continua",
        doc_string=model.base.summary,
    )  # fmt: skip
    said: dict[str, Any] = {"xi": _in_units(model, grid)}
    if not model.spec.functional:
        said["at"] = _in_units(model, where)
    if model.names:
        said["classes"] = model.names
    helper.set_model_props(made, {name: json.dumps(value) for name, value in said.items()})
    onnx.checker.check_model(made, full_check=True)
    return made


def _traced(model: Continuum, dtype: np.dtype[Any], grid: Grid, at: Grid) -> tuple[Graph, list[list[int]]]:
    """The graph, and the shapes of "x" and "y" behind the number of records."""
    try:  # the program is derived: a model that only answers needs no SymPy
        from numerics.estimators.forward import Forward
        from numerics.estimators.network import NotComparable
        from numerics.estimators.onnx_values import RECORDS, Graph, library
    except ImportError as error:
        raise RepresentationError(
            f"an ONNX graph without the derivation: {error}", "SymPy and python-flint beside the model",
            "an environment that only runs models", "install sympy and python-flint",
        ) from None  # fmt: skip
    graph, spec = Graph(dtype), model.spec
    shape = [*map(len, grid), spec.record_channels]
    try:
        network = Forward(model, library(graph), dtype, grid, at)
    except NotComparable as reason:
        raise RepresentationError(
            f"a model with {reason}", "explicit steps that are declared",
            "a graph has the same nodes for all records, and here their states are solved for, or choose the steps",
            "declare a level with an explicit tableau and fixed steps, and project the model onto it",
        ) from None  # fmt: skip
    last = len(shape)
    y = network.run(graph.input("x", (RECORDS, *shape)).transpose(*range(1, last + 1), 0))
    inner = len(y.shape) - 1
    answered = y.transpose(inner, *range(inner))
    graph.nodes[-1].output[0] = "y"
    size = sum(array.nbytes for array in graph.constants.values())
    if size > LARGEST:
        raise RepresentationError(
            f"a graph of {size / 2**30:.1f} GiB", "at most 2 GiB", "stage operators of many steps and nodes",
            "take fewer steps, a smaller state, or precision float32",
        )  # fmt: skip
    return graph, [shape, list(answered.shape[1:])]


def _grid(model: Continuum, xi: Any) -> Grid:
    """Points along every axis in [−1, 1], checked."""
    spec = model.spec
    given = xi if isinstance(xi, tuple) and len(xi) == spec.dimension else (xi,) * spec.dimension
    found = []
    for own, periodic in zip(given, spec.periodic):
        if isinstance(own, int | np.integer) and not isinstance(own, bool):
            found.append(default_points(spec.interpolant, int(own), periodic))
        else:
            axis = len(found)
            inside = np.atleast_1d(numbers(own, "xi"))
            found.append(check_points(model.units.confined(inside, axis, "xi"), periodic))
    return tuple(found)


def _in_units(model: Continuum, grid: Grid) -> list[list[float]]:
    """Points as the user has them."""
    return [model.units.points(x, axis).tolist() for axis, x in enumerate(grid)]


def _package(name: str) -> Any:
    """One of the packages of the extra. Raises ContinuumError naming it."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ContinuumError(
            f"no package {name}", "neural-continua with its extra onnx", str(error),
            'pip install "neural-continua[onnx]"',
        ) from None  # fmt: skip


@dataclass(frozen=True)
class Checked:
    """What onnxruntime made of a graph. difference: the largest from the model's outputs, to the largest of these."""

    records: int
    difference: float


def check(model: Continuum, made: Any, seed: int = 0) -> Checked:
    """Run a graph of ``to_onnx`` on random records beside the model.

    Raises RepresentationError for outputs that are not the model's, and ContinuumError without onnxruntime.
    """
    runtime = _package("onnxruntime")
    said = {entry.key: json.loads(entry.value) for entry in made.metadata_props}
    grid = tuple(np.array(x) for x in said["xi"])
    shape = CHECKED, *map(len, grid), model.spec.record_channels
    dtype = _package("onnx").helper.tensor_dtype_to_np_dtype(made.graph.input[0].type.tensor_type.elem_type)
    x, scale = np.random.default_rng(seed).standard_normal(shape), model.units.samples
    x = (x if scale is None else scale.back(x)).astype(dtype)
    session = runtime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": x})
    single = model.spec.dimension == 1
    at = None if model.spec.functional else tuple(np.array(p) for p in said["at"])
    wanted = model(x.astype(np.float64), grid[0] if single else grid, at[0] if at and single else at)
    apart = float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), np.finfo(dtype).tiny))
    if not apart <= TOLERATED[np.dtype(dtype).name]:
        raise RepresentationError(
            f"a graph whose outputs differ by {apart:.1e} of the largest", f"at most {TOLERATED[np.dtype(dtype).name]}",
            "numbers that overflow or cancel, above all in float32", "write the graph in precision float64",
        )  # fmt: skip
    return Checked(CHECKED, apart)
