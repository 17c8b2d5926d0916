"""The variance of matrix-product states, against dense vectors and closed forms."""

import time

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models
from mpsnh.states.variance import _shifted, variance
from tests.oracles.reference import CHAINS, every_chain, random_mps


@every_chain
def test_random_states_and_operators(sites):
    rng, chain = np.random.default_rng(2), CHAINS[sites] if isinstance(sites, str) else sites
    names = [[name for name in site.operators if not name.startswith("c")] for site in chain]
    op = nh.OpSum.sum(
        (complex(*rng.normal(size=2)), str(rng.choice(names[j])), int(j), str(rng.choice(names[k])), int(k))
        for j, k in rng.integers(0, len(chain), (5, 2))
    )
    for seed in range(4):
        state = random_mps(chain, seed)
        matrix = nh.MPO.from_opsum(op, chain).to_matrix()
        vector = state.to_vector() / np.linalg.norm(state.to_vector())
        residual = matrix @ vector - np.vdot(vector, matrix @ vector) * vector
        assert variance(op, state) == pytest.approx(np.linalg.norm(residual) ** 2, rel=1e-10, abs=1e-13)


def test_eigenvectors_have_none():
    model = models.NonHermitianXXZ(L=8, gamma=0.4, h=1.0, charge=0)
    (spectrum,) = algorithms.ExactDiag().records(model)
    for level in (0, 7, 30):
        state = nh.MPS.from_vector(spectrum.state(level).to_vector(), model.sites)
        assert variance(model.mpo(), state) < 1e-26


def test_a_hundred_sites_in_seconds():
    """V = 1, opposite fields at the ends: a product state is an eigenvector, E = (N - 1)/4; and a Neel state is not."""
    L, gamma = 100, 0.2
    fields = [-gamma / 2] + [0.0] * (L - 2) + [gamma / 2]
    model = models.NonHermitianXXZ(L=L, gamma=gamma, V=1.0, fields=fields, charge=None)
    ratio = (1 + gamma) / (1 - gamma)
    weights = [np.array([ratio ** (j - L / 2), 1.0]) for j in range(L)]
    eigenstate = nh.MPS.product(model.sites, [w / np.linalg.norm(w) for w in weights])
    begin = time.perf_counter()
    assert eigenstate.expect(model.mpo()) == pytest.approx((L - 1) / 4, abs=1e-11)
    assert variance(model.terms(), eigenstate) < 1e-22
    neel = nh.MPS.product(model.sites, ["up", "down"] * (L // 2))
    # each bond flips, (1 - γ)/2 and (1 + γ)/2 in turn
    flips = np.array([(1 + gamma) / 2 if j % 2 == 0 else (1 - gamma) / 2 for j in range(L - 1)])
    assert variance(model.mpo(), neel) == pytest.approx(np.sum(flips**2), rel=1e-12)
    assert time.perf_counter() - begin < 60


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="number of sites of the operator = 6, but it must be 4, as the state has"):
        variance(models.NonHermitianXXZ(L=6).mpo(), nh.MPS.product([nh.Spin()] * 4, ["up"] * 4))


@pytest.mark.parametrize("energy", [2.7e-17j - 1.5e-18, 1e-17 + 1e-18j, 1e-100j, 1.0])
def test_an_energy_of_rounding_does_not_drown_the_terms(energy):
    """The identity shares its channel with terms; were 1e-17 of it their measure, sums of 1e17 would cancel."""
    terms = nh.OpSum([(-0.257, "Z", 0, "Sm", 0), (-0.5 + 0.404j, "X", 1, "Sy", 1, "Sx", 0), (0.9, "Sp", 2, "Z", 1)])
    tensors = nh.MPO.from_opsum(terms, [nh.Spin(0.5)] * 3).site_tensors()
    whole, shifted = (
        np.einsum("lrab,rscd,stef->acebdf", *chain).reshape(8, 8) for chain in (tensors, _shifted(tensors, energy))
    )
    np.testing.assert_allclose(shifted, whole - energy * np.eye(8), atol=1e-15)
