"""LAPACK's eigenvectors as scipy gives them, to the last bit."""

import numpy as np
import pytest
import scipy.linalg

from mpsnh.linalg import general
from mpsnh.linalg.general import balanced, eigen_general, overlaps, unpacked

RNG = np.random.default_rng(11)

MATRICES = {
    "real": lambda n: RNG.normal(size=(n, n)),
    "complex": lambda n: RNG.normal(size=(n, n, 2)) @ [1, 1j],
    "real levels": lambda n: np.triu(RNG.normal(size=(n, n))),
    "symmetric": lambda n: (lambda one: one + one.T)(RNG.normal(size=(n, n))),
    "zero": lambda n: np.zeros((n, n)),
}

every_kind = pytest.mark.parametrize("kind", MATRICES)
sizes = pytest.mark.parametrize("n", [1, 2, 3, 17, 70])


@every_kind
@sizes
def test_vectors_are_those_of_scipy(kind, n):
    matrix = MATRICES[kind](n)
    values, left, right = eigen_general(matrix)
    expected = scipy.linalg.eig(matrix, left=True, right=True)
    for found, known in zip((values, unpacked(left, values), unpacked(right, values)), expected, strict=True):
        np.testing.assert_array_equal(found, known)
        assert np.iscomplexobj(found) == np.iscomplexobj(known)


@every_kind
@sizes
def test_overlaps_of_packed_vectors(kind, n):
    values, left, right = eigen_general(MATRICES[kind](n))
    expected = np.sum(unpacked(left, values).conj() * unpacked(right, values), axis=0)
    np.testing.assert_allclose(overlaps(left, right, values), expected, rtol=0, atol=1e-14)


@every_kind
def test_balancing_is_a_similarity(kind):
    matrix = MATRICES[kind](9) * 10.0 ** RNG.uniform(-9, 9, size=9)
    array, scale = balanced(matrix)
    np.testing.assert_array_equal(array * scale[:, None] / scale, matrix)
    np.testing.assert_array_equal(np.log2(scale) % 1, 0)


def test_what_does_not_converge_is_refused(monkeypatch):
    stuck = (np.zeros(2), np.zeros(2), np.eye(2), np.eye(2), 1)
    monkeypatch.setattr(general, "_geev", lambda dim, is_complex: (lambda array, lwork: stuck, 8))
    with pytest.raises(np.linalg.LinAlgError, match="dimension 2 do not converge"):
        eigen_general(np.eye(2))
