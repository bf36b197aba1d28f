"""The classical Runge–Kutta method, order 4."""

SUMMARY = "The classical Runge–Kutta method, order 4"
A = (("0", "0", "0", "0"), ("1/2", "0", "0", "0"), ("0", "1/2", "0", "0"), ("0", "0", "1", "0"))
B = ("1/6", "1/3", "1/3", "1/6")
C = ("0", "1/2", "1/2", "1")
ORDER = 4
