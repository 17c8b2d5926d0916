"""Means, typical values and intervals over realisations, with errors.

A realisation that failed is NaN; it is skipped, and the number of those that were used is part of each result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from mpsnh.checks import require

RESAMPLES = 1000
"""Bootstrap resamples behind the error of a fit, unless told otherwise."""


def realisations_of(data: xr.DataArray, over: str, *, real: bool = True) -> xr.DataArray:
    """Return the data as floating-point numbers if there are enough realisations, of which none is infinite.

    Parameters
    ----------
    data : DataArray
        One value for each realisation, and any other dimensions. A realisation that failed is NaN.
    over : str
        Dimension of the realisations.
    real : bool
        Whether to refuse complex values.

    Raises
    ------
    ValueError
        If there are fewer than two realisations, no such dimension, or an infinite value.
    TypeError
        If the data are no DataArray of numbers, or complex where they must be real.

    Examples
    --------
    >>> realisations_of(xr.DataArray([1, 3], dims="seed"), "seed").values.tolist()
    [1.0, 3.0]
    """
    if not isinstance(data, xr.DataArray):
        kind = type(data).__name__
        raise TypeError(f"data is a {kind}, but it must be a DataArray, as one variable of a dataset is: data['gap']")
    require(over in data.dims, "over", over, f"a dimension of the data: {', '.join(map(str, data.dims))}")
    n = data.sizes[over]
    require(n >= 2, f"number of realisations along {over!r}", n, "at least 2")
    if data.dtype.kind not in "biufc":
        raise TypeError(f"data has values of type {data.dtype}, but they must be numbers")
    if real and data.dtype.kind == "c":
        raise TypeError("data is complex, but it must be real; take data.real, data.imag or abs(data)")
    infinite = int(np.isinf(data.values).sum())
    finite = "0: leave them out as NaN, with data.where(np.isfinite(data)), or use the logarithm of what overflows"
    require(infinite == 0, "number of infinite values", infinite, finite)
    return data.astype(complex if data.dtype.kind == "c" else float)


def curves_of(data: xr.DataArray, along: str, over: str) -> xr.DataArray:
    """Return a curve of each realisation: `realisations_of` with the dimensions `along`, of increasing x, and `over`.

    Parameters
    ----------
    data : DataArray
        With these two dimensions only, in any order.
    along : str
        Dimension of x, whose coordinates are finite numbers, each a different one.
    over : str
        Dimension of the realisations.

    Raises
    ------
    ValueError
        If there are other dimensions, or x has no coordinates or others than that.

    Examples
    --------
    >>> curves_of(xr.DataArray([[1, 3, 5], [2, 4, 6]], {"h": [2.0, 1.0]}, ("h", "seed")), "h", "seed").values.tolist()
    [[2.0, 4.0, 6.0], [1.0, 3.0, 5.0]]
    """
    values = realisations_of(data, over)
    require(set(values.dims) == {along, over}, "dimensions of the data", values.dims, f"{along!r} and {over!r} only")
    x = values[along].values
    known = along in values.coords and x.dtype.kind in "biuf" and bool(np.isfinite(x).all())
    different = known and len(np.unique(x)) == len(x)
    require(different, f"values of {along!r}", x.tolist() if along in values.coords else None, DISTINCT)
    return values.transpose(along, over).sortby(along)


DISTINCT = "coordinates of the data that are finite numbers, each a different one"
"""What x must be."""


def mean_with_error(data: xr.DataArray, over: str = "seed") -> xr.Dataset:
    """Return the mean over realisations and its standard error √(Var/n), where Var is that of |x - mean|.

    Mean ± error is no interval of a known confidence: of ten normal numbers it contains the true mean in 66 % of the
    cases, of broad distributions more rarely. `confidence_interval` makes intervals that cover.

    Parameters
    ----------
    data : DataArray
        One value for each realisation, real or complex, and any other dimensions. NaN realisations are skipped.
    over : str
        Dimension of the realisations, at least two.

    Returns
    -------
    Dataset
        Variables ``mean`` and ``error``, with the attributes of `data`. The error is real, and NaN with fewer than two
        realisations.

    Raises
    ------
    ValueError
        If there are fewer than two realisations, no such dimension, or an infinite value.
    TypeError
        If the data are no DataArray of numbers.

    Examples
    --------
    >>> averaged = mean_with_error(xr.DataArray([1.0, 3.0], dims="seed"))
    >>> float(averaged["mean"]), float(averaged["error"])
    (2.0, 1.0)
    >>> complex_one = mean_with_error(xr.DataArray([2j, 2 + 0j], dims="seed"))  # a variance of 2 for both parts
    >>> complex(complex_one["mean"]), round(float(complex_one["error"]) ** 2, 12)
    ((1+1j), 2.0)
    """
    values = realisations_of(data, over, real=False)
    mean, error = xr.apply_ufunc(mean_and_error, values, input_core_dims=[[over]], output_core_dims=[[], []])
    return xr.Dataset({"mean": mean, "error": error}).assign_attrs(data.attrs)


def mean_and_error(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return what `mean_with_error` does, of an array.

    Parameters
    ----------
    values : ndarray, shape (…, realisations)
        Real or complex; those that are missing are NaN.

    Examples
    --------
    >>> [number.tolist() for number in mean_and_error(np.array([[1.0, 3.0, np.nan], [2.0, np.nan, np.nan]]))]
    [[2.0, 2.0], [1.0, nan]]
    """
    count = (~np.isnan(values)).sum(axis=-1)
    # in units of a power of two, as squares of what is very small or large are no numbers
    largest = np.max(np.nan_to_num(np.abs(values)), axis=-1, initial=0.0)
    unit = np.ldexp(1.0, np.clip(np.frexp(largest)[1], -1000, 1000))
    values = values / unit[..., None]
    mean = np.nansum(values, axis=-1) / np.where(count > 0, count, np.nan)
    squares = np.nansum(np.abs(values - mean[..., None]) ** 2, axis=-1)
    n = np.where(count > 1, count, np.nan)
    return mean * unit, np.sqrt(squares / (n - 1) / n) * unit


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

    Raises
    ------
    ValueError
        If there are fewer than two realisations, no such dimension, or an infinite value.
    TypeError
        If the data are no DataArray of real numbers.

    Examples
    --------
    >>> round(float(typical(xr.DataArray([0.0, 1.0, 100.0], dims="seed"))), 12)
    10.0
    """
    values = realisations_of(data, over)
    logarithm: xr.DataArray = xr.apply_ufunc(np.log, values.where(values > 0))
    average: xr.DataArray = xr.apply_ufunc(np.exp, logarithm.mean(over))
    return average


def confidence_interval(
    data: xr.DataArray,
    statistic: Literal["mean", "median", "typical"] = "mean",
    over: str = "seed",
    confidence: float = 0.95,
) -> xr.Dataset:
    """Return a mean, median or typical mean over realisations and its confidence interval.

    The interval of the mean is the wider, on each side, of Student's and that of the t-statistic without its skewness,
    which P. Hall's cubic transformation takes out (J. R. Stat. Soc. B 54, 221 (1992)). That of the typical mean is the
    same for the logarithm, that of the median lies between order statistics (T. P. Hettmansperger and S. J. Sheather,
    Stat. Probab. Lett. 4, 75 (1986)). How often 95 % intervals contain the true mean, found by simulation, with that of
    Student's in brackets:

    =================  ===========  ===========  ===========  ===========
    distribution       n = 10       30           100          1000
    =================  ===========  ===========  ===========  ===========
    normal             96 (95) %    95 (95) %    95 (95) %    95 (95) %
    exponential        95 (90) %    96 (93) %    96 (94) %    96 (95) %
    lognormal, σ = 1   93 (84) %    94 (88) %    96 (92) %    96 (94) %
    lognormal, σ = 2   81 (57) %    89 (65) %    90 (74) %    92 (85) %
    70 % zeros         90 (79) %    98 (88) %    97 (92) %    96 (94) %
    =================  ===========  ===========  ===========  ===========

    Where 70 % are zeros the others are exponential. Intervals of the median and of the typical mean contain it in 94 %
    or more, from the least number of realisations on. Values that less than one realisation in n has are most often not
    among them, and no interval of theirs allows for these.

    Parameters
    ----------
    data : DataArray
        One real value for each realisation, and any other dimensions. NaN realisations are skipped.
    statistic : {"mean", "median", "typical"}
        What to compute; the typical mean uses the realisations with a positive value, as `typical` does.
    over : str
        Dimension of the realisations, at least two.
    confidence : float
        Probability that the interval contains the true value, between 0 and 1.

    Returns
    -------
    Dataset
        Variables ``value``, ``low``, ``high`` and ``count``, the number of realisations used, with the attributes of
        `data`. The interval is NaN with too few realisations for one: below two, or for the median below six if the
        confidence is 0.95. It is of zero width if all are equal, which says that none differed, not that none can.

    Raises
    ------
    ValueError
        If there are fewer than two realisations, no such dimension or statistic, an infinite value, or the confidence
        is out of range.
    TypeError
        If the data are no DataArray of real numbers.

    Examples
    --------
    >>> values = np.random.default_rng(1).exponential(size=(2, 400))
    >>> interval = confidence_interval(xr.DataArray(values, dims=("h", "seed")))
    >>> ((interval["low"] < 1) & (1 < interval["high"])).values.tolist()
    [True, True]
    >>> interval["count"].values.tolist()
    [400, 400]
    """
    require(statistic in STATISTICS, "statistic", statistic, "one of " + ", ".join(map(repr, STATISTICS)))
    require(0 < confidence < 1, "confidence", confidence, "between 0 and 1")
    values = realisations_of(data, over)
    if statistic == "typical":
        values = values.where(values > 0)
    ends = xr.apply_ufunc(
        STATISTICS[statistic], values, confidence, input_core_dims=[[over], []], output_core_dims=[[], [], []]
    )
    named = dict(zip(("value", "low", "high"), ends, strict=True))
    return xr.Dataset({**named, "count": values.count(over)}).assign_attrs(data.attrs)


Ends = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""A statistic over the last axis, and the lower and upper end of its interval."""


