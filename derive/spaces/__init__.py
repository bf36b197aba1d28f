"""Spaces of functions. Knows no equation; a family of bases is a file of ``derive.bases``, not of this room.

basis, sizes, expressions, nodal: what a basis is, and what it is made from.  rules, quadrature: points and weights, of
an interval and of a slab.  products: values and integrals.  stages: what the stages see of the depth.  symmetry,
convolution: what they leave of W, and what they make of it.  transfer: projections.  run_time: what programs evaluate.
"""
