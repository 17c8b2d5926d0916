"""Correlations of all pairs and Schmidt spectra against dense vectors."""

import itertools

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models
from mpsnh.states.correlations import correlation_matrix
from mpsnh.states.schmidt import schmidt_spectrum
from mpsnh.states.symmetric import symmetric
from mpsnh.states.vector import ExactState


def dense(sites, names):
    """An operator of many sites by Kronecker products, with parities to the left of odd ones."""
    matrix = np.eye(1)
    for j, site in enumerate(sites):
        local = np.eye(site.dim)
        for place, name in names:
            odd = name.startswith("c")
            if place == j:
                local = local @ site.op(name)
            elif odd and j < place:
                local = local @ site.op("F")
        matrix = np.kron(matrix, local)
    return matrix


IMPURITY = nh.Spin(0.5).with_operators(c=np.zeros((2, 2)), cdag=np.zeros((2, 2)))
KINDS = {
    "fermions with an impurity": ([nh.Fermion(), IMPURITY, nh.Fermion(), nh.Fermion(), nh.Fermion()], "cdag", "c"),
    "spins": ([nh.Spin(0.5)] * 5, "Sp", "Sm"),
    "spins that leave the sector": ([nh.Spin(0.5)] * 4, "Sp", "Sz"),
    "fermions": ([nh.Fermion()] * 5, "cdag", "c"),
    "fermions, other order": ([nh.Fermion()] * 5, "c", "cdag"),
    "densities": ([nh.Fermion()] * 5, "n", "n"),
    "bosons": ([nh.Boson(2)] * 4, "bdag", "b"),
    "two sites": ([nh.Fermion()] * 2, "cdag", "c"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_pairs_are_those_of_dense_operators(kind):
    sites, first, second = KINDS[kind]
    L, dim = len(sites), int(np.prod([site.dim for site in sites]))
    rng = np.random.default_rng(len(kind))
    vector = rng.normal(size=dim) + 1j * rng.normal(size=dim)
    vector /= np.linalg.norm(vector)
    expected = np.array(
        [[np.vdot(vector, dense(sites, [(i, first), (j, second)]) @ vector) for j in range(L)] for i in range(L)]
    )
    for state in (nh.MPS.from_vector(3.0 * vector, sites), ExactState(vector, nh.Sector(sites, None))):
        np.testing.assert_allclose(correlation_matrix(state, first, second), expected, atol=1e-13)


def test_states_by_charge_and_folded_rings_give_the_same():
    ring = models.NonHermitianXXZ(L=8, h=1.0, gamma=0.3, boundary="periodic")
    *_, folded = algorithms.NHTEBD(dt=0.05, t_max=1.0, max_bond=64, order=4, cutoff=1e-15).records(ring)
    *_, exact = algorithms.ExactEvolution(dt=1.0, t_max=1.0).records(ring)
    for names in (("Sz", "Sz"), ("Sp", "Sm")):
        found, expected = (correlation_matrix(record.state, *names) for record in (folded, exact))
        np.testing.assert_allclose(found, expected, atol=2e-6)  # the error of the time steps


@pytest.mark.parametrize("bond", range(5))
def test_schmidt_spectra_are_those_of_density_matrices_by_charge(bond):
    chain = models.NonHermitianXXZ(L=6, gamma=0.3, h=1.0)
    *_, exact = algorithms.ExactEvolution(dt=2.0, t_max=2.0).records(chain)
    left = 2 ** (bond + 1)
    matrix = exact.state.to_vector().reshape(left, -1)
    density = matrix @ matrix.conj().T
    charges = np.array(
        [sum(1 if digit == 0 else -1 for digit in one) for one in itertools.product((0, 1), repeat=bond + 1)]
    )
    expected = {q: np.linalg.eigvalsh(density[np.ix_(charges == q, charges == q)]) for q in set(charges.tolist())}
    mps = nh.MPS.from_vector(exact.state.to_vector(), chain.sites)
    for state in (exact.state, mps, symmetric(mps)):
        weights, found = schmidt_spectrum(state, bond)
        assert weights.sum() == pytest.approx(1, abs=1e-14)
        assert (np.diff(weights) <= 1e-15).all()
        for q, values in expected.items():
            ours = np.sort(weights[found == q])[::-1]
            theirs = np.sort(values / np.trace(density).real)[::-1]
            theirs = theirs[theirs > 1e-12]
            np.testing.assert_allclose(ours[: len(theirs)], theirs, atol=1e-13)
            assert (ours[len(theirs) :] < 1e-12).all()


def test_few_particles_on_many_sites_have_a_schmidt_spectrum():
    """The whole space of sixty sites has no room anywhere."""
    chain = models.NonHermitianXXZ(L=60, charge=56, gamma=0.2, h=1.0)
    names = ["down" if j in (28, 30) else "up" for j in range(60)]
    *_, last = algorithms.ExactEvolution(dt=2.0, t_max=2.0, initial=names).records(chain)
    weights, charges = schmidt_spectrum(last.state, 29)
    weights, charges = weights[weights > 1e-14], charges[weights > 1e-14]
    assert -(weights * np.log(weights)).sum() == pytest.approx(last.state.entanglement_entropy(29), abs=1e-12)
    assert set(charges.tolist()) == {26, 28, 30}


def test_states_without_a_charge_have_one_block():
    state = nh.MPS.product([nh.Spin(0.5)] * 4, [[1, 1]] * 4)
    weights, charges = schmidt_spectrum(state, 1)
    assert weights[0] == pytest.approx(1)
    assert not charges.any()


def test_bonds_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="bond = 3, but it must be from 0 to 2"):
        schmidt_spectrum(nh.MPS.product([nh.Spin(0.5)] * 4, ["up"] * 4), 3)
