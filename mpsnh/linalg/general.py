"""Eigenvectors of general matrices by LAPACK's geev, without what scipy adds to it, which small matrices feel."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray


def eigen_general(array: NDArray[Any]) -> tuple[NDArray[np.complex128], NDArray[Any], NDArray[Any]]:
    """Return all eigenvalues of a dense matrix, and its left and right eigenvectors.

    Parameters
    ----------
    array : ndarray, shape (n, n)
        Real or complex, and finite.

    Returns
    -------
    values : ndarray of complex, shape (n,)
        Those of a real matrix come in exact conjugate pairs.
    left, right : ndarray, shape (n, n)
        Vectors of unit norm as columns; real if the matrix and all levels are.

    Raises
    ------
    LinAlgError
        If the iteration does not converge.

    Examples
    --------
    >>> values, left, right = eigen_general(np.array([[0.0, 1.0], [-4.0, 0.0]]))
    >>> values.tolist(), np.abs(right[1] / right[0]).round(12).tolist()
    ([2j, -2j], [2.0, 2.0])
    """
    geev, size = _geev(len(array), np.iscomplexobj(array))
    *values, left, right, status = geev(array, lwork=size)
    if status:
        raise np.linalg.LinAlgError(f"the eigenvalues of a matrix of dimension {len(array)} do not converge")
    if len(values) == 1:
        return values[0], left, right
    both = values[0] + 1j * values[1]
    return both, *(_vectors(side, values[1]) for side in (left, right))


@functools.lru_cache(maxsize=64)
def _geev(dim: int, is_complex: bool) -> tuple[Any, int]:
    """Return the routine for matrices of a dimension, and the best size of its workspace."""
    kind = np.complex128 if is_complex else np.float64
    geev, geev_lwork = scipy.linalg.get_lapack_funcs(("geev", "geev_lwork"), dtype=kind)
    return geev, int(geev_lwork(dim)[0].real)


def _vectors(packed: NDArray[np.float64], imaginary: NDArray[np.float64]) -> NDArray[Any]:
    """Return vectors of a real matrix; LAPACK gives the real and the imaginary part of one of each conjugate pair."""
    first = np.flatnonzero(imaginary > 0)
    if not len(first):
        return packed
    vectors = packed.astype(complex)
    vectors.imag[:, first] = packed[:, first + 1]
    vectors[:, first + 1] = vectors[:, first].conj()
    return vectors
