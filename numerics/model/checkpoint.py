"""A model is one file: what it holds say ``contents``, what files are ``sealed``."""

from __future__ import annotations

from pathlib import Path

from numerics.checks import instance
from numerics.model import sealed
from numerics.model.contents import Contents
from numerics.model.continuum import Continuum


def save(model: Continuum, path: str | Path) -> None:
    """Write a model to one file, whole or not at all. Raises CheckpointError if it cannot be written."""
    instance(model, Continuum, "give a model, then the path")
    model.save(path)


def load(path: str | Path) -> Continuum:
    """The model in a file. Raises CheckpointError, naming the entry, for anything that is not as it was written."""
    held = Contents.of(*sealed.read(path), path)
    return Continuum(
        base=held.base,
        level=held.level,
        fields=held.fields,
        history=held.history,
        training=held.training,
        classes=held.classes,
        stored=held.representation,
    )
