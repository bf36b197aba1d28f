"""A folder of sound in WAV files, read by SciPy: each subfolder a class, or files without classes."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from numerics.archive import located
from numerics.datasets.given import from_given
from numerics.datasets.record import Records, refusal

Array = np.ndarray


def read(folder: Path) -> Records:
    """Records from -1 to 1 at points in seconds from the beginning of each file, in the order of the files' names.

    Folders and files that begin with a dot or an underscore, and files of other kinds, are left out. Raises DataError.
    """
    single, inside = _sounds(folder), {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name[0] not in "._" and (found := _sounds(path)):
            inside[path.name] = found
    if not single and not inside:
        raise refusal(
            "a folder without .wav files", "a folder for each class with .wav files in it, or .wav files alone",
            "another folder, or files of another kind", "give the folder whose folders are the classes, or a file",
        )  # fmt: skip
    if single and inside:
        raise refusal(
            f"{single[0].name} beside folders such as {next(iter(inside))}", "files in folders, or files alone",
            "files without a class", "move them into a folder of their class",
        )  # fmt: skip
    files = single or [path for found in inside.values() for path in found]
    sounds = []
    for path in files:
        with located(str(path.relative_to(folder))):
            sounds.append(_read(path))
    y = [name for name, found in inside.items() for _ in found] or None
    return from_given([x for x, _ in sounds], [xi for _, xi in sounds], y, list(inside), "")


def _sounds(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".wav" and path.name[0] not in "._")


def _read(path: Path) -> tuple[Array, Array]:
    """Samples (points, channels) as shares of the loudest, and their times in seconds."""
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of remarks in the file
            rate, found = wavfile.read(path)
    except Exception as error:  # damaged files fail in more ways than can be listed
        raise refusal(
            f"a file that SciPy cannot read: {error}", "samples as numbers, without compression",
            "a compressed or damaged file", "convert it: ffmpeg -i FILE -c:a pcm_s16le OUT.wav",
        ) from None  # fmt: skip
    if not len(found):
        raise refusal(
            "a sound without samples", "one sample at least", "a recording that was cut off", "leave the file out"
        )
    if found.dtype.kind == "u":  # eight bits, whose zero is in the middle
        x = (found.astype(np.float64) - 128) / 128
    else:
        x = found / float(-np.iinfo(found.dtype).min) if found.dtype.kind == "i" else found.astype(np.float64)
    return x.reshape(len(x), -1), np.arange(len(x)) / rate
