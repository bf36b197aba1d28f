"""The semi-discrete network of a spec in NumPy, straight from the derivation's exact tables.

Nothing here is printed, compiled or stored: tables come from ``derive.galerkin``, the rate is a SymPy expression,
evaluated node by node, losses, maxima and shares are formulas, stages follow the tableau as textbooks have it, κ not
eliminated, implicit ones by a dense Newton method. Any dtype works, complex numbers included. ``numerics.verify``
measures the kernels against it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.special

from derive.spec import Spec, of_axis, step_lengths

if TYPE_CHECKING:
    from derive.equation import Equation
    from derive.galerkin import SemiDiscrete

Array = np.ndarray
# Coefficients, slab by slab: W (i, j, k, out, in), or (m, k, out, in) with symmetries or of κ, b (i, k, out),
# V (i, k, out, in) and, in one slab, the learned parameters (their number, channels); i, j and m are of the products
# of the functions along all axes (``continuum.whole``).
Fields = Mapping[str, Sequence[Array]]

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Max": lambda *x: reduce(np.maximum, x), "Min": lambda *x: reduce(np.minimum, x), "Abs": np.abs,
    "sign": np.sign,
    "tanh": np.tanh, "sinh": np.sinh, "cosh": np.cosh, "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "atan": np.arctan, "erf": scipy.special.erf,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "softplus": lambda x: np.log(1 + np.exp(x)),
    "hypot": lambda x, y: np.sqrt(x**2 + y**2), "floor": lambda x: np.floor(np.real(x)),
}  # fmt: skip
RELATIONS: dict[str, Callable[..., Any]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal
}  # fmt: skip


def _distance(z: Array, t: Array) -> Any:
    return np.sum((z - t) ** 2, axis=0)


def _partition(z: Array) -> Any:
    top = np.real(z).max(axis=0)
    return top + np.log(np.sum(np.exp(z - top), axis=0))


def _huber(z: Array, t: Array) -> Any:
    r = np.where(np.real(z) < np.real(t), t - z, z - t)
    return np.sum(np.where(np.real(r) <= 1, r**2 / 2, r - 0.5), axis=0)


# name → the losses of readout values and targets (outputs, N), complex ones too; functions in orthonormal coordinates
LOSSES: dict[str, Callable[[Array, Array], Any]] = {
    "l2": _distance,
    "h1": _distance,
    "huber": _huber,
    "relative-l2": lambda z, t: np.sqrt(_distance(z, t) / np.sum(t**2, axis=0)),
    "cross-entropy": lambda z, t: t.sum(axis=0) * _partition(z) - np.sum(t * z, axis=0),
    "kullback-leibler": lambda z, t: np.sum(scipy.special.xlogy(t, t), axis=0) + _partition(z) - np.sum(t * z, axis=0),
}


def summand(loss: str) -> str:
    """g(z, t) of a loss that is a sum over the outputs: one's own expression, or what the file of a named one says."""
    from derive import registry

    if loss not in registry.names("losses"):
        return loss
    (text,) = registry.entry("losses", loss).SUMS.values()
    return str(text)


def value(expression: Any, values: Mapping[str, Any]) -> Any:
    """A SymPy expression at NumPy values of its symbols, complex ones too; conditions look at real parts."""
    if expression.is_Symbol:
        return values[expression.name]
    if expression.is_number:
        return float(expression.evalf(30))
    if expression.is_Add:
        return sum(value(a, values) for a in expression.args)
    if expression.is_Mul:
        return reduce(operator.mul, (value(a, values) for a in expression.args))
    if expression.is_Pow:
        base, exponent = (value(a, values) for a in expression.args)
        return base ** (int(exponent) if exponent == int(exponent) else exponent)
    if expression.is_Piecewise:
        found: Any = 0.0
        for piece, condition in reversed(expression.args):
            met: Any = True
            if condition not in (True,) and str(condition) != "True":
                sides = (np.real(value(side, values)) for side in (condition.lhs, condition.rhs))
                met = RELATIONS[condition.rel_op](*sides)
            found = np.where(met, value(piece, values), found)
        return found
    return FUNCTIONS[type(expression).__name__](*(value(a, values) for a in expression.args))


