"""Faults in the mathematics of the sources: a sign, a lost factor, a transposed coupling, the wrong side of a kink.

Each is (name, file, old text, new text); the old text occurs once in its file. ``faults_generated`` has those in the
checked-in modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Check, Mutant, first_difference
from tests.mutants.plans import checks


@dataclass(frozen=True)
class Fault:
    """One fault. within: the function that the old text is in, where others have the same line.

    checks: what is run, in order; () for what ``plans`` says. every: see ``Mutant``.
    """

    name: str
    path: str
    old: str
    new: str
    within: str = ""
    checks: tuple[Check, ...] = ()
    every: bool = False

    def apply(self, text: str) -> str:
        """The file with the fault. Raises ValueError unless the old text occurs exactly once."""
        start, stop = 0, len(text)
        if self.within:
            start = text.index(f"\ndef {self.within}(")
            following = text.find("\ndef ", start + 1)
            stop = stop if following < 0 else following
        if text.count(self.old, start, stop) != 1:
            raise ValueError(f"{self.name}: {text.count(self.old, start, stop)} times in {self.path} {self.within}")
        at = text.index(self.old, start, stop)
        return text[:at] + self.new + text[at + len(self.old) :]

    def mutant(self, root: Path) -> Mutant:
        text = (root / self.path).read_text(encoding="utf-8")
        mutated = self.apply(text)
        line, before, after = first_difference(text, mutated)
        chosen = self.checks or checks(self.path)
        return Mutant("listed", self.name, self.path, line, before, after, mutated, chosen, self.every)


DERIVE = (
    # --- tableaux and steps in depth
    Fault("rk4: two weights exchanged", "derive/tableaux/rk4.py",
          'B = ("1/6", "1/3", "1/3", "1/6")', 'B = ("1/6", "1/3", "1/6", "1/3")'),
    Fault("gauss4: the coupling of its stages transposed", "derive/tableaux/gauss4.py",
          'A = (("1/4", "1/4 - sqrt(3)/6"), ("1/4 + sqrt(3)/6", "1/4"))',
          'A = (("1/4", "1/4 + sqrt(3)/6"), ("1/4 - sqrt(3)/6", "1/4"))'),
    Fault("dopri5: the sign of one weight", "derive/tableaux/dopri5.py",
          'B = ("35/384", "0", "500/1113", "125/192", "-2187/6784", "11/84", "0")',
          'B = ("35/384", "0", "500/1113", "125/192", "2187/6784", "11/84", "0")'),
    Fault("dopri5: an embedded weight", "derive/tableaux/dopri5.py", '"187/2100"', '"187/2010"'),
    Fault("ssprk54: a stage's q from the wrong abscissa", "derive/tableaux/ssprk54.py",
          "q3 = a32 * c2", "q3 = a32 * c3"),
    Fault("order conditions: densities add up", "derive/tableau.py",
          "        result *= _density(branch)", "        result += _density(branch)"),
    Fault("step: κ eliminated with the wrong sign", "derive/tableau.py",
          "(i == j) - factor * entry", "(i == j) + factor * entry"),
    Fault("step: κ left out of h_{n+1}", "derive/tableau.py",
          "last = [entry + factor * b * known", "last = [entry + 0 * b * known"),
    Fault("stability function: z 1 bᵀ subtracted", "derive/tableau.py", "[x - b for x", "[x + b for x"),
    # --- adjoint
    Fault("adjoint: integration by parts loses its minus", "derive/adjoint.py",
          "collected.append(-inside)", "collected.append(inside)"),
    Fault("adjoint: the kernel on its diagonal instead of transposed", "derive/adjoint.py",
          "* integral.function.xreplace(swap)", "* integral.function.xreplace({s.eta: s.xi})"),
    Fault("adjoint: the reverse sweep reads the tableau transposed", "derive/adjoint.py",
          "combination[place[0]][place[1]]", "combination[place[1]][place[0]]"),
    Fault("adjoint: off by one stage in the Lagrangian", "derive/adjoint.py",
          "known = sum(entries[i, j + 1] * moved[j]", "known = sum(entries[i, j] * moved[j]"),
    Fault("adjoint: λ loses the step length", "derive/adjoint.py",
          "end = h + step * sum(b[i]", "end = h + sum(b[i]"),
    # --- equation, rates, activations, losses
    Fault("equation: the Riemann sum loses its 2", "derive/equation.py",
          "h(middle, depth) * 2 / n", "h(middle, depth) / n"),
    Fault("equation: a layer without Δ", "derive/equation.py",
          "update = expanded(h + spacing * rho)", "update = expanded(h + rho)"),
    Fault("equation: the other side of a kink", "derive/kinks.py",
          "left, right = (b, a) if bool(slope.is_positive) == largest else (a, b)",
          "left, right = (a, b) if bool(slope.is_positive) == largest else (b, a)"),
    Fault("mlp: 1/Δ lost", "derive/rates/mlp.py", '"(f(u) - h)/Delta"', '"f(u) - h"'),
    Fault("residual: times Δ", "derive/rates/residual.py", '"f(u)/Delta"', '"f(u)*Delta"'),
    Fault("literal: h instead of u", "derive/rates/literal.py", '"(f(u) - u)/Delta"', '"(f(u) - h)/Delta"'),
    Fault("gelu: another width", "derive/activations/gelu.py", "erf(u/sqrt(2))", "erf(u/2)"),
    Fault("leaky relu: another slope", "derive/activations/leaky_relu.py", '"max(u, u/100)"', '"max(u, u/10)"'),
    Fault("huber: the half of its corner lost", "derive/losses/huber.py",
          "min(abs(z - t), 1)/2)", "min(abs(z - t), 1))"),
    Fault("Kullback–Leibler: the entropy of the targets lost", "derive/losses/kullback_leibler.py",
          'VALUE = "order + total*log(partition) - hit"', 'VALUE = "total*log(partition) - hit"'),
    Fault("loss: the source by the target", "derive/program/loss.py",
          "derivative(with_cases(g), z)", "derivative(with_cases(g), t)"),
    # --- bases and integrals
    Fault("hat: rises on both sides", "derive/bases/hat.py", "node: (half, -half)", "node: (half, half)"),
    Fault("bspline: one branch of Cox–de Boor", "derive/bases/bspline.py",
          "fall = [1 - rise[0], -rise[1]]", "fall = [1 - rise[0], rise[1]]"),
    Fault("bases: the recurrence of t P_k", "derive/exact/series.py",
          "Fraction(k, 2 * k + 1)", "Fraction(k + 1, 2 * k + 1)"),
    Fault("bases: the wrong side of a breakpoint", "derive/spaces/basis.py",
          "bisect_right(self.breakpoints, point) - 1", "sum(b < point for b in self.breakpoints) - 1"),
    Fault("Lobatto: weights with P instead of P²", "derive/exact/legendre.py",
          "legendre_values(t, count)[-1] ** 2 *", "legendre_values(t, count)[-1] *"),
    Fault("Gram: an entry's norm", "derive/spaces/products.py",
          "as_fmpq((b - a) / (2 * k + 1)) for k", "as_fmpq((b - a) / (2 * k + 2)) for k"),
    Fault("Gram: Fourier functions of equal norms", "derive/spaces/products.py",
          "norms = [p.period, p.period / 2]", "norms = [p.period, p.period]"),
    Fault("stiffness: frequencies shifted by one function", "derive/spaces/products.py",
          "2 * ((j + 1) // 2) ** 2", "2 * (j // 2) ** 2"),
    Fault("coupling: the sign of a cosine moment", "derive/spaces/products.py",
          "rows[0].append(-amplitude * sine", "rows[0].append(amplitude * sine"),
    Fault("Lobatto: shared points lose one side's weight", "derive/spaces/rules.py",
          "before + w * half", "w * half"),
    Fault("projection: mass lost, P = B", "derive/spaces/transfer.py",
          "return gram(new, new).solve(gram(new, old))", "return gram(new, old)"),
    # --- semi-discrete form
    Fault("galerkin: A without the quadrature's weights", "derive/galerkin.py",
          "weighted = x.T.scaled(columns=rule.weights)", "weighted = x.T"),
    Fault("galerkin: the lumped mass is not used", "derive/galerkin.py",
          '"A": mass_h.solve(weighted)', '"A": mass.solve(weighted)'),
    Fault("galerkin: the coupling C transposed", "derive/operators.py",
          "return gram(inner, state)", "return gram(state, inner)"),
    Fault("galerkin: a stage on the wrong side of a breakpoint", "derive/spaces/stages.py",
          "start + c * length, (start, start + length))", "start + c * length, (start - length, start))"),
    Fault("galerkin: all steps as long as the first", "derive/galerkin.py",
          "tableau.combination(spec.tableau, kappa, length) for _, length",
          "tableau.combination(spec.tableau, kappa, steps[0][1]) for _, length"),
    # --- programs and printers
    Fault("program: a second cotangent overwrites the first", "derive/program/operations.py",
          "add = held.adds(self.operand)", "add = held.adds(self.operand) and False"),
    Fault("program: κ counted twice",
        "derive/program/stage.py",
        "rate = written(equation.r)",
        "rate = written(equation.rho)",
    ),
    Fault("program: the term Pᵀ λ of an arriving state dropped", "derive/program/kernels.py",
          "operations.adjoint(steps(program), held)", "operations.adjoint(steps(program)[-1:], held)"),
    Fault("emit: stages start from the last one but one", "derive/emit/loops.py",
          '"for i in range(stages - 1, -1, -1):", *indent', '"for i in range(stages - 2, -1, -1):", *indent'),
    Fault("Newton: the update with the wrong sign", "derive/emit/newton.py",
          "{operand('H')} += {v('solution', ROW)}", "{operand('H')} -= {v('solution', ROW)}"),
    Fault("Newton: transposed equations not transposed", "derive/emit/newton.py",
          '"combine[n, j, i + 1]"', '"combine[n, i, j + 1]"'),
)  # fmt: skip

NUMERICS = (
    # --- optimisers and training
    Fault("Adam: the second moment's bias", "numerics/training/optimisers/adam.py",
          "decay, 1 / (1 - decay**count),", "decay, 1.0,"),
    Fault("Adam: the first moment's bias", "numerics/training/optimisers/adam.py",
          "rate / (1 - FIRST_DECAY**count)", "rate"),
    Fault("Adam: resuming loses a moment", "numerics/training/optimisers/adam.py",
          'replace(self, moment=arrays["moment"], second=', "replace(self, second="),
    Fault("L-BFGS: the second loop's sign", "numerics/training/optimisers/lbfgs.py",
          "factor - inner(y, direction) / curvature", "factor + inner(y, direction) / curvature"),
    Fault("L-BFGS: the scaling of the first guess turned over", "numerics/training/optimisers/lbfgs.py",
          "curvatures[-1] / inner(changes[-1], changes[-1])", "inner(changes[-1], changes[-1]) / curvatures[-1]"),
    Fault("fit: the worst model is kept", "numerics/training/run.py",
          "loss < run.best_loss:", "loss > run.best_loss:"),
    Fault("fit: resuming loses the best model", "numerics/training/resume.py",
          'best=stored.get("best"),', "best=None,"),
    # --- functions of kernels
    Fault("float32: one coefficient of the sine", "numerics/kernels/functions.py",
          "-0.00019822781905531883", "-0.00039645563811063766"),
    Fault("float64: log1p without what 1 + x has lost", "numerics/kernels/functions.py",
          "correction = (x - (u - one))/u", "correction = (u - u)/u"),
    Fault("kernels: float64's smallest number in every precision", "numerics/kernels/bound.py",
          "np.finfo(dtype).tiny, values)", "np.finfo(np.float64).tiny, values)"),
    # --- fields and their metric
    Fault("field: the gradient is not mapped back", "numerics/functions/field.py",
          "return self._solve(self._solve(gradient, transposed=False), transposed=True)",
          "return self._solve(gradient, transposed=False)"),
    Fault("field: coordinates by the wrong triangle", "numerics/functions/field.py",
          "inverse.T if transposed else inverse", "inverse"),
    Fault("Adam: a step of the wrong sign", "numerics/training/optimisers/vectors.py",
          "change = -scale * new_moment[n]", "change = scale * new_moment[n]"),
    Fault("field: H1 with a mass too many", "numerics/functions/field.py",
          "part = part if other == axis else along(gram, part, other)", "part = along(gram, part, other)"),
    Fault("field: both slabs count where they meet", "numerics/functions/field.py",
          "((x < slab.stop) | last)", "((x <= slab.stop) | last)"),
    Fault("penalty: half its gradient", "numerics/functions/field.py",
          "return float(np.sum(of * metric)), 2 * metric", "return float(np.sum(of * metric)), metric"),
    # --- the continuum
    Fault("loss: the gradient of the operators is not a mean", "numerics/kernels/cpu.py",
          "a /= count", "a /= 1"),
    Fault("gradient: the second half of the stages is lost", "numerics/kernels/operators.py",
          "bars[name] += a", "bars[name] += 0 * a"),
    Fault("convolution: the sine turns the other way", "derive/layout.py",
          "Fraction(-1 if i > j else 1)", "Fraction(-1 if i < j else 1)"),
    Fault("convolution: a circle too short for what κ reaches", "derive/spaces/convolution.py",
          "circle = count + max(ahead, behind) - 1", "circle = count + max(ahead, behind) - 2"),
    Fault("layout: channels of W transposed", "numerics/model/layout.py",
          "w.transpose(2, 0, 3, 1, 4)", "w.transpose(2, 0, 4, 1, 3)"),
    Fault("targets: what no coefficient can change left out", "numerics/model/projected.py",
          'distances[:, part] += np.einsum("qcn,qcn->cn", gap, gap)', "distances[:, part] += 0"),
    Fault("units: a scale from held-out records too", "numerics/model/units.py",
          "counts[kept] = 1 if weights is None else weights[kept]", "counts[:] = 1"),
    Fault("units: the middle of a domain at its end", "numerics/model/units.py",
          "(2 * points - (start + stop))", "(2 * points - (start + start))"),
    Fault("units: errors of channels mixed", "numerics/model/continuum.py",
          "np.tile(factors, len(gaps) // len(factors))", "np.repeat(factors, len(gaps) // len(factors))"),
    Fault("targets: a weight for its square", "numerics/functions/sampled_records.py",
          "np.sqrt(w if weight is None else w * ", "np.sqrt(w if weight is None else w**2 * "),
    Fault("h1: the loss without slopes", "numerics/representation/tables.py",
          "[slopes for slopes, _ in self._modes]", "[0 * slopes for slopes, _ in self._modes]"),
    Fault("solver: partial gradients overwrite each other", "numerics/kernels/cpu.py",
          "mine[name] += theirs[name]", "mine[name] = theirs[name]"),
    Fault("solver: a trajectory one step ahead", "numerics/kernels/operators.py",
          "combining(combine[: n + 1])", "combining(combine[:n])"),
    # --- functions
    Fault("basis: the recurrence of derivatives", "numerics/functions/legendre.py",
          "found[k + 1] = (2 * k + 1) * values[k]", "found[k + 1] = (2 * k - 1) * values[k]"),
    Fault("basis: the wrong side of a breakpoint", "numerics/functions/basis.py",
          "breakpoints[1:-1] - reach", "breakpoints[1:-1] + reach"),
    Fault("basis: a Fourier moment's sign", "numerics/functions/rules.py",
          "= -sine * odd, cosine * odd", "= sine * odd, cosine * odd"),
    Fault("basis: smoothing filters with λ instead of σ² + λ", "numerics/functions/sampled_records.py",
          "singular / (singular**2 + smoothing)", "singular / (singular + smoothing)"),
    Fault("basis: two ends of a line exchanged", "numerics/functions/sampled_records.py",
          "middle * mean + rise * slope", "middle * mean - rise * slope"),
    Fault("own points: a Gauss rule's place off by one", "numerics/functions/legendre.py",
          "counts * (counts - 1) // 2 - (ends - counts)", "counts * (counts - 1) // 2 - (ends - counts) - 1"),
    Fault("own points: a line rises from its middle twice as fast", "numerics/kernels/own_points.py",
          "difference, rise * difference", "difference, 2 * rise * difference"),
    Fault("own points: odd polynomials as if all points were right of the middle", "numerics/kernels/own_points.py",
          "work[SIGN + i] = 1.0 if t[p + i] >= 0 else -1.0", "work[SIGN + i] = 1.0"),
    # --- levels, networks, adaptive steps
    Fault("(14): one effect instead of the mean of two", "numerics/levels/stages.py",
          "np.array(path.effects() / 2)", "np.array(path.effects())"),
    Fault("(17): the penalty's change", "numerics/levels/stages.py",
          "math.fsum(float(np.sum((b + a) * (b - a)))", "math.fsum(float(np.sum(2 * a * (b - a)))"),
    Fault("(17): the gradient where the way begins", "numerics/levels/attribution.py",
          "start + t * (end - start))[1]", "start)[1]"),
    Fault("(17): a cell's part without its weight", "numerics/levels/attribution.py",
          "w * _products(evaluate(basis, x), factor, g, d, axis)", "_products(evaluate(basis, x), factor, g, d, axis)"),
    Fault("readout: the record itself is not left out", "numerics/readout/least_squares.py",
          "gaps = _without_own(gaps, part.columns, whole, hat, part.weights)", "pass"),
    Fault("readout: a record left out by a step without curvature", "numerics/readout/logistic.py",
          "np.eye(classes) - hat @ own.curvature", "np.eye(classes)"),
    Fault("readout: coordinates that belong to the mesh", "numerics/readout/design.py",
          "slab.pull_back_orthonormal(given).reshape(functions", "given.reshape(functions"),
    Fault("readout: constants that are penalised", "numerics/readout/reduced.py",
          "explained = np.linalg.pinv(u) @ (mean / total)", "explained = 0 * np.linalg.pinv(u) @ (mean / total)"),
    Fault("projection of functions: mass lost", "numerics/functions/fields_from.py",
          "coefficients=slab.riesz(loads)", "coefficients=loads", within="_project_slab"),
    Fault("functions: no interval is halved", "numerics/functions/integrals.py",
          "if not chosen:", "if chosen or not chosen:"),
    Fault("rules: waves are as smooth as constants", "numerics/functions/rules.py",
          "np.maximum(own, degree + _wave_degrees(frequency, left, right))", "np.maximum(own, degree)"),
    Fault("rules: a steep function is not cut", "numerics/functions/basis.py",
          "return _resolved(self) if self.steep", "return self.breakpoints if self.steep"),
    Fault("(14): the effect of the new weights alone", "numerics/levels/stages.py",
          "effects[1] - effects[0]", "effects[1]"),
    Fault("(14): the state of the step, not of the stage", "numerics/kernels/operators.py",
          "until[n, last] = until[n, i]", "until[n, last] = until[n, 0]"),
    Fault("random functions: mass lost", "numerics/functions/fields_from.py",
          "found = along(cho_solve(cho_factor(gram), tested), found, axis)", "found = along(tested, found, axis)"),
    Fault("symmetry: D of sines without its sign", "derive/spaces/symmetry.py",
          "Fraction(-f), Fraction(f)", "Fraction(f), Fraction(f)"),
    Fault("symmetry: the averages of sines", "derive/spaces/symmetry.py",
          "return sign * (near - far) / 2", "return sign * (near + far) / 2"),
    Fault("symmetry: odd polynomials reflected as even", "derive/spaces/symmetry.py",
          "-v if k % 2 else v", "v"),
    Fault("symmetry: a mirrored piece's cells in the old order", "derive/spaces/symmetry.py",
          "parts[:: piece.sign]", "parts"),
    Fault("convolution: κ seen the wrong way round", "derive/spaces/convolution.py",
          "[self.about - x for x in points]", "[x - self.about for x in points]"),
    Fault("convolution: the period's sign at the ends", "derive/spaces/convolution.py",
          "(node - 2, node, node + 2)", "(node - 1, node, node + 1)"),
    Fault("convolution: sin(ξ − s) as sin(ξ + s)", "derive/spaces/convolution.py",
          "at[k + 1] * own[k] - at[k] * own[k + 1]", "at[k + 1] * own[k] + at[k] * own[k + 1]"),
    Fault("networks: n/2 of the wrong width", "numerics/networks/continua.py",
          "[w * (w.shape[1] / 2)", "[w * (w.shape[0] / 2)"),
    Fault("networks: a layer behind the state's projection left out", "numerics/networks/continua.py",
          "return operator if before is None else operator @ before", "return operator"),
    Fault("stages: a second block of the same numbers left out", "numerics/networks/stages.py",
          'for first, _, left, _, start in tables["w_blocks"].tolist()',
          'for first, _, left, _, start in tables["w_blocks"][:1].tolist()'),
    Fault("expression: what cancels is no zero", "derive/exact/values.py", "CANCELLED = 1e-11", "CANCELLED = 0.0"),
    Fault("rank: what 60 digits cannot tell apart is dependent", "derive/exact/rank.py",
          "SURE = ((60, BEYOND), (400, 400))", "SURE = ((60, BEYOND),)"),
    Fault("rank: a prime decides", "derive/exact/rank.py", "for pivot, other in reduced:\n            if row[pivot]:",
          "for pivot, other in reduced:\n            if row[pivot] and pivot:"),
    Fault("seen: all stages weigh the same", "derive/spaces/stages.py",
          "[float(b) for b in spec.tableau.b]", "[1 / len(spec.tableau.b) for b in spec.tableau.b]"),
    Fault("suggestion: capitals are other letters", "derive/suggestion.py", 'name).lower()', 'name)'),
    Fault("adaptive: κ left out of h_{n+1}", "numerics/kernels/steps.py",
          "length * weights) + length * self.kappa * (weights @ rows)", "length * weights) + 0 * (weights @ rows)"),
    Fault("adaptive: a stage on the wrong side of a breakpoint", "numerics/kernels/steps.py",
          "start + length / 2) for", "start + length) for"),
    Fault("adapted: coordinates are not mapped back", "numerics/levels/adapted.py",
          "np.linalg.solve(factor.T, chosen)", "np.linalg.solve(factor, chosen)"),
)  # fmt: skip
