"""Squared H1 distance of functions: ∫ (y − y*)² + (∂y − ∂y*)² dξ, exact, in coordinates of an H1-orthonormal basis."""

SUMMARY = "Squared H1 distance of functions: values and slopes, exact; for continuous states"
ON = ("function",)
DISTANCE = "H1"
SUMS = {"square": "(z - t)**2"}
VALUE = "square"
SHIFT_INVARIANT = False
