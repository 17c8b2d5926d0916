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
    """Matrix elements of a product of operators.

    Examples
    --------
    >>> Elements(np.array([0]), np.array([1]), np.array([0.5])).values.tolist()
    [0.5]
    """

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
        rows, columns, self._values = (np.concatenate([part[k] for part in parts]) for k in range(3))
        self._numbers = np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts])
        places, self._which = np.unique(rows * dim + columns, return_inverse=True)
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
        terms = self._values * (numbers if numbers.imag.any() else numbers.real)[self._numbers]
        # Summed in the order of the products, as without a pattern, so that the last bits do not hang on the route.
        data = np.bincount(self._which, terms.real).astype(float, copy=False)  # of nothing it makes integers
        if np.iscomplexobj(terms):
            imaginary = np.bincount(self._which, terms.imag)
            data = data + 1j * imaginary if imaginary.any() else data
        made = scipy.sparse.csr_matrix((data, self._columns.copy(), self._begins.copy()), shape=self._shape)
        if not data.all():
            made.eliminate_zeros()
        return made
