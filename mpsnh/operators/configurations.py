"""The configurations of a chain that have a given total charge, enumerated at a cost that goes with their number."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require, require_memory
from mpsnh.language.site import Site

WORD = 2**62
"""Bound on the configurations of those neighbouring sites whose local states share an integer."""

LARGEST = 10**300
"""Number up to which integers become floats."""


class Space:
    """The space of a chain with a given total charge, of any size: how large it is, not what is in it.

    Parameters
    ----------
    sites : sequence of Site
        The chain.
    charge : int or None
        Total charge; ``None`` takes the whole space.

    Attributes
    ----------
    dim : int
        Number of configurations.

    Raises
    ------
    ValueError
        If no configuration has this charge; the message lists the charges that exist.

    Examples
    --------
    >>> Space([nh.Spin(0.5)] * 200, 0).dim > 10**58
    True
    """

    def __init__(self, sites: Sequence[Site], charge: int | None) -> None:
        self.sites = tuple(sites)
        self.charge = charge
        self.dims = tuple(site.dim for site in self.sites)
        self.charges = [(0,) * site.dim if charge is None else site.charges for site in self.sites]
        largest = sum(max(map(abs, local)) for local in self.charges)
        require(largest < 2**62, "sum of the largest charges", largest, "less than 2^62")
        self._total = charge or 0
        self._ways = _ways(self.charges, self._total)
        self.dim = self._ways[0].get(self._total, 0)
        if not self.dim:
            possible = _possible(self.charges)
            have = ", ".join(map(str, possible if len(possible) <= 8 else [*possible[:4], "…", *possible[-4:]]))
            near = min(possible, key=lambda q: (abs(q - self._total), -q))
            raise ValueError(
                f"charge = {charge}, but {len(self.sites)} sites of {set(self.sites)} have: {have}; the nearest is "
                f"charge={near}, and charge=None takes the whole space"
            )

    @functools.cached_property
    def excitations(self) -> float:
        """How many sites are in another than their most common local state, on average.

        Examples
        --------
        >>> round(Space([nh.Spin(0.5)] * 200, 196).excitations, 9)
        2.0
        """
        before, count = {0: 1}, 0.0  # ways of the sites before one to have which charge
        for local, rest in zip(self.charges, self._ways[1:], strict=True):
            after = [{q: rest.get(self._total - q - c, 0) for q in before} for c in local]
            count += 1 - max(sum(before[q] * ways[q] for q in before) for ways in after) / self.dim
            reached = [(q + c, before[q]) for c, ways in zip(local, after, strict=True) for q in before if ways[q]]
            before = {}
            for q, ways in reached:
                before[q] = before.get(q, 0) + ways
        return count

    def matrix_bytes(self) -> float:
        """Estimate the memory in which a sparse matrix of hops and interactions in this sector can be made.

        Examples
        --------
        >>> round(Space([nh.Spin(0.5)] * 1000, -998).matrix_bytes() / 1000)
        400
        """
        # for each hop an element and a few copies of it, while the parts are put together
        return as_float(self.dim) * (200 + 200 * self.excitations)


class Configurations(Space):
    """The configurations of a chain that have a given total charge, in lexicographic order.

    They are the leaves of a tree that branches at each site into its local states, without the branches that the
    sites that follow can't bring to the total charge. Time and memory go with the number of leaves, whatever the
    dimension of the whole space.

    Each configuration has a key, to which each site adds its local state times a weight, so that steps between local
    states change all keys alike. The key is the index in the whole space where that fits into an integer; else the
    weights are random, and checked to tell all configurations apart.

    Parameters
    ----------
    sites : sequence of Site
        The chain.
    charge : int or None
        Total charge; ``None`` takes the whole space.

    Attributes
    ----------
    dim : int
        Number of configurations.
    keys : ndarray of int64, shape (dim,)
        Their keys.
    weights : list of int
        What a step between local states of each site adds to a key.

    Raises
    ------
    ValueError
        If no configuration has this charge; the message lists the charges that exist.
    MemoryError
        If there are too many configurations.

    Examples
    --------
    >>> one_particle = Configurations([nh.Fermion()] * 500, 1)
    >>> one_particle.dim, one_particle.digits(499).sum().item()
    (500, 499)
    """

    def __init__(self, sites: Sequence[Site], charge: int | None) -> None:
        super().__init__(sites, charge)
        self._places = _places(self.dims)
        words = self._places[-1][0] + 1
        what = f"{len(self.sites)} sites" + ("" if charge is None else f" with charge {charge}")
        about = f"{self.dim:.3g}" if self.dim < LARGEST else f"10^{math.log10(self.dim):.0f}"
        require_memory(as_float(self.dim) * (56 + 8 * words), f"the basis of {what} ({about} states)")
        for seed in itertools.count():
            self.weights = [stride for _, stride in self._places] if words == 1 else _random_weights(self.dims, seed)
            self._words, self.keys = self._enumerate()
            self._order = None if words == 1 else np.argsort(self.keys)
            self._sorted = self.keys if self._order is None else self.keys[self._order]
            if self._order is None or np.diff(self._sorted).all():
                break

    def tree(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield for each site the branches that end there: the number of the one before, and the local state.

        Examples
        --------
        >>> [(before.tolist(), state.tolist()) for before, state in Configurations([nh.Spin(0.5)] * 2, 0).tree()]
        [([0, 0], [0, 1]), ([0, 1], [1, 0])]
        """
        reached = np.zeros(1, dtype=np.int64)
        for local, rest in zip(self.charges, self._ways[1:], strict=True):
            sums = reached[:, None] + np.array(local, dtype=np.int64)
            before, state = np.nonzero(_among(sums, np.array([self._total - q for q in rest])))
            reached = sums[before, state]
            yield before, state

    def _enumerate(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the local states, those of neighbouring sites in one integer, and the keys."""
        keys = word = np.zeros(1, dtype=np.int64)
        origin = np.zeros(1, dtype=np.intp)
        finished: list[tuple[NDArray[np.int64], NDArray[np.intp]]] = []
        for (place, stride), weight, (before, state) in zip(self._places, self.weights, self.tree(), strict=True):
            if place > len(finished):
                finished.append((word, origin))
                word, origin = np.zeros_like(word), np.arange(len(word))
            keys = keys[before] + weight * state
            word, origin = word[before] + stride * state, origin[before]
        words = np.empty((len(finished) + 1, len(word)), dtype=np.int64)
        words[-1] = word
        for place in reversed(range(len(finished))):
            word, earlier = finished[place]
            words[place], origin = word[origin], earlier[origin]
        return words, keys

    def find(self, keys: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return the numbers of configurations, given by keys that must be there.

        Parameters
        ----------
        keys : ndarray of int64
            Some of `keys`.

        Examples
        --------
        >>> basis = Configurations([nh.Spin(0.5)] * 100, 98)
        >>> basis.find(basis.keys[[7, 3]])
        array([7, 3])
        """
        numbers = np.searchsorted(self._sorted, keys)
        return numbers if self._order is None else self._order[numbers]

    def digits(self, site: int) -> NDArray[np.int64]:
        """Return the local state of one site in each configuration.

        Parameters
        ----------
        site : int
            The site, counted from 0.

        Examples
        --------
        >>> Configurations([nh.Spin(0.5)] * 2, 0).digits(0)
        array([0, 1])
        """
        word, stride = self._places[site]
        states: NDArray[np.int64] = self._words[word] // stride % self.dims[site]
        return states

    def amplitudes(self, tensors: Sequence[NDArray[Any]]) -> NDArray[np.complex128]:
        """Return the amplitudes of a matrix-product state, contracted along the tree.

        Parameters
        ----------
        tensors : sequence of ndarray, shape (left bond, d, right bond)
            The outer bonds have dimension 1.

        Raises
        ------
        MemoryError
            If the bonds are too large.

        Examples
        --------
        >>> plus = [np.full((1, 2, 1), 0.5**0.5)] * 4
        >>> Configurations([nh.Spin(0.5)] * 4, 2).amplitudes(plus).real.round(12).tolist()
        [0.25, 0.25, 0.25, 0.25]
        """
        largest = max(tensor.shape[2] for tensor in tensors)
        require_memory(
            48.0 * self.dim * largest, f"amplitudes of {self.dim} configurations at bond dimension {largest}"
        )
        vectors = np.ones((1, 1), dtype=complex)
        for (before, state), tensor in zip(self.tree(), tensors, strict=True):
            grown = np.empty((len(state), tensor.shape[2]), dtype=complex)
            for s in range(tensor.shape[1]):
                chosen = np.flatnonzero(state == s)
                grown[chosen] = vectors[before[chosen]] @ tensor[:, s]
            vectors = grown
        return vectors[:, 0]

    def halves(self, vector: NDArray[Any]) -> Iterator[dict[int, NDArray[Any]]]:
        """Yield for each bond the amplitudes as matrices (left part, right part), by the charge of the left part.

        Parameters
        ----------
        vector : ndarray, shape (dim,)
            Amplitudes of the configurations.

        Examples
        --------
        >>> basis = Configurations([nh.Spin(0.5)] * 4, 0)
        >>> [{q: block.shape for q, block in blocks.items()} for blocks in basis.halves(np.ones(6))]
        [{-1: (1, 3), 1: (1, 3)}, {-2: (1, 1), 0: (2, 2), 2: (1, 1)}, {-1: (3, 1), 1: (3, 1)}]
        """
        reached = np.zeros(self.dim, dtype=np.int64)
        for j, local in enumerate(self.charges[:-1]):
            reached += np.array(local)[self.digits(j)]
            # every left part of a charge goes with the same right parts, in the same order
            yield {
                q: vector[reached == q].reshape(-1, self._ways[j + 1][self._total - q])
                for q in np.unique(reached).tolist()
            }


def as_float(number: int) -> float:
    """Return a whole number as a float, infinite if it is too large for one.

    Examples
    --------
    >>> as_float(2**10000), as_float(3)
    (inf, 3.0)
    """
    return float(number) if number < LARGEST else math.inf


def _ways(charges: Sequence[tuple[int, ...]], total: int) -> list[dict[int, int]]:
    """For each site, and behind the last one, say in how many ways the sites from there on can have which charge.

    Charges are left out that the sites before can't bring to the total.
    """
    lows, highs = (
        itertools.accumulate(map(end, charges), initial=0)  # of the sites before
        for end in (min, max)
    )
    bounds = list(zip(lows, highs, strict=True))
    ways = [{0: 1}]
    for local, (low, high) in zip(reversed(charges), reversed(bounds[:-1]), strict=True):
        counted: dict[int, int] = {}
        for q, (rest, count) in itertools.product(local, ways[-1].items()):
            if low <= total - q - rest <= high:
                counted[q + rest] = counted.get(q + rest, 0) + count
        ways.append(counted)
    return ways[::-1]


def _possible(charges: Sequence[tuple[int, ...]]) -> list[int]:
    """Return the charges that a chain can have, in order."""
    possible = {0}
    for local in charges:
        possible = {q + rest for q, rest in itertools.product(local, possible)}
    return sorted(possible)


def _places(dims: Sequence[int]) -> list[tuple[int, int]]:
    """Say for each site in which integer its local state is kept, and with which factor; the last site has 1."""
    words: list[list[int]] = [[]]
    size = 1
    for d in dims:
        if size * d >= WORD:
            words.append([])
            size = 1
        words[-1].append(d)
        size *= d
    places = []
    for number, word in enumerate(words):
        strides = list(itertools.accumulate(word[:0:-1], operator.mul, initial=1))[::-1]
        places += [(number, stride) for stride in strides]
    return places


def _random_weights(dims: Sequence[int], seed: int) -> list[int]:
    """Return odd random numbers of 64 bits."""
    weights: list[int] = (2 * np.random.default_rng(seed).integers(-(2**62), 2**62, len(dims)) + 1).tolist()
    return weights


def _among(numbers: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which numbers are among others: by a table, if they lie close together, as charges mostly do."""
    low, high = int(numbers.min()), int(numbers.max())
    if high - low > numbers.size:
        return np.isin(numbers, wanted)
    table = np.zeros(high - low + 1, dtype=bool)
    table[wanted[(wanted >= low) & (wanted <= high)] - low] = True
    return table[numbers - low]


@functools.lru_cache(maxsize=8)
def space(sites: tuple[Site, ...], charge: int | None) -> Space:
    """Return the space of a charge sector, remembering the last few: a basis is not made only to be counted.

    Parameters
    ----------
    sites : tuple of Site
        The chain.
    charge : int or None
        Total charge; ``None`` takes the whole space.

    Examples
    --------
    >>> space((nh.Fermion(),) * 60, 30).dim
    118264581564861424
    """
    return Space(sites, charge)
