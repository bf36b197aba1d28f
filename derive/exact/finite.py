"""Formulas written so that they, and their derivatives, are finite where the values that are meant are.

Two things happen to a rate, an activation or a loss before a kernel is printed.

**Rewriting** (``rewritten``), by identities that hold for all real arguments. With D = Σ c_i exp(w_i), all c_i > 0,

    log D = w₁ + log c₁ + softplus(log(D − c₁ exp w₁) − w₁ − log c₁)           exp(v)/Dⁿ = exp(v − n log D)
    exp(w₁)/(c₁ exp w₁ + c₂ exp w₂) = sigmoid(x)/c₁,   (exp w₁ − exp w₂)/(exp w₁ + exp w₂) = tanh(x/2),
    x = w₁ − w₂ + log(c₁/c₂);   log sigmoid(x) = −softplus(−x);   √(a² + b²) = hypot(a, b)

cosh and sinh are sums of exponentials, too. The left sides overflow, or become ∞/∞, where the right sides do not:
sigmoid, softplus, tanh and hypot are printed so that they never do, and their derivatives are made of their values.

**Derivatives** (``differential``) by the chain rule, with two conventions where a product of two factors has no value:

- A root is never negative, so that it has a minimum where it is zero, and 0 is a subgradient there: the derivative of
  w^p, 0 < p < 1, and of hypot is 0 where the root is 0 (``over``). Elsewhere it is what it is.
- Where the derivative of the outer function is 0 in the kernel's numbers, that function does not change there, whatever
  its argument does: the product is 0, also where the argument's derivative overflows, as in tanh(exp u) (``chain``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, reduce
from typing import Any

from derive.exact.functions import sigmoid, softplus

# --- what derivatives and roots are made of ------------------------------------------------------------------


@cache
def hypot() -> Any:
    """√(a² + b²) as a SymPy class, which printers write without squares that overflow or vanish."""
    import sympy as sp

    class hypot(sp.Function):  # type: ignore[misc]
        nargs = 2

        def fdiff(self, argindex: int = 1) -> Any:
            return over()(self.args[argindex - 1], self)

        def _eval_evalf(self, precision: int) -> Any:
            return sp.sqrt(self.args[0] ** 2 + self.args[1] ** 2)._eval_evalf(precision)

        def _eval_is_extended_real(self) -> Any:
            return _real(self)

        def _eval_is_extended_nonnegative(self) -> Any:
            return _real(self)

        def _eval_is_extended_positive(self) -> Any:
            return True if _real(self) and any(a.is_extended_nonzero for a in self.args) else None

    return hypot


@cache
def over() -> Any:
    """a/b for b ≥ 0, and 0 where b is 0; so are its derivatives there."""
    import sympy as sp

    class over(sp.Function):  # type: ignore[misc]
        nargs = 2

        def fdiff(self, argindex: int = 1) -> Any:
            a, b = self.args
            return over(1, b) if argindex == 1 else -over(over(a, b), b)

        def _eval_is_extended_real(self) -> Any:
            return _real(self)

    return over


@cache
def chain() -> Any:
    """The product of a function's derivative and its argument's; 0 where the first is 0."""
    import sympy as sp

    return type("chain", (sp.Function,), {"nargs": 2, "_eval_is_extended_real": _real})


def apart(b: Any) -> bool:
    """Whether the denominator of an ``over`` is nowhere near 0: √(a² + …) with a number a."""
    return isinstance(b, hypot()) and any(a.is_number or apart(a) for a in b.args)


def _real(e: Any) -> Any:
    return True if all(a.is_extended_real for a in e.args) else None


def plain(expression: Any) -> Any:
    """The expression with quotients and products in place of ``over`` and ``chain``, for people and for algebra."""
    if not expression.args:
        return expression
    args = [plain(a) for a in expression.args]
    if isinstance(expression, over()):
        return args[0] / args[1]
    if isinstance(expression, chain()):
        return args[0] * args[1]
    return expression if all(a is b for a, b in zip(args, expression.args)) else expression.func(*args)


# --- derivatives --------------------------------------------------------------------------------------------


def differential(e: Any, along: Mapping[Any, Any]) -> Any:
    """Σ ∂e/∂x along[x], for an expression without cases."""
    import sympy as sp

    if e in along:
        return along[e]
    if not e.free_symbols & along.keys():
        return sp.Integer(0)
    if e.is_Add:
        return sp.Add(*(differential(a, along) for a in e.args))
    if e.is_Mul:
        return sp.Add(*(
            sp.Mul(*e.args[:k], differential(a, along), *e.args[k + 1 :]) for k, a in enumerate(e.args)
        ))  # fmt: skip
    if e.is_Pow:
        return _power(e, along)
    if isinstance(e, chain()):  # what is 0 comes first here, too
        first, second = e.args
        turned = differential(first, along)
        return (chain()(turned, second) if turned != 0 else 0) + _chained(first, differential(second, along))
    return sp.Add(*(_chained(e.fdiff(k + 1), differential(a, along)) for k, a in enumerate(e.args)))


def _power(e: Any, along: Mapping[Any, Any]) -> Any:
    import sympy as sp

    base, p = e.args
    inner = differential(base, along)
    if not p.is_number:  # a^b is printed as exp(b log a)
        return e * (differential(p, along) * sp.log(base) + p * inner / base)
    if not (p.is_Integer or base.is_positive) and 0 < p < 1:
        return over()(p * inner, base ** (1 - p))
    if p.is_negative:
        return _chained(p * base ** (p - 1), inner)
    return p * base ** (p - 1) * inner


def _chained(outer: Any, inner: Any) -> Any:
    """outer · inner, by ``chain`` where the inner derivative can overflow while the outer one vanishes."""
    if outer.is_number or _tame(inner):
        return outer * inner
    return chain()(outer, inner)


def _tame(e: Any) -> bool:
    """Whether an expression stays finite for finite symbols: bounded, or of first order in what is not."""
    import sympy as sp

    if _bounded(e) or e.is_Symbol:
        return True
    if isinstance(e, sp.Piecewise):
        return all(_tame(value) for value, _ in e.args)
    if e.is_Add:
        return all(map(_tame, e.args))
    if e.is_Mul:
        rest = [a for a in e.args if not _bounded(a)]
        return len(rest) == 1 and _tame(rest[0])
    return isinstance(e, (softplus(), hypot())) and all(map(_tame, e.args))


def _bounded(e: Any) -> bool:
    import sympy as sp

    if e.is_number or isinstance(e, (sp.tanh, sp.sin, sp.cos, sp.erf, sp.atan, sigmoid())):
        return True
    if isinstance(e, over()):
        return isinstance(e.args[1], hypot())
    if e.is_Add or e.is_Mul:
        return all(map(_bounded, e.args))
    return bool(e.is_Pow and e.exp.is_Integer and e.exp.is_positive and _bounded(e.base))


# --- rewriting ----------------------------------------------------------------------------------------------

# c_i of every w_i in Σ c_i exp(w_i)
Exponentials = dict[Any, Any]


def rewritten(e: Any) -> Any:
    """The expression by the identities above, from the inside out; a product is taken whole."""
    import sympy as sp

    if not e.args:
        return e
    if e.is_Mul or e.is_Pow:
        return _quotient(sp.Mul(*map(_factor, sp.Mul.make_args(e))))
    e = _rebuilt(e)
    return _logarithm(e) if isinstance(e, sp.log) else e


def _factor(e: Any) -> Any:
    """A factor rewritten inside, and as a root."""
    if not e.is_Pow:
        return rewritten(e)
    e = _rebuilt(e)
    return _root(e) if e.is_Pow and e.exp.is_Rational else e


def _rebuilt(e: Any) -> Any:
    args = [rewritten(a) for a in e.args]
    return e if all(a is b for a, b in zip(args, e.args)) else e.func(*args)


def _logarithm(e: Any) -> Any:
    (a,) = e.args
    found = _positive(a, 1)
    if found:
        return _log_of_sum(found)
    for s, sign in ((a, -1), (1 - a, 1)):  # log sigmoid(x), log(1 − sigmoid(x))
        if isinstance(s, sigmoid()):
            return -softplus()(sign * s.args[0])
    return e


def _root(e: Any) -> Any:
    """D^p as exp(p log D), and (a² + b² + …)^p as hypot(a, b, …)^(2p), for a p that is no whole number."""
    import sympy as sp

    if e.exp.is_Integer or not e.base.is_Add:
        return e
    terms = _positive(e.base)
    if terms:
        return sp.exp(e.exp * _log_of_sum(terms)) if e.exp.is_positive else e
    sides = [_side(term) for term in sorted(e.base.args, key=str)]
    return e if any(side is None for side in sides) else reduce(hypot(), sides) ** (2 * e.exp)


def _side(term: Any) -> Any:
    """a where the term is a² for all real values of its symbols, else None."""
    import sympy as sp

    side = sp.Integer(1)
    for factor in sp.Mul.make_args(term):
        if factor.is_Pow and factor.exp.is_Integer and factor.exp.is_even and factor.base.is_extended_real:
            side *= factor.base ** (factor.exp / 2)
        elif isinstance(factor, sp.exp):
            side *= sp.exp(factor.args[0] / 2)
        elif factor.is_number and factor.is_positive:
            side *= sp.sqrt(factor)
        else:
            return None
    return side


MOST = 16  # terms of a sum of exponentials


def _exponentials(e: Any) -> Exponentials | None:
    """c_i and w_i where an expression is Σ c_i exp(w_i) with numbers c_i; None where it is not."""
    found: Exponentials = {}
    for term in e.args if e.is_Add else (e,):
        product = _product(term)
        if product is None:
            return None
        for w, c in product.items():
            found[w] = found.get(w, 0) + c
    return {w: c for w, c in found.items() if c != 0} if len(found) <= MOST else None


def _product(term: Any) -> Exponentials | None:
    import sympy as sp

    one = sp.Integer(1)
    found: Exponentials = {sp.Integer(0): one}
    for factor in sp.Mul.make_args(term):
        base, count = (factor.base, factor.exp) if factor.is_Pow else (factor, one)
        if factor.is_number:
            own: Exponentials | None = {sp.Integer(0): factor}
            count = one
        elif isinstance(base, (sp.cosh, sp.sinh)):
            sign = 1 if isinstance(base, sp.cosh) else -1
            own = {base.args[0]: one / 2, -base.args[0]: sign * one / 2}
        elif isinstance(base, sp.exp):
            own = {base.args[0]: one}
        else:
            own = _exponentials(base) if base.is_Add else None
        if own is None or not (count.is_Integer and 0 < count <= MOST and len(own) ** count * len(found) <= MOST):
            return None
        for _ in range(int(count)):
            found = _multiplied(found, own)
    return found


def _multiplied(first: Exponentials, second: Exponentials) -> Exponentials:
    found: Exponentials = {}
    for w, c in first.items():
        for v, d in second.items():
            found[w + v] = found.get(w + v, 0) + c * d
    return found


def _positive(e: Any, least: int = 2) -> Exponentials | None:
    """The same with at least so many terms, whose numbers are positive."""
    found = _exponentials(e) if e.free_symbols else None
    return found if found and len(found) >= least and all(c.is_positive for c in found.values()) else None


def _log_of_sum(terms: Exponentials) -> Any:
    """log Σ c_i exp(w_i), from the last term to the first."""
    import sympy as sp

    *others, last = (w + sp.log(terms[w]) for w in _in_order(terms))
    for own in reversed(others):
        last = own + softplus()(last - own)
    return last


def _in_order(terms: Exponentials) -> list[Any]:
    """Numbers first: log(1 + exp u) is softplus(u)."""
    return sorted(terms, key=lambda w: (not w.is_number, str(w)))


def _quotient(e: Any) -> Any:
    """Exponentials over D^n, for every such D among the factors; those that a D is a part of come first."""
    import sympy as sp

    factors = _one_exponential(sp.Mul.make_args(e))
    above = [found for a in factors for found, _ in _counted(a)]
    below = []
    for factor in factors:
        if factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative:
            terms = _positive(factor.base)
            if terms:
                below.append((not any(own.keys() <= terms.keys() for own in above), str(factor), factor, terms))
    if not below:
        return sp.Mul(*factors)
    *_, factor, terms = min(below, key=lambda found: found[:2])
    return _quotient(_over([a for a in factors if a != factor], terms, -factor.exp))


def _one_exponential(factors: Any) -> list[Any]:
    """The factors with one exponential in place of all: exp(a) exp(b) may be ∞ · 0."""
    import sympy as sp

    exponents = [a.args[0] for a in factors if isinstance(a, sp.exp)]
    rest = [a for a in factors if not isinstance(a, sp.exp)]
    return [*rest, sp.exp(sp.Add(*exponents))] if len(exponents) > 1 else list(factors)


def _counted(factor: Any) -> list[tuple[Exponentials, Any]]:
    """A factor that is a sum of exponentials, or its modulus, as often as its power says."""
    import sympy as sp

    base, count = (factor.base, factor.exp) if factor.is_Pow else (factor, sp.Integer(1))
    if not (base.has(sp.exp, sp.sinh, sp.cosh) and count.is_Integer and count.is_positive):
        return []
    found = _exponentials(base.args[0] if isinstance(base, sp.Abs) else base)
    return [(found, base)] * int(count) if found else []


def _over(factors: list[Any], terms: Exponentials, n: Any) -> Any:
    """The product of factors over (Σ c_i exp w_i)^n, which is positive."""
    import sympy as sp

    one = ({sp.Integer(0): sp.Integer(1)}, sp.Integer(1))
    sums = [found for a in factors for found in _counted(a)]
    shares = [a for a in factors if not _counted(a)]
    sums.sort(key=lambda found: not found[0].keys() <= terms.keys())
    while n >= 1 and (sums or 0 in terms):
        own, base = sums[0] if sums else one
        if not own.keys() <= terms.keys():
            break
        shares.append(sp.Abs(_share(own, terms)) if isinstance(base, sp.Abs) else _share(own, terms))
        sums, n = sums[1:], n - 1
    if n:
        total = n * _log_of_sum(terms)
        own, base = sums[0] if sums else one
        share = sp.Add(*(c * sp.exp(w - total) for w, c in own.items()))
        shares.append(sp.Abs(share) if isinstance(base, sp.Abs) else share)
        sums = sums[1:]
    return sp.Mul(*shares, *(base for _, base in sums))


def _share(own: Exponentials, terms: Exponentials) -> Any:
    """Σ n_i exp(w_i) over Σ c_i exp(w_i), every w_i of the first being one of the second."""
    import sympy as sp

    if len(terms) > 2:
        total = _log_of_sum(terms)
        return sp.Add(*(c * sp.exp(w - total) for w, c in own.items()))
    first, second = _in_order(terms)
    if first not in own:
        first, second = second, first
    high, low = own.get(first, 0) / terms[first], own.get(second, 0) / terms[second]
    x = first - second + sp.log(terms[first] / terms[second])
    if high == -low:
        return high * sp.tanh(x / 2)
    return low + (high - low) * sigmoid()(x)
