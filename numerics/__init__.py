"""Neural continua at run time: make, train, refine, project, save and load models."""

from numerics.checkpoint import load
from numerics.continuum import Continuum
from numerics.cross_validation import cross_validate
from numerics.ensemble import Ensemble
from numerics.fit import fit
from numerics.networks import from_layers, from_sklearn, to_layers
from numerics.projection import project
from numerics.refinement import refine

__all__ = [
    "Continuum",
    "Ensemble",
    "cross_validate",
    "fit",
    "from_layers",
    "from_sklearn",
    "load",
    "project",
    "refine",
    "to_layers",
]
