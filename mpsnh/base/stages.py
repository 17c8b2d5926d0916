"""What a computation says of how far it is, between two records."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_listener: ContextVar[Callable[[str], object] | None] = ContextVar("listener", default=None)


def tell(text: str) -> None:
    """Say how far a computation is, if anybody listens.

    Parameters
    ----------
    text : str
        A few words.

    Examples
    --------
    >>> tell("sweep 3")
    """
    listener = _listener.get()
    if listener is not None:
        listener(text)


@contextlib.contextmanager
def listening(listener: Callable[[str], object]) -> Iterator[None]:
    """Let a function hear what computations tell, in this thread and as long as the context lasts.

    Parameters
    ----------
    listener : callable
        Gets the text.

    Examples
    --------
    >>> with listening(print):
    ...     tell("sweep 3")
    sweep 3
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
