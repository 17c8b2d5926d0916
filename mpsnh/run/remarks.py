"""Warnings of points: heard where these run, and said where the sweep was asked for, with the point they are of."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from mpsnh.checks import warn
from mpsnh.run.grid import Point, where

NAMED = 5
"""Further points that the last word on warnings of a kind names."""

_NUMBER = re.compile(r"[-+]?\d[\d.]*(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Remark:
    """A warning of a point.

    Attributes
    ----------
    point : dict
        Its coordinates.
    text : str
        What was said.
    category : type of Warning
        Of which kind it is.
    line : (str, int) or None
        The file and the line; none for what mpsnh says of its own, which belongs to the line that called it.

    Examples
    --------
    >>> [Remark({"h": h}, f"a change of {change}", UserWarning).kind for h, change in ((4.0, 0.1), (5.0, 2e-3))]
    [('UserWarning', 'a change of 0'), ('UserWarning', 'a change of 0')]
    """

    point: Point
    text: str
    category: type[Warning]
    line: tuple[str, int] | None = None

    @property
    def kind(self) -> tuple[str, str]:
        """What it has in common with remarks of other points, which differ by numbers."""
        return self.category.__name__, _NUMBER.sub("0", self.text)

    def say(self, more: str = "") -> None:
        """Warn here; the point stands behind the text, so that filters that know how it begins still apply."""
        text = f"{self.text} (at {where(self.point)}{more})"
        if self.line is None:
            warn(text, self.category)
        else:
            warnings.warn_explicit(text, self.category, *self.line)

    def __reduce__(self) -> tuple[Any, ...]:
        sent = next(kind for kind in self.category.__mro__ if _is_known_elsewhere(kind))
        return Remark, (self.point, self.text, sent, self.line)


def _is_known_elsewhere(kind: type) -> bool:
    """Tell whether another process finds a class, which may be one of a script or of a function."""
    main = kind.__module__ in ("__main__", "__mp_main__")
    return not main and getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind


def _of_text(category: type[Warning]) -> type[Warning]:
    """Return a kind of warning, or one above it that takes no more than a text."""
    for kind in category.__mro__:
        with contextlib.suppress(Exception):
            if isinstance(kind("text"), Warning):
                return kind
    return UserWarning


Heard = dict[tuple[str, str], Remark]
"""The first remark of each kind."""


class Hearing:
    """Hears the warnings of the points that run in this process, each in its thread.

    Filters apply before it: what is to be ignored is not heard, and what is to be an error is one of the point.

    Examples
    --------
    >>> with warnings.catch_warnings(), hearing({"h": 4.0}) as heard:
    ...     warnings.simplefilter("always")
    ...     warn("a small cutoff")
    >>> [(remark.text, remark.point) for remark in heard.values()]
    [('a small cutoff', {'h': 4.0})]
    """

    def __init__(self) -> None:
        self._lock, self._users, self._mine = threading.Lock(), 0, threading.local()
        self._before: Callable[..., None] = warnings.showwarning

    @contextlib.contextmanager
    def __call__(self, point: Point) -> Iterator[Heard]:
        """Hear what is said inside, of a point; if it ends with an error, it is said here."""
        heard: Heard = {}
        outside = getattr(self._mine, "at", None)
        with self._lock:
            if not self._users:  # one for all threads, which would undo what others do
                self._before, warnings.showwarning = warnings.showwarning, self._hear
            self._users += 1
            with warnings.catch_warnings():  # after which nothing counts as said before, as at another point
                pass
        self._mine.at = point, heard
        try:
            yield heard
        except Exception:
            self._mine.at = outside
            for remark in heard.values():
                remark.say()
            raise
        finally:
            self._mine.at = outside
            with self._lock:
                self._users -= 1
                if not self._users:
                    warnings.showwarning = self._before

    def _hear(self, message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
        if (at := getattr(self._mine, "at", None)) is None:  # another thread, which runs no point
            self._before(message, category, *place, **options)
            return
        point, heard = at
        ours = sys._getframe(2).f_code is warn.__code__  # which is above the function that calls this
        remark = Remark(point, str(message), _of_text(category), None if ours else (str(place[0]), int(place[1])))
        heard.setdefault(remark.kind, remark)


hearing = Hearing()


class Remarks:
    """Says remarks of a sweep where it was asked for: the first of a kind when it comes, the rest of them in one.

    Parameters
    ----------
    aside : callable
        Returns a context in which there is room to say something.

    Examples
    --------
    >>> remarks = Remarks()
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     remarks.say(Remark({"h": h}, f"a change of {h / 10}", UserWarning) for h in (1.0, 2.0, 3.0))
    ...     remarks.say_rest()
    >>> for one in said:
    ...     print(one.message)
    a change of 0.1 (at h = 1.0)
    a change of 0.1 (at h = 1.0; much the same at 2 more: h = 2.0; h = 3.0)
    """

    def __init__(self, aside: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext) -> None:
        self._aside = aside
        self._first: Heard = {}
        self._more: dict[tuple[str, str], tuple[int, list[Point]]] = {}

    def say(self, remarks: Iterable[Remark]) -> None:
        """Say those of a new kind, and count the others."""
        for remark in remarks:
            if remark.kind in self._first:
                count, points = self._more.get(remark.kind, (0, []))
                self._more[remark.kind] = count + 1, [*points, remark.point][:NAMED]
                continue
            self._first[remark.kind] = remark
            with self._aside():
                remark.say()

    def say_rest(self) -> None:
        """Say of each kind how many points it was said of."""
        for kind, (count, points) in self._more.items():
            named = "; ".join([*map(where, points), *(["…"] if count > len(points) else [])])
            self._first[kind].say(f"; much the same at {count} more: {named}")
