"""Density operators by blocks of charge, whose sites are traced out one by one with operators on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mpsnh.states.blocks import Array, Blocks, Charges, local_states

Rows = dict[int, Array]
"""For each charge of a bond a matrix of shape (what is left open, bond)."""

EDGE: Mapping[int, Array] = {0: np.ones((1, 1))}
"""What stands left of the first site."""

_LOST = 1e-12
"""Share of a trace in what its parts could add up to that is rounding."""


class Traced:
    """A vector of a chain and a covector on each site, contracted from both ends to every bond.

    Parameters
    ----------
    blocks : sequence of dict
        The vector, by blocks of charge.
    charges : sequence of sequence of int
        Charge of each local state, for each site.
    covectors : sequence of ndarray, shape (d,)
        Those of the trace.

    Attributes
    ----------
    log_trace : complex
        Logarithm of the contraction with all covectors.

    Raises
    ------
    ValueError
        If that is zero up to rounding.

    Examples
    --------
    >>> half = [{(0, 0): np.full((1, 2, 1), 0.5)}] * 3
    >>> traced = Traced(half, [(0, 0)] * 3, [np.ones(2)] * 3)
    >>> abs(traced.log_trace) < 1e-15, traced.ratio({1: np.array([1, -1])})
    (True, 0j)
    """

    def __init__(self, blocks: Sequence[Blocks], charges: Charges, covectors: Sequence[Array]) -> None:
        self._blocks, self._covectors = blocks, covectors
        self._states = [local_states(of_site) for of_site in charges]
        L = len(blocks)
        self._lefts, self._rights = [(dict(EDGE), 0.0)], [self._end()]
        for j in range(L):
            self._lefts.append(_scaled(self._joined(self._lefts[-1][0], j, covectors[j]), self._lefts[-1][1]))
            back = L - 1 - j
            self._rights.append(_scaled(self._joined_right(self._rights[-1][0], back), self._rights[-1][1]))
        self._rights.reverse()
        shares = [_product(left, right) for (left, _), (right, _) in zip(self._lefts, self._rights, strict=True)]
        if not min(map(abs, shares)) > _LOST:  # also if it is no number
            raise ValueError(
                "the trace of the density operator is zero up to rounding, but it must be positive; if it got lost "
                "on the way, use a larger max_bond or a smaller cutoff"
            )
        self.log_trace = complex(np.log(complex(shares[-1]))) + self._lefts[-1][1]

    def ratio(self, covectors: Mapping[int, Array]) -> complex:
        """Return the contraction with other covectors on some sites, relative to the trace.

        Parameters
        ----------
        covectors : mapping of int to ndarray, shape (d,)
            Those of the sites; the trace on all others.
        """
        if not covectors:
            return 1 + 0j
        first, last = min(covectors), max(covectors)
        rows, log_left = self._lefts[first]
        for j in range(first, last + 1):
            rows = self._joined(rows, j, covectors.get(j, self._covectors[j]))
        return complex(_product(rows, self._rights[last + 1][0]) * self._scale(log_left, last))

    def open(self, where: Sequence[int]) -> NDArray[np.complex128]:
        """Return what is left of the vector when all sites but some are traced out, relative to the trace.

        Parameters
        ----------
        where : sequence of int
            The sites that stay, in increasing order.
        """
        first, last = where[0], where[-1]
        rows, log_left = self._lefts[first]
        for j in range(first, last + 1):
            rows = self._opened(rows, j) if j in where else self._joined(rows, j, self._covectors[j])
        right = self._rights[last + 1][0]
        size = math.prod(len(self._covectors[j]) for j in where)
        total = np.zeros(size, dtype=complex)
        for q in rows.keys() & right.keys():
            total += rows[q] @ right[q][0]
        return total * self._scale(log_left, last)

    def _scale(self, log_left: float, last: int) -> complex:
        """Return what contractions from one bond to another are multiplied by to be relative to the trace."""
        return complex(np.exp(log_left + self._rights[last + 1][1] - self.log_trace))

    def _end(self) -> tuple[Rows, float]:
        """Return what stands right of the last site."""
        return {q + c: np.ones((1, 1)) for q, c in self._blocks[-1]}, 0.0

    def _joined(self, rows: Mapping[int, Array], j: int, covector: Array) -> Rows:
        """Contract one more site with a covector into what stands left of it."""
        joined: Rows = {}
        for (q, c), block in self._blocks[j].items():
            weights = covector[self._states[j][c]]
            if q in rows and weights.any():
                term = rows[q] @ np.tensordot(weights, block, (0, 1))
                joined[q + c] = joined[q + c] + term if q + c in joined else term
        return joined

    def _joined_right(self, rows: Mapping[int, Array], j: int) -> Rows:
        """Contract one more site with the covector of the trace into what stands right of it."""
        joined: Rows = {}
        for (q, c), block in self._blocks[j].items():
            weights = self._covectors[j][self._states[j][c]]
            if q + c in rows and weights.any():
                term = rows[q + c] @ np.tensordot(weights, block, (0, 1)).T
                joined[q] = joined[q] + term if q in joined else term
        return joined

    def _opened(self, rows: Mapping[int, Array], j: int) -> Rows:
        """Contract one more site, whose local states stay, into what stands left of it."""
        d, opened = len(self._covectors[j]), Rows()
        for (q, c), block in self._blocks[j].items():
            if q in rows:
                kept = len(rows[q])
                part = opened.setdefault(q + c, np.zeros((kept * d, block.shape[2]), dtype=complex))
                part.reshape(kept, d, -1)[:, self._states[j][c]] += np.tensordot(rows[q], block, 1)
        return opened


def _scaled(rows: Rows, log_scale: float) -> tuple[Rows, float]:
    """Take the norm out, which would over- or underflow."""
    size = max((float(np.abs(part).max(initial=0.0)) for part in rows.values()), default=0.0)
    if not 0 < size < math.inf:
        return rows, log_scale
    scaled = {q: part / size for q, part in rows.items()}
    norm = math.sqrt(sum(float(np.linalg.norm(part)) ** 2 for part in scaled.values()))
    return {q: part / norm for q, part in scaled.items()}, log_scale + math.log(size) + math.log(norm)


def _product(left: Mapping[int, Array], right: Mapping[int, Array]) -> complex:
    """Contract what stands on the two sides of a bond."""
    return complex(sum((left[q] @ right[q].T).item() for q in left.keys() & right.keys()))
