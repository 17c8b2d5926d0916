"""What is known of a matrix is right, and found once."""

import numpy as np
import pytest
import scipy.sparse

from mpsnh import models
from mpsnh.linalg.eigenpairs import Certificate, Eigenpairs
from mpsnh.linalg.matrix import Matrix

RNG = np.random.default_rng(5)


@pytest.mark.parametrize(
    "kind", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.coo_matrix]
)
@pytest.mark.parametrize("size", [1, 2, 17])
def test_symmetry_to_the_last_bit(kind, size):
    for dtype in (float, complex):
        array = RNG.normal(size=(size, size)).astype(dtype)
        array = array + 1j * RNG.normal(size=(size, size)) if dtype is complex else array
        hermitian = array + array.conj().T
        assert Matrix(kind(hermitian)).hermitian
        assert Matrix(kind(array)).hermitian == np.array_equal(array, array.conj().T)
        if size > 1:
            hermitian[0, -1] *= 1 + 2**-52
        assert Matrix(kind(hermitian)).hermitian == (size == 1)
        assert Matrix(kind(array)).real == (dtype is float)


def test_zeros_that_are_stored_do_not_matter():
    stored = scipy.sparse.csr_matrix(
        (np.array([1.0, 0.0, 1.0]), np.array([1, 1, 0]), np.array([0, 1, 3])), shape=(2, 2)
    )
    lopsided = scipy.sparse.csr_matrix((np.array([0.0]), np.array([1]), np.array([0, 1, 1])), shape=(2, 2))
    assert Matrix(stored).hermitian
    assert Matrix(lopsided).hermitian


@pytest.mark.parametrize("h", [0.5, 3.0])
def test_bounds_hold_all_eigenvalues(h):
    matrix = Matrix(models.NonHermitianXXZ(L=10, h=h, gamma=0.4, boundary="periodic", seed=1).matrix())
    values = np.linalg.eigvals(matrix.dense)
    around, (centre, half) = matrix.range, matrix.interval
    assert (np.abs(values.real - around.centre.real) <= around.width).all()
    assert (np.abs(values.imag - around.centre.imag) <= around.height).all()
    assert (np.abs(values.real - centre) <= half).all()
    assert matrix.norm == pytest.approx(np.linalg.norm(matrix.dense))
    assert matrix.range is around, "found once"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3)), r"matrix shape = \(2, 3\), but it must be square and not empty"),
        (np.zeros((0, 0)), "square and not empty"),
        (np.zeros(3), "square and not empty"),
        (np.array([[np.inf]]), "H has elements that are not finite"),
        (scipy.sparse.csr_matrix([[1.0, np.nan], [0.0, 1.0]]), "H has elements that are not finite"),
    ],
)
def test_what_is_no_matrix_is_refused(array, message):
    with pytest.raises(ValueError, match=message):
        Matrix(array, "H")


def test_real_sparse_matrices_only():
    with pytest.raises(ValueError, match="matrix = 'ndarray', but it must be a sparse matrix"):
        Matrix(np.eye(2)).require_real_sparse()
    with pytest.raises(ValueError, match="matrix dtype = 'complex128', but it must be real"):
        Matrix(scipy.sparse.eye(2) * 1j).require_real_sparse()


def test_pairs_say_what_speaks_for_them():
    pairs = Eigenpairs(np.array([1.0]), Certificate(False, "1 of 2 eigenvalues"))
    assert (pairs.certified, len(pairs), str(pairs.certificate)) == (False, 1, "not certified: 1 of 2 eigenvalues")
    with pytest.raises(ValueError, match="was not asked for eigenvectors"):
        _ = pairs.vectors


def test_what_is_asked_of_a_matrix_leaves_that_of_the_caller_alone():
    """Unsorted rows with an element in two parts."""
    given = scipy.sparse.csr_matrix(([1.0, 2.0, 3.0, 4.0], [1, 0, 0, 0], [0, 2, 4]), shape=(2, 2))
    kept = [part.copy() for part in (given.data, given.indices, given.indptr)]
    matrix = Matrix(given)
    assert not matrix.hermitian
    np.testing.assert_array_equal(matrix.dense, [[2.0, 1.0], [7.0, 0.0]])
    for part, before in zip((given.data, given.indices, given.indptr), kept, strict=True):
        np.testing.assert_array_equal(part, before)
