"""Warnings of points: heard where these run, and said where the sweep was asked for, with the point they are of."""

from __future__ import annotations

import contextlib
import importlib
import operator
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any

from mpsnh.checks import warn
from mpsnh.run.grid import Point, where

NAMED = 5
"""Points that the last word on warnings of a kind names."""

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


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
    line : (str, int, str or None) or None
        File, number and module; none for what mpsnh says of its own, which belongs to the line that called it.

    Examples
    --------
    >>> [Remark({"h": h}, f"a change of {change}", UserWarning).kind for h, change in ((4.0, 0.1), (5.0, 2e-3))]
    [('UserWarning', 'a change of 0'), ('UserWarning', 'a change of 0')]
    """

    point: Point
    text: str
    category: type[Warning]
    line: tuple[str, int, str | None] | None = None

    @property
    def kind(self) -> tuple[str, str]:
        """What it has in common with remarks of other points, which differ by numbers."""
        return self.category.__name__, _NUMBER.sub("0", self.text)

    @property
    def numbers(self) -> list[float]:
        """The numbers in it, of which those of one kind have equally many."""
        return list(map(float, _NUMBER.findall(self.text)))

    def say(self, more: str = "") -> None:
        """Warn here; the point stands behind the text, so that filters that know how it begins still apply."""
        text = f"{self.text} (at {where(self.point)}{more})"
        if self.line is None:
            warn(text, self.category)
        else:
            file, number, module = self.line
            warnings.warn_explicit(text, self.category, file, number, module)

    def __reduce__(self) -> tuple[Any, ...]:
        names = [(_as_main(kind.__module__), kind.__qualname__) for kind in self.category.__mro__]
        return _received, (self.point, self.text, names, self.line)


def _received(
    point: Point, text: str, names: list[tuple[str, str]], line: tuple[str, int, str | None] | None
) -> Remark:
    """Return a remark of another process, with the first class above its own that is known here."""
    for module, name in names:
        with contextlib.suppress(Exception):  # a class of a function, or a script that is another one here
            kind = operator.attrgetter(name)(importlib.import_module(module))
            if issubclass(kind, Warning):
                return Remark(point, text, kind, line)
    return Remark(point, text, UserWarning, line)


def _as_main(module: str) -> str:
    """Return what the process that asked for the points calls a module: its script has another name in others."""
    return "__main__" if module == "__mp_main__" else module


def heed_filters_of_the_script() -> None:
    """Let filters of warnings for ``__main__`` count for the script also under the name that workers import it by.

    Examples
    --------
    >>> with warnings.catch_warnings():
    ...     warnings.filterwarnings("error", module="__main__$")
    ...     heed_filters_of_the_script()
    ...     [module.pattern for *_, module, _ in warnings.filters[:2]]
    ['__main__$', '__mp_main__$']
    """
    for place, (action, text, category, module, line) in reversed(list(enumerate(warnings.filters))):
        pattern = getattr(module, "pattern", module and f"{module}$")  # a plain one of Python's own is the whole name
        if pattern and re.match(pattern, "__main__") and not re.match(pattern, "__mp_main__"):
            also = re.compile(r"__mp_main__$")
            warnings.filters.insert(place + 1, (action, text, category, also, line))  # type: ignore[attr-defined]


def _of_text(category: type[Warning]) -> type[Warning]:
    """Return a kind of warning, or one above it that takes no more than a text."""
    for kind in category.__mro__:
        with contextlib.suppress(Exception):
            if isinstance(kind("text"), Warning):
                return kind
    return UserWarning


def _module(frame: FrameType | None, file: str, line: int) -> str | None:
    """Return the module of a line that is about to be run, or None if it is not."""
    while frame is not None:
        if (frame.f_lineno, frame.f_code.co_filename) == (line, file):
            return _as_main(str(frame.f_globals.get("__name__", "")))
        frame = frame.f_back
    return None


Heard = dict[tuple[str, str], Remark]
"""The remark of each kind that has the largest numbers."""


def _larger(one: Remark | None, other: Remark) -> Remark:
    """Return the one of two remarks of a kind that has the larger number, where they first differ."""
    return other if one is None or other.numbers > one.numbers else one


class Hearing:
    """Hears the warnings of the points that run in this process, each in its thread.

    Filters apply before it: what is to be ignored is not heard, and what is to be an error is one of the point.

    Examples
    --------
    >>> said = []
    >>> with warnings.catch_warnings(), hearing({"h": 4.0}, said):
    ...     warnings.simplefilter("always")
    ...     warn("a small cutoff")
    >>> [(remark.text, remark.point) for remark in said]
    [('a small cutoff', {'h': 4.0})]
    """

    def __init__(self) -> None:
        self._lock, self._users, self._mine = threading.RLock(), 0, threading.local()
        self._before: Callable[..., None] = warnings.showwarning

    @contextlib.contextmanager
    def __call__(self, point: Point, said: list[Remark]) -> Iterator[None]:
        """Add what is said inside to what was said of other points, also if it ends with an error."""
        heard: Heard = {}
        outside = getattr(self._mine, "at", None)
        with self._lock:
            # One for all threads, which would undo what others do. It may be there already: somebody's
            # `catch_warnings` brings it back if that began while points ran, and ends when they are done.
            if warnings.showwarning != self._hear:
                self._before, warnings.showwarning = warnings.showwarning, self._hear
            self._users += 1
            self._forget()
        self._mine.at = point, heard
        try:
            yield
        finally:
            self._mine.at = outside
            said.extend(heard.values())
            with self._lock:
                if outside is not None:
                    self._forget()
                self._users -= 1
                if not self._users and warnings.showwarning == self._hear:
                    warnings.showwarning = self._before

    def _forget(self) -> None:
        """Let nothing count as said before, as at another point."""
        with warnings.catch_warnings():
            pass

    def _hear(self, message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
        if (at := getattr(self._mine, "at", None)) is None:  # another thread, which runs no point
            self._before(message, category, *place, **options)
            return
        point, heard = at
        frame = sys._getframe(2)  # above the function that calls this
        ours, file, number = frame.f_code is warn.__code__, str(place[0]), int(place[1])
        line = None if ours else (file, number, _module(frame, file, number))
        remark = Remark(point, str(message), _of_text(category), line)
        heard[remark.kind] = _larger(heard.get(remark.kind), remark)
        if self._users > 1:  # points of other threads, which say it as well
            with self._lock:
                self._forget()


hearing = Hearing()


def unheard() -> AbstractContextManager[None]:
    """Return a context in which warnings are of no interest, since the points that give them run elsewhere.

    Examples
    --------
    >>> with warnings.catch_warnings(), unheard():
    ...     warnings.simplefilter("always")
    ...     warn("a small cutoff")
    """
    return hearing({}, [])


@dataclass
class _Kind:
    """What was said of some points, which differs by numbers."""

    first: Remark
    largest: Remark
    differ: bool = False
    count: int = 0
    points: list[Point] = field(default_factory=list)  # the first ones

    def add(self, remark: Remark) -> None:
        self.largest, self.differ = _larger(self.largest, remark), self.differ or remark.text != self.first.text
        if remark.point not in self.points:  # one that failed before there was room for it has run twice
            self.count += 1
            self.points = [*self.points, remark.point][: NAMED + 1]

    def say(self) -> None:
        """Say which was the largest, or which points had the same, if there were several."""
        if self.count == 1 and not self.differ:
            return
        others = self.count - (not self.differ)  # than the one that stands in front, if all say the same
        among = f"the largest of {others}" if self.differ else f"the same at {others} more"
        named = [where(point) for point in self.points[not self.differ :][:NAMED]]
        left = others > len(named)
        self.largest.say(f"; {among}: {'; '.join([*named, *['…'] * left])}")


class Remarks:
    """Says remarks of a sweep where it was asked for: the first of a kind when it comes, the rest of them in one.

    The rest comes at the end of the context, however that ends.

    Parameters
    ----------
    aside : callable
        Returns a context in which there is room to say something.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     with Remarks() as remarks:
    ...         remarks.say(Remark({"h": h}, f"a change of {h / 10}", UserWarning) for h in (1.0, 3.0, 2.0))
    >>> for one in said:
    ...     print(one.message)
    a change of 0.1 (at h = 1.0)
    a change of 0.3 (at h = 3.0; the largest of 3: h = 1.0; h = 3.0; h = 2.0)
    """

    def __init__(self, aside: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext) -> None:
        self._aside = aside
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def say(self, remarks: Iterable[Remark]) -> None:
        """Say those of a new kind, and count the others."""
        for remark in remarks:
            if remark.kind in self._kinds:
                self._kinds[remark.kind].add(remark)
                continue
            self._kinds[remark.kind] = _Kind(remark, remark, False, 1, [remark.point])
            with self._aside():
                remark.say()

    def __enter__(self) -> Remarks:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Say of each kind how many points it was said of."""
        with contextlib.suppress(*[Warning] * (error is not None)):  # one that is an error must not hide another
            for kind_of_remarks in self._kinds.values():
                with self._aside():
                    kind_of_remarks.say()
        self._kinds.clear()
