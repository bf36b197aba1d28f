"""The explicit midpoint method, order 2."""

SUMMARY = "The explicit midpoint method, order 2"
A = (("0", "0"), ("1/2", "0"))
B = ("0", "1")
C = ("0", "1/2")
ORDER = 2
