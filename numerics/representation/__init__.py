"""From a spec to its tables and kernels: the one door to ``derive``."""
