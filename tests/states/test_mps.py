"""States: construction, every kind of expectation value against dense vectors, quimb's own methods, and norms."""

import itertools
import pickle
import re

import numpy as np
import pytest
import quimb.tensor as qtn
from hypothesis import given, settings
from hypothesis import strategies as st

from mpsnh import MPO, MPS, Boson, ExactState, Fermion, OpSum, Sector, Spin
from mpsnh.operators.bonds import MAX_SPAN
from mpsnh.states.state import each_operator, entropy
from tests.oracles import reference
from tests.oracles.reference import CHAINS, every_chain, random_mps

TOLERANCE = 1e-12
HALF = Spin(0.5)
SPINS = (HALF,) * 6
MIXED = CHAINS["mixed"]
NAMED = [(HALF,) * 5, CHAINS["fermion"], CHAINS["boson"], (Fermion(), Boson(3), Fermion())]

seeds = st.integers(0, 2**32 - 1)


def vector_of(state):
    """Amplitudes by multiplying the tensors, without quimb."""
    vector = np.ones((1, 1))
    for tensor in state.site_tensors():
        vector = np.tensordot(vector, tensor, 1).reshape(-1, tensor.shape[2])
    return vector.ravel()


def expected(op, sites, ket, bra=None):
    return reference.expectation(reference.operator(op, sites), ket, bra)


def size(op, sites):
    """Largest value that an expectation value can have."""
    return sum(np.linalg.norm(term, 2) for term in reference.terms(op, sites)) or 1.0


def exact(vector, sites, charge=None):
    return ExactState(vector, Sector(sites, charge))


def refused(message, error=ValueError):
    return pytest.raises(error, match=re.escape(message))


# Construction


def test_product_of_names_and_vectors():
    sites = (HALF, Spin(1), Boson(2), Fermion())
    plus = [1, 1j]
    state = MPS.product(sites, [plus, "0", np.array([0, 0, 3.0]), "empty"])
    parts = [plus, [0, 1, 0], [0, 0, 3], [0, 1]]
    expected = np.kron(np.kron(np.kron(*parts[:2]), parts[2]), parts[3])
    np.testing.assert_array_equal(state.to_vector(), expected)
    assert (type(state), state.local_sites, state.max_bond()) == (MPS, sites, 1)


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (["up"], "number of states = 1, but it must be 2, one a site"),
        (["up"] * 3, "number of states = 3, but it must be 2, one a site"),
        (["up", "left"], "Spin(0.5) has no state 'left'; it has: up, down"),
        (
            ["up", [1, 0, 0]],
            "state = [1, 0, 0], but it must be a name, one of 'up', 'down', or an array of 2",
        ),
        (["up", [np.nan, 1]], "tensor 1 of the state has elements that are not finite"),
    ],
    ids=["short", "long", "name", "length", "nan"],
)
def test_bad_products_are_refused(states, message):
    with refused(message):
        MPS.product([HALF] * 2, states)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(1, 2, 3), (2, 2, 1)], "shape of tensor 1 = (2, 2, 1), but it must be (3, 2,"),
        ([(1, 2, 3), (3, 2, 2)], "shape of tensor 1 = (3, 2, 2)"),
        ([(2, 2, 1), (1, 2, 1)], "shape of tensor 0 = (2, 2, 1), but it must be (1, 2, next bond)"),
        ([(2, 2), (2, 2, 1)], "shape of tensor 0 = (2, 2), but it must be (1, 2, next bond)"),
        ([(1, 2, 1)], "number of tensors = 1"),
    ],
    ids=["bond", "end", "start", "two indices", "number"],
)
def test_bad_tensors_are_refused(shapes, message):
    with refused(message):
        MPS.from_tensors([np.ones(shape) for shape in shapes], [HALF] * 2)


def test_a_single_site_is_refused():
    with refused("number of sites = 1, but it must be at least 2"):
        MPS.from_vector([1, 0], [HALF])


