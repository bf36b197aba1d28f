"""The options of training: one table, which declarations, ``fit``, the command line and stored specs all read.

A new option is one line of ``Training``. From it follow the key of [training] with its refusals
(``derive.declaration``), the default, and the place in stored specs; ``numerics`` reads the same lines for the options
of ``continua fit`` (``kind``, ``low``, ``high``, ``help``), the checks of ``fit`` (``takes``, ``allowed``, ``ignored``,
``elsewhere``) and what a run is resumed with. What an option does is up to whoever reads it; no other list names all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_args, get_origin, get_type_hints

OPTIMISERS = ("adam", "adam-coordinatewise", "kronecker", "lbfgs", "gauss-newton", "gradient-descent", "ridge")
SCHEDULES = ("cosine", "constant", "one-cycle", "steps")
ADAM = ("adam", "adam-coordinatewise", "kronecker")
STRATEGIES = ("direct", "nested", "v-cycle", "w-cycle", "f-cycle")


@dataclass(frozen=True)
class Option:
    """What is known of an option. name, kind (int, float, str, tuple of names), default: of its field in ``Training``.

    help: one line for people.  allowed: what ``fit`` takes, in words for its refusals.
    choices: of a text, the names that it may be.
    low, high: of a number, what it may be, both ends included unless ``above`` (low itself is refused) or ``below``
    (high itself is).  zero: ``fit`` takes 0 as well, for nothing to do.
    largest: what a declaration may hold at most, more is a typing error; high, unless told.
    example: what the refusal of a declaration suggests.
    optimisers: those that read it; all, unless told.  elsewhere: what to tell who combines it with another.
    """

    name: str
    kind: type
    default: Any
    help: str
    allowed: str
    choices: tuple[str, ...] = ()
    low: float = 0
    high: float = math.inf
    above: bool = False
    below: bool = False
    zero: bool = False
    largest: float | None = None
    example: float = 0.01
    optimisers: tuple[str, ...] = OPTIMISERS
    elsewhere: str = ""

    def takes(self, value: Any) -> bool:
        """Whether a value of the option's kind is one that ``fit`` can use; None, where that is the default."""
        if value is None:
            return self.default is None
        if self.kind is str:
            return isinstance(value, str) and value in self.choices
        if self.kind is tuple:
            return 0 < len(value) == len(set(value)) and all(isinstance(name, str) for name in value)
        if value == 0 and self.zero:
            return True
        above = value > self.low if self.above else value >= self.low
        return bool(above and (value < self.high if self.below or self.high == math.inf else value <= self.high))

    def declared(self, value: Any) -> bool:
        """Whether a declaration may hold a number of the option's kind."""
        most = self.high if self.largest is None else self.largest
        return bool(self.low <= value <= most and not (self.above and value == self.low))

    def ignored(self, value: Any, optimiser: str) -> bool:
        """Whether a value says something that the optimiser does not read."""
        return bool(value != self.default and optimiser not in self.optimisers)


def _option(default: Any, help: str, allowed: str, **known: Any) -> Any:
    return field(default=default, metadata={"help": help, "allowed": allowed, **known})


