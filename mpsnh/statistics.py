"""Averages, distributions, exponential fits and kinks over realisations, with errors.

A realisation that failed is NaN; it is skipped, and the number of those that were used is part of each result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mpsnh.value import require

RESAMPLES = 1000
"""Bootstrap resamples behind each error, unless told otherwise."""

STATISTICS: dict[str, Callable[..., Any]] = {"mean": np.mean, "median": np.median, "typical": stats.gmean}
"""What `bootstrap_interval` can compute."""

_ROUNDING = 1e-12
"""A change that is smaller than this, relative to the values, is none."""

_AT_ONCE = 2**22
"""Numbers that a bootstrap holds in memory at a time (32 MB)."""


def _realisations(data: xr.DataArray, over: str) -> xr.DataArray:
    """Return the data as floats if there are enough realisations."""
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
    values = _realisations(data, over)
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
    values = _realisations(data, over)
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
                    found = bootstrap((samples[varied],), batch=batch, random_state=np.random.default_rng(seed))
                    result[1:, points[varied]] = found.confidence_interval
        return tuple(result.reshape(3, *values.shape[:-1]))

    value, low, high = xr.apply_ufunc(intervals, values, input_core_dims=[[over]], output_core_dims=[[], [], []])
    found = xr.Dataset({"value": value, "low": low, "high": high, "count": values.count(over)})
    return found.assign_attrs(data.attrs)


def log_histogram(data: xr.DataArray, over: str = "seed", bins: int | ArrayLike = 20) -> xr.Dataset:
    """Return the distribution over realisations on a logarithmic axis.

    Parameters
    ----------
    data : DataArray
        One value for each realisation, and any other dimensions. NaN realisations are skipped.
    over : str
        Dimension of the realisations, at least two.
    bins : int or array_like
        Number of bins, all of one width in the logarithm, from the smallest to the largest positive value of all
        points; or their edges, which are positive and increase, in the units of `data`.

    Returns
    -------
    Dataset
        Variables ``density``, the probability per decade among the positive values of a point; ``nonpositive``,
        the fraction of values that are zero or negative; and ``count``, the number of realisations used.
        The new dimension ``bin`` has the geometric centres as its coordinate and the edges as ``lower`` and ``upper``.
        Given edges that leave out some positive values, the density integrates to the fraction inside.

    Raises
    ------
    ValueError
        If there are fewer than two realisations, no such dimension, no positive value, or `bins` is unusable.

    Examples
    --------
    >>> histogram = log_histogram(xr.DataArray([0.0, 1.0, 10.0, 1000.0], dims="seed"), bins=3)
    >>> histogram["density"].values.round(12).tolist(), float(histogram["nonpositive"])
    ([0.333333333333, 0.333333333333, 0.333333333333], 0.25)
    >>> histogram["lower"].values.round(9).tolist()
    [1.0, 10.0, 100.0]
    """
    values = _realisations(data, over)
    if np.ndim(bins) == 0:
        number = int(np.asarray(bins))
        require(number >= 1, "bins", bins, "at least 1")
        positive = values.values[values.values > 0]
        require(positive.size > 0, "number of positive values", positive.size, "at least 1, or give the edges as bins")
        smallest, largest = positive.min(), positive.max()
        if smallest == largest:  # one decade around it
            smallest, largest = smallest / np.sqrt(10), largest * np.sqrt(10)
        edges = np.geomspace(smallest, largest, number + 1)
    else:
        edges = np.asarray(bins, float)
        usable = edges.ndim == 1 and edges.size >= 2 and edges[0] > 0 and bool(np.all(np.diff(edges) > 0))
        require(usable, "bins", bins, "a number, or two or more positive increasing edges")
    lower, upper = edges[:-1], edges[1:]
    counts: xr.DataArray = xr.apply_ufunc(
        lambda row: np.histogram(row, edges)[0].astype(float),
        values,
        input_core_dims=[[over]],
        output_core_dims=[["bin"]],
        vectorize=True,
    )
    coordinates = {"bin": np.sqrt(lower * upper), "lower": ("bin", lower), "upper": ("bin", upper)}
    positives, count = (values > 0).sum(over), values.count(over)
    decades = xr.DataArray(np.log10(upper / lower), dims="bin")
    density = counts / positives.where(positives > 0) / decades
    nonpositive = (values <= 0).sum(over) / count.where(count > 0)
    histogram = xr.Dataset({"density": density, "nonpositive": nonpositive, "count": count})
    return histogram.assign_coords(coordinates).assign_attrs(data.attrs)


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
    count : ndarray
        Number of realisations at each of the points.
    resampled : ndarray
        Shape (resamples, 2): rate and prefactor of each bootstrap resample, NaN where it could not be fitted.

    Examples
    --------
    >>> float(ExponentialFit(rate=0.0, error=0.1, prefactor=2.0, x=np.array([1.0]))(3.0))
    2.0
    """

    rate: float
    error: float
    prefactor: float
    x: NDArray[np.float64]
    count: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, int), repr=False)
    resampled: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)), repr=False)

    def __call__(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return the fitted curve."""
        return self.prefactor * np.exp(-self.rate * np.asarray(x))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the bootstrap confidence interval of the rate.

        Parameters
        ----------
        confidence : float
            Probability that it contains the true rate, between 0 and 1.

        Returns
        -------
        low, high : float
            Percentiles of the resampled rates.

        Raises
        ------
        ValueError
            If the confidence is out of range or the fit has no resamples.

        Examples
        --------
        >>> resampled = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
        >>> fit = ExponentialFit(rate=1.0, error=0.5, prefactor=1.0, x=np.array([1.0]), resampled=resampled)
        >>> fit.interval(confidence=0.5)
        (0.5, 1.5)
        """
        rates, _ = self._resampled(confidence)
        low, high = np.quantile(rates, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), float(high)

    def _resampled(self, confidence: float) -> NDArray[np.float64]:
        require(0 < confidence < 1, "confidence", confidence, "between 0 and 1")
        fitted = self.resampled[~np.isnan(self.resampled).any(axis=1)]
        require(len(fitted) > 0, "number of resampled fits", len(fitted), "at least 1")
        transposed: NDArray[np.float64] = fitted.T
        return transposed

    def band(self, x: ArrayLike, confidence: float = 0.68) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lower and upper end of the confidence band of the fitted curve, point by point.

        Parameters
        ----------
        x : array_like
            Where to evaluate it, any shape.
        confidence : float
            Probability that the band contains the true curve at one x, between 0 and 1.

        Returns
        -------
        low, high : ndarray
            Percentiles of the resampled fits, in the shape of `x`.

        Raises
        ------
        ValueError
            If the confidence is out of range or the fit has no resamples.

        Examples
        --------
        >>> resampled = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0]])
        >>> fit = ExponentialFit(rate=0.0, error=0.1, prefactor=2.0, x=np.array([1.0]), resampled=resampled)
        >>> low, high = fit.band(5.0, confidence=0.5)
        >>> float(low), float(high)
        (1.5, 2.5)
        """
        rate, prefactor = self._resampled(confidence)
        curves = prefactor * np.exp(-np.multiply.outer(np.asarray(x, float), rate))
        low, high = np.quantile(curves, [(1 - confidence) / 2, (1 + confidence) / 2], axis=-1)
        return low, high


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
        Values with the dimensions `along` and `over` only. NaN realisations are skipped.
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
    x, samples = _points_to_fit(data, along, window, over, significance, least=2)
    averaged = mean_with_error(xr.DataArray(samples, dims=(along, over)), over)
    mean, error = averaged["mean"].values, averaged["error"].values
    weights = mean / error

    def line(means: NDArray[np.float64]) -> tuple[float, float]:
        valid = means > 0
        if valid.sum() < 2:
            return np.nan, np.nan
        slope, offset = np.polyfit(x[valid], np.log(means[valid]), 1, w=weights[valid])
        return -slope, np.exp(offset)

    resampled = np.array([line(_mean(samples[:, draw])) for draw in _draws(samples.shape[1], RESAMPLES, seed=0)])
    rate, prefactor = line(mean)
    count = np.isfinite(samples).sum(axis=1)
    return ExponentialFit(float(rate), float(np.nanstd(resampled[:, 0], ddof=1)), float(prefactor), x, count, resampled)


def _points_to_fit(
    data: xr.DataArray, along: str, window: tuple[float, float], over: str, significance: float, least: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the x whose mean differs from zero, and the values there, with realisations as the second axis."""
    values = _realisations(data, over).transpose(along, over).sel({along: slice(*window)}).dropna(over, how="all")
    averaged = mean_with_error(values, over)
    mean, error = averaged["mean"].values, averaged["error"].values
    used = (mean > 0) & (mean > significance * error) & (error > 0)
    require(int(used.sum()) >= least, "number of points to fit", int(used.sum()), f"at least {least} in {window}")
    return values[along].values[used], values.values[used]


