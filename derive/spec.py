"""The declaration of a model: read, completed and checked, without deriving anything and without SymPy.

A ``Spec`` is frozen and resolved: every basis knows its size, every slab its bases, every level is a whole Spec.
Numbers that enter the derivation are exact.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args, get_type_hints

from derive.errors import ExpressionError, SpecError, advice
from derive.exact import surd
from derive.exact.surd import Exact, Surd


def uniform(interval: tuple[Fraction, Fraction], cells: int) -> tuple[Fraction, ...]:
    """The breakpoints of equal cells."""
    start, stop = interval
    return tuple(start + (stop - start) * Fraction(k, cells) for k in range(cells + 1))


@dataclass(frozen=True)
class BasisSpec:
    """A resolved basis: ``size`` functions of a family; see the family's file for the other values.

    of, rows: of the family "combination", the basis that is combined and the exact coefficients.
    axes: of the family "product", the bases along ξ, η and ζ; its functions are their products, the last index first.
    """

    family: str
    size: int
    cells: int | None = None
    degree: int | None = None
    breakpoints: tuple[Fraction, ...] | None = None
    functions: tuple[str, ...] | None = None
    of: BasisSpec | None = None
    rows: tuple[tuple[Fraction, ...], ...] | None = None
    axes: tuple[BasisSpec, ...] | None = None

    def along(self, axis: int) -> BasisSpec:
        """The basis along one axis of the domain."""
        return self if self.axes is None else self.axes[axis]

    def cuts(self, interval: tuple[Fraction, Fraction]) -> tuple[Fraction, ...]:
        """The breakpoints on an interval: the declared ones, or those of equal cells."""
        return self.breakpoints or uniform(interval, self.cells or 1)


CONSTANT = BasisSpec("p0", 1, cells=1, functions=())


def product(axes: Sequence[BasisSpec]) -> BasisSpec:
    """The basis of a domain with these bases along its axes; of one axis, its own."""
    if len(axes) == 1:
        return axes[0]
    return BasisSpec("product", math.prod(basis.size for basis in axes), axes=tuple(axes))


def of_axis(role: str, axis: int) -> str:
    """The name of a table or basis along an axis: as it is for the first, then with _2 or _3."""
    return role if axis == 0 else f"{role}_{axis + 1}"


@dataclass(frozen=True)
class TableauSpec:
    """A Butcher tableau with exact entries: a (stages × stages), b, c and the order it claims.

    embedded: weights of another method on the same stages, of order ``embedded_order``; their difference to b estimates
    the error. None: none known.
    """

    name: str
    a: tuple[tuple[Exact, ...], ...]
    b: tuple[Exact, ...]
    c: tuple[Exact, ...]
    order: int
    embedded: tuple[Exact, ...] | None = None
    embedded_order: int | None = None

    @property
    def explicit(self) -> bool:
        """Whether every stage depends on earlier ones only."""
        return not any(entry for i, row in enumerate(self.a) for entry in row[i:])

    @property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """The stages [start, stop) that have to be solved for together, in order."""
        reach, starts = 0, []
        for i, row in enumerate(self.a):
            if i >= reach:
                starts.append(i)
            reach = max(reach, i + 1, *(j + 1 for j, entry in enumerate(row) if entry))
        return tuple(zip(starts, [*starts[1:], len(self.a)]))


@dataclass(frozen=True)
class Slab:
    """A part [start, stop] of the depth with bases of its own (section 3).

    weight_out, weight_in: of W in ξ and ξ′; where W is κ(ξ − ξ′), the constant, and the basis of κ on [−reach, reach].
    quadrature: points along every axis, None for the default. rule: the bases that decide the rule beside the state's,
    where these are not the slab's own (fields on another level's solver).
    """

    start: Fraction
    stop: Fraction
    state: BasisSpec
    weight_out: BasisSpec
    weight_in: BasisSpec
    weight_depth: BasisSpec
    bias_width: BasisSpec
    bias_depth: BasisSpec
    quadrature: int | None = None
    rule: tuple[BasisSpec, ...] | None = None

    def along(self, axis: int) -> Slab:
        """The slab that one axis of the domain has by itself."""
        roles = ("state", "weight_out", "weight_in", "bias_width")
        rule = None if self.rule is None else tuple(basis.along(axis) for basis in self.rule)
        return replace(self, rule=rule, **{role: getattr(self, role).along(axis) for role in roles})


@dataclass(frozen=True)
class Penalty:
    """weight · ‖field‖² in the norm "L2", or "H1", which adds the squared L2 norms of the derivatives."""

    field: str
    norm: str
    weight: Fraction


ClassWeights = str | tuple[Fraction, ...]  # "balanced", or a number a class; () where all classes weigh the same


@dataclass(frozen=True)
class Piece:
    """ξ → sign · ξ + offset on [start, stop]; the sign is 1 or −1."""

    start: Fraction
    stop: Fraction
    sign: int
    offset: Fraction

    @property
    def image(self) -> tuple[Fraction, Fraction]:
        """Both ends of what it fills."""
        first, last = sorted(self.sign * end + self.offset for end in (self.start, self.stop))
        return first, last

    def __str__(self) -> str:
        sign = "-" if self.offset < 0 else "+"
        rest = f" {sign} {abs(self.offset)}" if self.offset else ""
        return f"{'' if self.sign > 0 else '-'}xi{rest} on [{self.start}, {self.stop}]"


@dataclass(frozen=True)
class SymmetrySpec:
    """A symmetry of the network (6). kind: "translation" (all shifts), "reflection" (ξ → −ξ), "shift" or "map".

    amount: of a shift, ξ → ξ + amount on the periodic interval; it generates a cyclic group.
    own: of a map, its pieces from −1 to 1, which fill the interval again; all lengths stay as they are.
    """

    kind: str
    amount: Fraction | None = None
    own: tuple[Piece, ...] = ()

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What a single map does, from −1 to 1; none for a translation, which is many."""
        if self.kind == "reflection":
            return (Piece(Fraction(-1), Fraction(1), -1, Fraction(0)),)
        if self.amount is None:
            return self.own
        amount = self.amount % 2
        cuts = sorted({Fraction(-1), 1 - amount, Fraction(1)})
        return tuple(Piece(a, b, 1, amount if b <= 1 - amount else amount - 2) for a, b in zip(cuts, cuts[1:]))

    @property
    def cells(self) -> int:
        """The number of equal cells that a single map permutes."""
        edges = (edge for piece in self.pieces for edge in (piece.start, *piece.image))
        return math.lcm(*(((edge + 1) / 2).denominator for edge in edges))

    def __str__(self) -> str:
        if self.own:
            return f"the map {', '.join(map(str, self.own))}"
        return self.kind if self.amount is None else f"shift by {self.amount}"


