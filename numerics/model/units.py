"""What a model's numbers mean: the domain of its points, and affine maps between the user's values and its own.

Records come in the user's units and are turned into the model's at one place, ``taken``: points ξ in [−1, 1], samples
and targets z = (x − shift)/factor, channel by channel. An affine map of samples is one of their interpolants, so that
a model with maps is the same continuum with another lift and readout. Outputs go back through ``given``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from derive.errors import DataError
from derive.spec import Spec
from numerics.checks import warn
from numerics.datasets import Records, Source, labels
from numerics.datasets.checked import odd_sample
from numerics.datasets.record import counted, offsets_of, refusal
from numerics.functions.basis import EDGE
from numerics.model.points import Grid, grid_of

Array = np.ndarray
Domain = tuple[tuple[float, float], ...]
Parts = Callable[[], Iterable[tuple[Array, Array]]]

UNIT = 0.1  # points from below this to above one less it, and none below zero, are those of [0, 1]
ROUNDING = 1e-12  # of a channel's size: what varies less is constant
FAR = 1.0  # records that leave the range of those of the training by this many times its length are remarked on
QUARTILES = 1.3489795003921634  # between the quartiles of a normal distribution of standard deviation 1


@dataclass(frozen=True)
class Scale:
    """x = shift + factor · z, channel by channel; low and high: what was reached where these were found."""

    shift: tuple[float, ...]
    factor: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def to(self, values: Array) -> Array:
        """z of values (…, channels)."""
        return np.asarray((values - np.array(self.shift)) / np.array(self.factor))

    def back(self, values: Array) -> Array:
        """Values (…, channels) of z."""
        return np.asarray(values * np.array(self.factor) + np.array(self.shift))


@dataclass(frozen=True)
class Units:
    """domain: what ξ = −1 and 1 stand for, along every axis; None where points are ξ themselves. samples, targets: how
    these are scaled; None where they are taken as they are."""

    domain: Domain | None = None
    samples: Scale | None = None
    targets: Scale | None = None

    @classmethod
    def declared(cls, spec: Spec) -> Units:
        """Those of a model that has seen no records."""
        domain = spec.units.domain
        return cls(None if domain is None else tuple((float(a), float(b)) for a, b in domain))

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any], spec: Spec) -> Units:
        """The inverse. Raises KeyError, TypeError and ValueError for anything else."""
        domain = data["domain"]
        found = cls(
            None if domain is None else tuple((float(a), float(b)) for a, b in domain),
            *(
                None if data[name] is None else Scale(**{key: tuple(map(float, data[name][key])) for key in SCALE})
                for name in ("samples", "targets")
            ),
        )
        if domain is not None and len(domain) != spec.dimension:
            raise ValueError(f"a domain of {len(domain)} axes")
        wanted = {"samples": spec.record_channels, "targets": _targets(spec)}
        for name, count in wanted.items():
            scale = getattr(found, name)
            if scale is not None and {len(part) for part in vars(scale).values()} != {count}:
                raise ValueError(f"a scale of {name} for other channels than {count}")
        numbers = [n for s in (found.samples, found.targets) if s for part in vars(s).values() for n in part]
        numbers += [end for pair in found.domain or () for end in pair]
        if not np.isfinite(numbers).all():
            raise ValueError("units that are not finite numbers")
        return found

    def describe(self, spec: Spec) -> str:
        """The domain in words, axis by axis."""
        names = spec.units.names or ("",) * spec.dimension
        pairs = self.domain or ((-1.0, 1.0),) * spec.dimension
        return " × ".join(f"{a:.6g} to {b:.6g} {name}".rstrip() for (a, b), name in zip(pairs, names))

    # --- points -----------------------------------------------------------------------------------------------

    def xi(self, points: Array, axis: int = 0) -> Array:
        """ξ of points along an axis, not confined to [−1, 1]."""
        if self.domain is None:
            return points
        start, stop = self.domain[axis]
        return np.asarray((2 * points - (start + stop)) / (stop - start))

    def points(self, xi: Array, axis: int = 0) -> Array:
        """The points in the user's units that ξ along an axis stand for."""
        if self.domain is None:
            return xi
        start, stop = self.domain[axis]
        return np.asarray((start * (1 - xi) + stop * (1 + xi)) / 2)

    def grid(self, grid: Sequence[Array]) -> Grid:
        """Points along every axis in the user's units, as ξ. Raises DataError for points outside the domain."""
        return tuple(self.confined(np.asarray(points), axis, "at") for axis, points in enumerate(grid))

    def confined(self, points: Array, axis: int, name: str, place: str = "") -> Array:
        """ξ of increasing points along an axis, those that are outside by rounding at the ends."""
        found = self.xi(points, axis)
        wrong = np.flatnonzero(~(np.abs(found) <= 1 + EDGE))
        start, stop = (-1.0, 1.0) if self.domain is None else self.domain[axis]
        allowed = f"points from {start:.10g} to {stop:.10g}, the domain of the model"
        if len(wrong) and self.domain is None:
            raise DataError(
                f"{name} = {points[wrong[0]]:.10g} at position {wrong[0]}", allowed,
                "points in other units, and a model that does not know their domain",
                "declare input.domain, or train the model on such records: it finds their domain", place,
            )  # fmt: skip
        if len(wrong):
            raise DataError(
                f"{name} = {points[wrong[0]]:.10g} at position {wrong[0]}", allowed,
                "points in other units, or beyond all that the model was trained on",
                "convert the points, leave these out, or declare a longer input.domain", place,
            )  # fmt: skip
        return np.asarray(np.clip(found, -1, 1))

    # --- records ----------------------------------------------------------------------------------------------

    def taken(self, spec: Spec, data: Records) -> Records:
        """Records in the model's units; those that are already stay as they are.

        Raises DataError for points outside the domain.
        """
        if data.units == self:
            return data
        if data.units is not None:
            raise DataError(
                "records in the units of another model", "records as they were measured, or in this model's units",
                "two models that were trained on different records", "give each model the records themselves",
            )  # fmt: skip
        if data.gaps and spec.units.missing != "unsampled":
            raise odd_sample(
                np.isnan(data.x), data.x, data.offsets, "a missing value",
                "leave the point out and give the others with their xi; or, where some channels were not sampled at "
                'some points, declare input.missing = "unsampled"',
            )  # fmt: skip
        xi = None if data.xi is None else self._all_points(data)
        x, y = data.x, data.y
        classes = data.classes
        if self.samples is not None and data.channels == spec.record_channels:
            self._remark(data)
            x = self.samples.to(x)
        elsewhere = data.elsewhere
        if elsewhere is not None:
            located = None if elsewhere.xi is None else self._all_points(elsewhere, "y_xi")
            fits = self.targets is not None and elsewhere.channels == spec.output_channels
            scaled = self.targets.to(elsewhere.x) if self.targets is not None and fits else elsewhere.x
            elsewhere = replace(elsewhere, xi=located, x=scaled, units=self)
        if self.targets is not None and y is not None:
            values = target_values(spec, data)
            if values is not None:  # else they do not fit, which is said where they are compared
                y, classes = self.targets.to(values), ()
        return replace(data, x=x, xi=xi, y=y, classes=classes, units=self, elsewhere=elsewhere)

    def _all_points(self, data: Records, name: str = "xi") -> Array:
        """ξ of all points of all records. Raises DataError naming the record."""
        assert data.xi is not None
        ends = offsets_of(data.sizes.ravel())
        lists = np.arange(len(ends) - 1) % data.dimension  # which axis each list of points is of
        found = np.array(data.xi, dtype=np.float64)
        for axis in range(data.dimension):
            mine = slice(None) if data.dimension == 1 else np.repeat(lists == axis, np.diff(ends))
            given = found[mine]
            if self.domain is None:
                _warn_of_half(given)
            if (np.abs(self.xi(given, axis)) > 1 + EDGE).any():
                for record, grid in enumerate(data.grids()):
                    self.confined((grid or ())[axis], axis, name, f"record {record}")
            found[mine] = np.clip(self.xi(given, axis), -1, 1)
        same = np.flatnonzero(np.diff(found) <= 0) + 1
        same = same[~np.isin(same, ends)]
        if len(same):
            number = int(np.searchsorted(ends, same[0], side="right")) - 1
            raise refusal(
                f"{name} = {data.xi[same[0]]:.17g} again, to rounding, at position {same[0] - ends[number]}",
                "increasing numbers, one a sample", "two points that differ by rounding alone",
                "average the samples that share a point", number // data.dimension,
            )  # fmt: skip
        return found

    def _remark(self, data: Records) -> None:
        """Say so where samples are far outside of what those of the training reached."""
        assert self.samples is not None
        low, high = np.array(self.samples.low), np.array(self.samples.high)
        room = FAR * np.maximum(high - low, np.array(self.samples.factor))
        least, most = (np.atleast_1d(f(data.x, axis=0)) for f in (np.nanmin, np.nanmax))
        wrong = np.flatnonzero((least < low - room) | (most > high + room))
        if len(wrong):
            c = int(wrong[0])
            channel = f" in channel {c}" if len(low) > 1 else ""
            warn(
                f"samples{channel} from {least[c]:.4g} to {most[c]:.4g}, but the training records lay between "
                f"{low[c]:.4g} and {high[c]:.4g}: other units, or records of another kind? The outputs are guesses"
            )

    # --- outputs ----------------------------------------------------------------------------------------------

    def given(self, outputs: Any) -> Any:
        """Outputs (…, channels), or a list of them, in the user's units."""
        if self.targets is None:
            return outputs
        back = self.targets.back
        return [back(part) for part in outputs] if isinstance(outputs, list) else back(outputs)


