"""Known levels that are moved out of the way, and sums of states, against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.operators.charged import ChargedMPO
from mpsnh.states.random import random_blocks
from mpsnh.states.shifts import Shift
from mpsnh.states.sums import shortened, summed
from mpsnh.states.sweeps import Sweeps
from mpsnh.states.symmetric import from_blocks

L = 6
SITES = [nh.Spin(0.5)] * L
CHARGES = [site.charges for site in SITES]
HOPS = [(0.3 + 0.1j, "Sp", j, "Sm", j + 1) for j in range(L - 1)] + [(0.7, "Sm", j, "Sp", j + 1) for j in range(L - 1)]
MPO = nh.MPO.from_opsum(nh.OpSum([*HOPS, *((0.5 * j, "Sz", j) for j in range(L))]), SITES)
OPERATOR = ChargedMPO.of(MPO.site_tensors(), CHARGES)


def random_state(seed):
    return random_blocks(CHARGES, 0, 5, np.random.default_rng(seed))


def vector(blocks):
    return from_blocks(blocks, SITES, (0, L)).to_vector()


def test_sweeps_see_the_shifted_operator():
    """The quadratic form of each local problem is that of the whole matrix, on the way there and back."""
    start, right, left, other = map(random_state, range(4))
    shifts = [Shift(0.4 - 1j, right, left), Shift(2.0, other, other)]
    dense = MPO.to_dense() + sum(
        shift.size * np.outer(vector(shift.right), vector(shift.left).conj()) for shift in shifts
    )
    sweeps = Sweeps(OPERATOR, start, shifts)
    for _ in range(3):
        ket = vector(sweeps.blocks())
        expected, seen = np.vdot(ket, dense @ ket) / np.vdot(ket, ket), []

        def keep(effective, local, seen=seen):
            seen.append(np.vdot(local, effective @ local))
            return local

        sweeps.sweep(keep, max_bond=64, cutoff=0.0)
        assert seen == pytest.approx([expected] * (L - 1), abs=1e-10)


def test_shifts_of_the_adjoint():
    right, left = random_state(1), random_state(2)
    shift = Shift(1 + 2j, right, left)

    def dense(one):
        return one.size * np.outer(vector(one.right), vector(one.left).conj())

    assert np.allclose(dense(shift.dag()), dense(shift).conj().T)


def test_a_shift_moves_one_level_only():
    matrix = np.random.default_rng(0).normal(size=(5, 5))
    values, right = np.linalg.eig(matrix)
    left = np.linalg.inv(right).conj().T
    moved = matrix + 3.0 * np.outer(right[:, 1], left[:, 1].conj())
    expected = values + 3.0 * (np.arange(5) == 1)
    assert np.sort_complex(np.linalg.eigvals(moved)) == pytest.approx(np.sort_complex(expected), abs=1e-10)


def test_sums_are_those_of_vectors():
    one, two, factors = random_state(1), random_state(2), [0.5, 2 - 1j]
    total = summed([one, two], factors)
    expected = factors[0] * vector(one) + factors[1] * vector(two)
    assert vector(total) == pytest.approx(expected, abs=1e-10)
    whole = vector(shortened(total, CHARGES, max_bond=64, cutoff=0.0))
    assert abs(np.vdot(whole, expected)) == pytest.approx(np.linalg.norm(expected), rel=1e-12)
    short = vector(shortened(summed([one, one], [1.0, 1.0]), CHARGES, max_bond=64, cutoff=1e-20))
    assert abs(np.vdot(short, vector(one))) == pytest.approx(np.linalg.norm(vector(one)), rel=1e-12)