@dataclass(frozen=True)
class Reference:
    """A spec's network: its equation and the exact tables of every slab."""

    spec: Spec
    equation: Equation
    forms: tuple[SemiDiscrete, ...]

    @classmethod
    def of(cls, spec: Spec) -> Reference:
        """Derive what is needed; takes as long as the tables do. Raises DerivationError."""
        from derive import equation, galerkin

        made = equation.derive(spec)
        return cls(spec, made, galerkin.semidiscrete(spec, made))

    def rho(self, u: Any, h: Any, parameters: Any = ()) -> Any:
        """ρ(u, h); u has the pre-activations of each channel one after the other in its second axis (…, g·c, N).

        parameters: the learned ones, (their number, c).
        """
        names = self.equation.pre_activations
        parts = [u] if len(names) == 1 else np.split(u, len(names), axis=-2)
        if self.spec.normalise is not None:
            epsilon = float(self.spec.normalise)
            parts = [part / np.sqrt(np.mean(part**2, axis=-2, keepdims=True) + epsilon) for part in parts]
        values = dict(zip(names, parts)) | {"h": h}
        values |= {name: np.asarray(a)[:, None] for name, a in zip(self.equation.learned, parameters)}
        return value(self.equation.rho, values) + 0 * (parts[0] + h)

    @cached_property
    def tables(self) -> list[dict[str, Array]]:
        """Every table, those that a stage applies on the whole domain."""
        found = [{name: table.to_float() for name, table in form.tables.items()} for form in self.forms]
        for form, tables in zip(self.forms, found):
            for name in ("Phi", "C", "X", "A", "M_h"):
                factors = [tables[of_axis(name, axis)] for axis in range(form.dimension)]
                by_node = name == "C" and self.spec.operator.by_node
                tables[name] = _by_node(form, factors) if by_node else reduce(np.kron, factors)
        return found

    def final(self, fields: Fields, h: Array) -> Array:
        """h(·, 1) as coefficients (n, channels, N), from those of the records (entry size, channels, N).

        With a lift the records have its channels, and those of the constant function as one more.
        """
        h = self.lifted(fields, h)
        for k, (form, steps) in enumerate(zip(self.forms, step_lengths(self.spec))):
            arrived = h if form.entry else None
            if arrived is not None:
                h = np.einsum("ij,jcn->icn", self.tables[k]["P_entry"], h)
            slopes = self.slopes(fields, k)
            for n, (_, length) in enumerate(steps):
                h = self._step(slopes, n, float(length), h, arrived if n == 0 else None)
        return h

    def lifted(self, fields: Fields, x: Array) -> Array:
        """h(·, 0)."""
        if self.spec.inputs is None:
            return x
        p = fields["P"][0]
        return np.asarray(np.einsum("cf,nfr->ncr", p if p.ndim == 2 else np.hstack(list(p)), x))

    def slopes(self, fields: Fields, k: int) -> Slopes:
        """The right-hand side in slab k."""
        form, w = self.forms[k], fields["W"][k]
        if form.weights:
            w = _unfolded(form, w)
        v = fields["V"][k] if self.spec.local else None
        parameters = fields["parameters"][0] if self.spec.learned else ()
        return Slopes(self, form, self.tables[k], w, fields["b"][k], v, parameters)

    def _step(self, slopes: Slopes, n: int, s: float, h: Array, arrived: Array | None) -> Array:
        tableau = self.spec.tableau
        a = np.array([[float(v) for v in row] for row in tableau.a])
        b = [float(v) for v in tableau.b]
        if not tableau.explicit:
            k: list[Array] = list(_implicit(lambda i, stage: slopes(n, i, stage), h, s * a))
        else:
            k = []
            for i, row in enumerate(a):
                stage = h + s * sum((x * m for x, m in zip(row, k)), 0 * h)
                k.append(slopes(n, i, stage) if i or arrived is None else slopes.arriving(n, arrived))
        return np.asarray(h + s * sum(x * m for x, m in zip(b, k)))

    def readout(self, fields: Fields, y: Array) -> Array:
        """z (outputs, N) of a functional readout of y (n, channels, N)."""
        from derive.spaces.basis import build
        from derive.spaces.products import gram

        assert self.spec.readout is not None
        zeta = [build(self.spec.readout.along(axis)) for axis in range(self.spec.dimension)]
        states = [self.forms[-1].bases[role] for role in self.spec.along_axes("state")]
        g = reduce(np.kron, [gram(a, b).to_float() for a, b in zip(zeta, states)])
        z = np.einsum("ioc,ij,jcn->on", fields["R"][0], g, y) + fields["a"][0][:, None]
        if self.spec.beside:
            z = z + fields["Q"][0] @ self.beside(y)
        return np.asarray(z)

    def output(self, fields: Fields, y: Array) -> Array:
        """Coefficients (n, outputs, N) of the L2 projection of R(ξ) y(ξ) + a(ξ), by Gauss points."""
        tables = [self._at_gauss_points(axis) for axis in range(self.spec.dimension)]
        psi, chi, weights = (reduce(np.kron, parts) for parts in zip(*tables))
        r, a = (part if self.spec.readout_width else part[None] for part in (fields["R"][0], fields["a"][0]))
        values = np.einsum("qi,ioc,qj,jcn->qon", psi, r, chi, y, optimize=True) + (psi @ a)[:, :, None]
        tested = chi.T * weights
        return np.asarray(np.tensordot(np.linalg.solve(tested @ chi, tested), values, 1))

    def _at_gauss_points(self, axis: int) -> tuple[Array, Array, Array]:
        """The readout's functions and the state's at Gauss points of an axis, and the weights there."""
        from derive.spaces.basis import build
        from derive.spaces.products import evaluate
        from derive.spaces.rules import gauss_rule
        from derive.spec import CONSTANT

        width = build((self.spec.readout_width or CONSTANT).along(axis))
        state = self.forms[-1].bases[of_axis("state", axis)]
        breaks = tuple(sorted({*width.breakpoints, *state.breakpoints}))
        rule = gauss_rule(breaks, 2 * (state.size + width.size) if len(breaks) < 9 else 16)
        psi, chi = (evaluate(basis, rule).to_float() for basis in (width, state))
        return psi, chi, rule.weights.to_float().ravel()

    def beside(self, y: Array) -> Array:
        """Smooth maxima (channels, N) of y (n, channels, N), or shares (levels · channels, N) above levels.

        M_h A = Xᵀ diag(ω) says what the weights ω are.
        """
        x, t = self.tables[-1]["X"], self.tables[-1]
        tested = t["M_h"] @ t["A"]
        weights = np.einsum("jq,qj->q", tested, x) / np.sum(x**2, axis=1) / 2**self.spec.dimension
        values = np.einsum("qj,jcn->qcn", x, y)
        if self.spec.shares is not None:
            width = float(self.spec.shares.width)
            steps = [(1 + np.tanh((values - float(level)) / (2 * width))) / 2 for level in self.spec.shares.levels]
            return np.concatenate([np.einsum("q,qcn->cn", weights, step) for step in steps])
        assert self.spec.maximum is not None
        beta = float(self.spec.maximum)
        top = values.real.max(axis=0)
        return np.asarray(top + np.log(np.einsum("q,qcn->cn", weights, np.exp(beta * (values - top)))) / beta)

    def loss(self, z: Array, target: Array) -> Any:
        """The mean loss of readout values (outputs, N)."""
        import sympy as sp

        from derive.exact.expression import parse
        from derive.kinks import with_cases

        if self.spec.loss in LOSSES:
            return np.mean(LOSSES[self.spec.loss](z, target))
        symbols = {key: sp.Symbol(key, real=True) for key in ("z", "t")}
        term = with_cases(parse(summand(self.spec.loss), symbols))
        return np.mean(np.sum(value(term, {"z": z, "t": target}) + 0 * z, axis=0))


