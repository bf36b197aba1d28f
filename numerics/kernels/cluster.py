"""The gradient of a step, spread over the workers of a Dask cluster block by block.

What stays during a run is sent once: the tables, which every worker binds to its kernels once, and the records. A step
sends the weights and which records it is about; the gradients of its blocks come back and are added here, in the order
of the blocks. They are the blocks that threads share on one machine, so that the bits are those of one machine, for any
number of workers. What is lost with a worker are the blocks that it was at: others compute these again.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from derive.errors import TrainingError
from numerics.kernels import threads
from numerics.kernels.bound import Arrays, Finder
from numerics.kernels.cpu import Block, Bound, Solver
from numerics.kernels.operators import Weights
from numerics.kernels.steps import Steps
from numerics.representation.tables import Representation

PATIENCE = 60.0  # seconds to wait for a worker in the place of the last one

Array = np.ndarray
Tile = Array | tuple[Array, Array]  # positions among the records there, or states and targets themselves
_forming = threading.Lock()


@dataclass(frozen=True, eq=False)
class Step:
    """What a step sends. number: no other step's; chosen: its steps in depth, where these are to be found."""

    number: int
    weights: Sequence[Weights]
    chosen: list[Steps] | None
    readout: tuple[Array, Array]


class Seat:
    """What a worker keeps of a run: its kernels with the tables bound, the network of the last step, and records.

    states (rows, N), targets (outputs, N): of the records, in the kernels' precision; None where steps send their own.
    """

    def __init__(
        self, representation: Representation, dtype: np.dtype[Any], find: Finder, memory: str,
        states: Array | None, targets: Array | None,
    ) -> None:  # fmt: skip
        self.given = representation, dtype, find, memory, states, targets
        self.bound: Bound | None = None
        self.last: tuple[int, Solver] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Seat, self.given

    def solver(self, step: Step) -> Solver:
        """The network of a step, formed once for all threads of the worker."""
        with _forming:
            if self.bound is None:
                representation, dtype, find, memory, *_ = self.given
                self.bound = Bound(representation, dtype, find=find).keeping(memory)
            if self.last is None or self.last[0] != step.number:
                bound = self.bound if step.chosen is None else self.bound.with_steps(step.chosen)
                weights = [Weights(**{n: own(a) for n, a in w.arrays.items()}) for w in step.weights]
                self.last = step.number, bound.form(weights)
            return self.last[1]

    def columns(self, tile: Tile) -> tuple[Array, Array]:
        """States and targets of a tile."""
        if isinstance(tile, tuple):
            return own(tile[0]), own(tile[1])
        *_, states, targets = self.given
        assert states is not None and targets is not None
        return states[:, tile], targets[:, tile]


def own(array: Array) -> Array:
    """An array as kernels know it; what came over a network cannot be written to, which is another type to Numba."""
    return np.require(array, requirements="W")


_seats: dict[str, Seat] = {}  # on a worker: what it keeps of every run that it is at


def work(name: str, step: Step, blocks: Sequence[Sequence[Tile]]) -> list[Block]:
    """On a worker: the gradients of some blocks, each for itself."""
    seat = _seats[name]
    solver, readout = seat.solver(step), (own(step.readout[0]), own(step.readout[1]))
    rooms: list[Arrays] = [{} for _ in solver.slabs]
    with threads.serial_blas():
        return [solver.block(map(seat.columns, tiles), readout, rooms) for tiles in blocks]


def _keeping(name: str, seat: Seat) -> Any:
    """A plugin of workers, those that come later and again after their death, too, who keep a seat."""
    from distributed import WorkerPlugin

    class Keeping(WorkerPlugin):  # type: ignore[misc]
        def __init__(self) -> None:
            self.name, self.seat = name, seat

        def setup(self, worker: Any) -> None:
            from numerics.kernels import cluster

            cluster._seats[self.name] = self.seat

        def teardown(self, worker: Any) -> None:
            from numerics.kernels import cluster

            cluster._seats.pop(self.name, None)

    return Keeping()


def versions() -> dict[str, str]:
    """What has to be the same on all workers for kernels to compute the same."""
    import numba

    return {"python": ".".join(map(str, sys.version_info[:2])), "numpy": np.__version__, "numba": numba.__version__}


