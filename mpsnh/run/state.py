"""What a store is: its axes, the form of its results and the study, as the records of its log add up to it."""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.run.chunks import DamagedError
from mpsnh.run.form import Form, Part
from mpsnh.run.grid import Grid

FORMAT = 2
"""The number of this kind of store; stores without one are those of before there was a log."""

MOST_POINTS = 10**8
"""Points that a store may say it has; more would only fill the memory."""

STATUS, FAILURES, GRID = "status", "failures", "grid"
"""Names that a store uses itself."""


@dataclass(frozen=True)
class State:
    """A store as its log describes it.

    Attributes
    ----------
    grid : Grid
        All coordinates, each at the place that its record gave it.
    form : Form
        What the results of all points share.
    identity : dict
        What makes this study different from others, as plain data.
    origins : dict
        What computed points, by the number that their seals have.
    unsealed : tuple of int
        The shape of the grid when an earlier version wrote the last point; that has no seals. Empty if there is none.

    Examples
    --------
    >>> first = made(Form.of({"x": ((), 1.0, {})}), Grid({"h": [1.0]}), {"study": "example"})
    >>> State.of([first, {"axes": {"h": {"labels": [2.0]}}}]).grid.axes
    {'h': [1.0, 2.0]}
    """

    grid: Grid
    form: Form
    identity: dict[str, Any]
    origins: dict[int, dict[str, Any]] = field(default_factory=dict)
    unsealed: tuple[int, ...] = ()

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]]) -> State:
        """Add up records.

        Raises
        ------
        DamagedError
            If they can't be records of a store.
        """
        try:
            return cls._of(records)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise DamagedError(f"what it says of itself makes no store ({type(error).__name__}: {error})") from None

    @classmethod
    def _of(cls, records: Sequence[Mapping[str, Any]]) -> State:
        first, *later = records
        if first["format"] != FORMAT:
            raise ValueError(f"format {first['format']!r} is unknown here")
        axes = {name: _labels(part) for name, part in first["axes"].items()}
        form, identity, origins = form_of(first["form"]), dict(first["identity"]), dict[int, dict[str, Any]]()
        for record in later:
            for name, part in record.get("axes", {}).items():
                axes[name] = [*axes[name], *_labels(part)]
            if "identity" in record:
                identity, form = dict(record["identity"]), Form(form.parts, form.coords, dict(record["attrs"]))
            if "origin" in record:
                origins[int(record["origin"]["number"])] = dict(record["origin"])
        grid = Grid(axes, tuple(map(int, first["chunk"])))
        _require_sound(grid, form)
        return cls(grid, form, identity, origins, tuple(map(int, first.get("unsealed", ()))))


def made(form: Form, grid: Grid, identity: Mapping[str, Any], unsealed: Sequence[int] = ()) -> dict[str, Any]:
    """Return the first record of a store.

    Parameters
    ----------
    form : Form
        What the results of all points share.
    grid : Grid
        The points; its regions become the chunks.
    identity : mapping
        What makes this study different from others, as plain data.
    unsealed : sequence of int
        The shape of the grid, if an earlier version wrote it.

    Examples
    --------
    >>> sorted(made(Form.of({"x": ((), 1.0, {})}), Grid({"h": [1.0]}), {}))
    ['axes', 'chunk', 'form', 'format', 'identity', 'unsealed']
    """
    return {
        "format": FORMAT,
        **grid.to_json(),
        "form": form_data(form),
        "identity": dict(identity),
        "unsealed": list(unsealed),
    }


def form_data(form: Form) -> dict[str, Any]:
    """Return a form as plain data.

    Parameters
    ----------
    form : Form
        What the results of all points share.

    Examples
    --------
    >>> form_data(Form.of({"x": ((), 1.0, {})}))["parts"]
    {'x': {'dims': [], 'shape': [], 'dtype': '<f8', 'attrs': {}}}
    """
    parts = {
        name: {"dims": list(part.dims), "shape": list(part.shape), "dtype": part.dtype.str, "attrs": dict(part.attrs)}
        for name, part in form.parts.items()
    }
    coords = {
        name: {"dims": list(dims), **_array_data(labels), "attrs": dict(attributes)}
        for name, (dims, labels, attributes) in form.coords.items()
    }
    return {"parts": parts, "coords": coords, "attrs": dict(form.attrs)}


def form_of(data: Mapping[str, Any]) -> Form:
    """Return the form that plain data describe.

    Parameters
    ----------
    data : mapping
        What `form_data` returned.

    Examples
    --------
    >>> form_of(form_data(Form.of({"x": ((), 1.0, {})}))).parts["x"].dtype
    dtype('float64')
    """
    parts = {
        name: Part(_names(part["dims"]), _sizes(part["shape"]), data_type(part["dtype"]), dict(part["attrs"]))
        for name, part in data["parts"].items()
    }
    coords = {name: (_names(part["dims"]), _array(part), dict(part["attrs"])) for name, part in data["coords"].items()}
    return Form(parts, coords, dict(data["attrs"]))


