"""Eigenvectors of dense solvers are looked at once more, and found by inverse iteration where they are none.

One-way connections may make a matrix so far from normal that its eigenvectors are lost, while its eigenvalues are known
from its strongly connected parts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from mpsnh.linalg.eigenpairs import Eigenpairs
from mpsnh.linalg.matrix import Matrix

LARGE = 1e-9
"""Residual ‖(H - E)R‖, relative to the scale of the matrix, up to which a vector counts as an eigenvector."""

DEFECTIVE = 1e-4
"""The same for a degenerate level, which may be defective: then vectors are as far off as roots of rounding."""

BESIDE = 1e-4
"""How far from the level the matrix is inverted, in units of the residual that is allowed."""

SOLVES = 12
"""Steps of inverse iteration, of which a few suffice."""

AGREED = 1e-10
"""How far from 1 the overlap of vectors may be that are the same."""

BLOCK, FEWEST = 2**18, 16
"""Bytes, and columns at least, of the vectors that are looked at at once: larger arrays are new memory each time."""

DENSE = 1000
"""Dimension up to which a matrix is factorised as a dense one."""


def polished(
    matrix: Matrix, pairs: Eigenpairs, same: NDArray[np.intp], doubtful: NDArray[np.bool_], scale: float
) -> Eigenpairs:
    """Return levels whose vectors have small residuals.

    Parameters
    ----------
    matrix : Matrix
        The matrix H.
    pairs : Eigenpairs
        Accurate levels, and vectors of the first ones.
    same : ndarray of int, shape (n,)
        A number for each level, equal for those that are the same.
    doubtful : ndarray of bool, shape (n,)
        Whether a vector may be wrong though its residual is small: its level was badly conditioned where it was found.
    scale : float
        Size of the matrix, in whose units residuals are judged.

    Raises
    ------
    ArithmeticError
        If inverse iteration finds no better vectors, or these of a degenerate level have large residuals.

    Examples
    --------
    >>> matrix = Matrix(np.array([[1.0, 5.0], [0.0, 2.0]]))
    >>> rough = Eigenpairs(np.array([1.0, 2.0]), None, right=np.array([[1.0, 1.0], [0.0, 0.0]]))
    >>> polished(matrix, rough, np.arange(2), np.zeros(2, bool), 5.0).right.real.round(6).tolist()
    [[1.0, 0.980581], [0.0, 0.196116]]
    """
    array, allowed = matrix.array, LARGE * scale
    right, left = _polished(array, pairs.values, pairs.vectors, same, doubtful, allowed), pairs.left
    if left is not None:
        left = _polished(array.conj().T, pairs.values.conj(), left, same, doubtful, allowed)
    if right is pairs.right and left is pairs.left:
        return pairs
    residuals = _residuals(array, pairs.values, right)
    pairs = replace(pairs, residuals=residuals if residuals.max() > allowed else pairs.residuals)
    if left is None:
        return replace(pairs, right=right)
    overlaps = np.einsum("ik,ik->k", left.conj(), right)
    norms = np.linalg.norm(left, axis=0)
    if (np.abs(overlaps) <= np.finfo(float).eps * norms).any():
        raise ArithmeticError("left and right vectors of a level are orthogonal: it is defective within rounding")
    # of the others the conditions are those of their groups
    changed = (right != pairs.vectors).any(axis=0) | (left != pairs.left).any(axis=0)
    conditions = None if pairs.conditions is None else np.where(changed, norms / np.abs(overlaps), pairs.conditions)
    return replace(pairs, right=right, left=left / overlaps.conj(), conditions=conditions)


def _polished(
    array: Any,
    values: NDArray[Any],
    vectors: NDArray[Any],
    same: NDArray[np.intp],
    doubtful: NDArray[np.bool_],
    allowed: float,
) -> NDArray[Any]:
    """Return vectors with small residuals, the same array if they are beyond doubt already."""
    levels = values[: vectors.shape[1]]
    residuals = _residuals(array, values, vectors)
    poor = np.flatnonzero((residuals > allowed) | doubtful[: len(levels)])
    if not len(poor):
        return vectors
    better = vectors.astype(complex)
    for k in poor:
        if np.count_nonzero(same == same[k]) == 1:
            better[:, k] = _inverse_iterated(array, complex(levels[k]), allowed)
        elif residuals[k] > allowed * DEFECTIVE / LARGE:
            raise ArithmeticError(
                f"the vectors of the degenerate level {levels[k]:.6g} are not known: the matrix is too far from normal"
            )
    return better


def _residuals(array: Any, values: NDArray[Any], vectors: NDArray[Any]) -> NDArray[np.float64]:
    columns = max(FEWEST, BLOCK // (16 * len(vectors)))
    squares = []
    for k in range(0, vectors.shape[1], columns):
        some = vectors[:, k : k + columns]
        missed = array @ some - some * values[k : k + some.shape[1]]
        squares.append(np.vecdot(missed.T, missed.T).real / np.vecdot(some.T, some.T).real)
    residuals: NDArray[np.float64] = np.sqrt(np.concatenate([np.empty(0), *squares]))
    return residuals


def _inverse_iterated(array: Any, level: complex, allowed: float) -> NDArray[np.complex128]:
    """Return the eigenvector of a level, which two searches must agree on: a small residual alone does not tell."""
    dim, rng, vectors = array.shape[0], np.random.default_rng(0), []
    for beside in (1 + 1j, -2 + 1j):  # at the level itself the matrix may be singular in every digit
        solve = _inverse(array, level + beside * BESIDE * allowed)
        vector = rng.normal(size=dim) + 0j
        for _ in range(SOLVES):
            before, vector = vector, solve(vector)
            vector = vector / np.linalg.norm(vector)
            if abs(np.vdot(before, vector)) > 1 - AGREED:
                break
        residual = np.linalg.norm(array @ vector - level * vector)
        vectors.append(vector if residual <= allowed else np.full(dim, np.nan))
    if not abs(np.vdot(*vectors)) > 1 - AGREED:
        raise ArithmeticError(f"no eigenvector of the level {level:.6g} is certain: the matrix is too far from normal")
    largest = vectors[0][np.abs(vectors[0]).argmax()]
    return np.asarray(vectors[0] * largest.conj() / abs(largest))


def _inverse(array: Any, shift: complex) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return what solves (H - shift) x = b."""
    dim = array.shape[0]
    if dim > DENSE:
        shifted = scipy.sparse.csc_matrix(array) - shift * scipy.sparse.identity(dim, format="csc")
        try:
            return cast("Callable[[NDArray[Any]], NDArray[Any]]", scipy.sparse.linalg.splu(shifted.tocsc()).solve)
        except RuntimeError as error:
            raise ArithmeticError(f"no eigenvector of the level {shift:.6g} is certain: {error}") from error
    dense = array.toarray() if scipy.sparse.issparse(array) else np.asarray(array)
    factors, pivots, _ = scipy.linalg.lapack.zgetrf(dense - shift * np.eye(dim))
    least = np.finfo(float).eps * np.abs(dense).max()  # a pivot that is less may be anything
    small = np.flatnonzero(np.abs(factors.diagonal()) < least)
    factors[small, small] = least
    return functools.partial(scipy.linalg.lu_solve, (factors, pivots))
