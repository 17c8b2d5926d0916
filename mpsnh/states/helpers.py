"""Threads that help the one which applies gates, as long as it does so."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

from mpsnh.kernels.tebd.memory import Chain, Work
from mpsnh.kernels.tebd.share import HELPERS, OVER, assist

PAYS = 64
"""Bond dimension from which threads help: below, they would take longer to start than they save."""


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
        That of each of them (`mpsnh.kernels.tebd.memory.helpers`); none for bonds that are narrow.
    """
    if not helpers or chain.dims.sum(axis=1).max() < PAYS:
        yield
        return
    threads = [threading.Thread(target=assist, args=(chain, each), name="mpsnh helper") for each in helpers]
    work.job[OVER] = 0
    try:
        for thread in threads:
            thread.start()
        work.job[HELPERS] = len(threads)
        yield
    finally:
        work.job[HELPERS], work.job[OVER] = 0, 1
        for thread in threads:
            if thread.ident is not None:
                thread.join()
