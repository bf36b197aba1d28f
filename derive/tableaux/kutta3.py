"""Kutta's method of order 3."""

SUMMARY = "Kutta's method of order 3"
A = (("0", "0", "0"), ("1/2", "0", "0"), ("-1", "2", "0"))
B = ("1/6", "2/3", "1/6")
C = ("0", "1/2", "1")
ORDER = 3
