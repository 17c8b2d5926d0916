"""Linear algebra of many small matrices at once, on whatever device their arrays are.

All functions take the array module (`numpy` or `cupy`) first. Matrices of a batch have one shape: what is beyond the
size of a matrix is zero, and stays zero. Of what a processor does with one matrix after the other, such as QR and
singular value decompositions, a GPU makes little; here nearly all work is products of matrices, one call for all.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require

Array = Any
"""A numpy or cupy array."""

Sizes = NDArray[np.int64]

CLOSE = 1e-7
"""Distance of Q†Q from 1 whose square is rounding."""

HALVED = 192
"""Size from which the inverse of a triangle is made of those of its halves."""

FAR = 0.3
"""Distance from which on Q is not corrected but made anew."""


def cuda() -> Any:
    """Return the array module `cupy`, if there is a GPU that it can use.

    Raises
    ------
    ValueError
        If there is none, or no cupy.

    Examples
    --------
    >>> cuda().zeros(2)  # doctest: +SKIP
    array([0., 0.])
    """
    try:
        import cupy
    except ImportError as error:
        raise ValueError(
            'device = "cuda" needs CuPy: pip install cupy-cuda13x, or cupy-cuda12x, as the driver is; '
            'device = "cpu" needs neither'
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise ValueError(f'device = "cuda", but CuPy can use no GPU ({error}); use device = "cpu"') from error
    require(count > 0, "device", "cuda", '"cpu", as CUDA finds no GPU')
    return cupy


def host(array: Array) -> NDArray[Any]:
    """Return an array as one of numpy.

    Parameters
    ----------
    array : ndarray
        Of numpy or cupy.

    Examples
    --------
    >>> host(np.ones(2)).tolist()
    [1.0, 1.0]
    """
    fetched: NDArray[Any] = array.get() if hasattr(array, "get") else array
    return fetched


def room(sizes: Sizes) -> int:
    """Return what all of a batch have room for: the largest size, or a little more, which can be halved twice.

    Parameters
    ----------
    sizes : ndarray of int
        Those of the matrices.

    Examples
    --------
    >>> room(np.array([1, 3]))
    4
    """
    return -(-int(sizes.max()) // 4) * 4


def adjoint(x: Array) -> Array:
    """Return the adjoint of each matrix.

    Parameters
    ----------
    x : ndarray, shape (n, p, m)
        The matrices.

    Examples
    --------
    >>> adjoint(np.array([[[1j, 2]]])).tolist()
    [[[-1j], [(2-0j)]]]
    """
    return x.swapaxes(1, 2).conj()


def squared_norm(xp: Any, x: Array) -> Array:
    """Return Σ |x_i|² of all elements, summed in double precision, as an array of no dimension.

    Parameters
    ----------
    xp : module
        numpy or cupy.
    x : ndarray of complex
        In one piece.

    Examples
    --------
    >>> float(squared_norm(np, np.array([3, 4j])))
    25.0
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return xp.square(x.reshape(-1).view(x.real.dtype)).sum(dtype=np.float64)


def orthonormal(xp: Any, z: Array, sizes: Sizes, rows: NDArray[np.bool_]) -> Array:
    """Return orthonormal columns that span those of each matrix, in double precision.

    By Cholesky decomposition of the Gram matrix of the columns and a Newton step. That is as accurate as QR where
    columns, of whatever lengths, are not nearly parallel to others. It is measured, and what is not accurate is made
    anew by QR.

    Parameters
    ----------
    xp : module
        numpy or cupy.
    z : ndarray of complex, shape (n, p, m)
        The matrices.
    sizes : ndarray of int, shape (n,)
        How many columns of each matrix count; the others are zero, there and in the result.
    rows : ndarray of bool, shape (n, p)
        Which rows are not zero for lack of size. There are no fewer than columns that count.

    Examples
    --------
    >>> z = np.array([[[3.0, 1.0], [0.0, 2.0]], [[0.0, 0.0], [5.0, 0.0]]], dtype=complex)
    >>> orthonormal(np, z, np.array([2, 1]), np.array([[True, True], [False, True]])).real.round(9) + 0.0
    array([[[1., 0.],
            [0., 1.]],
    <BLANKLINE>
           [[0., 0.],
            [1., 0.]]])
    """
    there = _there(xp, sizes.tobytes(), z.shape[2])
    wide = z.astype(np.complex128, copy=False)
    gram = adjoint(wide) @ wide
    diagonal(gram)[...] += 1 - there
    try:
        triangle = xp.linalg.cholesky(gram)  # whose errors do not depend on the lengths of columns
    except np.linalg.LinAlgError:  # cupy goes on without a word
        return _decomposed(xp, wide, sizes, rows)
    q = wide @ adjoint(inverse(xp, triangle))
    for _ in range(4):
        error = adjoint(q) @ q
        diagonal(error)[...] -= there
        defect = float(xp.abs(error).max())
        if not defect < FAR:
            break
        error *= -0.5
        diagonal(error)[...] += 1
        q = q @ error
        if defect < CLOSE:
            return q
    return _decomposed(xp, wide, sizes, rows)


