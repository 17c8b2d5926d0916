"""Statistics over circuits with 95 % intervals, and whether they keep bounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from mpsnh.statistics.averages import RESAMPLES, confidence_interval

CONFIDENCE = 0.95
"""Probability that an interval contains the true value."""
ENDS = ("value", "low", "high")
"""A number and its interval."""


def estimate(values: xr.DataArray, statistic: str) -> xr.Dataset:
    """Return a statistic over circuits and its 95 % interval.

    Parameters
    ----------
    values : DataArray
        With the dimension seed and one other; NaN values do not count.
    statistic : str
        As in `Statement`.

    Returns
    -------
    Dataset
        ``value``, ``low``, ``high`` and ``count``. The interval of a share is the exact binomial one (Clopper and
        Pearson), those of means and medians are of `confidence_interval`, that of the mode comes from resampling, and
        that of a largest or smallest value is NaN.

    Examples
    --------
    >>> true = xr.DataArray([[1.0, 1.0, 1.0, np.nan]], {"L": [6]}, ("L", "seed"))
    >>> share = estimate(true, "share")
    >>> share["value"].item(), round(share["low"].item(), 2), share["count"].item()
    (1.0, 0.29, 3)
    """
    if statistic in ("median", "mean"):
        return confidence_interval(values, statistic, confidence=CONFIDENCE)  # type: ignore[arg-type]
    (other,) = (name for name in values.dims if name != "seed")
    rows = []
    for row in values.transpose(other, "seed").values:
        row = row[~np.isnan(row)]
        rows.append((*(_estimated(row, statistic) if len(row) else (np.nan,) * 3), len(row)))
    *numbers, count = np.transpose(rows)
    data = {name: (other, column) for name, column in zip(("value", "low", "high"), numbers, strict=True)}
    return xr.Dataset({**data, "count": (other, count.astype(int))}, {other: values[other]})


def _estimated(row: NDArray[np.float64], statistic: str) -> tuple[float, float, float]:
    if statistic == "share":
        low, high = stats.binomtest(int(row.sum()), len(row)).proportion_ci(CONFIDENCE)
        return row.mean(), low, high
    if statistic == "mode":
        labels, places = np.unique(row, return_inverse=True)
        counts = np.bincount(places)
        resampled = np.random.default_rng(0).multinomial(len(row), counts / len(row), size=RESAMPLES)
        modes = labels[resampled.argmax(axis=1)]
        return (labels[counts.argmax()], *_interval(modes))
    return (float(row.max() if statistic == "largest" else row.min()), np.nan, np.nan)


def drift(values: xr.DataArray) -> tuple[float, float, float]:
    """Return the slope of the logarithm of the median against L, and its 95 % interval.

    Resamples draw whole seeds, which share gates at all L.

    Parameters
    ----------
    values : DataArray
        Positive, with the dimensions L and seed; NaN values do not count.

    Examples
    --------
    >>> decaying = xr.DataArray(np.exp([[-2.0] * 9, [-4.0] * 9]), {"L": [5, 6]}, ("L", "seed"))
    >>> [round(number, 9) for number in drift(decaying)]
    [-2.0, -2.0, -2.0]
    """
    samples, L = values.transpose("L", "seed").values, values["L"].values

    def slope(seeds: NDArray[np.int64]) -> float:
        return float(np.polyfit(L, np.log([_median(row[seeds]) for row in samples]), 1)[0])

    return slope(np.arange(samples.shape[1])), *_interval([slope(draw) for draw in _draws(samples.shape[1])])


def crossing(gamma: xr.DataArray) -> tuple[float, float, float]:
    """Return the largest α at which the median of Γ·4^L ceases to grow with L, and its 95 % interval.

    Between two α it is interpolated linearly in the logarithm.

    Parameters
    ----------
    gamma : DataArray
        Γ, with the dimensions L, of length two, alpha, which increases, and seed; NaN values do not count.

    Returns
    -------
    alpha, low, high : float
        Infinite if that is beyond the α given.

    Examples
    --------
    >>> alpha = xr.DataArray([10.0, 20.0, 40.0], dims="alpha")
    >>> L = xr.DataArray([5, 6], dims="L")
    >>> gamma = np.exp((20 - alpha - np.log(4)) * L).expand_dims(seed=3)
    >>> crossing(gamma.assign_coords(alpha=alpha, L=L))
    (20.0, 20.0, 20.0)
    """
    samples, L, alpha = gamma.transpose("L", "alpha", "seed").values, gamma["L"].values, gamma["alpha"].values

    def place(seeds: NDArray[np.int64]) -> float:
        shorter, longer = (np.log([_median(row[seeds]) for row in size]) for size in samples)
        growth = longer - shorter + np.log(4) * (L[1] - L[0])
        growing = np.flatnonzero(growth >= 0)
        if not len(growing):
            return -np.inf
        k = growing[-1]
        if k == len(alpha) - 1:
            return np.inf
        return float(alpha[k] + (alpha[k + 1] - alpha[k]) * growth[k] / (growth[k] - growth[k + 1]))

    return place(np.arange(samples.shape[2])), *_interval([place(draw) for draw in _draws(samples.shape[2])])


def holds(value: float, low: float, high: float, allowed: tuple[float, float] | None) -> str:
    """Say whether a number is within bounds: "yes", "no", "within errors", or nothing if there are none.

    Parameters
    ----------
    value, low, high : float
        The number and its interval; NaN if it has none.
    allowed : (float, float) or None
        The bounds.

    Examples
    --------
    >>> [holds(value, value - 1, value + 1, (0.0, 2.0)) for value in (1.0, 2.5, 5.0)]
    ['yes', 'within errors', 'no']
    """
    if allowed is None or np.isnan(value):
        return ""
    if allowed[0] <= value <= allowed[1]:
        return "yes"
    return "within errors" if low <= allowed[1] and high >= allowed[0] else "no"


def _median(values: NDArray[np.float64]) -> float:
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else np.nan


def _draws(n: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(n, size=(RESAMPLES, n))


def _interval(resampled: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    ends = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    low, high = np.quantile(resampled, ends, method="closest_observation")  # some may be infinite
    return float(low), float(high)


def percent(fraction: float) -> str:
    """Return a fraction as a text.

    Parameters
    ----------
    fraction : float
        From 0 to 1.

    Examples
    --------
    >>> percent(0.98765)
    '98.8 %'
    """
    return f"{100 * fraction:.3g} %"
