"""Huber's loss with threshold 1: quadratic near the target, linear far from it."""

SUMMARY = "Huber's loss, r²/2 up to |r| = 1 and |r| − 1/2 beyond, for numbers with outliers"
ON = ("outputs",)
SUMS = {"distance": "min(abs(z - t), 1)*(abs(z - t) - min(abs(z - t), 1)/2)"}
VALUE = "distance"
SHIFT_INVARIANT = False
