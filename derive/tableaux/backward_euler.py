"""Backward Euler, implicit, order 1, L-stable."""

SUMMARY = "Backward Euler, implicit, order 1, L-stable"
A = (("1",),)
B = ("1",)
C = ("1",)
ORDER = 1
