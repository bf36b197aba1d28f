"""The implicit midpoint rule, order 2, A-stable."""

SUMMARY = "The implicit midpoint rule, order 2, A-stable"
A = (("1/2",),)
B = ("1",)
C = ("1/2",)
ORDER = 2
