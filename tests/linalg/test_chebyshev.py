"""Chebyshev propagators, against dense exponentials, free fermions and the spectrum."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

import mpsnh as nh
from mpsnh import algorithms, models
from mpsnh.linalg.bounds import NumericalRange, hermitian_bounds
from mpsnh.linalg.chebyshev import ChebyshevPropagator, Expansion
from tests.oracles import gaussian, reference


def ring(L: int, gamma: float = 0.1, h: float = 2.0, seed: int = 0, V: float = 1.1) -> models.NonHermitianXXZ:
    return models.NonHermitianXXZ(L=L, gamma=gamma, h=h, seed=seed, V=V, boundary="periodic")


def lossy(matrix: scipy.sparse.csr_matrix, seed: int) -> scipy.sparse.csr_matrix:
    """Add random complex numbers on the diagonal."""
    noise = reference.gaussian(np.random.default_rng(seed), matrix.shape[0])
    return (matrix + scipy.sparse.diags(0.3 * noise)).tocsr()


def twisted(matrix: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    """Give each state another phase, so that a Hermitian matrix becomes complex."""
    phases = scipy.sparse.diags(np.exp(1j * np.arange(matrix.shape[0])))
    return (phases @ matrix @ phases.conj()).tocsr()


def random_vector(dim: int, seed: int = 0) -> np.ndarray:
    vector = reference.gaussian(np.random.default_rng(seed), dim)
    return vector / np.linalg.norm(vector)


def relative_error(matrix: scipy.sparse.csr_matrix, time: float, tolerance: float = 1e-12) -> float:
    vector = random_vector(matrix.shape[0])
    expected = scipy.linalg.expm(-1j * time * matrix.toarray()) @ vector
    found = ChebyshevPropagator(matrix, time, tolerance)(vector)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("make", [lambda matrix, seed: matrix, lossy], ids=["real", "complex"])
@pytest.mark.parametrize("L", [8, 10])
@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("h", [0.0, 1.0, 8.0])
def test_against_the_dense_exponential(make, L, gamma, h):
    for seed, time in enumerate((1e-3, 0.5, 3.0, 20.0, -2.0)):
        matrix = make(ring(L, gamma, h, seed).matrix(), seed)
        assert relative_error(matrix, time) < 1e-12 * max(1, abs(time))


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([2.0, 2.0]),
        np.diag([100j, 100j]),
        np.diag([-100j, -100j]),
        np.diag([1j, 0.5j, -3j]),
        np.array([[0.0, 1.0], [0.0, 0.0]]),
        np.zeros((3, 3)),
        np.diag([2.5]),
        np.triu(np.ones((6, 6)), 1) * 5,
    ],
    ids=["identity", "gain", "loss", "decay", "Jordan block", "zero", "number", "far from normal"],
)
@pytest.mark.parametrize("time", [0.0, 0.3, 2.0])
def test_special_matrices(matrix, time):
    assert relative_error(scipy.sparse.csr_matrix(matrix), time) < 2e-12


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5])
def test_the_tolerance_controls_the_error(gamma):
    """The error stays below the tolerance and, where the bound is tight, follows it: the logarithms have slope 1."""
    matrix, time = ring(10, gamma).matrix(), 5.0
    tolerances = 10.0 ** np.arange(-11, -1)
    errors = np.array([relative_error(matrix, time, tolerance) for tolerance in tolerances])
    assert (errors < tolerances * time).all()
    if gamma == 0:  # else the rectangle is wider than the numerical range, and the error far below its bound
        slope, _ = np.polyfit(np.log(tolerances), np.log(errors), 1)
        assert slope == pytest.approx(1, abs=0.1)
    terms = [ChebyshevPropagator(matrix, time, tolerance).expansion.matvecs for tolerance in tolerances]
    assert (np.diff(terms) <= 0).all()


def test_truncation_is_what_limits_the_error():
    """Fewer terms than chosen are not enough: the error grows as fast as the Bessel functions do."""
    propagator = ChebyshevPropagator(ring(10, gamma=0.0).matrix(), 3.0, 1e-12)
    vector = random_vector(252)
    exact = propagator(vector)
    chosen, errors = propagator.expansion, []
    for fewer in (4, 8, 12):
        cut = Expansion(chosen.steps, chosen.radius, chosen.coefficients[:-fewer])
        propagator.expansion = cut
        errors.append(np.linalg.norm(propagator(vector) - exact))
    assert errors[0] > 1e-12
    assert errors[1] > 30 * errors[0]
    assert errors[2] > 30 * errors[1]


@pytest.mark.parametrize("gamma", [0.1, 0.4])
def test_disordered_free_fermions_with_48620_states(gamma):
    """Oracle 9 at N = 18: ⟨Sᶻ_j⟩, currents and norm after a short time."""
    model = ring(18, gamma, h=1.5, seed=3, V=0.0)
    assert model.sector.dim == 48620
    *_, last = algorithms.ExactEvolution(dt=2.5, t_max=2.5).records(model)
    one_particle = gaussian.propagator(gaussian.single_particle(model, particles=9), 2.5)
    exact = gaussian.GaussianState.neel(18).evolved(one_particle, 2.5)
    assert last.log_norm == pytest.approx(exact.log_norm, abs=1e-11)
    np.testing.assert_allclose(last.state.expect_each("Sz").real, exact.magnetization(), atol=1e-11)
    currents = last.state.expect_each(*[model.current(bond) for bond in range(17)])
    np.testing.assert_allclose(currents.real, exact.currents(), atol=1e-11)


@pytest.mark.parametrize("gamma", [0.1, 0.5])
def test_a_norm_beyond_double_precision_grows_as_the_steady_state(gamma, monkeypatch):
    monkeypatch.setattr("mpsnh.operators.propagator.DENSE_PROPAGATOR", 0)
    model = ring(10, gamma, h=0.5, seed=1)
    middle, last = list(algorithms.ExactEvolution(dt=1000.0, t_max=2000.0).records(model))[1:]
    (spectrum,) = algorithms.ExactDiag(vectors="both").records(model)
    rate = spectrum.values[0].imag
    assert last.log_norm > 100 if gamma == 0.1 else last.log_norm > 710
    assert (last.log_norm - middle.log_norm) / 1000 == pytest.approx(rate, rel=1e-11)
    start = model.sector.project(nh.MPS.product(model.sites, ["up", "down"] * 5).to_vector())
    weight = abs(np.vdot(spectrum.left.matrix[:, 0], start))
    assert last.log_norm == pytest.approx(2000 * rate + np.log(weight), rel=1e-11)
    assert abs(np.vdot(spectrum.right.matrix[:, 0], last.state.vector)) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("h", [1.0, 8.0])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_a_hermitian_matrix_conserves_norm_and_energy(h, kind):
    matrix = ring(12, gamma=0.0, h=h).matrix()
    if kind == "complex":
        matrix = twisted(matrix)
    vector = random_vector(924)
    after, log_norm = ChebyshevPropagator(matrix, 500.0).evolve(vector)
    assert abs(log_norm) < 1e-11
    energies = [np.vdot(state, matrix @ state).real for state in (vector, after)]
    assert energies[0] == pytest.approx(energies[1], abs=1e-10)


def test_one_long_time_equals_many_short_ones():
    matrix, vector = ring(12, 0.3).matrix(), random_vector(924)
    whole, log_norm = ChebyshevPropagator(matrix, 12.0).evolve(vector)
    step, total = ChebyshevPropagator(matrix, 0.5), 0.0
    for _ in range(24):
        vector, growth = step.evolve(vector)
        total += growth
    assert total == pytest.approx(log_norm, abs=1e-11)
    np.testing.assert_allclose(vector, whole, atol=1e-11)


def test_an_overflow_gives_infinity_without_the_logarithm():
    explosion = ChebyshevPropagator(scipy.sparse.csr_matrix(np.diag([2j, 1j])), 500.0)
    vector = np.array([1.0, 1.0])
    assert not np.isfinite(explosion(vector)).any()
    assert explosion.evolve(vector)[1] == pytest.approx(1000, rel=1e-12)


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("L", [6, 10, 12])
def test_bounds_hold_and_are_tight(kind, L):
    for seed in range(5):
        matrix = ring(L, 0.0, h=4.0, seed=seed).matrix()
        if kind == "complex":
            matrix = twisted(matrix)
        exact = np.linalg.eigvalsh(matrix.toarray())
        low, high = hermitian_bounds(matrix, seed)
        slack = 1e-12 + 0.03 * (exact[-1] - exact[0])
        assert exact[0] - slack <= low <= exact[0] + 1e-12
        assert exact[-1] - 1e-12 <= high <= exact[-1] + slack


@pytest.mark.parametrize("spectrum", [np.zeros(500), np.repeat([0.0, 1.0], 250), np.eye(500)[0], np.full(500, 3.0)])
def test_bounds_of_degenerate_matrices(spectrum):
    low, high = hermitian_bounds(scipy.sparse.diags(spectrum).tocsr())
    assert spectrum.min() - 0.03 <= low <= spectrum.min() + 1e-12
    assert spectrum.max() - 1e-12 <= high <= spectrum.max() + 0.03


@pytest.mark.parametrize("gamma", [0.1, 0.9])
@pytest.mark.parametrize("make", [lambda matrix, seed: matrix, lossy], ids=["real", "complex"])
def test_the_numerical_range_lies_in_the_rectangle(gamma, make):
    matrix = make(ring(10, gamma).matrix(), 1)
    around = NumericalRange.of(matrix)
    for seed in range(20):
        vector = random_vector(252, seed)
        found = np.vdot(vector, matrix @ vector) - around.centre
        assert abs(found.real) <= around.width
        assert abs(found.imag) <= around.height
    values = np.linalg.eigvals(matrix.toarray()) - around.centre
    assert np.abs(values.real).max() <= around.width
    assert np.abs(values.imag).max() <= around.height


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.eye(2), np.nan), "time = nan, but it must be finite"),
        ((np.eye(2), 1.0, 1e-18), "tolerance = 1e-18, but it must be at least 1e-17 and less than 1"),
        ((np.diag([0.0, 20.0]), 1e13), "time = 10000000000000.0, but it must be at most 1e\\+12 with a Hamiltonian of"),
        ((np.eye(2), 1.0, 1.0), "tolerance = 1.0, but it must be at least 1e-17 and less than 1"),
        ((np.ones((2, 3)), 1.0), r"matrix shape = \(2, 3\), but it must be square"),
        ((np.diag([1.0, np.inf]), 1.0), "the matrix has elements that are not finite"),
    ],
)
def test_bad_input(arguments, message):
    matrix, *others = arguments
    with pytest.raises(ValueError, match=message):
        ChebyshevPropagator(scipy.sparse.csr_matrix(matrix), *others)


@pytest.mark.parametrize("vector", [np.zeros(2), np.array([np.nan, 1.0])])
def test_a_vector_without_direction_is_refused(vector):
    with pytest.raises(FloatingPointError, match=r"norm of the vector is .*, but it must be finite and positive"):
        ChebyshevPropagator(scipy.sparse.identity(2, format="csr"), 1.0).evolve(vector)