def _draws(n: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Return indices of n whole realisations for each resample."""
    return np.random.default_rng(seed).integers(n, size=(resamples, n))


def _mean(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the second axis without its NaN, NaN if there is nothing else."""
    present = np.isfinite(samples)
    count = present.sum(axis=1)
    return np.asarray(np.where(present, samples, 0).sum(axis=1) / np.where(count > 0, count, np.nan))


@dataclass(frozen=True)
class Kink:
    """Whether ln(mean) against x is one straight line or two that join at a breakpoint.

    Attributes
    ----------
    p_value : float
        Probability that data from one straight line favour two as much as these do.
    delta_bic : float
        Bayesian information criterion of one line minus that of two: positive if two lines are worth their two
        additional parameters. It takes averages for Gaussian, which makes it too large for broad distributions.
    breakpoint : float
        x at which the two lines join.
    interval : (float, float)
        Bootstrap interval of the breakpoint, 68 percent; without meaning if there is no kink.
    slopes : (float, float)
        Slope of ln(mean) before and after the breakpoint.
    slope : float
        Slope of the one line.
    misfit_p_value : float
        Probability that data from straight lines deviate from the best two lines as much as these do; if it is
        small, ln(mean) is neither one line nor two.
    x : ndarray
        The points that were compared.
    count : ndarray
        Number of realisations at each of the points.
    along : str
        Name of x.

    Examples
    --------
    >>> x = np.arange(1.0, 7.0)
    >>> print(Kink(0.4, -8.0, 3.0, (2.0, 4.0), (-1.1, -0.9), -1.0, 0.5, x, np.full(6, 100), "h"))
    No evidence for a kink: ln(mean) against h is consistent with one line of slope -1 (p = 0.400, ΔBIC = -8.0).
    >>> print(Kink(0.001, 20.0, 3.0, (2.5, 3.5), (-1.5, -0.5), -1.0, 0.5, x, np.full(6, 100), "h"))
    Evidence for a kink of ln(mean) at h = 3 (2.5 to 3.5), where the slope turns from -1.5 to -0.5
    (p = 0.001, ΔBIC = 20.0).
    """

    p_value: float
    delta_bic: float
    breakpoint: float
    interval: tuple[float, float]
    slopes: tuple[float, float]
    slope: float
    misfit_p_value: float
    x: NDArray[np.float64]
    count: NDArray[np.int64]
    along: str

    def __str__(self) -> str:
        """Return the conclusion at the five percent level in words."""
        numbers = f"(p = {self.p_value:.3f}, ΔBIC = {self.delta_bic:.1f})"
        if self.misfit_p_value < 0.05:
            numbers += f"; but two lines do not describe the data either (p = {self.misfit_p_value:.3f})"
        if self.p_value >= 0.05:
            line = f"ln(mean) against {self.along} is consistent with one line of slope {self.slope:.3g}"
            return f"No evidence for a kink: {line} {numbers}."
        strength = "Evidence" if self.delta_bic > 0 else "Weak evidence"
        (low, high), (before, after) = self.interval, self.slopes
        place = f"{self.along} = {self.breakpoint:.3g} ({low:.3g} to {high:.3g})"
        turn = f"where the slope turns from {before:.3g} to {after:.3g}"
        return f"{strength} for a kink of ln(mean) at {place}, {turn} {numbers}."


def kink(
    data: xr.DataArray,
    along: str = "h",
    window: tuple[float, float] = (-np.inf, np.inf),
    over: str = "seed",
    significance: float = 1.0,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Kink:
    """Compare one straight line with two that join at a breakpoint, for ln(mean) against x.

    Both are fitted by generalised least squares, with the covariance of ln(mean) between all x: points that share
    seeds are correlated. The statistic is the likelihood ratio of a Gaussian whose covariance is estimated from the
    same realisations. Its distribution for one straight line is no χ², since the breakpoint then means nothing; it
    comes from resampling whole realisations, moved onto a line, each with its own breakpoint and covariance.
    That also allows for the skewed averages of broad distributions, which a Gaussian resampling would take for kinks.

    Parameters
    ----------
    data : DataArray
        Values with the dimensions `along` and `over` only. NaN realisations are skipped.
    along : str
        Dimension of x, increasing.
    window : (float, float)
        Smallest and largest x to use.
    over : str
        Dimension of the realisations: several times as many as there are points.
    significance : float
        Leave out points whose mean is not larger than this many standard errors.
    resamples : int
        Number of bootstrap resamples; the smallest possible p-value is 1/(resamples + 1).
    seed : int
        Seed of the resampling.

    Returns
    -------
    Kink
        Its ``delta_bic`` counts realisations as the number of data, since they are what makes the errors shrink.

    Raises
    ------
    ValueError
        If fewer than five points are left, or the realisations do not suffice for the covariance of the points.

    Examples
    --------
    >>> h = np.arange(1.0, 9.0)
    >>> noise = np.random.default_rng(1).exponential(size=(8, 400))
    >>> curve = np.exp(-0.5 * h - 1.5 * np.maximum(h - 4, 0))
    >>> found = kink(xr.DataArray(curve[:, None] * noise, {"h": h}, ("h", "seed")), resamples=200)
    >>> found.p_value < 0.01, abs(found.breakpoint - 4) < 0.5
    (True, True)
    """
    require(resamples >= 1, "resamples", resamples, "at least 1")
    x, samples = _points_to_fit(data, along, window, over, significance, least=5)
    mean, covariance = _log_mean(samples)
    require(
        bool(_well_conditioned(mean, covariance)),
        f"number of realisations along {over!r}",
        samples.shape[1],
        f"enough for the covariance of {len(x)} points, which is singular",
    )
    count = np.isfinite(samples).sum(axis=1)
    n = int(count.min())
    # breakpoints between the second point and the last but one; beyond them a line has only one point to fit
    places = np.linspace(1, len(x) - 2, min(8 * (len(x) - 3) + 1, 101))
    places = np.interp(places, np.arange(len(x)), x)
    one, two, chosen = _compare(x, places, mean, covariance)
    ratio = _likelihood_ratio(n, one, two)

    drawn = [_log_mean(samples[:, draw]) for draw in _draws(samples.shape[1], resamples, seed)]
    means, covariances = np.array([pair[0] for pair in drawn]), np.array([pair[1] for pair in drawn])
    good = _well_conditioned(means, covariances)
    means, covariances = means[good], covariances[good]
    null_one, null_two, _ = _compare(x, places, means - mean, covariances)
    # a resample without a usable covariance counts against a kink and against a misfit: better cautious than wrong
    larger = int(np.sum(_likelihood_ratio(n, null_one, null_two) >= ratio)) + int(np.sum(~good))
    worse = int(np.sum(null_two >= two)) + int(np.sum(~good))
    resampled = places[_compare(x, places, means, covariances)[2]] if good.any() else places
    low, high = np.quantile(resampled, [0.16, 0.84])

    where = float(places[chosen])
    root = np.linalg.cholesky(covariance)
    columns = np.linalg.solve(root, np.column_stack([np.ones_like(x), x, np.maximum(x - where, 0)]))
    target = np.linalg.solve(root, mean)
    slope = np.linalg.lstsq(columns[:, :2], target)[0][1]
    _, before, change = np.linalg.lstsq(columns, target)[0]
    return Kink(
        p_value=(1 + larger) / (1 + resamples),
        delta_bic=float(ratio - 2 * np.log(n)),
        breakpoint=where,
        interval=(float(low), float(high)),
        slopes=(float(before), float(before + change)),
        slope=float(slope),
        misfit_p_value=(1 + worse) / (1 + resamples),
        x=x,
        count=count,
        along=along,
    )


def _log_mean(samples: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ln(mean) at each x and its covariance: that of the bootstrap to first order, NaN without a mean > 0."""
    n, present, mean = samples.shape[1], np.isfinite(samples), _mean(samples)
    mean = np.where(mean > 0, mean, np.nan)
    relative = (samples - mean[:, None]) / (mean * present.sum(axis=1))[:, None]
    relative = np.where(present, relative, 0)
    return np.log(mean), relative @ relative.T * (n / (n - 1))


def _well_conditioned(means: NDArray[np.float64], covariances: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell where the mean exists and rounding does not spoil the correlation matrix (one for each leading index)."""
    errors = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
    good = np.asarray(np.isfinite(means).all(axis=-1) & (errors > 0).all(axis=-1))
    errors = np.where(good[..., None], errors, 1)
    correlation = np.where(good[..., None, None], covariances, 0) / (errors[..., :, None] * errors[..., None, :])
    return np.asarray(np.linalg.eigvalsh(correlation)[..., 0] > 1e-10)


def _compare(
    x: NDArray[np.float64], places: NDArray[np.float64], y: NDArray[np.float64], covariance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return χ² of one line, χ² of two with the best of all breakpoints, and its index, for each leading index."""
    # make the noise white, and take out what one line describes, from the data and from the hinges max(x - place, 0)
    columns = np.column_stack([np.ones_like(x), x, np.maximum(x[:, None] - places, 0)])
    root = np.linalg.cholesky(covariance)
    white = np.linalg.solve(root, np.broadcast_to(columns, (*root.shape[:-2], *columns.shape)))
    line, rest = white[..., :2], np.concatenate([white[..., 2:], np.linalg.solve(root, y[..., None])], axis=-1)
    line = np.linalg.qr(line).Q
    rest = rest - line @ (np.swapaxes(line, -1, -2) @ rest)
    hinges, data = rest[..., :-1], rest[..., -1:]
    gain = (hinges * data).sum(axis=-2) ** 2 / (hinges**2).sum(axis=-2)
    one = (data**2).sum(axis=(-2, -1))
    return one, np.maximum(one - gain.max(axis=-1), 0), gain.argmax(axis=-1)


def _likelihood_ratio(n: int, one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return twice the logarithm of the likelihood ratio of n Gaussian vectors, their covariance being fitted too."""
    return n * np.log((n - 1 + one) / (n - 1 + two))


@dataclass(frozen=True)
class Plateau:
    """Where the mean over realisations has stopped to change with time, or that it has not.

    Attributes
    ----------
    found : bool
        Whether there is a window without drift. If not, the rest is about the shortest window.
    window : (float, float)
        First and last time.
    value, error : float
        Mean over the window and its standard error over realisations.
    drift, drift_error : float
        Change of the mean from one end of the window to the other along the best straight line, and its standard
        error over realisations.
    systematic : float
        Error by what is left of the drift and by the choice of the window: half of the drift, or how much the value
        would change with a shorter window that ends at the same time, whichever is larger.

    Examples
    --------
    >>> print(Plateau(True, (5.0, 20.0), 0.012, 0.001, 0.0002, 0.0004, 0.0003))
    0.012 ± 0.001 (realisations) ± 0.0003 (window) over 5 ≤ t ≤ 20
    >>> print(Plateau(False, (15.0, 20.0), 0.012, 0.001, -0.002, 0.0004, 0.001))
    no plateau: falls by 0.002 ± 0.0004 over 15 ≤ t ≤ 20, where the mean is 0.012 ± 0.001
    """

    found: bool
    window: tuple[float, float]
    value: float
    error: float
    drift: float
    drift_error: float
    systematic: float

    def __str__(self) -> str:
        """Return the result in words."""
        where = f"over {self.window[0]:.3g} ≤ t ≤ {self.window[1]:.3g}"
        if self.found:
            return f"{self.value:.3g} ± {self.error:.2g} (realisations) ± {self.systematic:.2g} (window) {where}"
        change = f"{'falls' if self.drift < 0 else 'rises'} by {abs(self.drift):.2g} ± {self.drift_error:.2g}"
        return f"no plateau: {change} {where}, where the mean is {self.value:.3g} ± {self.error:.2g}"


def plateau(
    data: xr.DataArray,
    end: float = np.inf,
    along: str = "time",
    over: str = "seed",
    shortest: float = 0.25,
    level: float = 0.05,
) -> Plateau:
    """Find the plateau of the mean over realisations at late times.

    Windows end at the last time. Beginning with the shortest, they are made longer until one has a significant drift:
    a change of the mean along the best straight line, by Student's test over the realisations, whose values at
    different times may be correlated. Longer ones are not tried, since a peak may hide in them. Of the windows without
    drift, the longest is taken in which half of the drift is below the error of the mean; else the shortest.

    Parameters
    ----------
    data : DataArray
        Values with the dimensions `along` and `over` only. A realisation with a NaN is skipped.
    end : float
        Last time to use, for instance when the boundaries are felt.
    along : str
        Dimension of the time, increasing.
    over : str
        Dimension of the realisations, at least two.
    shortest : float
        Length of the shortest window, as a fraction of the time from the beginning to the end.
    level : float
        Probability that a window without drift is taken for one that drifts.

    Returns
    -------
    Plateau
        If even the shortest window drifts, there is no plateau, and the mean over this window bounds a limit that is
        approached monotonically: from above if it falls.

    Raises
    ------
    ValueError
        If there are fewer than two realisations, `shortest` or `level` is out of range, or the shortest window has
        fewer than three times.

    Examples
    --------
    >>> time, noise = np.arange(0.0, 40.5, 0.5), np.random.default_rng(1).normal(size=(50, 81))
    >>> decay = xr.DataArray(1 + 5 * np.exp(-time / 3) + 0.1 * noise, {"time": time}, ("seed", "time"))
    >>> found = plateau(decay)
    >>> found.found, 15 < found.window[0] < 30, abs(found.value - 1) < 0.01
    (True, True, True)
    >>> plateau(decay, end=8.0).found
    False
    """
    require(0 < shortest <= 1, "shortest", shortest, "above 0 and at most 1")
    require(0 < level < 1, "level", level, "between 0 and 1")
    values = _realisations(data, over).transpose(over, along).dropna(over).sel({along: slice(None, end)})
    times, samples = values[along].values.astype(float), values.values
    require(len(samples) >= 2, f"number of complete realisations along {over!r}", len(samples), "at least 2")
    least = int(np.sum(times >= times[-1] - shortest * (times[-1] - times[0]))) if len(times) else 0
    require(least >= 3, f"number of values along {along!r} in the shortest window", least, "at least 3")
    allowed = float(stats.t.ppf(1 - level / 2, len(samples) - 1))

    windows: list[Plateau] = []
    for count in range(least, len(times) + 1):
        late, t = samples[:, -count:], times[-count:]
        value, error = _mean_and_error(late.mean(axis=1))
        centred = t - t.mean()
        drift, drift_error = _mean_and_error(late @ centred / (centred @ centred) * (t[-1] - t[0]))
        flat = abs(drift) <= allowed * drift_error + _ROUNDING * np.abs(late).max()
        if flat or not windows:
            systematic = max(abs(drift) / 2, *(abs(value - shorter.value) for shorter in windows), 0.0)
            window = (float(t[0]), float(t[-1]))
            windows.append(Plateau(bool(flat), window, value, error, drift, drift_error, systematic))
        if not flat:
            break
    level_ones = [each for each in windows if abs(each.drift) / 2 <= each.error]
    return (level_ones or windows[:1])[-1]


def _mean_and_error(samples: NDArray[np.float64]) -> tuple[float, float]:
    return float(samples.mean()), float(samples.std(ddof=1) / np.sqrt(len(samples)))