OPTIMISERS = ("adam", "adam-coordinatewise", "lbfgs", "gradient-descent")
SCHEDULES = ("cosine", "constant", "one-cycle", "steps")


@dataclass(frozen=True)
class Training:
    """Defaults of ``fit``. batch: records a step, None for all; validation: share held out; patience: epochs.

    schedule: how Adam's rate changes over the planned steps, see ``numerics.training.optimisers.rate``.
    clip: the largest L2 norm of a gradient, longer ones are shortened to it; None for no limit.
    averaging: the decay a step of the moving average of the fields that is validated and returned; 0: the last ones.
    weight_decay: of Adam, the share of every field that a step takes away, over its rate.  thin, jitter, warp: how
    every epoch samples the records anew, see ``numerics.datasets.sampling.Augmentation``.
    """

    optimiser: str = "adam"
    epochs: int = 300
    learning_rate: float = 0.01
    schedule: str = "cosine"
    clip: float | None = None
    averaging: float = 0.0
    batch: int | None = None
    validation: float = 0.0
    patience: int | None = None
    seed: int = 0
    weight_decay: float = 0.0
    thin: float = 1.0
    jitter: float = 0.0
    warp: float = 0.0


@dataclass(frozen=True)
class Spec:
    """A resolved declaration. entry: the state basis that records are projected into; slabs: in order of depth.

    pre_activations: g, how many u the rate has for every channel.  learned: (name, start) of the rate's parameters
    that training changes, a number a channel.  local: whether the equation has V.  normalise: ε, where the rate takes
    u/√(ε + mean of u² over the channels) in place of u, at every ξ; None where it takes u.  symmetries: that W has; the
    bases of other fields are invariant under them already.  reach: r of W(ξ, ξ′, δ) = κ(ξ − ξ′, δ), which is zero for
    |ξ − ξ′| > r; None for a W that is any function.

    tolerance: of adaptive steps, then ``steps`` is one for each depth element, where they start; None for fixed ones.
    Of a domain with several axes the width bases are products; symmetries, reach and periodic hold along every axis.
    inputs: channels of the records, which a lift takes to those of the state; None without a lift.  lift_width,
    readout_width: the bases along ξ of the lift and of a readout at every point; None for those that are constant.
    outputs: numbers or classes that functionals with a ``readout`` basis make of the final state; without one, channels
    of the output function, made at every point; None when the output is the final state.  maximum: β of the smooth
    maxima of the final state's channels, which functionals may have beside them; None without.  weight: of the loss l2,
    one function of ξ that is nowhere negative; None for 1.  class_weights: of the loss cross-entropy, what a record of
    each class counts; "balanced" makes the classes of the records at hand count alike.  levels: (name, Spec) of the
    ladder.
    """

    name: str
    summary: str
    rate: str
    activation: str
    spacing: Fraction
    channels: int
    parameters: tuple[tuple[str, Fraction], ...]
    pre_activations: int
    learned: tuple[tuple[str, Fraction], ...]
    local: bool
    normalise: Fraction | None
    symmetries: tuple[SymmetrySpec, ...]
    reach: Fraction | None
    periodic: bool
    interpolant: str
    smoothing: Fraction | None
    inputs: int | None
    lift_width: BasisSpec | None
    entry: BasisSpec
    slabs: tuple[Slab, ...]
    tableau: TableauSpec
    steps: int
    tolerance: Fraction | None
    outputs: int | None
    readout: BasisSpec | None
    readout_width: BasisSpec | None
    maximum: Fraction | None
    loss: str
    weight: BasisSpec | None
    class_weights: ClassWeights
    penalties: tuple[Penalty, ...]
    training: Training
    precision: str
    levels: tuple[tuple[str, Spec], ...] = ()

    @property
    def functional(self) -> bool:
        """Whether the output is numbers or classes, and not a function."""
        return self.readout is not None

    @property
    def record_channels(self) -> int:
        """Channels of the records."""
        return self.channels if self.inputs is None else self.inputs

    @property
    def entry_channels(self) -> int:
        """Coefficients a function of the entry basis that prepared records have: with a lift ψ_i x and ψ_i, all i."""
        if self.inputs is None:
            return self.channels
        return (1 if self.lift_width is None else self.lift_width.size) * (self.inputs + 1)

    @property
    def output_channels(self) -> int:
        """Channels of the output, where that is a function."""
        return self.channels if self.outputs is None else self.outputs

    @property
    def inner_width(self) -> tuple[Fraction, Fraction]:
        """Where the functions of ``weight_in`` live."""
        return (Fraction(-1), Fraction(1)) if self.reach is None else (-self.reach, self.reach)

    @property
    def dimension(self) -> int:
        """How many axes the domain has: 1, or 2 and 3 for squares and cubes."""
        return len(self.entry.axes or (self.entry,))

    def along_axes(self, role: str) -> tuple[str, ...]:
        """The names that a role has along the axes of the domain."""
        return tuple(of_axis(role, axis) for axis in range(self.dimension))

    @property
    def weight_axes(self) -> tuple[str, ...]:
        """The roles of the axes of W's coefficients, before that of the depth."""
        if self.reach is not None:
            return self.along_axes("weight_in")
        if self.symmetries:
            return self.along_axes("weight_pair")
        return (*self.along_axes("weight_out"), *self.along_axes("weight_in"))

    @property
    def solver(self) -> str:
        """The tableau and its steps, in a few words."""
        return f"{self.tableau.name} {'× ' + str(self.steps) if self.tolerance is None else f'to {self.tolerance}'}"

    def level(self, name: str) -> Spec:
        """The Spec of a level. Raises SpecError naming the levels there are."""
        found = dict(self.levels).get(name) if isinstance(name, str) else None
        if found is None:
            known = [n for n, _ in self.levels]
            cause = "a typing error, or a level that the spec does not declare"
            raise SpecError(
                f"level {name!r}",
                f"levels of {self.name}: {', '.join(known) or 'none'}",
                *advice(name, known, cause, "declare it under [levels], or use one of the above"),
                "levels",
            )
        return found


