"""What is found for a statement: numbers with 95 % intervals, and whether they are within bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from mpsnh.statistics.averages import RESAMPLES, confidence_interval, mean_and_error
from mpsnh.statistics.decay import percentiles, resampled_means
from mpsnh.statistics.laws import SIGNIFICANCE

if TYPE_CHECKING:
    from mpsnh.studies.brighi2025.data import Study

CONFIDENCE = 0.95
"""Probability that an interval contains the true value."""

P_VALUES = (0.05, 1.0)
"""Bounds of a p-value that says nothing against what is tested."""


class Finding(NamedTuple):
    """A number with its interval, and where it was found.

    Examples
    --------
    >>> print(Finding("N = 8", 1.3, 1.2, 1.5))
    N = 8: 1.3 (1.2 … 1.5)
    >>> print(Finding("N = 8", 0.0, 0.0, 0.0))
    N = 8: 0
    """

    at: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it in words, without the interval if that is a point."""
        if math.isnan(self.value):
            return f"{self.at}: unknown"
        interval = "" if self.low == self.high else f" ({self.low:.3g} … {self.high:.3g})"
        return f"{self.at}: {self.value:.3g}{interval.replace('nan', '?')}"

    def verdict(self, allowed: tuple[float, float] | None) -> str:
        """Return whether it is within bounds: "holds", "does not", "not decided", or nothing if there are none.

        A p-value that is not small proves nothing: "not rejected".

        Parameters
        ----------
        allowed : (float, float) or None
            Outside of these it does not hold; a bound itself is outside if it is finite and there is an interval.

        Examples
        --------
        >>> [Finding("", x, x - 1, x + 1).verdict((0.0, np.inf)) for x in (2.0, 0.5, -2.0)]
        ['holds', 'not decided', 'does not']
        """
        if allowed is None:
            return ""
        if math.isnan(self.value) or math.isnan(self.low) or math.isnan(self.high):
            return "not decided"
        point = self.low == self.high
        above = self.low >= allowed[0] if point else self.low > allowed[0] or allowed[0] == -math.inf
        below = self.high <= allowed[1] if point else self.high < allowed[1] or allowed[1] == math.inf
        if above and below:
            return "not rejected" if allowed == P_VALUES else "holds"
        return "does not" if self.low > allowed[1] or self.high < allowed[0] or point else "not decided"


def unknown(at: str = "–") -> Finding:
    """Return what is found where a study has no data.

    Parameters
    ----------
    at : str
        Where nothing was found.

    Examples
    --------
    >>> print(unknown("N = 8"))
    N = 8: unknown
    """
    return Finding(at, math.nan, math.nan, math.nan)


def exactly(at: str, value: float) -> Finding:
    """Return a number without an interval.

    Parameters
    ----------
    at : str
        Where it was found.
    value : float

    Examples
    --------
    >>> exactly("N = 6", 0.5).verdict((0.0, 1.0)), exactly("N = 6", 0.5).verdict(P_VALUES)
    ('holds', 'not rejected')
    """
    return Finding(at, value, value, value)


def mean(at: str, data: xr.DataArray) -> Finding:
    """Return the mean over realisations, without an interval if all of them are equal, as currents that are all zero.

    Parameters
    ----------
    at : str
        Where it was found.
    data : DataArray
        With the dimension seed only.

    Examples
    --------
    >>> mean("here", xr.DataArray([1.0, 3.0, 2.0], dims="seed")).value
    2.0
    """
    found = confidence_interval(data, "mean", confidence=CONFIDENCE)
    value, low, high = (float(found[name]) for name in ("value", "low", "high"))
    return Finding(at, value, low, high) if low < high else Finding(at, value, math.nan, math.nan)


def share(at: str, data: xr.DataArray | NDArray[np.bool_]) -> Finding:
    """Return the share of realisations for which something is true, with the exact binomial interval.

    Parameters
    ----------
    at : str
        Where it was found.
    data : DataArray or ndarray
        True or False, of any shape.

    Examples
    --------
    >>> found = share("here", xr.DataArray([True, True, False, False], dims="seed"))
    >>> found.value, round(found.low, 2)
    (0.5, 0.07)
    """
    values = np.asarray(data, bool).ravel()
    if not values.size:
        return unknown(at)
    interval = stats.binomtest(int(values.sum()), len(values)).proportion_ci(CONFIDENCE)
    return Finding(at, float(values.mean()), float(interval.low), float(interval.high))


