"""Bonds, matrix-product operators and sector operators of a sum, against Kronecker products and against each other."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpsnh import MPO, Boson, Fermion, OpSum, Site, Spin
from mpsnh.operators.bonds import MAX_SPAN, bond_hamiltonians, local_operator
from mpsnh.operators.localise import localise, product_matrix
from mpsnh.operators.mpo import mpo_tensors
from mpsnh.operators.sector import Sector
from tests.oracles import reference
from tests.oracles.reference import CHAINS, deviation, every_chain
from tests.support.sectors import from_sectors, refused, xxz

TOLERANCE = 2e-13
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
