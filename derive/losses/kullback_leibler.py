"""Kullback–Leibler divergence of softmax(z) from probabilities t that sum to one: Σ t log(t / softmax(z))."""

SUMMARY = "Kullback–Leibler divergence from given probabilities, for functional readouts"
ON = ("outputs",)
TARGETS = "probabilities"
# t log t is 0 at t = 0: the smallest normal number keeps the logarithm finite
SUMS = {"partition": "exp(z)", "hit": "t*z", "order": "t*log(max(t, 1e-37))", "total": "t"}
VALUE = "order + total*log(partition) - hit"
SHIFT_INVARIANT = True
