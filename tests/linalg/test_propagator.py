"""How right evolved vectors are, and whether their estimated errors cover what is wrong, against integer arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse

from mpsnh.linalg.chebyshev import ChebyshevPropagator
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.nilpotent import TerminatingPropagator, index_of_nilpotency
from mpsnh.linalg.propagator import Evolving
from tests.oracles import precise, reference


def gaussian(rng: np.random.Generator, n: int) -> np.ndarray:
    return reference.gaussian(rng, n, n)


def rotated(rng: np.random.Generator, matrix: np.ndarray) -> np.ndarray:
    turn, _ = np.linalg.qr(gaussian(rng, len(matrix)))
    return turn @ matrix @ turn.conj().T


def upper(rng: np.random.Generator, n: int) -> np.ndarray:
    """Far from normal: eigenvalues of order 1, and elements up to 30 above them."""
    levels = rng.standard_normal(n) - 0.3j * rng.random(n)
    return np.diag(levels) + np.triu(gaussian(rng, n), 1) * 10 ** rng.uniform(-1, 1.5)


def jordan(rng: np.random.Generator, n: int) -> np.ndarray:
    level = complex(rng.standard_normal(), -0.1 * rng.random())
    return rotated(rng, level * np.eye(n) + np.diag(np.full(n - 1, 10 ** rng.uniform(-1, 0.5)), 1))


def skin(rng: np.random.Generator, n: int) -> np.ndarray:
    """Asymmetric hopping on an open chain."""
    gamma = rng.uniform(0.1, 0.99)
    hopping = np.diag(np.full(n - 1, (1 - gamma) / 2), 1) + np.diag(np.full(n - 1, (1 + gamma) / 2), -1)
    return hopping + np.diag(rng.uniform(-1, 1, n))


def exceptional(rng: np.random.Generator, n: int) -> np.ndarray:
    coupling, distance = rng.uniform(0.5, 2), rng.choice([0.0, 1e-12, 1e-6])
    return np.array([[1j * (coupling + distance), coupling], [coupling, -1j * (coupling + distance)]])


KINDS = {
    "random": gaussian,
    "real": lambda rng, n: rng.standard_normal((n, n)),
    "far from normal": upper,
    "Jordan block": jordan,
    "open chain": skin,
    "exceptional point": exceptional,
    "decaying": lambda rng, n: (lambda a: a + a.conj().T - 1j * np.diag(rng.random(n)))(gaussian(rng, n)),
    "Hermitian": lambda rng, n: (lambda a: a + a.conj().T)(gaussian(rng, n)),
    "imaginary": lambda rng, n: 1j * (lambda a: a + a.T)(rng.standard_normal((n, n))),
}


def distance(vector: np.ndarray, other: np.ndarray) -> float:
    """Between two vectors of unit norm, whatever their phases."""
    overlap = np.vdot(other, vector)
    return float(np.linalg.norm(vector - overlap / abs(overlap) * other))


@pytest.mark.parametrize("kind", KINDS)
def test_the_estimated_errors_cover_the_errors(kind):
    """In all cases here, and without crying wolf: half of them are less than 500 times too large."""
    ratios = []
    for seed in range(12):
        rng = np.random.default_rng([seed, len(kind)])
        matrix = KINDS[kind](rng, int(rng.integers(2, 6)))
        start = Evolving.of(reference.gaussian(rng, len(matrix)) if seed % 2 else np.eye(len(matrix))[0])
        pieces = int(rng.choice([1, 4, 32]))
        span = 10 ** rng.uniform(-2, 2.2) / np.linalg.norm(matrix, 2) / pieces
        end, step = start, ChebyshevPropagator(scipy.sparse.csr_matrix(matrix), span, dense=bool(seed % 3))
        for _ in range(pieces):
            end = step.advance(end)
        exact, log_norm = precise.evolved(matrix, span * pieces, start.vector)
        error, log_norm_error = distance(end.vector, exact), abs(end.log_norm - log_norm)
        assert error <= end.errors[0]
        assert log_norm_error <= end.errors[1]
        ratios.append(end.errors[0] / max(error, 1e-16))
    assert np.median(ratios) < 500


def test_what_rounding_has_lost_is_said_to_be_lost():
    """A vector in a subspace that decays, while rounding leaves it and grows."""
    rng = np.random.default_rng(3)
    turn, _ = np.linalg.qr(gaussian(rng, 4))
    matrix = turn @ np.diag([-1j, 1j, 0.5j, 0.2]) @ turn.conj().T
    start = Evolving.of(turn[:, 0])
    step, ends = ChebyshevPropagator(scipy.sparse.csr_matrix(matrix), 4.0), [start]
    for _ in range(15):
        ends.append(step.advance(ends[-1]))
    for k, end in enumerate(ends):
        assert distance(end.vector, turn[:, 0]) <= end.errors[0]
        assert abs(end.log_norm + 4 * k) <= end.errors[1]
    assert ends[2].errors[0] < 1e-6
    assert ends[-1].errors[0] == 2
    assert ends[-1].errors[1] > abs(ends[-1].log_norm + 60) > 50


def test_a_sample_that_grows_beyond_all_numbers_stays_finite():
    """Arithmetic that keeps a symmetry exactly keeps the vector too; the sample can't know that."""
    matrix = scipy.sparse.csr_matrix(1j * np.array([[0.0, 1.0], [1.0, 0.0]]))
    end = ChebyshevPropagator(matrix, 5000.0).advance(Evolving.of(np.array([1.0, -1.0])))
    assert math.isfinite(end.errors[1])
    assert end.errors[0] == 2


