"""Models as modules of PyTorch and networks from there, against PyTorch itself."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from derive.errors import ContinuumError, DataError
from numerics import from_layers, from_torch, load, to_layers, to_torch
from numerics.datasets import records as given_records
from numerics.estimators.forward import Forward
from numerics.functions.sampled_records import default_points
from numerics.model.units import Scale, Units
from tests.builders import EVERY, FUNCTION, LIFTED, NUMBERS, random_model

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

UNITS = Units(((0.0, 12.8),), Scale((200.0,), (30.0,), (110.0,), (290.0,)), Scale((-4.0,), (3.0,), (0.0,), (1.0,)))


def records(model: Any, count: int = 3, samples: int = 7) -> np.ndarray:
    spec = model.spec
    return np.random.default_rng(0).standard_normal((count, *(samples,) * spec.dimension, spec.record_channels))


@pytest.mark.first(4)
@pytest.mark.parametrize("name", EVERY)
def test_outputs_and_gradients(name: str) -> None:
    """Outputs are the model's, to 1e-12 and in float32 to 1e-6; gradients are those of differences (gradcheck)."""
    model = random_model(EVERY[name])
    x, module = torch.from_numpy(records(model)), to_torch(model)
    wanted = model(x.numpy())
    size = np.abs(wanted).max()
    assert np.abs(module(x).detach().numpy() - wanted).max() <= 1e-12 * size
    single = to_torch(model).float()(x.float())
    assert single.dtype == torch.float32 and np.abs(single.detach().numpy() - wanted).max() <= 1e-6 * size
    if name == "gated":  # it has a kink
        return
    names = [key for key, _ in module.named_parameters()]

    def run(x: Any, *given: Any) -> Any:
        return torch.func.functional_call(module, dict(zip(names, given)), (x,))

    assert torch.autograd.gradcheck(run, (x.requires_grad_(), *module.parameters()), fast_mode=True)


def test_gradients_are_those_of_pytorchs_own_operations() -> None:
    """The same program, operation by operation in PyTorch: its automatic differentiation by the records."""
    from numerics.bench.rivals import Torch

    model = random_model(EVERY["maxima"])
    x = torch.from_numpy(records(model)).requires_grad_()
    xi = (default_points("linear", 7, False),)
    plain = Forward(model, Torch.library(), np.float64, xi, xi).run(x.movedim(0, -1)).T
    module = to_torch(model)
    (expected,) = torch.autograd.grad(plain.sin().sum(), x)
    (found,) = torch.autograd.grad(module(x).sin().sum(), x)
    assert (found - expected).abs().max() <= 1e-13


def test_a_module_inside_a_larger_net_trains_and_gives_the_model_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = random_model({**LIFTED, "lift": {"inputs": 3}})
    net = nn.Sequential(
        nn.Conv1d(1, 3, 3, padding=1), to_torch(model, layout="channels_first"), nn.Conv1d(2, 1, 1)
    ).double()
    x = torch.randn(8, 1, 9, dtype=torch.float64)
    optimiser, losses = torch.optim.Adam(net.parameters(), lr=0.02), []
    for _ in range(12):
        optimiser.zero_grad()
        loss = ((net(x) - x.roll(1, 2)) ** 2).mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    trained = net[1].continuum()
    trained.save(tmp_path / "trained.npz")
    between = net[0](x)
    expected = load(tmp_path / "trained.npz")(between.movedim(1, 2).detach().numpy())
    assert np.abs(net[1](between).movedim(1, 2).detach().numpy() - expected).max() <= 1e-12
    assert np.abs(trained.coordinates - model.coordinates).max() > 0.01
    other = to_torch(model, layout="channels_first")
    stream = io.BytesIO()
    torch.save(net[1].state_dict(), stream)
    stream.seek(0)
    other.load_state_dict(torch.load(stream, weights_only=True))
    assert torch.equal(other(between), net[1](between)) and torch.equal(copy.deepcopy(other)(between), other(between))


def test_euclidean_gradients_are_those_of_the_fields() -> None:
    """A step of SGD is a step down the L2 gradient, which the model has itself."""
    model = random_model({**NUMBERS, "loss": {"kind": "l2"}})
    x, y = records(model), np.random.default_rng(1).standard_normal((3, 3))
    module = to_torch(model)
    ((module(torch.from_numpy(x)) - torch.from_numpy(y)) ** 2).sum(dim=1).mean().backward()
    _, expected = model.objective(model.prepare(given_records(x, y)))
    found = torch.cat([p.grad.reshape(-1) for p in module.parameters()]).numpy()
    assert np.abs(found - expected).max() <= 1e-12