SCALE = tuple(Scale.__annotations__)
PLAIN = Units()  # points are ξ, and values are taken as they are


# --- what training finds ----------------------------------------------------------------------------------------


def learned(spec: Spec, known: Units, data: Source, kept: Array) -> Units:
    """The units of a model that is trained on records for the first time. Raises DataError.

    kept: positions of the records that are not held out, which alone say how values are scaled. Scales are those of the
    interpolants: a sample counts by the length of the domain that is nearest to it, so that they do not depend on where
    the records were sampled densely; of a channel with gaps, nearest of those that it has.
    """
    if isinstance(data, Records) and data.units is not None:
        return known
    found = replace(known, domain=known.domain or domain_of(spec, data))
    if (spec.units.scale, spec.units.outputs) == ("none", "none"):
        return found
    if not isinstance(data, Records) and "robust" in (spec.units.scale, spec.units.outputs):
        raise DataError(
            'the scale "robust", with records that are read part by part', '"standard" or "none"',
            "medians need all values at once", 'write scale = "standard"',
        )  # fmt: skip
    counts = np.zeros(len(data))
    counts[kept] = 1 if data.weights is None else data.weights[kept]
    plain = replace(found, samples=None, targets=None)

    def parts(targets: bool) -> Iterator[tuple[Array, Array]]:
        """Samples, or targets, part by part, and what each counts; those that count in no channel are left out."""
        for cut in data.cuts:
            with counted(cut.start):
                part, own = data.part(cut), counts[cut]
                located = plain.taken(spec, part)
                values = target_values(spec, part) if targets else part.x
                at = located.elsewhere if targets and located.elsewhere is not None else located
                at = replace(at, gaps=False) if targets else at  # whose functions have none
                shares = own[:, None] if targets and spec.functional else _shares(spec, at, own)
            counted_ones = shares.any(axis=1)
            if values is not None and counted_ones.any():
                yield values[counted_ones], shares[counted_ones]

    samples, targets = known.samples, known.targets
    shifted = spec.comparison.targets != "not zero"  # errors relative to ‖y*‖ do not allow another zero
    states = spec.outputs is None and spec.inputs is None  # outputs in the units of the records
    if samples is None and data.part(slice(0, 1)).channels == spec.record_channels:
        free = shifted or spec.outputs is not None
        samples = _scale(lambda: parts(False), spec.units.scale, free, states and not shifted)
    if spec.outputs is None and not spec.functional:  # the output is a state, in the units of the records
        targets = samples if spec.inputs is None else None
    elif targets is None:
        targets = _scale(lambda: parts(True), spec.units.outputs, shifted, not shifted)
    return replace(found, samples=samples, targets=targets)


