"""Gaussian error linear unit, u Φ(u)."""

SUMMARY = "Gaussian error linear unit, u Φ(u)"
EXPRESSION = "u*(1 + erf(u/sqrt(2)))/2"
