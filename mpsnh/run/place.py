"""Where a store lies: files that are read within bounds, replaced as a whole, and made only once."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from mpsnh.checks import printable

LARGEST_TEXT = 2**26
"""Bytes that a file of JSON may have."""

PATIENCE = 3.0
"""Seconds that somebody waits for a lock before a line says for whom."""


class Place(ABC):
    """A folder of files, by names with slashes, that several sweeps use at once.

    Attributes
    ----------
    url : str
        What messages call it.
    locks : bool
        Whether `locked` keeps everybody else out for certain; otherwise it only saves work.
    """

    url: str
    locks: bool

    @abstractmethod
    def read(self, name: str, most: int = LARGEST_TEXT) -> bytes:
        """Return what a file holds.

        Parameters
        ----------
        name : str
            Its name in the folder.
        most : int
            Bytes that it may have.

        Raises
        ------
        FileNotFoundError
            If there is none.
        OSError
            If it is larger, a link, or no file.
        """

    @abstractmethod
    def write(self, files: Mapping[str, bytes]) -> None:
        """Replace files, each as a whole; all are safe when this returns.

        Parameters
        ----------
        files : mapping of str to bytes
            What they shall hold, by name.
        """

    @abstractmethod
    def create(self, name: str, data: bytes) -> None:
        """Make a file that nobody else has made, whoever tries at the same time.

        Parameters
        ----------
        name : str
            Its name in the folder.
        data : bytes
            What it shall hold.

        Raises
        ------
        FileExistsError
            If there is one.
        OSError
            If this place can't tell.
        """

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Return the names in a folder; none if there is no such folder.

        Parameters
        ----------
        folder : str
            Its name in this one.
        """

    @abstractmethod
    def locked(self, name: str, wait: bool = False) -> contextlib.AbstractContextManager[bool]:
        """Hold a lock, and yield whether that succeeded.

        Parameters
        ----------
        name : str
            What is locked.
        wait : bool
            Whether to wait for it.
        """

    @abstractmethod
    def lock_names(self) -> list[str]:
        """Return the names of locks that there are, held or not."""

    @abstractmethod
    def holder(self, name: str) -> str:
        """Say who holds a lock and since when, as far as that is known; empty if nobody does.

        Parameters
        ----------
        name : str
            What is locked.
        """


def signature() -> bytes:
    """Return who this is, for others to read who wait: host, process and time.

    Examples
    --------
    >>> described(signature()).startswith("process ")
    True
    """
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}).encode()


def described(signed: bytes) -> str:
    """Return what a signature says, in words.

    Parameters
    ----------
    signed : bytes
        What `signature` returned.

    Examples
    --------
    >>> described(b'{"host": "big", "pid": 7, "since": 0}').startswith("process 7 on big (since 1970-01-01 ")
    True
    >>> described(b"nonsense")
    'another process'
    """
    try:
        known = json.loads(signed)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(known["since"])))
        return printable(f"process {int(known['pid'])} on {str(known['host'])[:80]} (since {since})")
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return "another process"


def plain_data(text: bytes) -> Any:
    """Return what a JSON text from elsewhere says.

    Parameters
    ----------
    text : bytes
        The text.

    Raises
    ------
    ValueError
        If it is none, or nests too deeply.

    Examples
    --------
    >>> plain_data(b'{"a": [1]}')
    {'a': [1]}
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it nests too deeply") from None
