"""Runs a representation's kernels: states through the slabs, and gradients back, tile by tile.

Slabs and solvers are values: other tables, operators or steps make other ones, and no call changes what another call,
in another thread for one, reads. Kernels name their arguments; a table is handed over by its name, so no kernel's
argument list is repeated here.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Self

import numpy as np

from derive.errors import TrainingError
from derive.spec import depth_elements, step_lengths
from numerics.functions.field import along
from numerics.kernels import steps as adaptive
from numerics.kernels import threads as device
from numerics.kernels.compile import compiled
from numerics.kernels.steps import Attempt, Steps
from numerics.representation.folders import load_module
from numerics.representation.tables import Representation, SlabTables, kron

Arrays = dict[str, np.ndarray]

# Rows of what a forward kernel keeps; everything not named here lives at the nodes.
KEPT_ROWS = {"H": "state", "G": "weight_in", "T": "weight_out"}
WIDE = "TUSY"  # those with all pre-activations of every channel
MADE_OF = {"G": "C", "U": "Phi", "Z": "X", "M": "A"}  # operands, and the tables that make them

TILE = 64  # records a kernel works on at once: a stage's arrays then stay in the second-level cache
BLOCK = 4  # tiles that share one partial gradient
SHARED = 1 << 20  # numbers, each met once, from which on a second thread pays


@dataclass(frozen=True)
class Weights:
    """One slab's coefficients as the kernels see them: w (K, m·c′, m′·c), or (K, size, c′·c) with symmetries, β

    (K, m_b·c′); v (K, m_b, c′·c) where there is a V, the learned parameters (their number, c), and, of the first slab,
    the lift (c, inputs + 1).
    """

    w: np.ndarray
    beta: np.ndarray
    v: np.ndarray | None = None
    parameters: np.ndarray | None = None
    lift: np.ndarray | None = None

    @property
    def arrays(self) -> Arrays:
        """The arrays that there are, by name."""
        arrays = {"w": self.w, "beta": self.beta, "v": self.v, "parameters": self.parameters, "lift": self.lift}
        return {name: a for name, a in arrays.items() if a is not None}

    def given(self, dtype: np.dtype[Any]) -> Arrays:
        """What kernels are given."""
        return {name: np.ascontiguousarray(a, dtype=dtype) for name, a in self.arrays.items()}


STAGED = ("operators", "biases", "local_operators", "theta", "vartheta")  # a row for every row of θ, or of ϑ
AS_THEY_ARE = ("parameters", "lift")  # coefficients that kernels read without a change


Kernels = Callable[[SlabTables, str], Callable[..., Any]]  # a name such as "forward" → the function to call


@dataclass(frozen=True, eq=False)
class Slab:
    """A slab's kernels with everything but the states bound.

    parts: pre-activations a channel. bound: the kernels' arguments by name, in their precision. operators: those of
    the stages, once they are formed.
    """

    tables: SlabTables
    channels: int
    dtype: np.dtype[Any]
    plan: str
    kernels: Kernels
    parts: int
    bound: Mapping[str, Any]
    operators: Mapping[str, Any]

    @classmethod
    def of(
        cls, tables: SlabTables, channels: int, dtype: np.dtype[Any], plan: str, kernels: Kernels, parts: int,
        **more: Any,
    ) -> Self:  # fmt: skip
        """A slab with its own tables bound, and no operators."""
        slab = cls(tables, channels, dtype, plan, kernels, parts, {}, {}, **more)
        slab = slab.bind({name: a for name, a in tables.tables.items() if "/" not in name})
        if not slab.implicit:
            return slab
        stages = slab.bound["combine"].shape[1] - 1
        return slab.bind(newton_arguments(dtype, stages * channels * slab.sizes["state"]))

    def bind(self, arguments: Mapping[str, Any]) -> Self:
        """The slab with these tables or numbers in place of its own; its operators are to be formed again."""
        if "operator_index" in arguments:
            first = arguments["operator_index"][0, 0]
            arguments = {**arguments, "theta_entry": arguments["theta"][first : first + 1]}
        return replace(self, bound={**self.bound, **self._converted(arguments)}, operators={})

    def _converted(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments as the kernels take them, in their precision; whole numbers stay what they are."""
        return {
            name: np.ascontiguousarray(a, self.dtype if a.dtype.kind == "f" else a.dtype)
            if isinstance(a, np.ndarray) else a
            for name, a in arguments.items()
        }  # fmt: skip

    @property
    def implicit(self) -> bool:
        """Whether stages have to be solved for."""
        return "groups" in self.tables.tables

    @property
    def meets_arrival(self) -> bool:
        """Whether the first stage takes the state as it arrives, in another basis, with operators of its own."""
        return "C_entry" in self.tables.tables and self.plan == "formed"

    @property
    def sizes(self) -> dict[str, int]:
        """How many functions states and weights have, and how many nodes there are."""
        return self.tables.sizes

    @property
    def between(self) -> dict[str, int]:
        """The rows of what lies between two factors of a table: G_1 and G_2 on the way to G, and so on."""
        found = {}
        for made, table in MADE_OF.items():
            shapes = [factor.shape for factor in self.tables.factors(table)]
            wide = self.parts if made == "U" else 1
            for k in range(1, len(shapes)):
                sizes = [rows if axis < k else columns for axis, (rows, columns) in enumerate(shapes)]
                found[f"{made}_{k}"] = math.prod(sizes) * wide * self.channels
        return found

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the arrays that ``form`` makes; the first axis is the row of θ or ϑ."""
        c, n, wide = self.channels, self.sizes, self.parts * self.channels
        stages, bias_stages = len(self.bound["theta"]), len(self.bound["vartheta"])
        rows = (n["node"], n["state"]) if self.plan == "formed" else (n["weight_out"], n["weight_in"])
        found: dict[str, tuple[int, ...]] = {
            "operators": (stages, wide * rows[0], c * rows[1]), "biases": (bias_stages, wide * n["node"])
        }  # fmt: skip
        for name, table, count in (("operators", "w_blocks", stages), ("local_operators", "V_blocks", bias_stages)):
            blocks = self.tables.tables.get(table)
            if blocks is not None:
                ends = blocks[:, 4] + (blocks[:, 1] - blocks[:, 0]) * (blocks[:, 3] - blocks[:, 2])
                found[name] = (count, int(ends.max()) * wide * c)
        if self.meets_arrival:
            found["operator_entry"] = (1, wide * n["node"], c * n["entry"])
        return found

    @property
    def stages(self) -> int:
        steps, rows, _ = self.bound["combine"].shape
        return int(steps * (rows - 1))

    def call(self, what: str, given: Mapping[str, Any]) -> None:
        """Call a kernel: its arguments by name, first from ``given``, then from the tables."""
        function = self._kernel(what)
        constants = self.tables.tables[f"constants/{self._name(what)}"].astype(self.dtype)
        values: dict[str, Any] = {**self.bound, "constants": constants, "channels": self.channels, **given}
        function(*(values[argument] for argument in arguments(function)))

    def _name(self, what: str) -> str:
        single = self.dtype == np.float32 and what in ("forward", "adjoint")
        return f"{self.plan}_{what}{'_float32' if single else ''}"

    def _kernel(self, what: str) -> Callable[..., Any]:
        return self.kernels(self.tables, self._name(what))

    def form(self, weights: Weights) -> Self:
        """The slab with the stage operators and biases of these coefficients."""
        given, shapes = weights.given(self.dtype), self.shapes
        numbers = sum(math.prod(shape) for shape in shapes.values())
        device.room(numbers * self.dtype.itemsize, f"operators of {len(self.bound['theta']):,} stages")
        found = {name: np.empty(shape, self.dtype) for name, shape in shapes.items()}
        self._by_halves("operators", found, lambda _: given)
        if self.meets_arrival:
            entry = {"theta": self.bound["theta_entry"], "operators": found["operator_entry"]}
            self.call("entry_operators", {**given, **entry})
            found["operator_entry"] = found["operator_entry"][0]
        return replace(self, operators=found | {name: given[name] for name in AS_THEY_ARE if name in given})

    def _by_halves(self, what: str, operators: Arrays, given: Callable[[int], Arrays]) -> None:
        """Call a kernel for the first half of the stages and for the second, side by side, where that is work enough.

        operators: what has a row a stage, and what has none. given: 0 or 1 → the other arguments.
        """
        staged = {**operators, "theta": self.bound["theta"], "vartheta": self.bound["vartheta"]}
        halves = 2 if sum(a.size for a in operators.values()) > SHARED else 1

        def work(half: int) -> None:
            cut = {n: np.array_split(a, halves)[half] for n, a in staged.items() if n.removeprefix("bar_") in STAGED}
            self.call(what, {**operators, **given(half), **cut})

        device.spread(work, halves)

    def unshared(self) -> Self:
        """The slab with a row of θ and one of ϑ for every stage."""
        rows = {}
        for values, index in (("theta", "operator_index"), ("vartheta", "bias_index")):
            where = self.bound[index]
            rows[values] = self.bound[values][where.ravel()]
            rows[index] = np.arange(where.size).reshape(where.shape)
        return self.bind(rows)

    def on_steps(self, method: adaptive.Method, steps: Steps) -> Self:
        """The slab that takes these steps by a method; its operators are to be formed."""
        depth = self.tables.pieces("weight_depth"), self.tables.pieces("bias_depth")
        return self.bind(adaptive.tables(method, *depth, steps))

    def combining(self, combine: Any) -> Self:
        """The slab whose steps combine its stages in other ways, or that takes fewer; its operators stay."""
        return replace(self, bound={**self.bound, **self._converted({"combine": combine})})

    def empty_gradient(self) -> Arrays:
        """Zero gradients of the stage operators."""
        return {f"bar_{name}": np.zeros_like(a) for name, a in self.operators.items()}

    def pull_back(self, gradient: Arrays, weights: Weights) -> Weights:
        """Gradients of the coefficients from those of the operators (11)."""
        shapes = {f"bar_{name}": a.shape for name, a in weights.arrays.items() if name not in AS_THEY_ARE}
        bars, others = ({name: np.zeros(shape, self.dtype) for name, shape in shapes.items()} for _ in range(2))
        self._by_halves("operators_adjoint", gradient, (bars, others).__getitem__)
        for name, a in others.items():
            bars[name] += a
        bars |= {name: a for name, a in gradient.items() if name.removeprefix("bar_") in AS_THEY_ARE}
        if "bar_operator_entry" in gradient:
            entry = {"bar_operators": gradient["bar_operator_entry"][None], "theta": self.bound["theta_entry"]}
            self.call("entry_operators_adjoint", {**entry, "bar_w": bars["bar_w"]})
        return Weights(**{name.removeprefix("bar_"): a.real.astype(np.float64) for name, a in bars.items()})

    def forward(self, h: np.ndarray, keep: bool) -> tuple[np.ndarray, Arrays]:
        """The state at the slab's end, (state · channels, records), and what the adjoint will read."""
        records = h.shape[1]
        per_step = self.bound["combine"].shape[1] - 1 if self.implicit else 1
        kept = self._kept(self.stages if keep else per_step, records)
        out = np.empty((self.channels * self.sizes["state"], records), self.dtype) if self.tables.entry else h.copy()
        unsolved = np.zeros(records, self.dtype)
        self.call("forward", {**self.operators, **kept, "h": out, "h_entry": h, "keep": keep, "unsolved": unsolved})
        if self.implicit:
            check_stages(unsolved)
        return out, kept | {"h_entry": h}

    def _kept(self, slots: int, records: int) -> Arrays:
        """Room for what the forward kernel keeps for the adjoint: the arguments after ``keep``."""
        return {name: np.empty((slots, rows, records), self.dtype) for name, rows in self.kept_rows().items()}

    def kept_rows(self) -> dict[str, int]:
        """The rows of each array that the forward kernel keeps."""
        names = self._arguments("forward")
        return {
            name: (self.parts if name in WIDE else 1) * self.channels * self.sizes[KEPT_ROWS.get(name, "node")]
            for name in names[names.index("keep") + 1 :]
            if name != "unsolved"
        }

    def _arguments(self, what: str) -> tuple[str, ...]:
        return arguments(self._kernel(what))

    def kept_bytes(self, records: int) -> int:
        """What ``forward`` keeps of so many records for the adjoint."""
        return self.stages * sum(self.kept_rows().values()) * records * self.dtype.itemsize

    def adjoint(self, bar: np.ndarray, kept: Arrays, gradient: Arrays) -> np.ndarray:
        """dL/d(state at the slab's start); adds to the operators' gradient."""
        bar_entry = np.zeros_like(kept["h_entry"])
        self.call("adjoint", {**self.operators, **kept, **gradient, "bar": bar, "bar_entry": bar_entry})
        return bar_entry if self.tables.entry else bar


