"""Eigenvectors: of a few levels of dense matrices, accurate ones, and right and left ones that belong together."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

EPS = float(np.finfo(float).eps)

BIORTHOGONALITY = 1e-6
"""Largest deviation of ⟨L_m|R_n⟩ from the identity that is accepted."""

PARALLEL = 1e-10
"""Squared sine of the angle below which two right vectors count as the same."""

EXCEPTIONAL = 1e6
"""Smallest condition number of a level that may be merging with another one at an exceptional point."""


def require_small(residuals: NDArray[np.float64], allowed: float) -> None:
    """Raise if eigenvectors are not accurate.

    Parameters
    ----------
    residuals : ndarray, shape (m,)
        Norms of H R - E R.
    allowed : float
        The largest that is accepted.

    Raises
    ------
    ArithmeticError
        If one is larger, or no number.

    Examples
    --------
    >>> require_small(np.array([1e-12, np.nan]), 1e-8)
    Traceback (most recent call last):
    ArithmeticError: the residuals of eigenvectors are up to nan, but they should be below 1e-08
    """
    worst = residuals.max(initial=0.0)
    if not worst <= allowed:
        raise ArithmeticError(
            f"the residuals of eigenvectors are up to {worst:.1g}, but they should be below {allowed:.1g}"
        )


def inverse_iteration(
    dense: NDArray[Any], values: NDArray[np.complex128]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """Return right and left eigenvectors of a few levels of a dense matrix.

    Parameters
    ----------
    dense : ndarray, shape (n, n)
        The matrix.
    values : ndarray of complex, shape (m,)
        Accurate eigenvalues.

    Returns
    -------
    right, left : ndarray, shape (n, m)
        Normalised vectors as columns.
    residuals : ndarray, shape (m,)
        ‖H R - E R‖ of the right ones.

    Examples
    --------
    >>> right, left, residuals = inverse_iteration(np.array([[1.0, 1.0], [0.0, 2.0]]), np.array([2.0 + 0j]))
    >>> np.abs(right[:, 0]).round(6).tolist(), np.abs(left[:, 0]).round(6).tolist(), bool(residuals[0] < 1e-15)
    ([0.707107, 0.707107], [0.0, 1.0], True)
    """
    n, norm = len(dense), np.linalg.norm(dense)
    rng = np.random.default_rng(0)  # a degenerate level needs another start for each of its vectors
    pairs, residuals = [], []
    for value in values:
        shift = value.real if value.imag == 0 and not np.iscomplexobj(dense) else value
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)  # singular it is, but for rounding
            factors = scipy.linalg.lu_factor(dense - shift * np.eye(n), overwrite_a=True, check_finite=False)
        pivots = np.einsum("ii->i", factors[0])
        pivots[np.abs(pivots) < EPS * norm] = EPS * norm
        pair = []
        for adjoint in (0, 2):
            vector = rng.normal(size=n)
            for _ in range(2):
                vector = scipy.linalg.lu_solve(factors, vector, trans=adjoint, check_finite=False)
                vector = vector / np.linalg.norm(vector)
            pair.append(vector)
        pairs.append(pair)
        residuals.append(np.linalg.norm(dense @ pair[0] - value * pair[0]))
    right, left = (np.array(vectors).T for vectors in zip(*pairs, strict=True))
    return right, left, np.array(residuals)


def biorthonormal(values: NDArray[Any], left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """Combine left vectors, within degenerate levels too, so that ⟨L_m|R_n⟩ is the identity.

    Parameters
    ----------
    values : ndarray, shape (m,)
        Eigenvalues.
    left, right : ndarray, shape (n, m)
        Their vectors as columns.

    Returns
    -------
    ndarray, shape (n, m)
        The left vectors.

    Raises
    ------
    ArithmeticError
        If a level is too close to an exceptional point.

    Examples
    --------
    >>> right = np.array([[1.0, 0.6], [0.0, 0.8]])
    >>> left = biorthonormal(np.array([1.0, 2.0]), np.array([[0.8, 0.0], [-0.6, 1.0]]), right)
    >>> np.allclose(left.T @ right, np.eye(2))
    True
    """
    overlaps = left.conj().T @ right
    error, dual = np.inf, left
    with contextlib.suppress(np.linalg.LinAlgError), np.errstate(all="ignore"):
        dual = np.linalg.solve(overlaps.conj(), left.T).T
        error = np.abs(dual.conj().T @ right - np.eye(len(overlaps))).max()
    with np.errstate(over="ignore"):
        condition = np.linalg.norm(dual, axis=0)
    distances = np.abs(values[:, None] - values)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)
    # Rounding moves a level by about eps · |E| · condition. Two levels closer than that have merged if their right
    # vectors have too; if not, they are degenerate, as with a symmetry, and large numbers come from the skin effect.
    moved = 10 * np.finfo(float).eps * np.abs(values).max(initial=1.0) * condition
    parallel = 1 - np.abs(np.sum(right.conj() * right[:, nearest], axis=0)) ** 2 < PARALLEL
    exceptional = (condition > EXCEPTIONAL) & (moved >= distances.min(axis=1)) & parallel
    if not error <= BIORTHOGONALITY or exceptional.any():
        raise ArithmeticError(
            f"a level has condition number {condition.max():.1g} and ⟨L|R⟩ misses the identity by {error:.1g}: "
            "in double precision the matrix is too close to an exceptional point; use vectors='right'"
        )
    return dual
