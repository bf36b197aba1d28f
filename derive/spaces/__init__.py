"""Spaces of functions: bases, their rules and products, symmetries, convolutions, transfers. Knows no equation."""
