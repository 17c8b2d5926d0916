"""A run on disk, so that it goes on where it was after a crash."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import stat
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.journal import DamagedError, Journal
from mpsnh.base.records import Record
from mpsnh.checks import require_memory, warn
from mpsnh.run.failure import Terminated
from mpsnh.run.fingerprint import changed
from mpsnh.run.provenance import comparable, difference, todays_names
from mpsnh.run.storage import filelock, fsspec, require_storage

ABOUT, LABELS, ROW, RECORD, STEP = "about", "labels", "row.", "record.", "step."
"""Names of the arrays in a file, or how they begin."""

COMPUTES = "computes"
"""Where the fingerprint stands in a description."""


@dataclass
class Progress:
    """How far a run is: what was measured, and the record to go on from, or the steps that led to the only one.

    Examples
    --------
    >>> progress = Progress()
    >>> progress.add(None, 0.0, {"gap": 0.5})
    >>> progress.labels, progress.rows
    ([0.0], [{'gap': 0.5}])
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    record: Record | None = None
    journal: Journal = field(default_factory=Journal)

    @property
    def changes(self) -> int:
        """How often something was added."""
        return len(self.rows) + self.journal.changes

    def add(self, record: Record | None, label: Any, row: dict[str, Any]) -> None:
        """Append what was measured of a record."""
        self.rows.append(row)
        self.labels.append(label)
        self.record = record


