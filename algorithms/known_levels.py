"""Levels that are known already: how they are moved out of the way of the next one, and what they say of each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.algorithms.level_problem import Certificate, Level, LevelProblem
from mpsnh.states.blocks import Blocks
from mpsnh.states.mps import MPS
from mpsnh.states.shifts import Shift

Array = NDArray[np.complex128]

OTHER_STATE = 0.01
"""How far |⟨φ|ψ⟩| of two states of the same level may be from 1 before the level counts as degenerate."""

FAR = 4.1
"""How far a level is moved, in units of the sum of the norms of all terms: beyond all others, seen from anywhere."""

DEPENDENT = 1e-8
"""Smallest singular value of some vectors of unit norm with which they count as independent."""

EXTRAPOLATED = 3.0
"""By what the change that is extrapolated is multiplied, to be as large as the error in most cases."""


@dataclass(frozen=True, eq=False)
class KnownLevel:
    """A level with both vectors of the operator that is treated, and what random starts say of it.

    Parameters
    ----------
    level : Level
        With the right vector.
    left : MPS
        The left vector, of unit norm.
    overlap : complex
        ⟨L|R⟩; 0 if the left vector is no use.
    certificate : Certificate
        What is known of it.
    same, others : sequence of Level
        Where the starts ended: at this level, and elsewhere.
    estimate : float
        How far off the level probably is.
    unsettled : int
        Starts whose evolution ended before it settled.
    grown : bool
        Whether each start was without the levels that former ones had led to.
    close : bool
        Whether the last of them led to a level that is nearly as fast.

    Examples
    --------
    >>> up = nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "up"])
    >>> level = Level(up.blocks()[0], up, energy=0.25 + 0j, residual=0.0)
    >>> sure = Certificate(0.25 + 0j, 1e-15, up, up, (0.0, 0.0), 1.0)
    >>> KnownLevel(level, up, 1.0, sure, [level], []).degenerate
    False
    """

    level: Level
    left: MPS
    overlap: complex
    certificate: Certificate
    same: Sequence[Level]
    others: Sequence[Level]
    estimate: float = math.inf
    unsettled: int = 0
    grown: bool = False
    close: bool = False

    @property
    def degenerate(self) -> bool:
        """Whether starts ended with different states of this level."""
        return is_degenerate(self.same)

    def shifts(self, problem: LevelProblem, size: complex) -> list[Shift]:
        """Return what moves the level out of the way of the next one, with its conjugate if the operator is real.

        Parameters
        ----------
        problem : LevelProblem
            Of the operator.
        size : complex
            How far and where to.
        """
        right, left = self.level.blocks, self.left.blocks()[0]
        if problem.hermitian:
            return [Shift(size, right, right)]
        shifts = [Shift(size / self.overlap, right, left)]
        if problem.real and abs(self.certificate.energy.imag) > self.certificate.error:
            shifts.append(Shift(size / np.conj(self.overlap).item(), _conjugate(right), _conjugate(left)))
        return shifts


def _conjugate(blocks: Sequence[Blocks]) -> list[Blocks]:
    return [{key: block.conj() for key, block in site.items()} for site in blocks]


def estimated_error(certificate: Certificate, coarser: Certificate, scale: float) -> float:
    """Return how far off a level probably is, from what it is with smaller bonds.

    Levels change in proportion to the square of the residual (C. Hubig, J. Haegeman and U. Schollwöck, PRB 97, 045125
    (2018)). With small bonds both levels may agree by chance: so it is no less than what others as far away as `scale`
    change the level by, in second order. Never more than the bound.

    Parameters
    ----------
    certificate, coarser : Certificate
        Of the same level with the bonds that there are, and with smaller ones.
    scale : float
        Norm of what acts on a site.

    Examples
    --------
    >>> up = nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "up"])
    >>> fine, coarse = (
    ...     Certificate(energy, 0.02, up, up, (0.0, 0.0), 1.0, inner=(residual, residual))
    ...     for energy, residual in ((0.25, 0.01), (0.35, 0.1))
    ... )
    >>> round(estimated_error(fine, coarse, scale=1.0), 6)
    0.00303
    """
    fine, coarse = max(certificate.inner), max(coarser.inner)
    if not fine < coarse:
        return certificate.error
    share = fine**2 / (coarse**2 - fine**2)
    condition = certificate.error / fine if fine else 1.0
    perturbed = condition * certificate.inner[0] * certificate.inner[1] / scale if scale else 0.0
    return min(certificate.error, max(perturbed, EXTRAPOLATED * abs(coarser.energy - certificate.energy) * share))


def compared(levels: Sequence[Level], best: Level, error: float) -> tuple[list[Level], list[Level]]:
    """Return the levels that agree with the best one within their errors, and the others.

    Parameters
    ----------
    levels : sequence of Level
        One of each start.
    best : Level
        One of them.
    error : float
        That of the best one.

    Examples
    --------
    >>> best, near, far = (Level((), None, energy, 1e-9) for energy in (-2.0, -2.0 + 1e-7, -1.0))
    >>> [len(some) for some in compared([best, near, far], best, error=1e-6)]
    [2, 1]
    """
    same: list[Level] = []
    others: list[Level] = []
    for level in levels:
        close = abs(level.energy - best.energy) <= max(error, level.residual, best.residual)
        (same if close else others).append(level)
    return same, others


def is_degenerate(same: Sequence[Level]) -> bool:
    """Tell whether starts ended with different states of the same level.

    Parameters
    ----------
    same : sequence of Level
        Those with the same energy, of unit norm.

    Examples
    --------
    >>> up, down = (nh.MPS.product([nh.Spin(0.5)] * 2, [name] * 2) for name in ("up", "down"))
    >>> one, same, other = (Level((), state, 0.25, 0.0) for state in (up, up, down))
    >>> is_degenerate([one, same]), is_degenerate([one, other])
    (False, True)
    """
    return any(abs(level.state.overlap(same[0].state)) < 1 - OTHER_STATE for level in same[1:])


def groups(values: Array, errors: NDArray[np.float64]) -> list[list[int]]:
    """Return the places of levels that can't be told apart by their errors.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The levels.
    errors : ndarray, shape (n,)
        How far an eigenvalue may be from each.

    Examples
    --------
    >>> groups(np.array([1.0, 2.0, 1.1]), np.array([0.1, 0.1, 0.01]))
    [[0, 2], [1]]
    """
    found: list[list[int]] = []
    for k in range(len(values)):
        near = [group for group in found if any(abs(values[k] - values[j]) <= errors[k] + errors[j] for j in group)]
        found = [group for group in found if group not in near] + [sorted([*(j for group in near for j in group), k])]
    return sorted(found)


def joint_error(
    overlaps: tuple[Array, Array, Array], values: Array, residuals: tuple[Sequence[float], Sequence[float]]
) -> float:
    """Return how far as many eigenvalues may be from some levels that can't be told apart one by one.

    To first order in the residuals there is a matrix that differs from H by them and has all of these vectors
    (W. Kahan, B. N. Parlett and E. Jiang, SIAM J. Numer. Anal. 19, 470 (1982)), and H has as many eigenvalues near
    those of that one, within the norm of the projector on the vectors and their condition.

    Parameters
    ----------
    overlaps : (ndarray, ndarray, ndarray), shape (n, n)
        ⟨R|R⟩, ⟨L|L⟩ and ⟨L|R⟩ of vectors of unit norm.
    values : ndarray, shape (n,)
        The levels.
    residuals : (sequence of float, sequence of float)
        Of the right and the left vectors.

    Examples
    --------
    A state that was found twice is no second level:

    >>> one, two = np.eye(2), np.ones((2, 2))
    >>> joint_error((one, one, one), np.ones(2), ([3e-6, 4e-6], [0, 0])), joint_error((two,) * 3, one[0], ([0], [0]))
    (5e-06, inf)
    """
    rights, lefts, mixed = overlaps
    try:
        (least, right), (least_left, left) = (_triangle(gram) for gram in (rights, lefts))
        inverse = np.linalg.inv(mixed)
    except np.linalg.LinAlgError:
        return math.inf
    sizes = [float(np.linalg.norm(of_side)) for of_side in residuals]
    unlike = float(np.linalg.norm(mixed * (values[None, :] - values[:, None])))
    change = max(sizes[0] / least, sizes[1] / least_left) + unlike / (least * least_left)
    projector = float(np.linalg.norm(right @ inverse @ left.conj().T, 2))
    basis = right / np.linalg.norm(right, axis=0)
    spread = float(np.abs(values[:, None] - values[None, :]).max())
    condition = float(np.linalg.cond(basis))
    # by the condition of all (F. L. Bauer and C. T. Fike, 1960), or by the norm of what is no multiple of the identity
    return min(condition * projector * change, projector * change + condition * spread)


def _triangle(gram: Array) -> tuple[float, Array]:
    """Return the smallest singular value of some vectors, and their coordinates in an orthonormal basis."""
    smallest = math.sqrt(max(0.0, float(np.linalg.eigvalsh(gram)[0])))
    if not smallest > DEPENDENT:
        raise np.linalg.LinAlgError
    return smallest, scipy.linalg.cholesky(gram)


def joint_errors(known: Sequence[KnownLevel]) -> NDArray[np.float64]:
    """Return the errors of levels, each of which stands for an eigenvalue of its own.

    Levels whose errors overlap could be one and the same; what is known of them together says how far apart from them
    as many eigenvalues can be.

    Parameters
    ----------
    known : sequence of KnownLevel
        The levels.

    Examples
    --------
    >>> up = nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "up"])
    >>> level = Level(up.blocks()[0], up, energy=0.25 + 0j, residual=0.0)
    >>> found = KnownLevel(level, up, 1.0, Certificate(0.25 + 0j, 1e-15, up, up, (0.0, 0.0), 1.0), [level], [])
    >>> joint_errors([found]), joint_errors([found, found])
    (array([1.e-15]), array([inf, inf]))
    """
    values = np.array([one.certificate.energy for one in known])
    errors = np.array([one.certificate.error for one in known])
    while True:
        wider = errors.copy()
        for group in groups(values, errors):
            if len(group) > 1:
                wider[group] = np.maximum(errors[group], _joint([known[j] for j in group], values[group]))
        if len(groups(values, wider)) == len(groups(values, errors)):
            return wider
        errors = wider


def _joint(known: Sequence[KnownLevel], values: Array) -> float:
    rights, lefts = [one.level.state for one in known], [one.left for one in known]
    overlaps = [
        np.array([[ket.overlap(bra) for ket in kets] for bra in bras])
        for kets, bras in ((rights, rights), (lefts, lefts), (rights, lefts))
    ]
    right, left = zip(*(one.certificate.inner for one in known), strict=True)
    return joint_error((overlaps[0], overlaps[1], overlaps[2]), values, (right, left))


def multiplicities(known: Sequence[KnownLevel], errors: NDArray[np.float64]) -> NDArray[np.intp] | None:
    """Return how often each level occurs at least, if starts found more states of one than there are levels.

    Parameters
    ----------
    known : sequence of KnownLevel
        The levels, in the order in which they were found.
    errors : ndarray, shape (n,)
        Their errors.

    Examples
    --------
    >>> multiplicities([], np.zeros(0)) is None
    True
    """
    if not any(one.degenerate for one in known):
        return None
    values, counts = np.array([one.certificate.energy for one in known]), np.ones(len(known), dtype=np.intp)
    for group in groups(values, np.where(np.isfinite(errors), errors, 0.0)):
        # beyond those that were moved away, a degenerate one has at least two vectors
        counts[group] = max(number + 1 + known[j].degenerate for number, j in enumerate(group))
    return counts
