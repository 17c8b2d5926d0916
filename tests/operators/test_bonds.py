"""Bonds, matrix-product operators and sector operators of a sum, against Kronecker products and against each other."""

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpsnh import MPO, Boson, Fermion, OpSum, Site, Spin
from mpsnh.checks import require_memory
from mpsnh.operators.bonds import MAX_SPAN, bond_hamiltonians, local_operator
from mpsnh.operators.localise import localise, product_matrix
from mpsnh.operators.mpo import mpo_tensors
from mpsnh.operators.sector import Sector, sector
from tests.oracles import reference
from tests.oracles.reference import CHAINS, deviation, every_chain

TOLERANCE = 1e-13
HALF = Spin(0.5)
SPINS = (HALF,) * 4

any_number = st.complex_numbers(min_magnitude=1e-3, max_magnitude=1e3)


def from_bonds(op, sites):
    dims = [site.dim for site in sites]
    return sum(reference.embedded(bond, j, dims) for j, bond in enumerate(bond_hamiltonians(op, sites)))


def from_mpo(op, sites):
    return MPO.from_opsum(op, sites).to_matrix()


def from_whole_space(op, sites):
    return Sector(sites, None).operator(op).toarray()


def from_sectors(op, sites):
    """Put the blocks of all charges together."""
    whole = np.zeros((reference.dimension(sites),) * 2, dtype=complex)
    for charge in set(reference.total_charges(sites).tolist()):
        block = Sector(sites, charge)
        whole[np.ix_(block.codes, block.codes)] = block.operator(op).toarray()
    return whole


def xxz(L, ring=False):
    pairs = [(j, (j + 1) % L) for j in range(L if ring else L - 1)]
    hops = OpSum.sum((a, one, i, two, j) for i, j in pairs for a, one, two in [(0.45, "Sp", "Sm"), (0.55, "Sm", "Sp")])
    return hops + OpSum.sum((1.1, "Sz", i, "Sz", j) for i, j in pairs) + OpSum.sum((0.3 + j, "Sz", j) for j in range(L))


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


# Agreement


@every_chain
@settings(max_examples=60)
@given(st.data())
def test_any_sum_of_any_range(sites, data):
    op = data.draw(reference.sums(sites))
    assert deviation(from_mpo(op, sites), op, sites) <= TOLERANCE
    assert deviation(from_whole_space(op, sites), op, sites) <= TOLERANCE


@every_chain
@settings(max_examples=10)
@given(st.data())
def test_any_coefficients(sites, data):
    op = data.draw(reference.sums(sites, coefficients=any_number))
    assert deviation(from_mpo(op, sites), op, sites) <= TOLERANCE
    assert deviation(from_whole_space(op, sites), op, sites) <= TOLERANCE


@every_chain
@settings(max_examples=40)
@given(st.data())
def test_sums_of_neighbours(sites, data):
    op = data.draw(reference.sums(sites, reach=2))
    for compiled in (from_bonds, from_mpo, from_whole_space):
        assert deviation(compiled(op, sites), op, sites) <= TOLERANCE, compiled


@every_chain
@settings(max_examples=40)
@given(st.data())
def test_conserving_sums_block_by_block(sites, data):
    op = data.draw(reference.conserving_sums(sites))
    for compiled in (from_sectors, from_mpo, from_whole_space):
        assert deviation(compiled(op, sites), op, sites) <= TOLERANCE, compiled


@pytest.mark.parametrize("ring", [False, True], ids=["open", "ring"])
def test_xxz_chain(ring):
    sites, op = (HALF,) * 6, xxz(6, ring)
    ways = [from_mpo, from_whole_space, from_sectors] + ([] if ring else [from_bonds])
    for compiled in ways:
        assert deviation(compiled(op, sites), op, sites) <= 1e-14, compiled


@pytest.mark.parametrize("n", [1, 2, 3])
def test_free_fermions_on_a_ring(n):
    """The strings around the ring make the levels of n fermions those of one-particle levels filled."""
    L = 6
    one = np.roll(np.eye(L), 1, axis=0) * 0.7 + np.roll(np.eye(L), -1, axis=0) * 0.3 + np.diag(np.arange(L) * 0.2)
    op = OpSum.sum((one[i, j], "cdag", i, "c", j) for i, j in itertools.product(range(L), repeat=2) if one[i, j])
    levels = np.linalg.eigvals(one)
    expected = [sum(filled) for filled in itertools.combinations(levels, n)]
    got = np.linalg.eigvals(Sector((Fermion(),) * L, n).operator(op).toarray())
    np.testing.assert_allclose(np.sort_complex(np.round(got, 9)), np.sort_complex(np.round(expected, 9)), atol=2e-9)


