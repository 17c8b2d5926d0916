"""Means of what is dear to compute, from few realisations of it and many of what is cheap and nearly the same."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mpsnh.checks import require
from mpsnh.statistics.averages import realisations_of

DIFFERENT = "there, each a different one, as they say which realisations are the same"
"""What labels of realisations must be."""


def multilevel(coarse: xr.DataArray, fine: xr.DataArray, over: str = "seed") -> xr.DataArray:
    """Return realisations whose mean is that of the fine ones, with the smaller error of a multilevel average.

    The mean of the fine results is that of the coarse ones, over all of their realisations, plus the mean of the
    differences, over those that are there for both. If both are much alike, the differences need few realisations:
    the variance of the mean is Var(coarse)/N + Var(fine - coarse)/n. (Multilevel Monte Carlo: M. B. Giles, Operations
    Research 56, 607 (2008).) What is returned has this mean, and its scatter is such that the usual standard error
    √(Var/N) is the right one, as it is for anything linear, such as a mean over times. Single values mean nothing, nor
    do medians or histograms of them.

    Parameters
    ----------
    coarse : DataArray
        Cheap values, such as currents with a small bond dimension, with many realisations.
    fine : DataArray
        Dear values of some of these realisations, with the same other dimensions.
    over : str
        Dimension of the realisations, by whose labels both are matched.

    Returns
    -------
    DataArray
        As many realisations as the coarse values have, and the attributes of the fine ones. A coarse one that failed
        stays NaN; a fine one that failed counts as one that is not there.

    Raises
    ------
    ValueError
        If there are fewer than two realisations of either, their labels are missing or not unique, of a fine one there
        is no coarse one, or other dimensions and their labels differ.
    TypeError
        If the data are no DataArrays of real numbers.

    Examples
    --------
    >>> seeds, rng = {"seed": range(400)}, np.random.default_rng(0)
    >>> exact = xr.DataArray(rng.normal(size=400), seeds)
    >>> coarse = 0.9 * exact - 0.2  # biased, and known for all
    >>> both = multilevel(coarse, exact.isel(seed=slice(20)))
    >>> [round(float(some.std(ddof=1) / len(some) ** 0.5), 2) for some in (exact.isel(seed=slice(20)), both)]
    [0.2, 0.05]
    >>> abs(float(both.mean())) < 0.1
    True
    """
    coarse, wanted = realisations_of(coarse, over), realisations_of(fine, over)
    for name, data in (("coarse", coarse), ("fine", wanted)):
        labels = data.get_index(over)
        require(over in data.coords and labels.is_unique, f"labels of {name} along {over!r}", list(labels), DIFFERENT)
        others = sorted(map(str, set(data.dims) ^ set(coarse.dims)))
        require(not others, "dimensions that only one of fine and coarse values has", others, "none")
    alone = [label for label in wanted[over].values if label not in coarse[over].values]
    require(not alone, f"labels along {over!r} of fine values without coarse ones", alone, "none")
    xr.align(coarse.isel({over: 0}, drop=True), wanted.isel({over: 0}, drop=True), join="exact")
    change = wanted - coarse.sel({over: wanted[over]})
    number, total = change.count(over), coarse.count(over)
    scale = total / number * np.sqrt((1 - 1 / total) / (1 - 1 / number))
    shift = change.mean(over)
    scattered = (scale * (change - shift)).reindex({over: coarse[over]}).fillna(0.0)
    return (coarse + shift + scattered).transpose(*coarse.dims).assign_attrs(fine.attrs).rename(fine.name)
