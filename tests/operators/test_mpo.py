"""Operators on states: adjoint, application, algebra and multiples of the identity."""

import pickle

import numpy as np
import pytest
import quimb.tensor as qtn
from hypothesis import given, settings
from hypothesis import strategies as st

from mpsnh import MPO, MPS, OpSum, Sector, Spin, SymmetricMPS
from tests.oracles import reference
from tests.oracles.reference import CHAINS, every_chain, random_mps

TOLERANCE = 1e-13
MIXED = CHAINS["mixed"]
SPINS = (Spin(0.5),) * 4


def random_mpo(sites, seed, bond=3):
    """Operator without any symmetry between bra and ket."""
    rng = np.random.default_rng(seed)
    ends = [1, *(bond + j % 2 for j in range(len(sites) - 1)), 1]
    tensors = [reference.gaussian(rng, ends[j], ends[j + 1], site.dim, site.dim) for j, site in enumerate(sites)]
    return MPO([tensors[0][0], *tensors[1:-1], tensors[-1][:, 0]], shape="lrud"), tensors


def matrix_of(tensors):
    """Multiply tensors of indices (left, right, bra, ket) without quimb."""
    matrix = np.ones((1, 1, 1))
    for tensor in tensors:
        matrix = np.einsum("abl,lrxy->axbyr", matrix, tensor)
        matrix = matrix.reshape(matrix.shape[0] * matrix.shape[1], -1, tensor.shape[1])
    return matrix[:, :, 0]


def assert_close(got, expected):
    assert np.linalg.norm(got - expected) <= TOLERANCE * np.linalg.norm(expected)


@every_chain
def test_to_matrix_has_bras_as_rows(sites):
    mpo, tensors = random_mpo(sites, 1)
    assert_close(mpo.to_matrix(), matrix_of(tensors))


@every_chain
def test_dag_is_the_adjoint(sites):
    mpo, tensors = random_mpo(sites, 2)
    adjoint = mpo.dag()
    assert type(adjoint) is MPO
    assert_close(adjoint.to_matrix(), matrix_of(tensors).conj().T)
    assert_close(adjoint.dag().to_matrix(), matrix_of(tensors))
    ket, bra = random_mps(sites, 3), random_mps(sites, 4)
    largest = np.linalg.norm(matrix_of(tensors), 2) * np.linalg.norm(ket.to_vector()) * np.linalg.norm(bra.to_vector())
    assert abs(mpo.apply(ket).overlap(bra) - ket.overlap(adjoint.apply(bra))) <= TOLERANCE * largest


@every_chain
@settings(max_examples=8)
@given(st.data())
def test_dag_of_sums(sites, data):
    op = data.draw(reference.sums(sites))
    assert reference.deviation(MPO.from_opsum(op, sites).dag().to_matrix(), op.dag(), sites) <= TOLERANCE


@every_chain
def test_apply_is_the_matrix_product(sites):
    (mpo, tensors), state = random_mpo(sites, 5), random_mps(sites, 6)
    made = mpo.apply(state)
    assert (type(made), made.local_sites) == (MPS, sites)
    assert_close(made.to_vector(), matrix_of(tensors) @ state.to_vector())


def test_apply_takes_states_by_charge():
    """Also if the operator breaks their charge."""
    vector = np.zeros(16)
    vector[[0b0011, 0b0101, 0b1001]] = 0.6, -1.0, 0.3
    state = SymmetricMPS.from_vector(vector, SPINS)
    mpo, tensors = random_mpo(SPINS, 5)
    made = mpo.apply(state)
    assert type(made) is MPS
    assert_close(made.to_vector(), matrix_of(tensors) @ vector)


@every_chain
@settings(max_examples=8)
@given(st.data())
def test_apply_sums(sites, data):
    op, state = data.draw(reference.sums(sites)), random_mps(sites, 7)
    vector = state.to_vector()
    got = MPO.from_opsum(op, sites).apply(state).to_vector()
    expected = reference.operator(op, sites) @ vector
    largest = sum(np.linalg.norm(term, 2) for term in reference.terms(op, sites)) * np.linalg.norm(vector)
    assert np.linalg.norm(got - expected) <= TOLERANCE * largest


