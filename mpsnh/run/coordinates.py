"""Coordinates of the axes of a sweep: numbers or names that an array holds exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require

ROUNDING = 1e-12
"""Difference, relative to the largest, up to which two coordinates are taken for the same one."""


def matched(known: Sequence[Any], labels: Sequence[Any]) -> Sequence[Any]:
    """Return coordinates with those that are among the known ones but for rounding replaced by them.

    Parameters
    ----------
    known, labels : sequence
        Coordinates.

    Examples
    --------
    >>> matched([0.3], [3 * 0.1, 0.4])
    [0.3, 0.4]
    """
    numbers = all(type(label) in (int, float) for label in (*known, *labels))
    if isinstance(labels, range) or not numbers or all(type(label) is int for label in (*known, *labels)):
        return labels  # integers are never rounded
    ordered = np.sort(np.asarray(known, float))
    places = np.clip(np.searchsorted(ordered, np.asarray(labels, float)), 1, max(1, ordered.size - 1))
    near = ordered[np.clip([places - 1, places], 0, ordered.size - 1)]
    nearest = np.where(abs(near[0] - labels) <= abs(near[1] - labels), *near)
    same = {float(label): label for label in known}
    limit = ROUNDING * max(abs(ordered[0]), abs(ordered[-1]))
    return [
        same[float(other)] if abs(other - label) <= limit else label
        for label, other in zip(labels, nearest, strict=True)
    ]


def coordinate_type(name: str, labels: Sequence[Any]) -> np.dtype[Any]:
    """Return the type of an array that holds some coordinates exactly.

    Parameters
    ----------
    name : str
        The axis, for the message.
    labels : sequence
        Its coordinates.

    Raises
    ------
    TypeError
        If there is none.

    Examples
    --------
    >>> coordinate_type("h", [1, 0.5]), coordinate_type("seed", range(3))
    (dtype('float64'), dtype('int64'))
    >>> coordinate_type("seed", [1, 2**64])
    Traceback (most recent call last):
    TypeError: over['seed'] has the coordinates 1 and 18446744073709551616, which no array holds exactly; ...
    """
    ends = [labels[0], labels[-1]] if isinstance(labels, range) else list(labels)
    kinds = {type(label) for label in ends}
    if kinds == {str}:
        return np.asarray(ends).dtype
    if kinds == {bool}:
        return np.dtype(bool)
    if kinds == {int}:
        low, high = min(ends), max(ends)
        for kind in (np.dtype(np.int64), np.dtype(np.uint64)):
            if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
                return kind
        raise TypeError(
            f"over[{name!r}] has the coordinates {low} and {high}, which no array holds exactly; integers must all be "
            "of 64 bits, with or without a sign"
        )
    if kinds <= {int, float}:
        for label in ends:
            if abs(label) > 2**53 and float(label) != label:
                raise TypeError(
                    f"over[{name!r}] has the coordinate {label} among fractions, with which an array holds no integers "
                    "beyond 2^53 exactly; take integers only"
                )
        return np.dtype(float)
    if kinds <= {int, float, complex}:
        return np.dtype(complex)
    raise TypeError(f"over[{name!r}] would have {_kinds(kinds)}, but its coordinates must all be numbers, or all names")


def _kinds(kinds: set[type]) -> str:
    words = {str: "names", bool: "True and False"}
    return " and ".join(sorted({words.get(kind, "numbers") for kind in kinds}))


def distinct(name: str, labels: Sequence[Any] | NDArray[Any]) -> Sequence[Any]:
    """Return the coordinates of an axis as plain numbers or names, if they can be that.

    Parameters
    ----------
    name : str
        The axis, for the message.
    labels : sequence or ndarray
        Its coordinates.

    Raises
    ------
    TypeError, ValueError
        If they are something else, of two kinds, repeated, not finite, or more than an array holds exactly.

    Examples
    --------
    >>> distinct("h", np.array([0.5, 1]))
    [0.5, 1.0]
    """
    iterator = isinstance(labels, Iterator)  # of which nothing would be left after a look at it
    if iterator or not np.iterable(labels) or isinstance(labels, str | bytes) or np.ndim(next(iter(labels), 0)):
        raise TypeError(f"over[{name!r}] = {labels!r}, but it must be a sequence of numbers or names")
    if isinstance(labels, range):
        require(bool(labels), f"over[{name!r}]", [], "not empty")
        coordinate_type(name, labels)
        return labels
    plain = [_plain_label(name, label) for label in labels]
    require(bool(plain), f"over[{name!r}]", [], "not empty")
    numbers = [label for label in plain if isinstance(label, float | complex)]
    if not np.isfinite(numbers).all():
        require(False, f"over[{name!r}]", plain, "finite")
    kind = coordinate_type(name, plain)
    if kind.kind in "fc":
        plain = np.asarray(plain, kind).tolist()
    close = False
    if kind.kind == "f":
        ordered = np.unique(np.asarray(plain))
        close = bool(np.any(np.diff(ordered) <= ROUNDING * np.max(np.abs(ordered))))
    if close or len(set(plain)) < len(plain):
        require(False, f"over[{name!r}]", plain, "without repetitions")
    return plain


def _plain_label(name: str, label: Any) -> Any:
    """Return a coordinate as a plain number or text that is equal to it."""
    plain = label
    if isinstance(label, np.ndarray) and label.ndim == 0:
        plain = label = label[()]
    if isinstance(label, np.generic):
        plain = label.item()
        if isinstance(label, np.longdouble):
            plain = float(label)
    for kind in (str, int, float):  # of which there are subclasses
        if isinstance(plain, kind) and not isinstance(plain, bool):
            plain = kind(plain)
    if type(plain) not in (bool, int, float, complex, str) or (plain == plain and plain != label):
        raise TypeError(
            f"over[{name!r}] has the coordinate {label!r}, but its coordinates must all be numbers, or all names"
        )
    if isinstance(plain, str) and ("\0" in plain or not _is_text(plain)):
        raise TypeError(f"over[{name!r}] has the name {plain!r}, which files can't hold")
    return plain


def _is_text(label: str) -> bool:
    try:
        label.encode()
    except UnicodeEncodeError:
        return False
    return True
