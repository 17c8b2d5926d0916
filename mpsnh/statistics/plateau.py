"""Plateaus of averages in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from mpsnh.checks import require
from mpsnh.statistics.averages import realisations_of

_ROUNDING = 1e-12
"""A change that is smaller than this, relative to the values, is none."""


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
    values = realisations_of(data, over).transpose(over, along).dropna(over).sel({along: slice(None, end)})
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
    level_ones = [window for window in windows if abs(window.drift) / 2 <= window.error]
    return (level_ones or windows[:1])[-1]


def _mean_and_error(samples: NDArray[np.float64]) -> tuple[float, float]:
    return float(samples.mean()), float(samples.std(ddof=1) / np.sqrt(len(samples)))