def difference(at: str, first: Finding, second: Finding) -> Finding:
    """Return the second number less the first, which is independent of it.

    The interval has the distances of theirs, added in quadrature (G. Y. Zou and A. Donner, Stat. Med. 27, 1693 (2008)).

    Parameters
    ----------
    at : str
        Where it was found.
    first, second : Finding

    Examples
    --------
    >>> print(difference("both", Finding("a", 1.0, 0.7, 1.3), Finding("b", 2.0, 1.6, 2.4)))
    both: 1 (0.5 … 1.5)
    """
    low = math.hypot(second.value - second.low, first.high - first.value)
    high = math.hypot(second.high - second.value, first.value - first.low)
    value = second.value - first.value
    return Finding(at, value, value - low, value + high)


def ratio(at: str, first: Finding, second: Finding) -> Finding:
    """Return the first number over the second one, with the outermost of what their intervals allow.

    Parameters
    ----------
    at : str
        Where it was found.
    first, second : Finding
        The second one positive; unknown if it is not.

    Examples
    --------
    >>> print(ratio("both", Finding("a", 1.0, -0.5, 1.5), Finding("b", 2.0, 1.0, 3.0)))
    both: 0.5 (-0.5 … 1.5)
    """
    if not second.value > 0:
        return unknown(at)
    # divided by what may be zero, an end is beyond all bounds on its side
    divisors = (max(second.low, 0.0), second.high)
    ends = [end / divisor if divisor > 0 else math.copysign(math.inf, end) for end in first[2:] for divisor in divisors]
    return Finding(at, first.value / second.value, min(ends), max(ends))


def widened(found: Finding, error: float) -> Finding:
    """Return a number whose interval also contains two errors of another kind, added in quadrature.

    Parameters
    ----------
    found : Finding
    error : float
        Of that other kind, such as what truncation may still change.

    Examples
    --------
    >>> print(widened(Finding("here", 1.0, 0.7, 1.3), 0.2))
    here: 1 (0.5 … 1.5)
    """
    low, high = (math.hypot(end - found.value, 2 * error) for end in (found.low, found.high))
    return Finding(found.at, found.value, found.value - low, found.value + high)


def power(at: str, data: xr.DataArray, end: float) -> Finding:
    """Return the power p with which means fall as t^(-p) until a time, from those over two spans of time.

    These are the last half of it and the quarter before, with straight lines between records; p is zero where there is
    a plateau. The interval, of realisations only, is that of
    E. C. Fieller, J. R. Stat. Soc. B 16, 175 (1954), for the ratio of two means of the same realisations.

    Parameters
    ----------
    at : str
        Where it was found.
    data : DataArray
        With the dimensions time and seed.
    end : float
        Last time.

    Examples
    --------
    >>> time = np.arange(1.0, 33.0)
    >>> falling = xr.DataArray(time[:, None] ** -0.5 * np.array([0.9, 1.0, 1.1]), {"time": time}, ("time", "seed"))
    >>> round(power("here", falling, 32.0).value, 2)
    0.5
    """
    late, early = (_time_average(data.dropna("seed"), *span) for span in ((end / 2, end), (end / 4, end / 2)))
    if len(late) < 2:
        return unknown(at)
    covariance = np.cov(late, early) / len(late) * stats.t.ppf((1 + CONFIDENCE) / 2, len(late) - 1) ** 2
    top, bottom = late.mean(), early.mean()
    least = bottom**2 - covariance[1, 1]
    if least <= 0 or top <= 0 or bottom <= 0:
        return unknown(at)
    middle, rest = top * bottom - covariance[0, 1], top**2 - covariance[0, 0]
    half = math.sqrt(max(middle**2 - least * rest, 0.0))
    ends = [(middle + sign * half) / least for sign in (1, -1)]
    low, high = (-math.log2(ratio) if ratio > 0 else math.inf for ratio in ends)
    return Finding(at, -math.log2(top / bottom), low, high)


def _time_average(data: xr.DataArray, first: float, last: float) -> NDArray[np.float64]:
    inside = data["time"].sel(time=slice(first, last)).values
    curve = data.interp(time=np.unique([first, *inside, last]))
    return np.asarray(curve.integrate("time").values / (last - first))


