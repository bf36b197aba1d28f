"""One loss a file: the sums that it is made of, its value, and what it compares."""
