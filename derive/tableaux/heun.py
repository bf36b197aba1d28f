"""Heun's trapezoidal method, order 2."""

SUMMARY = "Heun's trapezoidal method, order 2"
A = (("0", "0"), ("1", "0"))
B = ("1/2", "1/2")
C = ("0", "1")
ORDER = 2
