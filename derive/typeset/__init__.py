"""Formulas and prose in this project's Unicode notation as HTML: MathML, which browsers typeset without a script.

``formulas``: the notation is read, written as MathML and cut into pieces that wrap · ``prose``: formulas in text
"""

from derive.typeset.formulas import STYLE, formula, inline
from derive.typeset.prose import expression, prose

__all__ = ["STYLE", "expression", "formula", "inline", "prose"]