@every_chain
@settings(max_examples=5)
@given(seeds)
def test_vector_round_trip(sites, seed):
    vector = reference.gaussian(np.random.default_rng(seed), reference.dimension(sites))
    state = MPS.from_vector(vector, sites)
    np.testing.assert_allclose(state.to_vector(), vector, atol=1e-13)
    np.testing.assert_allclose(vector_of(state), vector, atol=1e-13)
    assert state.canonical_centre == len(sites) - 1
    assert state.local_sites == sites


def test_vectors_are_not_compressed_too_far():
    vector = np.zeros(64)
    vector[[0, 63]] = 1, 1e-14
    np.testing.assert_allclose(MPS.from_vector(vector, SPINS).to_vector(), vector, rtol=1e-9)
    assert MPS.from_vector(np.eye(64)[5], SPINS).max_bond() == 1


def test_bad_vectors_are_refused():
    with refused("vector size = 3, but it must be"):
        MPS.from_vector([1, 0, 0], [HALF] * 2)
    with pytest.raises(ValueError, match="finite"):
        MPS.from_vector([np.nan, 0, 0, 1], [HALF] * 2)


def test_from_and_to_quimb():
    plain = qtn.MPS_rand_state(6, 4, dtype=complex, seed=1)
    state = MPS.from_quimb(plain, SPINS)
    assert (type(state), state.local_sites) == (MPS, SPINS)
    np.testing.assert_allclose(state.to_vector(), plain.to_dense().ravel(), atol=1e-14)
    back = state.to_quimb()
    assert type(back) is qtn.MatrixProductState
    np.testing.assert_allclose(back.to_dense().ravel(), state.to_vector(), atol=1e-14)
    with refused("shape of tensor 0 = (1, 2, 4), but it must be (1, 3, next bond)"):
        MPS.from_quimb(plain, (Spin(1),) * 6)
    with refused("periodic matrix-product states are not supported; use open boundaries"):
        MPS.from_quimb(qtn.MPS_rand_state(6, 4, cyclic=True), SPINS)


def test_from_quimb_takes_any_order_of_indices_and_an_exponent():
    plain = qtn.MPS_rand_state(6, 4, dtype=complex, seed=2)
    vector = plain.to_dense().ravel()
    plain.permute_arrays("prl")
    plain[2].modify(data=plain[2].data / 1000)
    plain.exponent = 3.0
    np.testing.assert_allclose(MPS.from_quimb(plain, SPINS).to_vector(), vector, atol=1e-13)


def test_from_quimb_takes_a_state_without_bonds():
    plain = qtn.MPS_computational_state("010")
    for bond in list(plain.inner_inds()):
        plain.squeeze_(include=[bond])
    np.testing.assert_array_equal(MPS.from_quimb(plain, SPINS[:3]).to_vector(), np.eye(8)[2])


def test_plain_states_do_not_know_their_sites():
    state = MPS(qtn.MPS_computational_state("010"))
    assert (type(state), state.local_sites) == (MPS, None)
    for measure in (lambda: state.expect_each("Sz"), lambda: state.expect(OpSum() + (1, "Sz", 0))):
        with refused("this MPS does not know its sites; make it with MPS.from_quimb(mps, sites)"):
            measure()
    assert state.entanglement_entropy(0) == 0


def test_site_tensors_are_copies():
    state = random_mps(MIXED, 1)
    before = state.to_vector()
    for tensor in state.site_tensors():
        tensor *= 2
    np.testing.assert_array_equal(state.to_vector(), before)
    same = MPS.from_tensors(state.site_tensors(), MIXED)
    np.testing.assert_array_equal(same.to_vector(), before)


# Expectation values


@every_chain
@settings(max_examples=12)
@given(st.data(), seeds)
def test_expect_of_any_range(sites, data, seed):
    op, state = data.draw(reference.sums(sites)), random_mps(sites, seed)
    vector = vector_of(state)
    values = [state.expect(op), state.expect(MPO.from_opsum(op, sites)), exact(vector, sites).expect(op)]
    assert np.abs(np.array(values) - expected(op, sites, vector)).max() <= TOLERANCE * size(op, sites)


