"""Hypothesis strategies for what a spec is made of, and ``check``: one line tests a new basis, tableau, rate or loss.

    from numerics.testing import check

    def test_mine():
        check("bases", "mine")

Strategies draw from whatever is registered, so that a new file enters every test that uses them. Needs Hypothesis and
mpmath: ``pip install "neural-continua[test]"``.
"""

from __future__ import annotations

import builtins
import keyword
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from derive import registry
from derive.declaration import load_spec
from derive.errors import SpecError
from derive.spec import BasisSpec, Spec, comparison
from derive.spec.operator import operator
from numerics import verify
from numerics.datasets import Records
from numerics.datasets import records as make_records
from numerics.model.continuum import Continuum, Declared
from numerics.networks import layers

__all__ = ["bases", "check", "fields", "models", "names", "networks", "records", "specs", "tableaux"]

Array = np.ndarray
Strategy = st.SearchStrategy[Any]

# Functions for the families that are made of a user's own.
OWN: Mapping[str, Sequence[dict[str, Any]]] = {
    "custom": (
        {"functions": ["1", "xi", "abs(xi)"], "breakpoints": ["-1", "0", "1"]},
        {"functions": ["exp(xi)", "sqrt(2 + xi)", "sin(3*xi)"]},
    ),
    "combination": ({"of": {"family": "hat", "cells": 3}, "rows": [["1", "-1/2", "0", "3"], ["0", "1", "1/3", "1"]]},),
}
UNEVEN = ["-1", "-3/7", "0", "1/3", "1"]
WEIGHTS: Sequence[dict[str, Any]] = ({}, {"reach": "1/4"}, {"reach": "1"})  # of [equation]: the kinds of W
PERIODIC = ("fourier",)  # families that ask for a periodic domain
OWN_EXPRESSIONS = {
    "rates": ("sin(u) - h/2", "tanh(u)*h - h**2/3", "sin(u1)*tanh(u2) - h/3"),
    "activations": ("sin(u)/2 + u",),
    "losses": (),
}


# --- what a spec is made of ---------------------------------------------------------------------------------


def bases(
    families: Sequence[str] | None = None, periodic: bool = False, continuous: bool = False, reach: str | None = None
) -> Strategy:
    """Declarations of small bases along the width, ``{"family": …}``, of some families or of all there are.

    reach: of κ, whose basis lives on [−reach, reach].
    """
    chosen = registry.names("bases") if families is None else families
    found = [declared for family in chosen for declared in declarations(family, periodic, continuous, reach)]
    return st.sampled_from(found)


@cache
def declarations(
    family: str, periodic: bool = False, continuous: bool = False, reach: str | None = None
) -> tuple[dict[str, Any], ...]:
    """Small bases of a family that the spec's reader takes; a new family is tried with every size up to six."""
    from derive.declaration import Reader, read_basis
    from derive.spaces import basis as built
    from derive.spaces.products import continuous as is_continuous

    if family in PERIODIC and not periodic:
        return ()
    parameters = registry.entry("bases", family).PARAMETERS
    degrees = [{"degree": p} for p in (1, 2, 3)] if "degree" in parameters else [{}]
    tried: list[dict[str, Any]] = [*OWN.get(family, ())]
    if "size" in parameters:
        tried += [{"size": n} for n in range(1, 7)]
    if "cells" in parameters:
        tried += [{"cells": n, **degree} for n in range(1, 5) for degree in degrees]
    if "breakpoints" in parameters and family not in OWN:
        tried += [{"breakpoints": UNEVEN, **degree} for degree in degrees]
    found = []
    end = Fraction(reach or 1)
    for given in tried:
        declared = {"family": family, **given}
        if "breakpoints" in given:
            declared["breakpoints"] = [str(end * Fraction(b)) for b in given["breakpoints"]]
        try:
            path = "basis" if reach is None else "weight.kernel"
            spec: BasisSpec = read_basis(Reader("testing"), declared, path, (-end, end), periodic)
        except SpecError:
            continue
        if not continuous or is_continuous(built.build(spec, (-end, end))):
            found.append(declared)
    return tuple(found)


def allowed_names(words: Iterable[str]) -> list[str]:
    """Those of some words that a spec takes for a parameter, sorted."""
    from derive.declaration import Reader, read_parameters

    found = []
    for word in sorted(set(words)):
        try:
            read_parameters(Reader("testing"), {"learned": {word: "1"}}, "learned")
        except SpecError:
            continue
        found.append(word)
    return found


@cache
def _python_and_numpy() -> list[str]:
    return allowed_names([*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *dir(np), *dir(math)])


