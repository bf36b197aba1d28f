"""Sine."""

SUMMARY = "Sine"
EXPRESSION = "sin(u)"
