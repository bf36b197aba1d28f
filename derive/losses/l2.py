"""Squared L2 distance: of numbers, or of functions (exact, in the coordinates of an orthonormal basis)."""

SUMMARY = "Squared L2 distance, of numbers or of functions"
ON = ("outputs", "function")
DISTANCE = "L2"
SUMS = {"square": "(z - t)**2"}
VALUE = "square"
SHIFT_INVARIANT = False
