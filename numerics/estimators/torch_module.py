"""A continuum as a module of PyTorch, with the generated adjoint for its gradients.

Imported only where PyTorch is there: ``pytorch`` is the door.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from derive.errors import DataError
from numerics.functions.basis import evaluate
from numerics.kernels.bind import bind
from numerics.model import adjoint, points
from numerics.model.continuum import Continuum
from numerics.model.layout import along_state
from numerics.model.points import Grid
from numerics.model.projected import projections

Array = np.ndarray
Groups = list[tuple[Array | slice, Grid]]  # positions of records with equal points, and these points


class _Outputs(torch.autograd.Function):
    """States and coordinates → outputs: the kernels forward, their adjoint backward."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, coordinates: torch.Tensor, module: ContinuumModule) -> torch.Tensor:
        model = module.running(coordinates)
        given = _numpy(states)
        ctx.held, ctx.like = (model, given), (states, coordinates)
        return states.new_tensor(adjoint.outputs(model, given))

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, bar: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        (states, coordinates), (model, given) = ctx.like, ctx.held
        of_coordinates, of_states = adjoint.pull_back(model, given, _numpy(bar))
        return states.new_tensor(of_states), coordinates.new_tensor(of_coordinates), None


class ContinuumModule(torch.nn.Module):
    """See ``numerics.estimators.pytorch.to_torch``."""

    def __init__(self, model: Continuum, channels_first: bool) -> None:
        super().__init__()
        self.model, self.channels_first = model, channels_first
        dtype = torch.float32 if model.spec.precision == "float32" else torch.float64
        self.fields = torch.nn.Module()
        for name, field in model.fields.items():
            for k, slab in enumerate(field.slabs):
                values = torch.tensor(slab.orthonormal(), dtype=dtype)
                self.fields.register_parameter(f"{name}_{k}", torch.nn.Parameter(values))

    def extra_repr(self) -> str:
        """The model, in the words of ``print(module)``."""
        return repr(self.model)

    @property
    def coordinates(self) -> torch.Tensor:
        """All parameters (size,), in the order of ``Continuum.coordinates``."""
        return torch.cat([parameter.reshape(-1) for parameter in self.fields.parameters()])

    def continuum(self) -> Continuum:
        """The model with the parameters as they are now."""
        return self.model.with_coordinates(_numpy(self.coordinates), training=None, report=None)

    def running(self, coordinates: torch.Tensor) -> Continuum:
        """The model with these coordinates, its kernels in their precision."""
        precision = str(coordinates.dtype).removeprefix("torch.")
        if precision not in ("float32", "float64"):
            raise DataError(
                f"parameters of type {precision}", "float32 or float64",
                "half precision, for which there are no kernels",
                "call module.float(), and keep it out of autocast",
            )  # fmt: skip
        bound = bind(self.model.representation, precision, self.model.device)
        return self.model.with_coordinates(_numpy(coordinates)).running_on(bound)

    def forward(self, x: Any, xi: Any = None, at: Any = None) -> torch.Tensor:
        """Outputs for records x (samples, points[, channels]), as ``Continuum`` gives them; see ``to_torch``."""
        coordinates, spec = self.coordinates, self.model.spec
        x = self._samples(x, coordinates)
        groups = _groups(self.model, x.shape, xi)
        z = _Outputs.apply(self._states(x, groups), coordinates, self)
        if spec.functional:
            if at is not None:
                raise DataError(
                    f"points for a model that gives {spec.outputs} numbers a record", "models that give functions",
                    "its readout integrates the function away", "leave `at` out",
                )  # fmt: skip
            return self._given(z.T)
        if at is not None:
            groups = [(slice(None), self.model.units.grid(points.wanted(spec, at)))]
        elif xi is None:
            groups = [(own, points.answered(self.model.base, grid)) for own, grid in groups]
        y = self._given(self._values(z, groups))
        return y.movedim(-1, 1) if self.channels_first else y

    def _given(self, y: torch.Tensor) -> torch.Tensor:
        """Outputs (…, channels) in the user's units."""
        scale = self.model.units.targets
        return y if scale is None else (y.double() * _row(scale.factor, y) + _row(scale.shift, y)).to(y)

    def _samples(self, x: Any, like: torch.Tensor) -> torch.Tensor:
        """Records (N, points along every axis, channels) in the model's units, in the parameters' precision.

        Raises DataError.
        """
        x, spec, scale = _tensor(x), self.model.spec, self.model.units.samples
        given = tuple(x.shape)
        if x.ndim == spec.dimension + 1 and spec.record_channels == 1:
            x = x[..., None]
        elif self.channels_first and x.ndim > 1:
            x = x.movedim(1, -1)
        if x.ndim != spec.dimension + 2 or x.shape[-1] != spec.record_channels or not x.numel():
            axes = ["points"] * spec.dimension
            places = [["samples", *axes, "channels"], ["samples", "channels", *axes]]
            other = given[-1 if self.channels_first else 1 : None][:1]
            swapped = len(given) == spec.dimension + 2 and other == (spec.record_channels,)
            raise DataError(
                f"x of shape {given}", f"({', '.join(places[self.channels_first])}), {spec.record_channels} channels",
                "channels first, as PyTorch's convolutions have them, or last" if swapped
                else "records of another model",
                f'write to_torch(model, layout="channels_{("first", "last")[self.channels_first]}")' if swapped
                else "give records as the model was declared for",
            )  # fmt: skip
        if scale is not None:  # in float64: shifts may be far larger than what remains
            x = (x.double() - _row(scale.shift, x)) / _row(scale.factor, x)
        return x.to(like)

    def _states(self, x: torch.Tensor, groups: Groups) -> torch.Tensor:
        """Coefficients of the records as functions, as ``Continuum.project_samples`` has them."""
        rep, spec, count = self.model.representation, self.model.spec, len(x)
        turned = [_along_axes(projections(rep, "entry", grid), x[own].movedim(0, -1)) for own, grid in groups]
        found = _in_order(turned, groups).reshape(-1, spec.record_channels, count)
        if spec.inputs is not None:
            products, one = (torch.as_tensor(a).to(x) for a in along_state(rep, "lift"))
            moved = found[:, None] if spec.lift_width is None else torch.tensordot(products, found, 1).swapaxes(0, 1)
            found = torch.cat([moved, one[:, :, None, None].expand(*one.shape, 1, count)], dim=2)
        return found.reshape(-1, count)

    def _values(self, z: torch.Tensor, groups: Groups) -> torch.Tensor:
        """Values (N, points, …, channels) of functions with coefficients z, at the points of each group."""
        axes, spec = self.model.representation.slabs[-1].axes("state"), self.model.spec
        y = z.reshape(*(basis.size for basis in axes), spec.output_channels, -1)
        shown = [_along_axes(list(map(evaluate, axes, grid)), y[..., own]) for own, grid in groups]
        return _in_order(shown, groups).movedim(-1, 0)