def test_users_fermions_of_two_species():
    """A site with spin-up and spin-down fermions is two sites of one species."""
    lower, parity = np.array([[0, 0], [1, 0]]), np.diag([-1, 1])
    operators = {"cu": np.kron(lower, np.eye(2)), "cd": np.kron(parity, lower)}
    both = Site(["ud", "u", "d", "0"], operators, charges=[2, 1, 1, 0], parities=[1, -1, -1, 1])
    names, L = {"cu": 0, "cd": 1}, 3
    hops = [
        (a, i, b, j) for a, b in itertools.product(names, repeat=2) for i, j in itertools.product(range(L), range(L))
    ]
    numbers = reference.gaussian(np.random.default_rng(1), len(hops))
    op = OpSum.sum((x, a + "†", i, b, j) for x, (a, i, b, j) in zip(numbers, hops, strict=True))
    same = OpSum.sum(
        (x, "cdag", 2 * i + names[a], "c", 2 * j + names[b]) for x, (a, i, b, j) in zip(numbers, hops, strict=True)
    )
    for compiled in (from_mpo, from_whole_space, from_sectors):
        assert deviation(compiled(op, (both,) * L), same, (Fermion(),) * (2 * L)) <= TOLERANCE


def test_charges_of_different_kinds_of_sites_add_up():
    """One spin flip makes two bosons."""
    sites = (HALF, Boson(2), Boson(2))
    op = OpSum() + (1j, "Sm", 0, "bdag", 1, "bdag", 2) + (0.5, "b", 2, "b", 1, "Sp", 0)
    assert deviation(from_sectors(op, sites), op, sites) <= 1e-14


# Matrix-product operators


@every_chain
@settings(max_examples=50)
@given(st.data())
def test_mpo_bonds_are_minimal(sites, data):
    op = data.draw(reference.sums(sites))
    assert MPO.from_opsum(op, sites).bond_sizes() == reference.ranks(reference.operator(op, sites), sites)


def test_mpo_bonds_of_common_operators():
    L = 30
    sites = (HALF,) * L
    assert MPO.from_opsum(xxz(L), sites).bond_sizes() == [4, *[5] * (L - 3), 4]
    assert MPO.from_opsum(OpSum.sum((1.0, "Sz", j) for j in range(L)), sites).max_bond() == 2
    assert MPO.from_opsum(OpSum() + (1, "Sp", 0, "Sm", L - 1), sites).max_bond() == 1
    assert MPO.from_opsum(OpSum(), sites).max_bond() == 1
    exponential = OpSum.sum((0.5 ** (j - i), "Sz", i, "Sz", j) for i in range(L) for j in range(i + 1, L))
    assert MPO.from_opsum(exponential, sites).max_bond() == 3
    hops = OpSum.sum((1.0, "cdag", i, "c", j) for i, j in itertools.product(range(8), repeat=2))
    assert MPO.from_opsum(hops, (Fermion(),) * 8).max_bond() == 4


def test_mpo_of_a_long_chain_stays_finite():
    tensors = mpo_tensors(xxz(400), (HALF,) * 400)
    assert max(w.shape[1] for w in tensors) == 5
    assert all(np.isfinite(w).all() for w in tensors)
    assert [tensors[0].shape[0], tensors[-1].shape[1]] == [1, 1]


# Bonds


def test_fields_are_shared_by_the_bonds_they_touch():
    z, one = HALF.op("Sz"), np.eye(2)
    bonds = bond_hamiltonians(OpSum.sum((j + 1.0, "Sz", j) for j in range(4)), SPINS)
    weights = [(1, 1), (1, 1.5), (1.5, 4)]
    for bond, (left, right) in zip(bonds, weights, strict=True):
        np.testing.assert_allclose(bond, left * np.kron(z, one) + right * np.kron(one, z), atol=1e-15)


def test_a_constant_is_shared_by_all_bonds():
    for bond in bond_hamiltonians(OpSum() + (6j,), SPINS):
        np.testing.assert_allclose(bond, 2j * np.eye(4), atol=1e-15)


def test_two_sites_have_one_bond_that_takes_everything():
    op = OpSum() + (1, "Sz", 0) + (2, "Sz", 1) + (3, "Sp", 1, "Sm", 0) + (4,)
    (bond,) = bond_hamiltonians(op, SPINS[:2])
    np.testing.assert_allclose(bond, reference.operator(op, SPINS[:2]), atol=1e-15)


# Dense local operators and strings


@every_chain
@settings(max_examples=10)
@given(st.data())
def test_local_operator(sites, data):
    op = data.draw(reference.sums(sites, reach=2))
    (first, last), matrix = local_operator(op, sites)
    dims = [site.dim for site in sites]
    assert deviation(reference.embedded(matrix, first, dims), op, sites) <= TOLERANCE
    assert matrix.shape == (reference.dimension(sites[first : last + 1]),) * 2


