"""Ralston's method of order 2, the smallest error bound."""

SUMMARY = "Ralston's method of order 2, the smallest error bound"
A = (("0", "0"), ("2/3", "0"))
B = ("1/4", "3/4")
C = ("0", "2/3")
ORDER = 2
