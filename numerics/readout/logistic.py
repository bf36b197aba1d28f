"""Softmax regression onto classes or probabilities by Newton's method, its penalty by leaving records out.

The loss is convex in the readout. A shift of all outputs of a record changes no probability, and a penalised readout
has none: scores are taken along contrasts, K − 1 orthonormal directions across the K outputs that sum to zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.special import logsumexp, xlogy

from derive.errors import TrainingError
from numerics.kernels import threads
from numerics.readout.reduced import Reduced

Array = np.ndarray

STEPS, HALVINGS = 50, 30  # of Newton's method at most, and of a step
ENOUGH = 1e-13  # decrease of the loss that Newton's method expects when it ends
SHARES = (0.0, 1e-12, 1e-9, 1e-6, 1e-3)  # of the largest curvature, the first that directions without any need
FLOOR = 1e-10  # penalty of the constants, which have no other: those of classes without records stay finite


@dataclass(frozen=True, eq=False)
class Scores:
    """Some records at a solution. z: columns with a one behind (n, r + 1); along contrasts scores (n, K − 1), dL/d of

    these, and the second derivatives (n, K − 1, K − 1), with the records' weights; value: the weighted loss.
    """

    z: Array
    scores: Array
    slope: Array
    curvature: Array
    value: float


def solve(reduced: Reduced) -> tuple[Array, Array, float, float]:
    """What minimises the mean loss + penalty · ‖R, Q‖²: along (r, outputs) and free (1, outputs).

    Then the penalty, and the mean loss of records left out, each by one step of Newton's method from the solution of
    all (Rahnama Rad and Maleki 2020): exact up to the curvature's change.
    """
    outputs = reduced.design.outputs
    unknowns = (len(reduced.squares) + 1) * (outputs - 1)
    threads.room(8 * 3 * unknowns**2, f"second derivatives by {unknowns:,} coefficients of a readout")
    problem = _Problem(reduced, contrasts(outputs))
    theta, best = np.zeros((len(reduced.squares) + 1, outputs - 1)), None
    for penalty in reduced.penalties:  # from the largest on, each from the solution of the one before
        theta = problem.minimised(theta, float(penalty))
        error = problem.left_out(theta, float(penalty))
        if best is None or error < best[2]:
            best = theta, float(penalty), error
    assert best is not None
    found = best[0] @ problem.across.T
    return found[:-1], found[-1:], best[1], best[2]


def contrasts(outputs: int) -> Array:
    """(K, K − 1): orthonormal columns, each with the sum zero."""
    found = np.zeros((outputs, outputs - 1))
    for k in range(1, outputs):
        found[:k, k - 1], found[k, k - 1] = 1, -k
        found[:, k - 1] /= np.sqrt(k * (k + 1))
    return found


def _factored(curvature: Array) -> tuple[Array, bool]:
    """The Cholesky factor; directions without curvature, of a class without records for one, are given a little."""
    for share in SHARES:
        try:
            return cho_factor(curvature + share * np.max(np.diag(curvature)) * np.eye(len(curvature)))  # type: ignore[no-any-return]
        except LinAlgError:
            continue
    raise TrainingError(
        "scores without curvature in the readout", "features of records that differ", "records that are alike, or "
        "numbers near the largest that there are", "scale the records, or leave these out",
    )  # fmt: skip


class _Problem:
    """The loss of a readout theta (r + 1, K − 1), the constants last, and its derivatives."""

    def __init__(self, reduced: Reduced, across: Array) -> None:
        self.reduced, self.across = reduced, across

    def minimised(self, theta: Array, penalty: float) -> Array:
        """Newton's method, with steps that are halved until they lower the loss."""
        value, slope, curvature = self._second_order(theta, penalty)
        for _ in range(STEPS):
            way = -cho_solve(_factored(curvature), slope.T.ravel()).reshape(slope.T.shape).T
            expected = -float(np.sum(way * slope))
            if expected <= ENOUGH * (1 + value):
                break
            for _ in range(HALVINGS):
                if self._value(theta + way, penalty) <= value - 1e-4 * expected:
                    break
                way, expected = way / 2, expected / 2
            else:
                break
            theta = theta + way
            value, slope, curvature = self._second_order(theta, penalty)
        return theta

    def left_out(self, theta: Array, penalty: float) -> float:
        """The mean loss of records whose own part of the loss, and their versions', is taken back by one Newton step.

        Versions of a record lie behind each other.
        """
        *_, curvature = self._second_order(theta, penalty)
        size, classes = theta.shape
        inverse = cho_solve(_factored(curvature), np.eye(len(curvature)))
        blocks = inverse.reshape(classes, size, classes, size)
        found = 0.0
        for (own, targets, weights) in self._parts(theta):
            together = own.z.reshape(-1, self.reduced.design.versions, size)
            groups, versions, _ = together.shape
            hat = np.empty((groups, versions, classes, versions, classes))
            for k in range(classes):
                for l in range(classes):
                    hat[:, :, k, :, l] = (together @ blocks[k, :, l]) @ together.swapaxes(1, 2)
            hat = (hat / self.reduced.total).reshape(groups, versions * classes, versions, 1, classes)
            curvature = own.curvature.reshape(groups, 1, versions, classes, classes)
            taken = (hat @ curvature).reshape(groups, versions * classes, -1)
            pull = hat.reshape(taken.shape) @ own.slope.reshape(groups, -1, 1)
            moved = np.linalg.solve(np.eye(versions * classes) - taken, pull).reshape(own.scores.shape)
            found += float(weights @ self._losses(own.scores + moved, targets))
        return found / self.reduced.total

    def _parts(self, theta: Array) -> Iterator[tuple[Scores, Array, Array]]:
        for part in self.reduced.parts():
            z = np.concatenate([part.columns[:, 0], np.ones((len(part.weights), 1))], axis=1)
            targets, w = part.targets[:, 0], part.weights
            scores = z @ theta
            outputs = scores @ self.across.T
            chance = np.exp(outputs - logsumexp(outputs, axis=1, keepdims=True))
            count = w * targets.sum(axis=1)
            slope = (count[:, None] * chance - w[:, None] * targets) @ self.across
            mean = chance @ self.across
            spread = np.einsum("nk,ka,kb->nab", chance, self.across, self.across, optimize=True)
            curvature = count[:, None, None] * (spread - mean[:, :, None] * mean[:, None])
            yield Scores(z, scores, slope, curvature, float(w @ self._losses(scores, targets))), targets, w

    def _losses(self, scores: Array, targets: Array) -> Array:
        """Σ_k t_k log(t_k / Σt / softmax(z)_k) of every record, (n,); of a class the cross-entropy."""
        outputs, count = scores @ self.across.T, targets.sum(axis=1)
        order = np.sum(xlogy(targets, targets), axis=1) - xlogy(count, count)
        return np.asarray(count * logsumexp(outputs, axis=1) - np.sum(targets * outputs, axis=1) + order)

    def _value(self, theta: Array, penalty: float) -> float:
        mean = sum(own.value for own, *_ in self._parts(theta)) / self.reduced.total
        return float(mean + np.sum(self._penalties(theta, penalty) * theta**2))

    def _penalties(self, theta: Array, penalty: float) -> Array:
        found = np.full((len(theta), 1), penalty)
        found[-1] = min(FLOOR, penalty)
        return found

    def _second_order(self, theta: Array, penalty: float) -> tuple[float, Array, Array]:
        """Value, slope (r + 1, K − 1), and curvature by the coefficients, class by class."""
        size, classes = theta.shape
        value, slope, blocks = 0.0, np.zeros_like(theta), np.zeros((classes, size, classes, size))
        for own, _, _ in self._parts(theta):
            value += own.value
            slope += own.z.T @ own.slope
            for k in range(classes):
                for l in range(k + 1):
                    blocks[k, :, l] += own.z.T @ (own.curvature[:, k, l, None] * own.z)
        for k in range(classes):
            for l in range(k):
                blocks[l, :, k] = blocks[k, :, l].T
        ridge = self._penalties(theta, penalty)
        curvature = blocks.reshape(size * classes, -1) / self.reduced.total
        curvature.flat[:: len(curvature) + 1] += np.tile(2 * ridge[:, 0], classes)
        value, slope = value / self.reduced.total, slope / self.reduced.total
        return value + float(np.sum(ridge * theta**2)), slope + 2 * ridge * theta, curvature
