"""Every loss: its kernel against mpmath, value and derivative; a user's own; what is refused."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from derive import registry
from derive.declaration import load_spec
from derive.emit import cpu, tables
from derive.emit.loops import printed
from derive.errors import DataError, DerivationError, SpecError
from derive.program import loss as losses
from derive.spec import from_dict, to_dict
from numerics import Continuum, fit
from numerics.datasets import records


def softmax_sum(z):
    return mpmath.log(mpmath.fsum(mpmath.exp(v) for v in z))


def huber(r):
    return r**2 / 2 if abs(r) <= 1 else abs(r) - mpmath.mpf(1) / 2


REFERENCES = {
    "l2": lambda z, t: mpmath.fsum((a - b) ** 2 for a, b in zip(z, t)),
    "cross-entropy": lambda z, t: mpmath.fsum(b * (softmax_sum(z) - a) for a, b in zip(z, t)),
    "huber": lambda z, t: mpmath.fsum(huber(a - b) for a, b in zip(z, t)),
    "kullback-leibler": lambda z, t: mpmath.fsum(
        b * (mpmath.log(b) - a + softmax_sum(z)) for a, b in zip(z, t) if b > 0
    ),
    "relative-l2": lambda z, t: mpmath.sqrt(
        mpmath.fsum((a - b) ** 2 for a, b in zip(z, t)) / mpmath.fsum(b**2 for b in t)
    ),
    "(z - t)**4 + exp(z)/3": lambda z, t: mpmath.fsum((a - b) ** 4 + mpmath.exp(a) / 3 for a, b in zip(z, t)),
}
REFERENCES["log-cosh"] = lambda z, t: mpmath.fsum(mpmath.log(mpmath.cosh(a - b)) for a, b in zip(z, t))
REFERENCES["h1"] = REFERENCES["l2"]  # in coordinates of another norm
PROBABILITIES = ("cross-entropy", "kullback-leibler")


def test_every_loss_has_a_reference_here() -> None:
    assert set(registry.names("losses")) < set(REFERENCES)


def run(name: str, z: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kernel's text as plain Python: values (records,), source (outputs, records)."""
    kernel = printed(losses.derive(name).kernel(), cpu.Cpu)
    space: dict = {"math": math, "np": np}
    exec(cpu.module("", "", [kernel]), space)
    value, source = np.empty(z.shape[1]), np.empty_like(z)
    space["loss"](z, t, tables.nearest(kernel.constants), value, source)
    return value, source


@pytest.mark.parametrize("name", REFERENCES)
def test_value_and_source_against_mpmath(name: str) -> None:
    generator = np.random.default_rng(0)
    z = 2 * generator.standard_normal((4, 30))
    t = generator.standard_normal((4, 30))
    if name in PROBABILITIES:
        t = np.exp(t) / np.exp(t).sum(axis=0)
        t[:, :5] = np.eye(4)[generator.integers(0, 4, 5)].T  # classes: probabilities that are zero
    if name == "cross-entropy":
        t *= np.array([[0.3], [1.0], [2.5], [7.0]])  # with weights of classes
    value, source = run(name, z, t)
    with mpmath.workdps(40):
        for r in range(z.shape[1]):
            column, target = [mpmath.mpf(v) for v in z[:, r]], [mpmath.mpf(v) for v in t[:, r]]
            expected = REFERENCES[name](column, target)
            assert abs(value[r] - float(expected)) <= 1e-14 * max(1.0, abs(float(expected)))
            for k in range(4):
                moved = [mpmath.mpf(0)] * 4
                moved[k] = mpmath.mpf("1e-15")
                up, down = (REFERENCES[name]([a + s * b for a, b in zip(column, moved)], target) for s in (1, -1))
                slope = float((up - down) / mpmath.mpf("2e-15"))
                assert abs(source[k, r] - slope) <= 1e-12 * max(1.0, abs(slope))


def test_huge_scores_do_not_overflow() -> None:
    for name in PROBABILITIES:
        value, source = run(name, np.array([[900.0], [-900.0]]), np.array([[0.5], [0.5]]))
        assert np.isfinite(value).all() and np.isfinite(source).all()


