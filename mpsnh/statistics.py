"""Averages over realisations and exponential fits, with errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from mpsnh.value import require

RESAMPLES = 1000
"""Bootstrap resamples behind each error of a fitted rate."""


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
        If there are fewer than two realisations.

    Examples
    --------
    >>> averaged = mean_with_error(xr.DataArray([1.0, 3.0], dims="seed"))
    >>> float(averaged["mean"]), float(averaged["error"])
    (2.0, 1.0)
    """
    n = data.sizes[over]
    require(n >= 2, f"number of realisations along {over!r}", n, "at least 2")
    error = data.std(over, ddof=1) / np.sqrt(n)
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


@dataclass(frozen=True)
class ExponentialFit:
    """A fit of prefactor · exp(-rate · x).

    Attributes
    ----------
    rate, error : float
        The rate and its bootstrap standard error.
    prefactor : float
        The value at x = 0.
    x : ndarray
        The points that were fitted.

    Examples
    --------
    >>> float(ExponentialFit(rate=0.0, error=0.1, prefactor=2.0, x=np.array([1.0]))(3.0))
    2.0
    """

    rate: float
    error: float
    prefactor: float
    x: NDArray[np.float64]

    def __call__(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return the fitted curve."""
        return self.prefactor * np.exp(-self.rate * np.asarray(x))


def fit_exponential(
    data: xr.DataArray, along: str, window: tuple[float, float], over: str = "seed", significance: float = 1.0
) -> ExponentialFit:
    """Fit the mean over realisations to prefactor · exp(-rate · x).

    Weighted least squares of the logarithm of the mean, each point weighted by its relative standard error.
    The error of the rate comes from resampling whole realisations: those with the same seed share their disorder
    pattern at all x, so that the points of a curve are correlated.

    Parameters
    ----------
    data : DataArray
        Values with the dimensions `along` and `over` only.
    along : str
        Dimension of x.
    window : (float, float)
        Smallest and largest x to use.
    over : str
        Dimension of the realisations.
    significance : float
        Leave out points whose mean is not larger than this many standard errors.

    Returns
    -------
    ExponentialFit

    Raises
    ------
    ValueError
        If fewer than two points are left.

    Examples
    --------
    >>> h = np.arange(1.0, 6.0)
    >>> noise = np.random.default_rng(1).uniform(0.5, 1.5, (5, 400))
    >>> data = xr.DataArray(np.exp(-2 * h)[:, None] * noise, {"h": h}, ("h", "seed"))
    >>> fit = fit_exponential(data, "h", (1, 5))
    >>> abs(fit.rate - 2) < 4 * fit.error < 0.1
    True
    """
    values = data.transpose(along, over).sel({along: slice(*window)})
    averaged = mean_with_error(values, over)
    mean, error = averaged["mean"].values, averaged["error"].values
    used = (mean > 0) & (mean > significance * error) & (error > 0)
    require(int(used.sum()) >= 2, "number of points to fit", int(used.sum()), f"at least 2 in {window}")
    x, samples = values[along].values[used], values.values[used]
    weights = mean[used] / error[used]

    def line(means: NDArray[np.float64]) -> tuple[float, float]:
        valid = means > 0
        if valid.sum() < 2:
            return np.nan, np.nan
        slope, offset = np.polyfit(x[valid], np.log(means[valid]), 1, w=weights[valid])
        return -slope, np.exp(offset)

    generator = np.random.default_rng(0)
    draws = generator.integers(samples.shape[1], size=(RESAMPLES, samples.shape[1]))
    rates = [line(samples[:, draw].mean(axis=1))[0] for draw in draws]
    rate, prefactor = line(mean[used])
    return ExponentialFit(float(rate), float(np.nanstd(rates, ddof=1)), float(prefactor), x)
