"""Logistic function 1/(1 + exp(−u))."""

SUMMARY = "Logistic function 1/(1 + exp(−u))"
EXPRESSION = "sigmoid(u)"
