"""What is verified, and what is found: a spec with a model and records of its size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from derive.spec import Spec, depth_elements
from numerics.kernels.bound import plain_kernels
from numerics.kernels.cpu import Bound
from numerics.kernels.steps import Steps
from numerics.model.continuum import Continuum
from numerics.model.layout import whole
from numerics.model.prepared import Prepared
from numerics.verify.references.flow import Ended, Exact, Rate, follow
from numerics.verify.references.network import Reference

Array = np.ndarray
RECORDS = 12
COPIES = 30
FEW = 3  # records for kernels that are not compiled
PLANS = ("formed", "factors")  # in which order kernels multiply
ADAPTIVE = 8
MOST_STEPS = 512  # of a convergence study
WATCHED = 4  # records whose exact solution is followed
SMALLEST = 2.0**-10  # of the records, and of random fields, where larger ones grow without bound
THIN = 2  # channels: kernels are the same text for any number of them, and the NumPy network is slow

NOTEBOOKS = tuple(f"notebook {n}" for n in (1, 2, 3, 4, 6))  # where the sections are explained


@dataclass(frozen=True)
class Finding:
    """A property that was measured. passed: None where it does not apply; curves: name → sizes and errors; slope: that
    these are expected to have in logarithms."""

    section: str
    name: str
    expected: str
    measured: str
    passed: bool | None
    explained: str
    curves: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=dict)
    slope: float | None = None


@dataclass
class Subject:
    """A spec with a model of it, random where none was given, and random records of its size.

    trained: whether the model was given. base: its declaration, with the levels. Adaptive steps are replaced by
    ``ADAPTIVE`` equal ones in every depth element, tolerance being theirs, and of many channels the first ``THIN`` are
    taken. share: of the records, and of random fields: smaller than 1 where larger ones grow without bound.
    """

    spec: Spec
    model: Continuum
    base: Spec
    trained: bool = False
    tolerance: Fraction | None = None
    findings: list[Finding] = field(default_factory=list)
    share: float = 1.0
    kept: dict[Any, Any] = field(default_factory=dict)  # what several properties need, and takes its time

    @classmethod
    def of(cls, base: Spec, model: Continuum | None = None) -> Subject:
        trained = model is not None
        if model is None:
            model = Continuum.from_spec(base, seed=0)
            noise = np.random.default_rng(1).standard_normal(model.size)
            model = model.with_coordinates(model.coordinates + 3 * noise / np.linalg.norm(noise))
        tolerance = model.spec.tolerance
        if tolerance is not None:  # steps that the records choose cannot be compared one by one
            fixed = replace(model.spec, tolerance=None, steps=ADAPTIVE * model.spec.steps, levels=())
            model = Continuum(fixed, None, model.fields)
        thin = thinned(model)
        exact = replace(thin.spec, precision="float64", levels=())
        subject = cls(exact, Continuum(exact, None, thin.fields, thin.history), model.base, trained, tolerance)
        while not subject.bounded and subject.share > SMALLEST:
            subject = subject.gentler(0.5)
        return subject

    def gentler(self, factor: float, fields: bool | None = None) -> Subject:
        """The same with records, and random fields, that are so many times as large."""
        model = self.model
        if not self.trained if fields is None else fields:
            model = model.with_coordinates(factor * model.coordinates)
        made = replace(self, model=model, share=factor * self.share)
        vars(made)["reference"] = self.reference
        return made

    @property
    def layered(self) -> bool:
        """Whether slabs have state bases of their own: the layers are the model, and no equation is behind them."""
        return any(form.entry for form in self.reference.forms)

    @cached_property
    def bounded(self) -> bool:
        """Whether the network's states are finite, and of random fields those of the continuum, too."""
        with np.errstate(all="ignore"):
            if not np.isfinite(self.reference.final(self.fields, self.states)).all():
                return False
        return self.trained or self.layered or isinstance(self.exact, Exact)

    @cached_property
    def exact(self) -> Exact | Ended:
        """The exact solution (rows,) of the first ``WATCHED`` records at depth 1, or why it ends before."""
        lifted = self.reference.lifted(self.fields, self.states[:, :, :WATCHED])

        def flat(rate: Callable[[Array, float], Array]) -> Rate:
            return lambda at, y: rate(y.reshape(lifted.shape), at).ravel()

        pieces = [(start, stop, flat(bind(self.fields))) for start, stop, bind in self.rates]
        try:
            return follow(pieces, lifted.ravel(), self.smoothness == "analytic")
        except Ended as ended:
            return ended

    @cached_property
    def rates(self) -> list[tuple[float, float, Callable[[Any], Callable[[Array, float], Array]]]]:
        """(start, stop, bind) of every piece of the depth: bind(fields)(h, δ) is F of (5), h (n, channels, records)."""
        from numerics.functions.basis import evaluate_inside

        found: list[tuple[float, float, Callable[[Any], Callable[[Array, float], Array]]]] = []
        for k, ends in enumerate(self.elements):
            tables = self.model.representation.slabs[k]
            depths = tables.basis("weight_depth"), tables.basis("bias_depth")
            for start, stop in zip(ends.tolist(), ends[1:].tolist()):

                def bind(
                    fields: Any, k: int = k, depths: Any = depths, inside: float = (start + stop) / 2
                ) -> Callable[[Array, float], Array]:
                    slopes = self.reference.slopes(fields, k)

                    def rate(h: Array, at: float) -> Array:
                        theta, vartheta = (evaluate_inside(p, np.array([at]), inside)[0] for p in depths)
                        return slopes.between(theta, vartheta, h)

                    return rate

                found.append((start, stop, bind))
        return found

    @property
    def plans(self) -> tuple[str, ...]:
        """The orders in which kernels can multiply."""
        return PLANS if all(slab.formable for slab in self.model.representation.slabs) else PLANS[1:]

    @cached_property
    def reference(self) -> Reference:
        return Reference.of(self.spec)

    @cached_property
    def fields(self) -> dict[str, list[Array]]:
        return self.whole({name: [slab.coefficients for slab in f.slabs] for name, f in self.model.fields.items()})

    def whole(self, coefficients: Mapping[str, list[Array]]) -> dict[str, list[Array]]:
        """The fields' coefficients as the NumPy network has them."""
        dimension = self.spec.dimension
        return {name: whole(self.model.fields[name], a, dimension) for name, a in coefficients.items()}

    @cached_property
    def states(self) -> Array:
        """Coefficients of smooth random records, (entry size, channels, RECORDS); a lift reads more channels."""
        pieces = self.model.representation.slabs[0].axes("entry")
        return self.share * self.random_states(pieces, self.spec.entry_channels)

    def random_states(self, axes: Sequence[Any], channels: int) -> Array:
        """The L2 projections of sums of a few smooth waves along every axis; periodic ones where the domain is."""
        from numerics.functions.basis import evaluate
        from numerics.functions.rules import rule

        generator = np.random.default_rng(2)
        found = np.ones((1, channels, RECORDS))
        for pieces, periodic in zip(axes, self.spec.periodic):
            waves = np.pi * np.arange(4) * (1 if periodic else 0.5)
            points, lengths = rule(pieces, frequency=waves[-1])
            parts = generator.standard_normal((2, channels, RECORDS, 4)) / (1 + np.arange(4)) ** 2
            values = parts[0] @ np.cos(np.outer(waves, points)) + parts[1] @ np.sin(np.outer(waves, points))
            table = evaluate(pieces, points)
            mass = (table.T * lengths) @ table
            loads = np.einsum("qj,q,crq->jcr", table, lengths, values).reshape(pieces.size, -1)
            own = np.linalg.solve(mass, loads).reshape(pieces.size, channels, RECORDS)
            found = np.einsum("icr,jcr->ijcr", found, own).reshape(-1, channels, RECORDS)
        return found

    @cached_property
    def prepared(self) -> Prepared:
        """The records with random targets, in the loss's coordinates."""
        generator = np.random.default_rng(3)
        rows = len(self.model.readout_map()[1])
        targets = generator.standard_normal((rows, RECORDS))
        if self.spec.loss in ("cross-entropy", "kullback-leibler"):
            targets = np.eye(rows)[generator.integers(0, rows, RECORDS)].T.copy()
        return Prepared(self.states.reshape(-1, RECORDS), targets, np.zeros(RECORDS), None)

    @cached_property
    def few(self) -> Prepared:
        """Some of the records, for what is slow."""
        return self.prepared.take(np.arange(FEW))

    @cached_property
    def many(self) -> Prepared:
        """The records over and over: more than one tile, and more than one block of tiles."""
        states, targets = (np.tile(a, (1, COPIES)) for a in (self.prepared.states, self.prepared.wanted()))
        return Prepared(states, targets, np.zeros(COPIES * RECORDS), None)

    @cached_property
    def elements(self) -> list[Array]:
        """The ends of the depth elements, slab by slab."""
        return [np.array([float(b) for b in depth_elements(slab)]) for slab in self.spec.slabs]

    @property
    def numbers_of_steps(self) -> list[int]:
        """Of a convergence study: 1, 2, 4, … in every depth element."""
        total = sum(len(e) - 1 for e in self.elements)
        return [total * 2**k for k in range(MOST_STEPS.bit_length()) if total * 2**k <= MOST_STEPS]

    def steps(self, count: int) -> list[Steps]:
        """So many steps in all, as many in every depth element."""
        share = count // sum(len(e) - 1 for e in self.elements)
        return [divided(e, share) for e in self.elements]

    def bare(self) -> Continuum:
        """A copy of the model without penalties and levels, with a solver of its own."""
        return self.model.replace(base=replace(self.spec, penalties=(), levels=()), level=None)

    @property
    def own_plan(self) -> str:
        """The order in which the spec's kernels multiply, of its first slab."""
        return self.model.representation.slabs[0].plan

    def planned(self, plan: str) -> tuple[Continuum, Prepared]:
        """The bare model in double precision, its kernels multiplying in a given way, and records for it.

        The way that the spec has chosen is compiled, and gets many records. The other one is the generated text as
        Python runs it, which takes no compilation, with ``FEW`` records.
        """
        bare = self.bare()
        if plan == self.own_plan:
            return bare.running_on(Bound(bare.representation, plan=plan)), self.many
        return self.plain(bare, plan=plan), self.few

    def plain(self, model: Continuum, dtype: str = "float64", plan: str | None = None) -> Continuum:
        """A model whose kernels are the generated text as Python runs it."""
        return model.running_on(Bound(model.representation, dtype, plan, plain_kernels))

    @cached_property
    def smoothness(self) -> str:
        """What the rate is: "analytic", "kinked" (continuous) or "jumping"."""
        import sympy as sp

        rho = self.reference.equation.rho
        if not rho.has(sp.Piecewise, sp.floor, sp.sign):
            return "analytic"
        grid = np.linspace(-4, 4, 4001)
        learned = [[float(start)] for _, start in self.spec.learned]
        for u, h in ((grid, 0 * grid), (0 * grid, grid)):
            values = self.reference.rho(np.tile(u, (self.spec.pre_activations, 1)), h[None], learned)[0]
            if np.abs(np.diff(values)).max() > 0.05 * max(1.0, np.ptp(values)):
                return "jumping"
        return "kinked"

    def add(self, section: str, name: str, expected: str, measured: str, passed: bool | None, explained: str,
            curves: Any = None, slope: float | None = None) -> None:  # fmt: skip
        self.findings.append(Finding(section, name, expected, measured, passed, explained, curves or {}, slope))

    def at_most(self, section: str, name: str, measured: float, limit: float, explained: str) -> None:
        """A number that has a bound."""
        self.add(section, name, f"≤ {limit:.0e}", f"{measured:.1e}", bool(measured <= limit), explained)


