"""Threads that help the one which applies gates, as long as it does so."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence

from mpsnh.kernels.tebd.memory import Chain, Work
from mpsnh.kernels.tebd.share import HELPERS, OVER, assist

PAYS = 64
"""Bond dimension from which threads help: below, they would take longer to start than they save."""


def cores() -> int:
    """Return how many cores this process may use.

    Examples
    --------
    >>> cores() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def helped(chain: Chain, work: Work, helpers: Sequence[Work]) -> Iterator[None]:
    """Let threads take turns in what compiled code does inside of the context.

    They are started each time, which takes a ten-thousandth of a second, so that nothing is left of them afterwards:
    forked processes have none, and an interruption leaves none behind.

    Parameters
    ----------
    chain : Chain
        The state.
    work : Work
        Memory of the thread that they help.
    helpers : sequence of Work
        That of each of them (`mpsnh.kernels.tebd.memory.helpers`); bonds that are narrow or have a single charge do
        without them.

    Examples
    --------
    >>> before = threading.active_count()
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 4, ["up", "down"] * 2).workspace()
    >>> with helped(state._chain, None, ["memory of one"]):
    ...     threading.active_count() - before  # bonds of dimension 1 are narrow
    0
    """
    if not helpers or chain.dims.shape[1] == 1 or chain.dims.sum(axis=1).max() < PAYS:
        yield
        return
    threads: list[threading.Thread] = []
    work.job[OVER] = 0
    try:
        for each in helpers:
            thread = threading.Thread(target=assist, args=(chain, each), name="mpsnh helper")
            with contextlib.suppress(RuntimeError):  # the system allows no more of them
                thread.start()
                threads.append(thread)
        work.job[HELPERS] = len(threads)
        yield
    finally:
        work.job[HELPERS], work.job[OVER] = 0, 1
        for thread in threads:
            thread.join()
