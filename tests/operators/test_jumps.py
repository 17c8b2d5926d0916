"""Jump operators between sectors and on two sites, against matrices of the whole space."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.language.opsum import OpSum
from mpsnh.operators.jumps import PairJump, between, charge_change
from mpsnh.operators.sector import Sector
from tests.oracles import master

FERMIONS = [nh.Fermion()] * 4


def annihilators():
    return [master.fermion(j, 4) for j in range(4)]


def test_an_odd_jump_between_sectors_has_its_string():
    c = annihilators()
    op = OpSum([(0.5, "c", 1), (2j, "c", 3), (0.3, "cdag", 0, "c", 1, "c", 2)])
    right = 0.5 * c[1] + 2j * c[3] + 0.3 * c[0].T @ c[1] @ c[2]
    for charge in range(1, 5):
        source, target = Sector(FERMIONS, charge), Sector(FERMIONS, charge - 1)
        ours = between(op, source, target).toarray()
        np.testing.assert_allclose(ours, right[np.ix_(target.codes, source.codes)], atol=1e-15)
    whole = Sector(FERMIONS, None)
    np.testing.assert_allclose(between(op, whole, whole).toarray(), right, atol=1e-15)


def test_sectors_of_other_chains_are_refused():
    with pytest.raises(ValueError, match=r"target = .*, but it must be a sector of the same sites"):
        between(OpSum([(1.0, "c", 0)]), Sector(FERMIONS, 1), Sector(FERMIONS[1:], 0))


@pytest.mark.parametrize(
    ("op", "change"),
    [
        ([(1.0, "c", 0), (2.0, "c", 3)], -1),
        ([(1.0, "cdag", 1, "cdag", 2)], 2),
        ([(1.0, "n", 0), (1.0, "Id", 0)], 0),
        ([(1.0, "c", 0), (1.0, "cdag", 0)], None),
        ([(1.0, "cdag", 0), (-1.0, "cdag", 0)], 0),
    ],
)
def test_changes_of_charge(op, change):
    assert charge_change(OpSum(op), FERMIONS) == change


@pytest.mark.parametrize(
    "op",
    [[(0.5, "c", 1), (1j, "c", 2)], [(1.0, "c", 2, "n", 3)], [(1.0, "c", 3)], [(1.0, "c", 1, "c", 2)], [(1.0, "n", 0)]],
)
def test_pairs_make_the_operator_of_the_whole_space(op):
    op = OpSum(op)
    jump = PairJump.of(op, FERMIONS)
    string = np.diag([-1.0, 1.0]) if jump.string else np.eye(2)
    whole = np.eye(1)
    for _ in range(jump.first):
        whole = np.kron(whole, string)
    whole = np.kron(np.kron(whole, jump.matrix), np.eye(2 ** (2 - jump.first)))
    space = Sector(FERMIONS, None)
    np.testing.assert_allclose(whole, between(op, space, space).toarray(), atol=1e-15)
    assert jump.change(FERMIONS) == charge_change(op, FERMIONS)


@pytest.mark.parametrize(
    "op",
    [[(1.0, "n", 0, "n", 2)], [(1.0, "c", 0), (1.0, "c", 2)], [(1.0, "c", 1, "F", 3)], [(1.0, "F", 0, "c", 2)]],
)
def test_what_is_no_pair(op):
    assert PairJump.of(OpSum(op), FERMIONS) is None
