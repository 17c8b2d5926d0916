"""The imaginary gauge: a diagonal similarity that makes a matrix symmetric where its graph allows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.linalg.bounds import EPS
from mpsnh.linalg.graph import Graph

ROUNDING = 64 * EPS
"""How far the gauge may miss one element, relative to it and per unit of log D, for rounding to explain that."""


@dataclass(frozen=True)
class Gauge:
    """D⁻¹ H D with diagonal D > 0, in which |H_ij| = |H_ji|.

    Of an open chain with asymmetric hopping it is the imaginary gauge transformation of N. Hatano and D. R. Nelson,
    PRL 77, 570 (1996), whatever the interaction.

    Parameters
    ----------
    logs : ndarray, shape (n,)
        Logarithm of D, which may span more than numbers can.
    array : csr_matrix, shape (n, n)
        D⁻¹ H D. Its elements depend on the products H_ij H_ji alone, not on rounding errors of D.
    mismatch : float
        Largest change of an element, relative to it, that D does not account for; a few rounding errors.
    hermitian : bool
        Whether it is Hermitian, which it is then to the last bit.

    Examples
    --------
    >>> chain = scipy.sparse.csr_matrix([[0, 1.0, 0], [4.0, 0, 1.0], [0, 4.0, 0]])
    >>> gauge = Gauge.of(chain)
    >>> gauge.array.toarray().tolist(), np.exp(gauge.logs).round(12).tolist(), gauge.hermitian
    ([[0.0, 2.0, 0.0], [2.0, 0.0, 2.0], [0.0, 2.0, 0.0]], [0.25, 0.5, 1.0], True)
    """

    logs: NDArray[np.float64]
    array: scipy.sparse.csr_matrix
    mismatch: float
    hermitian: bool

    @classmethod
    def of(cls, matrix: scipy.sparse.csr_matrix) -> Gauge | None:
        """Find it along one spanning tree of each part of the graph of the matrix.

        Parameters
        ----------
        matrix : csr_matrix, shape (n, n)
            Real or complex.

        Returns
        -------
        Gauge or None
            None if a cycle of the graph, or an element without its partner, forbids it.
        """
        if not (matrix.has_canonical_format and matrix.data.all()):
            matrix = matrix.copy()
            matrix.sum_duplicates()
            matrix.eliminate_zeros()
        graph = Graph.of(matrix)
        if graph.partners is None:
            return None
        rows, columns, transposed = graph.rows, matrix.indices, matrix.data[graph.partners]
        there = np.abs(matrix.data)
        back = there[graph.partners]
        # |D_i⁻¹ H_ij D_j| = |D_j⁻¹ H_ji D_i| needs this log D_j - log D_i
        steps = (np.log(back) - np.log(there)) / 2
        logs, missed = _potential(matrix.indptr, columns, steps, 2 * ROUNDING)
        if missed > ROUNDING * (1 + np.ptp(logs)):
            return None
        off = rows != columns
        phases, partners = matrix.data / there, transposed.conj() / back
        unlike = float(np.abs(phases - partners).max(initial=0.0))
        hermitian = unlike <= ROUNDING
        if hermitian:  # phases of partners made the same, and those of the diagonal real
            phases = phases + partners
            phases /= np.abs(phases)
        elif np.ptp(logs) == 0:
            return None  # nothing to gain
        sizes = np.where(off, np.sqrt(there) * np.sqrt(back), there)
        gauged = scipy.sparse.csr_matrix((phases * sizes, matrix.indices, matrix.indptr), shape=matrix.shape)
        return cls(logs, gauged, missed + (unlike if hermitian else 0.0), hermitian)


def turned_back(
    left: NDArray[Any], right: NDArray[Any], logs: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the vectors D⁻¹ l and D r of H, given those of D⁻¹ H D, with the right ones of unit norm.

    Parameters
    ----------
    left, right : ndarray, shape (n, m)
        Vectors as columns; ⟨l|r⟩ stays what it is.
    logs : ndarray, shape (n,)
        Logarithm of D.

    Returns
    -------
    left, right : ndarray, shape (n, m)
        Left ones are infinite where numbers can't hold them.

    Examples
    --------
    >>> left, right = turned_back(np.eye(2), np.eye(2), np.array([-400.0, 0.0]))
    >>> left.tolist(), right.tolist()
    ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    """
    with np.errstate(divide="ignore", over="ignore"):
        powers = np.log(np.abs(right)) + logs[:, None]
        largest = powers.max(axis=0)
        scaled = _phases(right) * np.exp(powers - largest)
        norms = np.linalg.norm(scaled, axis=0)
        back = np.log(np.abs(left)) - logs[:, None] + largest + np.log(norms)
        return _phases(left) * np.exp(back), scaled / norms


def _phases(vectors: NDArray[Any]) -> NDArray[Any]:
    """Return elements divided by their size; 1 for those that are 0."""
    # numbers so small that they have fewer digits, of which complex division makes NaN, are made larger first
    vectors = np.where(np.abs(vectors) < SMALLEST, vectors * 2.0**100, vectors)
    sizes = np.abs(vectors)
    return np.where(sizes > 0, vectors, 1) / np.where(sizes > 0, sizes, 1)


SMALLEST = 2.0**-1000
"""Size below which a number is divided by its size in another unit."""


@numba.njit(cache=True)
def _potential(
    starts: NDArray[np.int32], columns: NDArray[np.int32], steps: NDArray[np.float64], allowed: float
) -> tuple[NDArray[np.float64], float]:
    """Return log D along a spanning tree of each part, at most 0, and by how much the other elements miss it.

    It ends at the first one that misses it by more than is allowed per unit of log D.
    """
    n = len(starts) - 1
    logs, seen, queue = np.zeros(n), np.zeros(n, np.bool_), np.empty(n, np.int64)
    missed = 0.0
    for root in range(n):
        if seen[root]:
            continue
        seen[root], queue[0] = True, root
        done, end, largest = 0, 1, 0.0
        while done < end:
            i = queue[done]
            done += 1
            for k in range(starts[i], starts[i + 1]):
                j, here = columns[k], logs[i] + steps[k]
                if not seen[j]:
                    seen[j], logs[j], queue[end] = True, here, j
                    end += 1
                    largest = max(largest, here)
                    continue
                difference = abs(logs[j] - here)
                missed = max(missed, difference)
                if difference > allowed * (1 + abs(logs[j])):
                    return logs, missed
        for k in range(end):
            logs[queue[k]] -= largest
    return logs, missed
