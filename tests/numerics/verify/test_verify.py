"""``continua verify``: every checked-in spec holds what it promises, and a fault anywhere is found."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from derive.declaration import load_spec
from derive.spaces import basis as bases
from derive.spaces import transfer
from numerics import datasets, fit, verify
from numerics.command.main import main
from numerics.kernels import cpu
from numerics.kernels import steps as adaptive
from numerics.kernels.cpu import Solver
from numerics.kernels.operators import Slab, Weights
from numerics.model.continuum import Continuum
from numerics.networks import ordering
from numerics.networks.continua import from_layers
from numerics.networks.layers import layers
from numerics.testing import PLAIN
from numerics.verify import code, derivatives, equivalents, spaces
from numerics.verify.references.network import Reference
from numerics.verify.subject import Subject
from tests.builders import SPECS

SMALL = {
    **PLAIN,
    "name": "small",
    "state": {"basis": {"family": "hat", "cells": 6}},
    "readout": {"outputs": 2, "basis": {"family": "legendre", "size": 2}}, "loss": {"kind": "cross-entropy"},
    "levels": {"fine": {"weight": {"width_in": {"family": "legendre", "size": 5}}}},
}  # fmt: skip


def failed(declared: object = SMALL, *only: str) -> set[str]:
    """What fails of all properties, or of some, by their names."""
    if not only:
        return {f.name for f in verify.verify(load_spec(declared)) if f.passed is False}  # type: ignore[arg-type]
    subject, known = Subject.of(load_spec(declared)), dict(verify.PROPERTIES)  # type: ignore[arg-type]
    for what in only:
        verify.attempt(subject, what, known[what])
    assert [f.measured for f in subject.findings if "ended in" in str(f.measured)] == [], "a fault must give numbers"
    return {f.name for f in subject.findings if f.passed is False}


@pytest.mark.compiled
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in SPECS.glob("*.toml")))
def test_checked_in_specs_hold_what_they_promise(name: str) -> None:
    findings = verify.verify(load_spec(SPECS / f"{name}.toml"))
    assert [(f.name, f.expected, f.measured) for f in findings if f.passed is False] == []
    assert sum(f.passed is True for f in findings) >= 14


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "sin(u)/2 + u"])
def test_other_activations(activation: str) -> None:
    assert failed({**SMALL, "equation": {**SMALL["equation"], "activation": activation}}) == set()


FUNCTION = {key: part for key, part in SMALL.items() if key not in ("readout", "levels")}
OWN = {"family": "custom", "functions": ["1", "xi", "exp(xi)", "cos(2*xi)"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "declared",
    [
        {**FUNCTION, "state": {"basis": OWN}, "loss": {"kind": "l2", "weight": "1 + xi**2"}},
        {**SMALL, "state": {"basis": {"family": "multiwavelet", "degree": 1, "cells": 4}},
         "equation": {"rate": "sign(u) - h/2", "spacing": "1"}, "loss": {"kind": "(z - t)**4"}},
        {**SMALL, "integration": {"tableau": "dopri5", "steps": "adaptive", "tolerance": "1/1000"}},
        {**FUNCTION, "integration": {"tableau": "heun", "steps": 6, "cuts": ["1/8"]}, "loss": {"kind": "l2"}},
        {**SMALL, "equation": {**SMALL["equation"], "channels": 2, "normalise": "1/100"},
         "readout": {**SMALL["readout"], "maximum": "4"}},
    ],
)  # fmt: skip
def test_bases_rates_losses_and_steps_of_ones_own(declared: dict) -> None:
    assert failed(declared) == set()


@pytest.mark.slow
def test_faults_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One fault at a time, each in another place, each seen by the property that is about it."""
    about = ("gradients", "a network of layers", "kernels", "refinement in depth", "the continuous adjoint")
    assert failed(SMALL, *about) == set()
    discrete = derivatives._discrete
    gradient, forward, combined = Solver.mean_gradient, Slab.forward, adaptive.Method._combined

    def scaled(self, *given):
        losses, slabs, *rest = gradient(self, *given)
        return losses, [Weights(**{k: v * (1 + 1e-9) for k, v in own.arrays.items()}) for own in slabs], *rest

    with monkeypatch.context() as patch:  # a gradient that is off by 1e-9
        patch.setattr(Solver, "mean_gradient", scaled)
        assert "gradient against complex step" in failed(SMALL, "gradients")
    adjoint = Slab.adjoint

    def overwriting(self, bar, kept, gradient, *room):
        for part in gradient.values():
            part[...] = 0
        return adjoint(self, bar, kept, gradient, *room)

    with monkeypatch.context() as patch:  # a second tile that forgets the first
        patch.setattr(Slab, "adjoint", overwriting)
        patch.setattr(cpu, "TILE", 1)
        patch.setattr(cpu, "FEW", 1)
        assert "gradient against complex step" in failed(SMALL, "gradients")
    for plan in ("formed", "factors"):  # an adjoint that is wrong in one of the plans
        with monkeypatch.context() as patch:
            patch.setattr(
                Slab, "adjoint",
                lambda self, bar, *given, plan=plan: adjoint(self, bar * (1 + 1e-9 * (self.plan == plan)), *given),
            )  # fmt: skip
            assert "gradient against complex step" in failed(SMALL, "gradients")
    with monkeypatch.context() as patch:  # a state that is off by 1e-9
        patch.setattr(
            Slab, "forward",
            lambda self, *given, **how: ((r := forward(self, *given, **how))[0] * (1 + 1e-9), r[1]),
        )  # fmt: skip
        found = failed(SMALL, "a network of layers", "kernels")
        assert {"perceptron of 2 layers", "kernels against NumPy, formed"} <= found
    with monkeypatch.context() as patch:  # a tableau with a wrong weight: a lower order
        patch.setattr(
            adaptive.Method, "_combined",
            lambda self, s, old, w: combined(self, s, old, w * np.array([1.01, 0.99]) if len(w) == 2 else w),
        )  # fmt: skip
        assert "refinement in depth" in failed(SMALL, "refinement in depth")
    with monkeypatch.context() as patch:  # a gradient that does not approach the continuous adjoint
        patch.setattr(derivatives, "_discrete", lambda *given: discrete(*given) * (1 + 1e-3))
        assert "discrete against continuous adjoint" in failed(SMALL, "the continuous adjoint")
    with monkeypatch.context() as patch:  # a reference that is wrong does not pass either
        rho = Reference.rho
        patch.setattr(Reference, "rho", lambda self, u, h, learned=(): rho(self, u, h, learned) + 1e-9)
        assert "kernels against NumPy, factors" in failed(SMALL, "kernels")