def load_spec(source: str | Path | Mapping[str, Any]) -> Spec:
    """A Spec from a TOML file or from a mapping of the same shape. Raises SpecError."""
    from derive.declaration import read

    if isinstance(source, Mapping):
        return read(source, str(source.get("name", "spec")))
    if not isinstance(source, str | os.PathLike):
        raise SpecError(
            f"a declaration of type {type(source).__name__}", "a path, or a table", "another argument",
            "give the path of a TOML file, or a mapping of the same shape",
        )  # fmt: skip
    return read(read_toml(source), str(source))


LARGEST_FILE = 1 << 20
LARGEST_NUMBER = 10**18
# tomllib takes time that grows like the square of a dotted key's length
LONG_KEY = re.compile(r"""^[\s\[]*(?:[\w"'-]+\s*\.\s*){32}""", re.MULTILINE)


def read_toml(source: str | Path) -> dict[str, Any]:
    """The tables of a declaration's file, unchecked. Raises SpecError for what is no TOML."""
    path = Path(source)
    fix = "give the path of a TOML file; `continua new NAME` writes a commented one"
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SpecError(
                f"{path.stat().st_size} bytes",
                f"a declaration of at most {LARGEST_FILE} bytes",
                "another file was named",
                fix,
                str(path),
            )
        text = path.read_text(encoding="utf-8-sig")  # some editors write a mark before the first line
        if LONG_KEY.search(text):
            raise SpecError(
                "a key of more than 32 parts", "[table.key], a few parts", "a generated file", fix, str(path)
            )
        found = tomllib.loads(text)
        _check_numbers(found, str(path))
        return found
    except OSError as error:
        raise SpecError(
            f"{path} ({error.strerror})", "a readable TOML file", "a typing error in the path", fix, str(path)
        ) from None
    except UnicodeDecodeError as error:
        raise SpecError(
            f"byte {error.start} of the file, {error.object[error.start]:#04x}", "text in UTF-8",
            "a file saved in another encoding, such as UTF-16", "save it as UTF-8", str(path),
        ) from None  # fmt: skip
    except (ValueError, RecursionError) as error:  # broken TOML, or a number that Python will not read
        raise SpecError(
            f"{error}" or type(error).__name__,
            "TOML: tables in [brackets], one key = value a line, each key once",
            "a missing quote or bracket, or a key given twice",
            "correct that line",
            str(path),
        ) from None


