"""Two-site sweeps, pairs of tensors and random states."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import models
from mpsnh.operators.charged import ChargedMPO
from mpsnh.operators.sector import joint_charges
from mpsnh.states.blocks import bond_dimensions, dense_tensors
from mpsnh.states.environments import matrix_element
from mpsnh.states.pair import Pair
from mpsnh.states.random import random_blocks
from mpsnh.states.sweeps import Sweeps
from tests.oracles.reference import BOSON, HALF

MODEL = models.NonHermitianXXZ(L=8, gamma=0.3, h=1.0, boundary="periodic")
CHARGES = [site.charges for site in MODEL.sites]
OPERATOR = ChargedMPO.of(MODEL.mpo().site_tensors(), CHARGES)


def vector(blocks, charges=CHARGES, sites=MODEL.sites):
    return nh.MPS.from_tensors(dense_tensors(blocks, charges), sites).to_vector()


@pytest.mark.parametrize(("mixing", "max_bond"), [(0.0, 20), (1e-2, 70)])
def test_sweeps_that_change_nothing_keep_the_state(mixing, max_bond):
    start = random_blocks(CHARGES, 0, 12, np.random.default_rng(0))
    sweeps, unit = Sweeps(OPERATOR, start), vector(start) / np.linalg.norm(vector(start))
    for _ in range(3):
        sweeps.sweep(lambda effective, tensor: tensor, max_bond=max_bond, cutoff=0.0, mixing=mixing)
        assert abs(np.vdot(vector(sweeps.blocks()), unit)) == pytest.approx(1, abs=1e-12)
        assert np.linalg.norm(vector(sweeps.blocks())) == pytest.approx(1)
        assert sweeps.bond <= max_bond
        assert sweeps.discarded < 1e-12


def test_every_effective_operator_has_the_expectation_value_of_the_state():
    start, seen = random_blocks(CHARGES, 2, 10, np.random.default_rng(1)), []

    def measured(effective, tensor):
        seen.append(np.vdot(tensor, effective @ tensor))
        return tensor

    sweeps = Sweeps(OPERATOR, start)
    for _ in range(2):
        sweeps.sweep(measured, max_bond=40, cutoff=0.0)
    exact = matrix_element(OPERATOR, start, start) / np.linalg.norm(vector(start)) ** 2
    np.testing.assert_allclose(seen, exact, atol=1e-12)


def test_mixing_reaches_what_the_bonds_of_a_state_do_not_allow():
    """Of a product state, a pair of sites far from the particles can't change; the operator's directions go beyond."""
    neel = [{(0 if j % 2 == 0 else 1, 1 if j % 2 == 0 else -1): np.ones((1, 1, 1))} for j in range(8)]

    def applied(effective, tensor):
        image = effective @ tensor - 5 * tensor
        return image / np.linalg.norm(image)

    bonds = []
    for mixing in (0.0, 1e-2):
        sweeps = Sweeps(OPERATOR, neel)
        sweeps.sweep(applied, max_bond=30, cutoff=1e-14, mixing=mixing)
        bonds.append(sum(bond_dimensions(sweeps.blocks())))
    assert bonds[1] > bonds[0]


@pytest.mark.parametrize("charges", [((1, -1), (2, 0, -2)), ((0, 0), (0, 0, 0)), ((0, 1, 1), (1, 0, 2))])
def test_pairs_are_joined_and_split(charges):
    rng, pair = np.random.default_rng(2), Pair(*charges)
    left, right = ({}, {})
    for q, n in {0: 3, 1: 2}.items():
        for c in set(charges[0]):
            left[q, c] = rng.normal(size=(n, charges[0].count(c), 4))
    for m in {q + c for q, c in left}:
        for c in set(charges[1]):
            right[m, c] = rng.normal(size=(4, charges[1].count(c), 5))
    theta = pair.joined(left, right)
    split = pair.split(theta, max_bond=100, cutoff=0.0)
    again = pair.joined(split.left, split.right)
    assert all(np.allclose(again[key], theta[key], atol=1e-12) for key in theta)
    for m in {q + c for q, c in split.left}:
        parts = [block.reshape(-1, block.shape[2]) for (q, c), block in split.left.items() if q + c == m]
        columns = np.concatenate(parts)
        np.testing.assert_allclose(columns.conj().T @ columns, np.eye(columns.shape[1]), atol=1e-12)
    norm = np.sqrt(sum(np.linalg.norm(block) ** 2 for block in theta.values()))
    cut = pair.split(theta, max_bond=5, cutoff=0.0)
    assert len(cut.values) == 5
    lost = pair.joined(cut.left, cut.right)
    distance = np.sqrt(sum(np.linalg.norm(theta[k] - lost.get(k, 0)) ** 2 for k in theta)) / norm
    assert cut.discarded == pytest.approx(distance**2, abs=1e-12)


@pytest.mark.parametrize(
    ("sites", "charge"), [((HALF,) * 6, 2), ((BOSON,) * 4, 7), ((BOSON,) * 4, 3), ((HALF,) * 5, 5)]
)
def test_random_states_fill_their_sector(sites, charge):
    charges = [site.charges for site in sites]
    state = vector(random_blocks(charges, charge, 30, np.random.default_rng(0)), charges, sites)
    inside = joint_charges(charges) == charge
    assert not state[~inside].any()
    assert (np.abs(state[inside]) > 0).all()
