"""Faults planted in the sources and in generated code, one at a time, and which test finds each: ``make mutants``."""
