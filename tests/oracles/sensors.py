"""Damped oscillations of a sensor, such as users bring: made here, with text labels and times in seconds."""

from __future__ import annotations

import numpy as np

STATES = ("loose", "fine", "worn")


def oscillations(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples (count, 129), their times (129,) from 0 to 12.8 s, and labels (count,) by frequency."""
    generator = np.random.default_rng(seed)
    t, kinds = np.linspace(0, 12.8, 129), np.arange(count) % 3
    frequency = np.array([2.0, 2.6, 3.2])[kinds] + 0.1 * generator.standard_normal(count)
    damping, phase = generator.uniform(0.1, 0.3, count), 0.4 * generator.standard_normal(count)
    x = np.exp(-damping[:, None] * t) * np.cos(frequency[:, None] * t + phase[:, None])
    return x + 0.05 * generator.standard_normal(x.shape), t, np.array(STATES)[kinds]