def target_values(spec: Spec, data: Records) -> Array | None:
    """Targets as numbers (records or total, channels); None for classes, probabilities and what does not fit."""
    if data.elsewhere is not None:
        fits = not spec.functional and data.elsewhere.channels == _targets(spec)
        return data.elsewhere.x if fits else None
    if data.y is None or spec.comparison.scores:
        return None
    values: Array | None = labels.as_numbers(data.y, data.classes) if data.classes else data.y
    if not spec.functional:
        values = replace(data, y=values, classes=()).as_functions().y
    assert values is not None
    values = labels.as_numbers(values).reshape(len(values), -1)
    return np.asarray(values, dtype=np.float64) if values.shape[1] == _targets(spec) else None


def _targets(spec: Spec) -> int:
    """How many numbers a target has, of functions at every point."""
    return int(spec.outputs or 0) if spec.functional else spec.output_channels


def domain_of(spec: Spec, data: Source) -> Domain | None:
    """The domain of records' points in the user's units, as far as these reach.

    None for records without points, and for points that are ξ already: in [−1, 1], some below zero. Raises DataError
    where that is no domain.
    """
    elsewhere = data.elsewhere if isinstance(data, Records) else None
    sampled = [own for own in (data, elsewhere) if own is not None and own.xi is not None]
    grids = [grid for own in sampled for grid in own.grids() if grid is not None]
    if not grids:
        return None
    found = []
    for axis, periodic in enumerate(spec.periodic):
        low, high = min(float(g[axis][0]) for g in grids), max(float(g[axis][-1]) for g in grids)
        if low >= -1 - EDGE and high <= 1 + EDGE and low < 0:
            found.append((-1.0, 1.0))
        elif 0 <= low <= UNIT and 1 - UNIT <= high <= 1:
            found.append((0.0, 1.0))
        elif periodic:
            found.append((low, high + _step(grids, axis)))
        else:
            found.append((low, high))
        if found[-1][0] >= found[-1][1]:
            raise DataError(
                f"all points at {low:.10g}", "points at two places at least, or a declared domain",
                "records of a single sample", "declare input.domain",
            )  # fmt: skip
    return None if all(pair == (-1.0, 1.0) for pair in found) else tuple(found)


