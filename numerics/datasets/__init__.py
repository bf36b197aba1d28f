"""Records: sampled functions with their targets, from arrays, files and published sets. Knows no model.

``record``: the value · ``given``: what users hand over → arrays, with refusals · ``containers``: tables and tensors
of other packages · ``wide_tables``, ``long_tables``: a row a record, a row a sample · ``points``: what an index says ·
``checked``: what must hold of them · ``streamed``: records that are read part by part ·
``files``, ``formats``: what is read · ``labels``: which class a label names ·
``sampling``: the same records, sampled in another way · ``published``: real sets, one a file · ``shipped``: those that
other packages bring · ``burgers``, ``vorticity``: equations whose solutions are records, by
``exponential``.
"""

from numerics.datasets.files import read, write
from numerics.datasets.given import from_long, records
from numerics.datasets.published import load, names, parts, summaries
from numerics.datasets.record import Records
from numerics.datasets.streamed import Source, source

__all__ = [
    "Records", "Source", "from_long", "load", "names", "parts", "read", "records", "source", "summaries", "write",
]  # fmt: skip
