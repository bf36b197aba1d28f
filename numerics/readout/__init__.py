"""Readouts in closed form: of frozen fields, the readout with the least loss, its penalty by leaving records out.

``design`` says what a readout is linear in, ``reduced`` rotates that onto its principal directions, ``least_squares``
and ``logistic`` solve for the two kinds of losses, ``solve`` puts the solution into a model. No training of other
fields lives here.
"""
