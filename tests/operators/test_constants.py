"""What is only a number in a sector, against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.operators.constants import without_constant
from mpsnh.operators.sector import sector

SPINS, PARTICLES, SPIN_ONES = (nh.Spin(0.5),) * 4, (nh.Boson(2),) * 4, (nh.Spin(1),) * 4
UNIFORM = [
    pytest.param(SPINS, "Sz", 2, id="spins"),
    pytest.param(SPINS, "Z", 0, id="no charge in all"),
    pytest.param(SPIN_ONES, "Sz", -2, id="spins 1"),
    pytest.param(PARTICLES, "n", 3, id="bosons"),
]


def hopping(sites):
    names = ("bdag", "b") if isinstance(sites[0], nh.Boson) else ("Sp", "Sm")
    return nh.OpSum.sum((0.3 + 0.1j, names[0], j, names[1], j + 1) for j in range(len(sites) - 1))


@pytest.mark.parametrize(("sites", "name", "charge"), UNIFORM)
def test_what_is_taken_out_is_a_number(sites, name, charge):
    fields = nh.OpSum.sum((1e3 + 0.1 * j + 0.2j, name, j) for j in range(4))
    op = hopping(sites) + fields + (7.0 - 2j,)
    rest, number, size = without_constant(op, sites, charge)
    assert size >= 4e3 * np.linalg.norm(sites[0].op(name), 2)
    whole, less = (sector(sites, charge).operator(each).toarray() for each in (op, rest))
    np.testing.assert_allclose(whole, less + number * np.eye(len(whole)), atol=1e-10)
    assert abs(less.real).max() < 10
    assert max(abs(term.coefficient) for term in rest.terms) < 10


@pytest.mark.parametrize(
    ("op", "sites", "charge"),
    [
        pytest.param(nh.OpSum.sum((1e3, "Sz", j) for j in range(4)), SPINS, None, id="charge not conserved"),
        pytest.param(nh.OpSum.sum((1e3 * (-1) ** j, "Sz", j) for j in range(4)), SPINS, 0, id="staggered"),
        pytest.param(nh.OpSum.sum((1e3, "Sx", j) for j in range(4)), SPINS, 0, id="no charge"),
        pytest.param(nh.OpSum.sum((1e3j, "Sz", j) for j in range(4)), SPINS, 2, id="gain and loss"),
        pytest.param(nh.OpSum.sum((1e3, "Sz", j) for j in range(4)), (*SPINS[:3], nh.Spin(1)), 1, id="unequal sites"),
        pytest.param(nh.OpSum([(1e3, "Sz", 0)]), SPINS, 0, id="one site"),
    ],
)
def test_nothing_else_is_taken_out(op, sites, charge):
    assert without_constant(op, sites, charge) == (op, 0.0, 0.0)
