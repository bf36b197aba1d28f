"""Records on a GPU give outputs there: those of the host, without a copy of records or outputs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest

from derive.errors import DataError
from numerics import Continuum, fit
from numerics.kernels import launch
from numerics.kernels.cuda import CudaBound
from numerics.kernels.launch import Launch
from tests.oracles import lockstep

P0, HAT, ONE = {"family": "p0", "cells": 3}, {"family": "hat", "cells": 3}, {"family": "p0", "cells": 1}
SPEC: dict[str, Any] = {
    "name": "answers", "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": HAT}, "weight": {"width_out": P0, "width_in": P0, "depth": ONE},
    "bias": {"width": P0, "depth": ONE}, "integration": {"tableau": "euler", "steps": 2}, "loss": {"kind": "l2"},
}  # fmt: skip
TWO = {"equation": SPEC["equation"] | {"channels": 2}}
SPECS = {
    "functions": SPEC,
    "classes, maxima": SPEC | {
        "readout": {"outputs": 2, "basis": HAT, "maximum": "4"}, "loss": {"kind": "cross-entropy"},
    },
    "lift, readout": SPEC | TWO | {"lift": {"inputs": 1}, "readout": {"outputs": 2}},
    "varying lift": SPEC | TWO | {"lift": {"inputs": 1, "width": P0}},
    "cells": SPEC | {"input": {"interpolant": "constant"}},
    "square": SPEC | {"equation": SPEC["equation"] | {"dimension": 2}},
}  # fmt: skip
ONE_THREAD = Launch(records=3, threads=(1, 1), blocks=2)
X = np.random.default_rng(0).standard_normal((5, 7))


def there(model: Continuum) -> Continuum:
    return model.running_on(CudaBound(model.representation, model.spec.precision, launch=ONE_THREAD))


@pytest.mark.parametrize("name", SPECS)
def test_the_answers_are_the_hosts(name: str) -> None:
    model = Continuum.from_spec(SPECS[name], seed=0)
    x = X if name != "square" else np.random.default_rng(1).standard_normal((4, 5, 3, 1))
    expected = model(x)
    with lockstep.device() as machine:
        device, given = there(model), machine.to_device(x)
        device(given)
        machine.count.clear()
        found = device(given)
        assert machine.count["uploads"] == machine.count["downloads"] == 0
        assert found.shape == expected.shape and found.dtype == x.dtype
        assert found.__cuda_array_interface__["stream"] == machine.legacy_default_stream()
        assert np.allclose(found.copy_to_host(), expected, rtol=1e-11, atol=1e-12)


def test_units_points_and_places_are_kept() -> None:
    """Of a trained model, which scales samples and targets, at points in its own units, asked for elsewhere."""
    xi, at = np.array([2.0, 2.5, 3.5, 4.5, 5.0, 5.5, 6.0]), np.array([2.0, 3.0, 6.0])
    scaled = SPEC | {"input": {"scale": "standard"}, "readout": {"outputs": 1, "scale": "standard"}}
    model = Continuum.from_spec(scaled, seed=0)
    model = fit(model, 100 + 9 * X, (3 * X + 1)[:, :, None], xi, epochs=2)
    expected = model(100 + 9 * X, xi, at=at)
    with lockstep.device() as machine:
        found = there(model)(machine.to_device(100 + 9 * X), xi, at=at)
        assert np.allclose(found.copy_to_host(), expected, rtol=1e-9, atol=1e-9)


def test_records_of_single_precision_give_outputs_of_single_precision() -> None:
    model = Continuum.from_spec(SPEC | {"precision": "float32"}, seed=0)
    with lockstep.device() as machine:
        found = there(model)(machine.to_device(X.astype(np.float32)))
        assert found.dtype == np.float32 and np.allclose(found.copy_to_host(), model(X), atol=1e-5)


def test_what_cannot_be_answered_there_is_said() -> None:
    model = Continuum.from_spec(SPEC, seed=0)
    with lockstep.device() as machine:
        device, given = there(model), machine.to_device(X)
        with pytest.raises(DataError, match="where the model's kernels run"):
            model(given)
        with pytest.raises(DataError, match="points that all records share"):
            device(given, np.tile(np.linspace(-1, 1, 7), (5, 1)))
        with mock.patch("numerics.model.device_answers.LARGEST", 3), pytest.raises(DataError, match="copy them to the"):
            device(given, np.linspace(-1, 1, 7))
        open_ = Continuum.from_spec(
            SPEC | {"integration": {"tableau": "dopri5", "steps": "adaptive", "tolerance": "1/100"}}, seed=0
        )
        with pytest.raises(DataError, match="adaptive steps"):
            there(open_)(given)
        with mock.patch.object(lockstep.DeviceArray, "is_c_contiguous", lambda self: False):
            with pytest.raises(DataError, match="contiguous copy"):
                device(given)


def test_dlpack_is_read_where_there_is_no_cuda_array_interface() -> None:
    numbers = np.zeros((2, 3), np.float32)
    told = SimpleNamespace(ptr=4096, readonly=True, shape=(2, 3), strides=(3, 1), dtype=numbers.dtype)
    streams = []
    view = SimpleNamespace(from_dlpack=lambda array, stream_ptr: streams.append(stream_ptr) or told)
    tensor = SimpleNamespace(__dlpack_device__=lambda: (2, 0))
    on_host = SimpleNamespace(__dlpack_device__=lambda: (1, 0))
    assert launch.on_gpu(tensor) and not launch.on_gpu(on_host) and not launch.on_gpu(numbers)
    modules = {"cuda.core.utils": SimpleNamespace(StridedMemoryView=view)}
    with lockstep.device(), mock.patch.dict("sys.modules", modules):
        found = launch.array_of(tensor).__cuda_array_interface__
    assert streams == [1]  # the legacy default stream of DLPack: nothing begins before the array is there
    assert found["data"] == (4096, True) and found["strides"] == (12, 4) and found["typestr"] == "<f4"


class Requiring:
    """Like a tensor of PyTorch on a GPU that requires a gradient."""

    @property
    def __cuda_array_interface__(self) -> dict[str, object]:
        raise RuntimeError("Can't get __cuda_array_interface__ on Variable that requires grad")


def test_a_tensor_that_requires_a_gradient_is_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match="detach it"):
        Continuum.from_spec(SPEC, seed=0)(Requiring())
