"""One rate a file: ρ(u, h) with the activation f and the spacing Delta."""
