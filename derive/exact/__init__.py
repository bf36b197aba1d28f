"""Exact arithmetic and the only reader of users' expressions: surds, matrices, enclosures.

Knows no basis and no spec.
"""
