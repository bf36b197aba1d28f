"""One Butcher tableau a file, as exact numbers; what is computed from them is in ``derive.tableau``."""
