"""The first level that is not known yet, from several starts, and its left vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from mpsnh.algorithms.grown_state import can_grow
from mpsnh.algorithms.known_levels import FAR, KnownLevel, compared, estimated_error
from mpsnh.algorithms.level_problem import ROUNDING, Level, LevelProblem, first_of
from mpsnh.algorithms.level_route import Route
from mpsnh.algorithms.level_search import LevelSearch, fastest
from mpsnh.linalg.ritz import Choice


@dataclass(frozen=True)
class _Found:
    """A level, the route that led to it, and its left vector if that was sought."""

    level: Level
    route: Route
    left: Level | None = None


@dataclass(frozen=True)
class LevelFinder:
    """How the next level is found: what grows fastest by evolution, if gates can do it, and any other by sweeps.

    Evolution leads to the same level from anywhere, if that grows much faster than others. Therefore each start but the
    first one is without the levels that former starts led to: it shows a level that is as fast, and one that is a
    little faster but was not seen yet. So does the evolution with -H†, which leads to left vectors.

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
    >>> one = LevelFinder(problem, search, fastest, tolerance=1e-6, starts=1, seed=0).next()
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

    def next(self) -> KnownLevel:
        """Find the first level of those that are not known yet."""
        problem = self.problem
        grows = self.choice is fastest and can_grow(problem.model)
        vectors = [(one.level.state, one.left) for one in self.known]
        route = Route(problem, self.search, vectors, grows, self.tolerance, self.far)
        found, unsettled = list[_Found](), 0
        for number in range(self.starts):
            rng, even = np.random.default_rng([self.seed, number + len(self.known) * self.starts]), number % 2 == 0
            if grows:
                fastest_yet = max((one.level.energy.imag for one in found), default=-math.inf)
                level, settled = route.grown(rng, even, faster=fastest_yet)
            else:
                level, settled = route.swept(rng, self.choice), True
            unsettled += not settled
            more = [_Found(level, route)]
            if grows and number + 1 < self.starts:
                more = self._with_left(more[0])
                for one in more:
                    route = route if one.left is None else route.without(one.level, one.left)
            found += more
        if found[place := self._first(found)].left is None:
            found[place : place + 1] = self._with_left(found[place])
        return self._known(found, unsettled, grows)

    def _first(self, found: Sequence[_Found]) -> int:
        first = first_of([one.level for one in found], self.choice, self.tolerance)
        return next(place for place, one in enumerate(found) if one.level is first)

    def _known(self, found: Sequence[_Found], unsettled: int, grows: bool) -> KnownLevel:
        """Say what is known of the first of some levels."""
        problem, one = self.problem, found[self._first(found)]
        best, left = one.level, cast(Level, one.left)
        certificate = problem.certificate(best, left)
        overlap = 1.0 if problem.hermitian else best.state.overlap(left.state)
        # an error that says nothing must not make all levels one
        same, others = compared([one.level for one in found], best, min(certificate.error, self.tolerance))
        coarser = one.route.coarser(best, left, self.seed)
        says = certificate.left is not None and certificate.error < problem.bound
        estimate = estimated_error(certificate, coarser) if says else certificate.error
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

    def _with_left(self, one: _Found) -> list[_Found]:
        """Return a level with its left vector, and the level that grows faster, if H† leads to such a one."""
        if self.problem.hermitian:
            return [replace(one, left=one.level)]
        left, other = one.route.left(one.level, self.seed, self.starts)
        found = [replace(one, left=left)]
        if other is not None and self._faster(other, one.level):
            partner, _ = one.route.grown(np.random.default_rng(self.seed), start=other.state)
            if one.route.alike(partner, other):
                found.append(_Found(partner, one.route, other))
        return found

    def _faster(self, left: Level, level: Level) -> bool:
        """Tell whether a level of the adjoint grows faster than one of the operator, for certain."""
        return -left.energy.imag - level.energy.imag > max(self.tolerance, left.residual, level.residual)