def _mean(values: NDArray[np.float64], confidence: float) -> Ends:
    count = np.isfinite(values).sum(axis=-1)
    n = np.where(count > 0, count, np.nan)
    mean = np.nansum(values, axis=-1) / n
    deviations = np.nan_to_num(values - mean[..., None])
    scale = np.abs(deviations).max(axis=-1, initial=0)
    deviations /= np.where(scale > 0, scale, 1)[..., None]  # so that no power of them underflows
    n = np.where(count > 1, count, np.nan)
    second, third = (np.sum(deviations**k, axis=-1) for k in (2, 3))
    spread = np.sqrt(second / (n - 1))
    # of the third cumulant and the variance, without bias for normal numbers; two have no skewness
    skewness = n / np.maximum((n - 1) * (n - 2), 1) * third / np.where(second > 0, second / n, 1) ** 1.5
    # g(t) = t + a t² + a² t³/3 + a/2n is rid of the skewness, is that of a number without, and increases
    a = np.where(np.abs(skewness) > _SYMMETRIC, skewness, _SYMMETRIC) / 3
    half = stats.t.ppf((1 + confidence) / 2, n - 1) / np.sqrt(n)
    below, above = ((np.cbrt(1 + 3 * a * (t - a / (2 * n))) - 1) / a for t in (half, -half))
    low, high = (scale * spread * end for end in (np.maximum(below, half), np.minimum(above, -half)))
    return mean, mean - low, mean - high


