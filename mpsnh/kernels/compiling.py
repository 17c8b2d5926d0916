"""How kernels are compiled, and what is said while the user waits for it."""

from __future__ import annotations

import ctypes
import functools
import gc
import multiprocessing
from typing import Any

import numba
from numba.core import event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from typing_extensions import override

from mpsnh.checks import say

njit: Any = functools.partial(numba.njit, cache=True, nogil=True)
"""Compiles a function when it is first called, once on a machine."""


_REFUSAL = ctypes.cast(ctypes.pythonapi.PyErr_BadArgument, ctypes.c_void_p).value or 0
"""What Python calls if it calls a function that only compiled ones may call: a TypeError."""


class _Code(JITCodeLibrary):
    """Code that is part of what calls it, where it is optimised and translated: alone it never runs.

    Numba does all of that to each function together with all that it calls, so that what stands at the bottom of six
    calls is compiled six times.
    """

    @property
    @override
    def codegen(self) -> _Code:
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Leave the environment, which only code of its own has."""

    @override
    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()  # type: ignore[no-untyped-call]
        return _REFUSAL

    @override
    def _optimize_final_module(self) -> None:
        pass

    @override
    def _finalize_final_module(self) -> None:
        self._finalized = True


class _Part(Compiler):
    """Compiles functions to such code."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)  # type: ignore[no-untyped-call]
        if self.state.library is None:
            self.state.library = _Code(self.state.targetctx.codegen(), "part")  # type: ignore[no-untyped-call]


part: Any = functools.partial(
    numba.njit, nogil=True, pipeline_class=_Part, no_cpython_wrapper=True, no_cfunc_wrapper=True
)
"""Compiles a function that only compiled ones call, together with each of these."""


class Announcement(event.Listener):
    """Says once, on the screen, that kernels are being compiled, and keeps Python's collector of garbage from it.

    Numba makes millions of objects that stay, through which it would go again and again: a sixth of the time.

    Examples
    --------
    >>> Announcement().made
    False
    """

    def __init__(self) -> None:
        self.made = multiprocessing.parent_process() is not None  # workers leave it to the process that has the screen
        self._within, self._collects = 0, False

    @override
    def on_start(self, event: Any) -> None:
        if not self._within:
            self._collects = gc.isenabled()
            gc.disable()
        self._within += 1
        ours = event.data["dispatcher"].py_func.__module__.startswith("mpsnh.")
        if ours and not self.made:
            self.made = True
            say("mpsnh compiles its kernels for this machine, which takes some ten seconds, once")

    @override
    def on_end(self, event: Any) -> None:
        self._within -= 1
        if not self._within and self._collects:
            gc.enable()


event.register("numba:compile", Announcement())  # type: ignore[no-untyped-call]
