"""Linear algebra of many small matrices at once, on whatever device their arrays are.

All functions take the array module (`numpy` or `cupy`) first. Matrices of a batch have one shape: what is beyond the
size of a matrix is zero, and stays zero. Of what a processor does with one matrix after the other, such as QR and
singular value decompositions, a GPU makes little; here nearly all work is products of matrices, one call for all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require

Array = Any
"""A numpy or cupy array."""

Sizes = NDArray[np.int64]

CLOSE = 1e-7
"""Distance of Q†Q from 1 whose square is rounding."""

FAR = 0.3
"""Distance from which on Q is not corrected but made anew."""


def cuda() -> Any:
    """Return the array module `cupy`, if there is a GPU that it can use.

    Raises
    ------
    ValueError
        If there is none, or no cupy.
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
    return xp.square(x.reshape(-1).view(x.real.dtype)).sum(dtype=np.float64)


def orthonormal(xp: Any, z: Array, sizes: Sizes, rows: NDArray[np.bool_]) -> Array:
    """Return orthonormal columns that span those of each matrix, in double precision.

    By Cholesky decomposition of the Gram matrix of the columns, scaled to unit length, and a Newton step. That is as
    accurate as QR where columns, so scaled, are not nearly dependent. It is measured, and what is not accurate is made
    anew by QR.

    Parameters
    ----------
    xp : module
        numpy or cupy.
    z : ndarray of complex, shape (n, p, m)
        The matrices.
    sizes : ndarray of int, shape (n,)
        How many columns of each matrix count; the others are zero in the result.
    rows : ndarray of bool, shape (n, p)
        Which rows are not zero for lack of size. There are no fewer than columns that count.

    Examples
    --------
    >>> z = np.array([[[3.0, 1.0], [0.0, 2.0]], [[0.0, 0.0], [5.0, 0.0]]], dtype=complex)
    >>> orthonormal(np, z, np.array([2, 1]), np.array([[True, True], [False, True]])).real.round(12).tolist()
    [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, 0.0]]]
    """
    there = xp.asarray((np.arange(z.shape[2]) < sizes[:, None]).astype(float))
    wide, eye = z * there[:, None, :], xp.eye(z.shape[2])
    one = there[:, :, None] * eye
    gram = adjoint(wide) @ wide
    squares = xp.einsum("nii->ni", gram).real
    empty = squares == 0
    scale = (1 - empty) / xp.sqrt(squares + empty)
    scaled = gram * scale[:, :, None] * scale[:, None, :] + empty[:, :, None] * eye
    try:
        triangle = xp.linalg.cholesky(scaled)
    except np.linalg.LinAlgError:  # cupy goes on without a word
        return _decomposed(xp, wide, sizes, rows)
    q = (wide * scale[:, None, :]) @ adjoint(inverse(xp, triangle))
    for _ in range(4):
        error = adjoint(q) @ q - one
        defect = float(xp.abs(error).max(initial=0.0))
        if not defect < FAR:
            break
        q = q - q @ error / 2
        if defect < CLOSE:
            return q
    return _decomposed(xp, wide, sizes, rows)


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
    >>> inverse(np, np.array([[[2.0, 0.0], [1.0, 1.0]]])).tolist()
    [[[0.5, 0.0], [-0.5, 1.0]]]
    """
    m = triangle.shape[1]
    diagonal = xp.einsum("nii->ni", triangle)
    power = xp.eye(m) - triangle / diagonal[:, None, :]
    result, reach = xp.eye(m) + power, 2
    while reach < m:
        power = power @ power
        result = result + result @ power
        reach *= 2
    return result / diagonal[:, :, None]


def _decomposed(xp: Any, z: Array, sizes: Sizes, rows: NDArray[np.bool_]) -> Array:
    """Do what `orthonormal` does by QR, on the host and block by block."""
    columns = host(z)
    q = np.zeros_like(columns)
    for target, block, size, kept in zip(q, columns, sizes, rows, strict=True):
        target[kept, :size] = np.linalg.qr(block[kept, :size])[0]
    return xp.asarray(q)
