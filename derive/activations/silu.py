"""Sigmoid linear unit, u/(1 + exp(−u))."""

SUMMARY = "Sigmoid linear unit, u/(1 + exp(−u))"
EXPRESSION = "u*sigmoid(u)"