def _step(grids: list[Grid], axis: int) -> float:
    """The distance of points that are equally spaced around a circle, which ends one of them behind the last."""
    steps = np.concatenate([np.diff(grid[axis]) for grid in grids])
    if not len(steps) or not np.allclose(steps, steps[0], rtol=1e-6, atol=0):
        raise DataError(
            "unequally spaced points on a periodic domain whose length is not known", "a declared domain",
            "from the last point to the first it is as far as the period says", "declare input.domain",
        )  # fmt: skip
    return float(np.median(steps))


def _shares(spec: Spec, data: Records, counts: Array) -> Array:
    """What every sample counts, (total, 1), or where there are gaps in every channel (total, channels)."""
    if not data.gaps:
        return _lengths(spec, data, counts)[:, None]
    found = np.zeros(data.x.shape)
    xi = np.concatenate([grid_of(spec, data, n)[0] for n in range(len(data))])
    for channel, known in enumerate(np.isfinite(data.x).T):
        found[known, channel] = _lengths(spec, data.sampled(channel, xi), counts)
    return found


def _lengths(spec: Spec, data: Records, counts: Array) -> Array:
    """What every sample counts (total,): its part of its record's domain, times what the record counts."""
    found = np.empty(len(data.x))
    for group in data.alike():
        if not data.lengths[group[0]]:
            continue
        grid = grid_of(spec, data, int(group[0]))
        own = np.ones(1)
        for xi, periodic in zip(grid, spec.periodic):
            middles = (xi[1:] + xi[:-1]) / 2
            if periodic and spec.interpolant != "constant":  # the last one's neighbour is the first
                across = (xi[0] + xi[-1]) / 2 + 1
                edges = np.concatenate([[across - 2], middles, [across]])
            else:
                edges = np.concatenate([[-1.0], middles, [1.0]])
            own = np.multiply.outer(own, np.diff(edges) / 2)
        rows = data.offsets[group][:, None] + np.arange(own.size)
        found[rows] = own.ravel() * counts[group][:, None]
    return found


