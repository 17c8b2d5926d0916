"""What a store or a netCDF file has so far."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mpsnh.checks import printable, require_memory
from mpsnh.run.store import DONE, FAILED, MISSING, Store

KINDS = {"b": "truth", "i": "count", "u": "count"}
"""What values are that became floats, by the kind of their type."""


def results(place: str | Path) -> tuple[xr.Dataset, xr.DataArray]:
    """Read what a store or a netCDF file has so far.

    Parameters
    ----------
    place : str or Path
        The store of a sweep, or a netCDF file of a sweep or a simulation.

    Returns
    -------
    Dataset, DataArray
        All numbers as floats or complex numbers; points that are missing or failed are NaN. Besides, the status of
        each point; a file tells of those that failed only.

    Raises
    ------
    ValueError
        If there is neither.

    Examples
    --------
    >>> import tempfile
    >>> from mpsnh.run.form import Form
    >>> from mpsnh.run.grid import Grid
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(Path(folder) / "data.zarr")
    ...     store.create(Form.of({"real": ((), True, {})}), Grid({"seed": [0, 1]}), {})
    ...     store.write((slice(0, 2),), {"real": np.array([True, False])}, np.array([DONE, MISSING]), [])
    ...     data, status = results(store.url)
    >>> data["real"].values.tolist(), left_out(status)
    ([1.0, nan], '1 missing of 2 points are left out')
    """
    if "://" not in str(place) and Path(place).is_file():
        data, status = _from_file(Path(place))
    else:
        store = opened(place)
        grid = store.grid()
        data, values = store.loaded(grid)
        status = xr.DataArray(values, {name: data[name] for name in grid.axes}, list(grid.axes))

    def finished(variable: xr.DataArray) -> xr.DataArray:
        known = variable.dtype.kind in "fc" and set(status.dims) <= set(variable.dims)
        return variable.where(status == DONE) if known else variable

    return _as_floats(data).map(finished, keep_attrs=True), status


def left_out(status: xr.DataArray, at: Mapping[str, str] | None = None) -> str:
    """Say how many points failed or are missing; empty if all are done.

    Parameters
    ----------
    status : DataArray
        What `results` returned.
    at : mapping of str to str, optional
        Axes of which only one coordinate is wanted, and this coordinate as a text.

    Examples
    --------
    >>> status = xr.DataArray([[DONE, FAILED], [FAILED, MISSING]], {"h": [1.0, 2.0], "seed": [0, 1]})
    >>> left_out(status), left_out(status, {"h": "1", "time": "0.5"})
    ('2 failed and 1 missing of 4 points are left out', '1 failed of 2 points are left out')
    """
    chosen = part_of(status, {axis: label for axis, label in (at or {}).items() if axis in status.dims})
    counts = {"failed": int((chosen == FAILED).sum()), "missing": int((chosen == MISSING).sum())}
    found = [f"{count} {name}" for name, count in counts.items() if count]
    return f"{' and '.join(found)} of {chosen.size} points are left out" if found else ""


def opened(place: str | Path) -> Store:
    """Open a store that must exist.

    Parameters
    ----------
    place : str or Path
        The store of a sweep.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> opened("nothing/here.zarr")
    Traceback (most recent call last):
    ValueError: nothing/here.zarr is no store of a sweep: there is nothing; a sweep makes it when its first point ...
    """
    reason = "it has no grid of points"
    if "://" not in str(place) and Path(place).is_file():
        raise ValueError(f"{place} is no store of a sweep: it is a file, which `mpsnh show` draws if it is netCDF")
    try:
        if Store(place).exists():
            return Store(place)
        if "://" not in str(place) and not Path(place).exists():
            reason = "there is nothing"
            if Path(place).suffix != ".nc":
                reason += "; a sweep makes it when its first point is finished"
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        reason = printable(f"{type(error).__name__}: {error}")
    raise ValueError(f"{place} is no store of a sweep: {reason}")


def _from_file(path: Path) -> tuple[xr.Dataset, xr.DataArray]:
    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            require_memory(3 * opened.nbytes, str(path))
            data = opened.load()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} is neither a store of a sweep nor a netCDF file: {error}") from None
    failed = [failure["point"] for failure in json.loads(data.attrs.get("failures", "[]"))]
    axes = [name for name in data.indexes if failed and name in failed[0]]
    if failed and len(axes) < len(failed[0]):  # of a part or an average of a sweep
        axes, failed = [], []
    status = xr.DataArray(np.full([data.sizes[name] for name in axes], DONE), {name: data[name] for name in axes}, axes)
    for point in failed:
        if all(point[str(name)] in data.indexes[name] for name in axes):
            status.loc[{name: point[str(name)] for name in axes}] = FAILED
    return data, status


def _as_floats(data: xr.Dataset) -> xr.Dataset:
    """Return a dataset with room for NaN in all of its numbers, of which those that were none yet say so."""

    def floats(variable: xr.DataArray) -> xr.DataArray:
        kind = KINDS.get(variable.dtype.kind)
        return variable if kind is None else variable.astype(float).assign_attrs(variable.attrs, kind=kind)

    return data.assign({name: floats(variable) for name, variable in data.items()})


def part_of(values: xr.DataArray, at: Mapping[str, str]) -> xr.DataArray:
    """Return the values at some coordinates, whose axes they lose.

    Parameters
    ----------
    values : DataArray
        All values.
    at : mapping of str to str
        Axes of which only one coordinate is wanted, and this coordinate as a text.

    Raises
    ------
    ValueError
        If there is no such axis or coordinate.

    Examples
    --------
    >>> gaps = xr.DataArray([[1.0, 2.0], [3.0, 4.0]], {"h": [0.1, 0.2], "seed": [0, 1]})
    >>> part_of(gaps, {"h": "0.20"}).values.tolist()
    [3.0, 4.0]
    """
    for axis, text in at.items():
        require_known(axis, values.dims, f"axis of {values.name}")
        labels = values[axis].values
        places = sorted(
            (k for k, label in enumerate(labels) if _same(label, text)), key=lambda k: str(labels[k]) != text
        )
        require_known(text, [text] if places else labels, f"coordinate of {axis}")
        values = values.isel({axis: places[0]})
    return values


def _same(label: Any, text: str) -> bool:
    try:
        return math.isclose(float(label), float(text), rel_tol=1e-9, abs_tol=1e-12)
    except ValueError:
        return str(label) == text


def require_known(name: str | None, known: Any, what: str) -> None:
    """Raise if there is no such thing.

    Parameters
    ----------
    name : str or None
        What is asked for; nothing, if it is None.
    known : iterable of str
        What there is.
    what : str
        What it should be, for the message.

    Examples
    --------
    >>> require_known("L", ["h", "seed"], "axis of gap")
    Traceback (most recent call last):
    ValueError: 'L' is no axis of gap; there are: h, seed
    """
    if name is not None and name not in known:
        raise ValueError(f"{name!r} is no {what}; there are: {', '.join(map(str, known)) or 'none'}")
