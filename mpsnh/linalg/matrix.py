"""A matrix and what is known of it, found once."""

from __future__ import annotations

import functools
from functools import cached_property
from typing import Any, Self

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.linalg.bounds import SMALL, NumericalRange, spectral_interval
from mpsnh.linalg.gauge import Gauge
from mpsnh.linalg.graph import Graph

UNBALANCED = 1e-9
"""Logarithm of the ratio of the elements around a triangle, one way and the other, that is not rounding."""

UNLIKE = 1e-6
"""Relative difference of the norms of A v and A† v that no rounding explains."""

COMMUTES = 1e-14
"""Norm of (A A† - A† A) v, relative to those of A and A† v, that is rounding."""


class Matrix:
    """A square, finite matrix, sparse or dense, which solvers ask for its symmetry and bounds.

    Parameters
    ----------
    array : ndarray or sparse matrix, shape (n, n)
        Real or complex.
    name : str
        What to call it in messages.

    Attributes
    ----------
    sparse : bool
        Whether it is stored as a sparse matrix.

    Raises
    ------
    ValueError
        If it is not square, is empty or has elements that are not finite.

    Examples
    --------
    >>> jordan = Matrix(np.array([[0.0, 1.0], [0.0, 0.0]]))
    >>> jordan.dim, jordan.hermitian, jordan.real, jordan.sparse
    (2, False, True, False)
    """

    def __init__(self, array: Any, name: str = "the matrix") -> None:
        self.array: Any = array
        if not isinstance(array, scipy.sparse.csr_matrix):  # a copy of which would take longer than its checks
            self.array = scipy.sparse.csr_matrix(array) if scipy.sparse.issparse(array) else np.asarray(array)
        self.sparse = not isinstance(self.array, np.ndarray)
        shape = self.array.shape
        require(len(shape) == 2 and shape[0] == shape[1] > 0, "matrix shape", shape, "square and not empty")
        stored: Any = self.array
        if self.sparse and not stored.has_canonical_format:
            self.array = stored.copy()  # which is the caller's
            self.array.sum_duplicates()
        if not np.isfinite(self._elements).all():
            raise ValueError(f"{name} has elements that are not finite")

    @classmethod
    def of(cls, array: Any) -> Self:
        """Return what is a `Matrix` already as it is, so that what is known of it stays known.

        Parameters
        ----------
        array : Matrix, ndarray or sparse matrix
            Any of these.

        Examples
        --------
        >>> one = Matrix(np.eye(2))
        >>> Matrix.of(one) is one
        True
        """
        return array if isinstance(array, cls) else cls(array)

    @property
    def _elements(self) -> NDArray[Any]:
        elements: NDArray[Any] = self.array.data if self.sparse else self.array
        return elements

    @property
    def dim(self) -> int:
        """Number of rows."""
        return int(self.array.shape[0])

    @property
    def real(self) -> bool:
        """Whether it is stored in real numbers."""
        return not np.iscomplexobj(self._elements)

    @cached_property
    def hermitian(self) -> bool:
        """Whether it is Hermitian, to the last bit."""
        if not self.sparse:
            return np.array_equal(self.array, self.array.conj().T)
        partners = self.graph.partners
        if self.array.nnz == len(self.graph.rows):
            return partners is not None and np.array_equal(self.array.data, self.array.data[partners].conj())
        return bool((self.array != self.array.conj().T).nnz == 0)  # zeros that are stored may have no partner

    @cached_property
    def graph(self) -> Graph:
        """Where its elements are that are not zero."""
        stored = self.sparse and self.array.data.all()
        return Graph.of(self.array if stored else scipy.sparse.csr_matrix(self.array != 0, dtype=np.int8))

    @cached_property
    def dense(self) -> NDArray[Any]:
        """All elements."""
        dense: NDArray[Any] = self.array.toarray() if self.sparse else self.array
        return dense

    @cached_property
    def largest(self) -> float:
        """The size of the largest element."""
        return float(np.abs(self._elements).max(initial=0.0))

    @cached_property
    def norm(self) -> float:
        """The Frobenius norm."""
        return self.largest * float(np.linalg.norm(self._elements / self.largest)) if self.largest else 0.0

    @property
    def scale(self) -> float:
        """The root mean square of the singular values."""
        return self.norm / float(np.sqrt(self.dim))

    @cached_property
    def normal(self) -> bool:
        """Whether it commutes with its adjoint within rounding, as seen on a random vector."""
        matrix = self.dense if self.dim < 4 * SMALL else self.array
        adjoint, parts = matrix.conj().T, _random_parts(self.dim)
        vector = parts if self.real else parts @ np.array([[1], [1j]])
        there, back = matrix @ vector, adjoint @ vector
        sizes = np.linalg.norm(there), np.linalg.norm(back)
        if abs(sizes[0] - sizes[1]) > UNLIKE * sizes[0]:  # which settles it for most
            return False
        missed = np.linalg.norm(matrix @ (back / (self.norm or 1.0)) - adjoint @ (there / (self.norm or 1.0)))
        return bool(missed <= COMMUTES * sizes[1])

    @cached_property
    def gauge(self) -> Gauge | None:
        """The diagonal similarity that makes |H_ij| = |H_ji|, if there is one that is of use."""
        if self.hermitian or (not self.sparse and _unbalanced_triangle(self.array)):
            return None
        return Gauge.of(scipy.sparse.csr_matrix(self.array))

    @cached_property
    def range(self) -> NumericalRange:
        """A rectangle around its numerical range; the matrix must be sparse."""
        return NumericalRange.of(self.array)

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Centre and half-width of an interval that contains the real parts of all eigenvalues of a real matrix."""
        return spectral_interval(self.array)

    def require_real_sparse(self) -> None:
        """Raise unless it is sparse and real.

        Raises
        ------
        ValueError
            Saying what it is.
        """
        require(self.sparse, "matrix", type(self.array).__name__, "a sparse matrix")
        require(self.real, "matrix dtype", self.array.dtype.name, "real")


@functools.lru_cache(maxsize=4)
def _random_parts(dim: int) -> NDArray[np.float64]:
    """Return the real and the imaginary part of a vector as columns, the same ones for all matrices."""
    return np.ascontiguousarray(np.random.default_rng(0).standard_normal((2, dim)).T)


def _unbalanced_triangle(array: NDArray[Any]) -> bool:
    """Tell whether triangles of the first row, its largest partner and others forbid a gauge, which is seen at once."""
    if len(array) < 3:
        return False
    second = int(np.argmax(np.abs(array[0, 1:]))) + 1
    there, back = np.abs(array[[0, second]]), np.abs(array[:, [0, second]].T)
    linked = (there > 0) & (back > 0)
    third = np.flatnonzero(linked.all(axis=0))
    third = third[(third != 0) & (third != second)]
    if not linked[0, second] or not len(third):
        return False
    first_step = np.log(back[0, second] / there[0, second])
    steps = np.log(back[:, third] / there[:, third])
    missed = first_step + steps[1] - steps[0]
    return bool(np.abs(missed).max() > UNBALANCED * (1 + np.abs(steps).max()))
