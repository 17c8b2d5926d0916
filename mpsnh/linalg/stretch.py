"""Vectors at all times of a short stretch of an evolution, from one expansion."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.kernels.multivector import BlockOperator
from mpsnh.kernels.series import chebyshev_vectors
from mpsnh.linalg.bounds import EPS
from mpsnh.linalg.chebyshev import ROUNDING, Expansion, bessel_coefficients
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.propagator import phases

LONGEST = 16.0
"""Largest product of a stretch and the width of the spectrum: a click ends it, and makes the rest of it useless."""


class Stretches:
    """What expands exp(-i H t) v for all t up to some length, with the same Chebyshev vectors for all of them.

    Parameters
    ----------
    matrix : Matrix
        The Hamiltonian H, sparse.
    time : float
        A time, of which the length is a part.

    Attributes
    ----------
    length : float
        Up to where one expansion reaches.

    Examples
    --------
    >>> decay = Stretches(Matrix(scipy.sparse.csr_matrix([[-0.5j, 0.0], [0.0, 1.0]])), time=1.0)
    >>> stretch = decay.from_(np.array([[1.0, 0.0], [0.0, 0.0]], complex))
    >>> [round(float(np.linalg.norm(stretch.at(t)[:, 0])) ** 2 * math.exp(t), 12) for t in (0.0, 0.3, decay.length)]
    [1.0, 1.0, 1.0]
    """

    def __init__(self, matrix: Matrix, time: float) -> None:
        around = matrix.range
        size = around.width + around.height
        part = time / max(1, math.ceil(time * size / LONGEST))
        self._expansion = Expansion.cheapest(around, part, 1e-16)
        self.length = part / self._expansion.steps
        self._centre = around.centre
        identity = scipy.sparse.identity(matrix.dim, format="csr")
        self._operator = BlockOperator((matrix.array - around.centre * identity).astype(complex))
        self._noise = ROUNDING * EPS * len(self._expansion.coefficients) * phases(matrix.dim)

    def from_(self, pair: NDArray[np.complex128]) -> Stretch:
        """Return the stretch that begins with a vector and a sample of its error.

        Parameters
        ----------
        pair : ndarray, shape (n, 2)
            The two.
        """
        terms, radius = len(self._expansion.coefficients), self._expansion.radius
        vectors = chebyshev_vectors(self._operator, terms, pair, radius)
        # one term alone is that of a multiple of the identity
        return Stretch(vectors, radius if terms > 1 else 0.0, self._centre, self._noise)


class Stretch:
    """A vector, and a sample of its error, at all times of a stretch (`Stretches.from_`).

    Parameters
    ----------
    vectors : ndarray, shape (K, n, 2)
        T_k(H) of the two at the beginning.
    radius, centre, noise
        Of the expansion.

    Examples
    --------
    >>> Stretch(np.ones((1, 1, 2), complex), 1.0, 0j, np.zeros(1)).at(0.0).real.tolist()
    [[1.0, 1.0]]
    """

    def __init__(
        self, vectors: NDArray[np.complex128], radius: float, centre: complex, noise: NDArray[np.complex128]
    ) -> None:
        self._vectors, self._radius, self._centre, self._noise = vectors, radius, centre, noise
        self._phases = np.array([1, -1j])[np.arange(len(vectors)) % 2]

    def _coefficients(self, time: float) -> NDArray[np.complex128]:
        series = bessel_coefficients(self._radius * time, len(self._vectors)) * self._phases
        return np.asarray(series * np.exp(-1j * self._centre * time))

    def squared_norm(self, time: float) -> float:
        """Return the squared norm of the vector at a time.

        Parameters
        ----------
        time : float
            Since the beginning of the stretch.
        """
        vector = self._coefficients(time) @ self._vectors[:, :, 0]
        return float(np.vdot(vector, vector).real)

    def at(self, time: float) -> NDArray[np.complex128]:
        """Return the vector and the sample of its error at a time, with the rounding of all terms.

        Parameters
        ----------
        time : float
            Since the beginning of the stretch.
        """
        series = self._coefficients(time)
        pair = (series @ self._vectors.reshape(len(series), -1)).reshape(-1, 2)
        squares = (np.abs(series) ** 2) @ (np.abs(self._vectors[:, :, 0]) ** 2)
        pair[:, 1] += self._noise * np.sqrt(squares)
        return pair