def test_relative_errors_of_zero_have_the_derivative_zero() -> None:
    """A norm has its minimum there; in single precision, too. Others are as they were, however small."""
    z = np.array([[1.0, 1.0, 3.0], [2.0, 2.0 + 1e-9, 4.0]])
    t = np.array([[1.0, 1.0, 3.0], [2.0, 2.0, 4.5]])
    value, source = run("relative-l2", z, t)
    assert value[0] == 0 and (source[:, 0] == 0).all()
    assert source[1, 1] == pytest.approx(1 / math.sqrt(5)) and source[1, 2] == pytest.approx(-1 / math.hypot(3, 4.5))


@pytest.mark.parametrize(
    ("kind", "z", "t", "expected"),
    [
        ("log(1 + exp(-t*z))", [800.0, -800.0], [1.0, 1.0], [0.0, -1.0]),
        ("-(t*log(sigmoid(z)) + (1 - t)*log(1 - sigmoid(z)))", [60.0, -900.0], [1.0, 1.0], [0.0, -1.0]),
        ("sqrt((z - t)**2 + 1)", [1e200, 3.0], [0.0, 3.0], [1.0, 0.0]),
        ("sqrt(abs(z - t))", [3.0, 4.0], [3.0, 0.0], [0.0, 0.25]),
    ],
)
def test_own_losses_are_finite_far_away_and_at_their_zeros(kind: str, z: list, t: list, expected: list) -> None:
    value, source = run(kind, np.array([z]), np.array([t]))
    assert np.isfinite(value).all() and np.allclose(source[0], expected, atol=1e-15)


@pytest.mark.parametrize("targets", [[[0.5, 0.6]], [[1.5, -0.5]], [[2.0, 3.0]], [[0.0, 0.0]]])
def test_divergences_from_what_are_no_probabilities_are_refused(targets: list) -> None:
    model = Continuum.from_spec({**SPEC, "loss": {"kind": "kullback-leibler"}})
    x = np.ones((2, 6))
    good = [0.25, 0.75]
    assert model.prepare(records(x, y=np.array([good, [0.333, 0.6666]]))).targets is not None
    with pytest.raises(DataError, match="record 1") as caught:
        model.prepare(records(x, y=np.array([good, *targets])))
    assert "add up to 1" in caught.value.allowed


def test_errors_relative_to_zero_are_refused() -> None:
    function = {key: value for key, value in SPEC.items() if key != "readout"}
    model = Continuum.from_spec({**function, "loss": {"kind": "relative-l2"}})
    x = np.random.default_rng(0).standard_normal((3, 6))
    with pytest.raises(DataError, match="record 2"):
        model.prepare(records(x, y=np.array([[1.0] * 6, [2.0] * 6, [0.0] * 6])))


