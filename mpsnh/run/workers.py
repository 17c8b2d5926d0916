"""Where the points of a sweep run: executors that outlive their workers, one thread each, limits on time."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import functools
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from typing import Any, TypeVar

import psutil
import threadpoolctl


def fitting_in_memory(memory: float) -> int:
    """Return how many points fit in the memory of this machine at once."""
    return int(max(1, psutil.virtual_memory().available / max(memory, 1.0)))


T = TypeVar("T")


class Here(Executor):
    """An executor that runs everything at once, in this thread.

    Examples
    --------
    >>> Here().submit(divmod, 7, 2).result()
    (3, 1)
    """

    _max_workers = 1

    def submit(self, function: Callable[..., T], /, *arguments: Any, **options: Any) -> Future[T]:
        """Run a function and return its result as a future."""
        future: Future[T] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


class Workers:
    """An executor that outlives its workers: a process pool that lost one is replaced.

    Parameters
    ----------
    executor : Executor
        Where to run; it stays the caller's.

    Examples
    --------
    >>> workers = Workers(Here())
    >>> workers.count(), workers.submit(divmod, 7, 2).result()
    (1, (3, 1))
    """

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.owned: Executor | None = None  # a pool made in place of a broken one

    def count(self) -> int | None:
        """Return how many workers there are, if that is known."""
        client = getattr(self.executor, "_client", None)  # dask
        if client is not None:
            return max(1, sum(map(int, client.nthreads().values())))
        known = getattr(self.executor, "_max_workers", None) or getattr(self.executor, "num_workers", None)
        return None if known is None else int(known)

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

        All will be done, unless the executor drops them, which raises `BrokenExecutor`.
        """
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

    def renew(self) -> None:
        """Make a new process pool in place of a broken one; other executors can't be made anew."""
        if isinstance(self.executor, ProcessPoolExecutor):
            old = self.executor
            self.executor = self.owned = _like(old)
            old.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Let go of what was made here."""
        if self.owned is not None:
            self.owned.shutdown(wait=False, cancel_futures=True)


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


@contextlib.contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Raise `TimeoutError` in this thread after some time, as soon as Python code runs again.

    The main thread of a worker process that does not come back from a library is ended with its process, after half
    as long again.

    Parameters
    ----------
    seconds : float or None
        The limit, if there is one.

    Examples
    --------
    >>> with deadline(0.01):
    ...     while True:
    ...         pass
    Traceback (most recent call last):
    TimeoutError: took longer than time_limit = 0.01 s
    """
    if seconds is None:
        yield
        return
    message = f"took longer than time_limit = {seconds} s"
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):

        def ring(*_: Any) -> None:
            raise TimeoutError(message)

        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        worker = multiprocessing.parent_process() is not None
        if worker:  # a watchdog outside of Python ends the process if it does not come back from a library
            faulthandler.dump_traceback_later(1.5 * seconds + 1, exit=True)
        try:
            yield
        finally:
            if worker:
                faulthandler.cancel_dump_traceback_later()
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        return
    thread = ctypes.c_ulong(threading.get_ident())
    alarm = threading.Timer(
        seconds, lambda: ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TimeoutError))
    )
    alarm.start()
    try:
        yield
    except TimeoutError:
        raise TimeoutError(message) from None
    finally:
        alarm.cancel()


def _thread_pools() -> threadpoolctl.ThreadpoolController:
    """Return the thread pools of this process; looking for them takes longer than a small run."""
    return _thread_pools_of(len(sys.modules))  # a new module may have brought a new pool


@functools.lru_cache(maxsize=1)
def _thread_pools_of(modules: int) -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()


class _OneThread:
    """Holds the thread pools of this process at one thread as long as any of its threads runs a point."""

    def __init__(self) -> None:
        self.lock, self.users, self.held = threading.Lock(), 0, contextlib.ExitStack()

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        with self.lock:
            if not self.users:
                self.held.enter_context(_thread_pools().select(user_api="blas").limit(limits=1))
            self.users += 1
        try:
            with _thread_pools().select(user_api="openmp").limit(limits=1):  # each thread has its own
                yield
        finally:
            with self.lock:
                self.users -= 1
                if not self.users:
                    self.held.close()


one_thread = _OneThread()