def spread(bound: Bound, client: Any) -> ClusterBound:
    """The tables for gradients that the workers of a client's cluster compute.

    Raises TrainingError for what is no client, a cluster without workers or with others than this program needs, and
    tables on a GPU.
    """
    if type(bound) is not Bound:
        raise TrainingError(
            "a cluster with kernels on a GPU", "kernels on the CPU", "workers compute on their CPUs",
            "leave the device out, or train on the GPU alone",
        )  # fmt: skip
    if not all(callable(getattr(client, name, None)) for name in ("submit", "scatter", "run", "nthreads")):
        raise TrainingError(
            f"a client of type {type(client).__name__}", "a dask.distributed.Client",
            "an address or a cluster in place of its client", 'write client=Client("tcp://…:8786")',
        )  # fmt: skip
    try:
        found = client.run(versions)
    except Exception as error:  # of an import there, or of the way there
        raise TrainingError(
            f"workers that cannot load this package: {error}", "workers on which it is installed",
            "another environment on the workers", "install neural-continua there, with the extra `scaling`",
        ) from error  # fmt: skip
    if not found:
        raise TrainingError(
            "a cluster without workers", "one worker or more", "workers that have not started, or have ended",
            "start them: `dask worker ADDRESS`, or --workers",
        )  # fmt: skip
    for worker, other in found.items():
        if other != versions():
            raise TrainingError(
                f"{other} on {worker}", f"{versions()}, as here", "environments of different ages",
                "install the same versions everywhere: others may round otherwise",
            )  # fmt: skip
    made = ClusterBound.__new__(ClusterBound)
    vars(made).update(vars(bound), client=client, numbers=itertools.count(), name=f"continua-{secrets.token_hex(8)}")
    made.arrange()
    return made


class ClusterBound(Bound):
    """Bound tables of which every worker of a cluster has a copy; made by ``spread``.

    name: what the workers call the run. states, names: the records that they keep, if any, and what these are called
    (N,), ascending.
    """

    client: Any
    numbers: Iterator[int]
    name: str
    states: Array | None = None
    names: Array | None = None

    def form(self, weights: Sequence[Weights]) -> ClusterSolver:
        """The network with these weights; its operators are formed here, too, where blocks are cut by their sizes."""
        return ClusterSolver(self, weights, self._formed(weights))

    def holding(self, states: Array, targets: Array, names: Array | None) -> Self:
        """The tables for gradients over these records and parts of them, which are sent to all workers now.

        Those that lie in a file are not: each step sends its own.
        """
        if states is self.states or isinstance(states, np.memmap):
            return self
        names = np.arange(states.shape[1]) if names is None else names
        made = self._with(states=states, names=names)
        made.arrange(states.astype(self.dtype), targets.astype(self.dtype))
        return made

    def arrange(self, states: Array | None = None, targets: Array | None = None) -> None:
        """Send all workers what they keep."""
        memory = "checkpoint" if any(slab.checkpoints for slab in self.slabs) else "stored"
        seat = Seat(self.representation, self.dtype, self.find, memory, states, targets)
        self.client.register_plugin(_keeping(self.name, seat), name=self.name)

    def leave(self) -> None:
        """Let the workers forget the run."""
        with contextlib.suppress(Exception):  # of workers and schedulers that have gone
            self.client.unregister_worker_plugin(self.name)

    def tiles(self, states: Array, targets: Array, rows: Array | None, cuts: Sequence[slice]) -> list[Tile]:
        """How a step names the tiles of its records: by their places among those that workers hold, where they do."""
        if states is self.states:
            return [np.arange(cut.start, cut.stop) for cut in cuts]
        if self.names is None or rows is None:
            return [(states[:, cut].astype(self.dtype), targets[:, cut].astype(self.dtype)) for cut in cuts]
        return [np.searchsorted(self.names, rows[cut]) for cut in cuts]

    def computed(self, step: Step, blocks: list[list[Tile]]) -> list[Block]:
        """The gradients of blocks. Raises TrainingError where the cluster is lost, and what kernels raise."""
        from distributed import CancelledError, KilledWorker

        try:
            self.client.wait_for_workers(1, timeout=PATIENCE)
            many = max(1, min(len(blocks), sum(self.client.nthreads().values())))
            shares = np.array_split(np.arange(len(blocks)), many)
            parts = ([blocks[n] for n in share] for share in shares)
            futures = [self.client.submit(work, self.name, step, part, pure=False) for part in parts]
            return [block for part in self.client.gather(futures) for block in part]
        except (CancelledError, KilledWorker, OSError) as error:  # OSError: also of connections and time
            raise TrainingError(
                f"a cluster that lost a step: {type(error).__name__} {error}", "workers that stay alive",
                "too little memory on the workers, or a scheduler that ended", "read the workers' logs, then resume",
            ) from error  # fmt: skip


class ClusterSolver(Solver):
    """The network of a step, whose gradients workers compute."""

    bound: ClusterBound

    def _done(
        self, states: Array, targets: Array, readout: Any, of_states: bool, rows: Array | None
    ) -> Generator[Block, None, None]:
        if of_states:
            return super()._done(states, targets, readout, of_states, rows)
        bound, cuts = self.bound, self._blocks(states.shape[1])
        step = Step(next(bound.numbers), self.weights, bound.chosen, readout)
        done = bound.computed(step, [bound.tiles(states, targets, rows, cut) for cut in cuts])
        return (block for block in done)
