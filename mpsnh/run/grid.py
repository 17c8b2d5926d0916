"""The grid of a sweep: its axes, its points and the regions that are stored together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from mpsnh.checks import require

Region = tuple[slice, ...]
"""A rectangular part of the grid: one slice for each axis."""


Axes = Mapping[str, Sequence[Any]]
"""The axes of a grid and their coordinates."""


def regions(shape: Sequence[int], chunk: Sequence[int]) -> Iterator[Region]:
    """Cut a grid into regions.

    Parameters
    ----------
    shape : sequence of int
        Number of points along each axis.
    chunk : sequence of int
        Size of a region along each axis.

    Yields
    ------
    tuple of slice

    Examples
    --------
    >>> list(regions((3,), (2,)))
    [(slice(0, 2, None),), (slice(2, 3, None),)]
    """
    starts = (range(0, n, size) for n, size in zip(shape, chunk, strict=True))
    for corner in itertools.product(*starts):
        yield tuple(slice(k, min(k + size, n)) for k, size, n in zip(corner, chunk, shape, strict=True))


def compact(labels: Sequence[Any]) -> Sequence[Any]:
    """Return integers at equal distances as a range, which a million of them fit in, and anything else as a list.

    Examples
    --------
    >>> compact([0, 2, 4]), compact([0, 1, 3]), compact(["a"])
    (range(0, 6, 2), [0, 1, 3], ['a'])
    """
    if isinstance(labels, range) or not all(type(label) is int for label in labels) or len(labels) < 2:
        return labels if isinstance(labels, range) else list(labels)
    step = labels[1] - labels[0]
    equal = range(labels[0], labels[0] + step * len(labels), step) if step else ()
    return equal if all(a == b for a, b in zip(equal, labels, strict=False)) and equal else list(labels)


def encoded(axes: Axes) -> dict[str, dict[str, list[Any]]]:
    def plain(labels: Sequence[Any]) -> dict[str, list[Any]]:
        if isinstance(labels, range):
            return {"range": [labels.start, labels.stop, labels.step]}
        return {"labels": list(labels)}

    return {name: plain(labels) for name, labels in axes.items()}


def lock_name(region: Region) -> str:
    """Return the name of the lock that goes with a region.

    Examples
    --------
    >>> lock_name((slice(0, 2), slice(4, 8)))
    '0.4'
    """
    return ".".join(str(part.start) for part in region)


REGION_SECONDS = 2.0
"""How long the points of a region should take together, with ``batch="auto"``."""


LARGEST_REGION = 1000
"""Most points in a region, with ``batch="auto"``."""


def distinct_labels(name: str, labels: Sequence[Any]) -> Sequence[Any]:
    array = np.asarray(labels if isinstance(labels, range) else list(labels))
    if not array.size:
        require(False, f"over[{name!r}]", [], "not empty")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        require(False, f"over[{name!r}]", array.tolist(), "finite")
    if isinstance(labels, range):
        return labels
    if np.unique(array).size < array.size:
        require(False, f"over[{name!r}]", array.tolist(), "without repetitions")
    plain: list[Any] = array.tolist()
    return plain


def grid_points(axes: Axes) -> Iterator[dict[str, Any]]:
    """Yield the coordinates of each point of a grid, one after the other."""
    for index in np.ndindex(*(len(labels) for labels in axes.values())):
        yield {name: labels[k] for (name, labels), k in zip(axes.items(), index, strict=True)}


def chunk_shape(shape: list[int], batch: int | Literal["auto"], seconds: float) -> tuple[int, ...]:
    """Choose the size of a region along each axis: a run of points along the last axes."""
    total = int(np.prod(shape))
    if batch == "auto":
        fitting = int(np.clip(REGION_SECONDS / max(seconds, 1e-6), 1, LARGEST_REGION))
        left = min(fitting, max(1, -(-total // 16)))  # so that there is something to share
    else:
        left = batch
    sizes: list[int] = []
    for n in reversed(shape):
        sizes.append(max(1, min(n, left)))
        left = left // n if left >= n else 1
    return tuple(reversed(sizes))
