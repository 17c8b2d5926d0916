"""Where a store lies: files that are read within bounds, replaced as a whole, and made only once."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
from typing_extensions import override

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
    def holder(self, name: str) -> str:
        """Say who holds a lock and since when, as far as that is known; empty if nobody does.

        Parameters
        ----------
        name : str
            What is locked.
        """


class Folder(Place):
    """A local folder; links in it are not followed.

    Parameters
    ----------
    root : Path
        The folder, which need not exist.
    sync : bool
        Whether what is written is on the disk, and not only on its way, when the next thing is done.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     place = Folder(Path(name) / "data", sync=False)
    ...     place.create("a/b", b"text")
    ...     place.read("a/b"), place.names("a")
    (b'text', ['b'])
    """

    locks = True

    def __init__(self, root: Path, sync: bool = True) -> None:
        self.root, self.url, self.sync = root, str(root), sync

    def _path(self, name: str) -> str:
        path = str(self.root)
        for part in name.split("/"):
            path = os.path.join(path, part)
            if os.path.islink(path):
                raise OSError(f"store = {self.url!r} has a link in it, {name}, which is not followed")
        return path

    @override
    def read(self, name: str, most: int = LARGEST_TEXT) -> bytes:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            file = os.fdopen(os.open(self._path(name), flags), "rb")
        except (IsADirectoryError, NotADirectoryError) as error:
            raise OSError(f"{name} in {self.url} is not where a file must be ({error.strerror})") from None
        with file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(f"{name} in {self.url} is no file")
            if status.st_size > most:
                raise OSError(f"{name} in {self.url} has {status.st_size} bytes, and may have {most}")
            return file.read(most)

    @override
    def write(self, files: Mapping[str, bytes]) -> None:
        made = dict[str, str]()
        try:
            for name, data in files.items():
                path = self._path(name)
                new = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")
                made[new] = path
                self._put(new, data)
            if self.sync:
                for new in made:
                    _sync(new)
            for new, path in made.items():
                os.replace(new, path)
        except BaseException:
            for new in made:
                with contextlib.suppress(OSError):
                    os.unlink(new)
            raise
        if self.sync:
            for folder in {os.path.dirname(path) for path in made.values()}:
                _sync(folder)

    def _put(self, path: str, data: bytes) -> None:
        """Write a file that is in nobody's way yet."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            number = os.open(path, flags, 0o666)
        except FileExistsError:  # of a process that was killed
            os.unlink(path)
            number = os.open(path, flags, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            number = os.open(path, flags, 0o666)
        with os.fdopen(number, "wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]

    @override
    def create(self, name: str, data: bytes) -> None:
        path = self._path(name)
        folder, own = os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}.{threading.get_ident()}.new"
        new = os.path.join(folder, own)
        try:
            self._put(new, data)
            if self.sync:
                _sync(new)
            try:
                os.link(new, path)  # fails if there is one, unlike a renaming
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links
                self._put_once(path, data)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new)
        if self.sync:
            _sync(folder)

    @staticmethod
    def _put_once(path: str, data: bytes) -> None:
        with open(path, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    @override
    def names(self, folder: str = "") -> list[str]:
        try:
            return sorted(os.listdir(self._path(folder) if folder else self.root))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def beside(self, ending: str) -> Path:
        """Return a folder beside this one for what is no part of it; a link in its place is refused.

        Parameters
        ----------
        ending : str
            What it is called, after the name of this one.
        """
        folder = self.root.with_name(self.root.name + ending)
        if folder.is_symlink():
            raise OSError(f"{folder} is a link, which is not followed; remove it (it holds locks or checkpoints only)")
        return folder

    @override
    @contextlib.contextmanager
    def locked(self, name: str, wait: bool = False) -> Iterator[bool]:
        folder = self.beside(".locks")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.lock"
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise OSError(f"the lock {path} is a link or no file, and is not used; remove it")
        lock = filelock.FileLock(path, timeout=0)
        try:
            lock.acquire(timeout=PATIENCE if wait else 0)
        except filelock.Timeout:
            if not wait:
                yield False
                return
            say(f"waiting for {self.holder(name) or 'another sweep'}, who holds {self.url}")
            lock.acquire(timeout=-1)
        try:
            _sign(path)
            yield True
        finally:
            lock.release()

    @override
    def holder(self, name: str) -> str:
        path = self.beside(".locks") / f"{name}.lock"
        if not path.is_file() or path.is_symlink():
            return ""
        lock = filelock.FileLock(path, timeout=0)
        try:
            with lock:
                return ""
        except filelock.Timeout:
            return described(path.read_bytes()[:1000])
        except OSError:  # a folder that this user may only read
            return ""


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


def printable(text: str) -> str:
    """Return a text without control characters: what a store from elsewhere says goes to a terminal.

    Parameters
    ----------
    text : str
        What is about to be shown.

    Examples
    --------
    >>> printable("a" + chr(27) + "[31mb")
    'a�[31mb'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def say(text: str) -> None:
    """Write a line for whoever waits; nobody needs it who has closed the place for such lines.

    Parameters
    ----------
    text : str
        The line.

    Examples
    --------
    >>> say("waiting")
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(printable(text) + "\n")
        sys.stderr.flush()


def _sign(path: Path) -> None:
    """Say in a lock who holds it; it is a lock without that, too."""
    with contextlib.suppress(OSError), open(path, "r+b", buffering=0) as file:
        file.write(signature())
        file.truncate()


def _sync(path: str) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.path.isdir(path) and os.name != "posix":
        return  # there, a folder can't be opened
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


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
