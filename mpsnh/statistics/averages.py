"""Means, typical values and intervals over realisations, with errors.

A realisation that failed is NaN; it is skipped, and the number of those that were used is part of each result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from mpsnh.checks import require

RESAMPLES = 1000
"""Bootstrap resamples behind each error, unless told otherwise."""


STATISTICS: dict[str, Callable[..., Any]] = {"mean": np.mean, "median": np.median, "typical": stats.gmean}
"""What `bootstrap_interval` can compute."""


_AT_ONCE = 2**22
"""Numbers that a bootstrap holds in memory at a time (32 MB)."""


def realisations_of(data: xr.DataArray, over: str) -> xr.DataArray:
    """Return the data as floats if there are enough realisations.

    Parameters
    ----------
    data : DataArray
        One value for each realisation, and any other dimensions.
    over : str
        Dimension of the realisations.

    Raises
    ------
    ValueError
        If there are fewer than two realisations, or no such dimension.

    Examples
    --------
    >>> realisations_of(xr.DataArray([1, 3], dims="seed"), "seed").values.tolist()
    [1.0, 3.0]
    """
    require(over in data.dims, "over", over, f"a dimension of the data: {', '.join(map(str, data.dims))}")
    n = data.sizes[over]
    require(n >= 2, f"number of realisations along {over!r}", n, "at least 2")
    return data.astype(float)


def mean_with_error(data: xr.DataArray, over: str = "seed") -> xr.Dataset:
    """Return the mean over realisations and its standard error.

    Parameters
    ----------
    data : DataArray
        One value for each realisation, and any other dimensions.
    over : str
        Dimension of the realisations, at least two.

    Returns
    -------
    Dataset
        Variables ``mean`` and ``error``, with the attributes of `data`.

    Raises
    ------
    ValueError
        If there are fewer than two realisations, or no such dimension.

    Examples
    --------
    >>> averaged = mean_with_error(xr.DataArray([1.0, 3.0], dims="seed"))
    >>> float(averaged["mean"]), float(averaged["error"])
    (2.0, 1.0)
    """
    values = realisations_of(data, over)
    error = values.std(over, ddof=1) / np.sqrt(values.count(over))
    return xr.Dataset({"mean": data.mean(over), "error": error}).assign_attrs(data.attrs)


def typical(data: xr.DataArray, over: str = "seed") -> xr.DataArray:
    """Return the typical (geometric) mean over the realisations with a positive value.

    Parameters
    ----------
    data : DataArray
        One value for each realisation.
    over : str
        Dimension of the realisations.

    Returns
    -------
    DataArray
        NaN where no realisation is positive.

    Examples
    --------
    >>> round(float(typical(xr.DataArray([0.0, 1.0, 100.0], dims="seed"))), 12)
    10.0
    """
    positive = data.where(data > 0)
    logarithm: xr.DataArray = xr.apply_ufunc(np.log, positive)
    average: xr.DataArray = xr.apply_ufunc(np.exp, logarithm.mean(over))
    return average


def bootstrap_interval(
    data: xr.DataArray,
    statistic: Literal["mean", "median", "typical"] = "mean",
    over: str = "seed",
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> xr.Dataset:
    """Return a mean, median or typical mean over realisations and its bootstrap confidence interval.

    The interval is bias-corrected and accelerated, but for the median, which is too rough for the acceleration,
    made of percentiles. All points draw the same resamples of the realisations.

    Parameters
    ----------
    data : DataArray
        One value for each realisation, and any other dimensions. NaN realisations are skipped.
    statistic : {"mean", "median", "typical"}
        What to compute; the typical mean uses the realisations with a positive value, as `typical` does.
    over : str
        Dimension of the realisations, at least two.
    confidence : float
        Probability that the interval contains the true value, between 0 and 1.
    resamples : int
        Number of bootstrap resamples, at least 10.
    seed : int
        Seed of the resampling.

    Returns
    -------
    Dataset
        Variables ``value``, ``low``, ``high`` and ``count``, the number of realisations used, with the attributes of
        `data`. The interval is NaN with fewer than two realisations, and of zero width if all are equal.

    Raises
    ------
    ValueError
        If there are fewer than two realisations, no such dimension or statistic, or a number is out of range.

    Examples
    --------
    >>> values = np.random.default_rng(1).exponential(size=(2, 400))
    >>> interval = bootstrap_interval(xr.DataArray(values, dims=("h", "seed")))
    >>> ((interval["low"] < 1) & (1 < interval["high"])).values.tolist()
    [True, True]
    >>> interval["count"].values.tolist()
    [400, 400]
    """
    require(statistic in STATISTICS, "statistic", statistic, "one of " + ", ".join(map(repr, STATISTICS)))
    require(0 < confidence < 1, "confidence", confidence, "between 0 and 1")
    require(resamples >= 10, "resamples", resamples, "at least 10")
    values = realisations_of(data, over)
    if statistic == "typical":
        values = values.where(values > 0)
    bootstrap = functools.partial(
        stats.bootstrap,
        statistic=STATISTICS[statistic],
        method="percentile" if statistic == "median" else "BCa",
        confidence_level=confidence,
        n_resamples=resamples,
        vectorized=True,
        axis=-1,
    )

    def intervals(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        rows = values.reshape(-1, values.shape[-1])
        result = np.full((3, len(rows)), np.nan)
        # points that lack the same realisations (most often none) go through the bootstrap together
        patterns, pattern = np.unique(~np.isnan(rows), axis=0, return_inverse=True)
        for k, kept in enumerate(patterns):
            n, members = int(kept.sum()), np.flatnonzero(pattern.reshape(-1) == k)
            chunk = max(1, _AT_ONCE // max(n, resamples))
            for start in range(0, len(members) if n else 0, chunk):
                points = members[start : start + chunk]
                samples = rows[np.ix_(points, kept)]
                result[: 3 if n > 1 else 1, points] = STATISTICS[statistic](samples, axis=-1)
                varied = np.ptp(samples, axis=-1) > 0  # the acceleration of equal values is 0/0
                if varied.any():
                    batch = max(1, _AT_ONCE // samples.size)
                    # the same seed for each chunk: a point does not depend on how many others there are
                    resampled = bootstrap((samples[varied],), batch=batch, random_state=np.random.default_rng(seed))
                    result[1:, points[varied]] = resampled.confidence_interval
        return tuple(result.reshape(3, *values.shape[:-1]))

    value, low, high = xr.apply_ufunc(intervals, values, input_core_dims=[[over]], output_core_dims=[[], [], []])
    estimated = xr.Dataset({"value": value, "low": low, "high": high, "count": values.count(over)})
    return estimated.assign_attrs(data.attrs)
