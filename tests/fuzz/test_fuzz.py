"""A few of the random cases of `make fuzz`, and that the fuzz finds what is wrong."""

from unittest.mock import patch

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import observables
from tests.fuzz.__main__ import case_of
from tests.fuzz.checks import UNKNOWN, check
from tests.fuzz.levels import levels, precise, symmetrised
from tests.fuzz.shrink import script, shrunk

SEED, CASES = 1, 30
SLOW = 23
"""A search for four levels by growth, which takes a minute."""


def test_everything_public_has_a_reference():
    assert UNKNOWN == []


@pytest.mark.parametrize("number", [number for number in range(CASES) if number != SLOW])
def test_random_cases_are_right(number):
    assert check(case_of(SEED, number)).wrong == []


def test_cases_are_reproducible():
    assert case_of(3, 17) == case_of(3, 17)
    assert case_of(3, 17) != case_of(3, 18)


def first_wrong(algorithm, what):
    """The first case of an algorithm in which something is wrong."""
    cases = (case_of(SEED, number, algorithm) for number in range(20))
    return next(case for case in cases if any(kind == what for kind, _ in check(case).wrong))


def test_a_planted_wrong_number_is_found_and_made_small():
    right, what = nh.ExactState.expect, "expect of ExactEvolution"
    with patch.object(nh.ExactState, "expect", lambda state, op: right(state, op) * (1 + 1e-5)):
        case = first_wrong("ExactEvolution", what)
        with patch("tests.fuzz.shrink.MOST", 3):
            smaller = shrunk(case, what)
        assert len(repr(smaller)) < len(repr(case))
        assert what in script(smaller, what)


def test_a_planted_refusal_is_found():
    def refuse(*_):
        raise ValueError("there is no gap")

    with patch.object(observables.SteadyStateGap, "__call__", refuse):
        assert first_wrong("ExactDiag", "ExactDiag: SteadyStateGap: no sentence")


def test_levels_of_a_defective_matrix():
    assert np.abs(precise(np.diag(np.ones(7), 1))).max() < 1e-12


def test_levels_of_a_long_open_chain_are_real():
    hopping = np.diag(np.full(199, 0.05), 1) + np.diag(np.full(199, 0.95), -1)
    assert symmetrised(np.eye(3, k=1) + np.eye(3, k=-1) + np.diag([1.0], 2) + np.diag([2.0], -2)) is None
    exact = 2 * np.sqrt(0.05 * 0.95) * np.cos(np.pi * np.arange(1, 201) / 201)
    assert np.allclose(np.sort(levels(hopping).values), np.sort(exact))
