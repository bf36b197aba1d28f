"""Vowels at 8 kHz that nobody has spoken: sums of harmonics under three formants, known as functions of time.

Formants are the averages of Peterson and Barney (1952) for three kinds of speakers; every record has a pitch, a throat
of its own length, phases and noise from a seed, and no harmonic above 3,400 Hz, so that 8 kHz sees all of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from sklearn.neighbors import KNeighborsClassifier

import continua as ct
from benchmarks.studies._perceptrons import Array

RATE, SECONDS, HIGHEST = 8000, 0.016, 3400.0  # of a frame
FORMANTS = {  # Hz: men, women, children
    "i": ((270, 2290, 3010), (310, 2790, 3310), (370, 3200, 3730)),
    "a": ((730, 1090, 2440), (850, 1220, 2810), (1030, 1370, 3170)),
    "u": ((300, 870, 2240), (370, 950, 2670), (430, 1170, 3260)),
    "ae": ((660, 1720, 2410), (860, 2050, 2850), (1010, 2320, 3320)),
}
PITCH = (132.0, 223.0, 264.0)  # Hz, of the same speakers
WIDTHS = (60.0, 100.0, 150.0)  # Hz, of the formants
NOISE = 0.1  # of the sound's standard deviation, a number a sample
DECAY = 1.0  # of the glottis: harmonic k has 1/k


def gain(frequency: Array, formants: Array) -> Array:
    """|H| of three resonances one after the other, each 1 at frequency 0."""
    f = np.asarray(frequency)[..., None]
    poles = np.asarray(formants) ** 2
    found = poles / np.sqrt((poles - f**2) ** 2 + (f * np.array(WIDTHS)) ** 2)
    return np.asarray(np.prod(found, axis=-1))


class Speech:
    """So many frames of every vowel, as functions: ``at(times)`` is (records, points) of all of them, of norm 1."""

    def __init__(self, each: int, seed: int):
        generator = np.random.default_rng(seed)
        self.labels = np.repeat(np.arange(len(FORMANTS)), each)
        count = len(self.labels)
        speaker = generator.integers(0, 3, count)
        pitch = np.array(PITCH)[speaker] * generator.uniform(0.8, 1.25, count)
        table = np.array(list(FORMANTS.values()), dtype=float)
        formants = table[self.labels, speaker] * generator.normal(1, 0.05, (count, 1))
        numbers = np.arange(1, int(HIGHEST / pitch.min()) + 1)
        self.frequencies = pitch[:, None] * numbers
        sizes = np.where(self.frequencies < HIGHEST, numbers**-DECAY, 0)
        sizes = sizes * np.stack([gain(f, own) for f, own in zip(self.frequencies, formants)])
        self.amplitudes = sizes / np.sqrt(np.sum(sizes**2, axis=1, keepdims=True) / 2)
        self.phases = generator.uniform(0, 2 * np.pi, sizes.shape)
        self.seed = seed

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, times: Array, noise: float = NOISE) -> Array:
        """Values at times (points,) in seconds, with noise that is drawn anew for every sampling."""
        turns = 2 * np.pi * self.frequencies[:, :, None] * times + self.phases[:, :, None]
        clean = np.einsum("nk,nkt->nt", self.amplitudes, np.cos(turns))
        drawn = np.random.default_rng((self.seed, len(times))).standard_normal(clean.shape)
        return np.asarray(clean + noise * drawn)


def times(rate: float, way: str = "") -> Array:
    """The points of a frame in seconds; way: "uneven" for as many at random."""
    count = round(SECONDS * rate) + 1
    even = np.linspace(0, SECONDS, count)
    if not way:
        return even
    inner = np.random.default_rng(count).uniform(0, SECONDS, count - 2)
    return np.sort(np.concatenate([[0, SECONDS], inner]))


def declared(channels: int = 12) -> dict[str, Any]:
    """A convolution of functions, κ reaching 4 ms to both sides, and the mean over the frame."""
    edges = ("1/64", "1/32", "1/16", "1/8", "1/4", "1/2")
    return {
        "name": "speech",
        "precision": "float32",
        "equation": {"rate": "4*sin(u1)*sigmoid(u2) - 2*h", "channels": channels, "local": True, "reach": "1/2"},
        "input": {"domain": ["0", "2/125"], "unit": "s"},
        "lift": {"inputs": 1},
        "state": {"basis": {"family": "p0", "cells": 128}},
        "weight": {
            "kernel": {"family": "hat", "breakpoints": [*(f"-{e}" for e in reversed(edges)), "0", *edges]},
            "depth": {"family": "p0", "cells": 4},
        },
        "bias": {"width": {"family": "p0", "cells": 1}, "depth": {"family": "p0", "cells": 4}},
        "integration": {"tableau": "euler", "steps": 4},
        "readout": {"outputs": len(FORMANTS), "basis": {"family": "p0", "cells": 1}},
        "loss": {"kind": "cross-entropy"},
        "training": {"optimiser": "adam-coordinatewise", "learning_rate": 0.01, "batch": 16},
    }


def learned(train: Speech, seed: int, epochs: int, **options: Any) -> Any:
    """A continuum that has heard the training frames at 8 kHz."""
    points = times(RATE)
    model = ct.Continuum.from_spec(declared(), seed=seed)
    return ct.fit(model, train.at(points), train.labels, points, epochs=epochs, seed=seed, **options)


def spectra(x: Array) -> Array:
    """Logarithms of the power of frames at 8 kHz: the plain way to hear vowels."""
    power = np.abs(np.fft.rfft(x * np.hanning(x.shape[1]))) ** 2
    return np.asarray(np.log(power + 1e-3 * power.mean(axis=1, keepdims=True)))


def resampled(x: Array, points: Array) -> Array:
    """Frames as a method of fixed length takes them: interpolated to the points of 8 kHz."""
    return np.stack([np.interp(times(RATE), points, row) for row in x])


def shares(train: Speech, test: Speech, models: dict[str, Any], ways: dict[str, Array]) -> dict[str, dict[str, float]]:
    """Of continua and rivals, the share of test frames that are right, for every sampling (points of a frame)."""
    x = train.at(times(RATE))
    ways_to_read = {"linear, samples": np.asarray, "nearest record": np.asarray, "linear, log spectrum": spectra}
    plain = {}
    for name, read in ways_to_read.items():
        learner = KNeighborsClassifier(1) if name == "nearest record" else RidgeClassifierCV(np.logspace(-2, 4, 13))
        plain[name] = learner.fit(read(x), train.labels).predict, read
    found: dict[str, dict[str, float]] = {}
    for way, points in ways.items():
        given = test.at(points)
        own = {name: np.asarray(model.labels(model(given, points))) for name, model in models.items()}
        rivals = {name: predict(read(resampled(given, points))) for name, (predict, read) in plain.items()}
        most = np.full(len(test), np.bincount(train.labels).argmax())
        every = {**own, **rivals, "always the commonest": most}
        found[way] = {name: float(np.mean(guess == test.labels)) for name, guess in every.items()}
    return found


def samplings() -> dict[str, Array]:
    """The points of a frame at the rate of the training records, at other rates, and at random."""
    rates = {f"{rate / 1000:g} kHz": times(rate) for rate in (8000, 16000, 11000, 6000, 4000)}
    return rates | {"uneven": times(8000, "uneven"), "uneven, half": times(4000, "uneven")}


def heard(seed: int, each: int = 40, held: int = 100, epochs: int = 30) -> dict[str, dict[str, float]]:
    """Of a continuum and its rivals the shares of held-out vowels that are right; frames and fields from the seed."""
    train, test = Speech(each, 2 * seed), Speech(held, 2 * seed + 1)
    model = learned(train, seed, epochs, warp=0.2)
    return shares(train, test, {"continuum": model}, samplings())
