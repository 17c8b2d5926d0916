"""The way from a state to a level and its left vector, beside levels that are taken out."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mpsnh.algorithms.grown_state import Grown, grown
from mpsnh.algorithms.level_problem import NEARLY, Certificate, Level, LevelProblem
from mpsnh.algorithms.level_search import EARLY, LATE, LevelSearch, followed, following, nearest
from mpsnh.base.journal import Arrays, reach, reached, step
from mpsnh.linalg.ritz import Choice
from mpsnh.states.blocks import Blocks
from mpsnh.states.mps import MPS
from mpsnh.states.shifts import Shift
from mpsnh.states.workspace import BlockState

START_BOND = 8
"""Bond dimension of random starts."""

NEARLY_ORTHOGONAL = 1e-6
"""|⟨L|R⟩| of vectors of unit norm with which the level may be a degenerate one, and the left vector another one's."""

SAME_STATE = 0.5
"""|⟨φ|ψ⟩| of a state with what sweeps made of it, below which they went to another level."""

POOR = 0.05
"""Residual, in units of the norm of what acts on a site, of vectors that do not take out what they stand for."""

CLOSER = 0.1
"""Part of the residual that is allowed in local problems."""

FIRST, SECOND = "<", ">"
"""What names of arrays of two levels begin with."""

HALVED = 0.5
"""Part of the residual that a sweep leaves, with which it is the last one."""


