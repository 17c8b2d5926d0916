"""Which files a store consists of: those that make it a Zarr group, and how those of earlier versions are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.run.chunks import COMPRESSOR, DamagedError, decoded, documents, encoded, largest, text
from mpsnh.run.form import Form, Part
from mpsnh.run.grid import Grid
from mpsnh.run.place import Place, plain_data
from mpsnh.run.seal import SEAL, SEAL_TYPE
from mpsnh.run.state import FAILURES, GRID, STATUS, State, data_type, made

SEALS = f"{GRID}/seals"
"""The array of what is known of each point besides its results."""

MEANING = {"long_name": "0 missing, 1 done, 2 failed"}
"""Attributes of the status."""


def files(state: State) -> dict[str, bytes]:
    """Return all files of a store that follow from its log.

    Parameters
    ----------
    state : State
        What the log says.

    Examples
    --------
    >>> record = made(Form.of({"x": ((), 1.0, {})}), Grid({"h": [1.0]}), {})
    >>> [name for name in files(State.of([record])) if name.startswith("h/")]
    ['h/.zarray', 'h/.zattrs', 'h/0']
    """
    grid, form = state.grid, state.form
    group = text({"zarr_format": 2})
    known = {
        ".zgroup": group,
        ".zattrs": text({"variables": list(form.parts), **form.attrs}),
        f"{GRID}/.zgroup": group,
        f"{FAILURES}/.zgroup": group,
    }
    for axis in grid.axes:
        known |= _whole(axis, grid.coordinates(axis), [axis], {})
    for name, (dims, labels, attributes) in form.coords.items():
        known |= _whole(name, labels, dims, attributes)
    for name, part in arrays(form).items():
        described = documents(
            grid.shape + part.shape, chunk_of(grid, part), part.dtype, [*grid.axes, *part.dims], part.attrs
        )
        known |= {f"{name}/{file}": data for file, data in described.items()}
    return known


def arrays(form: Form) -> dict[str, Part]:
    """Return the arrays that have an element for each point: the variables, the status and the seals.

    Parameters
    ----------
    form : Form
        What the results of all points share.

    Examples
    --------
    >>> list(arrays(Form.of({"x": ((), 1.0, {})})))
    ['x', 'status', 'grid/seals']
    """
    variables = {name: part for name, part in form.parts.items() if name != SEAL}
    return {
        **variables,
        STATUS: Part((), (), np.dtype(np.uint8), MEANING),
        SEALS: Part((), (), SEAL_TYPE, {"long_name": "what computed each point"}),
    }


def chunk_of(grid: Grid, part: Part) -> tuple[int, ...]:
    """Return the size of the chunks of an array over a grid.

    Parameters
    ----------
    grid : Grid
        The points.
    part : Part
        The array, at a point.

    Examples
    --------
    >>> chunk_of(Grid({"h": [1.0, 2.0]}), Part(("site",), (6,), np.dtype(float), {}))
    (2, 6)
    """
    return tuple(max(1, n) for n in grid.chunk + part.shape)


def _whole(name: str, values: NDArray[Any], dims: Sequence[str], attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of an array that is one chunk."""
    chunk = tuple(max(1, n) for n in values.shape)
    described = documents(values.shape, chunk, values.dtype, dims, attributes)
    key = ".".join("0" for _ in dims) or "0"
    return {f"{name}/{file}": data for file, data in described.items()} | {f"{name}/{key}": encoded(values, chunk)}


def earlier(place: Place) -> dict[str, Any] | None:
    """Return what would be the first record of a store that an earlier version made, which kept no log.

    Parameters
    ----------
    place : Place
        Where the store lies.

    Returns
    -------
    dict or None
        None if there is no such store.

    Raises
    ------
    DamagedError
        If there is one, but it can't be understood.

    Examples
    --------
    >>> from mpsnh.run.objects import Objects
    >>> earlier(Objects("memory://nothing", {})) is None
    True
    """
    try:
        attributes, axes = (plain_data(place.read(name)) for name in (".zattrs", f"{GRID}/.zattrs"))
        status = plain_data(place.read(f"{STATUS}/.zarray"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DamagedError(f"store = {place.url!r} has a file that says nothing: {error}") from None
    try:
        return _record(place, attributes, axes, status)
    except FileNotFoundError as error:
        raise DamagedError(f"a file of store = {place.url!r} is gone: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DamagedError(f"store = {place.url!r} can't be understood ({type(error).__name__}: {error})") from None


def _record(place: Place, attributes: Any, axes: Any, status: Any) -> dict[str, Any]:
    grid = Grid.from_json({"chunk": status["chunks"], **axes})  # 0.1.0 wrote no chunk there
    identity, variables = attributes.pop("identity"), attributes.pop("variables")
    parts, coords = {}, {}
    for name in variables:
        shape, dtype, dims, described = _array(place, name)
        parts[name] = Part(dims[len(grid.axes) :], shape[len(grid.axes) :], dtype, described)
    for name in place.names():
        if name in parts or name in grid.axes or name in (STATUS, GRID) or ".zarray" not in place.names(name):
            continue
        shape, dtype, dims, described = _array(place, name)
        chunk = tuple(max(1, n) for n in shape)
        key = ".".join("0" for _ in dims) or "0"
        labels = decoded(place.read(f"{name}/{key}", largest(chunk, dtype)), chunk, dtype)
        coords[name] = (dims, labels[tuple(map(slice, shape))], described)
    return made(Form(parts, coords, attributes), grid, identity, unsealed=grid.shape)


def _array(place: Place, name: str) -> tuple[tuple[int, ...], np.dtype[Any], tuple[str, ...], dict[str, Any]]:
    """Return shape, type, dimensions and attributes of an array."""
    if not isinstance(name, str) or "/" in name or name.startswith("."):
        raise ValueError(f"{name!r} is no name")
    array, described = (plain_data(place.read(f"{name}/{file}")) for file in (".zarray", ".zattrs"))
    kept = {"filters": None, "order": "C", "compressor": COMPRESSOR, "zarr_format": 2}
    for key, value in kept.items():
        if array[key] != value:
            raise ValueError(f"the {key} of {name!r} is {str(array[key])[:80]}, but it must be {value}")
    dims = described.pop("_ARRAY_DIMENSIONS")
    return tuple(array["shape"]), data_type(array["dtype"]), tuple(dims), described
