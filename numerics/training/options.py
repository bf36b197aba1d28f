"""The options of a run. Which there are, and what they may be, the table of ``derive.spec.training`` says."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Collection, Mapping
from numbers import Integral, Real
from typing import Any, TypeVar

from derive.errors import TrainingError, advice
from derive.spec import OPTIONS, Option, Training, training_to_dict
from numerics.datasets.sampling import Augmentation

Function = TypeVar("Function", bound=Callable[..., Any])


def with_options(function: Function) -> Function:
    """Its signature and its docstring, in place of {options}, name the options that it takes as ``**options``."""
    found = inspect.signature(function)
    *kept, _ = found.parameters.values()
    named = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in OPTIONS]
    function.__signature__ = found.replace(parameters=[*kept, *named])  # type: ignore[attr-defined]
    lines = "\n".join(f"    {name}: {option.help}" for name, option in OPTIONS.items())
    function.__doc__ = (function.__doc__ or "").replace("    {options}", lines)
    return function


def check_names(given: Mapping[str, Any], known: Collection[str], cause: str) -> None:
    """Raise TrainingError for settings that there are not, with the cause that is likely."""
    names = sorted(known)
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise TrainingError(
            f"the setting {unknown[0]!r}", ", ".join(names), *advice(unknown[0], names, cause, "leave it out")
        )


def check_ways(augment: Any, callback: Any, out: Any, save_every: Any) -> None:
    """The functions, the path and the seconds that ``fit`` is given. Raises TrainingError."""
    seconds = isinstance(save_every, Real) and float(save_every) >= 0
    wrong = [
        (augment is not None and not callable(augment), f"augment {augment!r}", "a function of records, a generator"),
        (callback is not None and not callable(callback), f"callback {callback!r}", "a function of a model and a row"),
        (out is not None and not isinstance(out, str | os.PathLike), f"out {out!r}", "a path"),
        (not seconds, f"save_every {save_every!r}", "seconds, 0 or more"),
    ]
    for bad, given, allowed in wrong:
        if bad:
            raise TrainingError(given, allowed, "arguments in another order", "change it, or leave it out")


def options_of(given: Mapping[str, Any]) -> Training:
    """Options as plain numbers, which files can hold. Raises TrainingError for what cannot work."""
    options = Training(**{name: _plain(option, given[name]) for name, option in OPTIONS.items()})
    for name, option in OPTIONS.items():
        value = getattr(options, name)
        if not option.takes(value):
            raise _refused(f"{name} {value!r}", option.allowed)
        if option.ignored(value, options.optimiser):
            said = f" {value!r}" if option.kind is str else ""
            raise _refused(f"{name}{said} with {options.optimiser}", option.elsewhere)
    if options.patience is not None and options.validation == 0:
        raise _refused("patience without validation", "validation > 0")
    return options


def _plain(option: Option, value: Any) -> Any:
    """A number as Python's own, names as a tuple; texts and None as they are."""
    if value is None or option.kind is str:
        return value
    if option.kind is tuple:
        if not isinstance(value, list | tuple):
            raise TrainingError(
                f"{option.name} {value!r}", option.allowed, "one name alone", f"write {option.name} = [{value!r}]"
            )
        return tuple(value)
    real = option.kind is float
    kind: Any = Real if real else Integral
    if not isinstance(value, kind) or isinstance(value, bool):
        allowed = "a number" if real else "a whole number"
        fix = f"give {option.name} as {allowed}, without quotes"
        raise TrainingError(f"{option.name} {value!r}", allowed, "quotes, a fraction or a truth value", fix)
    return float(value) if real else int(value)


def _refused(given: str, allowed: str) -> TrainingError:
    return TrainingError(given, allowed, "an option of `fit`, or of the spec's [training]", "change it")


def stored(options: Training) -> dict[str, Any]:
    """Options as model files hold them; epochs first, as files have always had it."""
    return {"epochs": options.epochs, **training_to_dict(options)}


def augmentation(options: Training) -> Augmentation:
    """How every epoch samples the records anew."""
    return Augmentation(options.thin, options.jitter, options.warp)
