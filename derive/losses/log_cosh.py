"""The logarithm of a hyperbolic cosine: smooth everywhere, quadratic near the target, linear far from it."""

SUMMARY = "log cosh(z − t), Huber's loss without kinks, for numbers with outliers"
ON = ("outputs",)
SUMS = {"distance": "abs(z - t) + log(1 + exp(-2*abs(z - t))) - log(2)"}  # cosh itself overflows
VALUE = "distance"
SHIFT_INVARIANT = False