def _scale(parts: Parts, how: str, shifted: bool, together: bool) -> Scale | None:
    """How values (n, channels) are scaled; None for "none" and for no values.

    parts: of the values, with what each counts (n, channels or 1). shifted: whether zero may move; together: whether
    all channels have one factor.
    """
    if how == "none" or next(iter(parts()), None) is None:
        return None
    low, high = (reduce(own, (own.reduce(v, axis=0) for v, _ in parts())) for own in (np.fmin, np.fmax))
    shift, factor = (_moments if how == "standard" else _quartiles)(parts, shifted)
    if together:
        factor = np.full_like(factor, np.sqrt(np.mean(factor**2)))
    factor = np.where(factor > ROUNDING * np.maximum(np.abs(low), np.abs(high)), factor, 1.0)
    return Scale(*(tuple(map(float, own)) for own in (shift, factor, low, high)))


def _moments(parts: Parts, shifted: bool) -> tuple[Array, Array]:
    """Mean and standard deviation of every channel; about zero where that may not move."""

    def mean(value: Callable[[Array], Array]) -> Array:
        sums = [(np.nansum(w * value(v), axis=0), np.sum(w * np.isfinite(v), axis=0)) for v, w in parts()]
        return np.asarray(sum(total for total, _ in sums) / sum(weight for _, weight in sums))

    shift = mean(lambda v: v) if shifted else np.zeros(next(iter(parts()))[0].shape[1])
    return shift, np.sqrt(mean(lambda v: (v - shift) ** 2))


def _quartiles(parts: Parts, shifted: bool) -> tuple[Array, Array]:
    """Median of every channel, and the distance of its quartiles over that of a normal distribution."""
    values, counts = map(np.concatenate, zip(*((v, np.broadcast_to(w, v.shape)) for v, w in parts())))
    found = []
    for column, own in zip(values.T, counts.T):
        known = np.isfinite(column)
        if not known.any():  # which is refused where the channel is projected
            found.append((0.0, 1.0))
            continue
        v, w = column[known] if shifted else np.abs(column[known]), own[known]
        order = np.argsort(v, kind="stable")
        reached = (np.cumsum(w[order]) - w[order] / 2) / w.sum()
        low, middle, high = np.interp((0.25, 0.5, 0.75), reached, v[order])
        found.append((middle, (high - low) / QUARTILES) if shifted else (0.0, middle))
    shift, factor = np.array(found).T
    spread = _moments(parts, shifted)[1] if (factor == 0).any() else factor  # rare peaks over a constant
    return shift, np.where(factor > 0, factor, spread)


def _warn_of_half(points: Array) -> None:
    """Say so where the points of all records fill [0, 1]: they are seldom meant for the right half of [−1, 1]."""
    if len(points) > 2 and 0 <= points.min() <= UNIT and 1 - UNIT <= points.max() <= 1:
        warn(
            f"all points xi lie from {points.min():g} to {points.max():g}, and records on [-1, 1]: left of the points "
            "each record goes on as a constant. If they are meant for the whole domain, declare "
            'input.domain = ["0", "1"]'
        )
