"""The derivation, written for people. Nothing here reaches a kernel.

derivation puts the sections together, discretisation, depth and levels write them, notation and markdown are what they
are written with; pages makes pages and LaTeX of them; tableaux explains an integrator.
"""