@every_chain
@settings(max_examples=8)
@given(st.data(), seeds)
def test_expect_biorthogonal(sites, data, seed):
    op, right, left = data.draw(reference.sums(sites)), random_mps(sites, seed), random_mps(sites, seed + 1, bond=2)
    ket, bra = vector_of(right), vector_of(left)
    largest = size(op, sites) * np.linalg.norm(ket) * np.linalg.norm(bra) / abs(np.vdot(bra, ket))
    for operator in (op, MPO.from_opsum(op, sites)):
        got = right.expect_biorthogonal(operator, left)
        assert abs(got - expected(op, sites, ket, bra)) <= TOLERANCE * largest
    assert right.expect_biorthogonal(op, right) == pytest.approx(right.expect(op), abs=TOLERANCE * size(op, sites))


@every_chain
@settings(max_examples=8)
@given(st.data(), seeds)
def test_expect_each_of_sums(sites, data, seed):
    ops = [data.draw(reference.sums(sites, max_terms=3)) for _ in range(3)]
    state = random_mps(sites, seed)
    vector = vector_of(state)
    reach = [size(op, sites) for op in ops]
    for measured in (state, exact(vector, sites)):
        got = measured.expect_each(*ops)
        assert got.shape == (3,)
        for value, op, largest in zip(got, ops, reach, strict=True):
            assert abs(value - expected(op, sites, vector)) <= TOLERANCE * largest


@pytest.mark.parametrize("sites", NAMED, ids=str)
def test_expect_each_of_names(sites):
    state, L = random_mps(sites, 5), len(sites)
    vector = vector_of(state)
    common = set.intersection(*(set(site.operators) for site in sites))
    neutral = sorted(name for name in common if not name.startswith("c"))
    for measured in (state, exact(vector, sites)):
        for name in [*neutral, *(name + "†" for name in neutral)]:
            values = [expected(OpSum() + (1, name, j), sites, vector) for j in range(L)]
            np.testing.assert_allclose(measured.expect_each(name), values, atol=TOLERANCE)
        pairs = [(a, b) for a, b in itertools.product(sorted(common), repeat=2) if (a[0] == "c") == (b[0] == "c")]
        for a, b in pairs:
            values = [expected(OpSum() + (1, a, j, b, j + 1), sites, vector) for j in range(L - 1)]
            np.testing.assert_allclose(measured.expect_each(a, b), values, atol=10 * TOLERANCE)


def test_expect_each_with_and_without_operators():
    state = random_mps(SPINS, 1)
    for measured in (state, exact(vector_of(state), SPINS)):
        assert measured.expect_each().shape == (0,)
        np.testing.assert_array_equal(measured.expect_each(OpSum(), OpSum() + (2j,)), [0, 2j])


def test_expect_each_of_a_constant_and_a_distant_site():
    sites = (HALF,) * (MAX_SPAN + 4)
    op = OpSum() + (1, "Sz", len(sites) - 1) + (0.5,)
    state = MPS.product(sites, ["up"] * len(sites))
    np.testing.assert_allclose(state.expect_each(op), [1])


@pytest.mark.parametrize(
    "operators",
    [("Sz", OpSum()), ("Sz", "Sz", "Sz"), (["Sz"],), (1,), (OpSum(), "Sz")],
    ids=repr,
)
def test_mixed_up_operators_are_refused(operators):
    state = random_mps(SPINS, 1)
    for measured in (state, exact(vector_of(state), SPINS)):
        with refused(f"expect_each takes one name, two names or OpSums, not {operators!r}", TypeError):
            measured.expect_each(*operators)


def test_values_that_are_exactly_zero():
    """A vanishing matrix element is not a vanishing norm."""
    neel = MPS.product(SPINS, ["up", "down"] * 3)
    for op in (OpSum(), OpSum() + (1, "Sp", 0, "Sm", 3), OpSum() + (1, "Sx", 2)):
        values = [neel.expect(op), neel.expect(MPO.from_opsum(op, SPINS)), *neel.expect_each(op)]
        values += [neel.expect_biorthogonal(op, neel), exact(neel.to_vector(), SPINS).expect(op)]
        assert values == [0] * 5, op


