"""Layers in the form of the kernel."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.states.packing import packed


def test_gates_come_from_left_to_right_with_states_by_charge():
    rng = np.random.default_rng(0)
    charges = [(1, -1), (0, 1, 0), (2, 2)]
    one, pair = np.diag(rng.normal(size=2)), np.kron(np.diag(rng.normal(size=3)), rng.normal(size=(2, 2)))
    where, matrices = packed((nh.Gate(pair, (1, 2)), nh.Gate(one, (0,))), charges)
    assert where.tolist() == [[0, 0], [1, 2]]
    np.testing.assert_array_equal(matrices[0, :2, :2], one[::-1, ::-1])
    order = [0, 1, 4, 5, 2, 3]  # states 0 and 2 of the second site have charge 0
    np.testing.assert_array_equal(matrices[1], pair[np.ix_(order, order)])
    assert not matrices[0, 2:].any()


def test_a_gate_that_breaks_the_charge_is_named():
    gates = (nh.Gate(np.eye(2), (0,)), nh.Gate(np.array([[0, 1], [1, 0]]), (2,)))
    with pytest.raises(ValueError, match=r"the gate on sites \(2,\) breaks the charge"):
        packed(gates, [(1, -1)] * 3)
