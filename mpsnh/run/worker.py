"""What a worker process of a pool does: it runs what comes through its pipe, and ends with the process behind it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import weakref
from collections.abc import Callable, MutableSequence
from multiprocessing.connection import Connection
from typing import Any

import tqdm.auto

from mpsnh.run.clock import BEGUN, clock
from mpsnh.run.failure import PointError, describe, sendable
from mpsnh.run.limits import end_points_on_interrupt, interruptible
from mpsnh.run.remarks import heed_filters_of_the_script

READY, UNFIT, RESULT, ERROR = range(4)
"""What a worker sends: that it waits, why it can't do anything, what a function returned, or what it raised."""

UNGUARDED = 87
"""The exit code of a worker that was about to run the sweep for which it was made."""

INTERRUPTED = 128 + signal.SIGINT
"""The exit code of a worker to which Ctrl-C came, as shells have it."""

Setup = tuple[Callable[..., Any] | None, tuple[Any, ...]]
"""A function that each worker calls first, or None, and its arguments."""

_PRIVATE: weakref.WeakSet[Connection] = weakref.WeakSet()
"""Ends of pipes that no forked process may keep open, so that whoever is at the other end sees that this one ended."""


def keep_from_children(*ends: Connection) -> None:
    """Close ends of pipes in all processes that are forked from this one from now on.

    Examples
    --------
    >>> keep_from_children()
    """
    _PRIVATE.update(ends)


def _close_private() -> None:
    for end in list(_PRIVATE):
        end.close()
    _PRIVATE.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_private)


def end_if_imported_by_a_worker() -> None:
    """End this process if it is a worker that has only begun to import the script for which it was made.

    Examples
    --------
    >>> end_if_imported_by_a_worker()  # here it is none
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(UNGUARDED)


def work(connection: Connection, life: Connection, board: MutableSequence[float], setup: Setup | None) -> None:
    """Run what comes, until nothing can come any more, as the only function of a process.

    Parameters
    ----------
    connection : Connection
        Brings functions with their arguments, and takes what they return or raise.
    life : Connection
        A pipe whose other end closes with the process that asks for the work.
    board : sequence of float
        Shows which point runs (see `Clock`).
    setup : tuple or None
        A function to call first, or None, and its arguments; if this is None, they come as the first message.

    Examples
    --------
    >>> from mpsnh.run.pool import Pool
    >>> with Pool(1) as pool:  # whose worker runs this
    ...     pool.submit(divmod, 7, 2).result()
    (3, 1)
    """
    keep_from_children(connection, life)
    _end_with(life)
    heed_filters_of_the_script()
    clock.board = board
    for bar in (tqdm.std.tqdm, tqdm.auto.tqdm):  # whose lock may be one of all processes, and be held by a dead one
        bar.set_lock(threading.RLock())
    try:
        initializer, arguments = setup or pickle.loads(connection.recv_bytes())
        if initializer is not None:
            initializer(*arguments)
    except BaseException as error:
        connection.send((UNFIT, f"a worker process can't begin, since its initializer fails: {describe(error)}"))
        return
    end_points_on_interrupt()
    try:
        connection.send((READY, None))
        while not interruptible.asked:
            connection.send_bytes(_answer(connection.recv_bytes()))
    except KeyboardInterrupt:
        pass
    except (EOFError, OSError):  # nobody asks any more
        return
    sys.exit(INTERRUPTED)


def _answer(message: bytes) -> bytes:
    """Run a function and return what came of it as a message."""
    try:
        function, arguments = pickle.loads(message)
    except BaseException as error:
        return pickle.dumps((UNFIT, f"a worker process can't load what it shall run: {describe(error)}"))
    clock.board[BEGUN] += 1
    try:
        result = function(*arguments)
    except Exception as error:
        return pickle.dumps((ERROR, sendable(error)))
    try:
        return pickle.dumps((RESULT, result))
    except Exception as error:
        return pickle.dumps((ERROR, PointError(f"the result can't be sent to another process: {describe(error)}")))


def _end_with(life: Connection) -> None:
    """End this process when the other end of a pipe closes, whatever runs here then."""
    if sys.platform == "linux":  # whose kernel does it even if a library holds the interpreter
        import fcntl

        fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
        if life.poll():  # it was closed before
            os._exit(1)
        return

    def watch() -> None:
        life.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
