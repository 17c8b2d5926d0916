"""Which elements a sparse matrix has, and what follows from that alone."""

from __future__ import annotations

import functools
from functools import cached_property

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
from numpy.typing import NDArray

SMALL = 2**16
"""Number of elements up to which graphs are remembered, since those of the realisations of a model are the same."""


class Graph:
    """The places of the elements of a sparse matrix, which are the edges of a graph of its rows.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
        In canonical format, without zeros that are stored.

    Examples
    --------
    >>> graph = Graph.of(scipy.sparse.csr_matrix([[0, 2.0, 0], [3.0, 0, 0], [5.0, 0, 4.0]]))
    >>> graph.rows.tolist(), graph.partners is None
    ([0, 1, 2, 2], True)
    >>> [part.tolist() for part in graph.strong], [part.tolist() for part in graph.weak]
    ([[0, 1], [2]], [[0, 1, 2]])
    """

    def __init__(self, matrix: scipy.sparse.csr_matrix) -> None:
        numbers = np.arange(matrix.nnz, dtype=matrix.indices.dtype)
        self._numbered = scipy.sparse.csr_matrix((numbers, matrix.indices, matrix.indptr), shape=matrix.shape)

    @classmethod
    def of(cls, matrix: scipy.sparse.csr_matrix) -> Graph:
        """Return the graph of a matrix; if it is small, that of an earlier one with its elements at the same places.

        Parameters
        ----------
        matrix : csr_matrix, shape (n, n)
            As for the class.
        """
        if matrix.nnz > SMALL:
            return cls(matrix)
        return _remembered(matrix.indptr.astype(np.int32).tobytes(), matrix.indices.astype(np.int32).tobytes())

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        """The row of each element."""
        return np.repeat(np.arange(self._numbered.shape[0]), np.diff(self._numbered.indptr))

    @cached_property
    def partners(self) -> NDArray[np.signedinteger] | None:
        """The number of H_ji for each element H_ij; None if there is an element without its partner."""
        numbered, transposed = self._numbered, self._numbered.T.tocsr()
        there = np.array_equal(numbered.indptr, transposed.indptr)
        if not there or not np.array_equal(numbered.indices, transposed.indices):
            return None
        return np.asarray(transposed.data)

    @cached_property
    def strong(self) -> list[NDArray[np.intp]]:
        """The rows of each part whose rows are connected both ways."""
        return self._parts("strong")

    @cached_property
    def weak(self) -> list[NDArray[np.intp]]:
        """The rows of each part whose rows are connected in any way."""
        return self._parts("weak")

    def _parts(self, connection: str) -> list[NDArray[np.intp]]:
        _, labels = scipy.sparse.csgraph.connected_components(self._numbered, directed=True, connection=connection)
        order = np.argsort(labels, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


@functools.lru_cache(maxsize=16)
def _remembered(starts: bytes, columns: bytes) -> Graph:
    begins, places = np.frombuffer(starts, np.int32), np.frombuffer(columns, np.int32)
    dim = len(begins) - 1
    return Graph(scipy.sparse.csr_matrix((places, places, begins), shape=(dim, dim)))
