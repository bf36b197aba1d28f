"""Strong-stability-preserving, three stages, order 3 (Shu and Osher 1988)."""

SUMMARY = "Strong-stability-preserving, three stages, order 3 (Shu and Osher 1988)"
A = (("0", "0", "0"), ("1", "0", "0"), ("1/4", "1/4", "0"))
B = ("1/6", "1/6", "2/3")
C = ("0", "1", "1/2")
ORDER = 3
