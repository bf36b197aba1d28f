"""Cross-entropy Σ_k t_k log(1/softmax(z)_k) of class probabilities t, or of these with a weight a class."""

SUMMARY = "Cross-entropy of classes, for functional readouts"
ON = ("outputs",)
TARGETS = "classes"
SUMS = {"partition": "exp(z)", "hit": "t*z", "total": "t"}
VALUE = "total*log(partition) - hit"
SHIFT_INVARIANT = True
