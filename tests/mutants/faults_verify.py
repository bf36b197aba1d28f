"""Faults that ``continua verify`` alone has to find, where it measured nothing at first, each on a small spec.

Records, losses, activations, readouts, maxima, penalties, class weights, reports, estimates, initial functions,
quadrature counts, moves, symmetric bases, Newton's method: ``python -m tests.mutants.alone`` plants them. The list was
written before any of them was run.
"""

from __future__ import annotations

from typing import Any

from tests.builders import CIRCLE, FUNCTION, LIFTED, NUMBERS, ONCE, SPECTRAL, THREE, TRANSLATED
from tests.mutants.faults import Fault


def _equation(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**base, "equation": {**base["equation"], **changes}}


def _loss(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**base, "loss": {**base["loss"], **changes}}


ADAPTIVE = {**FUNCTION, "integration": {"tableau": "dopri5", "steps": "adaptive", "tolerance": "1/10000"}}
IMPLICIT = {**FUNCTION, "integration": {"tableau": "gauss4", "steps": 2}}
OUTPUTS = {**FUNCTION, "readout": {"outputs": 2}}
LADDER = {**FUNCTION, "loss": {"kind": "l2", "penalty": {"W": "1/10"}},
          "levels": {"coarse": {"weight": {"width_out": {"family": "legendre", "size": 2}},
                                "integration": {"steps": 4}}}}  # fmt: skip