def turn(at: str, data: xr.DataArray, place: float, window: tuple[float, float], logarithm: bool = True) -> Finding:
    """Return how much a curve of means turns at a place: the change of its slope, relative to the mean slope.

    Means of very broad distributions, known beyond the place by chance only, seem to fall faster there: by simulation
    the interval of a straight law is above 0 in up to a third of such cases, and below 0 in none.

    Parameters
    ----------
    at : str
        Where it was found.
    data : DataArray
        With the dimensions h and seed.
    place : float
        The h at which two straight lines join.
    window : (float, float)
        Smallest and largest h to use.
    logarithm : bool
        Whether the curve is the logarithm of the means; else the data are logarithms.

    Examples
    --------
    >>> h = np.arange(1.0, 9.0)
    >>> curve = np.exp(-h - np.maximum(h - 4, 0))[:, None] * np.ones(50)
    >>> bent = turn("here", xr.DataArray(curve, {"h": h}, ("h", "seed")), 4.0, (1, 8))
    >>> round(bent.value, 9)
    0.666666667
    """
    samples = data.transpose("h", "seed").sortby("h").sel(h=slice(*window))
    x, values = samples["h"].values, samples.values
    average, error = mean_and_error(values)
    of_one = abs(average) if logarithm else 1.0  # relative to what the logarithm is taken of, in either case
    used = np.isfinite(average) & (np.isfinite(values).sum(axis=1) >= LEAST) & (error < of_one / SIGNIFICANCE)
    x, values, average, error = x[used], values[used], average[used], error[used]
    if (x < place).sum() < 2 or (x > place).sum() < 2:
        return unknown(at)
    weights = average / np.maximum(error, 1e-3 * abs(average)) if logarithm else 1 / np.maximum(error, 1e-9)

    def relative(means: NDArray[np.float64]) -> NDArray[np.float64]:
        curve = np.log(np.maximum(means, 1e-300)) if logarithm else means
        bent = np.column_stack([np.ones_like(x), x, np.maximum(x - place, 0)]) * weights[:, None]
        _, before, change = np.linalg.lstsq(bent, curve.T * weights[:, None])[0]
        return np.asarray(change / (before + change / 2))

    return resampled(at, values, relative)


LEAST = 10
"""Realisations that a point must have to count."""


def resampled(
    at: str, values: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Finding:
    """Return a function of means over realisations, with the interval of resampled ones.

    Parameters
    ----------
    at : str
        Where it was found.
    values : ndarray, shape (points, realisations)
        NaN where missing.
    statistic : callable
        Of means, shape (resamples, points): a number for each row.

    Examples
    --------
    >>> resampled("here", np.array([[1.0, 1.0], [2.0, 2.0]]), lambda means: means[:, 1] / means[:, 0]).value
    2.0
    """
    if values.shape[1] < 2:
        return unknown(at)
    means = np.vstack([np.nanmean(values, axis=1), resampled_means(values, RESAMPLES)])
    found = statistic(means)
    ends = np.nanquantile(found[1:], percentiles(CONFIDENCE, values.shape[1]))
    return Finding(at, float(found[0]), float(ends[0]), float(ends[1]))


class Statement(NamedTuple):
    """A statement of the paper, what is measured to see whether it holds, and the bounds within which it does.

    Attributes
    ----------
    says : str
        The statement.
    measured : str
        What is measured.
    find : callable
        Finds it in a study, with intervals: for each size or strength.
    allowed : (float, float) or None
        Smallest and largest value with which the statement holds; None if the number itself is what is wanted.
        Where the paper gives no number to a word, the bounds are of this study.

    Examples
    --------
    >>> statement = Statement("it does", "whether", lambda study: [exactly("always", 1.0)], (1.0, 1.0))
    >>> [found.verdict(statement.allowed) for found in statement.find(None)]
    ['holds']
    """

    says: str
    measured: str
    find: Callable[[Study], Sequence[Finding]]
    allowed: tuple[float, float] | None = None


POSITIVE = (0.0, np.inf)
NEGATIVE = (-np.inf, 0.0)
STRAIGHT = (-0.25, 0.25)
"""Bounds of a turn that is none."""


def by_size(find: Callable[[int, xr.DataArray], Finding], data: xr.DataArray) -> list[Finding]:
    """Return what is found for each size, among the realisations that it has.

    Parameters
    ----------
    find : callable
        Of a size and the data of it.
    data : DataArray
        With the dimensions L and seed, and any others.

    Examples
    --------
    >>> data = xr.DataArray([[1.0, 3.0], [2.0, np.nan]], {"L": [4, 6]}, ("L", "seed"))
    >>> [found.value for found in by_size(lambda L, values: exactly(f"N = {L}", float(values.mean())), data)]
    [2.0, 2.0]
    """
    return [find(L, data.sel(L=L).dropna("seed", how="all")) for L in map(int, data["L"].values)]
