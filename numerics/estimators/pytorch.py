"""PyTorch: networks from there as continua, and continua as modules there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from derive.errors import ContinuumError, DataError, advice
from numerics.checks import instance
from numerics.estimators import torch_layers
from numerics.model.continuum import Continuum
from numerics.networks.continua import from_layers

if TYPE_CHECKING:
    from numerics.estimators.torch_module import ContinuumModule

LAYOUTS = ("channels_last", "channels_first")


def from_torch(
    network: Any,
    *,
    length: int | None = None,
    activation: str | None = None,
    kind: str | None = None,
    last: str | None = None,
    ends: str | None = None,
    loss: str | None = None,
    levels: Mapping[str, Any] | None = None,
    name: str = "network",
    classes: Sequence[Any] = (),
) -> Continuum:
    """The continuum that a network of PyTorch is: the same outputs, to rounding, as in evaluation (``eval()``).

    network: a module, of which torch.fx reads what it does: Linear or Conv1d with an activation, layer after layer, or
    residual blocks x + f(layer(x)); BatchNorm behind a layer becomes part of it, Dropout and Identity are nothing, and
    behind convolutions AdaptiveAvgPool1d(1) or a mean over the samples may lead to a last Linear. Or a state dict, or
    the path of a file that holds one, which is read as weights only.
    length: how many samples a signal has, for convolutions. A convolution's records are (samples, points, channels).
    activation, kind, last, ends: what a state dict does not say, see ``Layers``. The others: see ``from_layers``.
    Raises DataError naming the layer that is no part of a continuum, and why; ContinuumError without the extra.
    """
    torch = _package()
    said: dict[str, Any] = {"activation": activation, "kind": kind, "last": last, "ends": ends}
    if isinstance(network, torch.nn.Module):
        given = [key for key, value in said.items() if value is not None]
        if given:
            raise DataError(
                f"{given[0]} beside a module", "a module alone", "modules say what they do; state dicts do not",
                f"leave {', '.join(given)} out",
            )  # fmt: skip
        found = torch_layers.of_module(network, length)
    else:
        found = torch_layers.of_state(network, length, said)
    return from_layers(found, loss=loss, levels=levels, name=name, classes=classes)


def to_torch(model: Continuum, layout: str = "channels_last") -> ContinuumModule:
    """The model as a ``torch.nn.Module``: the same outputs, and gradients by the generated adjoint.

    module(x, xi=None, at=None): records (samples, points[, channels]), with layout="channels_first" (samples, channels,
    points), as a tensor or what offers DLPack; xi: their points (points,) or (samples, points); at: where functions are
    wanted. Outputs are (samples, outputs), or (samples, points, channels), channels where those of x are.

    Its parameters are the fields in L2-orthonormal coordinates, a tensor a field and slab: Euclidean lengths and
    gradients are those of L2, whatever the bases. They are trained by any optimiser of PyTorch;
    ``module.continuum()`` is the model with them. Their precision is that of the kernels: ``module.float()`` and
    ``.double()`` change it. Tensors on a GPU are copied, as kernels run on the model's ``device``. Gradients have no
    gradients of their own. Penalties of the spec belong to ``fit``. Raises DataError, and ContinuumError without torch.
    """
    instance(model, Continuum, "give a model, as numerics.load reads it")
    _package()
    if layout not in LAYOUTS:
        raise DataError(f"layout={layout!r}", " or ".join(LAYOUTS), *advice(layout, LAYOUTS))
    from numerics.estimators.torch_module import ContinuumModule

    return ContinuumModule(model, layout == LAYOUTS[1])


def _package() -> Any:
    """PyTorch. Raises ContinuumError naming the extra."""
    try:
        import torch
    except ImportError as error:
        raise ContinuumError(
            "no package torch", "neural-continua with its extra torch", str(error),
            'pip install "neural-continua[torch]"',
        ) from None  # fmt: skip
    return torch
