"""Eigenvectors of normal matrices (unitary or Hermitian), accurate far below the size of their largest elements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.linalg.eigenpairs import Certificate, Eigenpairs

FOLD = 1e-6
"""Levels of the Hermitian part of a unitary matrix that are closer than this may belong to different phases."""

CONVERGED = 1e-8
"""Largest first-order correction of the vectors whose square is below rounding."""

CLOSE = 1e-5
"""Spacing, relative to the largest level, below which rounding errors of a correction may exceed `CONVERGED`."""

DEGENERATE = 1e-8
"""Relative spacing below which corrections would be rounding, and LAPACK's vectors stay."""

TILE = 64
"""Rows and columns of a matrix that are transposed at once."""

NORMAL = 1e-12
"""Largest element beside the diagonal of the Schur form of a normal matrix, relative to the norm."""


def gram(vectors: NDArray[Any]) -> NDArray[Any]:
    """Return the overlaps of vectors with each other, for half of the work of a product of matrices.

    Parameters
    ----------
    vectors : ndarray, shape (n, m)
        As columns, real or complex.

    Returns
    -------
    ndarray, shape (m, m)
        Exactly Hermitian.

    Examples
    --------
    >>> gram(np.array([[1.0, 2.0], [0.0, 1j]])).tolist()
    [[(1+0j), (2+0j)], [(2+0j), (5+0j)]]
    """
    (multiply,) = scipy.linalg.get_blas_funcs(("herk" if np.iscomplexobj(vectors) else "syrk",), (vectors,))
    lower: NDArray[Any] = multiply(1.0, vectors.T).T  # of the conjugate it is the upper triangle, in BLAS's order
    for begin in range(0, len(lower), TILE):
        rows = slice(begin, begin + TILE)
        lower[:begin, rows] = lower[rows, :begin].conj().T
        tile = lower[rows, rows]
        tile += np.tril(tile, -1).conj().T
    return lower


def eigen_unitary(unitary: NDArray[np.complex128], seed: int = 0) -> Eigenpairs:
    """Return the eigenvectors of a unitary matrix, ordered by the phase of the eigenvalue from -π to π.

    They are those of the Hermitian part of e^{-iθ} U for a random θ, which costs a fraction of a Schur decomposition.
    Phases that lie opposite with respect to θ give the same level of the Hermitian part; such clusters get small Schur
    decompositions, and `refined` does the rest.

    Parameters
    ----------
    unitary : ndarray, shape (n, n)
        The matrix.
    seed : int
        Of θ.

    Raises
    ------
    ArithmeticError
        If the vectors do not converge, as when the matrix is not unitary.

    Examples
    --------
    >>> rotation = np.array([[0.6, 0.8], [-0.8, 0.6]])
    >>> np.angle(eigen_unitary(rotation).values).round(6).tolist()
    [-0.927295, 0.927295]
    """
    n = len(unitary)
    hermitian = np.exp(-1j * np.random.default_rng(seed).uniform(0, 2 * np.pi)) * unitary
    hermitian += hermitian.conj().T
    # divide and conquer keeps the vectors of close levels orthogonal
    levels, vectors = scipy.linalg.eigh(hermitian.T, driver="evd", overwrite_a=True, check_finite=False)
    del hermitian
    vectors = np.ascontiguousarray(vectors.conj())  # of the transposed matrix, which needs no copy for LAPACK
    for cluster in np.split(np.arange(n), np.flatnonzero(np.diff(levels) > 2 * FOLD) + 1):
        if len(cluster) > 1:
            few = vectors[:, cluster]
            _, mixing = scipy.linalg.schur(few.conj().T @ (unitary @ few), output="complex")
            vectors[:, cluster] = few @ mixing
    pairs = refined(unitary, vectors)
    order = np.argsort(np.angle(pairs.values))
    return replace(pairs, values=pairs.values[order], right=pairs.vectors[:, order])


def eigen_hermitian(hermitian: NDArray[Any]) -> Eigenpairs:
    """Return the eigenvectors of a Hermitian matrix, ordered by energy.

    Parameters
    ----------
    hermitian : ndarray, shape (n, n)
        Real or complex.

    Returns
    -------
    Eigenpairs
        Its values are complex numbers with imaginary part zero.

    Examples
    --------
    >>> eigen_hermitian(np.array([[0.0, 1.0], [1.0, 0.0]])).values.real.round(6).tolist()
    [-1.0, 1.0]
    """
    _, vectors = scipy.linalg.eigh(hermitian, driver="evd", check_finite=False)
    pairs = refined(hermitian, vectors)
    order = np.argsort(pairs.values.real)
    return replace(pairs, values=pairs.values[order].real.astype(complex), right=pairs.vectors[:, order])


