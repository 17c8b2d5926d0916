"""Means of what is dear to compute, from few realisations of it and many of what is cheap and nearly the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr

from mpsnh.checks import require
from mpsnh.statistics.averages import realisations_of

DIFFERENT = "there, each a different one, as they say which realisations are the same"
"""What labels of realisations must be."""


def multilevel(coarsest: xr.DataArray, *finer: xr.DataArray, over: str = "seed") -> xr.DataArray:
    """Return realisations whose mean is that of the finest ones, with the smaller error of a multilevel average.

    The mean of the finest results is that of the coarsest ones, over all of their realisations, plus the means of the
    changes from one level to the next, over those that are there for both. If levels are much alike, changes need few
    realisations: the variance is Var(coarse)/N + Var(fine - coarse)/n + …, and what their covariances add. (Multilevel
    Monte Carlo: M. B. Giles, Operations Research 56, 607 (2008).) What is returned has this mean, and its scatter is
    such that the usual standard error √(Var/N) is the right one, as it is for anything linear, such as a mean over
    times. Single values mean nothing, nor do medians or histograms of them. Where two or three of the finest
    realisations make most of the variance, intervals of two standard errors cover in 80 % of the cases only.

    Parameters
    ----------
    coarsest : DataArray
        Cheap values, such as currents with a small bond dimension, with many realisations.
    *finer : DataArray
        Dearer values of some of these realisations, with the same other dimensions; each one of some of those before.
    over : str
        Dimension of the realisations, by whose labels all are matched.

    Returns
    -------
    DataArray
        As many realisations as the coarsest values have, and the attributes of the finest ones. A realisation that is
        NaN anywhere in a level is not there for it, nor for changes from or to it; one that is not there for the
        coarsest stays NaN, and no change of it counts. All are NaN where fewer than two of a level are there.

    Raises
    ------
    ValueError
        If there are fewer than two realisations of a level, their labels are missing or not unique, or not all among
        those of the level before, or other dimensions and their labels differ.
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
    levels = [_whole(realisations_of(level, over), over) for level in (coarsest, *finer)]
    for number, level in enumerate(levels):
        labels = level.get_index(over)
        named = over in level.coords and labels.is_unique and not labels.hasnans
        require(named, f"labels of level {number}", list(labels), DIFFERENT)
        units = [one.attrs.get("units", "") for one in (coarsest, *finer)][number]
        require(units == coarsest.attrs.get("units", ""), f"units of level {number}", units, "those of level 0")
        others = sorted(map(str, set(level.dims) ^ set(levels[0].dims)))
        require(not others, f"dimensions that only one of level 0 and level {number} has", others, "none")
    total, result = levels[0].count(over), levels[0]
    for number, (coarse, fine) in enumerate(pairwise(levels)):
        alone = fine.get_index(over).difference(coarse.get_index(over)).tolist()
        allowed = "none: give the coarsest level first, with the most realisations"
        require(not alone, f"labels of level {number + 1} that level {number} has not", alone[:5], allowed)
        for dim in set(fine.dims) - {over}:
            same = fine.get_index(dim).equals(coarse.get_index(dim)) and fine.sizes[dim] == coarse.sizes[dim]
            require(
                same,
                f"labels of level {number + 1} along {dim!r}",
                fine[dim].values.tolist(),
                f"those of level {number}",
            )
        change = (fine - coarse.sel({over: fine[over]})).where(levels[0].notnull().sel({over: fine[over]}))
        n = change.count(over)
        n = n.where(n >= 2)  # of a single change nobody knows the error
        scale, shift = total / n * np.sqrt((1 - 1 / total) / (1 - 1 / n)), change.mean(over)
        scattered = (scale * (change - shift)).reindex({over: result[over]}).fillna(0.0)
        result = (result + shift + scattered).where(n.notnull())
    last = (coarsest, *finer)[-1]
    own = {name: last[name] for name in last.coords if not last[name].dims}
    return result.transpose(*coarsest.dims).assign_coords(own).assign_attrs(last.attrs).rename(last.name)


def _whole(level: xr.DataArray, over: str) -> xr.DataArray:
    """Return a level without realisations that are NaN at some places where others are not.

    What they have to say of changes elsewhere would be lost as soon as the mean over these places is taken, and with it
    that of all, since it is told by the scatter of the few that are there.
    """
    others = [dim for dim in level.dims if dim != over]
    there = level.notnull()
    used = there.sum(over) >= 2
    return level.where((there | ~used).all(others)) if others else level
