"""Eigenvectors of general matrices, and what goes before: LAPACK's geev and gebal.

They are called without what scipy does besides, which takes as long as a small matrix.
"""

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
        Vectors of unit norm as columns. Those of a real matrix are packed: real and imaginary part of the first of each
        conjugate pair (`unpacked`).

    Raises
    ------
    LinAlgError
        If the iteration does not converge.

    Examples
    --------
    >>> values, left, right = eigen_general(np.array([[0.0, 1.0], [-4.0, 0.0]]))
    >>> first, second = unpacked(right, values).T
    >>> values.round(12).tolist(), bool(np.isclose(first[1], 2j * first[0]))
    ([2j, -2j], True)
    """
    geev, size = _geev(len(array), np.iscomplexobj(array))
    *values, left, right, status = geev(array, lwork=size)
    if status:
        raise np.linalg.LinAlgError(f"the eigenvalues of a matrix of dimension {len(array)} do not converge")
    return values[0] if len(values) == 1 else values[0] + 1j * values[1], left, right


def unpacked(
    vectors: NDArray[Any], values: NDArray[np.complex128], chosen: NDArray[np.intp] | None = None
) -> NDArray[Any]:
    """Return vectors that LAPACK may have packed, which are real if all levels are.

    Parameters
    ----------
    vectors : ndarray, shape (n, m)
        Columns that are vectors, or if they are real the real and the imaginary part of the first of a conjugate pair.
    values : ndarray of complex, shape (m,)
        The levels.
    chosen : ndarray of int, optional
        Which are wanted, in this order; all if not given.

    Examples
    --------
    >>> unpacked(np.eye(2), np.array([1j, -1j])).tolist()
    [[(1+0j), (1-0j)], [1j, -1j]]
    """
    if np.iscomplexobj(vectors) or not values.imag.any():
        return vectors if chosen is None else vectors[:, chosen]
    chosen = np.arange(len(values)) if chosen is None else chosen
    sign = np.sign(values.imag[chosen]).astype(int)
    turning = np.flatnonzero(sign)
    found = np.zeros((len(vectors), len(chosen)), complex, order="F")
    found.real = vectors[:, chosen - (sign < 0)]
    found.imag[:, turning] = sign[turning] * vectors[:, (chosen + (sign > 0))[turning]]
    return found


def overlaps(left: NDArray[Any], right: NDArray[Any], values: NDArray[np.complex128]) -> NDArray[Any]:
    """Return ⟨l|r⟩ of each level.

    Parameters
    ----------
    left, right : ndarray, shape (n, m)
        As for `unpacked`.
    values : ndarray of complex, shape (m,)
        The levels.

    Examples
    --------
    >>> overlaps(np.eye(2), np.eye(2), np.array([1j, -1j])).tolist()
    [(2+0j), (2-0j)]
    """
    products: NDArray[Any] = np.vecdot(left.T, right.T)
    first = np.flatnonzero(values.imag > 0)
    if np.iscomplexobj(products) or not len(first):
        return products
    both: NDArray[np.complex128] = products.astype(complex)
    second = first + 1
    both[first] += products[second]
    crossed = np.vecdot(left[:, first].T, right[:, second].T)
    both[first] += 1j * (crossed - np.vecdot(left[:, second].T, right[:, first].T))
    both[second] = both[first].conj()
    return both


def balanced(array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return D⁻¹ A D with rows and columns of similar size, and the diagonal of D.

    Parameters
    ----------
    array : ndarray, shape (n, n)
        The matrix A, real or complex.

    Returns
    -------
    array : ndarray, shape (n, n)
        D⁻¹ A D.
    scale : ndarray, shape (n,)
        Powers of 2, so that nothing is rounded.

    Examples
    --------
    >>> array, scale = balanced(np.array([[1.0, 1024.0], [0.25, 1.0]]))
    >>> array.tolist(), (scale / scale[1]).tolist()
    ([[1.0, 16.0], [16.0, 1.0]], [64.0, 1.0])
    """
    array, _, _, scale, _ = _gebal(np.iscomplexobj(array))(array, scale=1, permute=0)
    return array, scale


@functools.cache
def _gebal(is_complex: bool) -> Any:
    (gebal,) = scipy.linalg.get_lapack_funcs(("gebal",), dtype=np.complex128 if is_complex else np.float64)
    return gebal


@functools.lru_cache(maxsize=64)
def _geev(dim: int, is_complex: bool) -> tuple[Any, int]:
    """Return the routine for matrices of a dimension, and the best size of its workspace."""
    kind = np.complex128 if is_complex else np.float64
    geev, geev_lwork = scipy.linalg.get_lapack_funcs(("geev", "geev_lwork"), dtype=kind)
    return geev, int(geev_lwork(dim)[0].real)
