"""Limits on a point: one thread, and perhaps some time."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import functools
import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import threadpoolctl


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` in this thread after some time, as soon as Python code runs again.

    The main thread of a worker process that does not come back from a library is ended with its process, after half
    as long again.

    Parameters
    ----------
    seconds : float
        The limit.

    Examples
    --------
    >>> with deadline(0.01):
    ...     while True:
    ...         pass
    Traceback (most recent call last):
    TimeoutError: took longer than time_limit = 0.01 s
    """
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


class OneThread:
    """Holds the thread pools of this process at one thread as long as any of its threads runs points.

    Examples
    --------
    >>> with one_thread():
    ...     {pool["num_threads"] for pool in threadpoolctl.threadpool_info()} <= {1}
    True
    """

    def __init__(self) -> None:
        self.lock, self.users, self.held = threading.Lock(), 0, contextlib.ExitStack()

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Run what is inside on one thread."""
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


one_thread = OneThread()


class Interruptible:
    """Lets Ctrl-C end the points that a worker process runs, but not the process, and without a word.

    The process that asked for the work hears of it too, has something to say, and ends its workers.

    Examples
    --------
    >>> with interruptible():
    ...     interruptible.working
    True
    """

    def __init__(self) -> None:
        self.asked = self.working = False

    def ask(self, *_: Any) -> None:
        """Let what runs end, as a handler of signals."""
        self.asked = True
        if self.working:
            self.working = False  # it may come twice, from the terminal and from the process that asked for the work
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Run what is inside unless Ctrl-C came, and until it does."""
        if self.asked:
            raise KeyboardInterrupt
        self.working = True
        try:
            yield
        finally:
            self.working = False


interruptible = Interruptible()


def end_points_on_interrupt() -> None:
    """Handle Ctrl-C in this process from now on, and run nothing any more once it came.

    Examples
    --------
    >>> before = signal.getsignal(signal.SIGINT)
    >>> end_points_on_interrupt()
    >>> signal.signal(signal.SIGINT, before) == interruptible.ask
    True
    """
    signal.signal(signal.SIGINT, interruptible.ask)
