"""Distributions over realisations."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from mpsnh.checks import require
from mpsnh.statistics.averages import realisations_of

ALIKE = 1e-9
"""Relative distance of values up to which all of them are one."""


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
    values = realisations_of(data, over)
    if np.ndim(bins) == 0:
        whole = isinstance(bins, int | float | np.number) and float(bins).is_integer() and float(bins) >= 1
        require(whole, "bins", bins, "an integer of at least 1, or the edges")
        number = int(np.asarray(bins))
        positive = values.values[values.values > 0]
        require(positive.size > 0, "number of positive values", positive.size, "at least 1, or give the edges as bins")
        smallest, largest = positive.min(), positive.max()
        if largest <= smallest * (1 + ALIKE):  # one decade around them
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
    coordinates = {"bin": np.sqrt(lower) * np.sqrt(upper), "lower": ("bin", lower), "upper": ("bin", upper)}
    positives, count = (values > 0).sum(over), values.count(over)
    decades = xr.DataArray(np.log10(upper / lower), dims="bin")
    density = counts / positives.where(positives > 0) / decades
    nonpositive = (values <= 0).sum(over) / count.where(count > 0)
    histogram = xr.Dataset({"density": density, "nonpositive": nonpositive, "count": count})
    return histogram.assign_coords(coordinates).assign_attrs(data.attrs)
