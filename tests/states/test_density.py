"""Density matrices: what is measured of them, against sums over elements."""

import itertools

import numpy as np
import pytest
import scipy.linalg

import mpsnh as nh
from mpsnh import DensityMatrix, OpSum, Sector, Spin
from tests.oracles import lindblad, reference

CHAINS = {
    "spins": (Spin(0.5),) * 4,
    "bosons": (nh.Boson(2),) * 3,
    "fermions": (nh.Fermion(),) * 4,
    "mixed": (nh.Boson(2), Spin(0.5), Spin(1)),
}
every_chain = pytest.mark.parametrize("sites", CHAINS.values(), ids=CHAINS)


def random_state(sites, seed=0):
    rho = lindblad.random_density(sites, np.random.default_rng(seed))
    return DensityMatrix(2.5 * rho, Sector(sites, None)), rho


@every_chain
def test_purity_and_entropy(sites):
    state, rho = random_state(sites)
    assert state.purity() == pytest.approx(np.trace(rho @ rho).real, abs=1e-14)
    assert state.entropy() == pytest.approx(-np.trace(rho @ scipy.linalg.logm(rho)).real, abs=1e-10)
    values = state.probabilities()
    assert values.sum() == pytest.approx(1)
    assert (np.diff(values) >= 0).all()


@every_chain
def test_what_is_measured_of_a_part_is_that_of_the_whole(sites):
    state, _ = random_state(sites)
    for first, last in itertools.combinations(range(len(sites) + 1), 2):
        part = state.reduced(range(first, last))
        assert part.sector.sites == sites[first:last]
        for i, j in itertools.product(range(first, last), repeat=2):
            names = f"{reference.RAISING[sites[i]]}", f"{reference.RAISING[sites[j]]}†"
            whole = state.expect(OpSum([(1.0, names[0], i, names[1], j)]))
            inside = part.expect(OpSum([(1.0, names[0], i - first, names[1], j - first)]))
            assert inside == pytest.approx(whole, abs=1e-12)


def test_a_state_of_one_charge_in_the_whole_space():
    sector = Sector([Spin(0.5)] * 4, 0)
    half = reference.gaussian(np.random.default_rng(1), 6, 6)
    state = DensityMatrix(half @ half.conj().T, sector)
    whole = state.whole()
    for op in (OpSum([(1.0, "Sz", 2)]), OpSum([(1j, "Sp", 0, "Sm", 3)]), OpSum([(1.0, "Sp", 0)])):
        assert whole.expect(op) == pytest.approx(state.expect(op), abs=1e-12)
    assert whole.entropy() == pytest.approx(state.entropy(), abs=1e-12)


@pytest.mark.parametrize("bond", range(3))
def test_negativity_of_pure_and_of_separable_states(bond):
    """2 ln Σ λ_k of Schmidt values λ; 0 of mixtures of product states; and the Werner state."""
    sites = CHAINS["spins"]
    state = reference.random_mps(sites, seed=4)
    vector = state.to_dense().ravel()
    pure = DensityMatrix(np.outer(vector, vector.conj()), Sector(sites, None))
    values = np.linalg.svd(vector.reshape(2 ** (bond + 1), -1), compute_uv=False)
    expected = 2 * np.log(values.sum() / np.linalg.norm(values))
    assert pure.log_negativity(bond) == pytest.approx(expected, abs=1e-9)
    rng = np.random.default_rng(bond)
    products = sum(
        np.kron(
            *(np.outer(v, v.conj()) for v in (reference.gaussian(rng, 2 ** (bond + 1)), reference.gaussian(rng, n)))
        )
        for n in [2 ** (3 - bond)] * 5
    )
    assert DensityMatrix(products, Sector(sites, None)).log_negativity(bond) < 1e-12


@pytest.mark.parametrize("p", [0.2, 1 / 3, 0.6, 1.0])
def test_negativity_of_a_werner_state(p):
    """p singlet + (1 - p) / 4: ‖ρ^T‖₁ = (1 + 3 p) / 2 above p = 1/3, else 1."""
    singlet = np.zeros((4, 4))
    singlet[1:3, 1:3] = [[0.5, -0.5], [-0.5, 0.5]]
    werner = DensityMatrix(p * singlet + (1 - p) / 4 * np.eye(4), Sector([Spin(0.5)] * 2, None))
    assert werner.log_negativity(0) == pytest.approx(max(0.0, np.log((1 + 3 * p) / 2)), abs=1e-12)


def test_what_is_refused():
    sites = (Spin(0.5),) * 2
    sector = Sector(sites, None)
    with pytest.raises(ValueError, match="elements that are not finite"):
        DensityMatrix(np.full((4, 4), np.inf), sector)
    with pytest.raises(ValueError, match=r"smallest eigenvalue of ρ = -0.25"):
        DensityMatrix(np.diag([1.0, 0.5, -0.25, -0.25]), sector).entropy()
    with pytest.raises(ValueError, match=r"\|ρ - ρ†\| = 0.1"):
        DensityMatrix(np.diag([1.0, 0, 0, 0]) + 0.1 * np.eye(4, k=1), sector).entropy()
    mixed = DensityMatrix(np.eye(4), sector)
    for chosen in ([], [1, 0], [0, 2], [-1, 0]):
        with pytest.raises(ValueError, match="but it must be neighbours from 0 to 1, in increasing order"):
            mixed.reduced(chosen)
    with pytest.raises(ValueError, match="bond = 1, but it must be from 0 to 0"):
        mixed.log_negativity(1)
    with pytest.raises(ValueError, match=r"site 0 = .*, but it must be not fermionic"):
        DensityMatrix(np.eye(4), Sector([nh.Fermion()] * 2, None)).log_negativity(0)
    many = DensityMatrix(np.eye(1), Sector([Spin(0.5)] * 40, 40))
    with pytest.raises(MemoryError, match="a density matrix of the whole space of 40 sites needs"):
        many.whole()
