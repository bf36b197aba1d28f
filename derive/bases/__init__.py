"""One family of basis functions a file; what they share is in ``derive.spaces``."""
