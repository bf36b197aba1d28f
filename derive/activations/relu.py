"""Rectifier max(u, 0)."""

SUMMARY = "Rectifier max(u, 0)"
EXPRESSION = "max(u, 0)"