def test_local_operator_of_a_constant_and_a_distant_site():
    """A multiple of the identity acts nowhere, so it must not stretch the span of the other terms."""
    sites = (HALF,) * (MAX_SPAN + 4)
    last = len(sites) - 1
    (first, end), matrix = local_operator(OpSum() + (1, "Sz", last) + (0.5,), sites)
    assert (first, end) == (last, last)
    np.testing.assert_allclose(matrix, np.diag([1, 0]))


def test_local_operator_refuses_a_wide_one():
    sites = (HALF,) * 10
    assert local_operator(OpSum() + (1, "Sz", 2, "Sz", 1 + MAX_SPAN), sites)[0] == (2, 1 + MAX_SPAN)
    with refused("1 Sz_0 Sz_6 spans 7 sites; at most 6 fit here, use expect()"):
        local_operator(OpSum() + (1, "Sz", 0, "Sz", 6), sites)


def test_strings_cancel_left_of_a_pair():
    sites = (Fermion(), HALF, Fermion(), Fermion())
    (pair,) = localise(OpSum() + (1, "cdag", 2, "c", 3), sites)
    assert pair.matrices == {2: ("cdag", "F"), 3: ("c",)}
    (wide,) = localise(OpSum() + (1, "c", 3, "cdag", 0), sites)
    assert (wide.matrices, wide.term.coefficient) == ({0: ("cdag", "F"), 2: ("F",), 3: ("c",)}, -1)
    assert localise(OpSum() + (2,), sites)[0].span == (0, 0)


def test_product_matrix_multiplies_in_order():
    up, down = HALF.op("Sp"), HALF.op("Sm")
    np.testing.assert_array_equal(product_matrix(HALF, ("Sp", "Sm")), up @ down)
    np.testing.assert_array_equal(product_matrix(HALF, ("Sm", "Sp")), down @ up)
    np.testing.assert_array_equal(product_matrix(HALF, ()), np.eye(2))


# Refusals


@pytest.mark.parametrize("compiled", [from_bonds, from_mpo, from_whole_space], ids=lambda way: way.__name__)
@pytest.mark.parametrize(
    ("term", "sites", "message"),
    [
        ((1, "S+", 0), SPINS, "Spin(0.5) has no operator 'S+'; it has: F, Id, Sm, Sp, Sx, Sy, Sz, X, Y, Z"),
        ((2, "Sz", 3, "Sz", 4), SPINS, "term 2 Sz_3 Sz_4 acts on site 4, but the chain has sites 0 … 3"),
        ((1, "cdag", 2), CHAINS["fermion"], "term 1 cdag_2 has an odd number of fermionic operators"),
        ((1, "c", 0, "c", 1, "n", 2, "c", 2), CHAINS["fermion"], "has an odd number of fermionic operators"),
    ],
    ids=["name", "site", "odd", "odd3"],
)
def test_bad_operators_are_refused(compiled, term, sites, message):
    with refused(message):
        compiled(OpSum() + term, sites)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (
            (0.5, "Sp", 1, "Sm", 3),
            "term 0.5 Sp_1 Sm_3 spans sites 1 to 3; gates on bonds need terms on one site or on two neighbouring sites",
        ),
        ((1, "Sz", 0, "Sz", 1, "Sz", 2), "term 1 Sz_0 Sz_1 Sz_2 spans sites 0 to 2; gates on bonds need terms"),
        (
            (0.5, "Sp", 4, "Sm", 0),
            "term 0.5 Sm_0 Sp_4 joins the two ends of the chain; gates on bonds need open boundaries, boundary='open'",
        ),
    ],
    ids=["far", "three", "periodic"],
)
def test_terms_that_fit_no_bond_are_refused(term, message):
    with refused(message):
        bond_hamiltonians(xxz(5) + term, (HALF,) * 5)


@pytest.mark.parametrize(
    ("compiled", "message"),
    [
        (bond_hamiltonians, "L = 1, but bonds need at least 2 sites"),
        (MPO.from_opsum, "number of sites = 1, but it must be at least 2"),
    ],
    ids=["bonds", "mpo"],
)
def test_a_single_site_is_refused(compiled, message):
    with refused(message):
        compiled(OpSum() + (1, "Sz", 0), (HALF,))


# Sectors


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


def test_too_many_states_are_refused():
    with refused("a chain of 62 sites has 4.6e+18 states, too many for exact methods"):
        Sector((HALF,) * 62, 0)


def test_sectors_are_remembered_and_shown():
    assert sector(SPINS, 0) is sector((Spin(0.5),) * 4, 0)
    assert repr(sector(SPINS, 0)) == "Sector(L=4, charge=0, dim=6)"


def test_require_memory():
    require_memory(1, "a number")
    with pytest.raises(MemoryError, match=r"a matrix needs 9.31e\+20 GiB, but only .* GiB are available"):
        require_memory(1e30, "a matrix")
