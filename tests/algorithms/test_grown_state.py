"""The state that grows fastest, against exact eigenvectors."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models
from mpsnh.algorithms.grown_state import can_grow, grown
from mpsnh.states.symmetric import from_blocks
from tests.support.chains import Terms


def ring(**parameters):
    return models.NonHermitianXXZ(boundary="periodic", **parameters)


def as_state(blocks, model):
    return from_blocks(blocks, model.sites, (0, 1))


@pytest.mark.parametrize(
    "model",
    [
        ring(L=8, gamma=0.3, h=1.0, seed=2),
        ring(L=9, gamma=0.6, h=0.5, seed=1, charge=1),
        models.NonHermitianXXZ(L=8, gamma=0.2, fields=(0.3j * np.linspace(-1, 1, 8)).tolist()),
    ],
    ids=["ring", "odd ring", "gain and loss"],
)
@pytest.mark.parametrize("left", [False, True])
def test_what_grows_fastest_is_found_with_and_without_known_levels(model, left):
    (exact,) = algorithms.ExactDiag(vectors="both").records(model)
    kets, bras = (exact.left, exact.right) if left else (exact.right, exact.left)
    pairs = []
    for level in range(2):
        state = as_state(grown(model, 32, np.random.default_rng(level), left=left, without=pairs).blocks, model)
        vector = nh.SymmetricMPS.from_vector(kets[level].to_vector(), model.sites)
        assert abs(state.overlap(vector)) / vector.norm() == pytest.approx(1, abs=2e-3)
        pairs.append((vector, nh.SymmetricMPS.from_vector(bras[level].to_vector(), model.sites)))


def test_levels_that_grow_nearly_alike_are_told_apart():
    model = ring(L=10, gamma=0.1, h=1.0, seed=2)
    (exact,) = algorithms.SteadyState(k=2).records(model)
    assert exact.values[0].imag - exact.values[1].imag < 0.03
    evolved = grown(model, 32, np.random.default_rng(0))
    assert evolved.settled
    state = as_state(evolved.blocks, model)
    assert abs(state.expect(model.terms()) - exact.values[0]) < 1e-3


def test_only_what_gates_can_evolve_grows():
    assert can_grow(ring(L=6))
    assert not can_grow(Terms(L=6, op=nh.OpSum([(1, "Sz", 0, "Sz", 2)])))


def test_an_evolution_that_does_not_settle_is_told_of(monkeypatch):
    """A level that grows with 0.002 is not seen in a short time, nor that real ones are not the first."""
    monkeypatch.setattr("mpsnh.algorithms.grown_state.STRETCHES", 12)
    model = ring(L=8, gamma=0.1, h=2.0, seed=1)
    assert not grown(model, 16, np.random.default_rng(0)).settled
    with pytest.warns(RuntimeWarning, match="there may be no steady state: the first level does not grow"):
        (spectrum,) = algorithms.NHDMRG(which="growth", max_bond=16).records(model)
    assert "2 evolutions had not settled, so that others may grow faster" in spectrum.evidence


@pytest.mark.parametrize("gap", [0.1, 0.3])
def test_a_start_that_is_nearly_an_eigenvector_is_left_for_a_faster_one(gap):
    """Nothing hops, and the even start is the second state: the first one is only in what is random of it."""
    inside = (5 - gap) / 6
    bonds = ((-1j, "Sz", j, "Sz", j + 1) for j in range(5))
    op = nh.OpSum([*bonds, *((-1j * inside, "Sz", j, "Sz", j) for j in range(6))])
    model = Terms(L=6, op=op, site=nh.Spin(1), charge=0)
    state = as_state(grown(model, 32, np.random.default_rng(0)).blocks, model)
    assert state.expect(op).imag == pytest.approx(gap, abs=1e-6)
