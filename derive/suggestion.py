"""The name that was probably meant: another spelling, another word for the same thing, or a typing error."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

# What others call our names, in small letters without hyphens and underscores; the first that is allowed is suggested.
SYNONYMS: dict[str, tuple[str, ...]] = {
    # losses
    "mse": ("l2",), "meansquarederror": ("l2",), "squarederror": ("l2",), "mseloss": ("l2",), "rmse": ("l2",),
    "leastsquares": ("least-squares", "l2"), "ce": ("cross-entropy",), "nll": ("cross-entropy",),
    "logloss": ("cross-entropy",), "categoricalcrossentropy": ("cross-entropy",), "bce": ("cross-entropy",),
    "crossentropyloss": ("cross-entropy",), "softmax": ("cross-entropy",), "kl": ("kullback-leibler",),
    "kldivergence": ("kullback-leibler",), "kldiv": ("kullback-leibler",), "smoothl1": ("huber",), "l1": ("huber",),
    "mae": ("huber",), "sobolev": ("h1",), "relativemse": ("relative-l2",),
    # activations, functions and rates
    "logistic": ("sigmoid",), "expit": ("sigmoid",), "swish": ("silu",), "linear": ("identity", "hat", "linear"),
    "none": ("identity",), "sine": ("sin",), "rectifier": ("relu",), "lrelu": ("leaky-relu",),
    "arctan": ("atan",), "ln": ("log",), "fabs": ("abs",), "absolute": ("abs",), "sgn": ("sign",), "maximum": ("max",),
    "minimum": ("min",), "resnet": ("residual",), "perceptron": ("mlp",), "boxed": ("literal",),
    # bases
    "constant": ("constant", "p0"), "piecewiseconstant": ("p0",), "dg": ("discontinuous",), "p1": ("hat",),
    "piecewiselinear": ("hat",), "spline": ("bspline",), "splines": ("bspline",), "trigonometric": ("fourier",),
    "lobatto": ("gauss-lobatto",), "gll": ("gauss-lobatto",), "gauss": ("gauss-legendre", "gauss4"),
    "wavelet": ("multiwavelet",), "wavelets": ("multiwavelet",), "own": ("custom",), "polynomial": ("legendre",),
    # tableaux, optimisers, schedules
    "forwardeuler": ("euler",), "expliciteuler": ("euler",), "impliciteuler": ("backward-euler",),
    "rungekutta": ("rk4",), "rungekutta4": ("rk4",), "rk2": ("heun",), "rk45": ("dopri5",), "dopri": ("dopri5",),
    "dormandprince": ("dopri5",), "sgd": ("gradient-descent",), "gd": ("gradient-descent",), "bfgs": ("lbfgs",),
    "adamw": ("adam",), "soap": ("kronecker",), "shampoo": ("kronecker",), "cosineannealing": ("cosine",),
    "step": ("steps",),
    # keys and others
    "lr": ("learning_rate",), "optim": ("optimiser",), "earlystopping": ("patience",), "ema": ("averaging",),
    "gradclip": ("clip",), "dt": ("spacing", "steps"), "float": ("float32", "float64"), "single": ("float32",),
    "f32": ("float32",), "double": ("float64",), "f64": ("float64",), "zero": ("zeros",), "periodic": ("circular",),
    "method": ("tableau",), "solver": ("tableau",), "layers": ("steps",), "n": ("size",), "order": ("degree", "order"),
}  # fmt: skip


def plain(name: str) -> str:
    """A name without what spellings differ in: capitals, hyphens, underscores, blanks."""
    return re.sub(r"[-_\s]", "", name).lower()


def nearest(given: object, allowed: Iterable[str]) -> str | None:
    """The allowed name that was probably meant; None where nothing is near.

    One that differs in capitals, hyphens or underscores comes before another word for the same, and that before one
    with a few other letters. What stands before a last dot, as in np.tanh, is a module's name.
    """
    names = list(dict.fromkeys(allowed))
    wanted = plain(str(given))
    forms: dict[str, str] = {}
    for name in names:
        forms.setdefault(plain(name), name)
    if wanted in forms:
        return forms[wanted]
    for synonym in SYNONYMS.get(wanted, ()):
        if synonym in names:
            return synonym
    if "." in wanted and (found := nearest(wanted.rpartition(".")[2], names)):
        return found
    near = difflib.get_close_matches(wanted, forms, 1)
    return forms[near[0]] if near else None


def advice(
    given: object, allowed: Collection[str], cause: str = "a typing error", fix: str = "use one of these"
) -> tuple[str, str]:
    """Cause and fix for a name that there is not: the nearest name where there is one, else what is given here."""
    found = nearest(given, allowed)
    return (cause, fix) if found is None else (f"did you mean {found!r}?", f"write {found}")
