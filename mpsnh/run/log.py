"""The log of a store: records that are written once, each in two copies, and never change what came before."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from mpsnh.run.chunks import DamagedError
from mpsnh.run.place import Place, plain_data

RECORDS, COPIES = "grid/log", "grid/copy"
"""Folders of the records and of their second copies."""

Record = dict[str, Any]
"""Plain data: what is new in a store."""


class Log:
    """Records of what a store is, in the order in which they were made.

    A record is one file that exactly one process can make, under the next number that is free. What a process has read
    stays true, whatever others add: a coordinate keeps the place that its record gave it.

    Parameters
    ----------
    place : Place
        Where the store lies.

    Examples
    --------
    >>> from mpsnh.run.objects import Objects
    >>> log, other = (Log(Objects("memory://log", {})) for _ in range(2))
    >>> log.append(lambda known: {"axes": {"h": [1.0]}}), other.append(lambda known: {"axes": {"h": [2.0]}})
    (None, None)
    >>> log.records()
    [{'axes': {'h': [1.0]}}, {'axes': {'h': [2.0]}}]
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._files: list[bytes] = []
        self._known: list[Record] = []
        self._listed = False
        self._sound = 0
        self._lock = threading.RLock()  # tasks in threads of one process share what is known of a store

    def records(self) -> list[Record]:
        """Return all records that there are by now.

        Raises
        ------
        DamagedError
            If one is lost: neither of its copies is whole.
        """
        with self._lock:
            while (data := self._read(len(self._files))) is not None or self._is_listed(len(self._files)):
                if data is None:
                    raise DamagedError(f"store = {self.place.url!r} has lost record {len(self._files)} of its axes")
                self._take(data)
            return list(self._known)

    def append(self, propose: Callable[[Sequence[Record]], Record | None]) -> None:
        """Add a record behind all others.

        Parameters
        ----------
        propose : callable
            Takes the records that there are, and returns the new one, or None if nothing is missing any more. It is
            asked again if somebody else was faster.
        """
        with self._lock:
            while (record := propose(self.records())) is not None:
                number, data = len(self._files), self._encoded(record)
                try:
                    self.place.create(_names(number)[0], data)
                except FileExistsError:
                    continue
                self.place.write({_names(number)[1]: data})
                self._take(data)
                return

    def faults(self) -> dict[str, bytes]:
        """Return which copies of records are gone or damaged, with what they should hold."""
        self.records()
        wrong = {}
        for number, data in enumerate(self._files[self._sound :], self._sound):
            for name in _names(number):
                try:
                    whole = self.place.read(name) == data
                except OSError:
                    whole = False
                if not whole:
                    wrong[name] = data
        if not wrong:
            self._sound = len(self._files)
        return wrong

    def _is_listed(self, number: int) -> bool:
        """Tell, once, whether there are records from a number on, although that one can't be read."""
        if self._listed:
            return False
        self._listed = True
        listed = [name for folder in (RECORDS, COPIES) for name in self.place.names(folder)]
        if not any(name.isdecimal() and int(name) >= number for name in listed):
            return False
        if (data := self._read(number)) is not None:  # which somebody has made meanwhile
            self._listed = False
            self._take(data)
            return self._is_listed(number + 1)
        return True

    def _take(self, data: bytes) -> None:
        self._known.append(self._decoded(data))
        self._files.append(data)

    def _read(self, number: int) -> bytes | None:
        """Return a record from whichever copy is whole, or nothing if there is none."""
        problems = []
        for name in _names(number):
            try:
                data = self.place.read(name)
                self._decoded(data)
                return data
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError) as problem:
                problems.append(f"{name} ({problem})")
        if problems:
            raise DamagedError(f"store = {self.place.url!r} has lost a record of its axes: {' and '.join(problems)}")
        return None

    def _encoded(self, record: Record) -> bytes:
        body = json.dumps({"previous": self._last(), "record": record}).encode()
        return _digest(body) + b"\n" + body

    def _decoded(self, data: bytes) -> Record:
        checksum, _, body = data.partition(b"\n")
        if checksum != _digest(body):
            raise ValueError("its checksum is wrong")
        whole = plain_data(body)
        if whole["previous"] != self._last() or not isinstance(whole["record"], dict):
            raise ValueError("it does not continue the record before it")
        return dict(whole["record"])

    def _last(self) -> str:
        return _digest(self._files[-1]).decode() if self._files else ""


def _names(number: int) -> tuple[str, str]:
    return f"{RECORDS}/{number:06d}", f"{COPIES}/{number:06d}"


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
