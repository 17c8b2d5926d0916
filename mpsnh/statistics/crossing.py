"""Where curves of averages cross, with an interval."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.statistics.averages import RESAMPLES, curves_of, mean_and_error
from mpsnh.statistics.decay import percentiles, resampled_means


def crossing(
    first: xr.DataArray,
    second: xr.DataArray | float,
    along: str = "h",
    over: str = "seed",
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Return where the mean of one quantity falls below that of another, or below a level, and its interval.

    The difference of the means is positive before the place and negative after it. Where noise makes it change sign
    several times, the place is that for which the differences on both sides, in units of their errors, have the right
    signs by most; between the points on either side of it the means are interpolated linearly. The interval is that
    of resampled realisations, drawn apart for the two quantities.

    Parameters
    ----------
    first, second : DataArray
        With the dimensions `along` and `over` only, at the same x; `second` may be a number.
    along : str
        Dimension of x, increasing.
    over : str
        Dimension of the realisations. NaN realisations are skipped.
    confidence : float
        Probability that the interval contains the place, between 0 and 1.

    Returns
    -------
    place, low, high : float
        -inf where no place fits better than one before all x, as if the difference is negative everywhere; inf
        where none fits better than one after all x.

    Raises
    ------
    ValueError
        If there are fewer than two realisations at some x, other dimensions, the x differ, or the level is not finite.

    Examples
    --------
    >>> h, noise = np.arange(5.0), np.random.default_rng(1).normal(size=(2, 5, 400))
    >>> falling = xr.DataArray((3 - h)[:, None] + noise[0], {"h": h}, ("h", "seed"))
    >>> place, low, high = crossing(falling, xr.zeros_like(falling) + noise[1] * 0.1)
    >>> low < 3 < high, round(place)
    (True, 3)
    """
    curves = curves_of(first, along, over)
    values, error, n = _resampled(curves, along, over, seed=0)
    x = curves[along].values.astype(float)
    if isinstance(second, xr.DataArray):
        curves = curves_of(second, along, over)
        same = np.array_equal(curves[along].values, x)
        require(same, f"values of {along!r}", curves[along].values.tolist(), f"those of both: {x.tolist()}")
        others, other, least = _resampled(curves, along, over, seed=1)
        values, error, n = values - others, np.hypot(error, other), min(n, least)
    else:
        require(bool(np.isfinite(second)), "second", second, "a finite number, or data")
        values = values - second
    places = np.array([_place(x, row, error) for row in values])
    low, high = np.quantile(places[1:], percentiles(confidence, n), method="closest_observation")
    return float(places[0]), float(low), float(high)


def _resampled(
    data: xr.DataArray, along: str, over: str, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return means at all x, of all realisations and of each resample, their errors, and the least of realisations."""
    samples = data.values
    least = int(np.isfinite(samples).sum(axis=1).min())
    require(least >= 2, f"number of realisations along {over!r} at some {along}", least, "at least 2")
    means = np.vstack([np.nanmean(samples, axis=1), resampled_means(samples, RESAMPLES, seed)])
    _, error = mean_and_error(samples)  # whose squares are numbers in any unit
    error = np.maximum(error, 1 / samples.shape[1] * np.nanmax(np.abs(samples)))  # what all agree on has an error too
    return means, error, least


def _place(x: NDArray[np.float64], values: NDArray[np.float64], error: NDArray[np.float64]) -> float:
    """Return where values turn from positive to negative."""
    score = np.clip(values / error, -3, 3)
    before = np.concatenate([[0.0], np.cumsum(score)])  # of the k points before the place
    k = int(np.argmax(2 * before))
    if k == 0:
        return -np.inf
    if k == len(x):
        return np.inf
    return float(x[k - 1] + (x[k] - x[k - 1]) * values[k - 1] / (values[k - 1] - values[k]))
