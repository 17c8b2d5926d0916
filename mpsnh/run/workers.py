"""Where the points of a sweep run: any executor, and what to expect of it."""

from __future__ import annotations

import sys
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

from mpsnh.run.pool import Pool, WorkerDied

T = TypeVar("T")

IN_FLIGHT = 2**28
"""Bytes of results that may wait to be taken over, unless those of one task for each worker are more."""


def fitting_in_memory(memory: float) -> int:
    """Return how many points fit in the memory of this machine at once, at least one.

    Examples
    --------
    >>> fitting_in_memory(1e30)
    1
    """
    return int(max(1, psutil.virtual_memory().available / max(memory, 1.0)))


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


def local_processes(number: int) -> Pool:
    """Return a pool of new processes on this machine, which any number of sweeps may use one after the other.

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
    return Pool(number)


class Workers:
    """What a sweep knows of the executor that it was given.

    Parameters
    ----------
    executor : Executor, optional
        Where to run; it stays the caller's. By default this thread. A `ProcessPoolExecutor` only says how many
        processes there are and how they start: its own share a pipe, which one that dies may leave blocked for ever.
    processes : int
        Number of processes of their own to run on instead.
    time_limit : float, optional
        Seconds after which a point is stopped.

    Examples
    --------
    >>> workers = Workers()
    >>> workers.count(), workers.submit(divmod, 7, 2).result()
    (1, (3, 1))
    """

    def __init__(self, executor: Executor | None = None, processes: int = 0, time_limit: float | None = None) -> None:
        self._owned: Pool | None = None
        if processes:
            executor = self._owned = Pool(processes)
        elif isinstance(executor, ProcessPoolExecutor):
            executor = _in_place_of(executor)
        self.executor = Here() if executor is None else executor
        if isinstance(self.executor, Pool):
            if not self.executor.lease.acquire(blocking=False):
                raise ValueError("executor is a pool that another sweep uses; make one for each sweep at a time")
            self.executor.time_limit = time_limit

    @property
    def local(self) -> bool:
        """Whether all runs in this process, so that nothing has to be sent."""
        return isinstance(self.executor, Here | ThreadPoolExecutor)

    @property
    def exact(self) -> bool:
        """Whether it is known which point a worker was at when it died, and nothing else suffers."""
        return isinstance(self.executor, Pool)

    def _here(self) -> int | None:
        """Return how many workers there are on this machine, if that is known."""
        if isinstance(self.executor, Here):
            return 1
        if isinstance(self.executor, Pool):
            return self.executor.number
        return getattr(self.executor, "_max_workers", None)

    def count(self) -> int | None:
        """Return how many workers there are, if that is known."""
        client = getattr(self.executor, "_client", None)  # dask
        if client is not None:
            return max(1, sum(map(int, client.nthreads().values())))
        known = self._here() or getattr(self.executor, "num_workers", None)
        return None if known is None else int(known)

    def window(self, memory: float, sent: float = 0.0) -> int:
        """Return how many tasks to hand out at a time.

        As many as fit in the memory of this machine at once, and a few more to wait for a worker if those of all
        workers fit. Executors that reach other machines have their own memory.

        Parameters
        ----------
        memory : float
            Bytes that a task needs where it runs.
        sent : float
            Bytes that it sends back.
        """
        local, fitting = self._here(), fitting_in_memory(memory)
        if local is None:
            return max(self.count() or 1, min(1024, int(IN_FLIGHT / max(sent, 1.0))))
        waiting = 1 if isinstance(self.executor, Here) else 4
        several = max(local, min(waiting * local, int(IN_FLIGHT / max(sent, 1.0))))
        return several if fitting >= local else fitting

    def submit(self, function: Callable[..., T], /, *arguments: Any) -> Future[T]:
        """Run a function on some worker."""
        # Without this, dask gives a task that is sent again, after its worker died, the error that it had before.
        options = {"pure": False} if hasattr(self.executor, "_client") else {}
        return self.executor.submit(function, *arguments, **options)

    def finished(self, futures: Collection[Future[T]]) -> set[Future[T]]:
        """Wait until some of the futures are done and return these.

        All will be done, unless the executor drops them, which raises `BrokenExecutor`, or the workers can't begin,
        which raises `RuntimeError`.
        """
        if isinstance(self.executor, Pool):
            return self.executor.finished(futures)
        while not (done := wait(futures, timeout=1.0, return_when=FIRST_COMPLETED).done):
            # A client of dask that loses its scheduler forgets its tasks, but if it was about to fetch the result of
            # one, the future never hears of it.
            if not getattr(getattr(self.executor, "_client", None), "futures", True):
                break
        if not done or any(future.cancelled() for future in done):
            raise BrokenExecutor(
                "the executor dropped its tasks, as that of dask does when its scheduler dies; with a store, the same "
                "call on another executor continues"
            )
        return done

    def interrupt(self) -> None:
        """End what is under way, after it has saved what it finished."""
        if isinstance(self.executor, Pool):
            self.executor.interrupt()

    def close(self) -> None:
        """End what is still under way, and let go of what was made here."""
        self.interrupt()
        if isinstance(self.executor, Pool):
            self.executor.lease.release()
        if self._owned is not None:
            self._owned.shutdown(cancel_futures=True)


def _in_place_of(executor: Any) -> Pool:
    """Return a pool of our own like one of Python's, which keeps what it was made with, but not under public names.

    Both end together, so that many sweeps may use it.
    """
    if not hasattr(executor, "pool_of_mpsnh"):
        pool = Pool(executor._max_workers, executor._mp_context, executor._initializer, executor._initargs)
        shutdown = executor.shutdown

        def shutdown_both(*arguments: Any, **options: Any) -> None:
            pool.shutdown(cancel_futures=True)
            shutdown(*arguments, **options)

        executor.pool_of_mpsnh, executor.shutdown = pool, shutdown_both
    made: Pool = executor.pool_of_mpsnh
    return made


def worker_died(error: Exception) -> bool:
    """Tell whether a worker died under a task; dask has an exception of its own for this.

    Examples
    --------
    >>> worker_died(WorkerDied("it was killed by SIGKILL")), worker_died(ValueError())
    (True, False)
    """
    killed = getattr(sys.modules.get("distributed"), "KilledWorker", WorkerDied)
    return isinstance(error, WorkerDied | killed)