def data_type(name: Any) -> np.dtype[Any]:
    """Return the type of the elements of an array by its name; one that is no number and no text is refused.

    Parameters
    ----------
    name : str
        As NumPy and Zarr write it.

    Examples
    --------
    >>> data_type("|O")
    Traceback (most recent call last):
    ValueError: dtype '|O' is none of numbers or texts
    """
    if not isinstance(name, str) or len(name) > 8:
        raise ValueError(f"dtype {str(name)[:80]!r} is none of numbers or texts")
    dtype = np.dtype(name)
    if dtype.kind not in "biufcU" or dtype.itemsize > 10_000:
        raise ValueError(f"dtype {name!r} is none of numbers or texts")
    return dtype


def is_storable(name: object) -> bool:
    """Tell whether a store can have a variable or an axis of a name.

    Parameters
    ----------
    name : object
        The name.

    Examples
    --------
    >>> [is_storable(name) for name in ("gap", "⟨Sz⟩", "", "..", "a/b", "grid")]
    [True, True, False, False, False, False]
    """
    if not isinstance(name, str) or name in ("", STATUS, FAILURES, GRID) or not name.isprintable():
        return False
    return name[0] != "." and not set(name) & {"/", "\\", ":"} and len(name.encode()) <= 200 and name == name.strip()


def require_names(names: Collection[str]) -> None:
    """Raise if a store can have no variable or axis of a name.

    Examples
    --------
    >>> require_names(["status"])
    Traceback (most recent call last):
    ValueError: name = 'status', but it must be another one: a store has a part called so
    """
    for name in names:
        require(name not in (STATUS, FAILURES, GRID), "name", name, "another one: a store has a part called so")
        allowed = "a name that files can hold: printed on one line, without / \\ : and no dot in front"
        require(is_storable(name), "name", name, allowed)


def require_storable(url: str, grid: Grid) -> None:
    """Raise if there can't be a store at a place, or none with such coordinates.

    Examples
    --------
    >>> require_storable("data.zarr", Grid({"z": [1j]}))
    Traceback (most recent call last):
    TypeError: over['z'] = [1j] has complex coordinates, which a store can't hold; use two real axes, or no store
    """
    if "://" not in url and Path(url).is_file():
        raise NotADirectoryError(f"store = {url!r} is a file, but it must be a folder, or a place for one")
    for name, labels in grid.axes.items():
        if grid.coordinates(name).dtype.kind == "c":
            raise TypeError(
                f"over[{name!r}] = {labels!r} has complex coordinates, which a store can't hold; use two real axes, "
                "or no store"
            )
    require_names(grid.axes)


def _require_sound(grid: Grid, form: Form) -> None:
    names = [*grid.axes, *form.parts, *form.coords]
    if not grid.axes or len(set(names)) < len(names) or not all(map(is_storable, names)):
        raise ValueError(f"names {names!r} can't be those of a store")
    if len(grid.chunk) != len(grid.axes) or not all(0 < size <= MOST_POINTS for size in grid.chunk):
        raise ValueError(f"chunks of {grid.chunk} are none")
    if not 0 < grid.size <= MOST_POINTS:
        raise ValueError(f"{grid.size} points are none or too many")
    for name, labels in grid.axes.items():
        if not isinstance(labels, range):
            known = set(labels)
            kinds = {isinstance(label, str) for label in labels}
            if len(known) < len(labels) or len(kinds) > 1:
                raise ValueError(f"the axis {name!r} repeats a coordinate, or mixes names and numbers")
    for name, part in form.parts.items():
        if len(part.dims) != len(part.shape) or set(part.dims) & set(grid.axes):
            raise ValueError(f"the dimensions {part.dims} of {name!r} are none")
    for name, (dims, labels, _) in form.coords.items():
        if len(dims) != labels.ndim:
            raise ValueError(f"the dimensions {dims} of {name!r} are none")


def _labels(part: Mapping[str, Any]) -> Sequence[Any]:
    if "range" in part:
        start, stop, step = (_integer(number) for number in part["range"])
        labels = range(start, stop, step)
        if len(labels) > MOST_POINTS:
            raise ValueError(f"{len(labels)} coordinates are too many")
        return labels
    if not isinstance(part["labels"], list):
        raise TypeError("labels are no list")
    for label in part["labels"]:
        if not isinstance(label, str | int | float) or (isinstance(label, float) and not math.isfinite(label)):
            raise ValueError(f"the coordinate {str(label)[:80]!r} is no number and no name")
    return list(part["labels"])


def _integer(number: Any) -> int:
    if type(number) is not int or abs(number) >= 2**64:
        raise ValueError(f"{str(number)[:80]!r} is no size")
    return number


def _sizes(numbers: Any) -> tuple[int, ...]:
    sizes = tuple(map(_integer, numbers))
    if any(size < 0 for size in sizes) or len(sizes) > 32:
        raise ValueError(f"{sizes} is no shape")
    return sizes


def _names(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{str(names)[:80]!r} are no names")
    return tuple(names)


def _array_data(array: NDArray[Any]) -> dict[str, Any]:
    return {"shape": list(array.shape), "dtype": array.dtype.str, "data": base64.b64encode(array.tobytes()).decode()}


def _array(part: Mapping[str, Any]) -> NDArray[Any]:
    data = base64.b64decode(part["data"], validate=True)
    return np.frombuffer(data, data_type(part["dtype"])).reshape(_sizes(part["shape"]))