def test_unknown_operators_and_wide_sums_are_refused():
    state = random_mps((HALF,) * 10, 1)
    with refused("Spin(0.5) has no operator 'S'"):
        state.expect_each("S")
    with refused("1 Sz_0 Sz_9 spans 10 sites; at most 6 fit here, use expect()"):
        state.expect_each(OpSum() + (1, "Sz", 0, "Sz", 9))
    with refused("acts on site 10, but the chain has sites 0 … 9"):
        state.expect(OpSum() + (1, "Sz", 10))


def test_operators_and_states_of_another_length_are_refused():
    state, short = random_mps(SPINS, 1), random_mps(SPINS[:4], 1)
    with pytest.raises(ValueError, match="sites"):
        state.expect(MPO.from_opsum(OpSum() + (1, "Sz", 0), SPINS[:4]))
    with pytest.raises(ValueError, match="sites"):
        state.expect_biorthogonal(OpSum() + (1, "Sz", 0), short)
    with pytest.raises(ValueError, match="sites"):
        state.overlap(short)


def test_each_operator():
    assert each_operator(["n"], 3) == [OpSum() + (1, "n", j) for j in range(3)]
    assert each_operator(["b", "n"], 3) == [OpSum() + (1, "b", j, "n", j + 1) for j in range(2)]


@every_chain
def test_overlap_follows_quimb(sites):
    ket, bra = random_mps(sites, 1), random_mps(sites, 2, bond=2)
    dense = np.vdot(vector_of(bra), vector_of(ket))
    largest = np.linalg.norm(vector_of(bra)) * np.linalg.norm(vector_of(ket))
    assert ket.overlap(bra) == pytest.approx(dense, abs=TOLERANCE * largest)
    assert ket.to_quimb().overlap(bra.to_quimb()) == pytest.approx(dense, abs=TOLERANCE * largest)
    assert ket.overlap(bra.to_quimb()) == pytest.approx(dense, abs=TOLERANCE * largest)
    assert bra.overlap(ket) == pytest.approx(dense.conjugate(), abs=TOLERANCE * largest)
    assert exact(vector_of(ket), sites).overlap(exact(vector_of(bra), sites)) == pytest.approx(dense)


# Entanglement and canonical form


@every_chain
def test_entanglement_entropy_of_every_bond(sites):
    state = random_mps(sites, 7)
    vector = vector_of(state)
    for bond in range(len(sites) - 1):
        dense = reference.entropy(vector, bond + 1, sites)
        assert state.entanglement_entropy(bond) == pytest.approx(dense, abs=1e-11)
        assert exact(vector, sites).entanglement_entropy(bond) == pytest.approx(dense, abs=1e-11)


@pytest.mark.parametrize("bond", [-1, 5])
def test_entropies_of_bonds_that_do_not_exist_are_refused(bond):
    state = random_mps(SPINS, 1)
    for measured in (state, exact(vector_of(state), SPINS)):
        with refused(f"bond = {bond}, but it must be from 0 to 4"):
            measured.entanglement_entropy(bond)


def test_entropy_of_schmidt_values():
    assert entropy(np.array([2.0, 2.0])) == pytest.approx(np.log(2))
    assert entropy(np.array([1.0, 0.0, 0.0])) == 0
    assert entropy(np.array([1.0, 1e-200])) == 0


@pytest.mark.parametrize("centre", range(len(MIXED)))
def test_canonical_centre(centre):
    state = random_mps(MIXED, 3)
    assert state.canonical_centre is None
    assert state.canonicalize(centre).canonical_centre == centre


def test_measuring_leaves_the_state_alone():
    """An observable that moved the gauge would make what follows depend on what was measured."""
    state = random_mps(SPINS, 4, bond=5)
    before = state.site_tensors()
    op = OpSum() + (1, "Sz", 0, "Sz", 5)
    _ = (state.expect(op), state.expect_each("Sz"), state.expect_biorthogonal(op, state), state.overlap(state))
    _ = (state.entanglement_entropy(2), state.canonical_centre, state.to_vector(), state.to_quimb())
    for old, new in zip(before, state.site_tensors(), strict=True):
        np.testing.assert_array_equal(old, new)


# quimb's methods

FIELD = MPO.from_opsum(OpSum.sum((1j, name, j) for j, name in enumerate(["n", "Sz", "n", "n", "n"])), MIXED)

