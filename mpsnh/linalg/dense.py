"""All eigenvalues of a matrix with their errors, by the dense solver that suits its structure.

The matrix falls into the parts of its graph, which are solved one by one. Of each part that non-normality is removed
which a diagonal similarity can remove, by the imaginary gauge or by LAPACK's balancing. What is Hermitian then goes to
the Hermitian solver, and what is normal to a Schur decomposition; of all others the condition numbers are computed with
the levels. The error of a level is that of rounding, times its condition number. Vectors are checked by residuals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import scipy  # which loads its parts when they are first used
import scipy.sparse
from numpy.typing import NDArray

from mpsnh.linalg.degeneracy import same_levels
from mpsnh.linalg.eigenpairs import TOLERANCE, Eigenpairs, certificate_of
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.parts import Part, Solved
from mpsnh.linalg.polish import polished

Vectors = Literal["none", "right", "both"]
"""Which eigenvectors are wanted."""


def dense_levels(
    matrix: Matrix,
    order: Callable[[NDArray[np.complex128], NDArray[np.float64]], NDArray[np.intp]],
    vectors: Vectors = "none",
    leading: int | None = None,
) -> Eigenpairs:
    """Return all eigenvalues of a matrix, and the vectors of the first ones.

    Parameters
    ----------
    matrix : Matrix
        Any.
    order : callable
        Returns the indices that sort eigenvalues, given these and their errors.
    vectors : "none", "right" or "both"
        Which are wanted; left ones are biorthonormal to right ones of unit norm.
    leading : int, optional
        Of how many levels; of all if not given.

    Returns
    -------
    Eigenpairs
        With the errors of all levels, and with the condition numbers of those that have both vectors. Vectors that do
        not exist are left out, and `missing` says why.

    Examples
    --------
    >>> def order(values, errors):
    ...     return np.argsort(values)
    >>> pairs = dense_levels(Matrix(np.array([[0.0, 4.0], [1.0, 0.0]])), order, "both")
    >>> pairs.values.real.tolist(), pairs.conditions.round(9).tolist(), pairs.certified
    ([-2.0, 2.0], [1.25, 1.25], True)
    >>> jordan = dense_levels(Matrix(np.array([[0.0, 1.0], [0.0, 0.0]])), order, "both")
    >>> jordan.values.tolist(), jordan.conditions.tolist(), jordan.left is None
    ([0j, 0j], [inf, inf], True)
    """
    parts = _parts(matrix, "strong" if vectors == "none" else "weak")
    solved = [part.solved(vectors=vectors != "none", every=leading is None) for part in parts]
    values, errors = np.empty(matrix.dim, complex), np.empty(matrix.dim)
    for part, levels in zip(parts, solved, strict=True):
        values[part.places] = levels.values * part.frame.unit
        errors[part.places] = levels.errors * part.frame.unit
    shown = values
    scale = math.hypot(*(part.frame.norm * part.frame.unit for part in parts)) / math.sqrt(matrix.dim)
    first = errors
    if vectors != "none" and errors.max() > TOLERANCE * scale:
        shown, errors = _improved(matrix, values, errors)
    ranked = order(shown, errors)
    doubtful = ((first > TOLERANCE * scale) & (errors <= TOLERANCE * scale))[ranked]
    pairs = Eigenpairs(shown[ranked], certificate_of(errors, scale), errors=errors[ranked])
    if vectors == "none":
        return pairs
    try:
        same = same_levels(pairs.values, errors[ranked], scale)
        if vectors == "right":
            known = replace(pairs, **_vectors(parts, solved, ranked[:leading], both=False))
            return polished(matrix, known, same, doubtful, scale)
        wanted = np.isin(same, same[:leading])  # a level may have copies in other parts, and be defective there
        details = _vectors(parts, solved, ranked[wanted], both=True)
        worst = np.zeros(matrix.dim)
        np.maximum.at(worst, same[wanted], details["conditions"])
        conditions = worst[same[:leading]]
        right, left = (None if side is None else side[:, :leading] for side in (details["right"], details["left"]))
        known = replace(pairs, right=right, left=left, conditions=conditions, missing=details["missing"])
        return polished(matrix, known, same, doubtful, scale)
    except ArithmeticError as error:
        return replace(pairs, missing=str(error))


def _parts(matrix: Matrix, connection: Literal["strong", "weak"]) -> list[Part]:
    """Split a matrix into the parts of its graph; those of one row are one diagonal part."""
    whole = [Part(matrix, np.arange(matrix.dim))]
    if not matrix.sparse and matrix.array.all():
        return whole
    groups = matrix.graph.strong if connection == "strong" else matrix.graph.weak
    if len(groups) == 1:
        return whole
    parts = [Part(Matrix(matrix.array[group][:, group]), group) for group in groups if len(group) > 1]
    singles = np.sort(np.concatenate([np.empty(0, np.intp), *(group for group in groups if len(group) == 1)]))
    if len(singles):
        diagonal = scipy.sparse.diags(matrix.array.diagonal()[singles]).tocsr()
        parts.append(Part(Matrix(diagonal), singles.astype(np.intp)))
    return parts


def _improved(
    matrix: Matrix, values: NDArray[np.complex128], errors: NDArray[np.float64]
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return more accurate levels, in the same order, if one-way connections are what makes them inaccurate."""
    finer = _parts(matrix, "strong")
    if len(finer) == 1 and finer[0].matrix is matrix:
        return values, errors
    levels = [(part.solved(vectors=False), part.frame.unit) for part in finer]
    better = np.concatenate([one.values * unit for one, unit in levels])
    smaller = np.concatenate([one.errors * unit for one, unit in levels])
    distances = np.abs(values[:, None] - better)
    _, partner = scipy.optimize.linear_sum_assignment(distances)
    return better[partner], smaller[partner]


def _vectors(parts: list[Part], solved: list[Solved], chosen: NDArray[np.intp], *, both: bool) -> dict[str, Any]:
    """Return vectors of some levels and what is known of them, put together from those of the parts."""
    if len(parts) == 1:
        right, left, conditions, problem = parts[0].vectors(solved[0], chosen, both=both)
        left = None if problem else left
        return {"right": right, "left": left, "conditions": conditions, "missing": problem}
    dim = sum(len(part.places) for part in parts)
    owner, local = np.empty(dim, np.intp), np.empty(dim, np.intp)
    for number, part in enumerate(parts):
        owner[part.places], local[part.places] = number, np.arange(len(part.places))
    columns = [np.flatnonzero(owner[chosen] == number) for number in range(len(parts))]
    found = {
        number: parts[number].vectors(solved[number], local[chosen[where]], both=both)
        for number, where in enumerate(columns)
        if len(where)
    }
    kind = np.result_type(*(one.right for one in found.values()))
    right = np.zeros((dim, len(chosen)), kind)
    for number, one in found.items():
        right[np.ix_(parts[number].places, columns[number])] = one.right
    if not both:
        return {"right": right}
    problem = next((one.problem for one in found.values() if one.problem), "")
    left, conditions = None if problem else np.zeros_like(right), np.empty(len(chosen))
    for number, one in found.items():
        conditions[columns[number]] = one.conditions
        if left is not None:
            left[np.ix_(parts[number].places, columns[number])] = one.left
    return {"right": right, "left": left, "conditions": conditions, "missing": problem}
