"""What is not finite is said with its place; a step too long with the one that would be stable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import TrainingError
from derive.registry import names
from numerics.kernels import stability
from numerics.kernels import steps as adaptive
from numerics.model import checkpoint
from numerics.model.continuum import Continuum
from numerics.training.run import fit

WIDTH, ONCE = {"family": "legendre", "size": 4}, {"family": "p0", "cells": 1}


def declared(rate: str, tableau: str = "euler", steps: int = 8) -> dict:
    return {
        "name": "unstable",
        "equation": {"rate": rate, "activation": "tanh", "spacing": "1"},
        "state": {"basis": {"family": "p0", "cells": 4}},
        "weight": {"width_out": WIDTH, "width_in": WIDTH, "depth": ONCE},
        "bias": {"width": WIDTH, "depth": ONCE},
        "integration": {"tableau": tableau, "steps": steps},
        "readout": {"outputs": 2, "basis": {"family": "p0", "cells": 1}},
        "loss": {"kind": "cross-entropy"},
    }


@pytest.mark.first(1)
@pytest.mark.parametrize("tableau", ["euler", "heun", "rk4"])
def test_an_unstable_step_is_named_with_the_stable_one(tableau: str) -> None:
    """ḣ = −4 h³ at h = 5: λ = −300; Euler and Heun are stable up to s = 2/300, RK4 up to 2.785/300."""
    model = Continuum.from_fields(declared("tanh(u) - 4*h**3", tableau))
    x = np.zeros((3, 4))
    x[1] = 5.0
    with pytest.raises(TrainingError) as caught:
        model(x)
    text = str(caught.value)
    assert "record 1, step 1 of 8, from depth 0" in text and "unstable step" in text
    stable = {"euler": 2 / 300, "heun": 2 / 300, "rk4": 2.785293563405282 / 300}[tableau]
    found = stability.diagnose(model.solver, model.project_samples(_records(x)))
    assert found is not None and found.stable == pytest.approx(stable, rel=1e-4)
    needed = int(text.split("take ")[1].split()[0].replace(",", ""))
    assert 1 / needed <= stable < 2 / needed
    again = Continuum.from_fields(declared("tanh(u) - 4*h**3", tableau, steps=needed))
    assert np.isfinite(again(x)).all()
    assert np.isfinite(Continuum.from_fields(declared("tanh(u) - 4*h**3", "backward-euler"))(x)).all()


def test_the_second_of_two_slabs_may_be_the_unstable_one() -> None:
    """Slabs with one state basis; the bias of the second drives the state to where steps are too long."""
    spec = declared("u - h**3", steps=16)
    halves = [{"family": "p0", "cells": 1}] * 2
    spec |= {
        "state": {"basis": [{"family": "p0", "cells": 4}] * 3},
        "weight": {"width_out": [WIDTH] * 2, "width_in": [WIDTH] * 2, "depth": halves},
        "bias": {"width": [WIDTH] * 2, "depth": halves},
    }
    model = Continuum.from_fields(spec, b=lambda xi, depth: np.where(depth < 0.5, 0.0, 1e4) + 0 * xi)
    found = stability.diagnose(model.solver, model.project_samples(_records(np.zeros((1, 4)))))
    assert found is not None and found.depth >= 0.5 and found.stable is not None


def _records(x: np.ndarray):
    from numerics.datasets import records

    return records(x)


@pytest.mark.parametrize("rate", ["9*h**5 + u", "log(1 - h) + u"])
def test_growth_and_undefined_rates_are_not_called_unstable(rate: str) -> None:
    model = Continuum.from_fields(declared(rate))
    x = np.zeros((3, 4))
    x[2] = 3.0
    with pytest.raises(TrainingError) as caught:
        model(x)
    assert "record 2, step" in str(caught.value) and "unstable" not in str(caught.value)


def test_training_that_becomes_unstable_says_so_and_keeps_the_last_good_file(tmp_path: Path) -> None:
    model = Continuum.from_spec(load_spec(declared("u - h**3", steps=6)), seed=0)
    x = np.random.default_rng(0).standard_normal((12, 6)) / 4
    out = tmp_path / "model.npz"
    with pytest.raises(TrainingError, match=r"(?s)epoch \d+, batch 1 of 1.*unstable step"):
        fit(model, x, np.arange(12) % 2, epochs=60, optimiser="gradient-descent", learning_rate=1e6, out=out,
            save_every=0)  # fmt: skip
    assert np.isfinite(checkpoint.load(out).coordinates).all()


@pytest.mark.parametrize("field", ["W", "b", "R", "a"])
def test_a_planted_nan_is_found(field: str) -> None:
    model = Continuum.from_spec(load_spec(declared("tanh(u) - h")), seed=0)
    values = {name: [s.coefficients.copy() for s in f.slabs] for name, f in model.fields.items()}
    values[field][0].flat[0] = np.nan
    broken = model.replace(fields={name: f.with_coefficients(values[name]) for name, f in model.fields.items()})
    x = np.ones((3, 5))
    with pytest.raises(TrainingError, match="not finite"):
        broken(x)
    with pytest.raises(TrainingError, match="epoch 1, batch 1 of 1"):
        fit(broken, x, np.array([0, 1, 0]), epochs=2)


@pytest.mark.parametrize("name", names("tableaux"))
def test_amplification_is_that_of_the_method_on_the_test_equation(name: str) -> None:
    """Stages of ẏ = λ y solved as a linear system written here."""
    from derive.explain.tableaux import named_tableau

    tableau = named_tableau(name)
    a = np.array([[float(v) for v in row] for row in tableau.a])
    b = np.array([float(v) for v in tableau.b])
    for z in (-0.3, -2.5 + 1j, 4j):
        k = np.linalg.solve(np.eye(len(b)) / z - a, np.ones(len(b)))  # s k = z (1 + a s k)
        found = stability.amplification(adaptive.Method.of(tableau, 0.0), np.array([z]))
        assert found[0] == pytest.approx(abs(1 + b @ k), rel=1e-12)


CELLS = {"family": "p0", "cells": 2}


def small(rate: str, loss: str = "l2", **readout: int) -> Continuum:
    one = {"family": "p0", "cells": 1}
    spec = {
        "name": "small", "equation": {"rate": rate}, "state": {"basis": CELLS},
        "weight": {"width_out": CELLS, "width_in": CELLS, "depth": one}, "bias": {"width": CELLS, "depth": one},
        "integration": {"tableau": "euler", "steps": 2}, "loss": {"kind": loss},
        **({"readout": {**readout, "basis": one}} if readout else {}),
    }  # fmt: skip
    return Continuum.from_spec(spec, seed=0)


@pytest.mark.first(1)
@pytest.mark.parametrize(
    ("model", "size", "words"),
    [
        (lambda: small("u**2/(1+u**2)"), 1e110, "derivative of the rate u**2/(1+u**2), f = tanh, in record 1, step"),
        (lambda: small("tanh(u)", "(z-t)**4", outputs=2), 1e90, "value of the loss (z-t)**4 in record 1, outputs from"),
        (lambda: small("tanh(u)", "(z-t)**2/(1+(z-t)**2)", outputs=2), 1e110, "derivative of the loss"),
    ],
)
def test_a_gradient_that_is_not_finite_is_not_blamed_on_steps(model, size: float, words: str) -> None:
    """States are finite; the message says what is not, and in which record."""
    x = np.array([[1.0, 2.0], [3.0, 4.0], [0.5, 0.25]])
    x[1] *= size
    with pytest.raises(TrainingError) as caught:
        fit(model(), x, np.ones((3, 2)), epochs=1)
    assert words in caught.value.given and "steps" not in caught.value.cause + caught.value.fix


RATES = ("1/(1+exp(-u))", "sqrt(abs(h))+u", "log(1+exp(u))-h", "sqrt(u**2+h**2)", "tanh(exp(u))")


@pytest.mark.first(2)
@pytest.mark.parametrize("rate", RATES)
def test_rates_of_users_train_where_their_derivatives_once_were_no_numbers(rate: str) -> None:
    x = np.array([[0.0, 0.0], [900.0, -900.0], [1e4, -1e-300]])
    found = fit(small(rate), x, np.ones((3, 2)), epochs=2)
    assert np.isfinite(found.history[-1]["loss"]) and np.isfinite(found.coordinates).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of kernels in plain Python
@pytest.mark.parametrize("rate", ["h**2 + u", "u + log(abs(h)) - h"])
@pytest.mark.parametrize("options", [{}, {"batch": 4}, {"validation": 0.25}, {"batch": 4, "validation": 0.25}])
def test_errors_in_training_name_the_record_as_it_was_given(rate: str, options: dict) -> None:
    """Not its place in a batch, or among the records that were held out."""
    x = np.random.default_rng(0).standard_normal((12, 4)) + 3
    x[7] = 1e200 if "**" in rate else 0
    model = Continuum.from_fields(declared(rate, steps=2))
    for seed in range(3):
        with pytest.raises(TrainingError) as caught:
            fit(model, x, np.arange(12) % 2, epochs=1, optimiser="adam", seed=seed, **options)
        assert "record 7" in str(caught.value)
