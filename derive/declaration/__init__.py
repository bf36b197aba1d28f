"""TOML → ``derive.spec``: one file for each table of a declaration.

Each completes what is left out and refuses what cannot work, with the key's path; ``reader`` has what they share. They
import neither SymPy nor flint, unless a declaration holds symmetries. What is declared is described in ``derive.spec``.
"""

from derive.declaration.bases import read_basis as read_basis
from derive.declaration.equation import read_parameters as read_parameters
from derive.declaration.integration import read_tableau as read_tableau
from derive.declaration.reader import NAMES as NAMES
from derive.declaration.reader import Reader as Reader
from derive.declaration.spec import load_spec as load_spec
from derive.declaration.symmetries import read_symmetry as read_symmetry
from derive.declaration.toml import LARGEST_FILE as LARGEST_FILE
from derive.declaration.toml import read_toml as read_toml
