"""How a level and its left vector are reached beside others, against exact diagonalisation."""

from __future__ import annotations

import numpy as np
import pytest

from mpsnh import algorithms, models
from mpsnh.algorithms.level_problem import LevelProblem
from mpsnh.algorithms.level_route import Route
from mpsnh.algorithms.level_search import LevelSearch, following

RING = models.NonHermitianXXZ(L=8, gamma=0.3, h=1.0, seed=2, boundary="periodic")


@pytest.fixture
def route():
    problem = LevelProblem.of(RING)
    search = LevelSearch(problem.operator, hermitian=False, max_bond=16, cutoff=1e-14, sweeps=10, accuracy=1e-8)
    return Route(problem, search, [], grows=True, tolerance=1e-6, far=-50j)


@pytest.mark.long
def test_each_level_that_is_taken_out_leads_to_the_next_one(route):
    (exact,) = algorithms.SteadyState(k=3).records(RING)
    for number in range(3):
        level, evolved = route.grown(np.random.default_rng(number), even=number % 2 == 0)
        left, other = route.left(level, seed=0)
        assert evolved.settled
        assert other is None
        assert level.energy == pytest.approx(exact.values[number], abs=1e-7)
        assert route.alike(level, left)
        assert left.residual < 1e-6
        route = route.without(level, left)


def test_a_slower_level_has_its_left_vector_and_shows_the_faster_one(route):
    first, _ = route.grown(np.random.default_rng(0))
    beside = route.without(first, route.left(first, seed=0)[0])
    second, _ = beside.grown(np.random.default_rng(1))
    left, other = route.left(second, seed=0)
    assert route.alike(second, left)
    assert route.alike(first, other)
    assert abs(left.state.overlap(first.state)) < 1e-5


def test_a_poor_level_takes_nothing_out(route):
    level, _ = route.grown(np.random.default_rng(0))
    random = route.problem.level(route.problem.random_blocks(4, np.random.default_rng(0)))
    assert route.without(level, random) is route


def test_sweeps_are_for_what_may_be_as_fast(route):
    level, _ = route.grown(np.random.default_rng(0))
    rough, _ = route.grown(np.random.default_rng(0), faster=level.energy.imag + 1)
    assert level.residual < 1e-9 < rough.residual


def test_vectors_of_conjugate_levels_are_told_apart_by_their_energy():
    values, overlaps = np.array([0.5 - 0.01j, 0.5 + 0.01j, 3.0]), np.array([0.8, 0.79, 0.2])
    assert following(0.5 + 0.02j)(values, overlaps) == 1
    assert following(0.5 - 0.02j)(values, overlaps) == 0
    assert following(3.0)(values, overlaps) in (0, 1)