def applied_weight(slab: Slab, operator: np.ndarray, h: np.ndarray, entry: bool) -> np.ndarray:
    """Φ (w (C h)) of one stage, (nodes · pre-activations, records), from its factors and blocks; in float64.

    operator: of the plan "factors". h: (rows, records), the state, or with ``entry`` the state as it arrives.
    """
    tables, c = slab.tables.tables, slab.channels
    wide = slab.parts * c
    low = _by_axes((tables["C_entry"],) if entry else slab.tables.factors("C"), h, c)
    blocks = tables.get("w_blocks")
    if blocks is None:
        high = operator.astype(np.float64) @ low
    else:
        high = np.zeros((slab.sizes["weight_out"] * wide, h.shape[1]))
        for top, bottom, left, right, start in blocks:
            shape = (bottom - top) * wide, (right - left) * c
            block = operator[start * wide * c :][: shape[0] * shape[1]].reshape(shape)
            high[top * wide : bottom * wide] += block @ low[left * c : right * c]
    return _by_axes(slab.tables.factors("Phi"), high, wide)


def _by_axes(factors: Sequence[np.ndarray], values: np.ndarray, channels: int) -> np.ndarray:
    """A Kronecker product of matrices applied to the rows (functions · channels, records)."""
    found = values.astype(np.float64).reshape(*(factor.shape[1] for factor in factors), channels, -1)
    for axis, factor in enumerate(factors):
        found = along(factor, found, axis)
    return found.reshape(-1, values.shape[1])


