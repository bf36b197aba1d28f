"""The multilayer perceptron: one Euler step of length Δ is h ← f(u)."""

SUMMARY = "The multilayer perceptron: one Euler step of length Δ is h ← f(u)"
EXPRESSION = "(f(u) - h)/Delta"