@dataclass(frozen=True)
class Route:
    """How a level of an operator is reached while others are taken out.

    Parameters
    ----------
    problem : LevelProblem
        Of the operator.
    search : LevelSearch
        The sweeps, with the shifts of what is taken out.
    vectors : sequence of (MPS, MPS)
        Right and left vectors of that.
    grows : bool
        Whether states are evolved first.
    tolerance : float
        Largest error that is good enough.
    far : complex
        By how much levels are moved.

    Examples
    --------
    >>> problem = LevelProblem.of(models.NonHermitianXXZ(L=6, V=0.0, boundary="periodic"))
    >>> search = LevelSearch(problem.operator, hermitian=False, max_bond=8, cutoff=1e-14, sweeps=4, accuracy=1e-8)
    >>> route = Route(problem, search, [], grows=True, tolerance=1e-6, far=-10j)
    >>> level, evolved = route.grown(np.random.default_rng(0), even=True)
    >>> round(level.energy.imag, 6), evolved.settled, round(route.left(level, seed=0)[0].energy.imag, 6)
    (0.173205, True, -0.173205)
    """

    problem: LevelProblem
    search: LevelSearch
    vectors: Sequence[tuple[MPS, MPS]]
    grows: bool
    tolerance: float
    far: complex

    def swept(self, rng: np.random.Generator, choice: Choice) -> Level:
        """Return the level that sweeps lead to from a random state.

        Parameters
        ----------
        rng : numpy.random.Generator
            Where the state comes from.
        choice : callable
            Picks the wanted level among Ritz values.
        """
        return self._swept(self.problem.random_blocks(START_BOND, rng), choice, rng)

    def grown(
        self, rng: np.random.Generator, even: bool = True, start: MPS | None = None, faster: float = -math.inf
    ) -> tuple[Level, Grown]:
        """Return the level that evolution and then sweeps lead to, and what the evolution had ended with.

        Parameters
        ----------
        rng : numpy.random.Generator
            Where the state comes from.
        even : bool
            Whether that is near a product state.
        start : MPS, optional
            Another start, such as the left vector of the wanted level.
        faster : float
            Im E of a level that is known; sweeps are for those that may be as fast only.
        """
        state = self._evolved(rng, even=even, start=start)
        level = self._canonical(state.blocks)
        slow = level.energy.imag + max(self.tolerance, level.residual) < faster
        return level if slow else self._followed(level), state

    def without(self, level: Level, left: Level) -> Route:
        """Return the route on which a level is taken out as well, if its vectors are good enough for that.

        Parameters
        ----------
        level, left : Level
            With its right and its left vector.
        """
        overlap = level.state.overlap(left.state)
        scale = self.problem.bound / self.problem.model.L
        if abs(overlap) <= NEARLY_ORTHOGONAL or max(level.residual, left.residual) > POOR * scale:
            return self
        vectors = [*self.vectors, (level.state, left.state)]
        return replace(self._beside(Shift(self.far / overlap, level.blocks, left.blocks)), vectors=vectors)

    def left(self, best: Level, seed: int, starts: int = 1) -> tuple[Level, Level | None]:
        """Find the left vector of a level, as a right one of the adjoint near the conjugate of the level.

        Parameters
        ----------
        best : Level
            The level.
        seed : int
            Of the random states.
        starts : int
            How often one that is orthogonal to the right one is taken out, as it may be of a degenerate level.

        Returns
        -------
        left : Level
            Of the adjoint.
        other : Level or None
            Of the adjoint, what evolution led to if that is another level.
        """
        work = functools.partial(self._left, best, seed, starts)
        return step("left", work, _named, self._adjoint._pair)

    def _left(self, best: Level, seed: int, starts: int) -> tuple[Level, Level | None]:
        adjoint, rng, other = self._adjoint, np.random.default_rng(seed), None
        for start in (None, best.state)[: 2 * self.grows]:
            state = adjoint._evolved(rng, start=start, left=True)
            level = adjoint._followed(adjoint._canonical(state.blocks))
            if adjoint.alike(level, best) and level.residual <= max(self.tolerance, NEARLY * best.residual):
                return level, other
            other = other or level
        left = adjoint.partner(best, rng)
        if other is not None and adjoint.alike(other, best) and other.residual < left.residual:
            return other, None
        for _ in range(starts):
            if abs(left.state.overlap(best.state)) > NEARLY_ORTHOGONAL:
                break
            adjoint = adjoint._beside(Shift(adjoint.far, left.blocks, left.blocks))
            again = adjoint.partner(best, rng)
            better = abs(again.state.overlap(best.state)) > abs(left.state.overlap(best.state))
            if not better or not adjoint.alike(again, best):
                break
            left = again
        return left, other

    def partner(self, level: Level, rng: np.random.Generator) -> Level:
        """Find by sweeps the level that is the conjugate of one of the adjoint.

        Parameters
        ----------
        level : Level
            Of the adjoint.
        rng : numpy.random.Generator
            Of what is random.
        """
        return self._swept(level.blocks, nearest(level.energy.conjugate()), rng)

    def alike(self, level: Level, other: Level) -> bool:
        """Tell whether a level of this operator is the conjugate of one of the adjoint, within their residuals.

        Parameters
        ----------
        level, other : Level
            Of this operator, and of the adjoint.
        """
        return abs(level.energy - other.energy.conjugate()) <= max(self.tolerance, level.residual, other.residual)

    def coarser(self, best: Level, left: Level, seed: int) -> Certificate:
        """Return what a level becomes with bonds of half the dimension.

        Parameters
        ----------
        best, left : Level
            With its right and its left vector.
        seed : int
            Of what is random.
        """
        bond, rng = max(1, best.state.max_bond() // 2), np.random.default_rng(seed)
        here = replace(self, search=replace(self.search, max_bond=bond, sweeps=1))
        level = here._swept(best.blocks, followed, rng, rough=False)
        if self.problem.hermitian:
            return self.problem.certificate(level, level)
        return self.problem.certificate(level, here._adjoint._swept(left.blocks, followed, rng, rough=False))

    @property
    def _adjoint(self) -> Route:
        problem, shifts = self.problem.adjoint, [shift.dag() for shift in self.search.shifts]
        search = replace(self.search, operator=problem.operator, shifts=shifts, shown=problem.shown)
        vectors = [(left, right) for right, left in self.vectors]
        return replace(self, problem=problem, search=search, vectors=vectors, far=self.far.conjugate())

    def _beside(self, shift: Shift) -> Route:
        return replace(self, search=replace(self.search, shifts=[*self.search.shifts, shift]))

    def _swept(self, start: Sequence[Blocks], choice: Choice, rng: np.random.Generator, rough: bool = True) -> Level:
        return self.problem.level(self.search.run(start, choice, rng, rough=rough))

    def _evolved(self, rng: np.random.Generator, **how: Any) -> Grown:
        """Return what a state has become that was evolved with the operator."""
        work = functools.partial(grown, self.problem.model, self.search.max_bond, rng, without=self.vectors, **how)
        return step("evolution", work, Grown.arrays, lambda arrays: Grown.of_arrays(arrays, self.problem.model.L), rng)

    def _pair(self, arrays: Arrays) -> tuple[Level, Level | None]:
        """Return one or two levels from the arrays of `_named`."""
        first, second = (
            {name[1:]: array for name, array in arrays.items() if name[0] == mark} for mark in (FIRST, SECOND)
        )
        return self.problem.level_of(first), self.problem.level_of(second) if second else None

    def _canonical(self, blocks: Sequence[Blocks]) -> Level:
        return self.problem.level(BlockState.canonical(blocks, self.problem.space.charges).view())

    def _followed(self, level: Level) -> Level:
        """Return the level that sweeps lead to from a state that evolution has led to, or that state itself."""
        return step("sweeps", functools.partial(self._follow, level), Level.arrays, self.problem.level_of)

    def _follow(self, level: Level) -> Level:
        level = reached(self.problem.level_of) or level
        for _ in range(self.search.sweeps):
            polished, before = self._polished(level), level.residual
            level = polished or level
            reach(level.arrays)
            if level.residual > HALVED * before:
                break
        return level

    def _polished(self, level: Level) -> Level | None:
        """Return what a sweep makes of a level, unless that is no better, or another level.

        Nothing is moved away: that would be a large part of the operator. In a local problem the state has to be found
        more accurately than it is, or it is lost.
        """
        early = CLOSER * level.residual / (self.problem.bound or 1.0)
        search = replace(self.search, sweeps=1, shifts=(), early=float(np.clip(early, LATE, EARLY)))
        choice, rng = following(level.energy), np.random.default_rng()
        polished = self.problem.level(search.run(level.blocks, choice, rng, rough=False))
        better = polished.residual < level.residual and abs(polished.state.overlap(level.state)) >= SAME_STATE
        return polished if better else None


def _named(pair: tuple[Level, Level | None]) -> Arrays:
    """Return one or two levels as arrays."""
    return {
        mark + name: array
        for mark, level in zip((FIRST, SECOND), pair, strict=True)
        if level is not None
        for name, array in level.arrays().items()
    }