def names(kernels: Sequence[str] = ()) -> Strategy:
    """Names of parameters: Python's keywords and builtins, NumPy's names, and those that kernels bind, if given."""
    others = st.sampled_from(_python_and_numpy())
    return st.sampled_from(allowed_names(kernels)) | others if kernels else others


def named(kind: str) -> Strategy:
    """The names of a kind's entries, and some expressions of one's own: rates, activations, losses."""
    return st.sampled_from((*registry.names(kind), *OWN_EXPRESSIONS[kind]))


@st.composite
def tableaux(draw: st.DrawFn, implicit: bool = True) -> Any:
    """A registered tableau's name, or one of the explicit ones of order 2 with two stages, b_2 = 1/(2 c_2)."""
    names = [n for n in registry.names("tableaux") if implicit or _explicit(n)]
    if draw(st.integers(0, 3)):
        return draw(st.sampled_from(names))
    c = draw(st.fractions(Fraction(1, 8), 1, max_denominator=9))
    weights = [1 - 1 / (2 * c), 1 / (2 * c)]
    return {"a": [["0", "0"], [str(c), "0"]], "b": [str(w) for w in weights], "c": ["0", str(c)], "order": 2}


def _explicit(name: str) -> bool:
    from derive.explain.tableaux import named_tableau

    return named_tableau(name).explicit


@st.composite
def specs(
    draw: st.DrawFn,
    *,
    families: Sequence[str] | None = None,
    state: Strategy | None = None,
    tableau: Strategy | None = None,
    rate: Strategy | None = None,
    activation: Strategy | None = None,
    loss: Strategy | None = None,
    channels: Strategy | None = None,
) -> dict[str, Any]:
    """Small complete declarations with one state basis, W(ξ, ξ′) or κ(ξ − ξ′).

    families: of all bases along the width; what else is given replaces the strategy of that part.
    """
    periodic = draw(st.booleans())
    kind = draw(loss if loss is not None else named("losses"))
    smooth = comparison(kind).distance == "H1"  # a norm of slopes needs a state that has them
    basis = draw(state if state is not None else bases(families, periodic, smooth))
    width = draw(bases(families, periodic))
    narrower = draw(st.sampled_from(WEIGHTS))
    reach = narrower.get("reach")
    keys = operator(1, None if reach is None else Fraction(reach), ()).keys
    weight = {key: draw(bases(families, periodic, reach=reach)) for key in keys}
    depths = [{"family": "p0", "cells": 2}, {"family": "hat", "cells": 1}, {"family": "legendre", "size": 2}]
    weight_depth, bias_depth = (draw(st.sampled_from(depths)) for _ in range(2))
    count = draw(channels if channels is not None else st.integers(1, 2))
    declared: dict[str, Any] = {
        "name": "drawn",
        "equation": {
            "rate": draw(rate if rate is not None else named("rates")),
            "activation": draw(activation if activation is not None else named("activations")),
            "spacing": draw(st.sampled_from(["1", "1/2", "1/3"])),
            "channels": count,
            "periodic": periodic,
            "local": draw(st.booleans()),
            **draw(st.sampled_from([{}, {"normalise": "1/10"}] if count > 1 else [{}])),
            **narrower,
        },
        "state": {"basis": basis},
        "weight": {**weight, "depth": weight_depth},
        "bias": {"width": width, "depth": bias_depth},
        "integration": {"tableau": draw(tableau if tableau is not None else tableaux()), "steps": 4},
        "loss": {"kind": kind},
    }
    on = comparison(kind).on
    if "outputs" in on and ("function" not in on or draw(st.booleans())):
        declared["readout"] = {"outputs": draw(st.integers(2, 3)), "basis": draw(bases(periodic=periodic))}
        shares = {"levels": ["-1/2", "1/3"], "width": "1/4"}
        declared["readout"] |= draw(st.sampled_from([{}, {"maximum": "3"}, {"shares": shares}]))
    if rate is None and draw(st.integers(0, 3)) == 0:
        first, second = draw(st.lists(names(), min_size=2, max_size=2, unique=True))
        declared["equation"] |= {"rate": f"{first}*f(u) - {second}*h", "learned": {first: "1/2", second: "1/3"}}
    return declared


# --- models and what they are given -------------------------------------------------------------------------


