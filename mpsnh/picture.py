"""Pictures of any variable of a sweep, finished or not."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from mpsnh.extras import extra
from mpsnh.plots import COLUMN, STYLE, complex_plane, described, heat_map
from mpsnh.run.reading import part_of, require_known
from mpsnh.statistics.averages import mean_with_error

with extra("plot"):
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND_ENTRIES = 10
"""Lines that a legend names; of more lines it names some, evenly spaced."""

LEGEND_INSIDE = 4
"""Entries up to which a legend stands among the lines; a longer one stands beside them."""


def averaged(
    data: xr.Dataset,
    variable: str | None = None,
    against: str | None = None,
    over: str | None = None,
    at: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return the lines of a picture: the mean of a variable and its standard error.

    A complex variable becomes two lines, along a new axis ``part``.

    Parameters
    ----------
    data : Dataset
        What `mpsnh.run.reading.results` returned.
    variable : str, optional
        What to draw; the first observable if not given.
    against : str, optional
        The axis to draw it against, which comes last; time, or else the first axis with several numbers, if not given.
    over : str, optional
        The axis to average over; ``seed``, where there is one, if not given.
    at : mapping of str to str, optional
        Axes of which only one coordinate is wanted, and this coordinate as a text.

    Returns
    -------
    Dataset
        Variables ``mean``, ``error`` and ``count``, the number of values behind each mean, with coordinates in
        order. The attributes are those of the variable, with the axis averaged over as ``over`` (empty if none was).

    Raises
    ------
    ValueError
        If there is no such variable, axis or coordinate, or nothing to draw.

    Examples
    --------
    >>> data = xr.Dataset({"gap": (("h", "seed"), [[1.0, 3.0], [5.0, np.nan]])}, {"h": [2, 1], "seed": [0, 1]})
    >>> lines = averaged(data, "gap", against="h")
    >>> lines["h"].values.tolist(), lines["mean"].values.tolist(), lines["count"].values.tolist()
    ([1, 2], [5.0, 2.0], [1, 2])
    """
    values = part_of(_variable(data, variable), at or {})
    for axis in (against, over):
        require_known(axis, values.dims, f"axis of {values.name}")
    against = against or _first_axis(values, over or "seed")
    over = over or ("seed" if "seed" in values.dims and against != "seed" else None)
    if over == against:
        raise ValueError(f"{over} can't be averaged over and drawn against")
    if values.dtype.kind == "c":
        parts = xr.concat([values.real, values.imag], xr.Variable("part", ["Re", "Im"]))
        values = parts.assign_attrs(values.attrs)
    _require_some(values)
    lines = _mean(values, over)
    lines = lines.sortby([dim for dim in lines.dims if dim in lines.indexes and dim != "part"])
    return lines.transpose(..., against).assign_attrs(values.attrs, over=over or "", name=values.name)


def _require_some(values: xr.DataArray) -> None:
    if not bool(values.notnull().any()):
        raise ValueError(
            f"no value of {values.name} is there to draw: nothing is finished yet, or all failed (mpsnh status)"
        )


def _variable(data: xr.Dataset, name: str | None) -> xr.DataArray:
    drawable = [str(key) for key, values in data.data_vars.items() if values.dtype.kind in "fc" and values.dims]
    if not drawable:
        raise ValueError("there is no variable with numbers along an axis")
    require_known(name, drawable, "variable to draw")
    observables = json.loads(data.attrs.get("observables", "{}"))  # rather than a diagnostic of the algorithm
    return data[name or next((variable for variable in drawable if variable in observables), drawable[0])]


def _first_axis(values: xr.DataArray, over: str) -> str:
    names = [str(dim) for dim in values.dims if dim != over] or list(map(str, values.dims))
    if not names:
        raise ValueError(f"no axis of {values.name} is left to draw it against")
    numbers = [name for name in names if values[name].dtype.kind in "iuf" and values.sizes[name] > 1]
    return "time" if "time" in names else (numbers or names)[0]


def _mean(values: xr.DataArray, over: str | None) -> xr.Dataset:
    if over is None:
        return xr.Dataset({"mean": values, "error": np.nan * values, "count": values.notnull().astype(int)})
    if values.sizes[over] < 2:
        averages = xr.Dataset({"mean": values.mean(over), "error": np.nan * values.mean(over)})
    else:
        averages = mean_with_error(values, over)[["mean", "error"]]
    return averages.assign(count=values.count(over))


