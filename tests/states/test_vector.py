"""States of a sector: vectors, the columns of one matrix, density matrices, and what they count as."""

import numpy as np
import pytest

from mpsnh import MPS, DensityMatrix, ExactState, OpSum, Pure, Sector, Spin, State, algorithms, models
from mpsnh.states.symmetric import symmetric
from mpsnh.states.truncation import Truncation
from mpsnh.states.vector import Eigenvectors

SITES = [Spin(0.5)] * 4
SECTOR = Sector(SITES, 0)


def eigenvectors(n=3):
    rng = np.random.default_rng(0)
    return Eigenvectors(rng.normal(size=(SECTOR.dim, n)) + 1j * rng.normal(size=(SECTOR.dim, n)), SECTOR)


def test_eigenvectors_are_a_sequence_of_exact_states():
    vectors = eigenvectors()
    assert len(vectors) == 3
    for k, state in enumerate(vectors):
        assert isinstance(state, ExactState)
        assert state.sector is SECTOR
        np.testing.assert_array_equal(state.vector, vectors.matrix[:, k])
    np.testing.assert_array_equal(vectors[-1].vector, vectors.matrix[:, 2])
    np.testing.assert_array_equal(vectors[np.int64(1)].vector, vectors.matrix[:, 1])
    assert [state.vector[0] for state in reversed(vectors)] == vectors.matrix[0, ::-1].tolist()


@pytest.mark.parametrize("index", [3, -4])
def test_there_are_no_eigenvectors_beyond(index):
    with pytest.raises(IndexError):
        eigenvectors()[index]


@pytest.mark.parametrize("index", [1.0, "0", (0, 1)])
def test_an_eigenvector_has_a_number(index):
    with pytest.raises(TypeError):
        eigenvectors()[index]


@pytest.mark.parametrize("part", [slice(1, None), slice(None, None, -1), slice(0, 2), slice(2, 2)])
def test_a_slice_shares_the_matrix(part):
    vectors = eigenvectors()
    some = vectors[part]
    assert isinstance(some, Eigenvectors)
    assert some.sector is SECTOR
    np.testing.assert_array_equal(some.matrix, vectors.matrix[:, part])
    assert not some.matrix.size or np.shares_memory(some.matrix, vectors.matrix)


def test_norms_of_eigenvectors():
    vectors = eigenvectors()
    np.testing.assert_allclose(vectors.norms(), [np.linalg.norm(state.vector) for state in vectors], rtol=1e-14)
    assert vectors[2:2].norms().shape == (0,)


def test_eigenvectors_as_an_array():
    vectors = eigenvectors()
    assert np.asarray(vectors) is vectors.matrix
    assert np.array(vectors, copy=False) is vectors.matrix
    copied = np.array(vectors)
    assert not np.shares_memory(copied, vectors.matrix)
    np.testing.assert_array_equal(copied, vectors.matrix)
    assert np.asarray(vectors, dtype=np.complex64).dtype == np.complex64
    with pytest.raises(ValueError, match="copy"):
        np.array(vectors, dtype=np.complex64, copy=False)
    matrix = SECTOR.operator(OpSum([(1.0, "Sz", 0)]))
    np.testing.assert_array_equal(matrix @ np.asarray(vectors), matrix @ copied)


@pytest.mark.parametrize("shape", [(6,), (5, 3), (3, 6), (6, 1, 1)])
def test_columns_of_another_length_are_refused(shape):
    with pytest.raises(ValueError, match=r"matrix shape = .*, but it must be \(6, number of states\)"):
        Eigenvectors(np.ones(shape), SECTOR)


def test_which_states_are_pure():
    neel = MPS.product(SITES, ["up", "down"] * 2)
    pure = [neel, symmetric(neel), eigenvectors()[0]]
    mixed = DensityMatrix(np.eye(SECTOR.dim), SECTOR)
    assert all(isinstance(state, State) and isinstance(state, Pure) for state in pure)
    assert isinstance(mixed, State)
    assert not isinstance(mixed, Pure)
    assert not isinstance(eigenvectors(), State)
    assert not any(hasattr(mixed, name) for name in ("entanglement_entropy", "entanglement_profile", "overlap"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_bond": 0}, "max_bond = 0, but it must be at least 1"),
        ({"cutoff": 1.0}, "cutoff = 1.0, but it must be from 0 to below 1"),
        ({"cutoff": -1e-9}, "cutoff = -1e-09, but it must be from 0 to below 1"),
        ({"excess": 1.5}, "excess = 1.5, but it must be from 0 to 1"),
    ],
)
def test_truncations_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Truncation(**change)


def test_a_workspace_has_room_for_a_truncation_or_refuses_it():
    singlets = MPS.from_vector([0, 1, -1, 0], SITES[:2])
    workspace = singlets.workspace(max_bond=4)
    for max_bond, allowed in ((5, "at most 4, for which there is room"), (1, "≥ 2, the largest bond dimension")):
        with pytest.raises(ValueError, match=f"max_bond = {max_bond}, but it must be {allowed}"):
            workspace.apply((), Truncation(max_bond=max_bond))
    assert workspace.apply((), Truncation(max_bond=2)).tolist() == [0.0]


def test_a_state_is_among_the_eigenvectors_that_it_comes_from():
    (spectrum,) = algorithms.ExactDiag().records(models.NonHermitianXXZ(L=4, h=1.0))
    assert spectrum.right[0] in spectrum.right
    assert spectrum.right[0] in spectrum.right[:1]
    assert spectrum.right[1] not in spectrum.right[:1]
    assert "up" not in spectrum.right
