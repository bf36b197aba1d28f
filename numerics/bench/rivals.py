"""The libraries that are compared: each writes a network's forward sweep and its gradient as its users do."""

from __future__ import annotations

import importlib.util
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from numerics.estimators.network import Library, Network, NotComparable
from numerics.kernels import threads

Array = Any
Call = Callable[[], Any]  # runs to the end and returns what it made
Slabs = Callable[[Library], Network]
NAMES = ("tanh", "sinh", "cosh", "exp", "log", "sqrt", "sin", "cos", "tan", "floor", "sign")


class Rival(ABC):
    """A library with a network and its numbers.

    forward: states → outputs R y + a (outputs, records). gradient: the summed loss ½ Σ (R y + a − t)² → its gradients
    by what is learned, in the order of ``Network.learned``. predict: samples (records, points) → outputs.
    """

    name: ClassVar[str]
    module: ClassVar[str] = "numpy"
    slow_start: ClassVar[bool] = False  # compiles for minutes where there are many steps

    def __init__(self, slabs: Slabs, case: Mapping[str, np.ndarray]) -> None:
        self.network, self.case = slabs(self.library()), case

    @classmethod
    def installed(cls) -> bool:
        """Whether it can be imported."""
        return importlib.util.find_spec(cls.module) is not None

    @classmethod
    @abstractmethod
    def library(cls) -> Library:
        """Its words."""

    @abstractmethod
    def forward(self) -> Call: ...

    @abstractmethod
    def gradient(self) -> Call: ...

    @abstractmethod
    def predict(self) -> Call: ...


class NumPy(Rival):
    """NumPy with its linear algebra library; without gradients, which nobody writes by hand for every rate."""

    name = "NumPy"

    @classmethod
    def library(cls) -> Library:
        from scipy import special

        functions = {n: getattr(np, n) for n in NAMES} | {
            "atan": np.arctan, "erf": special.erf, "Abs": np.abs, "sigmoid": special.expit, "hypot": _hypot(np.hypot),
            "softplus": lambda u: np.logaddexp(u, 0), "Max": np.maximum, "Min": np.minimum,
        }  # fmt: skip

        def scatter(rows: int, places: np.ndarray, values: np.ndarray) -> np.ndarray:
            found = np.zeros((rows, values.shape[1]), values.dtype)
            np.add.at(found, places, values)
            return found

        return Library(
            functions, np.where, lambda a: a, scatter, lambda a: a.max(0), lambda a, b: np.concatenate([a, b])
        )

    def forward(self) -> Call:
        h, learned, (operator, constant) = self.case["states"], self.network.given(), self._readout()
        return lambda: operator @ self.network.run(h, learned) + constant

    def gradient(self) -> Call:
        raise NotComparable("no gradient")

    def predict(self) -> Call:
        x, projection = self.case["samples"], self.case["projection"]
        learned, (operator, constant) = self.network.given(), self._readout()
        return lambda: operator @ self.network.run(projection @ x.T, learned) + constant

    def _readout(self) -> tuple[np.ndarray, np.ndarray]:
        return self.case["operator"], self.case["constant"][:, None]


