"""Matrices of sums that differ in their coefficients only, as those of the realisations of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

KEPT = 4
"""How many patterns a sector keeps."""

LARGEST = 2_000_000
"""Number of configurations times terms up to which one is made."""


class Elements(NamedTuple):
    """Matrix elements of a product of operators."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: NDArray[Any]


class Pattern:
    """The sparse matrix of a sum of products as a linear map of their coefficients.

    Parameters
    ----------
    dim : int
        Dimension of the matrix.
    products : iterable of Elements
        The matrix of each product.

    Examples
    --------
    >>> swap = Elements(np.array([0, 1]), np.array([1, 0]), np.ones(2))
    >>> sign = Elements(np.array([0, 1]), np.array([0, 1]), np.array([0.5, -0.5]))
    >>> Pattern(2, [swap, sign]).matrix([2.0, 3.0]).toarray()
    array([[ 1.5,  2. ],
           [ 2. , -1.5]])
    """

    def __init__(self, dim: int, products: Iterator[Elements] | Sequence[Elements]) -> None:
        parts = list(products)
        rows, columns, values = (np.concatenate([part[k] for part in parts]) for k in range(3))
        numbers = np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts])
        places, which = np.unique(rows * dim + columns, return_inverse=True)
        self._map = scipy.sparse.csr_matrix((values, (which, numbers)), shape=(len(places), len(parts)))
        self._columns = (places % dim).astype(np.int32)
        self._begins = np.searchsorted(places, np.arange(dim + 1) * dim).astype(np.int32)
        self._shape = dim, dim

    def matrix(self, coefficients: Sequence[complex]) -> scipy.sparse.csr_matrix:
        """Return the matrix, a real one if its elements are.

        Parameters
        ----------
        coefficients : sequence of complex
            Of the products.
        """
        numbers = np.array(coefficients)
        data = self._map @ (numbers if numbers.imag.any() else numbers.real)
        if np.iscomplexobj(data) and not data.imag.any():
            data = data.real
        made = scipy.sparse.csr_matrix((data, self._columns.copy(), self._begins.copy()), shape=self._shape)
        if not data.all():
            made.eliminate_zeros()
        return made
