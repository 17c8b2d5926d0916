"""The clock of a point, which a process that runs points shows to the one that asked for them."""

from __future__ import annotations

import builtins
import functools
import importlib
import math
import time
from collections.abc import Callable, MutableSequence
from typing import Any

from typing_extensions import override

PLACE, SINCE, BEGUN = 0, 1, 2
"""What the numbers on a board say: place of the point in its region, when its time began, number of tasks begun."""

NOWHERE = -1
"""The place while no point runs."""


def new_board() -> list[float]:
    """Return what a board shows before any point runs.

    Examples
    --------
    >>> new_board()
    [-1, inf, 0]
    """
    return [NOWHERE, math.inf, 0]


class Clock:
    """Shows on a board which point runs, and since when; it stands still while modules or kernels are made ready.

    Attributes
    ----------
    board : sequence of float
        Where it shows this; that of a worker is memory which the process that watches over it reads.

    Examples
    --------
    >>> clock = Clock()
    >>> clock.begin(3)
    >>> clock.board[PLACE], clock.board[SINCE] <= time.monotonic()
    (3, True)
    >>> clock.end()
    >>> clock.board
    [-1, inf, 0]
    """

    def __init__(self) -> None:
        self.board: MutableSequence[float] = new_board()
        self._stops, self._spent, self._heeding = 0, 0.0, False

    def begin(self, place: int) -> None:
        """Show that a point begins.

        Parameters
        ----------
        place : int
            Its place in the region, counted along the last axis first.
        """
        board = self.board
        self._stops = 0
        board[SINCE], board[PLACE] = time.monotonic(), place

    def end(self) -> None:
        """Show that no point runs any more."""
        self.board[SINCE], self.board[PLACE] = math.inf, NOWHERE

    def stop(self) -> None:
        """Stand still until `go` was called as often as this."""
        if not self._stops:
            self._spent = time.monotonic() - self.board[SINCE]
            self.board[SINCE] = math.inf
        self._stops += 1

    def go(self) -> None:
        """Go on."""
        self._stops = max(0, self._stops - 1)
        if not self._stops and self.board[PLACE] != NOWHERE:
            self.board[SINCE] = time.monotonic() - self._spent

    def heed_loading(self) -> None:
        """From now on, stand still while this process imports modules and while numba compiles."""
        if self._heeding:
            return
        self._heeding = True
        from numba.core import event  # which a sweep without a limit need not wait for

        class Compiling(event.Listener):
            @override
            def on_start(listener, event: Any) -> None:  # noqa: N805
                self.stop()

            @override
            def on_end(listener, event: Any) -> None:  # noqa: N805
                self.go()

        event.register("numba:compile", Compiling())  # type: ignore[no-untyped-call]
        builtins.__import__ = self._stopping(builtins.__import__)
        importlib.import_module = self._stopping(importlib.import_module)

    def _stopping(self, load: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(load)
        def stopping(*arguments: Any, **options: Any) -> Any:
            self.stop()
            try:
                return load(*arguments, **options)
            finally:
                self.go()

        return stopping


clock = Clock()
