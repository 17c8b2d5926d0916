"""What a long computation has finished, from which it is taken up again where it was killed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

Arrays = Mapping[str, NDArray[Any]]

REACHED, RNG = "reached", "rng"
"""Where it stands how far an unfinished step is, and the name of the state of random numbers."""


class DamagedError(ValueError):
    """A journal holds something else than was written into it.

    Examples
    --------
    >>> issubclass(DamagedError, ValueError)
    True
    """


@dataclass
class Journal:
    """Results of the finished steps of a computation, by their place in the order in which they are taken.

    A step may be made of others, which are forgotten when it is finished: "0.2:sweeps" is the third one, of this kind,
    in the first one. A step that is a loop writes how far it is, "0.reached", and forgets what led there. When the same
    computation is done with the journal once more, finished steps are read from it instead.

    Parameters
    ----------
    entries : dict of str to mapping of str to ndarray
        What is known.
    changes : int
        How often something was written.
    changed : callable, optional
        Called each time.

    Examples
    --------
    >>> def computed():
    ...     return step("two", lambda: print("at work") or 2.0, lambda x: {"it": np.array(x)}, lambda a: float(a["it"]))
    >>> journal = Journal()
    >>> for _ in range(2):
    ...     with written(journal):
    ...         computed()
    at work
    2.0
    2.0
    """

    entries: dict[str, Arrays] = field(default_factory=dict)
    changes: int = 0
    changed: Callable[[], object] | None = field(default=None, repr=False)
    _places: list[int] = field(default_factory=lambda: [0], repr=False)

    def step(
        self,
        kind: str,
        work: Callable[[], T],
        pack: Callable[[T], Arrays],
        unpack: Callable[[Arrays], T],
        rng: np.random.Generator | None = None,
    ) -> T:
        """Return what a step comes to, from the journal if it is there, as the function `step`."""
        place = self._name()
        name = f"{place}:{kind}"
        if name in self.entries:
            result = self._read(name, unpack, rng)
        else:
            self._places.append(0)
            try:
                result = work()
            finally:
                self._places.pop()
            self._forget(place)
            self._write(name, {**pack(result), **_state(rng)})
        self._places[-1] += 1
        return result

    def reached(self, unpack: Callable[[Arrays], T], rng: np.random.Generator | None) -> T | None:
        """Return how far the present step has come, as the function `reached`."""
        name = self._name(REACHED)
        return self._read(name, unpack, rng) if name in self.entries else None

    def _read(self, name: str, unpack: Callable[[Arrays], T], rng: np.random.Generator | None) -> T:
        try:
            result = unpack(self.entries[name])
            if rng is not None:
                rng.bit_generator.state = json.loads(str(self.entries[name][RNG]))
        except Exception as error:  # whatever numbers from elsewhere lead to
            raise DamagedError(f"step {name} can't be read: {type(error).__name__}: {error}") from error
        return result

    def reach(self, arrays: Arrays, rng: np.random.Generator | None) -> None:
        """Write how far the present step has come, as the function `reach`."""
        self._places[-1] = 0
        self._forget(self._name(REACHED).removesuffix(f".{REACHED}"))
        self._write(self._name(REACHED), {**arrays, **_state(rng)})

    def _name(self, last: str | None = None) -> str:
        *within, here = self._places
        return ".".join([*map(str, within), last or str(here)])

    def _forget(self, place: str) -> None:
        for inner in [name for name in self.entries if name.startswith(f"{place}.")]:
            del self.entries[inner]

    def _write(self, place: str, arrays: Arrays) -> None:
        self.entries[place] = arrays
        self.changes += 1
        if self.changed is not None:
            self.changed()


def _state(rng: np.random.Generator | None) -> Arrays:
    return {} if rng is None else {RNG: np.array(json.dumps(rng.bit_generator.state))}


_open: ContextVar[Journal | None] = ContextVar("journal", default=None)


@contextlib.contextmanager
def written(journal: Journal, changed: Callable[[], object] | None = None) -> Iterator[Journal]:
    """Let computations read and write a journal, in this thread and as long as the context lasts.

    Parameters
    ----------
    journal : Journal
        What former runs of the same computation wrote.
    changed : callable, optional
        Called each time something was written.

    Examples
    --------
    >>> with written(Journal()) as journal:
    ...     _ = step("one", lambda: 1, lambda number: {"it": np.array(number)}, lambda a: int(a["it"]))
    >>> journal.entries
    {'0:one': {'it': array(1)}}
    """
    journal.changed, journal._places = changed, [0]
    token = _open.set(journal)
    try:
        yield journal
    finally:
        _open.reset(token)


def step(
    kind: str,
    work: Callable[[], T],
    pack: Callable[[T], Arrays],
    unpack: Callable[[Arrays], T],
    rng: np.random.Generator | None = None,
) -> T:
    """Return what a part of a computation comes to, from the journal if one is open and has it.

    Parameters
    ----------
    kind : str
        What it is called.
    work : callable
        Does it.
    pack, unpack : callable
        Make arrays of the result, and the result of arrays.
    rng : numpy.random.Generator, optional
        One that is used by it, whose state goes on as if it had been.

    Raises
    ------
    DamagedError
        If the journal holds what is no such result.

    Examples
    --------
    >>> step("two", lambda: 2.0, lambda number: {"it": np.array(number)}, lambda arrays: float(arrays["it"]))
    2.0
    """
    journal = _open.get()
    return work() if journal is None else journal.step(kind, work, pack, unpack, rng)


def reached(unpack: Callable[[Arrays], T], rng: np.random.Generator | None = None) -> T | None:
    """Return how far the present step had come when it was interrupted, None if it begins: a step asks that first.

    Parameters
    ----------
    unpack : callable
        Makes it of arrays.
    rng : numpy.random.Generator, optional
        Gets the state that it had then.

    Raises
    ------
    DamagedError
        If the journal holds something else.

    Examples
    --------
    >>> reached(dict) is None
    True
    """
    journal = _open.get()
    return None if journal is None else journal.reached(unpack, rng)


def reach(pack: Callable[[], Arrays], rng: np.random.Generator | None = None) -> None:
    """Write how far the present step has come, if a journal is open; what it was made of is forgotten.

    Parameters
    ----------
    pack : callable
        Returns arrays from which it can go on.
    rng : numpy.random.Generator, optional
        Whose state is written as well.

    Examples
    --------
    >>> reach(dict)
    """
    journal = _open.get()
    if journal is not None:
        journal.reach(pack(), rng)
