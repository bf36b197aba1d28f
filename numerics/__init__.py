"""Neural continua at run time: make, train, refine, project, save and load models."""

from numerics.levels.projection import project
from numerics.levels.refinement import refine
from numerics.model.answers import evaluate, predict
from numerics.model.checkpoint import load
from numerics.model.continuum import Continuum
from numerics.model.ensemble import Ensemble
from numerics.networks.continua import from_layers, from_sklearn, to_layers
from numerics.training.cross_validation import cross_validate
from numerics.training.run import fit

__all__ = [
    "Continuum",
    "Ensemble",
    "cross_validate",
    "evaluate",
    "fit",
    "from_layers",
    "from_sklearn",
    "load",
    "predict",
    "project",
    "refine",
    "to_layers",
]