def thinned(model: Continuum) -> Continuum:
    """The model with its first ``THIN`` channels alone, if it has more."""
    spec, c, g = model.spec, model.spec.channels, model.spec.pre_activations
    if c <= THIN:
        return model

    def narrow(name: str, a: Array) -> Array:
        if name in ("W", "V"):
            return a.reshape(*a.shape[:-2], g, c, c)[..., :THIN, :THIN].reshape(*a.shape[:-2], g * THIN, THIN)
        if name == "b":
            return a.reshape(*a.shape[:-1], g, c)[..., :THIN].reshape(*a.shape[:-1], g * THIN)
        return a if name == "a" else a[..., :THIN, :] if name == "P" else a[..., :THIN]

    fields = {
        name: replace(f, slabs=tuple(replace(slab, coefficients=narrow(name, slab.coefficients)) for slab in f.slabs))
        for name, f in model.fields.items()
    }
    return Continuum(replace(spec, channels=THIN, levels=()), None, fields, model.history)


def divided(elements: Array, share: int) -> Steps:
    """Equal steps, so many in every depth element."""
    cuts = np.concatenate([np.linspace(a, b, share, endpoint=False) for a, b in zip(elements, elements[1:])])
    return list(zip(cuts, np.repeat(np.diff(elements) / share, share)))