def newton_arguments(dtype: np.dtype[Any], unknowns: int) -> dict[str, Any]:
    """What an implicit kernel is told about accuracy and effort; see ``derive.emit.newton``."""
    precision = float(np.finfo(dtype).eps)
    return {
        "limits": np.array([8 * precision, 1e-3, precision**0.5, 2 * precision], dtype),
        "iterations": 50,
        "cycles": 20,
        "krylov": min(40, unknowns),
    }


def check_stages(unsolved: np.ndarray) -> None:
    """Raise TrainingError for a record whose stages could not be solved for; one that is not finite is said later."""
    limit = float(np.finfo(unsolved.dtype).eps) ** 0.5
    worst = int(np.argmax(np.where(np.isfinite(unsolved), unsolved, 0)))
    if unsolved[worst] > limit:
        raise TrainingError(
            f"stages of an implicit step that are not solved: a relative error of {unsolved[worst]:.1e} is left",
            f"at most {limit:.1e}", "a step too long for Newton's method, or weights that grew without bound",
            "take more steps in [integration], or train with a smaller learning_rate",
        )  # fmt: skip


def arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    return _arguments(getattr(function, "py_func", function))


def _arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[: code.co_argcount]


def cpu_kernels(tables: SlabTables, name: str) -> Callable[..., Any]:
    """The compiled kernel of a slab."""
    return compiled(tables.module, f"{name}_{tables.suffix}")


