"""Time evolution by the power series of exp(-i H t) where that ends."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.linalg.bounds import EPS
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.propagator import SAFETY, Propagator, phases

LONGEST_SERIES = 64
"""Largest number of terms of a series that ends."""


def index_of_nilpotency(matrix: scipy.sparse.csr_matrix) -> int | None:
    """Return the smallest k for which the k-th power of a matrix is exactly zero in floating-point arithmetic.

    None if there is none up to `LONGEST_SERIES`. Rounding makes powers of most nilpotent matrices non-zero, those of
    small integers excepted, or of matrices that are triangular up to a permutation.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
        Real or complex.

    Examples
    --------
    >>> index_of_nilpotency(scipy.sparse.csr_matrix([[1j, 1], [1, -1j]])), index_of_nilpotency(scipy.sparse.eye(2))
    (2, None)
    """
    size = float(np.abs(matrix.data).max(initial=0.0))
    if size == 0:
        return 1
    unit = matrix / 2.0 ** round(
        math.log2(size)
    )  # so that nothing over- or underflows, and integers stay what they are
    vectors = np.random.default_rng(0).choice([-1.0, 1.0], (matrix.shape[0], 2))
    for index in range(1, LONGEST_SERIES + 1):
        vectors = unit @ vectors
        if not vectors.any():
            return index
    return None


def _can_be_nilpotent(matrix: scipy.sparse.csr_matrix, level: complex) -> bool:
    """Tell whether the trace of (H - level)² vanishes to rounding, which takes no longer than one product."""
    size = float(np.abs(matrix.data).max(initial=0.0)) or 1.0
    unit = matrix / size
    trace = unit.multiply(unit.T).sum() - matrix.shape[0] * (level / size) ** 2
    return bool(abs(trace) <= 1e-8 * np.vdot(unit.data, unit.data).real)


class TerminatingPropagator(Propagator):
    """The function v ↦ exp(-i H t) v of a matrix that is nilpotent but for a multiple of the identity.

    The series is a polynomial in t, whose sum is right to rounding at any time. Steps of it are not: the rounding of
    one grows with a power of the time that follows. So an evolution should begin at the same vector for any time.

    Parameters
    ----------
    nilpotent : csr_matrix, shape (n, n)
        What is left of H without a multiple of the identity.
    index : int
        Its smallest power that vanishes.
    level : complex
        The multiple.
    time : float
        The time t.

    Examples
    --------
    >>> decaying = Matrix(scipy.sparse.csr_matrix([[-0.5j, 1.0], [0.0, -0.5j]]))
    >>> vector, log_norm = TerminatingPropagator.of(decaying, 1e6).evolve(np.array([0.0, 1.0]))
    >>> bool(np.isclose(log_norm, np.log(1e6) - 0.5e6, rtol=1e-12))
    True
    """

    def __init__(self, nilpotent: scipy.sparse.csr_matrix, index: int, level: complex, time: float) -> None:
        self._nilpotent, self._index, self._level, self.time = nilpotent, index, level, time
        self._moduli = abs(nilpotent)
        self._noise = index / SAFETY * EPS * phases(nilpotent.shape[0])
        super().__init__(self._sum, 1, -1j * level * time)

    @classmethod
    def of(cls, matrix: Matrix, time: float) -> TerminatingPropagator | None:
        """Return that of a matrix, or None if its series does not end.

        Parameters
        ----------
        matrix : Matrix, shape (n, n)
            The Hamiltonian H, sparse.
        time : float
            The time t.
        """
        diagonal = matrix.array.diagonal()
        level = complex(diagonal[0] + np.mean(diagonal - diagonal[0]))
        if not _can_be_nilpotent(matrix.array, level):
            return None
        shift = level if level.imag else level.real
        nilpotent = (matrix.array - shift * scipy.sparse.identity(matrix.dim, format="csr")).tocsr()
        index = index_of_nilpotency(nilpotent)
        return None if index is None else cls(nilpotent, index, level, time)

    def to(self, time: float) -> TerminatingPropagator:
        """Return that of the same matrix for another time."""
        return TerminatingPropagator(self._nilpotent, self._index, self._level, time)

    def _sum(self, pair: NDArray[np.complex128]) -> NDArray[np.complex128]:
        term, total = pair, pair.copy()
        sizes = bound = np.abs(pair[:, 0])  # of the terms, had none of their own terms cancelled
        with np.errstate(over="ignore", invalid="ignore"):  # refused by the norm, which is not finite
            for k in range(1, self._index):
                term = (-1j * self.time / k) * (self._nilpotent @ term)
                bound = abs(self.time / k) * (self._moduli @ bound)
                total += term
                sizes = sizes + bound
            total[:, 1] += self._noise * sizes
        return total
