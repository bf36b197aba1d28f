"""Every exception of the project: one a stage, each saying what was given, what is allowed, why, and what to do."""

from __future__ import annotations

from derive.suggestion import advice as advice


class ContinuumError(Exception):
    """What went wrong, as four short answers; the command line prints ``str(error)`` and exits with 2.

    given: what was found.  allowed: what would have been accepted.  cause: the likely cause.  fix: what to do.
    where: the file and the key, record or entry that it concerns.
    """

    def __init__(self, given: str, allowed: str, cause: str, fix: str, where: str = "") -> None:
        super().__init__(given, allowed, cause, fix, where)
        self.given = given
        self.allowed = allowed
        self.cause = cause
        self.fix = fix
        self.where = where

    def __str__(self) -> str:
        place = f" in {_line(self.where)}" if self.where else ""
        return (
            f"{type(self).__name__}{place}\n"
            f"  given    {_line(self.given)}\n"
            f"  allowed  {_line(self.allowed)}\n"
            f"  cause    {_line(self.cause)}\n"
            f"  fix      {_line(self.fix)}"
        )


class ContinuumWarning(UserWarning):
    """What is legal and seldom meant; says what will happen and how to change it."""


LONGEST = 500  # characters of one answer


def _line(text: str) -> str:
    """Text that was given from outside as one line that a terminal shows and does not obey."""
    cut = text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 4 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut) or "''"


class SpecError(ContinuumError):
    """A declaration that cannot be read or cannot work."""


class SpecWarning(ContinuumError, ContinuumWarning):
    """A declaration that works, and hardly as it was meant; given to ``warnings.warn``, not raised."""


class ExpressionError(ContinuumError):
    """A user's expression outside the grammar."""


class DerivationError(ContinuumError):
    """The mathematics of a valid declaration does not go through."""


class GenerationError(ContinuumError):
    """Modules or tables could not be written."""


class RepresentationError(ContinuumError):
    """Tables or kernels of a discretisation are missing, or do not fit together."""


class DataError(ContinuumError, ValueError):
    """Records, points or targets that cannot be used."""


class TrainingError(ContinuumError):
    """Training stopped: a value that is not finite, or an unstable step."""


class NewtonError(TrainingError):
    """Stages of an implicit step that Newton's method has not found."""


class CheckpointError(ContinuumError):
    """A model file that cannot be trusted."""