class Checkpoint:
    """A file that holds the state of a run: what was measured so far, and the last record.

    Used as a context manager it writes at an interval, and when the run ends or is interrupted by an error, Ctrl-C or
    SIGTERM. A file is replaced as a whole when its successor is complete, and the one before it is kept with the
    ending ``.previous``. The file holds arrays and JSON (NumPy's npz format), and nothing in it is run as code.

    Parameters
    ----------
    place : str or Path
        A local file, or any URL that fsspec opens.
    described : mapping
        The parameters and versions that make the run, as plain data.
    free : sequence of str
        Names of those parameters that may change when it goes on.
    every : float
        Seconds between writes.
    patience : float
        Seconds that a run lasts before it is worth a file.
    computes : callable, optional
        Returns the fingerprint of the run, which is not needed unless there is a file.

    Raises
    ------
    RuntimeError
        On entering, if another process is writing to the same local file.

    Examples
    --------
    >>> import tempfile
    >>> described = {"model": {"h": 1.0}, "versions": {"mpsnh": "1"}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Checkpoint(f"{folder}/run.npz", described) as checkpoint:
    ...         checkpoint.progress.add(None, 0.0, {"gap": 0.5})
    ...     Checkpoint(f"{folder}/run.npz", described).load().labels
    [np.float64(0.0)]
    """

    def __init__(
        self,
        place: str | Path,
        described: Mapping[str, Any],
        free: tuple[str, ...] = (),
        every: float = 60.0,
        patience: float = 0.0,
        computes: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        require_storage()
        self.url = str(place)
        self.local = None if "://" in self.url else Path(self.url).absolute()
        self.described, self.free, self.every = comparable(described), free, every
        self._computes = functools.cache(computes)
        self.progress = Progress()
        self.exists = False
        self._warned = False
        self._written = 0
        self._due, self._worth = time.monotonic() + every, time.monotonic() + patience
        self._held = contextlib.ExitStack()
        self._lock = None if self.local is None else filelock.FileLock(f"{self.local}.lock", timeout=0)

    def __enter__(self) -> Self:
        """Take the file for this process."""
        if time.monotonic() >= self._worth:
            self._take()
        self._held.enter_context(_termination_raises())
        return self

    def _take(self) -> None:
        if self._lock is None or self._lock.is_locked or self.local is None:
            return
        self.local.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._held.enter_context(self._lock)
        except filelock.Timeout:
            raise RuntimeError(f"checkpoint = {self.url!r} is being written by another run") from None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Write what is not yet on disk."""
        with self._held:
            if isinstance(error, DamagedError):
                way = f"remove it to start anew, or put {self.url + '.previous'!r} in its place"
                raise ValueError(f"checkpoint = {self.url!r} is damaged ({error}); {way}") from error
            self.write()

    def tick(self) -> None:
        """Write if the time has come."""
        if time.monotonic() >= self._due:
            self.write()

    def write(self) -> None:
        """Write all that was measured so far; a disk that is full is a warning, once, and the run goes on."""
        if self.progress.changes == self._written or time.monotonic() < self._worth:
            return
        self._take()
        try:
            self._replace()
            self.exists = True
            self._written = self.progress.changes
        except OSError as problem:
            if not self._warned:
                warn(f"checkpoint = {self.url!r} could not be written: {problem}", RuntimeWarning)
            self._warned = True
        self._due = time.monotonic() + self.every

    def load(self, first: Callable[[], Record] | None = None) -> Progress:
        """Read how far the run is; a file that is damaged gives way to the one before it, with a warning.

        Parameters
        ----------
        first : callable, optional
            Makes the record at the start, which knows how to make another one from arrays, if there are several.

        Returns
        -------
        Progress
            Empty if there is no file.

        Raises
        ------
        ValueError
            If the file holds another run, or all files are damaged.
        """
        damages = []
        for url in (self.url, f"{self.url}.previous"):
            try:
                self.progress = self._read(url, first)
            except FileNotFoundError:
                continue
            except ForeignError:
                raise
            except Exception as problem:  # whatever a file from elsewhere leads numpy to
                damages.append(f"{url!r} is damaged ({type(problem).__name__}: {problem})")
                continue
            if damages:
                warn(f"checkpoint = {damages[0]}; the one before it is used", RuntimeWarning)
            self.exists, self._written = True, self.progress.changes
            return self.progress
        if damages:
            raise ValueError(f"checkpoint = {' and '.join(damages)}; remove it to start anew")
        return self.progress

    def _arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        rows, record = self.progress.rows, self.progress.record
        yield ABOUT, np.array(json.dumps({**self.described, COMPUTES: self._computes()}))
        yield LABELS, np.array(self.progress.labels)
        # an earlier version may have measured more than the last rows have, or less
        names = [name for name in rows[-1] if name in rows[0]] if rows else []
        yield from ((ROW + name, np.stack([np.asarray(row[name]) for row in rows])) for name in names)
        if record is not None:
            yield from ((RECORD + name, array) for name, array in record.arrays())
        for place, arrays in self.progress.journal.entries.items():
            yield from ((f"{STEP}{place}/{name}", array) for name, array in arrays.items())

    def _read(self, url: str, first: Callable[[], Record] | None) -> Progress:
        if self.local is not None and os.path.lexists(url) and not stat.S_ISREG(os.stat(url).st_mode):
            raise ValueError("it is no file")  # and perhaps nothing ever comes out of it
        with fsspec.open(url, "rb") as file:
            arrays = _read_arrays(file)
        theirs = json.loads(str(arrays.pop(ABOUT)))
        computed = theirs.pop(COMPUTES, None)  # of which version 0.1.0 knew nothing
        theirs = comparable(todays_names(theirs, self.described))
        found = difference(theirs, self.described, self.free)
        if found or (found := changed(computed, self._computes()) if computed else ""):
            raise ForeignError(f"checkpoint = {url!r} holds another run: {found}")
        labels = arrays.pop(LABELS)
        columns = {name.removeprefix(ROW): a for name, a in arrays.items() if name.startswith(ROW)}
        rows = [{name: column[k] for name, column in columns.items()} for k in range(len(labels))]
        parts = {name.removeprefix(RECORD): a for name, a in arrays.items() if name.startswith(RECORD)}
        for old, new in (("memory.", "carry."), ("carry.", "memory.")):  # version 0.1.0 said memory
            parts |= {new + name.removeprefix(old): a for name, a in parts.items() if name.startswith(old)}
        record = first().with_arrays(parts) if first is not None else None
        steps: dict[str, dict[str, NDArray[Any]]] = {}
        for name in (name for name in arrays if name.startswith(STEP)):
            place, _, part = name.removeprefix(STEP).partition("/")
            steps.setdefault(place, {})[part] = arrays[name]
        return Progress(rows, list(labels), record, Journal(dict(steps)))

    def _replace(self) -> None:
        if self.local is None:
            with fsspec.open(self.url, "wb") as file:  # object stores show a file when it is complete
                _write_arrays(file, self._arrays())
            return
        new = self.local.with_name(f"{self.local.name}.new")
        new.unlink(missing_ok=True)
        try:
            with new.open("xb") as file:  # never through a link
                _write_arrays(file, self._arrays())
                file.flush()
                os.fsync(file.fileno())
            if self.local.exists():
                self.local.replace(f"{self.local}.previous")
            new.replace(self.local)
        except BaseException:
            new.unlink(missing_ok=True)
            raise


def remove_files(url: str) -> None:
    """Delete a checkpoint and what goes with it, once the results are safe elsewhere.

    Parameters
    ----------
    url : str
        A local file, or any URL that fsspec opens.

    Examples
    --------
    >>> remove_files("/tmp/there/is/none.npz")
    """
    filesystem, path = fsspec.core.url_to_fs(url)
    for name in (path, f"{path}.previous", f"{path}.lock"):
        with contextlib.suppress(FileNotFoundError):
            filesystem.rm_file(name)


class ForeignError(ValueError):
    """The file is whole, but of another run.

    Examples
    --------
    >>> issubclass(ForeignError, ValueError)
    True
    """


def _write_arrays(file: IO[bytes], arrays: Iterable[tuple[str, NDArray[Any]]]) -> None:
    """Write what `numpy.savez` would, one array after the other, so that they need not fit into memory at once."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _read_arrays(file: IO[bytes]) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(file) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed, which no checkpoint is")  # and could fill the memory
        require_memory(sum(member.file_size for member in archive.infolist()), "a checkpoint")
        if broken := archive.testzip():
            raise ValueError(f"the checksum of {broken} is wrong")
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


@contextlib.contextmanager
def _termination_raises() -> Iterator[None]:
    """Turn SIGTERM into an exception, where nothing else handles it, so that there is time to write."""

    def stop(number: int, _: Any) -> None:
        raise Terminated(128 + number)

    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
