"""Formats of data, one a file: read as columns by their names or as records. ``files`` knows their suffixes."""