def _numpy(tensor: torch.Tensor) -> Array:
    found: Array = tensor.detach().cpu().to(torch.float64).numpy()
    return found


def _row(numbers: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64, device=like.device)


def _tensor(given: Any) -> torch.Tensor:
    """What is given as a tensor; of another library's arrays the same memory, by DLPack."""
    if isinstance(given, torch.Tensor):
        return given
    if isinstance(given, np.ndarray) or not hasattr(given, "__dlpack__"):
        return torch.as_tensor(np.array(given))
    return torch.from_dlpack(given)


def _groups(model: Continuum, shape: Sequence[int], xi: Any) -> Groups:
    """Records with equal points. xi: points (points,), of every record (N, points), or a tuple of points an axis."""
    spec, sizes = model.spec, tuple(shape[1:-1])
    if xi is None:
        return [(slice(None), points.default_grid(spec, sizes))]
    if getattr(xi, "requires_grad", False):
        raise DataError(
            "points that require a gradient", "points without", "there is none by the points", "detach them"
        )
    own = xi if isinstance(xi, tuple) else (xi,)
    grid = tuple(_inside(model, _numpy(_tensor(part)), axis) for axis, part in enumerate(own))
    if spec.dimension == 1 and grid[0].shape == (shape[0], *sizes):
        rows, where = np.unique(grid[0], axis=0, return_inverse=True)
        return [(np.flatnonzero(where.ravel() == k), (row,)) for k, row in enumerate(rows)]
    if tuple(part.shape for part in grid) != tuple((size,) for size in sizes):
        raise DataError(
            f"points of shapes {[part.shape for part in grid]} for records of {sizes} points",
            "one list of points for all records, or, on an interval, a row a record", "points of other records",
            "give a point a sample",
        )  # fmt: skip
    return [(slice(None), grid)]


def _inside(model: Continuum, xi: Array, axis: int) -> Array:
    """ξ of points in the user's units."""
    return model.units.confined(xi.ravel(), axis, "xi").reshape(xi.shape)


def _along_axes(tables: Sequence[Array], x: torch.Tensor) -> torch.Tensor:
    """A table for every leading axis of x."""
    for axis, table in enumerate(tables):
        x = torch.tensordot(torch.as_tensor(table).to(x), x, dims=([1], [axis])).movedim(0, axis)
    return x


def _in_order(parts: Sequence[torch.Tensor], groups: Groups) -> torch.Tensor:
    """Parts of the records, which are the last axis, in the records' order."""
    if len(parts) == 1:
        return parts[0]
    places = np.argsort(np.concatenate([own for own, _ in groups if isinstance(own, np.ndarray)]))
    return torch.cat(list(parts), dim=-1)[..., torch.as_tensor(places, device=parts[0].device)]
