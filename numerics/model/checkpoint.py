"""A model is one file: what it holds say ``file_contents``, how that lies in it ``file_format``."""

from __future__ import annotations

from pathlib import Path

from numerics.checks import instance
from numerics.model import file_format
from numerics.model.continuum import Continuum
from numerics.model.file_contents import Contents


def save(model: Continuum, path: str | Path) -> None:
    """Write a model to one file, whole or not at all. Raises CheckpointError if it cannot be written."""
    instance(model, Continuum, "give a model, then the path")
    model.save(path)


def load(path: str | Path) -> Continuum:
    """The model in a file. Raises CheckpointError, naming the entry, for anything that is not as it was written."""
    held = Contents.of(*file_format.read(path), path)
    return Continuum(
        base=held.base,
        level=held.level,
        fields=held.fields,
        history=held.history,
        training=held.training,
        classes=held.classes,
        units=held.units,
        baselines=held.baselines,
        stored=held.representation,
    )