KEEPING = {
    "copy": lambda s: s.copy(),
    "deep copy": lambda s: s.copy(deep=True),
    "conj": lambda s: s.conj(),
    "H": lambda s: s.H,
    "plus": lambda s: s + s,
    "minus": lambda s: s - 2 * s,
    "times": lambda s: 2j * s,
    "over": lambda s: s / 2,
    "multiply": lambda s: s.multiply(3),
    "canonicalize": lambda s: s.canonicalize(2),
    "left canonicalize": lambda s: s.left_canonicalize(),
    "normalized": lambda s: _in_place(s, "normalize"),
    "compress": lambda s: _in_place(s, "compress", max_bond=2),
    "gate": lambda s: s.gate(np.eye(3), 1, contract=True),
    "gate split": lambda s: s.gate_split(np.eye(6), (0, 1)),
    "swapping gate": lambda s: s.gate(np.eye(4), (0, 2), contract="swap+split"),
    "nonlocal gate": lambda s: s.gate_nonlocal(np.eye(6), (0, 3)),
    "operator": lambda s: FIELD.apply(s),
    "expand": lambda s: s.copy().expand_bond_dimension(6),
    "retag": lambda s: s.retag({}),
    "astype": lambda s: s.astype("complex64"),
    "from_TN": lambda s: MPS.from_TN(s),
    "from_TN like": lambda s: MPS.from_TN(qtn.TensorNetwork(s.tensors), like=s),
    "view like": lambda s: qtn.TensorNetwork(s.tensors).view_as(MPS, like=s),
    "pickle": lambda s: pickle.loads(pickle.dumps(s)),
    "constructor": lambda s: MPS(s),
}


def _in_place(state, method, **options):
    state = state.copy()
    getattr(state, method)(**options)
    return state


@pytest.mark.parametrize("method", KEEPING.values(), ids=KEEPING)
def test_quimb_methods_keep_type_and_sites(method):
    state = random_mps(MIXED, 1)
    made = method(state)
    assert type(made) is MPS
    assert made.local_sites == MIXED
    op = OpSum() + (1, "Sz", 1)
    assert made.expect(op) == pytest.approx(expected(op, MIXED, vector_of(made)), rel=1e-5)
    assert made.expect_each(op)[0] == pytest.approx(made.expect(op), rel=1e-5)


@pytest.mark.parametrize("inplace", [False, True])
def test_flip_turns_the_sites_around(inplace):
    state = random_mps(MIXED, 1)
    values = state.expect_each(*(OpSum() + (1, "Sz" if j == 1 else "n", j) for j in range(5)))
    made = state.flip(inplace=inplace)
    assert (type(made), made.local_sites) == (MPS, MIXED[::-1])
    flipped = made.expect_each(*(OpSum() + (1, "Sz" if j == 3 else "n", j) for j in range(5)))
    np.testing.assert_allclose(flipped[::-1], values, atol=TOLERANCE)


def test_sites_go_with_what_quimb_swaps():
    """quimb methods that exchange sites must not leave wrong operators behind."""
    state = random_mps(MIXED, 1)
    vector = vector_of(state).reshape([site.dim for site in MIXED])
    for swapped, order in (
        (state.swap_sites_with_compress(0, 1), [1, 0, 2, 3, 4]),
        (state.swap_sites_with_compress(3, 0), [3, 1, 2, 0, 4]),
        (state.copy().swap_sites_with_compress_(1, 2), [0, 2, 1, 3, 4]),
        (state.swap_site_to(1, 4), [0, 2, 3, 4, 1]),
    ):
        assert swapped.local_sites == tuple(MIXED[j] for j in order)
        np.testing.assert_allclose(
            swapped.to_vector(), vector.transpose(order).ravel(), atol=1e-12 * np.abs(vector).max()
        )
        op = OpSum() + (1, "Sz", order.index(1))
        assert swapped.expect(op) == pytest.approx(state.expect(OpSum() + (1, "Sz", 1)))


def test_sites_that_no_longer_fit_are_refused():
    """quimb methods that remove sites must not leave wrong operators behind."""
    _, measured = random_mps(SPINS, 1).measure(0, remove=True, seed=1)
    with pytest.raises(ValueError, match="sites"):
        measured.expect(OpSum() + (1, "Sz", 0))


