"""Bounds on the spectrum and the numerical range of sparse matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import scipy.special

EPS = float(np.finfo(float).eps)


LANCZOS_STEPS = 80
"""Lanczos steps for the bounds of a Hermitian matrix; matrices up to this dimension are diagonalised."""


NARROWEST = 1e-6
"""Half-width of a spectrum, relative to its largest eigenvalue, below which its levels count as one."""

PADDING = 1.05
"""Half-width of the interval of Chebyshev polynomials in units of that of the spectrum."""

SMALL = 64
"""Dimension up to which the ends of a spectrum come from a dense matrix."""

BOUND_FAILURE = 1e-6
"""Probability that an eigenvalue lies outside of the bounds of a Hermitian matrix."""


def hermitian_bounds(matrix: scipy.sparse.csr_matrix, seed: int = 0) -> tuple[float, float]:
    """Return numbers below and above all eigenvalues of a sparse Hermitian matrix.

    The extreme Ritz values of a random start miss the spectrum by more than a fraction ε of its width with
    probability at most 1.648 √n exp(-√ε (2k - 1)) after k steps (Kuczyński & Woźniakowski, SIMAX 13, 1094 (1992)),
    so the interval is widened by the ε for which that is 1e-6.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
        Real or complex, and Hermitian.
    seed : int
        Of the random start.

    Returns
    -------
    tuple of float
        The lower and the upper bound.

    Examples
    --------
    >>> low, high = hermitian_bounds(scipy.sparse.diags(np.linspace(-1, 3, 1000)).tocsr())
    >>> -1.1 < low <= -1, 3 <= high < 3.1
    (True, True)
    """
    dim = matrix.shape[0]
    if dim <= LANCZOS_STEPS:
        values = scipy.linalg.eigvalsh(matrix.toarray())
        return float(values[0]), float(values[-1])
    rng = np.random.default_rng(seed)
    vector = rng.standard_normal(dim)
    if np.iscomplexobj(matrix.data):
        vector = vector + 1j * rng.standard_normal(dim)
    vector = vector / np.linalg.norm(vector)
    previous = np.zeros_like(vector)
    diagonal: list[float] = []
    coupling = [0.0]
    for _ in range(LANCZOS_STEPS):
        image = matrix @ vector - coupling[-1] * previous
        diagonal.append(float(np.vdot(vector, image).real))
        image -= diagonal[-1] * vector
        coupling.append(float(np.linalg.norm(image)))
        if coupling[-1] <= EPS * max(map(abs, (*diagonal, *coupling))):
            break  # the start lies in an invariant subspace, which a random one does only if the rest is degenerate
        previous, vector = vector, image / coupling[-1]
    ritz = scipy.linalg.eigvalsh_tridiagonal(diagonal, coupling[1:-1])
    root = math.log(1.648 * math.sqrt(dim) / BOUND_FAILURE) / (2 * LANCZOS_STEPS - 1)
    margin = root**2 / (1 - 2 * root**2) * (ritz[-1] - ritz[0])
    return float(ritz[0] - margin), float(ritz[-1] + margin)


@dataclass(frozen=True)
class NumericalRange:
    """A rectangle in the complex plane around all ⟨ψ|H|ψ⟩ of normalised vectors.

    Parameters
    ----------
    centre : complex
        Its middle.
    width, height : float
        Half of its extent along the real and the imaginary axis.

    Examples
    --------
    >>> NumericalRange.of(scipy.sparse.csr_matrix([[0, 2.0], [0, 0]]))
    NumericalRange(centre=0j, width=1.0, height=1.0)
    """

    centre: complex
    width: float
    height: float

    def axes(self, radius: float) -> tuple[float, float]:
        """Return the half axes of the smallest ellipse around it that has foci `radius` away from the centre.

        Parameters
        ----------
        radius : float
            Half of the distance between the foci.

        Returns
        -------
        tuple of float
            Along the real and the imaginary axis.
        """
        corner = complex(self.width, self.height)
        # The distances of a point from the foci add up to the longer axis.
        real = max((abs(corner - radius) + abs(corner + radius)) / 2, radius)
        return real, math.sqrt(real - radius) * math.sqrt(real + radius)

    @classmethod
    def of(cls, matrix: scipy.sparse.csr_matrix) -> NumericalRange:
        """Find it from the Hermitian and the anti-Hermitian part of a matrix.

        Parameters
        ----------
        matrix : csr_matrix, shape (n, n)
            Real or complex.
        """
        adjoint = matrix.conj().T.tocsr()
        left, right = hermitian_bounds((matrix + adjoint) / 2)
        difference = matrix - adjoint
        difference.eliminate_zeros()
        bottom, top = hermitian_bounds(difference / 2j) if difference.nnz else (0.0, 0.0)
        if not np.iscomplexobj(matrix.data):
            # that of a real matrix has the real axis in the middle
            top = max(top, -bottom)
            bottom = -top
        return cls(complex((left + right) / 2, (bottom + top) / 2), (right - left) / 2, (top - bottom) / 2)


def spectral_interval(matrix: scipy.sparse.csr_matrix) -> tuple[float, float]:
    """Return centre and half-width of an interval that contains the real parts of all eigenvalues.

    They lie between the extremal eigenvalues of the symmetric part, and the interval is `PADDING` times as wide.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, n)
        Real.

    Examples
    --------
    >>> spectral_interval(scipy.sparse.diags([1.0, 3.0]).tocsr())
    (2.0, 1.05)
    """
    symmetric = (matrix + matrix.T) / 2
    n = matrix.shape[0]
    if not symmetric.count_nonzero():
        ends = np.zeros(2)
    elif n <= SMALL:
        ends = np.linalg.eigvalsh(symmetric.toarray())
    else:
        start = np.random.default_rng(0).standard_normal(n)
        ends = scipy.sparse.linalg.eigsh(symmetric, 2, which="BE", tol=1e-3, v0=start, return_eigenvectors=False)
    low, high = float(ends.min()), float(ends.max())
    half, largest = (high - low) / 2, max(abs(low), abs(high))
    if half <= NARROWEST * largest:
        half = largest or 1.0
    return (low + high) / 2, PADDING * half
