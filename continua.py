"""Neural continua: ``import continua as ct`` is everything a user types, and ``continua`` the command.

Names are loaded when they are first asked for. The packages behind them are those beside this file, whatever files of
their names lie in the user's folder.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from derive.declaration import load_spec as load_spec
    from derive.errors import ContinuumError as ContinuumError
    from derive.errors import ContinuumWarning as ContinuumWarning
    from derive.explain.pages import Derivation as Derivation
    from numerics import datasets as datasets
    from numerics.datasets import Records as Records
    from numerics.datasets import records as records
    from numerics.estimators.functions import ToFunctions as ToFunctions
    from numerics.estimators.learners import ContinuumClassifier as ContinuumClassifier
    from numerics.estimators.learners import ContinuumOperator as ContinuumOperator
    from numerics.estimators.learners import ContinuumRegressor as ContinuumRegressor
    from numerics.estimators.onnx_file import to_onnx as to_onnx
    from numerics.estimators.pytorch import from_torch as from_torch
    from numerics.estimators.pytorch import to_torch as to_torch
    from numerics.levels.projection import project as project
    from numerics.levels.refinement import refine as refine
    from numerics.model.answers import evaluate as evaluate
    from numerics.model.answers import predict as predict
    from numerics.model.checkpoint import load as load
    from numerics.model.continuum import Continuum as Continuum
    from numerics.model.ensemble import Ensemble as Ensemble
    from numerics.networks.continua import from_layers as from_layers
    from numerics.networks.continua import from_sklearn as from_sklearn
    from numerics.networks.continua import to_layers as to_layers
    from numerics.training.cross_validation import cross_validate as cross_validate
    from numerics.training.run import fit as fit

PUBLIC = {
    "Continuum": "numerics.model.continuum",
    "ContinuumClassifier": "numerics.estimators.learners",
    "ContinuumError": "derive.errors",
    "ContinuumOperator": "numerics.estimators.learners",
    "ContinuumRegressor": "numerics.estimators.learners",
    "ContinuumWarning": "derive.errors",
    "Derivation": "derive.explain.pages",
    "Ensemble": "numerics.model.ensemble",
    "Records": "numerics.datasets",
    "ToFunctions": "numerics.estimators.functions",
    "cross_validate": "numerics.training.cross_validation",
    "datasets": "numerics.datasets",
    "evaluate": "numerics.model.answers",
    "fit": "numerics.training.run",
    "from_layers": "numerics.networks.continua",
    "from_sklearn": "numerics.networks.continua",
    "from_torch": "numerics.estimators.pytorch",
    "load": "numerics.model.checkpoint",
    "load_spec": "derive.declaration",
    "predict": "numerics.model.answers",
    "project": "numerics.levels.projection",
    "records": "numerics.datasets",
    "refine": "numerics.levels.refinement",
    "to_layers": "numerics.networks.continua",
    "to_onnx": "numerics.estimators.onnx_file",
    "to_torch": "numerics.estimators.pytorch",
}
__all__ = list(PUBLIC)

PACKAGES = ("derive", "numerics", "generated")
INTERRUPTED = 130  # as shells say it of a command that Ctrl-C ended


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'continua' has no attribute {name!r}; it has {', '.join(PUBLIC)}")
    _find_packages()
    module = _imported(PUBLIC[name])
    found = module if PUBLIC[name].endswith(f".{name}") else getattr(module, name)
    globals()[name] = found
    return found


def _imported(name: str) -> Any:
    """A module. Raises ImportError naming the extra where scikit-learn is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("sklearn"):
            raise
        raise ImportError('estimators need scikit-learn: pip install "neural-continua[data]"') from error


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})


def _find_packages() -> None:
    """The packages beside this file, under their names. Raises ImportError where another file has one of them."""
    here = Path(__file__).resolve().parent
    for name in PACKAGES:
        path = here / name / "__init__.py"
        loaded = sys.modules.get(name)
        if loaded is None:
            spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=[str(path.parent)])
            if spec is None or spec.loader is None or not path.is_file():
                raise ImportError(f"no {name} beside {__file__}: install neural-continua again")
            sys.modules[name] = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(sys.modules[name])
            except BaseException:
                del sys.modules[name]
                raise
        elif Path(loaded.__file__ or "").resolve() != path:
            raise ImportError(
                f"continua needs its own package {name!r}, and {loaded.__file__} was imported under that name: "
                "import continua before it, or rename that file"
            )


def main() -> None:
    """Run the command line; Ctrl-C ends it in one line even while its modules are being loaded."""
    try:
        _find_packages()
        from numerics.command.main import main as commands
    except KeyboardInterrupt:
        print("interrupted; nothing had begun", file=sys.stderr)
        sys.exit(INTERRUPTED)
    try:
        commands()
    except SystemExit as ending:
        if ending.code == INTERRUPTED:  # the compiler's objects may be half made: to destroy those would crash
            atexit._run_exitfuncs()
            sys.stdout.flush()
            os._exit(INTERRUPTED)
        raise


if __name__ == "__main__":  # python -m continua
    main()
