"""Training: runs, optimisers, splits, cross-validation.

``run``: the loop, ``fit`` · ``job``: what stays fixed on a level · ``ladder``: the levels of a run · ``nested``: when
it goes on to the next · ``multigrid``: cycles over all of them · ``objective``: a loss and its work · ``state``: where
a run stands · ``resume``: runs in files · ``options``: what may be asked for, by the table of ``derive.spec.training`` ·
``split``: records held out · ``progress``: the bar · ``optimisers``: one a file · ``cross_validation``: scores on
folds.
"""
