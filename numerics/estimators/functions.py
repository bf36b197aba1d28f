"""scikit-learn's transformer: records at any points become rows that any estimator takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from derive.errors import DataError
from numerics.checks import numbers
from numerics.estimators.choices import ends, whole
from numerics.estimators.rows import records_of, tagged
from numerics.model.continuum import Continuum
from numerics.model.points import values
from numerics.model.projected import coefficients
from numerics.model.units import Units, domain_of

Array = np.ndarray
MOST = 40  # functions, where the records have as many points


class ToFunctions(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Records as functions, by the exact L2 projection of what lies between their samples.

    size: functions of the basis a channel, None for as many as the records have points, at most 40. at: points in the
    user's units where values are given, in place of coefficients. domain: (start, stop) in these units, None for as far
    as the points of the first records reach. periodic: with Fourier functions on a circle, else Legendre's. missing:
    "unsampled" where NaN is no sample, else "refused".

    Coefficients belong to an orthonormal basis: Euclidean distances of rows are L2 distances of functions.
    After ``fit``: n_features_in_, samples a row; n_channels_; domain_.
    """

    def __init__(
        self, size: int | None = None, *, at: Any = None, domain: Any = None, periodic: bool = False,
        missing: str = "refused",
    ) -> None:  # fmt: skip
        self.size = size
        self.at = at
        self.domain = domain
        self.periodic = periodic
        self.missing = missing

    def __sklearn_tags__(self) -> Any:
        return tagged(self, super().__sklearn_tags__())

    def fit(self, X: Any, y: Any = None, t: Any = None) -> ToFunctions:
        """Learn the domain, the channels and the number of functions. t: points in the user's units."""
        data = records_of(self, X, t, first=True)
        points = int(data.lengths.max())
        size = max(1, min(MOST, points)) if self.size is None else whole("size", self.size)
        basis = {"family": "fourier" if self.periodic else "legendre", "size": size | bool(self.periodic)}
        one = {"family": "p0", "cells": 1}
        given: dict[str, Any] = {"missing": self.missing}
        if self.domain is not None:
            given["domain"] = ends(self.domain)
        model = Continuum.from_fields({
            "name": "functions", "equation": {"rate": "residual", "channels": data.channels, "periodic": self.periodic},
            "input": given, "state": {"basis": basis}, "weight": {"width_out": one, "width_in": one, "depth": one},
            "bias": {"width": one, "depth": one}, "integration": {"tableau": "euler", "steps": 1},
            "loss": {"kind": "l2"},
        })  # fmt: skip
        domain = model.units.domain or domain_of(model.spec, data)
        self.model_ = model.replace(units=Units(domain))
        self.domain_ = domain or ((-1.0, 1.0),)
        self.n_channels_ = data.channels
        return self

    def transform(self, X: Any, t: Any = None) -> Array:
        """Rows (records, size · channels), with ``at`` (records, points · channels); channels side by side."""
        check_is_fitted(self)
        data = records_of(self, X, t)
        if data.channels != self.n_channels_:
            raise DataError(
                f"records of {data.channels} channels", f"{self.n_channels_}, as in fit", "other records",
                "give the channels that fit was given",
            )  # fmt: skip
        rep, model = self.model_.representation, self.model_
        states = coefficients(rep, model.taken(data))
        if self.at is not None:
            shown = values(rep, states, model.units.grid((np.atleast_1d(numbers(self.at, "at")),)))
            return np.asarray(shown.reshape(len(data), -1))
        found = np.tensordot(rep.root, states.reshape(len(rep.root), -1), 1)
        return np.asarray(found.reshape(-1, len(data)).T)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of the columns: a function's number, or a point, and its channel where there are several."""
        check_is_fitted(self)
        count = len(self.model_.representation.root)
        rows = [f"c{n}" for n in range(count)] if self.at is None else [f"{p:g}" for p in np.atleast_1d(self.at)]
        channels = [""] if self.n_channels_ == 1 else [f"_{c}" for c in range(self.n_channels_)]
        return np.array([f"{row}{channel}" for row in rows for channel in channels], dtype=object)
