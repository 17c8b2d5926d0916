"""Independent pieces of one computation, in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Threads:
    """Does the same with each of some items, several at a time; in the thread of the caller if that is one.

    Parameters
    ----------
    number : int
        How many at a time.

    Examples
    --------
    >>> with Threads(2) as pool:
    ...     pool.map(abs, [-1, 2])
    [1, 2]
    """

    def __init__(self, number: int = 1) -> None:
        self._pool = ThreadPoolExecutor(number) if number > 1 else None

    def __enter__(self) -> Threads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=error is not None)

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Return the results, in the order of the items.

        Parameters
        ----------
        work : callable
            What is done with each.
        items : iterable
            Any.
        """
        return [work(item) for item in items] if self._pool is None else list(self._pool.map(work, items))
