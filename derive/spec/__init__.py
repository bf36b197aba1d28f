"""The declaration of a model as frozen values, read by every room: nothing is derived here, and SymPy is not needed.

``Spec`` (model) is resolved: every basis knows its size, every slab its bases, every level is a whole Spec. Numbers
that enter the derivation are exact. How TOML becomes a Spec, and what is refused, is in ``derive.declaration``.
"""

from derive.spec.basis import CONSTANT as CONSTANT
from derive.spec.basis import COORDINATES as COORDINATES
from derive.spec.basis import WIDTH as WIDTH
from derive.spec.basis import BasisSpec as BasisSpec
from derive.spec.basis import of_axis as of_axis
from derive.spec.basis import product as product
from derive.spec.basis import uniform as uniform
from derive.spec.comparison import Comparison as Comparison
from derive.spec.comparison import comparison as comparison
from derive.spec.depth import depth_elements as depth_elements
from derive.spec.depth import step_elements as step_elements
from derive.spec.depth import step_lengths as step_lengths
from derive.spec.depth import steps_an_element as steps_an_element
from derive.spec.model import NAME as NAME
from derive.spec.model import PARAMETER as PARAMETER
from derive.spec.model import ClassWeights as ClassWeights
from derive.spec.model import Penalty as Penalty
from derive.spec.model import Shares as Shares
from derive.spec.model import Spec as Spec
from derive.spec.slab import Slab as Slab
from derive.spec.stored import digest as digest
from derive.spec.stored import from_dict as from_dict
from derive.spec.stored import to_dict as to_dict
from derive.spec.stored import training_to_dict as training_to_dict
from derive.spec.symmetry import Piece as Piece
from derive.spec.symmetry import SymmetrySpec as SymmetrySpec
from derive.spec.tableau import TableauSpec as TableauSpec
from derive.spec.training import OPTIMISERS as OPTIMISERS
from derive.spec.training import OPTIONS as OPTIONS
from derive.spec.training import SCHEDULES as SCHEDULES
from derive.spec.training import STRATEGIES as STRATEGIES
from derive.spec.training import Option as Option
from derive.spec.training import Training as Training
from derive.spec.units import UnitsSpec as UnitsSpec
