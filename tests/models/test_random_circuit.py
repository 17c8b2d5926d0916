"""The random-circuit Floquet model, against products of its gates in the order drawn, and against its distributions."""

from __future__ import annotations

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from tests.oracles import reference


def circuit(L=6, alpha=5.0, **parameters):
    return models.RandomFloquetCircuit(L=L, alpha=alpha, **parameters)


def exponential(hermitian):
    values, vectors = np.linalg.eigh(hermitian)
    return (vectors * np.exp(1j * values)) @ vectors.conj().T


LONG = pytest.param(9, 0, marks=pytest.mark.long)


@pytest.mark.parametrize("order", ["random", "brickwork"])
@pytest.mark.parametrize(("L", "seed"), [*((L, seed) for L in (2, 6) for seed in range(4)), LONG])
def test_the_map_is_the_product_of_its_gates(L, order, seed):
    """In the order of the bonds, though layers hold several of them, and some are multiplied with each other."""
    model = circuit(L, seed=seed, order=order)
    map_ = np.eye(1)
    for diagonal in model.phases():
        map_ = np.kron(map_, np.diag(diagonal))
    for bond in model.bond_order():
        gate = exponential(model.couplings()[bond] / model.alpha)
        map_ = reference.on_sites(gate, (bond, bond + 1), [2] * model.L) @ map_
    np.testing.assert_allclose(model.matrix(), map_, atol=1e-13)
    np.testing.assert_allclose(map_.conj().T @ map_, np.eye(len(map_)), atol=1e-13)


def test_every_bond_acts_once():
    orders = {tuple(circuit(8, seed=seed).bond_order()) for seed in range(20)}
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len(orders) > 15


def test_layers_hold_gates_on_disjoint_sites():
    for seed in range(5):
        for layer in circuit(9, seed=seed).layers():
            sites = [site for gate in layer for site in gate.where]
            assert len(sites) == len(set(sites))


def test_an_mps_and_a_vector_evolve_alike():
    """By whole periods, through the interface of any Floquet model."""
    model, measured = circuit(7, seed=3), {"sz": observables.Magnetization(), "S": observables.EntanglementEntropy()}
    mps = nh.Simulation(model, algorithms.NHTEBD(dt=1, t_max=4, cutoff=0.0, max_bond=64), measured).run()
    vector = nh.Simulation(model, algorithms.ExactEvolution(dt=1, t_max=4), measured).run()
    for name in measured:
        np.testing.assert_allclose(mps[name], vector[name], atol=1e-11)
    state = np.zeros(2**7)
    state[int("0101010", 2)] = 1
    state = np.linalg.matrix_power(model.matrix(), 4) @ state
    z = np.abs(state.reshape(2, -1)) ** 2
    assert float(mps["sz"][-1, 0]) == pytest.approx((z[0].sum() - z[1].sum()) / 2, abs=1e-11)
    assert float(mps["S"][-1]) > 0.1


def test_a_realisation_is_the_same_for_all_strengths():
    one, other = circuit(alpha=2.0, seed=5), circuit(alpha=30.0, seed=5)
    assert np.array_equal(one.couplings(), other.couplings())
    assert np.array_equal(one.phases(), other.phases())
    assert one.bond_order() == other.bond_order()
    assert not np.array_equal(one.couplings(), circuit(seed=6).couplings())
    scaled = circuit(alpha=4.0, seed=5, gue_scale=2.0)
    np.testing.assert_allclose(scaled.matrix(), one.matrix(), atol=1e-14)


def test_the_distributions_are_the_ensembles():
    """E|M_ij|² = 1 for all elements of GUE matrices in this normalisation, and E|tr d|² = 1 for 2 × 2 CUE matrices."""
    draws = [circuit(40, seed=seed) for seed in range(60)]
    couplings = np.concatenate([model.couplings() for model in draws])
    np.testing.assert_allclose(couplings, couplings.conj().swapaxes(1, 2), atol=0)
    np.testing.assert_allclose(np.mean(np.abs(couplings) ** 2, axis=0), 1, atol=0.12)
    np.testing.assert_allclose(np.mean(couplings, axis=0), 0, atol=0.08)
    phases = np.concatenate([model.phases() for model in draws])
    np.testing.assert_allclose(np.abs(phases), 1, atol=1e-14)
    assert np.mean(np.abs(phases.sum(axis=1)) ** 2) == pytest.approx(1, abs=0.08)
    assert abs(np.mean(phases)) < 0.05


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0.0}, "alpha = 0.0, but it must be positive"),
        ({"alpha": -3}, "alpha = -3.0, but it must be positive"),
        ({"gue_scale": 0.0}, "gue_scale = 0.0, but it must be positive"),
        ({"seed": -1}, "seed = -1, but it must be zero or positive"),
        ({"order": "sorted"}, "order = 'sorted', but it must be one of 'random', 'brickwork'"),
        ({"L": 1}, "L = 1, but it must be at least 2"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        circuit(**parameters)
