"""Discrete networks from and to continua."""
