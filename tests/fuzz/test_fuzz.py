"""A few of the random cases of `make fuzz`, and that the fuzz finds what is wrong."""

from unittest.mock import patch

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import observables
from tests.fuzz.__main__ import case_of
from tests.fuzz.checks import UNKNOWN, check
from tests.fuzz.levels import precise
from tests.fuzz.shrink import script, shrunk

SEED, CASES = 5, 32


def test_everything_public_has_a_reference():
    assert UNKNOWN == []


@pytest.mark.parametrize("number", range(CASES))
def test_random_cases_are_right(number):
    assert check(case_of(SEED, number)).wrong == []


def test_cases_are_reproducible():
    assert case_of(3, 17) == case_of(3, 17)
    assert case_of(3, 17) != case_of(3, 18)


def found(algorithm, what):
    """The first case in which something is wrong."""
    for number in range(40):
        case = case_of(SEED, number, algorithm)
        if any(kind == what for kind, _ in check(case).wrong):
            return case
    return None


def test_a_planted_wrong_number_is_found_and_made_small():
    right = nh.ExactState.expect

    def wrong(self, op):
        return right(self, op) * (1 + 1e-5)

    with patch.object(nh.ExactState, "expect", wrong):
        what = "expect of ExactEvolution"
        case = found("ExactEvolution", what)
        assert case is not None
        smaller = shrunk(case, what)
        assert len(repr(smaller)) <= len(repr(case))
        assert what in script(smaller, what)


def test_a_refusal_without_need_is_found():
    def refuse(self, record, model):
        raise ValueError("there is no gap")

    with patch.object(observables.SteadyStateGap, "__call__", refuse):
        assert found("ExactDiag", "ExactDiag: SteadyStateGap: no sentence") is not None


def test_levels_of_a_defective_matrix():
    assert np.abs(precise(np.diag(np.ones(7), 1))).max() < 1e-12