def test_points_units_and_foreign_tensors() -> None:
    model = random_model(FUNCTION).replace(units=UNITS)
    x = np.random.default_rng(0).normal(200, 30, (4, 6, 1))
    rows = np.sort(np.random.default_rng(1).uniform(0, 12.8, (4, 6)), axis=1)
    rows[2] = rows[0]
    at = np.linspace(1, 12, 5)
    module = to_torch(model)
    for xi in (None, rows[0], rows):
        expected = np.array(model(x, xi))
        assert np.abs(module(torch.from_numpy(x), xi).detach().numpy() - expected).max() <= 1e-12 * 4
        assert np.abs(module(x, xi, at).detach().numpy() - model(x, xi, at)).max() <= 1e-12 * 4

    class Foreign:
        """An array of another library, which offers DLPack and nothing else."""

        def __init__(self, array: np.ndarray) -> None:
            self.__dlpack__, self.__dlpack_device__ = array.__dlpack__, array.__dlpack_device__

    assert torch.equal(module(Foreign(x), Foreign(rows)), module(torch.from_numpy(x), rows))
    single = module.float()(torch.from_numpy(x).float() + 2e5)  # what is left is scaled in float64
    assert torch.isfinite(single).all()


def test_what_a_module_cannot_take_is_refused() -> None:
    model = random_model(LIFTED)
    module, x = to_torch(model), torch.from_numpy(records(model))
    for given, says in (
        (lambda: to_torch(random_model({**LIFTED, "lift": {"inputs": 3}}))(torch.ones(2, 3, 9)), "channels_first"),
        (lambda: module(torch.ones(2, 9, 4)), "of another model"),
        (lambda: module(x, xi=torch.ones(3)), "points of shapes"),
        (lambda: module(x, xi=torch.linspace(-1, 1, 7).requires_grad_()), "require a gradient"),
        (lambda: to_torch(random_model(NUMBERS))(x, at=[0.0]), "numbers a record"),
        (lambda: to_torch(model, layout="first"), "channels_first"),
        (lambda: copy.deepcopy(module).half()(x), "float16"),
    ):
        with pytest.raises(DataError) as error:
            given()
        assert says in str(error.value)


# --- networks from PyTorch ----------------------------------------------------------------------------------


class Block(nn.Module):
    """A residual block of one layer."""

    def __init__(self, layer: Any, function: Any = torch.tanh) -> None:
        super().__init__()
        self.layer, self.function = layer, function

    def forward(self, x: Any) -> Any:
        return x + self.function(self.layer(x))


def conv(inputs: int, outputs: int, size: int = 3, **words: Any) -> Any:
    return nn.Conv1d(inputs, outputs, size, **({"padding": size // 2} | words))


NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "linear": (lambda: [nn.Linear(4, 6), nn.Tanh(), nn.Dropout(), nn.Linear(6, 5, bias=False), nn.Tanh(),
                        nn.Linear(5, 2)], (4,)),
    "ends in an activation": (lambda: [nn.Linear(4, 6), nn.ELU(0.5), nn.Linear(6, 5), nn.ELU(0.5)], (4,)),
    "residual": (lambda: [Block(nn.Linear(4, 4)), Block(nn.Linear(4, 4)), nn.Linear(4, 2)], (4,)),
    "batch normalisation": (lambda: [nn.Linear(4, 6), nn.BatchNorm1d(6), nn.GELU(), nn.Linear(6, 5)], (4,)),
    "convolutions": (lambda: [
        conv(2, 4, 4, padding="same"), nn.BatchNorm1d(4), nn.ReLU(), conv(4, 4, padding=2, dilation=2, groups=2),
        nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3)], (2, 11)),
    "circular": (lambda: [conv(2, 3, padding_mode="circular"), nn.SiLU(), conv(3, 3, 5, padding_mode="circular"),
                          nn.SiLU()], (2, 11)),
    "residual convolutions": (lambda: [Block(conv(2, 2), torch.sigmoid), Block(conv(2, 2, 5), torch.sigmoid),
                                       nn.AvgPool1d(11), nn.Flatten()], (2, 11)),
}  # fmt: skip


def network(name: str) -> tuple[Any, Any]:
    """The network, whose batch normalisations have seen some records, and three others."""
    torch.manual_seed(0)
    made, shape = NETWORKS[name]
    net = nn.Sequential(*made()).double()
    net(torch.randn(20, *shape, dtype=torch.float64))
    return net.eval(), torch.randn(3, *shape, dtype=torch.float64)


def answers(model: Any, x: Any) -> np.ndarray:
    """The continuum's, laid out as PyTorch's."""
    found = model(x.movedim(1, -1).numpy() if x.ndim == 3 else x.numpy())
    return np.moveaxis(found, -1, 1) if x.ndim == 3 and found.ndim == 3 else found.reshape(len(x), -1)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_reproduced(name: str) -> None:
    net, x = network(name)
    model = from_torch(net, length=11 if x.ndim == 3 else None)
    assert np.abs(answers(model, x) - net(x).detach().numpy()).max() <= 1e-14


@pytest.mark.parametrize(
    "activation",
    [nn.LeakyReLU(), nn.LeakyReLU(0.2), nn.Softplus(), nn.Softsign(), nn.ReLU6(), nn.Hardtanh(-0.5, 0.7),
     nn.LogSigmoid(), nn.Tanhshrink(), nn.Mish(), nn.ELU()],
)  # fmt: skip
def test_activations(activation: Any) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(4, 5), activation, nn.Linear(5, 2)).double()
    x = 4 * torch.randn(6, 4, dtype=torch.float64)
    assert np.abs(from_torch(net)(x.numpy()) - net(x).detach().numpy()).max() <= 1e-13


