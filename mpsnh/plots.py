"""Pictures of what simulations measure: each function draws on axes of matplotlib and returns them.

Colours are those of Okabe and Ito, or maps that are alike for all kinds of colour vision.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from mpsnh.base.spectrum import Spectrum
from mpsnh.checks import require
from mpsnh.extras import extra
from mpsnh.statistics.averages import confidence_interval, realisations_of
from mpsnh.statistics.distribution import log_histogram

with extra("plot"):
    import matplotlib as mpl
    import matplotlib.pyplot as plt
    from cycler import cycler
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")

ROUNDING = 1e-9
"""Values of another sign that are smaller than this, relative to the largest, are rounding."""

STYLE: Any = {
    "font.size": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "lines.linewidth": 1.0,
    "figure.dpi": 200,
}
"""How pictures look."""

COLUMN = (3.4, 2.6)
"""Width and height in inches of a picture for one column of a paper."""


def column_style() -> AbstractContextManager[None]:
    """Return a context in which figures fit one column of a paper.

    Examples
    --------
    >>> with column_style():
    ...     figure, axes = plt.subplots()
    >>> figure.get_size_inches().tolist()
    [3.4, 2.6]
    """
    fitted: Any = {"figure.figsize": COLUMN, "figure.constrained_layout.use": True}
    return mpl.rc_context({**STYLE, **fitted, "axes.prop_cycle": cycler(color=COLOURS)})


def graded(k: int, n: int) -> tuple[float, float, float, float]:
    """Return the colour of one of several lines in order, such as those of increasing sizes.

    Parameters
    ----------
    k : int
        Which line, from 0.
    n : int
        How many there are.

    Examples
    --------
    >>> graded(0, 3) == graded(0, 1) != graded(2, 3)
    True
    """
    return mpl.colormaps["viridis"](0.85 * k / max(1, n - 1))


def described(attributes: Mapping[Any, Any], name: str) -> str:
    """Return the label of an axis: what a variable is, and its units.

    Parameters
    ----------
    attributes : mapping
        Those of the variable.
    name : str
        What it is called if it does not say so.

    Examples
    --------
    >>> described({"long_name": "gap", "units": "J"}, "g")
    'gap (J)'
    """
    units = str(attributes.get("units", "1"))
    text = str(attributes.get("long_name", name)) + (f" ({units})" if units != "1" else "")
    return text.replace("$", r"\$")  # matplotlib takes it as it is


def _labelled(values: xr.DataArray) -> str:
    return described(values.attrs, str(values.name or ""))


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots()[1] if ax is None else ax


def heat_map(values: xr.DataArray, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw a variable as colours over two axes, such as sites and time.

    Parameters
    ----------
    values : DataArray
        Real, with two dimensions; the time, or else the first one, goes up. Where signs differ, white is zero.
    ax : Axes, optional
        Where; those of a new figure by default.
    **options
        Of matplotlib's `pcolormesh`.

    Raises
    ------
    ValueError
        If there are not two dimensions, or the values are complex.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=8, gamma=0.1)
    >>> way = algorithms.ExactEvolution(dt=0.5, t_max=2.0)
    >>> data = nh.Simulation(chain, way, {"sz": observables.Magnetization()}).run()
    >>> heat_map(data["sz"]).get_xlabel()
    'site'
    """
    require(values.ndim == 2, "number of dimensions", values.ndim, "2; take one of others with .sel(…) or .mean(…)")
    require(values.dtype.kind != "c", "values", "complex", "real: take .real, .imag or abs(…)")
    up, along = sorted(map(str, values.dims), key=lambda dim: dim != "time")
    values, ax = values.transpose(up, along), _axes(ax)
    extreme = float(np.nanmax(np.abs(values.values)))
    least = ROUNDING * extreme
    signs = bool(np.nanmin(values.values) < -least and np.nanmax(values.values) > least)
    colours = {"cmap": "RdBu_r", "vmin": -extreme, "vmax": extreme} if signs else {"cmap": "viridis"}
    image = ax.pcolormesh(values[along], values[up], values, **{**colours, **options})
    ax.set(xlabel=_labelled(values[along]), ylabel=_labelled(values[up]))
    ax.figure.colorbar(image, ax=ax, label=_labelled(values))
    return ax


