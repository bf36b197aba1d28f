"""The boxed equation of Neural Continua as printed: h ← h + f(u) − u."""

SUMMARY = "The boxed equation of Neural Continua as printed: h ← h + f(u) − u"
EXPRESSION = "(f(u) - u)/Delta"
