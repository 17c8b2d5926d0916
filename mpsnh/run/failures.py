"""What a store keeps of points that failed: a group of attributes for each region."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import printable, warn
from mpsnh.run.chunks import text
from mpsnh.run.grid import Grid
from mpsnh.run.labelled import xr
from mpsnh.run.place import Place, plain_data
from mpsnh.run.state import FAILURES

LOST = "its error is not recorded"
"""What is said of a point whose record is gone or damaged."""


def failure_files(place: Place, name: str, failures: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return the files of the failures of a region, with those that are there of other points.

    Parameters
    ----------
    place : Place
        Where the store lies.
    name : str
        The region.
    failures : sequence of mapping
        Points of the region that failed, with their errors, as plain data.

    Examples
    --------
    >>> from mpsnh.run.objects import Objects
    >>> place = Objects("memory://failures", {})
    >>> sorted(failure_files(place, "0", [{"point": {"h": 1.0}, "error": "ValueError"}]))
    ['failures/0/.zattrs', 'failures/0/.zgroup']
    """
    points = [failure["point"] for failure in failures]
    earlier = [failure for failure in _recorded(place, name) if failure["point"] not in points]
    listed = json.loads(json.dumps([*earlier, *failures], default=str))
    return {
        f"{FAILURES}/{name}/.zgroup": text({"zarr_format": 2}),
        f"{FAILURES}/{name}/.zattrs": text({"failures": listed, "sha256": _digest(listed)}),
    }


def recorded_failures(place: Place, grid: Grid, failed: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return the points that failed, each with its coordinates and its error, as far as that is known.

    Parameters
    ----------
    place : Place
        Where the store lies.
    grid : Grid
        Its points.
    failed : ndarray of bool
        Which of them failed.

    Examples
    --------
    >>> from mpsnh.run.objects import Objects
    >>> nothing = Objects("memory://nothing", {})
    >>> [failure["point"] for failure in recorded_failures(nothing, Grid({"h": [1.0, 2.0]}), np.array([False, True]))]
    [{'h': 2.0}]
    """
    if not failed.any():
        return []
    known = dict[tuple[int, ...], dict[str, Any]]()
    for name in place.names(FAILURES):
        for failure in _recorded(place, name):
            if failure["point"] in grid:
                known[grid.index(failure["point"])] = failure
    axes = list(grid.axes.items())
    places = map(tuple, np.argwhere(failed).tolist())
    return [
        known.get(at) or {"point": {n: labels[k] for (n, labels), k in zip(axes, at, strict=True)}, "error": LOST}
        for at in places
    ]


def marked(data: xr.Dataset, grid: Grid, failures: list[dict[str, Any]]) -> xr.Dataset:
    """Return the results with what failed in an attribute, and warn of it.

    Examples
    --------
    >>> import warnings
    >>> failures = [{"point": {"h": 2.0}, "error": "ValueError: no"}]
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     marked(xr.Dataset({"n": ("h", [1, 2])}, {"h": [1.0, 2.0]}), Grid({"h": [1.0, 2.0]}), failures)["n"].values
    array([ 1., nan])
    """
    first = failures[0]
    with contextlib.suppress(OSError, ValueError):  # of a screen that is closed
        warn(
            f"{len(failures)} point{'s' * (len(failures) > 1)} failed; the first is {first['point']}: {first['error']}",
        )
    failed = xr.DataArray(np.zeros(grid.shape, bool), dims=list(grid.axes))
    for failure in failures:
        failed.values[grid.index(failure["point"])] = True
    # NaN also where the type has none, so that an average can't count a failure as a zero.
    counted = {name: values.where(~failed) for name, values in data.items() if values.dtype.kind in "iub"}
    return data.assign(counted).assign_attrs(failures=json.dumps(failures, ensure_ascii=False, default=str))


def _recorded(place: Place, name: str) -> list[dict[str, Any]]:
    try:
        known = plain_data(place.read(f"{FAILURES}/{name}/.zattrs"))
        listed = known["failures"]
        if known.get("sha256", _digest(listed)) != _digest(listed):
            return []  # then the status tells
        return [{"point": dict(one["point"]), "error": printable(str(one["error"]))} for one in listed]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