def complex_plane(levels: Spectrum | xr.DataArray | ArrayLike, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw eigenvalues as dots in the complex plane.

    Parameters
    ----------
    levels : Spectrum, DataArray or array_like
        The eigenvalues.
    ax : Axes, optional
        Where; those of a new figure by default.
    **options
        Of matplotlib's `plot`.

    Examples
    --------
    >>> ring = models.NonHermitianXXZ(L=8, gamma=0.3, boundary="periodic")
    >>> spectrum, = algorithms.ExactDiag(vectors="none").records(ring)
    >>> complex_plane(spectrum).get_ylabel()
    'Im E (J)'
    """
    values = np.ravel(levels.values if isinstance(levels, Spectrum | xr.DataArray) else np.asarray(levels))
    ax = _axes(ax)
    ax.axhline(0.0, color="0.8", lw=0.6, zorder=0)
    ax.plot(values.real, values.imag, **{"marker": ".", "ms": 3, "ls": "", "color": COLOURS[0], **options})
    ax.set(xlabel="Re E (J)", ylabel="Im E (J)")
    return ax


def ensemble(
    values: xr.DataArray, over: str = "seed", ax: Axes | None = None, label: str = "", log: bool = False
) -> Axes:
    """Draw the mean over realisations with a band, its 95 % interval, and how many values are zero.

    Parameters
    ----------
    values : DataArray
        Real, with the dimension of the realisations and one other, which is drawn along.
    over : str
        Dimension of the realisations.
    ax : Axes, optional
        Where; those of a new figure by default.
    label : str
        For the legend; the fraction of zeros is added where there are any.
    log : bool
        Whether the vertical axis is logarithmic.

    Raises
    ------
    ValueError
        If there is not one other dimension.

    Examples
    --------
    >>> gaps = xr.DataArray(np.random.default_rng(1).exponential(size=(50, 3)), {"h": [1, 2, 3]}, ("seed", "h"))
    >>> ensemble(gaps.rename("gap")).get_ylabel()
    'gap'
    """
    samples = realisations_of(values, over)
    others = [str(dim) for dim in samples.dims if dim != over]
    require(len(others) == 1, "dimensions besides that of the realisations", others, "one, which is drawn along")
    ax, band = _axes(ax), confidence_interval(samples, over=over)
    along, zeros = samples[others[0]], (samples == 0).mean(over)
    if bool((zeros > 0).any()):
        label += f" ({float(zeros.min()):.0%} to {float(zeros.max()):.0%} zeros)"
    (line,) = ax.plot(along, band["value"], label=label.strip() or None)
    ax.fill_between(along, band["low"], band["high"], color=line.get_color(), alpha=0.25, lw=0)
    ax.set_xlabel(_labelled(along))
    ax.set_ylabel(_labelled(values), wrap=True)
    if log:
        ax.set_yscale("log")
    return ax


def level_flow(levels: xr.DataArray, along: str, ax: Axes | None = None, imaginary: bool = False) -> Axes:
    """Draw how levels move as a parameter changes, with colours for the other part of those that are complex.

    Parameters
    ----------
    levels : DataArray
        Eigenvalues, with the dimension of the parameter and one other.
    along : str
        The parameter.
    ax : Axes, optional
        Where; those of a new figure by default.
    imaginary : bool
        Whether the imaginary part is drawn, and the real one is the colour.

    Raises
    ------
    ValueError
        If there is no such dimension, or not one other.

    Examples
    --------
    >>> levels = nh.sweep(
    ...     lambda gamma: nh.Simulation(
    ...         models.NonHermitianXXZ(L=6, gamma=gamma, boundary="periodic"),
    ...         algorithms.ExactDiag(vectors="none"),
    ...         {"E": observables.Eigenvalues()},
    ...     ),
    ...     {"gamma": [0.0, 0.1, 0.2]},
    ... )["E"]
    >>> level_flow(levels, "gamma").get_ylabel()
    'Re E (J)'
    """
    require(along in levels.dims, "along", along, f"a dimension of the levels: {', '.join(map(str, levels.dims))}")
    require(levels.ndim == 2, "number of dimensions", levels.ndim, "2: the parameter and the levels")
    values, ax = levels.transpose(along, ...), _axes(ax)
    shown, other = (values.imag, values.real) if imaginary else (values.real, values.imag)
    x = np.broadcast_to(values[along].values[:, None], values.shape)
    if float(np.nanmax(np.abs(other.values))) > 0:
        dots = ax.scatter(x, shown, c=np.abs(other.values), s=3, cmap="viridis")
        ax.figure.colorbar(dots, ax=ax, label=f"|{'Re' if imaginary else 'Im'} E| (J)")
    else:
        ax.plot(x, shown, ".", ms=3, color=COLOURS[0])
    ax.set(xlabel=_labelled(values[along]), ylabel=f"{'Im' if imaginary else 'Re'} E (J)")
    return ax


def entanglement_profile(entropies: xr.DataArray, ax: Axes | None = None, most: int = 6) -> Axes:
    """Draw entropies against the cut, one line for each of a few times, disorder strengths or whatever else there is.

    Parameters
    ----------
    entropies : DataArray
        With the dimension ``bond``, as of `EntropyProfile`, and at most one other.
    ax : Axes, optional
        Where; those of a new figure by default.
    most : int
        How many lines; of more some are drawn, evenly spaced.

    Raises
    ------
    ValueError
        If there is no dimension ``bond``, or more than one other.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=8, gamma=0.1)
    >>> way = algorithms.ExactEvolution(dt=0.5, t_max=2.0)
    >>> data = nh.Simulation(chain, way, {"entropy": observables.EntropyProfile()}).run()
    >>> len(entanglement_profile(data["entropy"]).lines)
    5
    """
    require("bond" in entropies.dims, "dimensions", entropies.dims, "'bond' and at most one other")
    others = [str(dim) for dim in entropies.dims if dim != "bond"]
    require(len(others) <= 1, "dimensions besides 'bond'", others, "at most one")
    ax = _axes(ax)
    cuts = entropies["bond"] + 0.5  # between two sites
    number = entropies.sizes[others[0]] if others else 1
    for k in sorted(set(np.linspace(0, number - 1, min(most, number)).round().astype(int).tolist())):
        line = entropies.isel({others[0]: k}) if others else entropies
        label = f"{others[0]} = {line[others[0]].values[()]:g}" if others else None
        ax.plot(cuts, line, ".-", ms=4, color=graded(k, number), label=label)
    ax.set_xlabel("cut between sites")
    ax.set_ylabel(_labelled(entropies), wrap=True)
    if others:
        ax.legend(frameon=False, fontsize="small")
    return ax


def distribution(
    values: xr.DataArray, over: str = "seed", ax: Axes | None = None, label: str = "", bins: Any = 20
) -> Axes:
    """Draw the distribution over realisations on logarithmic axes; the legend says how many values are not positive.

    Parameters
    ----------
    values : DataArray
        Real, with the dimension of the realisations only.
    over : str
        Dimension of the realisations.
    ax : Axes, optional
        Where; those of a new figure by default.
    label : str
        For the legend.
    bins : int or array_like
        As for `mpsnh.statistics.log_histogram`.

    Raises
    ------
    ValueError
        If there are other dimensions, or no positive value.

    Examples
    --------
    >>> gaps = xr.DataArray(np.random.default_rng(1).lognormal(size=200), dims="seed", name="gap")
    >>> distribution(gaps).get_xscale()
    'log'
    """
    require(values.ndim == 1, "number of dimensions", values.ndim, "1; take one point with .sel(…)")
    histogram, ax = log_histogram(values, over, bins), _axes(ax)
    if hidden := float(histogram["nonpositive"]):
        label += f" ({hidden:.0%} not positive)"
    edges = np.append(histogram["lower"].values, histogram["upper"].values[-1])
    ax.stairs(np.where(histogram["density"] > 0, histogram["density"], np.nan), edges, label=label.strip() or None)
    ax.set(xscale="log", yscale="log", xlabel=_labelled(values), ylabel="probability per decade")
    return ax
