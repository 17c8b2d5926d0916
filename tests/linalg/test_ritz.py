"""Single eigenpairs by Arnoldi and Lanczos iterations, against dense diagonalisation."""

import numpy as np
import pytest

from mpsnh.linalg.ritz import ritz_pair

RNG = np.random.default_rng(4)
PLAIN = RNG.normal(size=(60, 60)) + 1j * RNG.normal(size=(60, 60))


def lowest(values, overlaps):
    return int(np.argmin(values.real))


def followed(values, overlaps):
    return int(np.argmax(overlaps))


@pytest.mark.parametrize("hermitian", [False, True])
@pytest.mark.parametrize("steps", [12, 40, 100])
def test_the_lowest_level(hermitian, steps):
    matrix = PLAIN + PLAIN.conj().T if hermitian else PLAIN
    exact = np.linalg.eigvals(matrix)
    start = RNG.normal(size=60)
    pair = ritz_pair(matrix.__matmul__, start, lowest, steps=steps, restarts=60, hermitian=hermitian)
    assert pair.value == pytest.approx(exact[np.argmin(exact.real)], abs=1e-8)
    assert np.linalg.norm(pair.vector) == pytest.approx(1)
    residual = np.linalg.norm(matrix @ pair.vector - pair.value * pair.vector)
    assert residual <= 1e-9 * np.abs(exact).max()
    assert residual == pytest.approx(pair.residual, abs=1e-11)


def test_a_vector_is_followed_though_others_come_first():
    values, vectors = np.linalg.eig(PLAIN)
    near = vectors[:, 17] + 0.02 * RNG.normal(size=60)
    pair = ritz_pair(PLAIN.__matmul__, near, followed, steps=60)
    assert pair.value == pytest.approx(values[17], abs=1e-9)


def test_real_matrices_stay_real_and_invariant_spaces_end_at_once():
    symmetric = PLAIN.real + PLAIN.real.T
    start = np.linalg.eigh(symmetric)[1][:, 5]
    pair = ritz_pair(symmetric.__matmul__, start, lowest, hermitian=True)
    assert pair.vector.dtype == float
    assert pair.products < 10
    alone = ritz_pair(lambda vector: 3.0 * vector, np.ones(1), lowest)
    assert (alone.value, alone.residual, alone.products) == (3.0, 0.0, 1)
    nothing = ritz_pair(lambda vector: 0.0 * vector, np.ones(4), lowest)
    assert (nothing.value, nothing.products) == (0.0, 1)
