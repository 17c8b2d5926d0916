"""Eigenvectors: of a few levels of dense matrices, accurate ones, and right and left ones that belong together."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.linalg.bounds import EPS

BIORTHOGONALITY = 1e-6
"""Largest deviation of ⟨L_m|R_n⟩ from the identity that is accepted."""

PARALLEL = 1e-10
"""Squared sine of the angle below which two right vectors count as the same."""

EXCEPTIONAL = 1e6
"""Smallest condition number of a level that may be merging with another one at an exceptional point."""

ALIKE = 1e-3
"""Smallest singular value of right vectors of one level below which they need not be the whole level."""

DEFECTIVE = 1e-12
"""Smallest singular value of ⟨L|R⟩ of one level below which it is defective."""

RESIDUAL = 1e-10
"""Largest residual of an eigenvector of a level that is not defective, relative to the norm of the matrix."""


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
    dense: NDArray[Any], value: complex, copies: int = 1
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """Return right and left eigenvectors of one level of a dense matrix.

    Parameters
    ----------
    dense : ndarray, shape (n, n)
        The matrix.
    value : complex
        An accurate eigenvalue.
    copies : int
        How often the level occurs.

    Returns
    -------
    right, left : ndarray, shape (n, copies)
        Orthonormal vectors on each side as columns, those that are eigenvectors first.
    residuals : ndarray, shape (copies,)
        The larger of ‖H R - E R‖ and ‖H† L - E* L‖; large from that number on of which there are eigenvectors.

    Examples
    --------
    >>> right, left, residuals = inverse_iteration(np.array([[1.0, 1.0], [0.0, 2.0]]), 2.0)
    >>> np.abs(right[:, 0]).round(6).tolist(), np.abs(left[:, 0]).round(6).tolist(), bool(residuals[0] < 1e-15)
    ([0.707107, 0.707107], [0.0, 1.0], True)
    >>> inverse_iteration(np.array([[0.0, 1.0], [0.0, 0.0]]), 0.0, copies=2)[2].round(6).tolist()
    [0.0, 1.0]
    """
    n, norm = len(dense), np.linalg.norm(dense) or 1.0
    shift = value.real if value.imag == 0 and not np.iscomplexobj(dense) else value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)  # singular it is, but for rounding
        factors = scipy.linalg.lu_factor((dense - shift * np.eye(n)) / norm, overwrite_a=True, check_finite=False)
    pivots = np.einsum("ii->i", factors[0])
    pivots[np.abs(pivots) < EPS] = EPS
    rng = np.random.default_rng(0)
    sides, residuals = [], []
    for adjoint, matrix, level in ((0, dense, value), (2, dense.conj().T, np.conj(value))):
        vectors, best, least = rng.standard_normal((n, copies)), np.empty(0), np.full(copies, np.inf)
        for _ in range(2):
            vectors = scipy.linalg.lu_solve(factors, vectors, trans=adjoint, check_finite=False)
            vectors, _ = np.linalg.qr(vectors / np.linalg.norm(vectors, axis=0))
            missed = np.linalg.norm(matrix @ vectors - level * vectors, axis=0)
            order = np.argsort(missed, kind="stable")
            # at an exceptional point the first step is the better one
            if np.log(missed + EPS * norm).sum() < np.log(least + EPS * norm).sum():
                best, least = vectors[:, order], missed[order]
        sides.append(best)
        residuals.append(least)
    return sides[0], sides[1], np.maximum(*residuals)


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
    moved = 10 * EPS * np.abs(values).max(initial=1.0) * condition
    parallel = 1 - np.abs(np.sum(right.conj() * right[:, nearest], axis=0)) ** 2 < PARALLEL
    exceptional = (condition > EXCEPTIONAL) & (moved >= distances.min(axis=1)) & parallel
    if not error <= BIORTHOGONALITY or exceptional.any():
        raise ArithmeticError(
            f"a level has condition number {condition.max():.1g} and ⟨L|R⟩ misses the identity by {error:.1g}: "
            "in double precision the matrix is too close to an exceptional point; use vectors='right'"
        )
    return dual


def paired(
    dense: NDArray[Any],
    values: NDArray[np.complex128],
    groups: list[NDArray[np.intp]],
    left: NDArray[Any],
    right: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Make right and left vectors of one level biorthonormal, and tell which levels are defective.

    Parameters
    ----------
    dense : ndarray, shape (n, n)
        The matrix.
    values : ndarray, shape (m,)
        Eigenvalues.
    groups : list of ndarray
        Levels that are the same within their errors.
    left, right : ndarray, shape (n, m)
        Vectors of unit norm as columns.

    Returns
    -------
    left, right : ndarray, shape (n, m)
        ⟨l|r⟩ is 1, and 0 between vectors of the same level. Levels that differ are orthogonal as far as the vectors
        are accurate.
    defective : ndarray of bool, shape (m,)
        Levels with fewer eigenvectors than copies, within rounding. Their left vectors mean nothing.

    Examples
    --------
    >>> right, left = np.array([[1.0, 0.6], [0.0, 0.8]]), np.array([[0.8, 0.0], [-0.6, 1.0]])
    >>> left, *_ = paired(np.array([[1.0, 0.75], [0.0, 2.0]]), np.array([1.0, 2.0]), [], left, right)
    >>> np.allclose(left.T @ right, np.eye(2))
    True
    """
    norm, defective = float(np.linalg.norm(dense)), np.zeros(len(values), bool)
    overlaps = np.einsum("ij,ij->j", left.conj(), right)
    for group in groups:
        overlaps[group] = 1.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        left, right = left / overlaps.conj(), right.copy()
    for group in groups:
        one, other = (np.linalg.svd(side[:, group], full_matrices=False) for side in (right, left))
        if not min(one.S[-1], other.S[-1]) > ALIKE:  # vectors of a level may be nearly parallel though there are others
            first, second, residuals = inverse_iteration(dense, complex(values[group].mean()), len(group))
            if residuals.max() > RESIDUAL * norm:
                defective[group] = True
                continue
        else:
            first, second = one.U, other.U
        overlap = second.conj().T @ first
        if np.linalg.svd(overlap, compute_uv=False)[-1] < DEFECTIVE:
            defective[group] = True
            continue
        second = np.linalg.solve(overlap.conj(), second.T).T
        if np.iscomplexobj(first) and not np.iscomplexobj(right):
            left, right = left.astype(complex), right.astype(complex)
        right[:, group], left[:, group] = first, second
    defective |= ~np.isfinite(left).all(axis=0)
    return left, right, defective


def projector_norms(left: NDArray[Any], right: NDArray[Any], groups: list[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Return the condition numbers of levels, the norms of the projectors on their eigenvectors.

    Parameters
    ----------
    left, right : ndarray, shape (n, m)
        Biorthonormal vectors as columns.
    groups : list of ndarray
        Levels that are the same.

    Examples
    --------
    A level that occurs twice, in a skewed basis:

    >>> right = np.array([[1.0, 0.8], [0.0, 0.6]])
    >>> projector_norms(np.linalg.inv(right).T, right, [np.array([0, 1])]).round(9).tolist()
    [1.0, 1.0]
    """
    with np.errstate(over="ignore"):
        norms: NDArray[np.float64] = _norms(left) * _norms(right)
    for group in groups:
        if np.isfinite(norms[group]).all():
            one, other = (np.linalg.qr(side[:, group])[1] for side in (left, right))
            norms[group] = np.linalg.norm(other @ one.conj().T, 2)
    return np.maximum(norms, 1.0)


def _norms(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Return the norms of columns."""
    return np.asarray(np.linalg.norm(vectors, axis=0))
