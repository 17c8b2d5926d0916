"""What a sweep shows of its progress, as long as there is something to show it on."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tqdm.auto import tqdm
from typing_extensions import override


class _Bar(tqdm):
    """A bar with a lock of its own: that of tqdm is shared with forked processes, which may die while they hold it."""

    monitor_interval = 0  # no thread looks after it

    @override
    def refresh(self, nolock: bool = False, lock_args: Any = None) -> None:
        with self._lock:  # which tqdm keeps for ever if it can't write, so that bars of other threads would wait
            super().refresh(nolock=True)


_Bar.set_lock(threading.RLock())


class Display:
    """Shows how many points are done; if that fails, it is silent from then on.

    Parameters
    ----------
    shown : bool
        Whether to show anything.

    Examples
    --------
    >>> display = Display(shown=False)
    >>> display.begin(10)
    >>> display.advance(6)
    >>> display.close()
    """

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._bar: Any = None

    def begin(self, total: int) -> None:
        """Show that a number of points are to be done."""

        def make() -> None:
            pause = 0.2 if sys.stderr.isatty() else 30.0  # a log file needs few lines
            self._bar = _Bar(total=total, unit="run", mininterval=pause)

        self._try(make)

    def go_on(self, total: int, initial: int) -> None:
        """Show how many points there are, and how many were done before, which tells no speed."""

        def change() -> None:
            self._bar.total, self._bar.initial = total, initial

        self._try(change)

    def show(self, done: int) -> None:
        """Show how many points are done."""

        def change() -> None:
            self._bar.n = done
            self._bar.refresh()

        self._try(change)

    def advance(self, points: int) -> None:
        """Show that some more points are done."""
        self._try(lambda: self._bar.update(points))

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Make room for something else that is shown inside."""
        self._try(lambda: self._bar.clear())
        try:
            yield
        finally:
            self._try(lambda: self._bar.refresh())

    def close(self) -> None:
        """Leave what is shown as it is."""
        self._try(lambda: self._bar is None or self._bar.close())

    def _try(self, step: Callable[[], Any]) -> None:
        """Do something unless it failed before: stderr may be closed, its reader gone or its disk full."""
        if not self._shown:
            return
        try:
            step()
        except Exception:
            self._shown = False
            with contextlib.suppress(Exception):
                self._bar.disable = True  # so that it is silent when it is deleted, too


@contextlib.contextmanager
def broken_put_aside() -> Iterator[None]:
    """Put streams aside that can't be flushed, as `multiprocessing` does before it starts a process.

    Examples
    --------
    >>> with broken_put_aside():
    ...     print("all is well")
    all is well
    """
    with contextlib.ExitStack() as held:
        for stream, redirect in ((sys.stdout, contextlib.redirect_stdout), (sys.stderr, contextlib.redirect_stderr)):
            try:
                stream.flush()
            except OSError:
                held.enter_context(redirect(io.StringIO()))
            except (AttributeError, ValueError):  # none, or closed, which is known there
                pass
        yield
