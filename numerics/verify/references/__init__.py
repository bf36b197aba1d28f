"""What rows are compared with; it shares no code with what is measured.

``network``: the semi-discrete network in NumPy, from the exact tables · ``flow``: its exact solution, by SciPy ·
``formulas``: basis functions, quadrature and projections, written out once more.
"""
