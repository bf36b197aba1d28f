"""Ralston's method of order 3, the smallest error bound."""

SUMMARY = "Ralston's method of order 3, the smallest error bound"
A = (("0", "0", "0"), ("1/2", "0", "0"), ("0", "3/4", "0"))
B = ("2/9", "1/3", "4/9")
C = ("0", "1/2", "3/4")
ORDER = 3
