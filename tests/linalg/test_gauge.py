"""The imaginary gauge: it is found where it exists, and nowhere else."""

import numpy as np
import pytest
import scipy.sparse

from mpsnh import models
from mpsnh.linalg.gauge import Gauge, turned_back
from mpsnh.linalg.matrix import Matrix

RNG = np.random.default_rng(3)


def skewed(symmetric, logs):
    """D S D⁻¹ of a matrix S."""
    return scipy.sparse.csr_matrix(symmetric * np.exp(logs[:, None] - logs))


def sparse_symmetric(n, kind=float):
    array = RNG.normal(size=(n, n)) + (1j * RNG.normal(size=(n, n)) if kind is complex else 0)
    array *= RNG.uniform(size=(n, n)) < 0.3
    return array + array.conj().T


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_planted_gauges_are_found(n, kind):
    symmetric, logs = sparse_symmetric(n, kind), RNG.uniform(-20, 20, size=n)
    gauge = Gauge.of(skewed(symmetric, logs))
    assert gauge.hermitian
    assert Matrix(gauge.array).hermitian
    assert gauge.mismatch < 1e-11
    np.testing.assert_allclose(gauge.array.toarray(), symmetric, rtol=1e-11, atol=0)
    ratio = np.exp(gauge.logs[:, None] - gauge.logs)
    np.testing.assert_allclose(gauge.array.toarray() * ratio, skewed(symmetric, logs).toarray(), rtol=1e-11)


@pytest.mark.parametrize("gamma", [0.1, 0.8, 1 - 1e-9, -0.5])
def test_open_chains_of_any_interaction(gamma):
    """Hopping √(1 - γ²)/2 and the diagonal as it is; log D = g Σ j Sᶻ_j with tanh g = γ."""
    chain = models.NonHermitianXXZ(L=8, gamma=gamma, h=0.5, V=1.1)
    gauge = Matrix(chain.matrix()).gauge
    hopping = gauge.array - scipy.sparse.diags(gauge.array.diagonal())
    np.testing.assert_allclose(np.unique(hopping.data), np.sqrt((1 - gamma) * (1 + gamma)) / 2, rtol=1e-12)
    np.testing.assert_array_equal(gauge.array.diagonal(), chain.matrix().diagonal())
    assert np.ptp(gauge.logs) == pytest.approx(16 * abs(np.arctanh(gamma)), rel=1e-6)


def test_what_cycles_forbid():
    ring = models.NonHermitianXXZ(L=8, gamma=0.3, boundary="periodic").matrix()
    one_way = scipy.sparse.csr_matrix([[0, 1.0, 1.0], [1.0, 0, 0], [0, 0, 0]])
    full = scipy.sparse.csr_matrix(RNG.normal(size=(30, 30)))
    assert all(Gauge.of(matrix) is None for matrix in (ring, one_way, full))
    assert Matrix(full.toarray()).gauge is None
    assert Matrix(full.toarray() * 1j).gauge is None


def test_phases_that_no_gauge_makes_hermitian_stay():
    """|H_ij| = |H_ji| all the same, which is as near to normal as a diagonal similarity gets."""
    matrix = scipy.sparse.csr_matrix([[1j, 4.0j, 0], [1.0j, -1j, -9.0], [0, 1.0, 0]])
    gauge = Gauge.of(matrix)
    assert not gauge.hermitian
    np.testing.assert_allclose(gauge.array.toarray(), [[1j, 2j, 0], [2j, -1j, -3], [0, 3, 0]], rtol=1e-14)


def test_hermitian_within_rounding_is_made_so():
    symmetric = sparse_symmetric(20, complex)
    rounded = symmetric * (1 + 1e-16 * RNG.normal(size=symmetric.shape))
    rounded[0, 1], rounded[1, 0] = 1.0, 1.0 + 2**-52
    gauge = Matrix(scipy.sparse.csr_matrix(rounded)).gauge
    assert gauge.hermitian
    assert Matrix(gauge.array).hermitian


def test_vectors_go_back_though_numbers_can_not_hold_the_gauge():
    """D spans 1e±300 and more: right vectors have unit norm, left ones keep the overlap or are infinite."""
    logs = np.array([-900.0, 0.0])
    vectors = np.array([[0.6, 0.8], [0.8, -0.6]])
    left, right = turned_back(vectors, vectors, logs)
    np.testing.assert_allclose(right, [[0, 0], [1, -1]], atol=1e-300)
    np.testing.assert_allclose(left, [[np.inf, np.inf], [0.64, -0.36]])
