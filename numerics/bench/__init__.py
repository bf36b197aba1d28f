"""Timings side by side: our kernels, and the same network written with NumPy, PyTorch, JAX, diffrax and torchdiffeq.

``rivals`` holds the libraries, in whose words ``numerics.estimators.network`` says the network, ``machine`` measures
what products and copies of memory attain here, ``compare`` times. Cases and records are in ``benchmarks``; ``continua
bench`` shows one spec. Not here: what is promised of results (``verify``).
"""