def _typical(values: NDArray[np.float64], confidence: float) -> Ends:
    value, low, high = (np.exp(end) for end in _mean(np.log(values), confidence))
    return value, low, high


def _median(values: NDArray[np.float64], confidence: float) -> Ends:
    ordered, n = np.sort(values, axis=-1), np.isfinite(values).sum(axis=-1)

    def at(place: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the value at a place counted from 0; what is missing stands last."""
        inside = np.clip(place, 0, values.shape[-1] - 1)
        return np.where(place >= 0, np.take_along_axis(ordered, inside[..., None], axis=-1)[..., 0], np.nan)

    # the k-th from below and above have the median between them with a probability from the binomial distribution
    k = stats.binom.ppf((1 - confidence) / 2, n, 0.5).astype(int)
    wide, narrow = (1 - 2 * stats.binom.cdf(place, n, 0.5) for place in (k - 1, k))
    part = (wide - confidence) / (wide - narrow)
    part = (n - k) * part / np.maximum(k + (n - 2 * k) * part, _SYMMETRIC)
    low, high = (
        (1 - part) * at(outer) + part * at(np.where(k > 0, inner, -1))
        for outer, inner in ((k - 1, k), (n - k, n - k - 1))
    )
    return (at((n - 1) // 2) + at(n // 2)) / 2, low, np.where(k > 0, high, np.nan)


_SYMMETRIC = 1e-6
"""A skewness below this is none."""

STATISTICS: dict[str, Callable[..., Any]] = {"mean": _mean, "median": _median, "typical": _typical}
"""What `confidence_interval` can compute, by functions of values along the last axis and a confidence."""