SPEC = {
    "name": "losses",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": {"family": "legendre", "size": 5}},
    "weight": {"width_out": {"family": "hat", "cells": 3}, "width_in": {"family": "hat", "cells": 3},
               "depth": {"family": "p0", "cells": 1}},
    "bias": {"width": {"family": "hat", "cells": 3}, "depth": {"family": "p0", "cells": 1}},
    "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 2, "basis": {"family": "legendre", "size": 3}},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["huber", "kullback-leibler", "(z - t)**4"])
def test_models_train_on_other_losses(kind: str) -> None:
    generator = np.random.default_rng(1)
    x = np.sin(np.linspace(0, 3, 12) * generator.uniform(1, 2, (30, 1)))
    share = (1 + x.mean(axis=1)) / 2
    y = np.stack([share, 1 - share], axis=1)  # probabilities, as one of these losses wants
    model = Continuum.from_spec({**SPEC, "loss": {"kind": kind}})
    trained = fit(model, x, y, optimiser="lbfgs", learning_rate=0.1, epochs=30)
    assert trained.history[-1]["loss"] < 0.2 * trained.history[0]["loss"] or trained.history[-1]["loss"] < 0.02


def test_own_losses_are_refused_where_they_make_no_sense() -> None:
    load_spec({**SPEC, "loss": {"kind": "abs(z - t)"}})
    for kind, words in (("(z - y)**2", "'y'"), ("__import__('os')", "loss.kind"), ("huberr", "loss.kind")):
        with pytest.raises(SpecError, match=words):
            load_spec({**SPEC, "loss": {"kind": kind}})
    function = {key: value for key, value in SPEC.items() if key != "readout"}
    with pytest.raises(SpecError, match="on outputs"):
        load_spec({**function, "loss": {"kind": "(z - t)**4"}})


@pytest.mark.first(2)
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("family", ["hat", "legendre", "fourier"])
def test_the_h1_loss_is_the_distance_to_the_interpolant_itself(family: str, periodic: bool) -> None:
    """∫ (y − y*)² + (∂y − ∂y*)² by quadrature on the cells between samples, y from the model at many points."""
    periodic |= family == "fourier"
    basis = {"family": family, "size": 7}
    hat = {"family": "hat", "cells": 3}
    once = {"family": "p0", "cells": 1}
    spec = {
        **{key: value for key, value in SPEC.items() if key != "readout"},
        "equation": {**SPEC["equation"], "periodic": periodic, "channels": 2},
        "state": {"basis": basis}, "loss": {"kind": "h1"},
        "weight": {"width_out": hat, "width_in": hat, "depth": once},
    }  # fmt: skip
    generator = np.random.default_rng(2)
    model = Continuum.from_spec(spec, seed=1)
    xi = np.sort(generator.uniform(-1, 1, 9)) if family != "fourier" else -1 + 2 * np.arange(9) / 9
    x, y = generator.standard_normal((2, 1, 9, 2))
    loss = model.loss(model.prepare(records(x, xi=xi, y=y)))
    # the output's slope from its values: exact for these functions with steps of 1e-5 and central differences
    nodes, weights = np.polynomial.legendre.leggauss(40)
    cuts = np.unique(np.concatenate([xi, np.linspace(-1, 1, 7), [-1, 1]]))
    total = 0.0
    for a, b in zip(cuts, cuts[1:]):
        points = a + (b - a) * (nodes + 1) / 2
        step = 1e-5 * (b - a)
        values, up, down = (model(x, xi, at=points + s)[0] for s in (0, step, -step))
        wrap = {"period": 2} if periodic else {}
        target = np.stack([np.interp(points, xi, y[0, :, c], **wrap) for c in range(2)], axis=1)
        ends = [np.array([np.interp(p, xi, y[0, :, c], **wrap) for c in range(2)]) for p in (a + 1e-9, b - 1e-9)]
        slope = (ends[1] - ends[0]) / (b - a - 2e-9)
        gap = (values - target) ** 2 + ((up - down) / (2 * step) - slope) ** 2
        total += float(np.sum(weights[:, None] * (b - a) / 2 * gap))
    assert loss == pytest.approx(total, rel=1e-5)


WEIGHTS = {
    "polynomial": ("1 + xi**2", lambda x: 1 + x**2, []),
    "smooth": ("exp(-2*xi)", lambda x: np.exp(-2 * x), []),
    "vanishing at the ends": ("1 - xi**2", lambda x: 1 - x**2, []),
    "with a kink": (
        {"family": "custom", "breakpoints": ["-1", "1/3", "1"], "functions": ["abs(xi - 1/3)"]},
        lambda x: np.abs(x - 1 / 3),
        [1 / 3],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize(("family", "interpolant"), [("hat", "linear"), ("legendre", "constant"), ("fourier", "linear"),
                                                     ("gauss-legendre", "least-squares")])  # fmt: skip
def test_the_weighted_l2_loss_is_the_weighted_distance(family: str, interpolant: str, weight: str) -> None:
    """∫ ω |y − y*|² by quadrature between samples and kinks; its gradient by differences along a line."""
    declared, omega, kinks = WEIGHTS[weight]
    once, hat = {"family": "p0", "cells": 1}, {"family": "hat", "cells": 3}
    basis = {"family": family, "size": 6} if family == "gauss-legendre" else {"family": family, "size": 7}
    spec = {
        **{key: value for key, value in SPEC.items() if key != "readout"},
        "equation": {**SPEC["equation"], "periodic": family == "fourier", "channels": 2},
        "input": {"interpolant": interpolant}, "state": {"basis": basis},
        "loss": {"kind": "l2", "weight": declared}, "weight": {"width_out": hat, "width_in": hat, "depth": once},
    }  # fmt: skip
    generator = np.random.default_rng(3)
    model = Continuum.from_spec(spec, seed=1)
    n = 9
    xi = {"constant": (2 * np.arange(n) + 1 - n) / n}.get(interpolant, np.sort(generator.uniform(-1, 1, n)))
    x, y = generator.standard_normal((2, 3, n, 2))
    prepared = model.prepare(records(x, xi=xi, y=y))
    nodes, lengths = np.polynomial.legendre.leggauss(40)
    edges = (2 * np.arange(n + 1) - n) / n if interpolant == "constant" else xi
    cuts = np.unique(np.concatenate([edges, np.linspace(-1, 1, 7), kinks]))
    points = np.concatenate([a + (b - a) * (nodes + 1) / 2 for a, b in zip(cuts, cuts[1:])])
    factors = np.concatenate([lengths * (b - a) / 2 for a, b in zip(cuts, cuts[1:])]) * omega(points)
    if interpolant == "constant":
        target = y[:, np.clip(((points + 1) * n / 2).astype(int), 0, n - 1)]
    elif interpolant == "linear":
        wrap = {"period": 2} if family == "fourier" else {}
        target = np.stack([[np.interp(points, xi, v, **wrap) for v in r.T] for r in y]).transpose(0, 2, 1)
    else:  # the polynomial nearest to the samples
        fit_ = [np.polynomial.legendre.legfit(xi, r, 5) for r in y]
        target = np.stack([np.polynomial.legendre.legval(points, c).T for c in fit_])
    gap = model(x, xi, at=points) - target
    expected = np.einsum("p,npc->", factors, gap**2) / 3
    assert model.loss(prepared) == pytest.approx(expected, rel=1e-11)
    direction = generator.standard_normal(model.size)
    loss, gradient = model.objective(prepared)
    up, down = (model.with_coordinates(model.coordinates + s * direction).loss(prepared) for s in (1e-5, -1e-5))
    assert loss == pytest.approx(expected, rel=1e-11)
    assert gradient @ direction == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-7)


def test_weights_are_refused_where_they_make_no_sense() -> None:
    function = {key: value for key, value in SPEC.items() if key != "readout"}
    for declared, words in (
        ({"kind": "h1", "weight": "1"}, "a weight for h1"),
        ({"kind": "l2", "weight": "z"}, "loss.weight"),
        ({"kind": "l2", "weight": 2}, "loss.weight"),
        ({"kind": "l2", "weight": {"family": "legendre", "size": 2}}, "one function"),
    ):
        with pytest.raises(SpecError, match=words):
            load_spec({**function, "loss": declared})
    with pytest.raises(SpecError, match="a weight for l2 on outputs"):
        load_spec({**SPEC, "loss": {"kind": "l2", "weight": "1"}})
    for negative in ("-1", "xi - 2", "-exp(xi)"):
        with pytest.raises(DerivationError, match="not negative"):
            Continuum.from_spec({**function, "loss": {"kind": "l2", "weight": negative}})
    with pytest.raises(DerivationError, match="changes its sign"):
        Continuum.from_spec({**function, "loss": {"kind": "l2", "weight": "xi"}})


def test_h1_needs_continuous_states() -> None:
    function = {key: value for key, value in SPEC.items() if key != "readout"}
    with pytest.raises(SpecError, match="not continuous"):
        load_spec({**function, "state": {"basis": {"family": "p0", "cells": 4}}, "loss": {"kind": "h1"}})
    with pytest.raises(SpecError, match="not continuous"):
        load_spec({**function, "input": {"interpolant": "constant"}, "loss": {"kind": "h1"}})
    with pytest.raises(SpecError, match="h1 on outputs"):
        load_spec({**SPEC, "loss": {"kind": "h1"}})


def weighted(class_weights) -> Continuum:
    loss = {"kind": "cross-entropy", "class_weights": class_weights}
    return Continuum.from_spec({**SPEC, "readout": {**SPEC["readout"], "outputs": 3}, "loss": loss}, seed=1)


def test_balanced_classes_count_alike_in_every_part_of_the_records() -> None:
    """The mean over classes of the mean loss in each, with a loop; batches and held-out records keep the weights."""
    generator = np.random.default_rng(2)
    x, y = generator.standard_normal((9, 12)), np.array([2, 0, 0, 2, 0, 0, 0, 2, 0])
    model, plain = weighted("balanced"), weighted([1, 1, 1])
    assert np.array_equal(model.coordinates, plain.coordinates)
    prepared, own = model.prepare(records(x, y=y)), plain.prepare(records(x, xi=None, y=y))
    each = np.array([plain.loss(own.take([n])) for n in range(9)])
    assert model.loss(prepared) == pytest.approx((each[y == 0].mean() + each[y == 2].mean()) / 2, rel=1e-13)
    part = np.array([0, 1, 3])
    expected = np.mean([each[0] * 9 / 6, each[1] * 9 / 12, each[3] * 9 / 6])
    assert model.scores(prepared.take(part))["loss"] == pytest.approx(expected, rel=1e-13)
    numbers = weighted(["1/2", 1, 3])
    expected = np.mean(np.array([0.5, 1, 3])[y] * each)
    assert numbers.loss(numbers.prepare(records(x, y=y))) == pytest.approx(expected, rel=1e-13)


def test_balanced_weights_are_of_all_records_however_these_are_sampled() -> None:
    generator = np.random.default_rng(2)
    x, y = generator.standard_normal((10, 12)), np.array([0] * 7 + [2] * 3)
    seen = []

    class Watched(Continuum):
        def objective(self, prepared, coordinates=None):
            seen.append((prepared.labels, prepared.targets.sum(axis=0)))
            return super().objective(prepared, coordinates)

    model = weighted("balanced")
    model = Watched(**{name: getattr(model, name) for name in model.__dataclass_fields__})
    for thin in (1.0, 0.5):
        fit(model, x, y, epochs=2, batch=4, validation=0.3, thin=thin)
    for labels, counted in seen:
        assert np.array_equal(counted, np.where(labels == 0, 10 / 14, 10 / 6))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_weights": "balance"}, '"balanced", or a list of 3 numbers'),
        ({"class_weights": [1, 2]}, "a list of 3 numbers"),
        ({"class_weights": [1, 2, 0]}, "positive numbers"),
        ({"class_weights": [1, 2, True]}, "a number such as"),
        ({"class_weights": "balanced", "kind": "l2"}, "weights of classes for l2"),
        ({"penalty": {"V": "1/10"}}, "write local = true in [equation]"),
    ],
)
def test_weights_and_penalties_that_cannot_be_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec({**SPEC, "readout": {**SPEC["readout"], "outputs": 3}, "loss": {"kind": "cross-entropy", **changes}})
    assert words in str(caught.value)