def test_apply_to_an_operator_is_the_matrix_product():
    (a, left), (b, right) = random_mpo(MIXED, 8, bond=2), random_mpo(MIXED, 9, bond=2)
    made = a.apply(b)
    assert type(made) is MPO
    assert_close(made.to_matrix(), matrix_of(left) @ matrix_of(right))


@pytest.mark.parametrize("number", [1, -2.5, 2j, 0], ids=repr)
def test_multiples_of_the_identity(number):
    mpo = MPO.from_opsum(OpSum() + (number,), MIXED)
    assert mpo.max_bond() == 1
    np.testing.assert_allclose(mpo.to_matrix(), number * np.eye(72), atol=1e-14)
    assert random_mps(MIXED, 1).expect(mpo) == pytest.approx(number)


@pytest.mark.parametrize(
    "method",
    [
        lambda mpo: mpo.copy(),
        lambda mpo: 2 * mpo,
        lambda mpo: mpo + mpo,
        lambda mpo: mpo.conj(),
        lambda mpo: mpo.H,
        lambda mpo: pickle.loads(pickle.dumps(mpo)),
        lambda mpo: MPO.from_TN(qtn.TensorNetwork(mpo.tensors), like=mpo),
        lambda mpo: mpo.canonicalize(1),
    ],
    ids=["copy", "times", "plus", "conj", "H", "pickle", "from_TN", "canonicalize"],
)
def test_quimb_methods_keep_the_type(method):
    assert type(method(random_mpo(SPINS, 1)[0])) is MPO


def test_algebra():
    (a, left), (b, right) = random_mpo(SPINS, 1), random_mpo(SPINS, 2)
    assert_close((a + 2j * b).to_matrix(), matrix_of(left) + 2j * matrix_of(right))
    assert_close(a.conj().to_matrix(), matrix_of(left).conj())


@pytest.mark.parametrize("unit", [1e-200, 1e-50, 1e-14, 1e-13, 1e-12, 1e8, 1e50, 1e200])
def test_the_unit_of_energy_does_not_matter(unit):
    """Channels hold sums of what has a coefficient and of what has none."""
    L, sites = 6, [Spin(0.5)] * 6

    def ring(scale):
        hop = OpSum.sum((0.4 * scale, "Sp", j, "Sm", (j + 1) % L) for j in range(L))
        return hop + hop.dag() + OpSum.sum((scale, "Sz", j, "Sz", (j + 1) % L) for j in range(L))

    exact = Sector(sites, None).operator(ring(1.0)).toarray()
    np.testing.assert_allclose(MPO.from_opsum(ring(unit), sites).to_dense() / unit, exact, atol=1e-14)


@pytest.mark.parametrize("seed", [4, 7, 12, 25, 42, 54, 58, 94, 142, 185])
def test_small_terms_keep_their_digits_next_to_large_ones(seed):
    """Of a ring, where the large terms have no matrix elements; compressed together, all of these lost some or all."""
    rng = np.random.default_rng(seed)
    L = int(rng.integers(3, 7))
    bonds, hops = [(j, (j + 1) % L) for j in range(L)], (("Sp", "Sm"), ("Sm", "Sp"), ("Sz", "Sz"))
    large = OpSum.sum((rng.normal(), a, i, b, j) for i, j in bonds for a, b in hops)
    small = 10.0 ** -rng.integers(6, 20)
    i, j = sorted(rng.choice(L, 2, replace=False).tolist())
    a, b = rng.choice(["Sp", "Sm", "Sz", "Sx"], 2).tolist()
    faint = OpSum([(small * rng.normal(), a, i, b, j), (small * rng.normal(), "Sx", i)])
    strong, weak = (Sector([Spin(0.5)] * L, None).operator(op).toarray() for op in (large, faint))
    ours = MPO.from_opsum(large + faint, [Spin(0.5)] * L).to_dense()[strong == 0]
    np.testing.assert_allclose(ours, weak[strong == 0], atol=1e-13 * np.abs(weak).max())
