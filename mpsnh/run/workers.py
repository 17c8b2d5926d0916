"""Where the points of a sweep run: executors that outlive their workers."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Collection
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from typing import Any, TypeVar

import psutil

from mpsnh.run.limits import end_points_on_interrupt


def fitting_in_memory(memory: float) -> int:
    """Return how many points fit in the memory of this machine at once, at least one.

    Examples
    --------
    >>> fitting_in_memory(1e30)
    1
    """
    return int(max(1, psutil.virtual_memory().available / max(memory, 1.0)))


T = TypeVar("T")

UNGUARDED = 87
"""The exit code of a worker that was about to run the sweep for which it was made."""


def end_if_imported_by_a_worker() -> None:
    """End this process if it is a worker that has only begun to import the script for which it was made.

    Examples
    --------
    >>> end_if_imported_by_a_worker()  # here it is none
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(UNGUARDED)


class Here(Executor):
    """An executor that runs everything at once, in this thread.

    Examples
    --------
    >>> Here().submit(divmod, 7, 2).result()
    (3, 1)
    """

    def submit(self, function: Callable[..., T], /, *arguments: Any, **options: Any) -> Future[T]:
        """Run a function and return its result as a future."""
        future: Future[T] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def local_processes(number: int) -> ProcessPoolExecutor:
    """Return a pool of new processes on this machine, which share nothing with this one.

    Parameters
    ----------
    number : int
        How many.

    Examples
    --------
    >>> with local_processes(2) as pool:
    ...     pool.submit(divmod, 7, 2).result()
    (3, 1)
    """
    return ProcessPoolExecutor(
        number, mp_context=multiprocessing.get_context("spawn"), initializer=end_points_on_interrupt
    )


class Workers:
    """An executor that outlives its workers: a process pool that lost one is replaced.

    Parameters
    ----------
    executor : Executor, optional
        Where to run; it stays the caller's. By default this thread.
    processes : int
        Number of processes of their own to run on instead.

    Examples
    --------
    >>> workers = Workers()
    >>> workers.count(), workers.submit(divmod, 7, 2).result()
    (1, (3, 1))
    """

    def __init__(self, executor: Executor | None = None, processes: int = 0) -> None:
        self._anew: Callable[[], Executor] | None = None
        self._owned: Executor | None = None
        if processes:
            self._anew = functools.partial(local_processes, processes)
            executor = self._owned = self._anew()
        elif isinstance(executor, ProcessPoolExecutor):
            self._anew = functools.partial(_like, executor)
        self.executor = executor or Here()
        self._known = processes or (1 if executor is None else None)

    @property
    def local(self) -> bool:
        """Whether all runs in this process, so that nothing has to be sent."""
        return isinstance(self.executor, Here | ThreadPoolExecutor)

    def count(self) -> int | None:
        """Return how many workers there are, if that is known."""
        if self._known:
            return self._known
        client = getattr(self.executor, "_client", None)  # dask
        if client is not None:
            return max(1, sum(map(int, client.nthreads().values())))
        known = getattr(self.executor, "_max_workers", None) or getattr(self.executor, "num_workers", None)
        return None if known is None else int(known)

    def window(self, memory: float) -> int:
        """Return how many tasks to hand out at a time, each of which needs some bytes of memory.

        As many as fit in the memory of this machine at once, and a few more to wait for a worker if those of all
        workers fit. Executors that reach other machines have their own memory.
        """
        local, fitting = self._known or getattr(self.executor, "_max_workers", None), fitting_in_memory(memory)
        if local is None:
            return 1024
        waiting = 1 if isinstance(self.executor, Here) else 4
        return int(waiting * local) if fitting >= local else fitting

    def submit(self, function: Callable[..., T], /, *arguments: Any) -> Future[T]:
        """Run a function on some worker; a pool that is broken gives a future that fails."""
        # Without this, dask gives a task that is sent again, after its worker died, the error that it had before.
        options = {"pure": False} if hasattr(self.executor, "_client") else {}
        try:
            return self.executor.submit(function, *arguments, **options)
        except BrokenExecutor as error:
            failed: Future[T] = Future()
            failed.set_exception(error)
            return failed

    def finished(self, futures: Collection[Future[T]]) -> set[Future[T]]:
        """Wait until some of the futures are done and return these.

        All will be done, unless the executor drops them, which raises `BrokenExecutor`, or the workers can't import the
        script, which raises `RuntimeError`.
        """
        while not (done := wait(futures, timeout=1.0, return_when=FIRST_COMPLETED).done):
            # A client of dask that loses its scheduler forgets its tasks, but if it was about to fetch the result of
            # one, the future never hears of it.
            if not getattr(getattr(self.executor, "_client", None), "futures", True):
                break
        for error in (future.exception() for future in done if not future.cancelled()):
            if isinstance(error, BrokenExecutor):
                self._require_guard()
        if not done or any(future.cancelled() for future in done):
            raise BrokenExecutor(
                "the executor dropped its tasks, as that of dask does when its scheduler dies; with a store, the same "
                "call on another executor continues"
            )
        return done

    def _require_guard(self) -> None:
        """Raise if a worker died because it ran the sweep itself while it imported the script."""
        processes = (getattr(self.executor, "_processes", None) or {}).values()
        if any(process.exitcode == UNGUARDED for process in processes):
            raise RuntimeError(
                "each worker process imports the script, and met the call of sweep while doing so; put the call below "
                '`if __name__ == "__main__":`'
            )

    def renew(self) -> None:
        """Make a new process pool in place of a broken one; other executors can't be made anew."""
        if self._anew is not None:
            old = self.executor
            self.executor = self._owned = self._anew()
            old.shutdown(wait=False, cancel_futures=True)

    def interrupt(self, patience: float = 10.0) -> None:
        """End the processes of a pool of `local_processes`, after what they have finished is saved.

        Parameters
        ----------
        patience : float
            Seconds after which one that is inside of a long call of a library is killed.
        """
        if getattr(self.executor, "_initializer", None) is not end_points_on_interrupt:
            return
        processes = list((getattr(self.executor, "_processes", None) or {}).values())
        self.executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGINT)
        until = time.monotonic() + patience
        for process in processes:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()

    def close(self) -> None:
        """Let go of what was made here."""
        if self._owned is not None:
            self._owned.shutdown(wait=False, cancel_futures=True)


def _like(pool: Any) -> ProcessPoolExecutor:
    """Make a process pool like another, which keeps what it was made with, but not under public names."""
    return ProcessPoolExecutor(
        pool._max_workers, mp_context=pool._mp_context, initializer=pool._initializer, initargs=pool._initargs
    )


def worker_died(error: Exception) -> bool:
    """Tell whether a worker died under a task; dask has an exception of its own for this.

    Examples
    --------
    >>> worker_died(BrokenExecutor()), worker_died(ValueError())
    (True, False)
    """
    killed = getattr(sys.modules.get("distributed"), "KilledWorker", BrokenExecutor)
    return isinstance(error, BrokenExecutor | killed)
