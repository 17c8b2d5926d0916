"""Limits at late times of what relaxes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mpsnh.checks import require

CAUTION = 4.0
"""By what the scatter of extrapolations is multiplied, chosen so that the error covers in more than 95 % of series."""

ALIKE = 5
"""How many extrapolations in a row tell an error."""

MOST = 3
"""Largest number of relaxations that are taken out."""


def late_limit(data: xr.DataArray, along: str = "time") -> xr.Dataset:
    """Extrapolate what relaxes by a few exponentials, as a steady state is approached, to infinite time.

    Shanks' transformations of one, two and three exponentials are made of each window of 3, 5 and 7 values, and that is
    taken which has changed least over the last five windows. Four times this change is the error; of random sums of up
    to five decays and oscillations, smooth or noisy, it covered in 97 to 99 % (`tests/statistics/test_limit.py`). It
    can't see a relaxation that is slower than all the times that are there. Values at the end that are all the same, as
    those of `DensitySteadyState` once it stops, are left out but for the first.
    (D. Shanks, J. Math. Phys. 34, 1 (1955); P. Wynn, MTAC 10, 91 (1956).)

    Parameters
    ----------
    data : DataArray
        Real values at equal distances along one dimension, eight of them until they stay the same, and any others.
    along : str
        The dimension of the time.

    Returns
    -------
    Dataset
        Variables ``limit`` and ``error``. Of a constant, itself, with no error; NaN and infinity if there is no limit.

    Raises
    ------
    ValueError
        If there is no such dimension, the times are not at equal distances, or there are too few of them.
    TypeError
        If the data are no DataArray of real numbers.

    Examples
    --------
    >>> time = np.arange(0.0, 20.0)
    >>> relaxing = xr.DataArray(0.25 + np.exp(-time / 8) - 0.3 * np.exp(-time / 3), {"time": time}, ("time",))
    >>> late = late_limit(relaxing)
    >>> round(float(relaxing[-1]), 2), round(float(late["limit"]), 8), bool(late["error"] < 1e-8)
    (0.34, 0.25, True)
    """
    if not isinstance(data, xr.DataArray) or data.dtype.kind not in "biuf":
        kind = f"one of {data.dtype}" if isinstance(data, xr.DataArray) else type(data).__name__
        raise TypeError(f"data is {kind}, but it must be a DataArray of real numbers, as one variable of a dataset is")
    require(along in data.dims, "along", along, f"a dimension of the data: {', '.join(map(str, data.dims))}")
    steps = np.diff(data[along].values.astype(float))
    equal = len(steps) > 0 and bool(np.ptp(steps) <= 1e-9 * np.abs(steps).max())
    require(equal, f"distances along {along!r}", f"{np.unique(steps.round(12))[:4]}", "all the same")
    limit, error = xr.apply_ufunc(
        _limit,
        data.astype(float),
        input_core_dims=[[along]],
        output_core_dims=[[], []],
        vectorize=True,
    )
    return xr.Dataset({"limit": limit, "error": error}).assign_attrs(data.attrs)


def _limit(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the limit of one series and its error."""
    if not np.isfinite(values).all():
        return np.nan, np.nan
    if (values == values[0]).all():
        return float(values[0]), 0.0
    values = values[: np.flatnonzero(np.diff(values))[-1] + 2]
    least = ALIKE + 2
    require(len(values) > least, "number of values until they stay the same", len(values), f"more than {least}")
    limit, error = np.nan, np.inf
    rounding = float(np.finfo(float).eps * np.abs(values).max())
    series = [values, *itertools.islice(shanks(values), MOST)]
    for before, extrapolated in itertools.pairwise(series):
        late = extrapolated[-ALIKE:]
        if len(late) < ALIKE or not np.isfinite(late).all():
            break
        change = float(np.ptp(late))
        if before is not values:
            change = max(change, abs(float(late[-1] - before[-1])))
        if CAUTION * change + rounding < error:
            limit, error = float(late[-1]), CAUTION * change + rounding
    return (limit, error) if np.isfinite(error) else _settled(values, rounding)


def _settled(values: NDArray[np.float64], rounding: float) -> tuple[float, float]:
    """Return the last value if the last ones only scatter, or change by less than half as much as those before."""
    late, before = values[-ALIKE:], values[-2 * ALIKE : -ALIKE]
    change = float(np.ptp(late))
    drifts = abs(late.mean() - before.mean()) > change / 2
    if drifts and change > np.ptp(before) / 2:
        return np.nan, np.inf
    return float(values[-1]), CAUTION * change + rounding


def shanks(values: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield Shanks' transformations of one, two, … exponentials of all windows of 3, 5, … values.

    Where differences vanish they are not finite.

    Parameters
    ----------
    values : ndarray, shape (n,)
        At equal distances.

    Examples
    --------
    >>> first, *_ = shanks(1 + 0.5 ** np.arange(4.0))
    >>> first.tolist()
    [1.0, 1.0]
    """
    before, now = np.zeros(len(values) + 1), values
    with np.errstate(divide="ignore", invalid="ignore"):
        for number in range(1, len(values)):  # Wynn's ε, of which every second one is a transformation
            before, now = now, before[1:-1] + 1 / np.diff(now)
            if number % 2 == 0:
                yield now