def test_algebra_of_states():
    a, b = random_mps(MIXED, 1), random_mps(MIXED, 2)
    x, y = vector_of(a), vector_of(b)
    np.testing.assert_allclose((a + 2j * b).to_vector(), x + 2j * y, rtol=1e-12)
    np.testing.assert_allclose(a.H.to_vector(), x.conj(), rtol=1e-12)
    np.testing.assert_allclose(a.canonicalize(2).to_vector(), x, atol=1e-12 * np.abs(x).max())
    assert a.H @ b == pytest.approx(np.vdot(x, y))


def test_local_sites_do_not_hide_quimbs_sites():
    assert tuple(random_mps(MIXED, 1).sites) == (0, 1, 2, 3, 4)


# Norms


@pytest.mark.parametrize("factor", [1e10, 1e-10])
def test_norms_that_no_number_can_hold(factor):
    """The squared norm of 120 sites is 1e±2400; every ratio is nevertheless that of the normalised state."""
    sites = (HALF,) * 120
    rng = np.random.default_rng(1)
    vectors = reference.gaussian(rng, 120, 2)
    z = np.abs(vectors) ** 2 @ [0.5, -0.5] / np.sum(np.abs(vectors) ** 2, axis=1)
    product = MPS.product(sites, factor * vectors)
    np.testing.assert_allclose(product.expect_each("Sz"), z, atol=TOLERANCE)
    np.testing.assert_allclose(product.expect_each("Sz", "Sz"), z[:-1] * z[1:], atol=TOLERANCE)
    far = OpSum() + (1, "Sz", 0, "Sz", 119) + (1, "Sz", 60)
    assert product.expect(far) == pytest.approx(z[0] * z[119] + z[60], abs=TOLERANCE)
    assert product.expect_biorthogonal(far, product) == pytest.approx(z[0] * z[119] + z[60], abs=TOLERANCE)

    plain, scaled = (random_mps(sites, 2, factor=x) for x in (0.2, factor))
    np.testing.assert_allclose(scaled.expect_each("Sx"), plain.expect_each("Sx"), atol=TOLERANCE)
    assert scaled.expect(far) == pytest.approx(plain.expect(far), abs=TOLERANCE)


@pytest.mark.parametrize("factor", [1e3, 1e-3])
def test_entropies_of_norms_that_no_number_can_hold(factor):
    sites = (HALF,) * 400
    plain, scaled = (random_mps(sites, 2, factor=x) for x in (0.2, factor))
    for bond in (0, 199, 398):
        assert scaled.entanglement_entropy(bond) == pytest.approx(plain.entanglement_entropy(bond), abs=1e-11)


@pytest.mark.parametrize("made", [MPS.from_vector(np.zeros(64), SPINS), random_mps(SPINS, 1, factor=0)], ids=["1", "3"])
@pytest.mark.parametrize(
    "measure",
    [
        lambda state: state.expect(OpSum() + (1, "Sz", 0)),
        lambda state: state.expect_each("Sz"),
        lambda state: state.expect_biorthogonal(OpSum() + (1, "Sz", 0), random_mps(SPINS, 1)),
        lambda state: state.entanglement_entropy(1),
    ],
    ids=["expect", "expect_each", "expect_biorthogonal", "entanglement_entropy"],
)
def test_zero_states_raise(made, measure):
    with pytest.raises(FloatingPointError, match=r"the norm (has vanished or overflowed|of the state became 0\.0)"):
        measure(made)


def test_orthogonal_states_have_no_biorthogonal_expectation():
    up, down = (MPS.product(SPINS, [name] * 6) for name in ("up", "down"))
    with refused("an expectation value is not finite", FloatingPointError):
        up.expect_biorthogonal(OpSum() + (1, "Sz", 0), down)


# Long chains


