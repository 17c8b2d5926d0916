"""Bases of charge sectors and operators in them, against product states and Kronecker products."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpsnh import Boson, Fermion, OpSum, Spin
from mpsnh.checks import require_memory
from mpsnh.operators.sector import Sector, sector
from tests.oracles import reference
from tests.oracles.reference import deviation, every_chain
from tests.support.sectors import from_sectors, refused, xxz

TOLERANCE = 1e-13
HALF = Spin(0.5)
SPINS = (HALF,) * 4


@pytest.mark.parametrize("L", [1, 2, 7, 10])
def test_sector_dimensions_are_binomial(L):
    for n in range(L + 1):
        assert Sector((HALF,) * L, 2 * n - L).dim == math.comb(L, n)
        assert Sector((Fermion(),) * L, n).dim == math.comb(L, n)
    assert Sector((Boson(L),) * 3, L).dim == math.comb(L + 2, 2)


@every_chain
def test_sectors_are_the_product_states_of_a_charge(sites):
    charges = reference.total_charges(sites)
    digits = np.array(list(itertools.product(*(range(site.dim) for site in sites))))
    for charge in [*set(charges.tolist()), None]:
        basis = Sector(sites, charge)
        expected = np.arange(len(charges)) if charge is None else np.flatnonzero(charges == charge)
        np.testing.assert_array_equal(basis.codes, expected)
        assert basis.dims == tuple(site.dim for site in sites)
        for j in range(len(sites)):
            np.testing.assert_array_equal(basis.digits(j), digits[expected, j])


@every_chain
def test_embed_and_project(sites):
    rng = np.random.default_rng(3)
    charges = reference.total_charges(sites)
    charge = int(charges[len(charges) // 2])
    basis = Sector(sites, charge)
    vector = reference.gaussian(rng, basis.dim)
    whole = basis.embed(vector)
    assert whole.dtype == vector.dtype
    np.testing.assert_array_equal(whole[charges == charge], vector)
    assert not whole[charges != charge].any()
    np.testing.assert_array_equal(basis.project(whole), vector)


def test_project_refuses_weight_outside():
    message = "the state has weight 0.5 outside of the sector of charge 0; set the model's charge to that of the state"
    with refused(message):
        Sector(SPINS[:2], 0).project(np.array([1, 1, 0, 0]))
    np.testing.assert_array_equal(Sector(SPINS[:2], 0).project(np.array([1e-8, 1, 0, 0])), [1, 0])
    with refused("outside of the sector"):
        Sector(SPINS[:2], 0).project(np.array([1e-5, 1, 0, 0]))


def test_embed_refuses_a_vector_of_another_length():
    """Numpy would repeat a single number over the whole sector."""
    with pytest.raises(ValueError, match=r"vector|shape"):
        Sector(SPINS, 0).embed(np.array([1.0]))


def test_operators_that_leave_the_sector_are_refused():
    basis, transverse = Sector(SPINS, 0), OpSum() + (1, "Sx", 0)
    message = "the operator 1 Sx_0 does not conserve the charge 0; use charge=None for the whole space"
    with refused(message):
        basis.operator(transverse)
    assert basis.operator(transverse, projected=True).nnz == 0
    with refused("… does not conserve the charge 0"):
        basis.operator(OpSum.sum((1, "Sx", j % 4, "Sz", (j + 1) % 4) for j in range(20)) * transverse)


def test_a_small_leak_is_refused_beside_large_terms():
    with refused("does not conserve the charge 0"):
        Sector(SPINS, 0).operator(1e3 * xxz(4) + (1e-6, "Sx", 2))


def test_a_leak_that_is_rounding_is_none():
    """As cos(π/2) is 6e-17: next to other terms it breaks nothing, and alone it is all there is."""
    exact, leaking = xxz(4), xxz(4) + (3e-17, "Sx", 2)
    difference = Sector(SPINS, 0).operator(exact) - Sector(SPINS, 0).operator(leaking)
    assert abs(difference).max() == 0
    with refused("does not conserve the charge 0"):
        Sector(SPINS, 0).operator(OpSum([(3e-17, "Sx", 2)]))


@pytest.mark.parametrize("site", [HALF, Spin(1), Spin(1.5)], ids=repr)
def test_terms_may_leave_the_sector_if_their_sum_does_not(site):
    sites = (site,) * 3
    op = OpSum.sum((0.7, name, j, name, j + 1) for name in ("Sx", "Sy") for j in range(2))
    assert deviation(from_sectors(op, sites), op, sites) <= 1e-14
    for weight in (0.1, 1e-10):
        with refused("does not conserve"):
            Sector(sites, site.charges[0]).operator(op + (weight, "Sx", 0, "Sx", 1))


@every_chain
@settings(max_examples=10)
@given(st.data())
def test_projected_operators_are_blocks(sites, data):
    op = data.draw(reference.sums(sites))
    whole = reference.operator(op, sites)
    for charge in set(reference.total_charges(sites).tolist()):
        basis = Sector(sites, charge)
        difference = basis.operator(op, projected=True) - whole[np.ix_(basis.codes, basis.codes)]
        assert np.linalg.norm(difference) <= TOLERANCE * (reference.scale(op, sites) or 1)


def test_matrices_are_real_if_all_elements_are():
    basis = Sector(SPINS, None)
    assert basis.operator(xxz(4)).dtype == np.float64
    assert basis.operator(OpSum() + (1j, "Sy", 0)).dtype == np.float64
    assert basis.operator(OpSum() + (1, "Sy", 0)).dtype == np.complex128
    assert basis.operator(xxz(4) + (1j, "Sp", 0) + (-1j, "Sm†", 0)).dtype == np.float64


def test_charges_that_do_not_exist_are_refused():
    with refused("charge = 1, but 4 sites of {Spin(0.5)} have: -4, -2, 0, 2, 4"):
        Sector(SPINS, 1)
    with refused("charge = 31, but 30 sites of {Fermion()} have: 0, 1, 2, 3, …, 27, 28, 29, 30"):
        Sector((Fermion(),) * 30, 31)


def test_sectors_are_remembered_and_shown():
    assert sector(SPINS, 0) is sector((Spin(0.5),) * 4, 0)
    assert repr(sector(SPINS, 0)) == "Sector(L=4, charge=0, dim=6)"


def test_require_memory():
    require_memory(1, "a number")
    with pytest.raises(MemoryError, match=r"a matrix needs 9.31e\+20 GiB, but only .* GiB are available"):
        require_memory(1e30, "a matrix")