class Torch(Rival):
    """PyTorch, operation by operation."""

    name, module = "torch", "torch"

    @classmethod
    def library(cls) -> Library:
        import torch

        torch.set_num_threads(threads.threads())

        def scatter(rows: int, places: np.ndarray, values: Array) -> Array:
            return torch.zeros((rows, values.shape[1]), dtype=values.dtype).index_add(
                0, torch.from_numpy(places), values
            )

        def extreme(which: Any) -> Any:
            return lambda a, *more: which(
                *torch.broadcast_tensors(*(torch.as_tensor(x, dtype=_dtype((a, *more))) for x in (a, *more)))
            )

        functions = {n: getattr(torch, n) for n in NAMES} | {
            "atan": torch.atan, "erf": torch.erf, "Abs": torch.abs, "sigmoid": torch.sigmoid,
            "softplus": torch.nn.functional.softplus, "hypot": _hypot(torch.hypot),
            "Max": extreme(torch.maximum), "Min": extreme(torch.minimum),
        }  # fmt: skip
        return Library(
            functions, torch.where, lambda a: torch.from_numpy(np.ascontiguousarray(a)), scatter, lambda a: a.amax(0),
            lambda a, b: torch.cat([a, b]),
        )  # fmt: skip

    def _given(self, name: str) -> Array:
        import torch

        return torch.from_numpy(np.ascontiguousarray(self.case[name]))

    def compiled(self, function: Any) -> Any:
        return function

    def forward(self) -> Call:
        import torch

        h, learned, operator = self._given("states"), self.network.given(), self._given("operator")
        constant = self._given("constant")[:, None]
        run = self.compiled(lambda h, own: torch.addmm(constant, operator, self.network.run(h, own)))

        def call() -> Array:
            with torch.no_grad():
                return run(h, learned)

        return call

    def gradient(self) -> Call:
        import torch

        h, operator, targets = self._given("states"), self._given("operator"), self._given("targets")
        constant = self._given("constant")[:, None]
        learned = {name: a.requires_grad_() for name, a in self.network.given().items()}
        run = self.compiled(
            lambda h, own: ((torch.addmm(constant, operator, self.network.run(h, own)) - targets) ** 2).sum() / 2
        )
        return lambda: torch.autograd.grad(run(h, learned), list(learned.values()))

    def predict(self) -> Call:
        import torch

        x, projection, learned = self._given("samples"), self._given("projection"), self.network.given()
        operator, constant = self._given("operator"), self._given("constant")[:, None]
        run = self.compiled(lambda x, own: torch.addmm(constant, operator, self.network.run(projection @ x.T, own)))

        def call() -> Array:
            with torch.no_grad():
                return run(x, learned)

        return call


class TorchCompiled(Torch):
    """PyTorch, compiled."""

    name, slow_start = "torch.compile", True

    def compiled(self, function: Any) -> Any:
        import torch

        return torch.compile(function, dynamic=False)


class Jax(Rival):
    """JAX: steps by ``lax.scan``, compiled."""

    name, module = "JAX", "jax"

    @classmethod
    def library(cls) -> Library:
        count = threads.threads()
        if count == 1:  # before it is imported
            os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        functions = {n: getattr(jnp, n) for n in NAMES} | {
            "atan": jnp.arctan, "erf": jax.scipy.special.erf, "Abs": jnp.abs, "sigmoid": jax.nn.sigmoid,
            "softplus": jax.nn.softplus, "hypot": _hypot(jnp.hypot), "Max": jnp.maximum, "Min": jnp.minimum,
        }  # fmt: skip

        def scatter(rows: int, places: np.ndarray, values: Array) -> Array:
            return jnp.zeros((rows, values.shape[1]), values.dtype).at[places].add(values)

        return Library(
            functions, jnp.where, jnp.asarray, scatter, lambda a: a.max(0), lambda a, b: jnp.concatenate([a, b])
        )

    def _given(self, name: str) -> Array:
        import jax.numpy as jnp

        return jnp.asarray(self.case[name])

    def _run(self) -> Callable[[Array, Mapping[str, Array]], Array]:
        """The whole slab: what differs from step to step is scanned over."""
        import jax
        import jax.numpy as jnp

        network = self.network
        combine = jnp.asarray(network.combine, dtype=self.case["states"].dtype)
        rows = {"operators": network.operator, "biases": network.bias, "local_operators": network.bias}

        def run(h: Array, learned: Mapping[str, Array]) -> Array:
            fixed = {name: a for name, a in learned.items() if name not in rows}
            staged = {name: a[rows[name]] for name, a in learned.items() if name in rows}
            return jax.lax.scan(lambda h, of: (network.step(h, of[0] | fixed, of[1]), None), h, (staged, combine))[0]

        return run

    def forward(self) -> Call:
        import jax

        run, operator, constant = self._run(), self._given("operator"), self._given("constant")[:, None]
        h, learned = self._given("states"), self.network.given()
        call = jax.jit(lambda h, own: operator @ run(h, own) + constant)
        return lambda: call(h, learned).block_until_ready()

    def gradient(self) -> Call:
        import jax

        run, operator, constant = self._run(), self._given("operator"), self._given("constant")[:, None]
        h, learned, targets = self._given("states"), self.network.given(), self._given("targets")
        call = jax.jit(jax.grad(lambda own, h: ((operator @ run(h, own) + constant - targets) ** 2).sum() / 2))
        names = self.network.learned
        return lambda: [jax.block_until_ready(call(learned, h))[name] for name in names]

    def predict(self) -> Call:
        import jax

        run, operator, constant = self._run(), self._given("operator"), self._given("constant")[:, None]
        projection, learned, samples = self._given("projection"), self.network.given(), self.case["samples"]
        call = jax.jit(lambda x, own: operator @ run(projection @ x.T, own) + constant)
        return lambda: np.asarray(call(samples, learned))