def test_weights_of_classes_are_stored_as_they_were_given() -> None:
    for given in ("balanced", ["1/2", 1, 3]):
        spec = weighted(given).spec
        assert from_dict(to_dict(spec)) == spec and spec.class_weights in (given, (Fraction(1, 2), 1, 3))
    for spoiled in ("balance", "12", None, {"1": 2}):
        with pytest.raises(SpecError):
            from_dict(to_dict(spec) | {"class_weights": spoiled})


@pytest.mark.slow
def test_penalties_on_the_local_field_are_exact_integrals() -> None:
    """∫∫ V² and ∫∫ V² + (∂V/∂ξ)² + (∂V/∂δ)² of V = 1 + ξ² δ, by SymPy; the gradient against differences."""
    import sympy as sp

    line = {"family": "legendre", "size": 3}
    bias = {"width": line, "depth": {"family": "hat", "cells": 2}}
    xi, delta = sp.symbols("xi delta")
    v = 1 + xi**2 * delta
    squares = {"L2": v**2, "H1": v**2 + sp.diff(v, xi) ** 2 + sp.diff(v, delta) ** 2}
    generator = np.random.default_rng(3)
    x, y = generator.standard_normal((4, 9)), np.array([0, 1, 1, 0])
    losses_ = {}
    for norm in ("none", "L2", "H1"):
        penalty = {} if norm == "none" else {"V": {norm: "1/4"}}
        spec = {
            **SPEC, "name": "local", "equation": {**SPEC["equation"], "local": True}, "bias": bias,
            "integration": {"tableau": "heun", "steps": 2}, "loss": {"kind": "cross-entropy", "penalty": penalty},
        }  # fmt: skip
        model = Continuum.from_fields(spec, V=lambda xi, delta: 1 + xi**2 * delta)
        prepared = model.prepare(records(x, y=y))
        losses_[norm], gradient = model.objective(prepared)
        along = generator.standard_normal(model.size)
        ahead, behind = (model.with_coordinates(model.coordinates + t * along).loss(prepared) for t in (1e-5, -1e-5))
        assert (ahead - behind) / 2e-5 == pytest.approx(gradient @ along, abs=1e-8 * np.linalg.norm(along))
    for norm, square in squares.items():
        exact = sp.integrate(square, (xi, -1, 1), (delta, 0, 1)) / 4
        assert losses_[norm] - losses_["none"] == pytest.approx(float(exact), rel=1e-12)
    with pytest.raises(SpecError, match=r"an H1 norm of V, whose bias\.depth is p0"):
        load_spec({**spec, "bias": {**bias, "depth": {"family": "p0", "cells": 2}}})
