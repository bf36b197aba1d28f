"""Gauss's two implicit stages, order 4, A-stable."""

SUMMARY = "Gauss's two implicit stages, order 4, A-stable"
A = (("1/4", "1/4 - sqrt(3)/6"), ("1/4 + sqrt(3)/6", "1/4"))
B = ("1/2", "1/2")
C = ("1/2 - sqrt(3)/6", "1/2 + sqrt(3)/6")
ORDER = 4