class Diffrax(Jax):
    """diffrax: the same steps by its own loop, where they are Euler's."""

    name, module = "diffrax", "diffrax"
    def _run(self) -> Callable[[Array, Mapping[str, Array]], Array]:
        import diffrax
        import jax.numpy as jnp

        network, combine = self.network, self.network.combine
        steps = len(combine)
        if combine.shape[1] != 2 or not (combine[:, 0] == [1, 0]).all() or not (combine[:, 1, 0] == 1).all():
            raise NotComparable("steps other than Euler's")
        length = jnp.asarray(combine[:, 1, 1], dtype=self.case["states"].dtype) * steps
        bias = network.bias[:, 0]
        rows = {"operators": network.operator[:, 0], "biases": bias, "local_operators": bias}

        def run(h: Array, learned: Mapping[str, Array]) -> Array:
            staged = {name: a[rows[name]] if name in rows else a for name, a in learned.items()}

            def slope(t: Array, h: Array, _: Any) -> Array:
                n = jnp.floor(t * steps + 0.5).astype(int)
                own = {name: a[n] if name in rows else a for name, a in staged.items()}
                return length[n] * network._stage(h, own)

            solution = diffrax.diffeqsolve(
                diffrax.ODETerm(slope), diffrax.Euler(), t0=0.0, t1=1.0, dt0=1.0 / steps, y0=h, max_steps=steps + 1,
                saveat=diffrax.SaveAt(t1=True),
            )
            assert solution.ys is not None
            return solution.ys[-1]

        return run


class TorchDiffEq(Torch):
    """torchdiffeq: the same steps by its own loop, where they are Euler's."""

    name, module = "torchdiffeq", "torchdiffeq"

    def __init__(self, slabs: Slabs, case: Mapping[str, np.ndarray]) -> None:
        super().__init__(slabs, case)
        network, combine = self.network, self.network.combine
        if combine.shape[1] != 2 or not (combine[:, 0] == [1, 0]).all() or not (combine[:, 1, 0] == 1).all():
            raise NotComparable("steps other than Euler's")
        import torch
        import torchdiffeq

        steps, lengths = len(combine), combine[:, 1, 1]
        bias = network.bias[:, 0]
        rows = {"operators": network.operator[:, 0], "biases": bias, "local_operators": bias}
        at = torch.arange(steps + 1, dtype=torch.float64) / steps

        def run(h: Array, learned: Mapping[str, Array]) -> Array:
            def slope(t: Array, h: Array) -> Array:
                n = min(math.floor(float(t) * steps + 0.5), steps - 1)
                own = {name: a[int(rows[name][n])] if name in rows else a for name, a in learned.items()}
                return steps * float(lengths[n]) * network._stage(h, own)

            return torchdiffeq.odeint(slope, h, at, method="euler")[-1]

        network.run = run  # type: ignore[method-assign]


def _hypot(function: Any) -> Any:
    """Kernels' hypot has a third argument, which says from which size on reciprocals are finite."""
    return lambda a, b, *_: function(a, b)


def _dtype(values: Any) -> Any:
    return next(x.dtype for x in values if hasattr(x, "dtype"))


RIVALS: tuple[type[Rival], ...] = (NumPy, Torch, TorchCompiled, Jax, Diffrax, TorchDiffEq)
