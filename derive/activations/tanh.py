"""Hyperbolic tangent."""

SUMMARY = "Hyperbolic tangent"
EXPRESSION = "tanh(u)"