# (the fault, the spec that is verified)
HIDDEN: tuple[tuple[Fault, dict[str, Any]], ...] = (
    # --- records
    (Fault("records: a circle is closed with the wrong sample", "numerics/functions/sampled_records.py",
           "owner[head], to[tail] = (last, first)", "owner[head], to[tail] = (first, first)"), CIRCLE),
    (Fault("records: smoothing counts twice", "numerics/functions/sampled_records.py",
           "scale = np.sqrt(2 / len(xi))", "scale = np.sqrt(1 / len(xi))"),
     {**FUNCTION, "input": {"interpolant": "least-squares", "smoothing": "1/100"}}),
    (Fault("records: a Gauss point too few between samples", "numerics/functions/rules.py",
           "min((degree + 3) // 2,", "min((degree + 1) // 2,"), FUNCTION),
    (Fault("records: a lift that meets the constant first", "numerics/model/projected.py",
           "np.concatenate([moved, whole], axis=2)", "np.concatenate([whole, moved], axis=2)"), LIFTED),
    # --- losses
    (Fault("cross-entropy: class weights forgotten in the partition", "derive/losses/cross_entropy.py",
           '"total*log(partition) - hit"', '"log(partition) - hit"'), _loss(NUMBERS, class_weights=["1", "2", "1/2"])),
    (Fault("Kullback–Leibler: small probabilities cut off", "derive/losses/kullback_leibler.py",
           'max(t, 1e-37))"', 'max(t, 1e-1))"'), _loss(NUMBERS, kind="kullback-leibler")),
    (Fault("relative l2: squared", "derive/losses/relative_l2.py",
           'VALUE = "sqrt(error/size)"', 'VALUE = "error/size"'), _loss(FUNCTION, kind="relative-l2")),
    (Fault("l2: halved", "derive/losses/l2.py", '"(z - t)**2"', '"(z - t)**2/2"'), FUNCTION),
    (Fault("h1: slopes over the wrong distance", "numerics/functions/sampled_records.py",
           "1 / (stop - start), True", "1 / (x - start), True"),
     _loss(CIRCLE, kind="h1")),
    (Fault("l2: its weight squared", "derive/emit/tables.py",
           "gram(expressions.weighted(weight, state), state)",
           "gram(expressions.weighted(weight, state), expressions.weighted(weight, state))"),
     _loss(SPECTRAL, weight="2 + xi")),
    # --- activations
    (Fault("silu: another slope inside", "derive/activations/silu.py", '"u*sigmoid(u)"', '"u*sigmoid(17*u/10)"'),
     _equation(FUNCTION, activation="silu")),
    (Fault("gelu: by the hyperbolic tangent", "derive/activations/gelu.py", '"u*(1 + erf(u/sqrt(2)))/2"',
           '"u*(1 + tanh(sqrt(2/pi)*(u + 44715*u**3/1000000)))/2"'), _equation(FUNCTION, activation="gelu")),
    (Fault("float32: tanh flat beyond 4", "numerics/kernels/functions.py", "real(9.02)", "real(4)"),
     {**FUNCTION, "precision": "float32"}),
    # --- readouts and maxima
    (Fault("predictions: constants of the outputs exchanged", "numerics/model/layout.py",
           "(one @ a)[:, :, None]", "(one @ a)[:, ::-1, None]"), OUTPUTS),
    (Fault("scores: the mean of roots", "numerics/model/continuum.py",
           "float(np.sqrt(mean(distances)))", "mean(list(map(np.sqrt, distances)))"), FUNCTION),
    (Fault("smooth maxima: weights that add up to two", "derive/spaces/quadrature.py",
           "half = single(Fraction(1, 2))", "half = single(Fraction(1, 1))"),
     {**NUMBERS, "readout": {**NUMBERS["readout"], "maximum": "4"}}),
    # --- penalties and class weights
    (Fault("penalty: the norm ignored", "numerics/model/layout.py",
           "value, slope = slab.penalty(penalty.norm, c)",
           'value, slope = slab.penalty("L2", c)[0], slab.penalty(penalty.norm, c)[1]'),
     _loss(NUMBERS, penalty={"W": {"H1": "1/10"}})),
    (Fault("H1: no slope along the depth", "numerics/functions/field.py",
           "for axis in range(len(self.grams)):", "for axis in range(len(self.grams) - 1):"),
     {**_loss(NUMBERS, penalty={"b": {"H1": "1/10"}}),
      "bias": {"width": THREE, "depth": {"family": "hat", "cells": 1}}}),
    (Fault("balanced classes: those that are empty count", "numerics/model/prepared.py",
           "np.count_nonzero(counts) *", "len(counts) *"), _loss(NUMBERS, class_weights="balanced")),
    # --- reports
    (Fault("report: the solver's part with the fields' part", "numerics/levels/projection.py",
           "else self.loss_after - self.loss_between", "else self.loss_after - self.loss_before"), LADDER),
    (Fault("report: the norm after the move", "numerics/levels/projection.py",
           "norm={name: f.norm() for name, f in old.fields.items()}",
           "norm={name: f.norm() for name, f in new.fields.items()}"), LADDER),
    (Fault("distance: weights in place of their roots", "numerics/levels/distances.py",
           "table(basis, x) * np.sqrt(weights)[:, None]", "table(basis, x) * weights[:, None]"), LADDER),
    (Fault("adapted bases: the root of the error", "numerics/levels/adapted.py",
           "lost > error**2 * np.sum(values**2)", "lost > error * np.sum(values**2)"), FUNCTION),
    (Fault("trajectory: the last depth is the first", "numerics/model/continuum.py",
           "depths += [*starts[1:], slab.stop]", "depths += [*starts[1:], slab.start]"), FUNCTION),
    (Fault("gradient as fields: in orthonormal coordinates", "numerics/model/continuum.py",
           "[s.riesz(g) for s, g", "[s.pull_back_orthonormal(g) for s, g"), FUNCTION),
    # --- adaptive steps
    (Fault("adaptive: the order of the better method", "numerics/kernels/steps.py",
           "min(tableau.order, tableau.embedded_order or 0) + 1",
           "max(tableau.order, tableau.embedded_order or 0) + 1"), ADAPTIVE),
    (Fault("adaptive: the easiest record decides", "numerics/kernels/steps.py",
           "np.argmax(np.where(np.isnan", "np.argmin(np.where(np.isnan"), ADAPTIVE),
    # --- initial functions
    (Fault("random functions: a steeper decay", "numerics/functions/random.py",
           "** -DECAY", "** (-2 * DECAY)"), FUNCTION),
    (Fault("random functions: κ not scaled to its reach", "numerics/functions/random.py",
           "size / np.sqrt(2 * reach) ** kind.dimension", "size"),
     {**FUNCTION, "equation": {**FUNCTION["equation"], "reach": "1/4"},
      "weight": {"kernel": {"family": "hat", "size": 3}, "depth": ONCE}}),
    (Fault("random functions: mirrored ones too small", "numerics/functions/random.py",
           "size * np.sqrt(_orbit(kind.symmetries)) ** d", "size / np.sqrt(_orbit(kind.symmetries)) ** d"),
     _equation(SPECTRAL, symmetry="reflection")),
    # --- quadrature counts
    (Fault("quadrature: 5n/4 points on a circle", "derive/spaces/quadrature.py",
           "slab.quadrature or -(-3 * state.size // 2)", "slab.quadrature or -(-5 * state.size // 4)"), CIRCLE),
    (Fault("quadrature: no more points than functions", "derive/spaces/quadrature.py",
           "math.ceil(1.5 * state.size)", "state.size"), SPECTRAL),
    # --- moves, symmetric bases
    (Fault("moves of symmetric weights: mass lost", "derive/spaces/transfer.py",
           "p = ours.gram(gram(out, out), gram(inner, inner)).solve(mixed)", "p = mixed"),
     {**TRANSLATED, "levels": {"coarse": {"weight": {"width_out": {"family": "fourier", "size": 3},
                                                     "width_in": {"family": "fourier", "size": 3}}}}}),
    (Fault("Gram matrix of pairs: one factor of two", "derive/spaces/symmetry.py",
           "as_fmpq(first * value)", "as_fmpq(first)"), TRANSLATED),
    (Fault("values of symmetric weights: ξ and ξ′ exchanged", "numerics/functions/field.py",
           "zip((pair.outer, pair.inner), points_of)", "zip((pair.outer, pair.inner), points_of[::-1])"), TRANSLATED),
    # --- Newton's method
    (Fault("Newton: the adjoint's equations solved to three digits", "derive/emit/newton.py",
           '"combine[n, j, i + 1]"), "limits[3]")', '"combine[n, j, i + 1]"), "limits[1]")'), IMPLICIT),
)  # fmt: skip