@st.composite
def models(draw: st.DrawFn, spec: Declared | Strategy, size: float = 2.0) -> Continuum:
    """A model of a spec, given or drawn, whose fields are random with ‖·‖_L2 = ``size`` all together."""
    declared = draw(spec) if isinstance(spec, st.SearchStrategy) else spec
    model = Continuum.from_spec(declared, seed=0)
    noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).standard_normal(model.size)
    return model.with_coordinates(size * noise / np.linalg.norm(noise))


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Callable[..., Array]]:
    """Smooth W(ξ, ξ′, δ) and b(ξ, δ), sums of three waves each, as ``Continuum.from_fields`` takes them."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def waves(directions: int) -> Callable[..., Array]:
        frequencies = generator.uniform(-2.5, 2.5, (3, directions))
        phases, sizes = generator.uniform(0, 2 * math.pi, 3), generator.uniform(-1, 1, 3)
        return lambda *x: sum(
            s * np.sin(sum(f * v for f, v in zip(row, x)) + p) for row, p, s in zip(frequencies, phases, sizes)
        )

    return {"W": waves(3), "b": waves(2)}


@st.composite
def networks(draw: st.DrawFn, kind: str | None = None, widest: int = 9) -> layers.Layers:
    """Discrete networks of two to four layers: perceptrons of any widths, residual networks of one."""
    chosen = draw(st.sampled_from(layers.KINDS)) if kind is None else kind
    count, last = draw(st.integers(2, 4)), draw(st.sampled_from(layers.LASTS))
    widths = draw(st.lists(st.integers(1, widest), min_size=count + 1, max_size=count + 1))
    if chosen == "residual":
        widths = [widths[0]] * count + [widths[-1] if last == "affine" else widths[0]]
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = [generator.standard_normal((m, n)) / math.sqrt(n) for n, m in zip(widths, widths[1:])]
    biases = [generator.standard_normal(m) / 2 for m in widths[1:]]
    activation = draw(st.sampled_from(registry.names("activations")))
    return layers.layers(weights, biases, activation, chosen, last)


@st.composite
def records(draw: st.DrawFn, spec: Spec, most: int = 6) -> Records:
    """Records for a spec, each with points of its own, targets of the kind that its loss wants."""
    count = draw(st.integers(2, most))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = draw(st.lists(st.integers(1, 12), min_size=count, max_size=count))
    xi = [np.sort(generator.uniform(-1, 1, n)) for n in lengths]
    x = [generator.standard_normal((n, spec.record_channels)) for n in lengths]
    y: Any
    if spec.outputs is None or not spec.functional:
        y = [generator.standard_normal((n, spec.output_channels)) for n in lengths]
    elif spec.comparison.targets == "classes":
        y = np.arange(count) % spec.outputs
    else:
        y = generator.dirichlet(np.ones(spec.outputs), count)  # probabilities are what every loss can compare
    return make_records(x, xi=xi, y=y)


# --- one line for a new file --------------------------------------------------------------------------------

PLAIN: dict[str, Any] = {
    "name": "checked",
    "equation": {"rate": "mlp", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": {"family": "hat", "cells": 5}},
    "weight": {"width_out": {"family": "legendre", "size": 3}, "width_in": {"family": "legendre", "size": 3},
               "depth": {"family": "p0", "cells": 1}},
    "bias": {"width": {"family": "legendre", "size": 3}, "depth": {"family": "p0", "cells": 1}},
    "integration": {"tableau": "heun", "steps": 2},
    "loss": {"kind": "l2"},
}  # fmt: skip


def check(kind: str, name: str, full: bool = False) -> None:
    """Measure what ``continua verify`` measures on a small spec with one entry of a kind in it.

    kind: bases, tableaux, rates, activations or losses; name: of an entry, or an expression where the kind allows one.
    Raises AssertionError with the rows that fail.
    """
    failed = [
        f"{row.name}: expected {row.expected}, measured {row.measured}"
        for row in verify.verify(load_spec(example(kind, name)), full=full)
        if row.passed is False
    ]
    assert not failed, f"{kind} {name}: " + "; ".join(failed)


def example(kind: str, name: str) -> dict[str, Any]:
    """A small spec with an entry of a kind in it; a basis stands for the state and in the weight, with another level.

    Raises SpecError for a kind, or a basis, that is none.
    """
    if kind == "bases":
        found = declarations(name, periodic=name in PERIODIC)
        most = {"state": {"basis": found[-1]}, "weight": {**PLAIN["weight"], "width_out": found[-1]}}
        levels = {"other": {"weight": {"width_out": found[0]}}} if found[0] != found[-1] else {}
        return {**PLAIN, **most, "equation": {**PLAIN["equation"], "periodic": name in PERIODIC}, "levels": levels}
    if kind == "tableaux":
        return {**PLAIN, "integration": {"tableau": name, "steps": 2}}
    if kind == "losses":
        readout = {"readout": {"outputs": 2, "basis": {"family": "p0", "cells": 1}}}
        readout = {} if "function" in comparison(name).on else readout
        return {**PLAIN, "loss": {"kind": name}, **readout}
    if kind in ("rates", "activations"):
        return {**PLAIN, "equation": {**PLAIN["equation"], kind[:-1]: name}}
    raise SpecError(f"kind {kind!r}", ", ".join(registry.KINDS), "a typing error", "use one of these")
