"""The residual network: one Euler step of length Δ is h ← h + f(u)."""

SUMMARY = "The residual network: one Euler step of length Δ is h ← h + f(u)"
EXPRESSION = "f(u)/Delta"
