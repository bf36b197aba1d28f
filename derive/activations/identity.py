"""f(u) = u: a linear continuum."""

SUMMARY = "f(u) = u: a linear continuum"
EXPRESSION = "u"
