"""The commands of ``continua``, one a file; a new one is a file here, and its import and its place in ALL.

Commands import what they need when they run, so that ``--help`` is quick and ``predict`` never imports SymPy.
"""

from numerics.command.commands.bench import bench
from numerics.command.commands.check import check
from numerics.command.commands.cross_validate import cross_validate
from numerics.command.commands.data import data
from numerics.command.commands.demo import demo
from numerics.command.commands.derive import derive
from numerics.command.commands.doctor import doctor
from numerics.command.commands.evaluate import evaluate
from numerics.command.commands.export import export
from numerics.command.commands.fit import fit
from numerics.command.commands.generate import generate
from numerics.command.commands.import_ import import_
from numerics.command.commands.list_ import list_
from numerics.command.commands.new import new
from numerics.command.commands.plot import plot
from numerics.command.commands.predict import predict
from numerics.command.commands.project import project
from numerics.command.commands.refine import refine
from numerics.command.commands.show import show
from numerics.command.commands.verify import verify

# in the order of use, as ``continua --help`` lists them
ALL = (
    new, list_, check, derive, generate,
    data, fit, cross_validate, refine, project, evaluate, predict, plot, import_, export,
    show, verify, bench, doctor, demo,
)  # fmt: skip
