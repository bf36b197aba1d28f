"""Training: runs, optimisers, splits, cross-validation."""
