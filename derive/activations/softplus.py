"""Smooth rectifier log(1 + exp u)."""

SUMMARY = "Smooth rectifier log(1 + exp u)"
EXPRESSION = "softplus(u)"
