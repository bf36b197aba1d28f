"""Forward Euler, order 1."""

SUMMARY = "Forward Euler, order 1"
A = (("0",),)
B = ("1",)
C = ("0",)
ORDER = 1
