"""Discrete networks in and out: identities against NumPy loops and scikit-learn, files, and the order of neurons."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from derive import registry
from derive.errors import DataError
from numerics import from_layers, from_sklearn, load, project, to_layers
from numerics.command.main import main
from numerics.networks import ordering
from numerics.networks.files import read
from numerics.networks.layers import KINDS, LASTS, layers
from tests.oracles.layers import ACTIVATIONS, outputs


def draw(widths, generator):
    weights = [generator.standard_normal((m, n)) / np.sqrt(n) for n, m in zip(widths, widths[1:])]
    return weights, [generator.standard_normal(m) / 2 for m in widths[1:]]


def test_every_activation_has_a_reference_here() -> None:
    assert set(ACTIVATIONS) == set(registry.names("activations"))


WIDTHS = st.lists(st.integers(1, 6), min_size=2, max_size=5)


@given(
    widths=WIDTHS, seed=st.integers(0, 99), activation=st.sampled_from(sorted(ACTIVATIONS)),
    kind=st.sampled_from(KINDS), last=st.sampled_from(LASTS),
)  # fmt: skip
@pytest.mark.slow
def test_a_network_is_reproduced_and_given_back(widths, seed, activation, kind, last) -> None:
    """Row 1 of section 7, any widths and activations: outputs to 1e-13, matrices to 1e-15."""
    if kind == "residual":
        widths = [widths[0]] * (len(widths) - (last == "affine")) + widths[-1:] * (last == "affine")
    if last == "affine" and len(widths) < 3:
        widths = [*widths, 2]
        if kind == "residual":
            widths = [widths[0], widths[0], 2]
    generator = np.random.default_rng(seed)
    weights, biases = draw(widths, generator)
    x = generator.standard_normal((5, widths[0]))
    expected = outputs(weights, biases, ACTIVATIONS[activation], x, kind, last)
    model = from_layers(weights, biases, activation, kind=kind, last=last)
    n = widths[-1]
    found = model(x) if last == "affine" else model(x)[..., 0]  # one value a neuron, whatever the number of inputs
    if last == "activation":
        assert np.array_equal(found, model(x, at=-1 + (2 * np.arange(n) + 1) / n)[..., 0])
    back = to_layers(model)
    assert np.max(np.abs(found - expected)) <= 1e-13 * max(1.0, np.max(np.abs(expected)))
    for mine, theirs in zip((*back.weights, *back.biases), (*weights, *biases)):
        assert np.max(np.abs(mine - theirs)) <= 1e-15 * max(1.0, np.max(np.abs(theirs)))
    assert (back.activation, back.kind, back.last) == (activation, kind, last)


@pytest.mark.slow
def test_an_imported_network_moves_and_trains_like_any_model() -> None:
    weights, biases = draw((12, 12, 12, 3), np.random.default_rng(0))
    narrow = {"family": "legendre", "size": 8}
    wide = {"family": "legendre", "size": 12}
    levels = {"smooth": {"state": {"basis": wide}, "weight": {"width_out": wide, "width_in": wide}},
              "small": {"weight": {"width_out": narrow, "width_in": narrow}}}  # fmt: skip
    model = from_layers(weights, biases, "tanh", levels=levels)
    x = np.random.default_rng(1).standard_normal((20, 12))
    report = project(model, "small", x, np.arange(20) % 3).report
    assert report.coefficients[1] < report.coefficients[0] and report.attribution is not None
    smooth = project(model, "smooth")
    assert smooth.report.outputs_solver > 0
    assert to_layers(smooth).widths == (144, 144, 144, 3)  # a layer's neurons are nodes: 12 in every cell of the bias


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3])
def test_scikit_learns_classifiers_convert(classes: int) -> None:
    from sklearn.datasets import make_classification
    from sklearn.neural_network import MLPClassifier

    x, y = make_classification(120, 13, n_informative=6, n_classes=classes, random_state=0)
    names = np.array(["ash", "elm", "oak"])[y]
    estimator = MLPClassifier((7, 22), activation="tanh", solver="lbfgs", random_state=0).fit(x, names)
    model = from_sklearn(estimator)
    z = model(x)
    chances = np.exp(z - z.max(axis=1, keepdims=True))
    assert np.max(np.abs(chances / chances.sum(axis=1, keepdims=True) - estimator.predict_proba(x))) <= 1e-13
    assert np.array_equal(model.labels(z), estimator.predict(x))


@pytest.mark.slow
def test_scikit_learns_regressors_convert() -> None:
    from sklearn.datasets import make_regression
    from sklearn.neural_network import MLPRegressor

    x, y = make_regression(80, 9, random_state=0)
    estimator = MLPRegressor(hidden_layer_sizes=(6, 6), activation="relu", solver="lbfgs", random_state=0)
    estimator.fit(x, y / 100)
    assert np.max(np.abs(from_sklearn(estimator)(x)[:, 0] - estimator.predict(x))) <= 1e-12
    with pytest.raises(DataError, match="it was not fitted"):
        from_sklearn(MLPRegressor())


@pytest.mark.slow
def test_estimators_around_a_network_are_not_called_unfitted() -> None:
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.default_rng(0)
    x, y = 5 + 3 * generator.standard_normal((40, 6)), np.arange(40) % 3 + 1
    network = MLPClassifier((6,), solver="lbfgs", max_iter=20, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chain = make_pipeline(StandardScaler(), network).fit(x, y)
        search = GridSearchCV(network, {"alpha": [0.1]}, cv=2).fit(x, y)
    for estimator, words, fix in (
        (chain, "a chain whose other steps change the records", "estimator[-1]"),
        (search, "a search around the network", "estimator.best_estimator_"),
        (LinearRegression().fit(x, y), "an estimator of another kind", "train one of these"),
    ):
        with pytest.raises(DataError, match=words) as error:
            from_sklearn(estimator)
        assert fix in error.value.fix and "fit first" not in error.value.fix
    model = from_sklearn(chain[-1])  # as the fix says
    z = model(chain[:-1].transform(x))
    assert np.array_equal(model.labels(z), chain.predict(x)) and model.labels(z).dtype.kind == "i"
    assert np.array_equal(from_sklearn(search.best_estimator_)(x).argmax(axis=1) + 1, search.predict(x))


# --- files --------------------------------------------------------------------------------------------------


def save(path: Path, weights, biases, **words) -> Path:
    arrays = {f"W{k}": w for k, w in enumerate(weights)} | {f"b{k}": b for k, b in enumerate(biases)}
    np.savez(path, **arrays, **words)
    return path


@pytest.mark.slow
def test_import_and_export_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    weights, biases = draw((13, 7, 22, 5), np.random.default_rng(2))
    save(tmp_path / "net.npz", weights, biases, activation="tanh")
    assert CliRunner().invoke(main, ["import", "net.npz", "--out", "model.npz"]).exit_code == 0
    assert CliRunner().invoke(main, ["export", "model.npz", "--out", "back.npz"]).exit_code == 0
    x = np.random.default_rng(3).standard_normal((4, 13))
    assert np.max(np.abs(load("model.npz")(x) - outputs(weights, biases, np.tanh, x))) <= 1e-13
    back = read("back.npz")
    assert max(np.max(np.abs(p - q)) for p, q in zip(back.weights, weights)) <= 1e-15
    ordered = CliRunner().invoke(main, ["import", "net.npz", "--order", "--out", "ordered.npz"])
    assert ordered.exit_code == 0 and "total variation" in ordered.stdout
    assert np.max(np.abs(load("ordered.npz")(x) - load("model.npz")(x))) <= 1e-13


def broken(case: str, weights, biases) -> tuple[list, list, dict]:
    words = {"activation": "tanh"}
    if case == "transposed":
        weights = [w.T for w in weights]
    if case == "nan":
        biases = [biases[0] * np.nan, *biases[1:]]
    if case == "missing":
        biases = biases[:-1]
    if case == "activation":
        words = {"activation": "tanhh"}
    if case == "kind":
        words["kind"] = "recurrent"
    if case == "residual":
        words["kind"] = "residual"
    if case == "extra":
        words["momentum"] = "1"
    return weights, biases, words


CASES = ("transposed", "nan", "missing", "activation", "kind", "residual", "extra", "empty", "text")


@pytest.mark.parametrize("case", CASES)
def test_bad_networks_end_in_one_block(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    weights, biases, words = broken(case, *draw((5, 4, 3), np.random.default_rng(0)))
    if case == "empty":
        np.savez("net.npz")
    elif case == "text":
        Path("net.npz").write_text("no network")
    else:
        save(Path("net.npz"), weights, biases, **words)
    result = CliRunner().invoke(main, ["import", "net.npz", "--out", "model.npz"])
    assert result.exit_code == 2 and not Path("model.npz").exists(), result.output
    for word in ("given", "allowed", "cause", "fix", "net.npz"):
        assert word in result.stderr


# --- order --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_smooth_network_shuffled_is_put_in_order_again() -> None:
    """A field sampled on neurons, its neurons permuted: the order found has the variation of the field itself."""
    n, generator = 60, np.random.default_rng(0)
    xi = np.linspace(-1, 1, n)
    smooth = layers(
        [np.cos(3 * xi[:, None] - xi[None, :20]) / 20, np.exp(-((xi[:, None] - xi) ** 2)) / n, np.sin(xi)[None] / n],
        [np.sin(xi), np.cos(xi), np.zeros(1)], "tanh",
    )  # fmt: skip
    rough = smooth
    for layer in (0, 1):
        rough = ordering.permuted(rough, layer, generator.permutation(n))
    found, gain = ordering.order(rough)
    assert gain.variation[0] > 10 * gain.variation[1]
    assert gain.variation[1] <= 1.001 * ordering.variation(smooth)
    assert gain.needed[1]["legendre"][1] < 50 < gain.needed[1]["legendre"][0]
    x = generator.standard_normal((6, 20))
    first, second = (outputs(m.weights, m.biases, np.tanh, x) for m in (rough, found))
    assert np.max(np.abs(first - second)) <= 1e-13


@pytest.mark.slow
def test_two_opt_finds_the_shortest_path_of_few_points() -> None:
    from itertools import permutations

    for seed in range(5):
        points = np.random.default_rng(seed).uniform(size=(6, 1))  # on a line: sorting is optimal
        lengths = np.abs(points - points.T)
        path = ordering.shortest_path(lengths)
        best = min(sum(lengths[a, b] for a, b in zip(p, p[1:])) for p in permutations(range(6)))
        assert sum(lengths[a, b] for a, b in zip(path, path[1:])) == pytest.approx(best)


def test_coefficients_of_a_field_that_is_a_polynomial() -> None:
    """The averages on cells of P₂(ξ) P₁(ξ′) are represented by 3 × 2 Legendre functions; noise by none."""
    cells = np.linspace(-1, 1, 65)
    averages = [np.diff(np.polynomial.legendre.Legendre.basis(k).integ()(cells)) * 32 for k in (2, 1)]
    w = np.outer(*averages)
    def needed(family: str, matrix: np.ndarray) -> int:
        return ordering.needed(ordering.FAMILIES[family](matrix), matrix.size)

    assert needed("legendre", w) == 6
    assert needed("adapted (SVD)", w) == 128
    assert needed("legendre", np.random.default_rng(0).standard_normal((64, 64))) >= 63**2


def test_a_single_affine_layer_is_no_network() -> None:
    """Without an activation there is nothing between the inputs and a linear map of them."""
    w, b = [np.eye(3)], [np.zeros(3)]
    with pytest.raises(DataError, match="a single affine layer") as error:
        from_layers(w, b)
    assert "add a layer" in error.value.fix
    assert from_layers(w, b, "tanh", last="activation")(np.ones((1, 3)))[0, 0, 0] == pytest.approx(np.tanh(1))
