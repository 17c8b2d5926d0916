"""A test for a kink in how a logarithm depends on a parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.statistics.averages import RESAMPLES
from mpsnh.statistics.decay import draws, mean_of, percentiles, points_to_fit


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
    x, samples = points_to_fit(data, along, window, over, significance, least=5)
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

    drawn = [_log_mean(samples[:, draw]) for draw in draws(samples.shape[1], resamples, seed)]
    means, covariances = np.array([pair[0] for pair in drawn]), np.array([pair[1] for pair in drawn])
    good = _well_conditioned(means, covariances)
    means, covariances = means[good], covariances[good]
    null_one, null_two, _ = _compare(x, places, means - mean, covariances)
    # a resample without a usable covariance counts against a kink and against a misfit: better cautious than wrong
    larger = int(np.sum(_likelihood_ratio(n, null_one, null_two) >= ratio)) + int(np.sum(~good))
    worse = int(np.sum(null_two >= two)) + int(np.sum(~good))
    resampled = places[_compare(x, places, means, covariances)[2]] if good.any() else places
    low, high = np.quantile(resampled, percentiles(0.68, n))

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
    n, present, mean = samples.shape[1], np.isfinite(samples), mean_of(samples)
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
