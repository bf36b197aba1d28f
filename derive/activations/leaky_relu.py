"""Rectifier that leaks 1/100 of what is negative."""

SUMMARY = "Rectifier that leaks 1/100 of what is negative"
EXPRESSION = "max(u, u/100)"