@functools.lru_cache(maxsize=1024)
def _there(xp: Any, sizes: bytes, width: int) -> Array:
    """Return ones for the columns that count, and zeros: an array that would be sent to the device for each gate."""
    return xp.asarray((np.arange(width) < np.frombuffer(sizes, np.int64)[:, None]).astype(float))


def diagonal(x: Array) -> Array:
    """Return the diagonals of square matrices, as a view.

    Parameters
    ----------
    x : ndarray, shape (n, m, m)
        In one piece.

    Examples
    --------
    >>> diagonal(np.arange(4).reshape(1, 2, 2)).tolist()
    [[0, 3]]
    """
    return x.reshape(len(x), -1)[:, :: x.shape[2] + 1]


def eigenvectors(xp: Any, matrices: Array, places: Sequence[NDArray[np.intp]]) -> list[tuple[Array, Array]]:
    """Return eigenvalues, in increasing order, and eigenvectors of parts of Hermitian matrices.

    Parameters
    ----------
    xp : module
        numpy or cupy.
    matrices : ndarray, shape (n, m, m)
        The matrices.
    places : sequence of ndarray of int
        Which rows and columns the part of each matrix has.

    Examples
    --------
    >>> [(values, vectors)] = eigenvectors(np, np.diag([3.0, 5.0])[None], [np.array([1])])
    >>> values.tolist(), vectors.tolist()
    ([5.0], [[1.0]])
    """
    parts = [m[place[:, None], place] for m, place in zip(matrices, map(xp.asarray, places), strict=True)]
    pairs = []
    for part, stream in zip(parts, _streams(xp, len(parts)), strict=True):
        with stream:
            pairs.append(xp.linalg.eigh(part))
    return pairs


@functools.lru_cache(maxsize=64)
def _streams(xp: Any, number: int) -> list[Any]:
    """Return what work goes on in at the same time; what follows, in the default stream, waits for all of it."""
    return [xp.cuda.Stream() if hasattr(xp, "cuda") else contextlib.nullcontext() for _ in range(number)]


def inverse(xp: Any, triangle: Array) -> Array:
    """Return the inverses of lower triangular matrices, by products only.

    With T = (1 - N) D and N strictly triangular, T⁻¹ = D⁻¹ (1 + N)(1 + N²)(1 + N⁴)…, which ends.

    Parameters
    ----------
    xp : module
        numpy or cupy.
    triangle : ndarray, shape (n, m, m)
        The matrices.

    Examples
    --------
    >>> inverse(np, np.array([[[2.0, 0.0], [1.0, 1.0]]]))[0, 1].tolist()
    [-0.5, 1.0]
    """
    n, m = triangle.shape[:2]
    if m >= HALVED and m % 2 == 0:
        h = m // 2
        halves = inverse(xp, xp.concatenate([triangle[:, :h, :h], triangle[:, h:, h:]]))
        result = xp.zeros_like(triangle)
        result[:, :h, :h], result[:, h:, h:] = halves[:n], halves[n:]
        result[:, h:, :h] = -(halves[n:] @ (xp.ascontiguousarray(triangle[:, h:, :h]) @ halves[:n]))
        return result
    scale = diagonal(triangle).copy()
    power = triangle / -scale[:, None, :]
    diagonal(power)[...] = 0
    result, reach = power.copy(), 2
    diagonal(result)[...] = 1
    while reach < m:
        power = power @ power
        result += result @ power
        reach *= 2
    result /= scale[:, :, None]
    return result


def _decomposed(xp: Any, z: Array, sizes: Sizes, rows: NDArray[np.bool_]) -> Array:
    """Do what `orthonormal` does by QR, on the host and block by block."""
    columns = host(z)
    q = np.zeros_like(columns)
    for target, block, size, kept in zip(q, columns, sizes, rows, strict=True):
        target[kept, :size] = np.linalg.qr(block[kept, :size])[0]
    return xp.asarray(q)