def _by_node(form: SemiDiscrete, factors: Sequence[Array]) -> Array:
    """The couplings of κ on the whole domain, of every node and product of kernels, from those of the axes."""
    shapes = [(len(points.to_float()), -1, factor.shape[1]) for points, factor in zip(form.nodes, factors)]
    found = np.ones((1, 1, 1))
    for factor, shape in zip(factors, shapes):
        both = np.einsum("qml,rns->qrmnls", found, factor.reshape(shape))
        found = both.reshape([both.shape[k] * both.shape[k + 1] for k in (0, 2, 4)])
    return np.asarray(found.reshape(-1, found.shape[2]))


def _unfolded(form: SemiDiscrete, z: Array) -> Array:
    """w_ij (i, j, …) of the coefficients z_m (m, …) that symmetries leave; N is a Kronecker product."""
    factors: list[Array] = []
    for axis, weight in enumerate(form.weights):
        n = np.zeros((weight.size, *(form.bases[of_axis(role, axis)].size for role in ("weight_out", "weight_in"))))
        for m, i, j, number in weight.entries:
            n[m, i, j] += float(number)
        factors.append(n)
    whole = factors[0]
    for n in factors[1:]:
        whole = np.kron(whole, n)
    return np.asarray(np.einsum("mij,m...->ij...", whole, z))


