"""The relative L2 error ‖y − y*‖/‖y*‖ of a function; the usual measure of neural operators.

y* is what the state's basis can represent of the target.
"""

SUMMARY = "the relative L2 error of a function, ‖y − y*‖/‖y*‖"
ON = ("function",)
TARGETS = "not zero"
SUMS = {"error": "(z - t)**2", "size": "t**2"}
VALUE = "sqrt(error/size)"
SHIFT_INVARIANT = False