def draw(axes: Axes, lines: xr.Dataset, log: bool = False) -> None:
    """Draw means with error bars, one line for each combination of the axes that are left.

    Axes with one coordinate only are named above the picture, as are means that a logarithmic axis can't show.

    Parameters
    ----------
    axes : matplotlib Axes
        Where.
    lines : Dataset
        What `averaged` returned.
    log : bool
        Whether the vertical axis is logarithmic, without the means that are not positive.

    Examples
    --------
    >>> data = xr.Dataset({"gap": (("L", "h"), np.ones((2, 3)))}, {"L": [6, 8], "h": [1, 2, 3]})
    >>> axes = Figure().subplots()
    >>> draw(axes, averaged(data, "gap", against="h"))
    >>> [text.get_text() for text in axes.get_legend().get_texts()], axes.get_xlabel()
    (['L = 6', 'L = 8'], 'h')
    """
    *others, against = lines["mean"].dims
    lines = lines.squeeze([dim for dim in others if lines.sizes[dim] == 1])
    *others, _ = lines["mean"].dims
    places = list(itertools.product(*(range(lines.sizes[dim]) for dim in others)))
    named = set(np.linspace(0, len(places) - 1, min(len(places), LEGEND_ENTRIES)).round().astype(int).tolist())
    colours = mpl.colormaps["viridis"](0.85 * np.linspace(0, 1, max(2, len(places))))
    sizes, drawn = np.abs(lines["mean"].values), set[bytes]()
    scale = float(sizes[np.isfinite(sizes)].max(initial=0.0)) or 1.0
    for k, place in enumerate(places):
        line = lines.isel(dict(zip(others, place, strict=True)))
        there = line["mean"].notnull().values
        x, mean, error = (line[name].values[there] for name in (against, "mean", "error"))
        mean = np.where(mean > 0, mean, np.nan) if log else mean  # no line leads to where no point can be
        x = x if x.dtype.kind in "iuf" else x.astype(str)
        fmt, seen = _format(x.dtype.kind, there.size), (np.round(line["mean"].values / scale, 6) + 0.0).tobytes()
        if seen in drawn:  # a line that hides another one lets it through
            fmt = fmt.replace("o", "x").replace("-", "--")
        drawn.add(seen)
        label = ", ".join(_coordinate(str(dim), line[dim].values[()]) for dim in others)
        axes.errorbar(
            x,
            mean,
            np.nan_to_num(error) if np.any(np.isfinite(error)) else None,
            fmt=fmt,
            ms=3,
            lw=0.8,
            elinewidth=0.6,
            color=colours[k],
            label=label if k in named else "_",
        )
    axes.set_xlabel(described(lines[against].attrs, str(against)))
    axes.set_ylabel(described(lines.attrs, str(lines.attrs.get("name", ""))), wrap=True)
    if log:
        axes.set_yscale("log")
    said = [f"{hidden} means ≤ 0 not shown"] if log and (hidden := int(np.sum(lines["mean"].values <= 0))) else []
    said += [_coordinate(str(name), label.values[()]) for name, label in lines.coords.items() if not label.dims]
    if over := lines.attrs.get("over"):
        counts = lines["count"].values[lines["count"].values > 0]
        number = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
        said.append(_plain(f"mean over {over}, {number} values"))
    axes.set_title(", ".join(said), fontsize=6.5, loc="right")
    if others:
        beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
        axes.legend(**(beside if len(named) > LEGEND_INSIDE else {}))


def _format(kind: str, size: int) -> str:
    """Return how matplotlib draws a line: names and many counted things, such as levels, are not joined."""
    if kind == "U":
        return "o"
    if size <= 50:
        return "o-"
    return "-" if kind == "f" else "."


def _coordinate(name: str, label: Any) -> str:
    if name == "part":
        return str(label)
    return _plain(f"{name} = {label:g}" if isinstance(label, int | float | np.number) else f"{name} = {label}")


def _plain(text: str) -> str:
    """Return a text that matplotlib takes as it is."""
    return text.replace("$", r"\$")


def picture(lines: xr.Dataset, log: bool = False) -> Figure:
    """Return a picture of the width of a printed column.

    Parameters
    ----------
    lines : Dataset
        What `averaged` returned.
    log : bool
        Whether the vertical axis is logarithmic.

    Examples
    --------
    >>> data = xr.Dataset({"gap": ("h", [1.0, 0.1], {"long_name": "gap", "units": "J"})}, {"h": [1, 2]})
    >>> picture(averaged(data), log=True).axes[0].get_ylabel()
    'gap (J)'
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6, 2.9), layout="constrained")
        draw(figure.subplots(), lines, log)
    return figure


def mapped(
    data: xr.Dataset, variable: str | None = None, over: str | None = None, at: Mapping[str, str] | None = None
) -> Figure:
    """Return a map of a variable over two axes, or its values in the complex plane if they are complex.

    Parameters
    ----------
    data : Dataset
        What `mpsnh.run.reading.results` returned.
    variable, over, at
        As for `averaged`. Complex values are not averaged.

    Raises
    ------
    ValueError
        If there is no such variable, axis or coordinate, or not two axes are left.

    Examples
    --------
    >>> data = xr.Dataset({"sz": (("time", "site"), [[0.5, -0.5], [0.4, -0.4]])}, {"time": [0.0, 0.1]})
    >>> [axes.get_ylabel() for axes in mapped(data).axes]
    ['time', 'sz']
    """
    values = part_of(_variable(data, variable), at or {})
    _require_some(values)
    require_known(over, values.dims, f"axis of {values.name}")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=COLUMN, layout="constrained")
        if values.dtype.kind == "c":
            complex_plane(values, figure.subplots())
        else:
            over = over or ("seed" if "seed" in values.dims and values.ndim > 2 else None)
            values = values if over is None else values.mean(over, keep_attrs=True)
            heat_map(values.sortby([dim for dim in values.dims if dim in values.indexes]), figure.subplots())
    return figure
