"""Plateaus of averages in time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from mpsnh.checks import require
from mpsnh.statistics.averages import curves_of

_ROUNDING = 1e-12
"""A change that is smaller than this, relative to the values, is none."""

_SLOWEST = 0.5
"""Relaxations as slow as this power of 1/t, as by diffusion, are allowed for."""


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
        How far the mean may be from the limit at late times, by a drift as large as the one seen or its error.
    count : int
        Number of realisations.

    Examples
    --------
    >>> print(Plateau(True, (5.0, 20.0), 0.012, 0.001, 0.0002, 0.0004, 0.0003, 20))
    0.012 ± 0.001 (realisations) ± 0.0003 (window) over 5 ≤ t ≤ 20
    >>> print(Plateau(False, (15.0, 20.0), 0.012, 0.001, -0.002, 0.0004, 0.001, 20))
    no plateau: falls by 0.002 ± 0.0004 over 15 ≤ t ≤ 20, where the mean is 0.012 ± 0.001
    """

    found: bool
    window: tuple[float, float]
    value: float
    error: float
    drift: float
    drift_error: float
    systematic: float
    count: int

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the interval that contains the limit at late times, by both errors.

        Parameters
        ----------
        confidence : float
            Probability that it does, between 0 and 1.

        Returns
        -------
        low, high : float
            By Student's distribution of as many realisations.

        Raises
        ------
        ValueError
            If the confidence is out of range.

        Examples
        --------
        >>> low, high = Plateau(True, (5.0, 20.0), 1.0, 0.03, 0.0, 0.02, 0.04, 20).interval()
        >>> round(low, 3), round(high, 3)
        (0.895, 1.105)
        """
        require(0 < confidence < 1, "confidence", confidence, "between 0 and 1")
        half = float(stats.t.ppf((1 + confidence) / 2, self.count - 1)) * math.hypot(self.error, self.systematic)
        return self.value - half, self.value + half

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
    drift, that with the smallest total error is taken.

    A drift that noise hides may still be on its way to the limit. What relaxes as t^(-p) from t = 0 is its slope times
    t/p away from it. So the systematic error is the drift over the window from t₀ to t₁, and its error, times
    2 √(t₀ t₁)/(t₁ - t₀), which suffices for p ≥ 1/2, as by diffusion, and for exponentials with times up to twice
    the middle of the window.

    Parameters
    ----------
    data : DataArray
        Values with the dimensions `along` and `over` only. A realisation with a NaN is skipped.
    end : float
        Last time to use, for instance when the boundaries are felt.
    along : str
        Dimension of the time, increasing, which relaxations begin at 0 or, if it is earlier, at the first time of.
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
    require(not math.isnan(end), "end", end, "a time")
    values = curves_of(data, along, over).transpose(over, along).dropna(over).sel({along: slice(None, end)})
    times, samples = values[along].values.astype(float), values.values
    require(len(samples) >= 2, f"number of complete realisations along {over!r}", len(samples), "at least 2")
    least = int(np.sum(times >= times[-1] - shortest * (times[-1] - times[0]))) if len(times) else 0
    require(least >= 3, f"number of values along {along!r} in the shortest window", least, "at least 3")
    allowed = float(stats.t.ppf(1 - level / 2, len(samples) - 1))

    since = times - min(times[0], 0)

    windows: list[Plateau] = []
    for count in range(least, len(times) + 1):
        late, t = samples[:, -count:], since[-count:]
        value, error = _mean_and_error(late.mean(axis=1))
        centred, length = t - t.mean(), t[-1] - t[0]
        drift, drift_error = _mean_and_error(late @ centred / (centred @ centred) * length)
        flat = abs(drift) <= allowed * drift_error + _ROUNDING * np.abs(late).max()
        if flat or not windows:
            left = max(float(np.sqrt(t[0] * t[-1])) / length / _SLOWEST, 0.5)  # at least what is seen around the mean
            systematic = left * math.hypot(drift, drift_error)
            window = (float(times[-count]), float(times[-1]))
            windows.append(
                Plateau(bool(flat), window, value, error, drift, drift_error, systematic, count=len(samples))
            )
        if not flat:
            break
    totals = np.array([math.hypot(window.error, window.systematic) for window in windows])
    return windows[int(np.flatnonzero(totals <= totals.min() * (1 + _ROUNDING))[-1])]


def _mean_and_error(samples: NDArray[np.float64]) -> tuple[float, float]:
    return float(samples.mean()), float(samples.std(ddof=1) / np.sqrt(len(samples)))