def _check_numbers(value: Any, where: str) -> None:
    """Refuse whole numbers that nothing can mean, and that Python would not even print."""
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            _check_numbers(part, where)
    elif isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise SpecError(
            f"a whole number of {value.bit_length()} bits", f"whole numbers up to {LARGEST_NUMBER:g}",
            "a generated file, or an extra digit", "write the number that is meant", where,
        )  # fmt: skip


# --- depth --------------------------------------------------------------------------------------------------


def depth_elements(slab: Slab) -> tuple[Fraction, ...]:
    """The union of the depth breakpoints of weight and bias: fields are smooth in δ between them."""
    ends = slab.start, slab.stop
    return tuple(sorted({*slab.weight_depth.cuts(ends), *slab.bias_depth.cuts(ends)}))


def step_lengths(spec: Spec) -> tuple[tuple[tuple[Fraction, Fraction], ...], ...]:
    """(start, length) of every step, slab by slab: each depth element gets the same whole number of them.

    Raises SpecError when ``steps`` cannot be shared equally.
    """
    elements = [depth_elements(slab) for slab in spec.slabs]
    share = steps_an_element(spec)
    return tuple(
        tuple((a + (b - a) * Fraction(k, share), (b - a) / share) for a, b in zip(e, e[1:]) for k in range(share))
        for e in elements
    )


