"""Discrete networks as loops over their layers."""

from __future__ import annotations

import numpy as np
from scipy.special import erf

ACTIVATIONS = {
    "identity": lambda u: u,
    "tanh": np.tanh,
    "relu": lambda u: np.maximum(u, 0),
    "leaky-relu": lambda u: np.where(u > 0, u, u / 100),
    "sigmoid": lambda u: 1 / (1 + np.exp(-u)),
    "softplus": lambda u: np.log1p(np.exp(u)),
    "silu": lambda u: u / (1 + np.exp(-u)),
    "gelu": lambda u: u * (1 + erf(u / np.sqrt(2))) / 2,
    "sin": np.sin,
}


def outputs(weights, biases, f, x, kind="mlp", last="affine"):
    """The network as a loop over its layers; x (samples, inputs)."""
    h = x.T
    for k, (w, b) in enumerate(zip(weights, biases)):
        u = w @ h + b[:, None]
        plain = k == len(weights) - 1 and last == "affine"
        h = u if plain else f(u) + (h if kind == "residual" else 0)
    return h.T


def conv(w: np.ndarray, b: np.ndarray, h: np.ndarray, ends: str) -> np.ndarray:
    """(records, samples, channels) → the same: u_i = b + Σ_m w_m h_{i + m − (K − 1)/2}."""
    found = np.zeros((*h.shape[:2], len(w)))
    for i in range(h.shape[1]):
        found[:, i] = b
        for m in range(w.shape[2]):
            j = i + m - w.shape[2] // 2
            if ends == "circular" or 0 <= j < h.shape[1]:
                found[:, i] += h[:, j % h.shape[1]] @ w[:, :, m].T
    return found