def plain_kernels(tables: SlabTables, name: str) -> Callable[..., Any]:
    """The same text as plain Python: any dtype, small sizes."""
    return getattr(load_module(tables.module), f"{name}_{tables.suffix}")  # type: ignore[no-any-return]


def norms(slab: Slab, h: np.ndarray) -> np.ndarray:
    """‖h‖ in L2 of every record, (N,), on a square or a cube by one mass matrix an axis."""
    masses = slab.tables.factors("M")
    parts = h.astype(np.float64).reshape(*(len(m) for m in masses), slab.channels, -1)
    with np.errstate(over="ignore", invalid="ignore"):
        for axis, mass in enumerate(masses):
            parts = along(np.linalg.cholesky(mass).T, parts, axis)
        return np.asarray(np.sqrt(np.sum(parts.reshape(-1, h.shape[1]) ** 2, axis=0)))


class Solver:
    """The semi-discrete network of a representation: (5) by (7) from slab to slab, then readout and loss.

    dtype: arithmetic of the kernels. plan: overrides each slab's own choice. ``form`` gives it weights. Adaptive steps
    are found anew for the states of every call, unless ``with_steps`` or ``settled`` has chosen them.

    chosen: (start, length) of every step, slab by slab, where they are not the declared ones.
    """

    slabs: Sequence[Slab]
    weights: Sequence[Weights] = ()
    chosen: list[Steps] | None = None

    def __init__(
        self,
        representation: Representation,
        dtype: Any = np.float64,
        plan: str | None = None,
        kernels: Kernels = cpu_kernels,
    ) -> None:
        self.representation = representation
        self.dtype = np.dtype(dtype)
        spec = representation.spec
        self.slabs = [
            Slab.of(s, spec.channels, self.dtype, plan or s.plan, kernels, spec.pre_activations)
            for s in representation.slabs
        ]
        self.loss_constants = representation.loss_constants.astype(self.dtype)
        self._plain = kernels is plain_kernels

    @property
    def compiles(self) -> bool:
        """Whether kernels are compiled for this machine's processors."""
        return not self._plain

    @property
    def open(self) -> bool:
        """Whether steps are to be found."""
        return self.chosen is None and self.representation.spec.tolerance is not None

    @property
    def steps(self) -> list[Steps]:
        """(start, length) of every step, slab by slab; of an open solver none."""
        if self.chosen is not None or self.open:
            return self.chosen or []
        declared = step_lengths(self.representation.spec)
        return [[(float(start), float(length)) for start, length in slab] for slab in declared]

    def _with(self, **changes: Any) -> Self:
        """A copy in which these differ."""
        made = copy.copy(self)
        vars(made).update(changes)
        return made

    def _common(self, name: str) -> Callable[..., Any]:
        path = self.representation.module
        return getattr(load_module(path), name) if self._plain else compiled(path, name)

    def form(self, weights: Sequence[Weights]) -> Self:
        """The solver with these weights, and the stage operators formed; with adaptive steps, once these are known."""
        made = self._with(weights=weights)
        return made if self.open else made._formed()

    def _formed(self) -> Self:
        with device.serial_blas():
            return self._with(slabs=[slab.form(w) for slab, w in zip(self.slabs, self.weights)])

    def find_steps(self, states: np.ndarray) -> list[Steps]:
        """Adaptive steps for states (entry rows, records), slab by slab, with the weights that were given to ``form``.

        A step is taken when every record's estimated error is at most tolerance (1 + ‖h‖), in L2.
        """
        lifting = self if self.weights[0].lift is None else self._formed()
        h, found = lifting._first(states), []
        for slab, weights, declared in zip(self.slabs, self.weights, self.representation.spec.slabs):
            elements = np.array([float(b) for b in depth_elements(declared)])
            attempt = partial(self._attempt, slab, weights, self._method(slab))
            steps, h = adaptive.find(elements, self._method(slab).order, h, attempt)
            found.append(steps)
        return found

    def _first(self, states: np.ndarray) -> np.ndarray:
        """h(·, 0) as a NumPy array."""
        return self._lifted(states)

    def _method(self, slab: Slab) -> adaptive.Method:
        return adaptive.Method.of(self.representation.spec.tableau, float(slab.tables.tables["kappa"]))

    def _attempt(
        self, slab: Slab, weights: Weights, method: adaptive.Method, h: np.ndarray, start: float, length: float
    ) -> Attempt:
        """One step of all records."""
        taken = slab.on_steps(method, [(start, length)]).form(weights)
        after = self._advance(taken, h)
        estimating = taken.combining(method.error(length)[None])
        error, before, now = (norms(slab, x) for x in (self._advance(estimating, h), h, after))
        tolerance = float(self.representation.spec.tolerance or 0)
        return Attempt(error / (tolerance * (1 + np.maximum(before, now))), now, after)

    def _advance(self, slab: Slab, h: np.ndarray) -> np.ndarray:
        """All records' states at the end of what a slab's tables describe."""
        with device.serial_blas():
            tiles = device.blocks(h.shape[1], TILE, 1)
            parts = device.spread(
                lambda t: slab.forward(np.ascontiguousarray(h[:, tiles[t][0]]), keep=False)[0], len(tiles)
            )
        return np.concatenate(parts, axis=1)

    def with_steps(self, steps: list[Steps]) -> Self:
        """The solver that takes these steps, slab by slab, whatever the states."""
        slabs = [slab.on_steps(self._method(slab), own) for slab, own in zip(self.slabs, steps)]
        return self._with(slabs=slabs, chosen=steps)._formed()

    def unshared(self) -> Self:
        """The solver in which no two stages share an operator or a bias."""
        return self._with(slabs=[slab.unshared() for slab in self.slabs])._formed()

    def unlifted(self) -> Self:
        """The solver for states that are lifted already."""
        first, *others = self.slabs
        operators = {name: a for name, a in first.operators.items() if name != "lift"}
        return self._with(slabs=[replace(first, operators=operators), *others])

    def settled(self, states: np.ndarray) -> Self:
        """The solver with steps for these states (entry rows, records): itself, unless they are to be found."""
        return self.with_steps(self.find_steps(states)) if self.open else self

    def final(self, states: np.ndarray) -> np.ndarray:
        """y = h(·, 1) for states (entry rows, records)."""
        solver = self.settled(states)
        with device.serial_blas():
            tiles = device.blocks(states.shape[1], TILE, 1)
            parts = device.spread(lambda t: solver._final(states, tiles[t][0]), len(tiles))
        return np.concatenate(parts, axis=1)

    def _lifted(self, states: np.ndarray) -> np.ndarray:
        """h(·, 0) of records, as the first slab takes it."""
        x = np.ascontiguousarray(states, dtype=self.dtype)
        lift = self.slabs[0].operators.get("lift")
        if lift is None:
            return x
        h = np.empty((len(x) // lift.shape[1] * lift.shape[0], x.shape[1]), self.dtype)
        self._common("lift")(x, lift, h)
        return h

    def _final(self, states: np.ndarray, tile: slice) -> np.ndarray:
        h = self._lifted(states[:, tile])
        for slab in self.slabs:
            h, _ = slab.forward(h, keep=False)
        return h

    def path(self, states: np.ndarray) -> list[list[np.ndarray]]:
        """Slab by slab, the state after 0, 1, 2 … steps; the first one of a slab is the state as it arrives."""
        solver = self.settled(states)
        h = solver._lifted(states)
        whole = []
        with device.serial_blas():
            for slab in solver.slabs:
                combine = slab.bound["combine"]
                ends = (slab.combining(combine[: n + 1]).forward(h, keep=False)[0] for n in range(len(combine)))
                whole.append([h, *ends])  # the first n steps are run again from the start
                h = whole[-1][-1]
        return whole

    def gradient(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray
    ) -> tuple[np.ndarray, list[Arrays], np.ndarray, np.ndarray, np.ndarray]:
        """Loss of every record and the summed gradients, by the discrete adjoint.

        states (entry rows, N), operator (outputs, rows of y and maxima), constant (outputs,), targets (outputs, N) →
        losses (N,), gradients of each slab's operators, of ``operator``, of ``constant``, and dL/dstates.
        The split into blocks is fixed and partial sums are added in order: the same bits for any number of threads.
        Gradients of operators belong to steps: an open solver is settled first.
        """
        records = states.shape[1]
        blocks = self._blocks(records)
        readout = np.ascontiguousarray(operator, dtype=self.dtype), np.ascontiguousarray(constant, dtype=self.dtype)

        def work(index: int) -> list[Any]:
            gradient = [slab.empty_gradient() for slab in self.slabs]
            bars = np.zeros_like(readout[0]), np.zeros_like(readout[1])
            parts = [self._tile(states[:, t], targets[:, t], readout, gradient, bars) for t in blocks[index]]
            return [gradient, bars, parts]

        device.room(self.bytes_needed(records), f"a gradient over {records:,} records")
        with device.serial_blas():
            done = device.stream(work, len(blocks))
            gradient, (bar_operator, bar_constant), parts = next(done)
            for other, bars, more in done:
                for mine, theirs in zip(gradient, other):
                    for name in mine:
                        mine[name] += theirs[name]
                bar_operator += bars[0]
                bar_constant += bars[1]
                parts = parts + more
        losses = np.concatenate([value for value, _ in parts])
        bar_states = np.concatenate([bar for _, bar in parts], axis=1)
        return losses, gradient, bar_operator, bar_constant, bar_states

    def _blocks(self, records: int) -> Sequence[Sequence[slice]]:
        """Tiles of records by block. Those of one tile become two halves, where a half is work enough for a thread."""
        half = -(-records // 2)
        numbers = sum(a.size for slab in self.slabs for a in slab.operators.values())
        if records <= TILE and half * numbers > SHARED:
            return device.blocks(records, half, 1)
        return device.blocks(records, TILE, BLOCK)

    def bytes_needed(self, records: int) -> int:
        """What a gradient over so many records takes beyond tables and operators."""
        blocks = self._blocks(records)
        workers = min(device.threads(), len(blocks))
        operators = sum(a.nbytes for slab in self.slabs for a in slab.operators.values())
        tile = sum(slab.kept_bytes(blocks[0][0].stop) for slab in self.slabs)
        rows = sum(slab.channels * slab.sizes["entry"] for slab in self.slabs[:1])
        sums = workers + 2 if workers > 1 else 2  # the sum, those at work, and one that waits
        return int(sums * operators + workers * tile + 2 * rows * records * self.dtype.itemsize)

    def _tile(
        self, states: np.ndarray, targets: np.ndarray, readout: Any, gradient: list[Arrays], bars: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        x = np.ascontiguousarray(states, dtype=self.dtype)
        h = self._lifted(x)
        kept = []
        for slab in self.slabs:
            h, k = slab.forward(h, keep=True)
            kept.append(k)
        operator, constant = readout
        features, values = self._features(h)
        z = np.empty((len(constant), h.shape[1]), self.dtype)
        self._common("readout")(features, operator, constant, z)
        value, source = np.empty(h.shape[1], self.dtype), np.empty_like(z)
        target = np.ascontiguousarray(targets, dtype=self.dtype)
        self._common("loss")(z, target, self.loss_constants, value, source)
        bar = np.empty_like(features)
        self._common("readout_adjoint")(source, features, operator, bar, bars[0], bars[1])
        if values is not None:
            bar_y = np.empty_like(h)
            zero = np.zeros(1, self.dtype)
            self._common("maximum_adjoint")(bar, *self.rule, zero, values, bar_y)
            bar = bar_y
        for slab, k, g in zip(reversed(self.slabs), reversed(kept), reversed(gradient)):
            bar = slab.adjoint(bar, k, g)
        lift = self.slabs[0].operators.get("lift")
        if lift is not None:
            bar_x = np.empty_like(x)
            self._common("lift_adjoint")(bar, x, lift, bar_x, gradient[0]["bar_lift"])
            bar = bar_x
        return value, bar

    @cached_property
    def rule(self) -> tuple[Any, ...]:
        """What smooth maxima take: the last state's functions at its nodes, the weights there, and β; or nothing."""
        given = self.representation.readout
        if "sharpness" not in given:
            return ()
        at_nodes = kron(self.slabs[-1].tables.factors("X")).astype(self.dtype)
        return at_nodes, *(given[key].astype(self.dtype) for key in ("weights", "sharpness"))

    def _features(self, y: Any) -> tuple[Any, Any]:
        """What the readout takes: y, with smooth maxima its channels' below; and the values at nodes, or None."""
        if not self.rule:
            return y, None
        channels = self.slabs[-1].channels
        values = np.empty((channels * len(self.rule[0]), y.shape[1]), self.dtype)
        features = np.empty((len(y) + channels, y.shape[1]), self.dtype)
        self._common("maximum")(y, *self.rule, np.zeros(1, self.dtype), values, features)
        return features, values

    def outputs(self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray) -> np.ndarray:
        """Readout values (outputs, records)."""
        features = self._seen(self.final(states)).astype(np.float64)
        return operator @ features + constant[:, None]  # type: ignore[no-any-return]

    def _seen(self, y: np.ndarray) -> np.ndarray:
        """What the readout takes, as a NumPy array."""
        return self._features(y)[0]  # type: ignore[no-any-return]

    def losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The loss of every record from readout values (outputs, records)."""
        return self.differentiated(outputs, targets)[0].astype(np.float64)

    def differentiated(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The loss of every record (N,), and its derivatives by the outputs (outputs, N)."""
        z = np.ascontiguousarray(outputs, dtype=self.dtype)
        value, source = np.empty(z.shape[1], self.dtype), np.empty_like(z)
        target = np.ascontiguousarray(targets, dtype=self.dtype)
        self._common("loss")(z, target, self.loss_constants, value, source)
        return value, source