def eigen_normal(matrix: NDArray[Any]) -> Eigenpairs:
    """Return the eigenvectors of a normal matrix by a Schur decomposition, orthonormal also of degenerate levels.

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
        Real or complex. The eigenvalues of a real matrix come in exact conjugate pairs.

    Raises
    ------
    ArithmeticError
        If the matrix is not normal.

    Examples
    --------
    >>> pairs = eigen_normal(np.array([[0.6, 0.8], [-0.8, 0.6]]))
    >>> pairs.values.tolist(), bool(np.allclose(pairs.right.conj().T @ pairs.right, np.eye(2)))
    ([(0.6+0.8j), (0.6-0.8j)], True)
    """
    triangle, vectors = scipy.linalg.schur(matrix, output="complex" if np.iscomplexobj(matrix) else "real")
    values = triangle.diagonal().astype(complex)
    rest = np.triu(triangle, 1)
    first = np.flatnonzero(np.diag(triangle, -1))
    if len(first):
        # blocks [[a, b], [-b, a]] with the levels a ± ib, the upper one at first
        rotations = triangle[first, first + 1]
        values[first] += 1j * np.abs(rotations)
        values[first + 1] = values[first].conj()
        rest[first, first + 1] += triangle[first + 1, first]
        vectors = vectors.astype(complex)
        turned = vectors[:, first + 1] * (1j * np.sign(rotations))
        vectors[:, first + 1] = (vectors[:, first] - turned) / np.sqrt(2)
        vectors[:, first] = (vectors[:, first] + turned) / np.sqrt(2)
    missed = float(np.linalg.norm(rest, axis=0).max(initial=0.0))
    allowed = NORMAL * float(np.linalg.norm(triangle))
    if missed > allowed:
        raise ArithmeticError(f"the Schur form misses a diagonal one by {missed:.1g}: the matrix is not normal")
    return Eigenpairs(values, Certificate(True, f"the Schur form is diagonal to {missed:.1g}"), vectors)


def refined(matrix: NDArray[Any], vectors: NDArray[Any], attempts: int = 4) -> Eigenpairs:
    """Improve nearly exact eigenvectors of a normal matrix to first order, until the next order is below rounding.

    LAPACK's vectors have errors of about 1e-15 over the spacing of the levels in every element. The corrections are
    rotations, the anti-Hermitian part of ⟨m|(A - λ_n)|n⟩ / (λ_n - λ_m). Their errors are in proportion to the elements
    that they are summed from instead, so that for localised eigenvectors small elements become accurate too. Being
    small, they are computed in single precision, which rounds their last digits only. (After T. Ogita and K. Aishima,
    Japan J. Indust. Appl. Math. 35, 1007 (2018), for vectors that are orthonormal.)

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
        Normal.
    vectors : ndarray, shape (n, n)
        Approximate eigenvectors as columns, orthonormal.
    attempts : int
        Largest number of corrections.

    Returns
    -------
    Eigenpairs
        In the order given.

    Raises
    ------
    ArithmeticError
        If the corrections do not become small.

    Examples
    --------
    >>> eigen = refined(np.diag([1.0, 2.0]), np.array([[1.0, 1e-6], [-1e-6, 1.0]]))
    >>> bool(abs(eigen.vectors[0, 1]) < 1e-16)
    True
    """
    single = np.complex64 if np.iscomplexobj(vectors) else np.float32
    for _ in range(attempts):
        residuals = matrix @ vectors
        values = np.einsum("kn,kn->n", vectors.conj(), residuals)
        residuals -= vectors * values
        scale = float(np.abs(values).max()) or 1.0
        residuals /= scale
        levels, rounded = values / scale, vectors.astype(single)
        corrections = rounded.conj().T @ residuals.astype(single)
        distances = np.abs(levels - levels[:, None])
        corrections /= np.where(distances > DEGENERATE, levels - levels[:, None], np.inf)
        corrections -= corrections.conj().T
        corrections /= 2
        distances = np.minimum(distances, CLOSE, out=distances)
        distances *= np.abs(corrections)
        largest = float(distances.max()) / CLOSE
        vectors = vectors + rounded @ corrections
        vectors /= np.linalg.norm(vectors, axis=0)
        if largest <= CONVERGED:
            return Eigenpairs(values, Certificate(True, f"the last corrections were below {largest:.1g}"), vectors)
        vectors, _ = np.linalg.qr(vectors)  # small rotations keep them orthonormal to first order only
    raise ArithmeticError(
        f"the eigenvectors still change by {largest:.1g} after {attempts} corrections: "
        "the matrix is not normal, or its levels are too close"
    )
