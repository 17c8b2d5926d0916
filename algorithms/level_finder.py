"""The first level that is not known yet, from several starts, and its left vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from mpsnh.algorithms.grown_state import can_grow
from mpsnh.algorithms.known_levels import FAR, KnownLevel, compared, estimated_error
from mpsnh.algorithms.level_problem import NEARLY, ROUNDING, Level, LevelProblem, first_of
from mpsnh.algorithms.level_route import NEARLY_ORTHOGONAL, Route
from mpsnh.algorithms.level_search import LevelSearch, fastest
from mpsnh.linalg.ritz import Choice

MORE = 3
"""Most starts that are added if growth differs by less than evolution tells apart."""

APART = 1e-3
"""⟨L|φ⟩ relative to ⟨L|R⟩, up to which a state φ is of another level."""


@dataclass(frozen=True)
class Found:
    """A level, the route that led to it, and its left vector if that was sought.

    Examples
    --------
    >>> Found(Level((), None, energy=0.5j, residual=0.0), None).left is None
    True
    """

    level: Level
    route: Route
    left: Level | None = None


@dataclass(frozen=True)
class LevelFinder:
    """How the next level is found: what grows fastest by evolution, if gates can do it, and any other by sweeps.

    Evolution leads to the same level from anywhere, if that grows much faster than others. Therefore each start but the
    first one is without the levels that former starts led to: it shows a level that is as fast, and one that is a
    little faster but was not seen yet. So does the evolution with -H†, which leads to left vectors. If growth differs
    by so little that the evolution can't have told, there are more starts.

    Parameters
    ----------
    problem : LevelProblem
        Of the operator.
    search : LevelSearch
        The sweeps, with the shifts of known levels.
    choice : callable
        Picks the wanted one of some values.
    tolerance : float
        Largest error that is good enough.
    starts : int
        Number of random starts.
    seed : int
        Of the random starts.
    known : sequence of KnownLevel
        Those before.

    Examples
    --------
    >>> problem = LevelProblem.of(models.NonHermitianXXZ(L=6, V=0.0, boundary="periodic"))
    >>> search = LevelSearch(problem.operator, hermitian=False, max_bond=8, cutoff=1e-14, sweeps=4, accuracy=1e-8)
    >>> one = LevelFinder(problem, search, fastest, tolerance=1e-6, starts=1, seed=0).next()[0]
    >>> round(one.certificate.energy.imag, 9)
    0.173205081
    """

    problem: LevelProblem
    search: LevelSearch
    choice: Choice
    tolerance: float
    starts: int
    seed: int
    known: Sequence[KnownLevel] = ()

    @property
    def far(self) -> complex:
        """By how much known levels are moved, beyond all others in the direction that is not wanted."""
        size = FAR * (self.problem.bound or 1.0)
        return -1j * size if self.choice is fastest else size

    def next(self, reached: Sequence[Found] = ()) -> tuple[KnownLevel, list[Found]]:
        """Find the first level of those that are not known yet.

        Parameters
        ----------
        reached : sequence of Found
            Levels to compare with, which starts for those before have led to.

        Returns
        -------
        known : KnownLevel
            The level.
        others : list of Found
            What else starts have led to.
        """
        problem = self.problem
        grows = self.choice is fastest and can_grow(problem.model)
        vectors = [(one.level.state, one.left) for one in self.known]
        route = Route(problem, self.search, vectors, grows, self.tolerance, self.far)
        found, unsettled, number, close = list(reached), 0, 0, False
        while number < self.starts or (close and number < self.starts + MORE):
            rng, even = np.random.default_rng([self.seed, number + len(self.known) * self.starts]), number % 2 == 0
            if grows:
                if number:
                    found[-1:] = more = self._with_left(found[-1])
                    for one in more:
                        route = route.without(one.level, cast(Level, one.left))
                    if len(route.vectors) >= problem.space.dim:
                        break
                before = max((one.level.energy.imag for one in found), default=math.inf)
                level, evolved = route.grown(rng, even, faster=before if found else -math.inf)
                ahead = level.energy.imag - before
                close = self.starts > 1 and ahead > -evolved.told and abs(ahead) > self.tolerance
                unsettled += not evolved.settled
            else:
                level = route.swept(rng, self.choice)
            found.append(Found(level, route))
            number += 1
        if found[place := self._first(found)].left is None:
            found[place : place + 1] = self._with_left(found[place])
        known = self._known(found, unsettled, grows)
        # of other kinds, what starts led to may be the conjugate of a level that is known
        others = [one for one in found if grows and self._apart(one.level, known)]
        return replace(known, close=close), others

    def _apart(self, level: Level, known: KnownLevel) -> bool:
        """Tell whether a state is one of another level, or another one of the same."""
        return abs(level.state.overlap(known.left)) <= APART * max(abs(known.overlap), NEARLY_ORTHOGONAL)

    def _first(self, found: Sequence[Found]) -> int:
        first = first_of([one.level for one in found], self.choice, self.tolerance)
        return next(place for place, one in enumerate(found) if one.level is first)

    def _known(self, found: Sequence[Found], unsettled: int, grows: bool) -> KnownLevel:
        """Say what is known of the first of some levels."""
        problem, one = self.problem, found[self._first(found)]
        best, left = one.level, cast(Level, one.left)
        certificate = problem.certificate(best, left)
        overlap = 1.0 if problem.hermitian else best.state.overlap(left.state)
        # an error that says nothing must not make all levels one
        same, others = compared([one.level for one in found], best, min(certificate.error, self.tolerance))
        coarser = one.route.coarser(best, left, self.seed)
        says = certificate.left is not None and certificate.error < problem.bound
        scale = problem.bound / problem.model.L
        estimate = estimated_error(certificate, coarser, scale) if says else certificate.error
        return KnownLevel(
            level=best,
            left=left.state,
            overlap=overlap if certificate.left else 0.0,
            certificate=certificate,
            same=same,
            others=others,
            estimate=max(estimate, ROUNDING * problem.bound),
            unsettled=unsettled,
            grown=grows,
        )

    def _with_left(self, one: Found) -> list[Found]:
        """Return a level with its left vector, and the level that grows faster, if H† leads to such a one."""
        if self.problem.hermitian:
            return [replace(one, left=one.level)]
        left, other = one.route.left(one.level, self.seed, self.starts)
        found = [replace(one, left=left)]
        if other is not None and self._faster(other, one.level):
            partner, _ = one.route.grown(np.random.default_rng(self.seed), start=other.state)
            if one.route.alike(partner, other):
                found.append(Found(partner, one.route, other))
        return found

    def _faster(self, left: Level, level: Level) -> bool:
        """Tell whether a level of the adjoint grows faster than one of the operator, for certain."""
        rounding = NEARLY * ROUNDING * self.problem.bound
        return -left.energy.imag - level.energy.imag > max(rounding, left.residual, level.residual)