NESTED = {**SMALL, "levels": {"fine": {"weight": {"width_in": {"family": "hat", "cells": 4}}}},
          "weight": {**SMALL["weight"], "width_in": {"family": "hat", "cells": 2}}}  # fmt: skip


def projected() -> dict[str, verify.Finding]:
    subject = Subject.of(load_spec(NESTED))  # type: ignore[arg-type]
    spaces.projections(subject)
    return {finding.name: finding for finding in subject.findings}


def test_projections_are_measured_where_spaces_are_nested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two projections between two bases, one of them back: with P↓ too large by ε, P = P↑P↓ has |P² − P| = ε |P|."""
    found = projected()
    nested, once = "P↓P↑ = 1 (1 nested pairs)", "projecting twice is projecting once"
    assert {name: f.passed for name, f in found.items()} == {
        "residual ⟂ space (2 projections)": True, nested: True, once: True,
    }  # fmt: skip
    whole = transfer.transfer

    def planted(new: bases.Basis, old: bases.Basis) -> SimpleNamespace:
        factor = 1 + 1e-10 * (new.size < old.size)
        return SimpleNamespace(to_float=lambda: factor * whole(new, old).to_float())

    monkeypatch.setattr(transfer, "transfer", planted)
    found = projected()
    assert not any(finding.passed for finding in found.values())
    assert [float(found[name].measured) for name in (nested, once)] == pytest.approx([1e-10, 1e-10], rel=0.06)


@pytest.mark.slow
def test_a_network_that_would_explode_is_named_with_its_notebook() -> None:
    """Δ = 1/32: four Euler steps multiply h by −7 each, so that there are no layers to compare with."""
    declared = {**SMALL, "equation": {**SMALL["equation"], "rate": "mlp", "spacing": "1/32"},
                "integration": {"tableau": "backward-euler", "steps": 2}}  # fmt: skip
    subject = Subject.of(load_spec(declared))  # type: ignore[arg-type]
    equivalents.layers(subject)
    (finding,) = subject.findings
    assert finding.passed is None and finding.measured.startswith("not stable: ")
    (notebook,) = (SPECS.parent / "notebooks").glob("*_from_layers_to_the_continuum.ipynb")
    assert finding.explained == f"notebook {notebook.name[0]}"


@pytest.mark.compiled
@pytest.mark.slow
def test_the_cuda_kernels_are_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject.of(load_spec(SMALL))  # type: ignore[arg-type]
    code.simulator(subject)
    monkeypatch.setattr(code.sys, "executable", "false")
    code.simulator(subject)
    assert [finding.passed for finding in subject.findings] == [True, False]


def test_what_takes_minutes_is_left_out_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(verify, "PROPERTIES", (("quick", lambda subject: called.append("quick")),))
    monkeypatch.setattr(verify, "FULL", (("long", lambda subject: called.append("long")),))
    verify.verify(load_spec(SMALL))
    verify.verify(load_spec(SMALL), full=True)
    assert called == ["quick", "quick", "long"]


def test_whether_a_network_is_a_continuum_is_answered() -> None:
    """Weights that are samples of smooth fields, the same ones shuffled, and noise."""
    n, xi = 32, (np.arange(32) + 0.5) / 16 - 1
    smooth = [np.sin(2 * xi[:, None] + xi[None] + k) / n for k in range(3)] + [np.cos(xi)[None] * [[1.0], [2.0]]]
    noise = [np.random.default_rng(k).standard_normal(w.shape) for k, w in enumerate(smooth)]
    biases = [np.sin(xi), np.cos(xi), np.sin(xi), np.zeros(2)]
    found = {}
    for name, weights in {"smooth": smooth, "noise": noise}.items():
        network = layers(weights, biases, "tanh")
        for kind in ("", "shuffled "):
            for layer in range(3 if kind else 0):
                network = ordering.permuted(network, layer, np.random.default_rng(layer).permutation(n))
            subject = Subject.of(from_layers(network).base, from_layers(network))
            verify.network.smoothness(subject)
            found[kind + name] = {f.name: f for f in subject.findings}
    answers = {key: rows["is this network a continuum?"].measured.partition(":")[0] for key, rows in found.items()}
    assert answers == {"smooth": "yes", "shuffled smooth": "in another order", "noise": "no", "shuffled noise": "no"}
    variation = {key: rows["total variation, shuffled neurons being 1"].measured for key, rows in found.items()}
    as_it_stands, ordered = (float(v.split()[k]) for v, k in zip([variation["shuffled smooth"]] * 2, (0, 4)))
    assert ordered < 0.6 * as_it_stands and float(variation["smooth"].split()[0]) < 0.6
    for rows in found.values():  # the whole matrix is always enough, and errors fall with the coefficients
        for counts, errors in rows["W0: of 1,024 numbers, for 1 % error"].curves.values():
            assert np.all(np.diff(counts) > 0) and np.all(np.diff(errors) <= 1e-12)


@pytest.mark.compiled
@pytest.mark.slow
def test_the_command_prints_a_table_json_and_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train, _ = datasets.load("GunPoint")
    fit(Continuum.from_spec(SPECS / "gunpoint.toml"), train, epochs=2).save("model.npz")
    result = CliRunner().invoke(main, ["verify", "model.npz", "--html", "page.html"])
    assert result.exit_code == 0, result.output
    assert "gradient against complex step" in result.stdout and "holds" in result.stdout
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.count("<img") >= 3 and "refinement in depth" in page
    monkeypatch.setattr(verify, "PROPERTIES", (("a failure", lambda s: s.at_most("code", "never", 2.0, 1.0, "")),))
    result = CliRunner().invoke(main, ["verify", str(SPECS / "gunpoint.toml"), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)[0]["passed"] is False
    assert CliRunner().invoke(main, ["verify", "nothing.toml"]).exit_code == 2


@pytest.mark.slow
@pytest.mark.parametrize(("breakpoints", "held"), [(["-1", "-1/3", "1/3", "1"], True), (["-1", "1/3", "1"], False)])
def test_symmetries_hold_to_rounding_where_nodes_go_to_nodes(breakpoints: list[str], held: bool) -> None:
    """A bias whose cells are not mirrored puts the nodes elsewhere: what is left is aliasing, and is reported."""
    legendre = {"family": "legendre", "size": 4}
    declared = {
        "name": "mirrored",
        "equation": {"rate": "tanh(u)*h", "symmetry": {"map": "-xi"}},
        "state": {"basis": {"family": "legendre", "size": 6}},
        "weight": {"width_out": legendre, "width_in": legendre, "depth": {"family": "p0", "cells": 1}},
        "bias": {"width": {"family": "custom", "functions": ["1"], "breakpoints": breakpoints},
                 "depth": {"family": "p0", "cells": 1}},
        "integration": {"tableau": "heun", "steps": 2},
        "loss": {"kind": "l2"},
    }  # fmt: skip
    subject = Subject.of(load_spec(declared))
    spaces.symmetries(subject)
    (found,) = subject.findings
    assert found.passed is (True if held else None)
    assert (float(found.measured) <= 1e-11) is held
