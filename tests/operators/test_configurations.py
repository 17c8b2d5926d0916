"""A few particles on many sites: first quantisation, closed forms, and small chains that are stored like large ones."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.sparse

from mpsnh import MPS, Boson, ExactState, Fermion, OpSum, Site, Spin
from mpsnh.operators import configurations
from mpsnh.operators.sector import Sector
from tests.oracles import reference
from tests.support.sectors import refused

HALF, FERMION = Spin(0.5), Fermion()
LEFT, RIGHT = 0.45, 0.55 + 0.1j


@pytest.fixture
def words(monkeypatch):
    """Put at most a few sites into one integer, so that small chains are stored like long ones."""
    monkeypatch.setattr(configurations, "WORD", 5)


def ring(L: int, up: str, down: str) -> OpSum:
    """Hopping to the left and to the right, and fields."""
    pairs = [(j, (j + 1) % L) for j in range(L)]
    hops = OpSum.sum((a, up, i, down, j) for p, q in pairs for a, i, j in ((LEFT, p, q), (RIGHT, q, p)))
    return hops + OpSum.sum((math.sin(j), up, j, down, j) for j in range(L))


def one_particle(L: int) -> scipy.sparse.csr_matrix:
    """The matrix of `ring` between sites."""
    j = np.arange(L)
    numbers = np.concatenate([np.full(L, LEFT), np.full(L, RIGHT), np.sin(j)])
    where = np.concatenate([j, (j + 1) % L, j]), np.concatenate([(j + 1) % L, j, j])
    return scipy.sparse.csr_matrix((numbers, where), shape=(L, L))


def occupied(basis: Sector) -> np.ndarray:
    """Sites in the first local state, for each configuration."""
    where = np.array([basis.digits(j) == 0 for j in range(len(basis.sites))]).T
    return np.nonzero(where)[1].reshape(basis.dim, -1)


@pytest.mark.parametrize("L", [61, 62, 63, 100, 1000])
@pytest.mark.parametrize(("site", "names"), [(HALF, ("Sp", "Sm")), (FERMION, ("cdag", "c"))], ids=repr)
def test_one_particle_hops(L, site, names):
    """Also around the ring, where one fermion has no sign."""
    empty, full = site.charges[1], site.charges[0]
    basis = Sector((site,) * L, (L - 1) * empty + full)
    assert basis.dim == L
    (where,) = occupied(basis).T
    np.testing.assert_array_equal(where, np.arange(L))
    assert abs(basis.operator(ring(L, *names)) - one_particle(L)).max() < 1e-14


@pytest.mark.parametrize(("site", "names", "sign"), [(HALF, ("Sp", "Sm"), 1), (FERMION, ("cdag", "c"), -1)], ids=repr)
@pytest.mark.parametrize("L", [5, 80, 200])
def test_two_particles_in_first_quantisation(L, site, names, sign):
    """Hard-core bosons and fermions: the symmetric or antisymmetric part of what acts on two distinguishable ones."""
    basis = Sector((site,) * L, (L - 2) * site.charges[1] + 2 * site.charges[0])
    assert basis.dim == math.comb(L, 2)
    i, j = occupied(basis).T
    np.testing.assert_array_equal(np.stack([i, j], 1), list(itertools.combinations(range(L), 2)))
    every, half = np.arange(basis.dim), np.full(basis.dim, 0.5**0.5)
    symmetric = scipy.sparse.csr_matrix(
        (np.concatenate([half, sign * half]), (np.concatenate([i * L + j, j * L + i]), np.concatenate([every] * 2))),
        shape=(L * L, basis.dim),
    )
    one = one_particle(L)
    both = scipy.sparse.kron(one, scipy.sparse.identity(L)) + scipy.sparse.kron(scipy.sparse.identity(L), one)
    expected = symmetric.T @ both @ symmetric
    assert abs(basis.operator(ring(L, *names)) - expected).max() < 1e-14


def test_bosons_on_many_sites():
    """Two bosons, of which two on a site have the energy U; √2 for hops to and from there."""
    L, U = 70, 3.0
    basis = Sector((Boson(2),) * L, 2)
    assert basis.dim == L * (L + 1) // 2
    op = OpSum.sum((1.0, "bdag", i, "b", j) for p in range(L - 1) for i, j in ((p, p + 1), (p + 1, p)))
    op = op + OpSum.sum((U / 2, "n", j, "n", j) for j in range(L)) - OpSum.sum((U / 2, "n", j) for j in range(L))
    matrix = basis.operator(op)
    # two distinguishable particles in the symmetric subspace
    hop = scipy.sparse.diags([1.0, 1.0], [1, -1], shape=(L, L))
    contact = scipy.sparse.diags((np.arange(L * L) // L == np.arange(L * L) % L) * U)
    both = scipy.sparse.kron(hop, scipy.sparse.identity(L)) + scipy.sparse.kron(scipy.sparse.identity(L), hop) + contact
    numbers = np.array([basis.digits(j) for j in range(L)]).T
    pairs = np.repeat(np.tile(np.arange(L), basis.dim), numbers.ravel()).reshape(-1, 2)
    weight = np.where(pairs[:, 0] == pairs[:, 1], 0.5, 0.5**0.5)
    index = np.concatenate([pairs[:, 0] * L + pairs[:, 1], pairs[:, 1] * L + pairs[:, 0]])
    columns = np.concatenate([np.arange(basis.dim)] * 2)
    symmetric = scipy.sparse.csr_matrix((np.concatenate([weight] * 2), (index, columns)), shape=(L * L, basis.dim))
    assert abs(matrix - symmetric.T @ both @ symmetric).max() < 1e-13


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("seed", range(60))
def test_any_chain_stored_in_several_words(seed):
    """Random sites, charges and sums in all sectors; fermions and spins with signs every fourth time."""
    rng = np.random.default_rng(seed)
    if seed % 4:
        sites = reference.random_sites(rng, 4)
        names = [("A", "B")] * 4
    else:
        kinds = list(reference.RAISING)
        sites = tuple(kinds[k] for k in rng.integers(0, 4, 5))
        names = [(reference.RAISING[site], reference.RAISING[site] + "†") for site in sites]
    terms = []
    for _ in range(6):
        i, j = rng.choice(len(sites), 2, replace=False)
        one, two = names[i][rng.integers(2)], names[j][rng.integers(2)]
        if one.startswith("c") != two.startswith("c"):
            one, two = "n" if one.startswith("c") else one, "n" if two.startswith("c") else two
        terms.append((complex(*rng.normal(size=2)), one, int(i), two, int(j)))
    op = OpSum(terms)
    whole, totals = reference.operator(op, sites), reference.total_charges(sites)
    whole_vector = reference.gaussian(rng, len(totals))
    state = reference.random_mps(sites, seed)
    amplitudes = state.to_vector()
    for charge in sorted(set(totals.tolist())):
        basis, inside = Sector(sites, charge), np.flatnonzero(totals == charge)
        assert basis.dim == len(inside)
        digits = np.array([basis.digits(j) for j in range(len(sites))])
        np.testing.assert_array_equal(np.ravel_multi_index(digits, basis.dims), inside)
        np.testing.assert_array_equal(basis.find(basis.keys), np.arange(basis.dim))
        matrix = basis.operator(op, projected=True)
        scale = np.abs(whole).max()
        np.testing.assert_allclose(matrix.toarray(), whole[np.ix_(inside, inside)], atol=1e-13 * scale)
        leaks = np.abs(np.delete(whole[:, inside], inside, axis=0)).max(initial=0.0) > 1e-9 * scale
        if leaks:
            with refused("does not conserve the charge"):
                basis.operator(op)
        vector = whole_vector[inside]
        np.testing.assert_allclose(basis.apply(op, vector), matrix @ vector, atol=1e-12 * scale)
        np.testing.assert_allclose(basis.amplitudes(state.site_tensors()), amplitudes[inside], atol=1e-10)
        embedded = np.zeros(len(totals), dtype=complex)
        embedded[inside] = vector
        expected = [reference.entropy(embedded, cut, sites) for cut in range(1, len(sites))]
        exact = ExactState(vector, basis)
        np.testing.assert_allclose(exact.entanglement_profile(), expected, atol=1e-10)
        assert exact.entanglement_entropy(1) == pytest.approx(expected[1], abs=1e-10)
        assert exact.expect(op) == pytest.approx(reference.expectation(whole, embedded), abs=1e-10 * scale)


def test_two_charges_in_one_number():
    """Electrons on many sites: the numbers of both spins are conserved if one counts as a thousand of the other."""
    lower, parity = np.array([[0, 0], [1, 0]]), np.diag([-1, 1])
    operators = {"cu": np.kron(lower, np.eye(2)), "cd": np.kron(parity, lower)}
    electron = Site(["ud", "u", "d", "0"], operators, charges=[1001, 1, 1000, 0], parities=[1, -1, -1, 1])
    L = 40
    basis = Sector((electron,) * L, 1001)
    assert basis.dim == L**2  # one of each
    up, down = (
        np.argwhere(np.array([np.isin(basis.digits(j), which) for j in range(L)]).T)[:, 1] for which in ((0, 1), (0, 2))
    )
    U, hop = 2.0, scipy.sparse.diags([1.0, 1.0], [1, -1], shape=(L, L)).tocsr()
    op = OpSum.sum(
        (1.0, f"{s}†", i, s, j) for s in ("cu", "cd") for p in range(L - 1) for i, j in ((p, p + 1), (p + 1, p))
    )
    op = op + OpSum.sum((U, "cu†", j, "cu", j, "cd†", j, "cd", j) for j in range(L))
    where = up * L + down
    one = scipy.sparse.identity(L)
    both = (scipy.sparse.kron(hop, one) + scipy.sparse.kron(one, hop)).tocsr()
    both = both + scipy.sparse.diags((np.arange(L * L) // L == np.arange(L * L) % L) * U)
    # levels do not depend on the signs of configurations
    got, expected = np.linalg.eigvalsh(basis.operator(op).toarray()), np.linalg.eigvalsh(both.toarray())
    assert sorted(where) == list(range(L * L))
    np.testing.assert_allclose(got, expected, atol=1e-11)


def test_staggered_charges():
    """Pairs of charges +1 and -1 are made on neighbours, next to a hole that hops."""
    plus, minus = (Site(["0", "1"], {"A": [[0, 0], [1, 0]]}, charges=[0, q]) for q in (1, -1))
    L = 80
    basis = Sector((plus, minus) * (L // 2), L // 2 - 1)  # a plus is missing, or a minus is there
    assert basis.dim == L
    pairs = OpSum.sum((1.0, "A", j, "A", j + 1) for j in range(0, L, 2))
    matrix = basis.operator(pairs + pairs.dag() + OpSum.sum((0.5, "A", j, "A†", j + 2) for j in range(0, L - 2, 2)))
    missing = np.array([basis.digits(j) == 0 for j in range(0, L, 2)])
    there = np.array([basis.digits(j) == 1 for j in range(1, L, 2)])
    hole, extra = np.nonzero(missing.T), np.nonzero(there.T)
    expected = np.zeros((L, L))
    where = {(kind, j): k for kind, found in (("hole", hole), ("extra", extra)) for k, j in zip(*found, strict=True)}
    for j in range(L // 2):
        expected[where["extra", j], where["hole", j]] = expected[where["hole", j], where["extra", j]] = 1
        if j + 1 < L // 2:
            expected[where["hole", j + 1], where["hole", j]] = 0.5
    np.testing.assert_array_equal(matrix.toarray(), expected)


def test_a_shared_particle_on_a_thousand_sites():
    """A state of bond dimension 2 with equal amplitudes everywhere, in its sector and beside it."""
    L = 1000
    middle = np.zeros((2, 2, 2))
    middle[0, 1, 0] = middle[1, 1, 1] = middle[0, 0, 1] = 1
    state = MPS.from_tensors([middle[:1], *[middle] * (L - 2), middle[:, :, 1:]], (HALF,) * L)
    basis = Sector((HALF,) * L, 2 - L)
    exact = ExactState.from_mps(state, basis)
    np.testing.assert_allclose(exact.vector, L**-0.5, rtol=1e-11)
    left = np.arange(1, L) / L
    np.testing.assert_allclose(
        exact.entanglement_profile(), -left * np.log(left) - (1 - left) * np.log(1 - left), atol=1e-12
    )
    np.testing.assert_allclose(exact.expect_each("Sz").real, 1 / L - 0.5, atol=1e-12)
    assert exact.expect(OpSum([(1, "Sp", 0, "Sm", L - 1)])).real == pytest.approx(1 / L, rel=1e-10)
    with refused("the state has weight 1 outside of the sector of charge -1000"):
        ExactState.from_mps(state, Sector((HALF,) * L, -L))


def test_configurations_of_one_key_get_others(monkeypatch):
    """Keys are random numbers: should two of them be the same, there are others."""
    drawn = configurations._random_weights

    def unlucky(dims, seed):
        return [1] * len(dims) if seed == 0 else drawn(dims, seed)

    monkeypatch.setattr(configurations, "_random_weights", unlucky)
    basis = Sector((HALF,) * 64, -62)
    assert len(set(basis.keys.tolist())) == basis.dim == 64


def test_what_needs_the_whole_space_is_refused():
    basis = Sector((HALF,) * 100, -98)
    with pytest.raises(MemoryError, match=r"a vector of the whole space of 100 sites needs .* GiB, but only"):
        basis.embed(np.ones(100))
    with refused("the whole space of 100 sites is too large for indices of 64 bits; use `digits`"):
        _ = basis.codes
    for charge, states in ((0, r"with charge 0 \(10\^600 states\)"), (None, r"\(10\^602 states\)")):
        with pytest.raises(MemoryError, match=rf"the basis of 2000 sites {states} needs .* GiB, but only"):
            Sector((HALF,) * 2000, charge)
    with refused("charge = 3, but 100 sites of {Spin(0.5)} have: -100, -98, -96, -94, …, 94, 96, 98, 100"):
        Sector((HALF,) * 100, 3)
    huge = Site(["a", "b"], {}, charges=[0, 2**61])
    with refused("sum of the largest charges = 4611686018427387904, but it must be less than 2^62"):
        Sector((huge, huge), 2**61)


@pytest.mark.parametrize(("L", "n"), [(6, 3), (100, 1), (300, 2)])
def test_how_many_sites_are_excited(L, n):
    assert Sector((HALF,) * L, 2 * n - L).excitations == pytest.approx(n, rel=1e-12)
