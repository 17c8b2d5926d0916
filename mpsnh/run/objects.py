"""Stores at URLs: objects that are replaced as a whole and, where the store can do that, made only once."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from typing_extensions import override

from mpsnh.checks import say
from mpsnh.run.place import LARGEST_TEXT, PATIENCE, Place, described, plain_data, signature
from mpsnh.run.storage import fsspec

EXCLUSIVE = ("memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az")
"""Protocols whose objects can be made under the condition that there is none, which is tried before it is relied on."""

LEASE = 120.0
"""Seconds after which a lock that nobody has renewed is free."""

_MEMORY = threading.Lock()
"""fsspec's file system in memory looks and then writes."""


class Objects(Place):
    """Objects under a URL.

    Locks are objects that end with a lease. They only save work: a process that sleeps longer than its lease may come
    back while another one is at the same region, and what then is mixed is known by its digests.

    Parameters
    ----------
    url : str
        Any URL that fsspec opens.
    options : mapping
        What fsspec needs besides, such as an endpoint or credentials.

    Examples
    --------
    >>> place = Objects("memory://example", {})
    >>> place.create("a/b", b"text")
    >>> place.read("a/b"), place.names("a")
    (b'text', ['b'])
    """

    locks = False

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.url, self.options = url.rstrip("/"), dict(options)
        self._proved = False

    @functools.cached_property
    def _opened(self) -> tuple[Any, str]:
        filesystem, path = fsspec.core.url_to_fs(self.url, **self.options)
        return filesystem, path.rstrip("/")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_opened"}

    @override
    def read(self, name: str, most: int = LARGEST_TEXT) -> bytes:
        filesystem, path = self._opened
        data = bytes(filesystem.cat_file(f"{path}/{name}", start=0, end=most + 1))
        if len(data) > most:
            raise OSError(f"{name} in {self.url} has more than {most} bytes")
        return data

    @override
    def write(self, files: Mapping[str, bytes]) -> None:
        filesystem, path = self._opened
        for name, data in files.items():
            filesystem.pipe_file(f"{path}/{name}", data)

    @override
    def create(self, name: str, data: bytes) -> None:
        self._prove()
        self._create(name, data)

    def _create(self, name: str, data: bytes) -> None:
        filesystem, path = self._opened
        with _MEMORY if "memory" in self._protocols else contextlib.nullcontext():
            filesystem.pipe_file(f"{path}/{name}", data, mode="create")

    @property
    def _protocols(self) -> tuple[str, ...]:
        protocol = self._opened[0].protocol
        return (protocol,) if isinstance(protocol, str) else tuple(protocol)

    def _prove(self) -> None:
        """Raise if objects can't be made under the condition that there is none."""
        if self._proved:
            return
        problem, name = "", f"grid/probe-{uuid.uuid4().hex}"
        if not any(known in EXCLUSIVE for known in self._protocols):
            problem = f"{self._protocols[0]} is not known to have it"
        else:
            self._create(name, b"1")
            try:
                self._create(name, b"2")
                problem = "it made the same object twice"
            except FileExistsError:
                pass
            finally:
                self.remove(name)
        if problem:
            raise OSError(
                f"store = {self.url!r} lies where nothing can be made on condition that it is not there ({problem}), "
                "so that sweeps could mix their points; use a local folder or an object store such as S3"
            )
        self._proved = True

    @override
    def names(self, folder: str = "") -> list[str]:
        filesystem, path = self._opened
        filesystem.invalidate_cache()
        try:
            listed = filesystem.ls(f"{path}/{folder}".rstrip("/"), detail=False)
        except FileNotFoundError:
            return []
        return sorted(str(name).rstrip("/").rpartition("/")[2] for name in listed)

    def remove(self, name: str) -> None:
        """Delete an object, if it is there.

        Parameters
        ----------
        name : str
            Its name.
        """
        filesystem, path = self._opened
        with contextlib.suppress(FileNotFoundError):
            filesystem.rm_file(f"{path}/{name}")

    @override
    @contextlib.contextmanager
    def locked(self, name: str, wait: bool = False) -> Iterator[bool]:
        """Hold a lock, and yield whether that succeeded."""
        lock, mine, begun, told = f"grid/locks/{name}", uuid.uuid4().hex, time.monotonic(), False
        while not self._taken(lock, mine):
            if not wait:
                yield False
                return
            if not told and time.monotonic() - begun > PATIENCE:
                say(f"waiting for {self.holder(name) or 'another sweep'}, who holds {self.url}")
                told = True
            time.sleep(0.2)
        over = threading.Event()
        keeper = threading.Thread(target=self._renew, args=(lock, mine, over), daemon=True)
        keeper.start()
        try:
            yield True
        finally:
            over.set()
            keeper.join()
            if self._lease(lock).get("holder") == mine:
                self.remove(lock)

    def _taken(self, lock: str, mine: str) -> bool:
        with contextlib.suppress(FileExistsError):
            self.create(lock, _leased(mine))
            return True
        if float(self._lease(lock).get("until", 0)) < time.time():
            self.remove(lock)
        return False

    def _renew(self, lock: str, mine: str, over: threading.Event) -> None:
        while not over.wait(LEASE / 4):
            with contextlib.suppress(OSError):  # it is tried again before the lease ends
                if self._lease(lock).get("holder") == mine:
                    self.write({lock: _leased(mine)})

    def _lease(self, lock: str) -> dict[str, Any]:
        try:
            lease = plain_data(self.read(lock, 10_000))
            return lease if isinstance(lease, dict) and isinstance(lease.get("until"), int | float) else {}
        except (OSError, ValueError):
            return {}

    @override
    def lock_names(self) -> list[str]:
        return self.names("grid/locks")

    @override
    def holder(self, name: str) -> str:
        lease = self._lease(f"grid/locks/{name}")
        return described(json.dumps(lease).encode()) if float(lease.get("until", 0)) > time.time() else ""


def _leased(mine: str) -> bytes:
    return json.dumps({**json.loads(signature()), "holder": mine, "until": time.time() + LEASE}).encode()
