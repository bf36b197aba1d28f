"""Records: sampled functions with their targets, from arrays, files and published sets. Knows no model."""

from numerics.datasets.record import Records, load, names, parts, read, records, write

__all__ = ["Records", "load", "names", "parts", "read", "records", "write"]
