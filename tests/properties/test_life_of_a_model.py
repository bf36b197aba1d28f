"""A model's life in random orders: fit, refine, project, save, load, generate, import; what must hold after each."""

from __future__ import annotations

import tempfile
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from derive.declaration import load_spec
from derive.spec import Spec
from numerics.command.main import main
from numerics.datasets import Records, records
from numerics.levels.projection import project
from numerics.levels.refinement import refine
from numerics.model import checkpoint
from numerics.model.continuum import Continuum
from numerics.training.run import fit
from numerics.verify.references.network import Reference

pytestmark = pytest.mark.compiled

TEXT = """
name = "life"
equation = { rate = "residual", activation = "tanh", spacing = "1/2" }
state = { basis = { family = "hat", cells = 5 } }
integration = { tableau = "heun", steps = 2 }
readout = { outputs = 2, basis = { family = "legendre", size = 3 } }
loss = { kind = "cross-entropy", penalty = { W = "1/1000" } }
training = { optimiser = "adam", epochs = 2, learning_rate = 0.05 }

[weight]
width_out = { family = "legendre", size = 3 }
width_in = { family = "legendre", size = 3 }
depth = { family = "p0", cells = 1 }

[bias]
width = { family = "legendre", size = 3 }
depth = { family = "p0", cells = 1 }

[levels.wide.weight]
width_in = { family = "legendre", size = 5 }

[levels.deep.weight]
depth = { family = "p0", cells = 2 }

[levels.deep.integration]
steps = 4
"""


@cache
def spec() -> Spec:
    return load_spec(tomllib.loads(TEXT))


@cache
def data() -> Records:
    generator = np.random.default_rng(4)
    points = [np.sort(generator.uniform(-1, 1, generator.integers(4, 9))) for _ in range(12)]
    signs = [1.0, -1.0] * 6
    x = [s * xi + 0.2 * generator.standard_normal(len(xi)) for s, xi in zip(signs, points)]
    return records(x, xi=points, y=[int(s > 0) for s in signs])


@cache
def network(level: str) -> Reference:
    return Reference.of(replace(spec().level(level) if level != "base" else spec(), levels=()))


def level_of(model: Continuum) -> str:
    return model.level or "base"


def outputs(model: Continuum) -> np.ndarray:
    return np.asarray(model(data()))


class Life(RuleBasedStateMachine):
    """Models of one spec, changed one step at a time."""

    models = Bundle("models")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.place = Path(self.folder.name)
        self.last: Continuum | None = None

    def teardown(self) -> None:
        self.folder.cleanup()

    def alive(self, model: Continuum) -> Continuum:
        self.last = model
        return model

    @initialize(target=models, seed=st.integers(0, 5))
    def begin(self, seed: int) -> Continuum:
        return self.alive(Continuum.from_spec(spec(), seed=seed))

    @rule(target=models, model=models, epochs=st.integers(1, 3), batch=st.sampled_from([None, 5]))
    def trains(self, model: Continuum, epochs: int, batch: int | None) -> Continuum:
        """Training adds its epochs to the history, and leaves the model that it was given alone."""
        before = model.coordinates.copy()
        done = fit(model, data(), epochs=epochs, batch=batch)
        assert len(done.history) == len(model.history) + epochs and level_of(done) == level_of(model)
        assert np.array_equal(model.coordinates, before)
        assert not np.array_equal(done.coordinates, before)
        return self.alive(done)

    @rule(model=models, epochs=st.integers(2, 4), at=st.integers(1, 3), batch=st.sampled_from([None, 5]))
    def is_killed_and_resumes(self, model: Continuum, epochs: int, at: int, batch: int | None) -> None:
        """Stopped after some epochs and resumed from its file, a run ends with the same bits."""
        path, undisturbed = self.place / "run.npz", fit(model, data(), epochs=epochs, batch=batch)
        path.unlink(missing_ok=True)
        stop = min(at, epochs)
        fit(model, data(), epochs=epochs, batch=batch, out=path,
            callback=lambda _, row: row["epoch"] >= stop)  # fmt: skip
        resumed = fit(model, data(), epochs=epochs, batch=batch, out=path, resume=True)
        assert np.array_equal(resumed.coordinates, undisturbed.coordinates)
        assert [row["loss"] for row in resumed.history] == [row["loss"] for row in undisturbed.history]

    @rule(target=models, model=models)
    def is_saved_and_loaded(self, model: Continuum) -> Continuum:
        """A file holds everything, and the same model makes the same bytes."""
        first, second = self.place / "first.npz", self.place / "second.npz"
        model.save(first)
        back = checkpoint.load(first)
        back.save(second)
        assert first.read_bytes() == second.read_bytes()
        assert np.array_equal(back.coordinates, model.coordinates) and back.history == model.history
        assert np.array_equal(outputs(back), outputs(model))
        return self.alive(back)

    @rule(target=models, model=models, level=st.sampled_from(["wide", "deep"]))
    @precondition(lambda self: self.last is not None)
    def is_refined(self, model: Continuum, level: str) -> Continuum:
        """Refining changes nothing but what the solver adds; projecting back gives the same fields."""
        if level_of(model) != "base":
            return self.alive(model)
        finer = refine(model, level, records=data())
        back = project(finer, "base", records=data())
        assert np.abs(back.coordinates - model.coordinates).max() <= 1e-12 * max(1, np.abs(model.coordinates).max())
        if level == "wide":  # along ξ′ alone, which changes no quadrature: the same solver, the same function
            assert np.abs(outputs(finer) - outputs(model)).max() <= 1e-11 * max(1.0, np.abs(outputs(model)).max())
        return self.alive(finer)

    @rule(target=models, model=models, level=st.sampled_from(["base", "wide", "deep"]))
    def is_projected(self, model: Continuum, level: str) -> Continuum:
        """Projecting is a projection: a second time changes nothing, and it is nobody's but the nearest."""
        once = project(model, level, records=data())
        twice = project(once, level, records=data())
        assert np.abs(twice.coordinates - once.coordinates).max() <= 1e-12 * max(1, np.abs(once.coordinates).max())
        size = np.linalg.norm(model.coordinates)
        assert np.linalg.norm(once.coordinates) <= size * (1 + 1e-12)  # Pythagoras
        return self.alive(once)

    @rule()
    def is_generated(self) -> None:
        """Generating the spec at any time gives the same bytes."""
        (self.place / "life.toml").write_text(TEXT)
        into = str(self.place / "into")
        first = CliRunner().invoke(main, ["generate", str(self.place / "life.toml"), "--into", into])
        again = CliRunner().invoke(main, ["generate", str(self.place / "life.toml"), "--into", into, "--check"])
        assert first.exit_code == again.exit_code == 0, first.output + again.output

    @invariant()
    def computes_what_the_mathematics_says(self) -> None:
        """Outputs are those of the exact tables in NumPy, whatever the model went through."""
        if self.last is None:
            return
        model, exact = self.last, network(level_of(self.last))
        fields = {name: [slab.coefficients for slab in f.slabs] for name, f in model.fields.items()}
        states = model.prepare(data()).states
        z = exact.readout(fields, exact.final(fields, states.reshape(-1, 1, states.shape[1])))
        assert np.abs(outputs(model) - z.T).max() <= 1e-12 * max(1.0, float(np.abs(z).max()))


Life.TestCase.settings = settings(
    suppress_health_check=list(HealthCheck), stateful_step_count=12, max_examples=settings.default.max_examples // 2
)
test_life = pytest.mark.slow(Life.TestCase)