RELU = _equation(FUNCTION, activation="relu")
REACHED = {**LADDER, "loss": {"kind": "l2", "penalty": {"W": {"H1": "1/10"}}}}
# More of them, written down after the rows that found those above, and before any was run.
HELD_OUT: tuple[tuple[Fault, dict[str, Any]], ...] = (
    (Fault("relu: leaks", "derive/activations/relu.py", '"max(u, 0)"', '"max(u, u/1000)"'), RELU),
    (Fault("huber: another corner", "derive/losses/huber.py",
           '"min(abs(z - t), 1)*(abs(z - t) - min(abs(z - t), 1)/2)"',
           '"min(abs(z - t), 2)*(abs(z - t) - min(abs(z - t), 2)/2)"'), _loss(NUMBERS, kind="huber")),
    (Fault("smooth maxima: twice as sharp", "derive/emit/tables.py", "nearest([spec.maximum])",
           "nearest([2 * spec.maximum])"), {**NUMBERS, "readout": {**NUMBERS["readout"], "maximum": "4"}}),
    (Fault("shares: levels with the other sign", "derive/emit/tables.py", "nearest(spec.shares.levels)",
           "nearest([-level for level in spec.shares.levels])"),
     {**NUMBERS, "readout": {**NUMBERS["readout"], "shares": {"levels": ["1/3"], "width": "1/4"}}}),
    (Fault("(17): the way turned over", "numerics/levels/attribution.py",
           "way, shares = end - start, {}", "way, shares = start - end, {}"), LADDER),
    (Fault("(17): points of a Gauss rule on [−1, 1]", "numerics/levels/attribution.py",
           "return (1 + t) / 2, weights / 2", "return t, weights / 2"), LADDER),
    (Fault("distance in H1: values for slopes", "numerics/levels/distances.py",
           "[_coordinates(*pair, derivative)]", "[_coordinates(*pair, evaluate)]"), REACHED),
    (Fault("GMRES: a rotation's sign", "derive/emit/newton.py",
           "= -{number('sine', 'k')}*{number('rest', 'k')}", "= {number('sine', 'k')}*{number('rest', 'k')}"),
     IMPLICIT),
    (Fault("quadrature: the state's degree left out", "derive/spaces/quadrature.py",
           "exact = -(-(degrees[0] + max(degrees) + 1) // 2)", "exact = -(-(max(degrees) + 1) // 2)"),
     {**FUNCTION, "state": {"basis": {"family": "bspline", "degree": 3, "cells": 2}}}),
    (Fault("random functions: modes along the depth too small", "numerics/functions/random.py",
           "np.sqrt(2 * np.arange(DEPTH_MODES) + 1)", "np.sqrt(np.arange(DEPTH_MODES) + 1)"), FUNCTION),
    (Fault("random functions: a constant among waves too large", "numerics/functions/random.py",
           "    waves[..., 0, :] /= np.sqrt(2)\n", ""), TRANSLATED),
    (Fault("loss: a norm for its square", "numerics/model/continuum.py",
           "penalties = sum(float(p.weight) * self.fields[p.field].squared_norm(p.norm)",
           "penalties = sum(float(p.weight) * self.fields[p.field].norm(p.norm)"),
     _loss(NUMBERS, penalty={"W": "1/10"})),
    (Fault("records: a circle's default points at midpoints", "numerics/functions/sampled_records.py",
           "return (2 * np.arange(n) - n) / n", "return (2 * np.arange(n) + 1 - n) / n", within="default_points"),
     CIRCLE),
    (Fault("accuracy: of the least likely class", "numerics/model/continuum.py",
           "z.argmax(axis=1) == prepared.labels", "z.argmin(axis=1) == prepared.labels"), NUMBERS),
    (Fault("labels: the least likely class", "numerics/model/continuum.py",
           "best: Array = np.argmax(values, axis=1)", "best: Array = np.argmin(values, axis=1)"), NUMBERS),
    (Fault("class weights: of the classes in reverse", "numerics/model/prepared.py",
           "for weight in spec.class_weights or (1,) * len(counts)]",
           "for weight in (spec.class_weights or (1,) * len(counts))[::-1]]"),
     _loss(NUMBERS, class_weights=["1", "2", "1/2"])),
    (Fault("adaptive: the next length from another power", "numerics/kernels/steps.py",
           "max(error, 1e-10) ** (-1 / order)", "max(error, 1e-10) ** (-1 / (order + 1))"), ADAPTIVE),
    (Fault("chebyshev: the recurrence without its 2", "derive/bases/chebyshev.py",
           "[2 * value for value in times_t(series[-1])]", "[value for value in times_t(series[-1])]"),
     {**FUNCTION, "weight": {**FUNCTION["weight"], "width_out": {"family": "chebyshev", "size": 4}}}),
    (Fault("hierarchical: bubbles of another size", "derive/bases/hierarchical.py",
           "Fraction(1, 2 * k - 1)", "Fraction(1, 2 * k + 1)"),
     {**FUNCTION, "state": {"basis": {"family": "hierarchical", "cells": 2, "degree": 3}}}),
    (Fault("fourier at run time: cosines for sines", "numerics/functions/basis.py",
           "found[:, 0], found[:, 1::2], found[:, 2::2] = 1.0, cosine, sine",
           "found[:, 0], found[:, 1::2], found[:, 2::2] = 1.0, sine, cosine"), CIRCLE),
    (Fault("predictions at own points: the first record's for all", "numerics/model/points.py",
           "coefficients = y[:, part.records]", "coefficients = y[:, 0 * part.records]"), FUNCTION),
    (Fault("trajectory: a step behind", "numerics/model/continuum.py",
           "np.concatenate(states[1:], axis=1)", "np.concatenate(states[:-1], axis=1)"), FUNCTION),
    (Fault("inner product of fields: the first with itself", "numerics/functions/field.py",
           "np.sum(a.orthonormal() * b.orthonormal())", "np.sum(a.orthonormal() * a.orthonormal())"), FUNCTION),
    (Fault("aliasing: the mass itself", "derive/galerkin.py",
           "aliasing = (mass_rule - mass).largest()", "aliasing = mass_rule.largest()"), FUNCTION),
    (Fault("H1 penalty: half its derivative", "numerics/functions/field.py",
           "return mass + self._seminorm_metric(c) if", "return mass + self._seminorm_metric(c) / 2 if"),
     _loss(NUMBERS, penalty={"W": {"H1": "1/10"}})),
)  # fmt: skip
