"""Compiled kernels, their threads, caches and tables, and the steps that they take. Knows no training."""
