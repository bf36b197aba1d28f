"""The semi-discrete network of a spec in NumPy, straight from the derivation's exact tables.

Nothing here is printed, compiled or stored: tables come from ``derive.galerkin``, the rate and the loss are SymPy
expressions evaluated node by node, stages follow the tableau as textbooks have it, κ not eliminated, implicit ones by a
dense Newton method. Any dtype works, complex numbers included. ``numerics.verify`` measures the kernels against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.special

from derive.spec import Spec, step_lengths

if TYPE_CHECKING:
    from derive.equation import Equation
    from derive.galerkin import SemiDiscrete

Array = np.ndarray
# Coefficients, slab by slab: W (i, j, k, out, in), or (m, k, out, in) with symmetries or of κ, b (i, k, out),
# V (i, k, out, in)
# and, in one slab, the learned parameters (their number, channels).
Fields = Mapping[str, Sequence[Array]]

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "tanh": np.tanh, "sinh": np.sinh, "cosh": np.cosh, "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "atan": np.arctan, "erf": scipy.special.erf,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "softplus": lambda x: np.log(1 + np.exp(x)),
    "floor": lambda x: np.floor(np.real(x)),
}  # fmt: skip
RELATIONS: dict[str, Callable[..., Any]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal
}  # fmt: skip


def value(expression: Any, values: Mapping[str, Any]) -> Any:
    """A SymPy expression at NumPy values of its symbols, complex ones too; conditions look at real parts."""
    if expression.is_Symbol:
        return values[expression.name]
    if expression.is_number:
        return float(expression.evalf(30))
    if expression.is_Add:
        return sum(value(a, values) for a in expression.args)
    if expression.is_Mul:
        return np.prod(np.broadcast_arrays(*(value(a, values) for a in expression.args)), axis=0)
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
        values = dict(zip(names, parts)) | {"h": h}
        values |= {name: np.asarray(a)[:, None] for name, a in zip(self.equation.learned, parameters)}
        return value(self.equation.rho, values) + 0 * (parts[0] + h)

    @cached_property
    def tables(self) -> list[dict[str, Array]]:
        return [{name: table.to_float() for name, table in form.tables.items()} for form in self.forms]

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
        return x if self.spec.inputs is None else np.einsum("cf,nfr->ncr", fields["P"][0], x)

    def slopes(self, fields: Fields, k: int) -> Slopes:
        """The right-hand side in slab k."""
        form, w = self.forms[k], fields["W"][k]
        if form.weight is not None:
            sizes = (form.bases["weight_out"].size, form.bases["weight_in"].size)
            whole = np.zeros((*sizes, *w.shape[1:]), w.dtype)
            for m, i, j, number in form.weight.entries:
                whole[i, j] += float(number) * w[m]
            w = whole
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

    def readout(self, r: Array, a: Array, y: Array) -> Array:
        """z (outputs, N) of a functional readout."""
        from derive import bases, inner_product

        assert self.spec.readout is not None
        g = inner_product.gram(bases.build(self.spec.readout), self.forms[-1].bases["state"]).to_float()
        return np.asarray(np.einsum("ioc,ij,jcn->on", r, g, y) + a[:, None])

    def loss(self, z: Array, target: Array) -> Any:
        """The mean loss of readout values (outputs, N)."""
        import sympy as sp

        from derive import registry
        from derive.equation import with_cases
        from derive.expression import parse

        name = self.spec.loss
        entry = registry.entry("losses", name) if name in registry.names("losses") else None
        texts, total = (entry.SUMS, entry.VALUE) if entry else ({"sum": name}, "sum")
        symbols = {key: sp.Symbol(key, real=True) for key in ("z", "t", *texts)}
        sums = {}
        for key, text in texts.items():
            term = with_cases(parse(text, {k: symbols[k] for k in ("z", "t")}))
            sums[key] = np.sum(value(term, {"z": z, "t": target}) + 0 * z, axis=0)
        return np.mean(value(parse(total, {key: symbols[key] for key in texts}), sums))


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
        inner = np.einsum("jl,lcn->jcn", t[coupling], h)
        if self.w.ndim == 4:  # κ: every node has couplings of its own
            seen = inner.reshape(-1, len(self.w), *inner.shape[1:])
            u = np.einsum("k,mkoc,qmcn->qon", theta, self.w, seen)
        else:
            w = np.einsum("k,qi,ijkoc->qjoc", theta, t["Phi"], self.w)
            u = np.einsum("qjoc,jcn->qon", w, inner)
        u = u + np.einsum("k,qi,iko->qo", vartheta, t["Psi"], self.beta)[:, :, None]
        at = np.einsum("qj,jcn->qcn", t[at_nodes], h)
        if self.v is not None:
            u = u + np.einsum("k,qi,ikoc,qcn->qon", vartheta, t["Psi"], self.v, at)
        rho = self.network.rho(u, at, self.parameters)
        return np.asarray(np.einsum("jq,qcn->jcn", t["A"], rho))


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
            k = flat.reshape(stages, size, channels, 1)
            ends = [slope(i, start + np.einsum("j,jncr->ncr", sa[i], k)) for i in range(stages)]
            return np.asarray(np.ravel(ends) - flat)

        k = np.zeros(stages * channels * size, dtype=kind)
        for _ in range(60):
            real = k.real + 0j
            columns = [(left(real + 1e-30j * e) - left(real)).imag / 1e-30 for e in np.eye(len(k))]
            change = np.linalg.solve(np.array(columns).T, left(k))
            k = k - change
            if np.max(np.abs(change)) <= 1e-14 * np.max(np.abs(k)):
                break
        solved = np.max(np.abs(change)) <= 1e-8 * np.max(np.abs(k))  # else there may be no solution
        found[..., r] = k.reshape(stages, size, channels) if solved else np.nan
    return found