@pytest.mark.parametrize("dense", [True, False])
def test_the_error_at_a_time_does_not_depend_on_the_grid(dense):
    """An exceptional point, (1 + t, -i t) at time t: seven digits are lost at t = 1000, on any grid."""
    matrix = scipy.sparse.csr_matrix(np.array([[1j, 1.0], [1.0, -1j]]) * 0.7)
    exact = 0.5 * math.log((1 + 700) ** 2 + 700**2)
    for pieces in (1, 7, 1000):
        step, end = ChebyshevPropagator(matrix, 1000 / pieces, dense=dense), Evolving.of(np.array([1.0, 0.0]))
        for _ in range(pieces):
            end = step.advance(end)
        assert abs(end.log_norm - exact) <= end.errors[1] < 1e-4
        assert abs(end.log_norm - exact) < 1e-6


# ------------------------------------------------------------------------------------------------- nilpotent matrices


@pytest.mark.parametrize(
    ("matrix", "index"),
    [
        (np.zeros((3, 3)), 1),
        (np.array([[1j, 1], [1, -1j]]), 2),
        (1e200 * np.array([[1j, 1], [1, -1j]]), 2),
        (1e-200 * np.triu(np.ones((6, 6)), 1), 6),
        (np.triu(np.random.default_rng(0).standard_normal((9, 9)), 1)[::-1, ::-1], 9),
        (np.triu(np.ones((80, 80)), 1), None),  # more terms than are tried
        (np.eye(3), None),
        (np.array([[0.0, 1.0], [1e-9, 0.0]]), None),
        (np.array([[0.0, 1.0], [1e-3, 0.0]]), None),
        (np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]), None),  # squares without a trace
    ],
)
def test_the_index_of_nilpotency(matrix, index):
    assert index_of_nilpotency(scipy.sparse.csr_matrix(matrix)) == index


@pytest.mark.parametrize("seed", range(6))
def test_a_nilpotent_matrix_plus_a_number(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    matrix = np.triu(rng.standard_normal((n, n)), 1) + (0.3 - 0.1j) * np.eye(n)
    shuffled = np.ix_(*[rng.permutation(n)] * 2)
    start, time = Evolving.of(reference.gaussian(rng, n)), float(10 ** rng.uniform(-1, 2))
    propagator = TerminatingPropagator.of(Matrix(scipy.sparse.csr_matrix(matrix[shuffled])), time)
    end = propagator.advance(start)
    exact, log_norm = precise.evolved(matrix[shuffled], time, start.vector)
    assert distance(end.vector, exact) <= end.errors[0] < 1e-11
    assert abs(end.log_norm - log_norm) <= end.errors[1] < 1e-11


def test_other_matrices_have_no_series_that_ends():
    assert TerminatingPropagator.of(Matrix(scipy.sparse.csr_matrix(np.diag([1.0, 2.0]))), 1.0) is None
