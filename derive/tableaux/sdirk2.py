"""Two implicit stages one after the other, order 2, L-stable (Alexander)."""

SUMMARY = "Two implicit stages one after the other, order 2, L-stable (Alexander)"
A = (("1 - sqrt(2)/2", "0"), ("sqrt(2)/2", "1 - sqrt(2)/2"))
B = ("sqrt(2)/2", "1 - sqrt(2)/2")
C = ("1 - sqrt(2)/2", "1")
ORDER = 2
