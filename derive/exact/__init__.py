"""Exact arithmetic, and the only reader of users' expressions. Knows no basis and no spec.

surd, matrix, structure: numbers and tables.  series, legendre: polynomials on a cell, in fractions and by flint.
grammar, values, functions, expression: what users write.  finite: how what overflows is rewritten.  enclosure: closed
forms, their integrals enclosed.  rank: whether functions are independent.
"""
