"""The derivation of a spec for people, from the discrete layer to the transfers between its levels."""

from __future__ import annotations

from derive.emit import derivation, manifest
from derive.spec import Spec


def text(spec: Spec, matrices: bool = False) -> str:
    """The derivation as Markdown, in the order of an argument; with ``matrices`` every exact table as well.

    Raises ExpressionError and DerivationError.
    """
    return derivation.text(spec, manifest.derive(spec), matrices)
