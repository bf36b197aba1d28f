"""What networks of PyTorch are here: Layers, or a refusal that names the layer and says why.

Of a module torch.fx writes down what it does with its input, operation by operation; each is followed from value to
value. A state dict holds weights alone, and what they do is said beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DataError
from numerics.networks.layers import Layers, layers

Array = np.ndarray
# Activations: of a module, its name here or its formula in u, where that depends on its options.
ACTIVATIONS: dict[str, Callable[[Any], str | None]] = {
    "Tanh": lambda m: "tanh", "ReLU": lambda m: "relu", "Sigmoid": lambda m: "sigmoid", "SiLU": lambda m: "silu",
    "GELU": lambda m: "gelu" if m.approximate == "none" else None,
    "Softplus": lambda m: "softplus" if m.beta == 1 else None,
    "LeakyReLU": lambda m: "leaky-relu" if m.negative_slope == 0.01 else f"max(u, 0) + {m.negative_slope!r}*min(u, 0)",
    "ELU": lambda m: f"max(u, 0) + {m.alpha!r}*(exp(min(u, 0)) - 1)",
    "ReLU6": lambda m: "min(max(u, 0), 6)", "Hardtanh": lambda m: f"min(max(u, {m.min_val!r}), {m.max_val!r})",
    "Softsign": lambda m: "u/(1 + abs(u))", "LogSigmoid": lambda m: "log(sigmoid(u))",
    "Tanhshrink": lambda m: "u - tanh(u)", "Mish": lambda m: "u*tanh(log(1 + exp(u)))",
}  # fmt: skip
FUNCTIONS = {"tanh": "tanh", "relu": "relu", "relu_": "relu", "sigmoid": "sigmoid", "silu": "silu", "gelu": "gelu",
             "softplus": "softplus", "sin": "sin", "leaky_relu": "leaky-relu"}  # fmt: skip
NOTHING = ("Dropout", "Dropout1d", "AlphaDropout", "Identity", "Flatten")  # in evaluation
SHAPES = ("flatten", "squeeze", "contiguous", "dropout", "float", "double")
ENDINGS = ("Softmax", "LogSoftmax", "softmax", "log_softmax")
# what checkpoints call a state dict
HOLDING = ("state_dict", "model_state_dict", "model", "network", "net", "state", "weights")


@dataclass(frozen=True, eq=False)
class Affine:
    """u = W h + b of one layer. of: what h is; ends: of a convolution; mean: whether h is the mean over the samples."""

    weight: Array
    bias: Array
    of: State
    where: str
    ends: str | None = None
    mean: bool = False


@dataclass(frozen=True, eq=False)
class State:
    """h after some layers; made: what the last one was made of, None at the input. residual: whether h was added."""

    made: Affine | None = None
    activation: str = ""
    residual: bool = False
    mean: bool = False

    def layers(self) -> list[State]:
        """The states of all layers, first one first."""
        return [] if self.made is None else [*self.made.of.layers(), self]

    @property
    def dimensions(self) -> set[int]:
        """How many axes the weights of its layers have: 2 of a Linear, 3 of a convolution."""
        return {state.made.weight.ndim for state in self.layers() if state.made is not None}


Value = State | Affine


def of_module(module: Any, length: int | None) -> Layers:
    """The layers of a module. Raises DataError naming the one that is no part of a continuum."""
    from torch import fx

    try:
        graph = fx.symbolic_trace(module).graph
    except Exception as error:  # whatever a forward method does with a value that is none
        raise DataError(
            f"a {type(module).__name__} that torch.fx cannot follow: {str(error).splitlines()[0]}",
            "a module that does the same with every input", "a branch or a loop that looks at numbers",
            "give the layers as a Sequential, or their state dict",
        ) from None  # fmt: skip
    values: dict[Any, Value] = {}
    modules = dict(module.named_modules())
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        raise _refusal("the network", f"{len(inputs)} inputs", "a network of one input", "give the part that has one")
    for node in graph.nodes:
        if node.op == "placeholder":
            values[node] = State()
        elif node.op == "output":
            return _network(values.get(node.args[0]) if isinstance(node.args[0], fx.Node) else None, length)
        elif any(other in values for other in node.all_input_nodes):
            values[node] = _step(node, modules, values, length)
    raise AssertionError("a graph without an output")


def _step(node: Any, modules: Mapping[str, Any], values: Mapping[Any, Value], length: int | None) -> Value:
    """What an operation makes of values."""
    given = [values[other] for other in node.all_input_nodes if other in values]
    if node.op == "call_module":
        return _of_layer(modules[node.target], str(node.target), given[0], length)
    name = node.target if isinstance(node.target, str) else node.target.__name__
    where = f"the operation {node.name}"
    plain = node.kwargs.get("alpha", 1) == 1 and len(node.args) < 3  # h + alpha · f is another network
    if name in ("add", "iadd", "add_") and len(given) == 2 and plain:
        return _added(given[0], given[1], where)
    if name in FUNCTIONS and not (len(node.args) > 1 or set(node.kwargs) - {"inplace"}):
        return _activated(given[0], FUNCTIONS[name], where)
    if name == "mean" and (node.kwargs.get("dim", (*node.args, None)[1]) in (-1, 2, (-1,), [-1], (2,), [2])):
        return _pooled(given[0], where)
    if name in SHAPES:
        return given[0]
    if name in ENDINGS:
        raise _ending(where)
    raise _refusal(where, f"{name} of what the layers before give", "layers with one activation, and h + f(layer(h))",
                   "write the network with these, or leave it out")  # fmt: skip


def _of_layer(layer: Any, where: str, value: Value, length: int | None) -> Value:
    kind = type(layer).__name__
    place = f"layer {where!r}, {kind}"
    if kind in NOTHING:
        return value
    if kind in ACTIVATIONS:
        activation = ACTIVATIONS[kind](layer)
        if activation is None:
            raise _refusal(place, "an approximation, or an option that has no formula here", "its default", "use that")
        return _activated(value, activation, place)
    if kind == "Linear":
        return _affine(value, _array(layer.weight), _bias(layer, layer.out_features), place)
    if kind == "Conv1d":
        stencil, bias = _stencil(layer, place, length), _bias(layer, layer.out_channels)
        return _affine(value, stencil, bias, place, _ends(layer, place))
    if kind == "BatchNorm1d":
        return _normalised(value, layer, place)
    if kind == "AdaptiveAvgPool1d" or (kind == "AvgPool1d" and layer.kernel_size in (length, (length,))):
        if kind == "AdaptiveAvgPool1d" and layer.output_size not in (1, (1,)):
            raise _refusal(place, f"{layer.output_size} means", "one, over all samples", "use AdaptiveAvgPool1d(1)")
        return _pooled(value, place)
    if kind in ENDINGS:
        raise _ending(place)
    reasons = {
        "Conv2d": "a convolution over two axes; stencils are read along one alone",
        "MaxPool1d": "a maximum of few samples, which says something else at every sampling",
        "AvgPool1d": "a mean of few samples, which changes their number between layers",
        "LayerNorm": "an average over neurons or channels between two layers",
        "LSTM": "a state that runs along the samples", "GRU": "a state that runs along the samples",
        "Embedding": "numbers of words in place of samples",
    }  # fmt: skip
    raise _refusal(place, reasons.get(kind, "not among the layers that are known here"),
                   "Linear, Conv1d, BatchNorm1d, AdaptiveAvgPool1d(1), activations, Dropout and Identity",
                   "train a network of these, or declare a continuum that does what it is for")  # fmt: skip


# --- what follows what --------------------------------------------------------------------------------------


def _affine(value: Value, weight: Array, bias: Array, where: str, ends: str | None = None) -> Affine:
    if isinstance(value, Affine):
        raise _refusal(where, f"an affine layer right behind {value.where}", "an activation between two layers",
                       "multiply the two matrices into one layer, or put an activation between them")  # fmt: skip
    if ends is None and not value.mean and 3 in value.dimensions:
        raise _refusal(where, "weights for every sample of every channel behind convolutions",
                       "the mean over the samples", "put AdaptiveAvgPool1d(1) and Flatten before it")  # fmt: skip
    if ends is not None and (value.mean or 2 in value.dimensions):
        raise _refusal(where, "a convolution behind a Linear, or behind the mean", "convolutions first",
                       "leave it out")  # fmt: skip
    return Affine(weight, bias, value, where, ends, value.mean)


def _activated(value: Value, activation: str, where: str) -> State:
    if isinstance(value, Affine) and value.mean:
        raise _refusal(where, "an activation behind the mean over the samples", "one Linear there, the last layer",
                       "leave the layers behind that one out")  # fmt: skip
    if isinstance(value, State):
        raise _refusal(where, "an activation that follows no layer", "f(layer(h))", "leave it out")
    return State(value, activation)


def _added(first: Value, second: Value, where: str) -> State:
    for inner, other in ((first, second), (second, first)):
        if isinstance(inner, State) and inner.made is not None and inner.made.of is other and not inner.residual:
            return replace(inner, residual=True)
    raise _refusal(
        where, "a sum other than h + f(layer(h))", "one layer with its activation, added to what it was given",
        "blocks of two layers, or an activation of the sum: train blocks of one layer",
    )  # fmt: skip


def _pooled(value: Value, where: str) -> State:
    if isinstance(value, Affine) or value.dimensions != {3}:
        raise _refusal(where, "a mean of what is not the output of convolutions with activations",
                       "the mean over the samples behind them",
                       "leave it out, or put an activation before it")  # fmt: skip
    return replace(value, mean=True)


def _normalised(value: Value, layer: Any, where: str) -> Affine:
    """With running averages, as in evaluation, a normalisation of batches is affine in each neuron or channel."""
    if not isinstance(value, Affine) or layer.running_mean is None:
        raise _refusal(where, "a normalisation that is not right behind a layer, or has no running averages",
                       "layer, BatchNorm1d, activation", "put it between a layer and its activation")  # fmt: skip
    scale = 1 / np.sqrt(_array(layer.running_var) + layer.eps)
    if layer.weight is not None:
        scale = scale * _array(layer.weight)
    shift = 0.0 if layer.bias is None else _array(layer.bias)
    bias = (value.bias - _array(layer.running_mean)) * scale + shift
    return replace(value, weight=value.weight * scale.reshape(-1, *[1] * (value.weight.ndim - 1)), bias=bias)


def _network(value: Value | None, length: int | None) -> Layers:
    """The layers that lead to a value, which say the same everywhere or are refused."""
    if value is None:
        raise _refusal("the output", "not one value that the layers make", "one output", "return one")
    affine = isinstance(value, Affine)
    inner = (value.of if isinstance(value, Affine) else value).layers()
    if not inner:
        raise _refusal("the network", "no layer with an activation", "one at least", "put one between two layers")
    first = inner[0]
    for state in inner:
        assert state.made is not None and first.made is not None
        for mine, others in zip(_said(state), _said(first)):
            if mine != others:
                raise _refusal(state.made.where, f"{mine}, where {first.made.where} has {others}",
                               "the same in all layers: they are steps of one equation", "use one for all")  # fmt: skip
    made = [state.made for state in inner if state.made is not None] + ([value] if isinstance(value, Affine) else [])
    weights, biases = [m.weight for m in made], [m.bias for m in made]
    if isinstance(value, State) and value.mean:  # the means themselves
        weights, biases, affine = [*weights, np.eye(len(biases[-1]))], [*biases, np.zeros(len(biases[-1]))], True
    kind, ends = ("residual" if first.residual else "mlp"), made[0].ends
    if isinstance(value, Affine) and ends is not None and value.ends is not None:
        raise _refusal(value.where, "a last convolution without an activation",
                       "an activation, or a Linear of the mean", "put an activation behind it")  # fmt: skip
    return layers(weights, biases, first.activation, kind, "affine" if affine else "activation", ends,
                  None if ends is None else length)  # fmt: skip


def _said(state: State) -> tuple[str, str, str]:
    """What all layers have in common."""
    ends = state.made.ends if state.made is not None else None
    skip = "a skip connection" if state.residual else "no skip connection"
    return f"the activation {state.activation}", skip, f"the padding {ends}"


# --- weights ------------------------------------------------------------------------------------------------


def _array(tensor: Any) -> Array:
    found: Array = tensor.detach().cpu().double().numpy()
    return found


def _bias(layer: Any, size: int) -> Array:
    return np.zeros(size) if layer.bias is None else _array(layer.bias)


def _ends(layer: Any, where: str) -> str:
    if layer.padding_mode not in ("zeros", "circular"):
        raise _refusal(where, f"padding_mode {layer.padding_mode!r}", "zeros or circular", "train it with one of these")
    return str(layer.padding_mode)


def _stencil(layer: Any, where: str, length: int | None) -> Array:
    """Weights (out × in × K) with K odd: groups and dilations are stencils with zeros."""
    if length is None:
        raise _refusal(where, "a convolution, and no length", "how many samples a signal has", "write length=128")
    (size,), (dilation,), stride = layer.kernel_size, layer.dilation, layer.stride
    if stride != (1,):
        raise _refusal(where, f"stride {stride[0]}, which changes the number of samples", "stride 1",
                       "a continuum needs no coarser samples: train it with stride 1")  # fmt: skip
    reach = dilation * (size - 1)
    left = reach // 2 if layer.padding == "same" else layer.padding[0] if isinstance(layer.padding, tuple) else 0
    if 2 * left != reach and layer.padding != "same":
        raise _refusal(where, f"padding {left} for a stencil over {reach + 1} samples", f"padding {reach // 2}",
                       'outputs have fewer samples than inputs, or more: use padding="same"')  # fmt: skip
    given, groups = _array(layer.weight), layer.groups
    half = reach - left
    found = np.zeros((layer.out_channels, layer.in_channels, 2 * half + 1))
    rows, columns = layer.out_channels // groups, layer.in_channels // groups
    for group in range(groups):
        own = slice(group * rows, (group + 1) * rows), slice(group * columns, (group + 1) * columns)
        found[(*own, slice(half - left, None, dilation))] = given[own[0]]
    return found


def of_state(given: Any, length: int | None, said: Mapping[str, Any]) -> Layers:
    """The layers of a state dict, or of the file that holds one; said: what it does not say. Raises DataError."""
    state = _read(given) if isinstance(given, str | Path) else given
    if not isinstance(state, Mapping):
        raise DataError(
            f"a {type(given).__name__}", "a module, a state dict, or the path of a file that holds one",
            "another object", "give the network, or network.state_dict()",
        )  # fmt: skip
    state = next((state[key] for key in HOLDING if isinstance(state.get(key), Mapping)), state)
    if said["activation"] is None:
        raise DataError(
            "a state dict without an activation", "its activation beside it, such as tanh",
            "a state dict holds weights, and not what is done between them",
            'write activation="tanh", or give the module',
        )  # fmt: skip
    weights: dict[str, Array] = {}
    biases: dict[str, Array] = {}
    for key, tensor in state.items():
        layer, _, part = str(key).rpartition(".")
        try:
            array = _array(tensor) if hasattr(tensor, "detach") else np.asarray(tensor, np.float64)
        except (TypeError, ValueError):
            raise DataError(
                f"{key!r} of type {type(tensor).__name__} in a state dict", "weights and biases",
                "a checkpoint that holds other things beside the state dict", "give the state dict inside it",
            ) from None  # fmt: skip
        if part == "weight" and array.ndim in (2, 3):
            weights[layer] = array
        elif part == "bias" and layer in weights:
            biases[layer] = array
        else:
            raise _refusal(f"{key} of shape {array.shape}", "no weight or bias of a Linear or a Conv1d",
                           "W (out × in [× K]) and b (out,)",
                           "give the module: it says what is done with this")  # fmt: skip
    words = {name: value for name, value in said.items() if value is not None}
    stencils = any(w.ndim == 3 for w in weights.values())
    if stencils and length is None:
        raise _refusal("the state dict", "convolutions, and no length", "how many samples a signal has",
                       "write length=128")  # fmt: skip
    words |= {"ends": words.get("ends", "zeros")} if stencils else {}
    own = [biases.get(layer, np.zeros(len(w))) for layer, w in weights.items()]
    return layers(list(weights.values()), own, **words, length=length if stencils else None)


def _read(path: str | Path) -> Any:
    """What a file holds, read as weights only: nothing in it is executed."""
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"{path}, which cannot be read: {error}", "a file of torch.save",
                        "another name, or no permission", "give its path") from None  # fmt: skip
    except Exception as error:  # archives fail in more ways than can be listed
        raise DataError(
            f"{path}: {str(error).splitlines()[0][:200]}", "a state dict as torch.save wrote it",
            "a whole module, which is code and is not executed, or another kind of file",
            "write torch.save(network.state_dict(), path), or give the module itself",
        ) from None  # fmt: skip


def _refusal(where: str, given: str, allowed: str, fix: str) -> DataError:
    return DataError(given, allowed, "networks are more than continua: this one is none", fix, where)


def _ending(where: str) -> DataError:
    return _refusal(where, "probabilities as outputs", "their logarithms, what the last layer gives",
                    "leave it out: network[:-1]; the loss is cross-entropy")  # fmt: skip
