"""Neural continua at run time: make, train, refine, project, save and load models."""

from numerics.checkpoint import load
from numerics.continuum import Continuum
from numerics.fit import fit
from numerics.projection import project
from numerics.refinement import refine

__all__ = ["Continuum", "fit", "load", "project", "refine"]
