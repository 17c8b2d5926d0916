"""The grid of a sweep: its axes, its points and the regions that are stored together."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.run.coordinates import coordinate_type, distinct, matched

Point = dict[str, Any]
"""The coordinates of a point, by axis."""

Index = tuple[int, ...]
"""The place of a point in the grid: a number for each axis."""

Region = tuple[slice, ...]
"""A rectangular part of the grid: one slice for each axis."""

REGION_SECONDS = 2.0
"""How long the points of a region should take together, with ``batch="auto"``."""

LARGEST_REGION = 1000
"""Most points in a region, with ``batch="auto"``."""

LARGE = 2**62
"""Integers beyond which NumPy's arithmetic with ranges could overflow."""

REGION_BYTES = 2**24
"""Most bytes of results in a region of several points, with ``batch="auto"``."""

SMALLEST_NUMBER = 16
"""Fewest regions, with ``batch="auto"``, so that there is something to share."""


@dataclass(frozen=True)
class Grid:
    """The axes of a sweep with their coordinates, and how large the regions are that are stored together.

    Attributes
    ----------
    axes : mapping of str to sequence
        Coordinates by axis; integers at equal distances are kept as a range, which a million of them fit in.
    chunk : tuple of int
        Size of a region along each axis; by default the whole grid is one region.

    Examples
    --------
    >>> grid = Grid({"h": [1.0, 2.0], "seed": [0, 1, 2]}, chunk=(1, 2))
    >>> grid.shape, grid.size, grid.axes["seed"]
    ((2, 3), 6, range(0, 3))
    """

    axes: Mapping[str, Sequence[Any]]
    chunk: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", {name: _compact(labels) for name, labels in self.axes.items()})
        object.__setattr__(self, "chunk", tuple(int(size) for size in self.chunk) or self.shape)

    @classmethod
    def checked(cls, over: Mapping[str, Sequence[Any] | NDArray[Any]]) -> Grid:
        """Return the grid over some axes, if they can be axes.

        Raises
        ------
        TypeError
            If `over` is no mapping of sequences of numbers or names.
        ValueError
            If there is no axis, or one is empty, repeats a coordinate or has one that is not finite.

        Examples
        --------
        >>> Grid.checked({"seed": [0, 1, 1]})
        Traceback (most recent call last):
        ValueError: over['seed'] = [0, 1, 1], but it must be without repetitions
        """
        if not isinstance(over, Mapping):
            raise TypeError(f"over = {over!r}, but it must be a mapping of axes to their coordinates")
        require(bool(over), "over", dict(over), "a mapping with at least one axis")
        return cls({name: distinct(name, labels) for name, labels in over.items()})

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of points along each axis."""
        return tuple(len(labels) for labels in self.axes.values())

    @property
    def size(self) -> int:
        """The number of points."""
        return math.prod(self.shape)

    def points(self) -> Iterator[Point]:
        """Yield the coordinates of each point, the last axis running fastest.

        Examples
        --------
        >>> list(Grid({"h": [1.0, 2.0], "seed": [5]}).points())
        [{'h': 1.0, 'seed': 5}, {'h': 2.0, 'seed': 5}]
        """
        for labels in itertools.product(*self.axes.values()):
            yield dict(zip(self.axes, labels, strict=True))

    def index(self, point: Mapping[str, Any]) -> Index:
        """Return the place of a point.

        Raises
        ------
        KeyError
            If it is not in the grid.

        Examples
        --------
        >>> Grid({"h": [1.0, 2.0], "seed": range(3)}).index({"h": 2.0, "seed": 1})
        (1, 1)
        """
        return tuple(self._place(name, point[name]) for name in self.axes)

    def __contains__(self, point: Mapping[str, Any]) -> bool:
        """Tell whether a point with these coordinates is in the grid."""
        try:
            return point.keys() == self.axes.keys() and bool(self.index(point))
        except (KeyError, TypeError):
            return False

    def _place(self, name: str, label: Any) -> int:
        labels = self.axes[name]
        if not isinstance(labels, range):
            return self._places[name][label]
        if label not in labels:
            raise KeyError(label)
        return labels.index(int(label))

    @functools.cached_property
    def _places(self) -> dict[str, dict[Any, int]]:
        listed = {name: labels for name, labels in self.axes.items() if not isinstance(labels, range)}
        return {name: {label: k for k, label in enumerate(labels)} for name, labels in listed.items()}

    def places(self, other: Grid) -> list[NDArray[np.intp]]:
        """Return where the coordinates of another grid are in this one, for each axis of this one.

        Raises
        ------
        KeyError
            If this one has not all of them.

        Examples
        --------
        >>> Grid({"seed": range(5)}).places(Grid({"seed": [4, 0]}))
        [array([4, 0])]
        """
        found = []
        for name, labels in self.axes.items():
            asked = other.axes[name]
            if isinstance(labels, range) and isinstance(asked, range) and len(asked) and asked[-1] in labels:
                places = np.arange(len(asked)) * (asked.step // labels.step) + self._place(name, asked[0])
                if asked.step % labels.step == 0:
                    found.append(places)
                    continue
            found.append(np.array([self._place(name, label) for label in asked], np.intp))
        return found

    def coordinates(self, name: str) -> NDArray[Any]:
        """Return the coordinates of an axis as an array that holds each of them exactly.

        Examples
        --------
        >>> Grid({"seed": [1, 2**63]}).coordinates("seed").dtype, Grid({"h": [1, 0.5]}).coordinates("h").dtype
        (dtype('uint64'), dtype('float64'))
        """
        labels = self.axes[name]
        return np.asarray(labels, coordinate_type(name, labels))

    def regions(self) -> Iterator[Region]:
        """Yield the regions, the last axis running fastest.

        Examples
        --------
        >>> list(Grid({"seed": range(3)}, chunk=(2,)).regions())
        [(slice(0, 2, None),), (slice(2, 3, None),)]
        """
        starts = (range(0, n, size) for n, size in zip(self.shape, self.chunk, strict=True))
        yield from map(self._region, itertools.product(*starts))

    def regions_of(self, wanted: NDArray[np.bool_]) -> Iterator[Region]:
        """Yield the regions that have a point of some, the last axis running fastest.

        Examples
        --------
        >>> list(Grid({"seed": range(5)}, chunk=(2,)).regions_of(np.arange(5) > 3))
        [(slice(4, 5, None),)]
        """
        some = wanted
        for axis, (n, size) in enumerate(zip(self.shape, self.chunk, strict=True)):
            some = np.logical_or.reduceat(some, np.arange(0, n, size), axis=axis)
        for place in np.argwhere(some).tolist():
            yield self._region(tuple(k * size for k, size in zip(place, self.chunk, strict=True)))

    def region(self, index: Index) -> Region:
        """Return the region that a place is in.

        Examples
        --------
        >>> Grid({"seed": range(3)}, chunk=(2,)).region((2,))
        (slice(2, 3, None),)
        """
        return self._region(tuple(k - k % size for k, size in zip(index, self.chunk, strict=True)))

    def _region(self, corner: Index) -> Region:
        parts = zip(corner, self.chunk, self.shape, strict=True)
        return tuple(slice(k, min(k + size, n)) for k, size, n in parts)

    def part(self, region: Region) -> Grid:
        """Return a region as a grid of its own.

        Examples
        --------
        >>> Grid({"seed": [4, 9, 2, 5]}).part((slice(1, 4),)).axes
        {'seed': [9, 2, 5]}
        """
        return Grid({name: labels[part] for (name, labels), part in zip(self.axes.items(), region, strict=True)})

    def overlap(self, other: Grid) -> NDArray[np.bool_]:
        """Return which points are in another grid of the same axes.

        Examples
        --------
        >>> Grid({"seed": [4, 9, 2]}).overlap(Grid({"seed": [2, 4]})).tolist()
        [True, False, True]
        """
        if self.axes == other.axes:
            return np.ones(self.shape, bool)
        inside = []
        for name, labels in self.axes.items():
            asked = other.axes[name] if isinstance(other.axes[name], range) else set(other.axes[name])
            inside.append(np.fromiter((label in asked for label in labels), bool, len(labels)))
        return np.asarray(functools.reduce(np.logical_and.outer, inside))

    def matched(self, other: Grid) -> Grid:
        """Return another grid with its axes in the order of this one, and coordinates that differ by rounding as here.

        A grid of other axes is returned as it is.

        Examples
        --------
        >>> Grid({"h": [0.3], "seed": [0]}).matched(Grid({"seed": [0, 1], "h": [3 * 0.1, 0.4]})).axes
        {'h': [0.3, 0.4], 'seed': range(0, 2)}
        """
        if self.axes.keys() != other.axes.keys():
            return other
        return Grid({name: matched(labels, other.axes[name]) for name, labels in self.axes.items()})

    def extended(self, other: Grid) -> Grid:
        """Return the grid with the coordinates of another one that it has not, behind its own.

        Examples
        --------
        >>> Grid({"h": [1.0], "seed": [0, 1]}).extended(Grid({"h": [2.0], "seed": [1, 2]})).axes
        {'h': [1.0, 2.0], 'seed': range(0, 3)}

        Raises
        ------
        TypeError
            If an axis would have coordinates of two kinds, or some that no array holds exactly.
        """
        if self.axes == other.axes:
            return self
        axes = {name: list(dict.fromkeys([*labels, *other.axes[name]])) for name, labels in self.axes.items()}
        for name, labels in axes.items():
            coordinate_type(name, labels)
        return Grid(axes, self.chunk)

    def divided(self, batch: int | Literal["auto"], seconds: float, nbytes: int = 0) -> Grid:
        """Return the grid with regions that are runs of points along the last axes.

        Parameters
        ----------
        batch : int or "auto"
            How many points a region has; "auto" aims at two seconds, and at most 16 MiB of results.
        seconds : float
            How long a point takes.
        nbytes : int
            Bytes of its results.

        Examples
        --------
        >>> Grid({"h": [1.0, 2.0], "seed": range(4)}).divided(2, seconds=0.0).chunk
        (1, 2)
        """
        if batch == "auto":
            fitting = int(np.clip(REGION_SECONDS / max(seconds, 1e-6), 1, LARGEST_REGION))
            small = max(1, REGION_BYTES // max(nbytes, 1))
            left = min(fitting, small, max(1, -(-self.size // SMALLEST_NUMBER)))
        else:
            left = batch
        sizes: list[int] = []
        for n in reversed(self.shape):
            sizes.append(max(1, min(n, left)))
            left = left // n if left >= n else 1
        return replace(self, chunk=tuple(reversed(sizes)))

    def to_json(self) -> dict[str, Any]:
        """Return the grid as plain data.

        Examples
        --------
        >>> grid = Grid({"h": [0.5], "seed": range(0, 8, 2)}, chunk=(1, 2))
        >>> grid.to_json()
        {'axes': {'h': {'labels': [0.5]}, 'seed': {'range': [0, 8, 2]}}, 'chunk': [1, 2]}
        >>> Grid.from_json(grid.to_json()) == grid
        True
        """
        return {"axes": {name: _plain(labels) for name, labels in self.axes.items()}, "chunk": list(self.chunk)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Grid:
        """Return the grid that plain data describe (see `to_json`)."""
        axes = {
            str(name): range(*part["range"]) if "range" in part else part["labels"]
            for name, part in data["axes"].items()
        }
        return cls(axes, tuple(data["chunk"]))


def where(point: Mapping[str, Any]) -> str:
    """Say which point it is.

    Parameters
    ----------
    point : mapping of str to object
        Its coordinates.

    Examples
    --------
    >>> where({"h": 4.0, "seed": 3})
    'h = 4.0, seed = 3'
    """
    return ", ".join(f"{name} = {label}" for name, label in point.items())


def _compact(labels: Sequence[Any]) -> Sequence[Any]:
    """Return integers at equal distances as a range, which a million of them fit in, and anything else as a list."""
    if isinstance(labels, range):
        return labels if not labels or max(abs(labels[0]), abs(labels[-1])) < LARGE else list(labels)
    if len(labels) < 2 or not all(type(label) is int for label in labels):
        return list(labels)
    step = labels[1] - labels[0]
    equal = range(labels[0], labels[0] + step * len(labels), step) if step else ()
    small = max(abs(labels[0]), abs(labels[-1])) < LARGE
    return equal if equal and small and all(a == b for a, b in zip(equal, labels, strict=True)) else list(labels)


def _plain(labels: Sequence[Any]) -> dict[str, list[Any]]:
    if isinstance(labels, range):
        return {"range": [labels.start, labels.stop, labels.step]}
    return {"labels": list(labels)}