def steps_an_element(spec: Spec) -> int:
    """How many steps every depth element gets. Raises SpecError when ``steps`` cannot be shared equally."""
    count = sum(len(depth_elements(slab)) - 1 for slab in spec.slabs)
    if spec.steps % count:
        below, above = spec.steps // count * count, (spec.steps // count + 1) * count
        raise SpecError(
            f"steps = {spec.steps} over {count} depth elements",
            f"a multiple of {count}",
            "every element of the union of the depth breakpoints of weight and bias gets the same number of steps",
            f"use steps = {above}" + (f" or {below}" if below else "") + ", or change the depth bases",
            "integration.steps",
        )
    return spec.steps // count


# --- as data ------------------------------------------------------------------------------------------------


def to_dict(spec: Spec) -> dict[str, Any]:
    """The Spec as JSON-able data; exact numbers become strings. ``from_dict`` is its inverse."""
    found: dict[str, Any] = _plain(asdict(spec))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction | Surd):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def from_dict(data: Mapping[str, Any]) -> Spec:
    """The Spec that ``to_dict`` wrote. Raises SpecError when something is missing or of another type."""
    try:
        found: Spec = _typed(Spec, data)
        _check_names(found)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, ExpressionError) as error:
        raise SpecError(
            f"a stored spec that does not read ({error})",
            "what `to_dict` writes",
            "another version, or an edited file",
            "generate or train again with this version",
        ) from None
    return found


# Generated modules contain these names: what is no name is not written there, whoever made the file it came from.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}")


def _check_names(spec: Spec) -> None:
    names = [(NAME, spec.name), *((PARAMETER, name) for name, _ in (*spec.parameters, *spec.learned))]
    for pattern, name in names:
        if not pattern.fullmatch(name):
            raise ValueError(f"{name[:40]!r} is no name")


def _typed(kind: Any, value: Any) -> Any:
    if kind == Exact:
        return surd.parse(value) if "sqrt" in value else Fraction(value)
    if kind == ClassWeights:
        return value if value == "balanced" else _typed(tuple[Fraction, ...], value)
    if value is None:
        if type(None) in get_args(kind):
            return None
        raise ValueError("a value is missing")
    options = [k for k in get_args(kind) if k is not type(None)]
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{f.name: _typed(hints[f.name], value[f.name]) for f in fields(kind)})
    if type(None) in get_args(kind):
        return _typed(options[0], value)
    if getattr(kind, "__origin__", None) is tuple:
        if not isinstance(value, list | tuple):
            raise TypeError("a list was expected")
        if options[-1] is Ellipsis:
            return tuple(_typed(options[0], v) for v in value)
        return tuple(_typed(k, v) for k, v in zip(options, value, strict=True))
    if kind is Fraction:
        return Fraction(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def digest(spec: Spec) -> str:
    """sha256 of all that enters the derivation of this representation; not of names, training or precision."""
    bare = replace(
        spec,
        name="",
        summary="",
        training=Training(),
        levels=(),
        precision="",
        class_weights=(),
        penalties=(),
    )
    return hashlib.sha256(json.dumps(to_dict(bare), sort_keys=True).encode()).hexdigest()
