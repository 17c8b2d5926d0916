"""Bonds whose charges all take the same room in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mpsnh.kernels.batched import Sizes, room

Steps = tuple[Sequence[int], Sequence[int]]
"""Charge of each local state of two sites."""


class Bond(NamedTuple):
    """The charges of a bond, counted from 0 at the left end in steps of their common divisor.

    Examples
    --------
    >>> Bond(2, np.array([1, 3])).width
    4
    """

    low: int
    """The first of them."""
    dims: Sizes
    """Dimension for each."""

    @property
    def width(self) -> int:
        """What each of them takes in memory."""
        return room(self.dims)

    def shared(self, other: Bond, step: int) -> tuple[slice, slice]:
        """Return where a charge of this bond and one that is larger by a step are, here and there.

        Parameters
        ----------
        other : Bond
            There.
        step : int
            Charge of a site between the two.
        """
        offset = self.low + step - other.low
        first, last = max(0, -offset), min(len(self.dims), len(other.dims) - offset)
        last = max(first, last)
        return slice(first, last), slice(first + offset, last + offset)

    def moved(self, other: Bond, step: int) -> Sizes:
        """Return the dimensions of another bond for each charge of this one and a step."""
        dims, (here, there) = np.zeros(len(self.dims), np.int64), self.shared(other, step)
        dims[here] = other.dims[there]
        return dims

    def present(self, other: Bond, steps: Sequence[int]) -> NDArray[np.bool_]:
        """Return which pairs of a local state and an index of another bond there are, for each charge of this one.

        Parameters
        ----------
        other : Bond
            On the other side of a site.
        steps : sequence of int
            Charge of each local state, with the sign that leads there.
        """
        there = np.arange(other.width)
        return np.concatenate([there < self.moved(other, step)[:, None] for step in steps], axis=1)


def between(outer: Bond, beyond: Bond, old: Bond, steps: Steps) -> Bond:
    """Return all charges of a bond that a gate on its two sites may bring, with the dimensions that they have.

    Parameters
    ----------
    outer, beyond : Bond
        The bonds around the pair.
    old : Bond
        The bond between the two sites.
    steps : tuple of sequence of int
        Charge of each local state of the two sites, with the sign of the way from `outer` to `beyond`.

    Examples
    --------
    >>> between(Bond(0, np.array([1])), Bond(1, np.array([1])), Bond(1, np.array([1])), ((0, 1), (0, 1)))
    Bond(low=0, dims=array([0, 1]))
    """
    low = max(outer.low + min(steps[0]), beyond.low - max(steps[1]))
    high = min(outer.low + len(outer.dims) + max(steps[0]), beyond.low + len(beyond.dims) - min(steps[1]))
    return Bond(low, Bond(low, np.zeros(high - low, np.int64)).moved(old, 0))


def mixed(steps: Steps) -> Iterator[tuple[int, int, int, int]]:
    """Yield all pairs of local states (s, t) and (u, v) of two sites that have the same charge.

    Parameters
    ----------
    steps : tuple of sequence of int
        Charge of each local state.

    Examples
    --------
    >>> list(mixed(([0, 1], [0])))
    [(0, 0, 0, 0), (1, 0, 1, 0)]
    """
    for s, t, u, v in itertools.product(*map(range, map(len, steps)), *map(range, map(len, steps))):
        if steps[0][s] + steps[1][t] == steps[0][u] + steps[1][v]:
            yield s, t, u, v