@dataclass(frozen=True)
class Slopes:
    """F(h, δ) of (5) at the stages of one slab."""

    network: Reference
    form: SemiDiscrete
    tables: dict[str, Array]
    w: Array
    beta: Array
    v: Array | None = None
    parameters: Any = ()

    def __call__(self, n: int, i: int, h: Array) -> Array:
        return self._rate(n, i, h, "C", "X")

    def arriving(self, n: int, h: Array) -> Array:
        """The first stage of a slab sees the state as it arrives, but for its linear part (section 3)."""
        kappa = float(self.form.kappa)
        straight = self._rate(n, 0, h, "C_entry", "X_entry")
        if not kappa:
            return straight  # the whole rate depends on u alone, or on h in no constant way
        linear = np.einsum("jq,qi,icn->jcn", self.tables["A"], self.tables["X_entry"], h)
        projected = np.einsum("ij,jcn->icn", self.tables["P_entry"], h)
        return np.asarray(straight + kappa * (projected - linear))

    def _rate(self, n: int, i: int, h: Array, coupling: str, at_nodes: str) -> Array:
        theta = self.tables["theta"][self.form.operator_index[n][i]]
        return self.between(theta, self.tables["vartheta"][self.form.bias_index[n][i]], h, coupling, at_nodes)

    def between(self, theta: Array, vartheta: Array, h: Array, coupling: str = "C", at_nodes: str = "X") -> Array:
        """F(h, δ) at any depth, from the values there of the depth bases of W and b."""
        t = self.tables
        inner = _applied(t[coupling], h)
        if self.w.ndim == 4:  # κ: every node has couplings of its own
            seen = inner.reshape(-1, len(self.w), *inner.shape[1:])
            u = np.einsum("k,mkoc,qmcn->qon", theta, self.w, seen, optimize=True)
        else:
            w = np.einsum("qi,ijoc->qojc", t["Phi"], np.einsum("k,ijkoc->ijoc", theta, self.w))
            u = (w.reshape(w.shape[0] * w.shape[1], -1) @ inner.reshape(-1, inner.shape[2])).reshape(*w.shape[:2], -1)
        u = u + np.einsum("k,qi,iko->qo", vartheta, t["Psi"], self.beta)[:, :, None]
        at = _applied(t[at_nodes], h)
        if self.v is not None:
            v = np.einsum("qi,ioc->qoc", t["Psi"], np.einsum("k,ikoc->ioc", vartheta, self.v))
            u = u + np.einsum("qoc,qcn->qon", v, at)
        rho = self.network.rho(u, at, self.parameters)
        return _applied(t["A"], rho)


def _applied(table: Array, h: Array) -> Array:
    """A table (rows, n) on h (n, channels, records)."""
    return np.asarray((table @ h.reshape(len(h), -1)).reshape(-1, *h.shape[1:]))


def _implicit(slope: Callable[[int, Array], Array], h: Array, sa: Array) -> Array:
    """k_i = slope(i, h + Σ_j sa_ij k_j), record by record, by Newton's method with a dense complex-step Jacobian.

    NaN for a record whose stages it does not solve.
    """
    stages, (size, channels, records) = len(sa), h.shape
    kind = np.result_type(slope(0, h))  # complex where the fields are
    found = np.zeros((stages, size, channels, records), dtype=kind)
    for r in range(records):
        start = h[:, :, r : r + 1]

        def left(flat: Array, start: Array = start) -> Array:
            """What is left of the equations for columns of unknowns, as many as there are."""
            k = flat.reshape(stages, size, channels, -1)
            ends = [slope(i, start + np.einsum("j,jncr->ncr", sa[i], k)) for i in range(stages)]
            return np.asarray(np.reshape(ends, flat.shape) - flat)

        k, last = np.zeros(stages * channels * size, dtype=kind), np.inf
        for _ in range(60):
            real = k[:, None].real + 0j
            jacobian = (left(real + 1e-30j * np.eye(len(k))) - left(real)).imag / 1e-30
            change = np.linalg.solve(jacobian, left(k[:, None])[:, 0])
            k = k - change
            step = np.max(np.abs(change)) / (np.max(np.abs(k)) or 1.0)
            if step <= 1e-14 or last <= step <= 1e-10:  # rounding may stay above the first
                break
            last = step
        solved = step <= 1e-8  # else there may be no solution
        found[..., r] = k.reshape(stages, size, channels) if solved else np.nan
    return found