def test_correlations_of_a_long_chain():
    """The cat state of 300 spins is correlated from end to end, though no spin points anywhere."""
    L = 300
    tensor = np.zeros((2, 2, 2))
    tensor[[0, 1], [0, 1], [0, 1]] = 1
    cat = MPS.from_tensors([tensor[:1] + tensor[1:], *[tensor] * (L - 2), tensor.sum(2)[:, :, None]], (HALF,) * L)
    assert cat.expect(OpSum() + (1, "Sz", 0, "Sz", L - 1)) == pytest.approx(0.25, abs=TOLERANCE)
    np.testing.assert_allclose(cat.expect_each("Sz"), 0, atol=TOLERANCE)
    assert cat.entanglement_entropy(150) == pytest.approx(np.log(2))


def test_fermionic_correlations_of_a_long_chain():
    """One hole with amplitudes f in a full chain: ⟨c_j† c_i⟩ = -f_j* ... with the signs of the string in between."""
    L, rng = 300, np.random.default_rng(1)
    f = reference.gaussian(rng, L)
    signs = (-1.0) ** np.arange(L)  # c_j passes j fermions to its left
    tensors = []
    for amplitude, sign in zip(f, signs, strict=True):
        tensor = np.zeros((2, 2, 2), dtype=complex)
        tensor[0, 0, 0] = tensor[1, 0, 1] = 1
        tensor[0, 1, 1] = amplitude * sign
        tensors.append(tensor)
    state = MPS.from_tensors([tensors[0][:1], *tensors[1:-1], tensors[-1][:, :, 1:]], (Fermion(),) * L)
    weight = np.vdot(f, f).real
    for i, j in [(0, 299), (299, 0), (17, 18), (140, 151)]:
        expected = -f[j].conj() * f[i] / weight
        assert state.expect(OpSum() + (1, "cdag", i, "c", j)) == pytest.approx(expected, abs=TOLERANCE)
    pairs = [-f[j + 1].conj() * f[j] / weight for j in range(L - 1)]
    np.testing.assert_allclose(state.expect_each("cdag", "c"), pairs, atol=TOLERANCE)


# Exact states


@pytest.mark.parametrize(("sites", "charge"), [(SPINS, 0), (SPINS, 4), (MIXED, 3), (CHAINS["boson"], 2)], ids=str)
def test_exact_states_of_a_sector_agree_with_mps(sites, charge):
    basis = Sector(sites, charge)
    rng = np.random.default_rng(charge)
    one, two = (ExactState(reference.gaussian(rng, basis.dim), basis) for _ in range(2))
    state, other = (MPS.from_vector(exact.to_vector(), sites) for exact in (one, two))
    names = {"Sz": "Sp", "n": "bdag"}
    middle = next(name for name in names if name in sites[1].operators)
    inside = OpSum() + (2j, middle, 1) + (1, names[middle], 1, names[middle] + "†", 1) + (0.5,)
    leaving = OpSum() + (1, names[middle], 1)
    for op in (inside, leaving, inside + leaving):
        assert one.expect(op) == pytest.approx(state.expect(op), abs=TOLERANCE)
        np.testing.assert_allclose(one.expect_each(op, inside), state.expect_each(op, inside), atol=TOLERANCE)
    assert one.overlap(two) == pytest.approx(state.overlap(other), abs=TOLERANCE * basis.dim)
    for bond in range(len(sites) - 1):
        assert one.entanglement_entropy(bond) == pytest.approx(state.entanglement_entropy(bond), abs=1e-11)
    np.testing.assert_allclose(one.to_vector(), state.to_vector(), atol=TOLERANCE)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.ones(5), "vector shape = (5,), but it must be (6,)"),
        (np.ones((6, 1)), "vector shape = (6, 1), but it must be (6,)"),
        (np.zeros(6), "the state has norm 0.0, but it must be finite and positive"),
        (np.full(6, np.nan), "the state has norm nan, but it must be finite and positive"),
    ],
    ids=["length", "matrix", "zero", "nan"],
)
def test_bad_exact_states_are_refused(vector, message):
    with refused(message):
        exact(vector, SPINS[:4], 0)


def test_overlaps_of_different_sectors_are_refused():
    """All up and all down both have one amplitude, but ⟨down|up⟩ is not 1."""
    up, down = (exact(np.ones(1), SPINS, charge) for charge in (6, -6))
    with pytest.raises(ValueError, match="sector"):
        up.overlap(down)
