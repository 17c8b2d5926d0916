"""Stores in local folders."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from typing_extensions import override

from mpsnh.checks import say
from mpsnh.run.place import LARGEST_TEXT, PATIENCE, Place, described, signature
from mpsnh.run.storage import filelock


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
        """Hold a lock, and yield whether that succeeded."""
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
    def lock_names(self) -> list[str]:
        try:
            return [name.removesuffix(".lock") for name in os.listdir(self.beside(".locks")) if name.endswith(".lock")]
        except OSError:
            return []

    @override
    def holder(self, name: str) -> str:
        path = self.beside(".locks") / f"{name}.lock"
        if not path.is_file() or path.is_symlink():
            return ""
        try:
            with filelock.FileLock(path, timeout=0):
                return ""
        except filelock.Timeout:
            return described(path.read_bytes()[:1000])
        except OSError:  # a folder that this user may only read
            return ""


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
