"""Eigenvalues with their condition numbers, by LAPACK's steps: Hessenberg, Schur and triangular eigenvectors."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.spatial
from numba.extending import get_cython_function_address
from numpy.typing import NDArray

from mpsnh.linalg.bounds import EPS
from mpsnh.linalg.general import overlaps

SAMPLED_FROM = 2500
"""Dimension from which condition numbers are those of a sample of levels: triangular solves would take a quarter."""

SAMPLE = 32
"""Levels in the sample that are spread evenly, and as many that are closest to others."""

UNSAMPLED = 10.0
"""How much larger than the largest of a sample a condition number outside of it is taken to be."""


def schur_values(array: NDArray[Any]) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return all eigenvalues of a dense matrix, and the condition number 1/|⟨l|r⟩| of each.

    The vectors are those of the triangular matrix, which are not turned back. That costs a fifth more than the
    eigenvalues alone.

    Parameters
    ----------
    array : ndarray, shape (n, n)
        Real or complex, and balanced: the condition numbers are those of this matrix.

    Returns
    -------
    values : ndarray of complex, shape (n,)
        Those of a real matrix come in exact conjugate pairs.
    conditions : ndarray, shape (n,)
        Infinite for a level without a left vector that overlaps with its right one. From `SAMPLED_FROM` on they are
        those of a sample, and upper ones for all others.

    Raises
    ------
    ArithmeticError
        If the iteration does not converge.

    Examples
    --------
    >>> values, conditions = schur_values(np.array([[1.0, 1.0], [0.0, 2.0]]))
    >>> values.real.tolist(), conditions.round(6).tolist()
    ([1.0, 2.0], [1.414214, 1.414214])
    """
    n = len(array)
    kind = np.complex128 if np.iscomplexobj(array) else np.float64
    gebal, gehrd, gehrd_lwork = scipy.linalg.get_lapack_funcs(("gebal", "gehrd", "gehrd_lwork"), dtype=kind)
    permuted, low, high, _, _ = gebal(array, scale=0, permute=1)
    size = max(int(gehrd_lwork(n, low, high)[0].real), n)
    reduced, _, _ = gehrd(permuted, low, high, lwork=size, overwrite_a=1)
    triangle = np.asfortranarray(np.triu(reduced, -1))
    values = _quasi_triangular(triangle, low, high)
    if n < SAMPLED_FROM:
        return values, _conditions(triangle, values)
    chosen, gaps = _sample(values)
    known = _conditions(triangle, values, chosen)
    # Two levels at a distance g have condition numbers up to ‖H‖/g, but LAPACK moves them by about g at most.
    norm = float(np.linalg.norm(triangle))
    with np.errstate(divide="ignore"):
        conditions = UNSAMPLED * np.median(known) + np.minimum(norm / gaps, gaps / (EPS * norm))
    conditions[chosen] = known
    return values, conditions


def _quasi_triangular(matrix: NDArray[Any], low: int, high: int) -> NDArray[np.complex128]:
    """Turn a Hessenberg matrix into its (real) Schur form, in place, and return the eigenvalues."""
    n, complex_one = len(matrix), np.iscomplexobj(matrix)
    parts = np.empty((1 if complex_one else 2, n), matrix.dtype)
    work, status = np.empty(max(11 * n, 1), matrix.dtype), np.zeros(1, np.int32)
    none = np.empty(1, matrix.dtype)
    arguments = (b"S", b"N", n, low + 1, high + 1, matrix, n, *parts, none, 1, work, len(work), status)
    _call(f"{'z' if complex_one else 'd'}hseqr", *arguments)
    if status[0]:
        raise ArithmeticError(f"the eigenvalues of a matrix of dimension {n} do not converge")
    return np.asarray(parts[0] if complex_one else parts[0] + 1j * parts[1])


def _conditions(
    triangle: NDArray[Any], values: NDArray[np.complex128], chosen: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """Return 1/|⟨l|r⟩| of all levels of a Schur form, or of some, from its own eigenvectors."""
    n, complex_one = len(triangle), np.iscomplexobj(triangle)
    select = np.zeros(n, np.int32)
    if chosen is not None:
        select[chosen] = 1
    columns = n if chosen is None else len(chosen)
    left, right = (np.empty((n, columns), triangle.dtype, order="F") for _ in range(2))
    work, status, number = np.empty(3 * n, triangle.dtype), np.zeros(1, np.int32), np.zeros(1, np.int32)
    rest = (work, np.empty(n)) if complex_one else (work,)
    sides = (b"B", b"A" if chosen is None else b"S", select)
    _call(
        f"{'z' if complex_one else 'd'}trevc",
        *(*sides, n, triangle, n, left, n, right, n, columns, number, *rest, status),
    )
    levels = values if chosen is None else values[chosen]
    norms, overlap = [np.vecdot(side.T, side.T).real for side in (left, right)], overlaps(left, right, levels)
    if not complex_one:  # the two columns of a conjugate pair are the real and imaginary part of one vector
        first = np.flatnonzero(levels.imag > 0)
        for norm in norms:
            norm[first] += norm[first + 1]
            norm[first + 1] = norm[first]
    with np.errstate(divide="ignore", invalid="ignore"):
        conditions = np.sqrt(norms[0]) * np.sqrt(norms[1]) / np.abs(overlap)
    return np.where(np.isfinite(conditions), conditions, np.inf).clip(min=1.0)


def _sample(values: NDArray[np.complex128]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return levels spread evenly and those closest to others, of conjugate pairs both, and all distances to others."""
    n = len(values)
    points = np.stack([values.real, values.imag], axis=1)
    gaps = scipy.spatial.cKDTree(points).query(points, k=2)[0][:, 1]
    ordered = np.lexsort((values.imag, values.real))
    chosen = np.concatenate([ordered[np.linspace(0, n - 1, SAMPLE).astype(int)], np.argsort(gaps)[:SAMPLE]])
    partners = chosen + np.sign(values[chosen].imag).astype(int)
    return np.unique(np.concatenate([chosen, partners])), gaps


@functools.cache
def _routine(name: str, count: int) -> Callable[..., None]:
    """Return a routine of LAPACK that takes so many pointers."""
    address = get_cython_function_address("scipy.linalg.cython_lapack", name)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * count)(address)


def _call(name: str, *arguments: Any) -> None:
    """Call a routine of LAPACK with the arguments of its Fortran interface."""
    kept = [
        one.ctypes.data
        if isinstance(one, np.ndarray)
        else ctypes.c_char_p(one)
        if isinstance(one, bytes)
        else ctypes.byref(ctypes.c_int(one))
        for one in arguments
    ]
    _routine(name, len(arguments))(
        *(ctypes.cast(one, ctypes.c_void_p) if not isinstance(one, int) else one for one in kept)
    )
