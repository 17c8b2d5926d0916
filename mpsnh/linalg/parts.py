"""A part of a matrix, solved densely in the frame that suits it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy  # which loads its parts when they are first used
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.linalg.bounds import EPS
from mpsnh.linalg.degeneracy import degenerate_groups, same_levels
from mpsnh.linalg.eigenvectors import BIORTHOGONALITY, inverse_iteration, paired, projector_norms
from mpsnh.linalg.gauge import turned_back
from mpsnh.linalg.general import balanced, eigen_general, overlaps, unpacked
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.normal import eigen_normal, refined
from mpsnh.linalg.schur import schur_values

HUGE = 1e50
"""Elements that are larger than this, or smaller than its inverse, are in another unit."""

ROUNDING = 16.0 * EPS
"""Error that LAPACK leaves in a level of condition number 1, relative to the Frobenius norm of the matrix."""

RANGE = 8.0
"""Range of log D from which eigenvectors in the gauge are refined, so that their small elements are accurate too."""

AGREEMENT = 0.01
"""Largest difference of condition numbers before and after that with which the small elements count as accurate."""

LARGE = 1e3
"""Smallest condition number of levels that may be merging at an exceptional point."""

MERGING = 0.1
"""Largest error of a level, relative to the distance to the next one, at which its condition number is right."""

ACCURATE = 1e-8
"""Largest residual of an eigenvector, relative to the norm of the matrix, that is accepted."""


class Solved(NamedTuple):
    """Levels of a part with their errors; vectors of unit norm in its frame as columns, if they come at once.

    Those of both sides are packed as LAPACK gives them.

    Examples
    --------
    >>> Solved(np.array([1.0 + 0j]), np.array([1e-16])).right is None
    True
    """

    values: NDArray[np.complex128]
    errors: NDArray[np.float64]
    right: NDArray[Any] | None = None
    left: NDArray[Any] | None = None


class Frame(NamedTuple):
    """A matrix D⁻¹ H D in some unit, log D if that is not 0, its norm and the relative error that rounding leaves.

    Examples
    --------
    >>> Frame(np.eye(1), None, 1.0, 1.0, 1e-15).unit
    1.0
    """

    array: NDArray[Any]
    logs: NDArray[np.float64] | None
    unit: float
    norm: float
    rounding: float


class Paired(NamedTuple):
    """Right vectors of some levels; left ones, condition numbers and what is wrong with the vectors, if asked for.

    Examples
    --------
    >>> Paired(np.eye(1), np.eye(1), np.ones(1)).problem
    ''
    """

    right: NDArray[Any]
    left: NDArray[Any] | None = None
    conditions: NDArray[np.float64] | None = None
    problem: str = ""


@dataclass
class Part:
    """Some rows and columns of a matrix, which are solved in the frame D⁻¹ H D.

    Parameters
    ----------
    matrix : Matrix
        These rows and columns.
    places : ndarray of int
        Which they are.

    Examples
    --------
    >>> part = Part(Matrix(np.array([[0.0, 4.0], [1.0, 0.0]])), np.arange(2))
    >>> part.kind, part.solved(vectors=False).values.real.round(12).tolist()
    ('hermitian', [-2.0, 2.0])
    """

    matrix: Matrix
    places: NDArray[np.intp]

    @cached_property
    def kind(self) -> Literal["hermitian", "normal", "general"]:
        """Which solver it goes to."""
        gauge = self.matrix.gauge
        if self.matrix.hermitian or (gauge is not None and gauge.hermitian):
            return "hermitian"
        return "normal" if gauge is None and self.matrix.normal else "general"

    @cached_property
    def frame(self) -> Frame:
        """D⁻¹ H D: the imaginary gauge, or else LAPACK's balancing."""
        gauge, inside, logs, mismatch = self.matrix.gauge, self.matrix, np.zeros(0), 0.0
        if gauge is not None:
            array, logs, mismatch = gauge.array.toarray(), gauge.logs, gauge.mismatch
            inside = Matrix(array)
        elif self.kind == "general":
            array, scale = balanced(self.matrix.dense)
            if (scale != 1).any():
                inside, logs = Matrix(array), np.log(scale)
        else:
            array = self.matrix.dense
        unit = 1.0
        if inside.largest and not 1 / HUGE < inside.largest < HUGE:  # LAPACK loses levels of such matrices
            unit = 2.0 ** int(np.log2(inside.largest))
            inside = Matrix(array / unit)
            array = inside.array
        return Frame(array, logs if logs.any() else None, unit, inside.norm, ROUNDING + mismatch)

    def _errors(self, conditions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far rounding moves levels, which is no more than any matrix allows.

        (L. Elsner, Linear Algebra Appl. 71, 77 (1985): an error ε of a matrix of norm N moves levels by up to
        (2N)^(1-1/n) ε^(1/n).)
        """
        exponent, (*_, norm, rounding) = 1 / len(conditions), self.frame
        return np.asarray(norm * np.minimum(rounding * conditions, 2 ** (1 - exponent) * rounding**exponent))

    def solved(self, *, vectors: bool, every: bool = True) -> Solved:
        """Return all levels in the unit of the frame, and their vectors where these come at once.

        Parameters
        ----------
        vectors : bool
            Whether vectors are wanted.
        every : bool
            Whether those of all levels are; a few come later in `vectors`.
        """
        array = self.frame.array
        errors = np.full(len(array), self.frame.rounding * self.frame.norm)
        if self.kind == "general":
            if not (vectors and every):
                values, conditions = schur_values(array)
                return Solved(values, self._errors(conditions))
            values, left, right = eigen_general(array)
            with np.errstate(divide="ignore"):
                conditions = 1 / np.abs(overlaps(left, right, values))
            return Solved(values, self._errors(conditions), right, left)
        if self.kind == "normal":
            try:
                pairs = eigen_normal(array)
            except ArithmeticError:  # commutators vanish to second order in what the matrix lacks to be normal
                self.kind = "general"
                del self.frame
                return self.solved(vectors=vectors, every=every)
            return Solved(pairs.values, errors, pairs.vectors)
        if not vectors:
            return Solved(scipy.linalg.eigvalsh(array, check_finite=False).astype(complex), errors)
        # divide and conquer keeps the vectors of close levels orthogonal
        values, right = scipy.linalg.eigh(array, driver="evd", check_finite=False)
        return Solved(values.astype(complex), errors, right)

    def vectors(self, solved: Solved, chosen: NDArray[np.intp], *, both: bool) -> Paired:
        """Return vectors of some levels in the frame of the whole matrix.

        Parameters
        ----------
        solved : Solved
            All levels.
        chosen : ndarray of int
            Some of them.
        both : bool
            Whether left vectors must be orthogonal to right ones of other levels, too.
        """
        labels, wanted = self._same(solved), chosen
        sided = both or len(degenerate_groups(labels)) > 0
        if sided or self.kind != "general":
            wanted = np.flatnonzero(np.isin(labels, labels[chosen]))  # of degenerate levels all
        labels, values = labels[wanted], solved.values[wanted]
        groups = degenerate_groups(labels)
        array, logs, unit, *_ = self.frame
        defective, problem = np.zeros(len(wanted), bool), ""
        left, right = self._unpaired(solved, wanted, labels, both=sided)
        if self.kind == "general" and sided:
            left, right, defective = paired(array, values, groups, left, right)
            if both and not defective.any():
                left, problem = _biorthonormal(left, right)
        if logs is not None:
            if self.kind == "hermitian" and np.ptp(logs) > RANGE:
                right, defective = _refined(array, right, logs)
                left = right
            left, right = turned_back(left, right, logs)
        here = slice(None) if wanted is chosen else np.searchsorted(wanted, chosen)
        if both:
            conditions = self._conditions(solved, wanted, projector_norms(left, right, groups), defective)
            problem, conditions, left = _exceptional(conditions) or problem, conditions[here], left[:, here]
        right = right[:, here]
        if logs is not None or solved.right is None:
            product = self.matrix.array / unit @ right - right * solved.values[chosen]
            worst, allowed = float(np.linalg.norm(product, axis=0).max()), ACCURATE * self.matrix.norm / unit
            if not worst <= allowed:
                raise ArithmeticError(
                    f"the residuals of eigenvectors are up to {worst * unit:.1g}, but they should be below "
                    f"{allowed * unit:.1g}"
                )
        return Paired(right, left, conditions, problem) if both else Paired(right)

    def _same(self, solved: Solved) -> NDArray[np.intp]:
        """Return a number for each level, equal for those that are the same within their errors."""
        return same_levels(solved.values, solved.errors, self.frame.norm / np.sqrt(len(solved.values)))

    def _conditions(
        self, solved: Solved, wanted: NDArray[np.intp], norms: NDArray[np.float64], defective: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the norms of projectors, infinite for levels that are defective or may be."""
        if self.kind == "general" and (norms > LARGE).any():
            defective = defective | (norms > LARGE) & self._merging(solved, wanted)
        return np.where(defective, np.inf, norms)

    def _merging(self, solved: Solved, wanted: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Tell which levels have errors that are no longer small compared to the distance to the next level.

        The condition number of a level near an exceptional point is wrong by that fraction.
        """
        labels = self._same(solved)
        firsts = np.sort(np.unique(labels, return_index=True)[1])
        points = np.stack([solved.values.real, solved.values.imag], axis=1)
        distances, _ = scipy.spatial.cKDTree(points[firsts]).query(points[wanted], k=2)
        return np.asarray(solved.errors[wanted] > MERGING * distances[:, 1])

    def _unpaired(
        self, solved: Solved, wanted: NDArray[np.intp], labels: NDArray[np.intp], *, both: bool
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return left and right vectors of unit norm in this frame; right ones on either side if both need not be."""
        if solved.right is not None:
            if solved.left is None:  # of a normal matrix they are the same, and never packed
                right = solved.right[:, wanted]
                return right, right
            right = unpacked(solved.right, solved.values, wanted)
            return unpacked(solved.left, solved.values, wanted) if both else right, right
        array = self.frame.array
        left, right = (np.zeros((len(array), len(wanted)), complex) for _ in range(2))
        for label in np.unique(labels):
            here = np.flatnonzero(labels == label)
            value = complex(solved.values[wanted[here]].mean())
            first, second, residuals = inverse_iteration(array, value, len(here))
            good = max(int(np.count_nonzero(residuals <= ACCURATE * self.frame.norm)), 1)
            # a defective level has fewer vectors than copies: the same again
            right[:, here], left[:, here] = (side[:, np.arange(len(here)) % good] for side in (first, second))
        return left, right


def _exceptional(conditions: NDArray[np.float64]) -> str:
    """Say what is wrong with the left vectors of levels of infinite condition numbers, if there are any."""
    infinite = np.isinf(conditions).sum()
    if not infinite:
        return ""
    return (
        f"{infinite} levels are at an exceptional point (defective), or so near that double precision can't tell: "
        "their condition numbers are infinite, and no left vectors are biorthonormal to the right ones; use "
        "vectors='right'"
    )


def _biorthonormal(left: NDArray[Any], right: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Combine left vectors until ⟨l|r⟩ is the identity, or say by how much it is not."""
    overlaps, error = left.conj().T @ right, np.inf
    try:
        dual = np.linalg.solve(overlaps.conj(), left.T).T
        error = float(np.abs(dual.conj().T @ right - np.eye(len(overlaps))).max())
    except np.linalg.LinAlgError:
        dual = left
    if error <= BIORTHOGONALITY:
        return dual, ""
    return left, (
        f"⟨L|R⟩ misses the identity by {error:.1g}: in double precision the matrix is too close to an exceptional "
        "point for biorthonormal vectors; use vectors='right'"
    )


def _refined(
    array: NDArray[Any], vectors: NDArray[Any], logs: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Improve the small elements of orthonormal vectors, and tell for which vectors that failed."""

    def conditions(some: NDArray[Any]) -> NDArray[np.float64]:
        left, _ = turned_back(some, some, logs)
        return np.asarray(np.linalg.norm(left, axis=0))

    with np.errstate(over="ignore", invalid="ignore"):
        before = conditions(vectors)
        try:
            better = refined(array, vectors).vectors
        except ArithmeticError:
            return vectors, np.ones(len(before), bool)
        return better, ~(np.abs(conditions(better) - before) <= AGREEMENT * before)
