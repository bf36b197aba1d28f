"""Functions at run time. Knows no model and no data.

``legendre``: polynomials and Gauss points · ``basis``: values of basis functions · ``rules``: their integrals ·
``sampled_records``: from a sampled record to coefficients · ``field``: functions of ξ, ξ′ and δ, their norms and
metric · ``random``: the functions that models start from · ``fields_from`` and ``integrals``: from a given function
to a field · ``arrays``: linear algebra along an axis.
"""
