"""Functions at run time: bases, fields over ξ, ξ′ and δ, random ones. Knows no model and no data."""
