"""Cross-entropy of softmax(z) against class probabilities t that sum to one."""

SUMMARY = "Cross-entropy of classes, for functional readouts"
ON = ("outputs",)
SUMS = {"partition": "exp(z)", "hit": "t*z"}
VALUE = "log(partition) - hit"
SHIFT_INVARIANT = True