def test_state_dicts_and_files(tmp_path: Path) -> None:
    net, x = network("linear")
    expected = net(x).detach().numpy()
    torch.save(net.state_dict(), tmp_path / "state.pt")
    torch.save({"epoch": 3, "model_state_dict": net.state_dict()}, tmp_path / "checkpoint.pt")
    for given in (net.state_dict(), tmp_path / "state.pt", str(tmp_path / "checkpoint.pt")):
        assert np.abs(from_torch(given, activation="tanh")(x.numpy()) - expected).max() <= 1e-14
    weights = [layer.weight for layer in net if isinstance(layer, nn.Linear)]
    biases = [torch.zeros(len(w)) if layer.bias is None else layer.bias for layer, w in
              zip((layer for layer in net if isinstance(layer, nn.Linear)), weights)]  # fmt: skip
    assert np.abs(from_layers(weights, biases, "tanh")(x.numpy()) - expected).max() <= 1e-14
    assert to_layers(from_torch(net)).activation == "tanh"


class Executed:
    """Unpickled, it would leave a file."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("executed"),)


def refused(tmp_path: Path) -> dict[str, tuple[Any, dict[str, Any], str]]:
    """What is no continuum: given, how, and words of the refusal."""
    torch.save(Executed(), tmp_path / "code.pt")
    (tmp_path / "text.pt").write_text("no archive")
    mlp = [nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)]

    class Two(nn.Module):
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

    signal = {"length": 11}
    return {
        "activations": (nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU()), {}, "layer '2', Linear"),
        "softmax": (nn.Sequential(*mlp, nn.Softmax(1)), {}, "network[:-1]"),
        "norm": (nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), *mlp[1:]), {}, "layer '1', LayerNorm"),
        "stride": (nn.Sequential(conv(1, 2, stride=2), nn.ReLU()), signal, "stride 2"),
        "padding": (nn.Sequential(conv(1, 2, padding=0), nn.ReLU()), signal, "padding 0"),
        "pooling": (nn.Sequential(conv(1, 2), nn.ReLU(), nn.MaxPool1d(2)), signal, "MaxPool1d"),
        "all samples": (nn.Sequential(conv(1, 2), nn.ReLU(), nn.Flatten(), nn.Linear(22, 3)), signal, "every sample"),
        "length": (nn.Sequential(conv(1, 2), nn.ReLU()), {}, "length=128"),
        "reflection": (nn.Sequential(conv(1, 2, padding_mode="reflect"), nn.ReLU()), signal, "reflect"),
        "no activation": (nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), {}, "right behind layer '0'"),
        "long block": (Block(nn.Sequential(*mlp[:2], nn.Linear(4, 4))), {}, "h + f(layer(h))"),
        "mixed": (nn.Sequential(*mlp[:2], Block(nn.Linear(4, 4)), nn.Linear(4, 1)), {}, "skip connection"),
        "a branch": (Two(), {}, "torch.fx cannot follow"),
        "linear": (nn.Sequential(nn.Linear(4, 2)), {}, "no layer with an activation"),
        "recurrent": (nn.Sequential(nn.Linear(4, 4), nn.GRU(4, 4)), {}, "runs along the samples"),
        "beside": (nn.Sequential(*mlp), {"activation": "tanh"}, "activation beside a module"),
        "state": (nn.Sequential(*mlp).state_dict(), {}, "without an activation"),
        "state of more": (nn.GRU(4, 4).state_dict(), {"activation": "tanh"}, "weight_ih_l0"),
        "code": (tmp_path / "code.pt", {"activation": "tanh"}, "not executed"),
        "text": (tmp_path / "text.pt", {"activation": "tanh"}, "text.pt"),
        "missing": (tmp_path / "none.pt", {"activation": "tanh"}, "none.pt"),
        "number": (3, {"activation": "tanh"}, "a int"),
    }  # fmt: skip


def test_what_is_no_continuum_is_refused_by_its_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, (given, words, says) in refused(tmp_path).items():
        with pytest.raises(DataError) as error:
            from_torch(given, **words)
        assert says in str(error.value), (name, str(error.value))
    assert not Path("executed").exists()


def test_networks_in_the_wrong_door_are_sent_to_the_right_one() -> None:
    for given in (nn.Sequential(nn.Linear(2, 2)), nn.Linear(2, 2).state_dict()):
        with pytest.raises(DataError, match="from_torch"):
            from_layers(given)


def test_without_pytorch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    for call in (lambda: to_torch(random_model(NUMBERS)), lambda: from_torch({})):
        with pytest.raises(ContinuumError, match=r"neural-continua\[torch\]"):
            call()
