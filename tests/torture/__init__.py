"""Bad input by the hundred thousand: what a user's text, spec, records and model file may never do.

``python -m tests.torture`` runs every section in full and writes a record; pytest runs a small sample of each.
"""
