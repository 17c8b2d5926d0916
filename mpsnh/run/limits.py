"""Limits on a point: one thread, and no longer than until Ctrl-C."""

from __future__ import annotations

import contextlib
import functools
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from typing import Any

import threadpoolctl

DEAF = 10.0
"""Seconds after Ctrl-C in which another one changes nothing: so long may workers take to save what they have."""


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
    """Knows whether Ctrl-C came, and lets it end the points that a worker process runs without a word.

    The process that asked for the work hears of it too, has something to say, and ends its workers.
    A point that raises `KeyboardInterrupt` by itself has only failed.

    Examples
    --------
    >>> with interruptible():
    ...     interruptible.working
    True
    """

    def __init__(self) -> None:
        self.asked = self.working = False
        self._listening = 0

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

    @contextlib.contextmanager
    def listening(self) -> Iterator[Attention]:
        """Take note of Ctrl-C while a sweep runs in this process, which then ends as it would have."""
        if not self._listening:
            self.asked = False
        before = signal.getsignal(signal.SIGINT)
        heeded = threading.current_thread() is threading.main_thread() and callable(before)
        attention = Attention()

        def note(number: int, frame: Any) -> Any:
            self.asked = True
            return before(number, frame) if attention.due() and callable(before) else None

        if heeded:
            signal.signal(signal.SIGINT, note)
        self._listening += 1
        try:
            yield attention
        finally:
            self._listening -= 1
            if heeded:
                signal.signal(signal.SIGINT, before)


class Attention:
    """Whether a sweep heeds Ctrl-C: once in a while, since impatience must not end what keeps its results.

    Attributes
    ----------
    missed : bool
        Whether Ctrl-C came when there was nothing left to end but the workers.

    Examples
    --------
    >>> attention = Attention()
    >>> [attention.due() for _ in range(2)]
    [True, False]
    """

    def __init__(self) -> None:
        self.missed = self._over = False
        self._deaf_until = -math.inf

    def due(self) -> bool:
        """Take Ctrl-C, and tell whether it shall end what runs."""
        self.missed = self._over
        now = time.monotonic()
        if self._over or now < self._deaf_until:
            return False
        self._deaf_until = now + DEAF
        return True

    @contextlib.contextmanager
    def until_then(self) -> Iterator[None]:
        """Heed nothing any more once what is inside ended, however it did."""
        try:
            yield
        finally:
            self._over = True


interruptible = Interruptible()


@contextlib.contextmanager
def interrupts_wait() -> Iterator[None]:
    """Start processes to which Ctrl-C comes only when they handle it (`end_points_on_interrupt`).

    What they import until then would end with a traceback. The one that started them ends them if they take too long.

    Examples
    --------
    >>> with interrupts_wait():
    ...     signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    True
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which, when it starts, lets Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_points_on_interrupt() -> None:
    """Handle Ctrl-C in this process from now on, also if it waits already, and run nothing any more once it came.

    Examples
    --------
    >>> before = signal.getsignal(signal.SIGINT)
    >>> end_points_on_interrupt()
    >>> signal.signal(signal.SIGINT, before) == interruptible.ask
    True
    """
    interruptible.asked = False  # which a forked process may have from a sweep of before
    signal.signal(signal.SIGINT, interruptible.ask)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
