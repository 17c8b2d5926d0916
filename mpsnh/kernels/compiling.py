"""How kernels are compiled, and what is said while the user waits for it."""

from __future__ import annotations

import functools
import multiprocessing
from typing import Any

import numba
from numba.core import event
from typing_extensions import override

from mpsnh.checks import say

njit: Any = functools.partial(numba.njit, cache=True, nogil=True)
"""Compiles a function when it is first called, once on a machine."""


class Announcement(event.Listener):
    """Says once, on the screen, that kernels are being compiled.

    Examples
    --------
    >>> Announcement().made
    False
    """

    def __init__(self) -> None:
        self.made = multiprocessing.parent_process() is not None  # workers leave it to the process that has the screen

    @override
    def on_start(self, event: Any) -> None:
        ours = event.data["dispatcher"].py_func.__module__.startswith("mpsnh.")
        if ours and not self.made:
            self.made = True
            say("mpsnh compiles its kernels for this machine, which takes some twenty seconds, once")

    @override
    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", Announcement())  # type: ignore[no-untyped-call]