@dataclass(frozen=True)
class Training:
    """Defaults of ``fit``; what each means stands beside it, and ``OPTIONS`` has all of it.

    batch: None for all records.  clip: of a gradient of all fields together, None for no limit.  averaging: what is
    validated and returned is the moving average; 0: the last fields.  weight_decay: the share of every field that a
    step takes away, over its rate.  thin, jitter, warp: how every epoch samples the records anew;
    ridge takes what all epochs make of them at once.
    strategy_levels: from coarse to fine; None for the base and then every finer level in the order of [levels].
    """

    optimiser: str = _option(
        "adam",
        "What finds the steps. Adam's second moments: one a field (adam), one a coordinate of an L2-orthonormal basis "
        "(adam-coordinatewise), one a direction (kronecker). ridge solves for the readout alone, in one.",
        ", ".join(OPTIMISERS), choices=OPTIMISERS,
    )  # fmt: skip
    epochs: int = _option(300, "Passes over the records.", "0 or more", low=1, zero=True)
    learning_rate: float = _option(
        0.01, "Of a step, as an L2 length; kronecker and adam-coordinatewise: in every direction.", "a positive number",
        above=True, largest=1e6,
    )  # fmt: skip
    schedule: str = _option(
        "cosine", "Of Adam's rate over the planned steps.", ", ".join(SCHEDULES), choices=SCHEDULES, optimisers=ADAM,
        elsewhere="adam or kronecker; gradient-descent keeps its rate, lbfgs searches a line, gauss-newton a ball",
    )  # fmt: skip
    clip: float | None = _option(
        None, "Shorten longer gradients to this L2 norm.", "a positive number", above=True, largest=1e6, example=1.0,
        optimisers=(*ADAM, "gradient-descent"),
        elsewhere="adam, kronecker or gradient-descent; lbfgs and gauss-newton bound their steps by what the loss does",
    )  # fmt: skip
    averaging: float = _option(
        0.0, "Average fields with this decay a step.", "a decay from 0 to below 1, such as 0.99", high=1, below=True,
        largest=0.999999, example=0.99,
    )  # fmt: skip
    batch: int | None = _option(None, "Records a step (default: all).", "1 or more records", low=1)
    validation: float = _option(
        0.0, "Share of records held out.", "a share from 0 to below 1", high=1, below=True, largest=0.9
    )
    patience: int | None = _option(None, "Epochs without improvement before stopping.", "1 or more epochs", low=1)
    seed: int = _option(0, "Draws the first fields and the order of the records.", "0 or more")
    weight_decay: float = _option(
        0.0, "Of Adam, in the L2 norm of the fields.", "0 or more", largest=1e3, optimisers=ADAM,
        elsewhere="adam or kronecker; elsewhere a penalty of the loss",
    )  # fmt: skip
    thin: float = _option(
        1.0, "Keep a random share of points, this or more.", "a share above 0, at most 1", high=1, above=True,
        example=0.5,
    )  # fmt: skip
    jitter: float = _option(
        0.0, "Add noise of so many standard deviations, anew each epoch.", "0 or more standard deviations", largest=10.0
    )
    warp: float = _option(
        0.0, "Bend axes of records by this slope at most.", "0 to below 1", high=1, below=True, largest=0.9
    )
    warmup: int | None = _option(
        None, "Epochs in which Adam's rate rises to its schedule.", "1 or more epochs", low=1, optimisers=ADAM,
        elsewhere="adam or kronecker; gradient-descent keeps its rate, lbfgs searches a line, gauss-newton a ball",
    )  # fmt: skip
    memory: str = _option(
        "stored", "Keep every stage for the gradient, or some states and compute the rest again.", "stored, checkpoint",
        choices=("stored", "checkpoint"),
    )
    strategy: str = _option(
        "direct", "Train one level; nested: level after level, coarse to fine; cycles: multigrid over all of them.",
        ", ".join(STRATEGIES), choices=STRATEGIES, optimisers=OPTIMISERS[:-1],
        elsewhere="any other optimiser; ridge solves for the readout on one level",
    )  # fmt: skip
    strategy_levels: tuple[str, ...] | None = _option(
        None, "Levels of a strategy, coarse to fine (default: base, then finer ones in the order of [levels]).",
        'names of levels, such as ["base", "fine"], each once',
    )  # fmt: skip


def _options() -> dict[str, Option]:
    found = {}
    hints = get_type_hints(Training)
    for own in fields(Training):
        kind = next((k for k in get_args(hints[own.name]) if k is not type(None)), hints[own.name])
        found[own.name] = Option(own.name, get_origin(kind) or kind, own.default, **own.metadata)
    return found


OPTIONS: Mapping[str, Option] = _options()
