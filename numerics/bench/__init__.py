"""Timings side by side: our kernels, and the same network written with NumPy, PyTorch, JAX, diffrax and torchdiffeq.

``network`` says the network in any library's words, ``rivals`` holds the libraries, ``machine`` measures what products
and copies of memory attain here, ``compare`` times. Cases and records are in ``benchmarks``; ``continua bench`` shows
one spec. Not here: what is promised of results (``verify``).
"""
