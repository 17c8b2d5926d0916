"""The slowest mode of a system with a bath: eigenvectors, rates, identities, and the exact superoperator."""

from __future__ import annotations

import functools
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.base.bath import Bath
from mpsnh.language.circuit import apply_gate
from mpsnh.linalg.markov import rate, slowest
from mpsnh.linalg.normal import eigen_hermitian, eigen_unitary, refined
from tests.oracles import reference

PAULI = {
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


class Ising(nh.HamiltonianModel):
    """An Ising chain in random fields, without any symmetry."""

    h: float = 4.0
    seed: int = 0

    def terms(self) -> nh.OpSum:
        rng = np.random.default_rng([self.seed, 0])
        along, across = rng.uniform(-self.h, self.h, self.L), rng.normal(size=self.L)
        bonds = nh.OpSum.sum((1.0, "Z", j, "Z", j + 1) for j in range(self.L - 1))
        fields = nh.OpSum.sum((float(along[j]), "Z", j) for j in range(self.L))
        return bonds + fields + nh.OpSum.sum((float(across[j]), "Y", j) for j in range(self.L))


class SpinOne(nh.HamiltonianModel):
    """Spins 1, for which the bath of Sx, Sy, Sz is at infinite temperature too."""

    @property
    def sites(self) -> tuple[nh.Site, ...]:
        return (nh.Spin(1),) * self.L

    def terms(self) -> nh.OpSum:
        bonds = nh.OpSum.sum((0.3, name, j, name, j + 1) for j in range(self.L - 1) for name in ("Sx", "Sz"))
        return bonds + nh.OpSum.sum((0.7 * (j + 1) ** 0.5, "Sz", j) for j in range(self.L)) + (0.4, "Sx", 0)


class Gates(nh.FloquetModel):
    """The same gate on every site."""

    gate: np.ndarray

    def layers(self) -> list[nh.Layer]:
        return [tuple(nh.Gate(self.gate, (j,)) for j in range(self.L))]


def circuit(L=4, alpha=10.0, seed=0, **parameters):
    return models.RandomFloquetCircuit(L=L, alpha=alpha, seed=seed, **parameters)


def slow_mode(model, **parameters):
    (record,) = algorithms.DegeneratePerturbationSolver(**parameters).records(model)
    return record


def on_site(matrix, j, dims):
    return reference.embedded(np.asarray(matrix, complex), j, dims)


def transitions(model, states, jumps=("X", "Y", "Z"), place=-1):
    """S_mn from dense operators, pair by pair."""
    dims, n = [site.dim for site in model.sites], states.shape[1]
    place %= model.L
    operators = [on_site(reference.local_matrix(model.sites[place], name), place, dims) for name in jumps]
    total = np.zeros((n, n))
    for operator in operators:
        for m in range(n):
            for k in range(n):
                total[m, k] += abs(states[:, m].conj() @ operator @ states[:, k]) ** 2
    strength = sum(np.trace(operator.conj().T @ operator).real for operator in operators) / n
    return total / strength


# ---------------------------------------------------------------------------------- eigenvectors of normal matrices


def unitary_with(phases, seed=0):
    vectors = scipy.stats.unitary_group.rvs(len(phases), random_state=seed)
    return (vectors * np.exp(1j * np.asarray(phases))) @ vectors.conj().T


THETA = np.random.default_rng(0).uniform(0, 2 * np.pi)
"""The θ that `eigen_unitary` takes by default."""

FOLDS = np.random.default_rng(1).uniform(0.1, 3.0, 20)

SPECTRA = {
    "random": np.random.default_rng(2).uniform(-np.pi, np.pi, 60),
    "opposite with respect to θ": np.concatenate([THETA + FOLDS, THETA - FOLDS]),
    "nearly opposite": np.concatenate([THETA + FOLDS, THETA - FOLDS + 1e-7 * np.arange(20)]),
    "barely apart": np.concatenate([THETA + FOLDS, THETA - FOLDS + 3e-5 * np.arange(20)]),
    "close levels": np.concatenate([FOLDS, FOLDS + 1e-9]),
    "degenerate": np.repeat(FOLDS, 2),
    "identity": np.zeros(12),
    "near the branch cut": np.pi + 1e-3 * FOLDS,
    "at the ends of the Hermitian part": np.concatenate([THETA + 1e-9 * FOLDS, THETA + np.pi + 1e-9 * FOLDS]),
}


@pytest.mark.parametrize("phases", SPECTRA.values(), ids=SPECTRA)
def test_eigenvectors_of_a_unitary_matrix(phases):
    unitary = unitary_with(phases)
    pairs = eigen_unitary(unitary)
    values, vectors = pairs.values, pairs.vectors
    np.testing.assert_allclose(vectors.conj().T @ vectors, np.eye(len(phases)), atol=1e-13)
    np.testing.assert_allclose(unitary @ vectors, vectors * values, atol=1e-13)
    assert (np.diff(np.angle(values)) >= 0).all()
    expected = np.sort_complex(np.round(np.exp(1j * phases), 8))
    np.testing.assert_allclose(np.sort_complex(np.round(values, 8)), expected, atol=1e-7)


@pytest.mark.parametrize("unit", [1.0, 1e-60, 1e60])
@pytest.mark.parametrize("kind", ["complex", "real", "zero"])
def test_eigenvectors_of_a_hermitian_matrix(kind, unit):
    drawn = reference.gaussian(np.random.default_rng(3), 50, 50)
    drawn = {"complex": drawn, "real": drawn.real, "zero": 0 * drawn.real}[kind]
    hermitian = unit * (drawn + drawn.conj().T)
    pairs = eigen_hermitian(hermitian)
    values, vectors = pairs.values, pairs.vectors
    np.testing.assert_allclose(values / unit, np.linalg.eigvalsh(hermitian / unit), atol=1e-12)
    np.testing.assert_allclose(hermitian @ vectors / unit, vectors * values / unit, atol=1e-12)
    np.testing.assert_allclose(vectors.conj().T @ vectors, np.eye(50), atol=1e-13)


def test_refinement_is_of_second_order():
    """Errors ε of the vectors become ε²: from 1e-3 to rounding in two steps, from 1e-6 in one."""
    unitary = unitary_with(np.linspace(0, 6, 12))
    pairs = eigen_unitary(unitary)
    values, exact = pairs.values, pairs.vectors
    drawn = reference.gaussian(np.random.default_rng(4), 12, 12)
    for size, allowed in ((1e-2, 1e-12), (1e-3, 1e-12), (1e-6, 1e-12)):
        disturbed = exact @ scipy.linalg.expm(size * (drawn - drawn.conj().T))
        errors = [np.abs(unitary @ v - v * values).max() for v in (disturbed, refined(unitary, disturbed).vectors)]
        assert errors[0] > size / 10
        assert errors[1] < allowed


def test_a_matrix_that_is_not_normal_is_found_out():
    with pytest.raises(ArithmeticError, match="the matrix is not normal"):
        eigen_unitary(np.array([[1.0, 1.0], [0.0, 1.1]]))


# ------------------------------------------------------------------------------------------------ relaxation rates


@given(n=st.integers(3, 40), seed=st.integers(0, 10**6), steps=st.integers(3, 30))
@settings(max_examples=60)
def test_rates_of_random_markov_matrices(n, seed, steps):
    """Symmetric and doubly stochastic ones, as averages of transpositions of some states."""
    rng = np.random.default_rng(seed)
    markov = np.full((n, n), 0.01 / n) + 0.99 * np.eye(n)
    for _ in range(steps):
        order = rng.permutation(n)
        swapped = np.eye(n)
        for i, j in zip(order[0::2], order[1::2], strict=False):
            swapped[[i, j]] = swapped[[j, i]]
        markov = (steps * markov + swapped) / (steps + 1)
    rates, modes = slowest(markov).values, slowest(markov).vectors
    expected = np.sort(np.linalg.eigvalsh(np.eye(n) - markov))[1 : 1 + len(rates)]
    np.testing.assert_allclose(rates, expected, rtol=1e-9)
    for value, mode in zip(rates, modes.T, strict=True):
        assert abs(mode.sum()) < 1e-12
        np.testing.assert_allclose(markov @ mode, (1 - value) * mode, atol=1e-10)


@pytest.mark.parametrize("levels", [3, 7])
@pytest.mark.parametrize("decades", [1.0, 3.0])
def test_rates_over_many_decades(levels, decades):
    """A hierarchy: states in a block of 2^k, but not in the same half, exchange with the rate w_k.

    What differs between the halves of such a block relaxes with 2^k w_k + Σ_{j>k} 2^{j-1} w_j.
    """
    weights = 0.1 * 10.0 ** (-decades * np.arange(levels))
    markov = np.zeros((1, 1))
    for k in range(levels):
        markov = np.kron(np.eye(2), markov) + weights[k] * np.kron([[0, 1], [1, 0]], np.ones((2**k, 2**k)))
    order = np.random.default_rng(5).permutation(2**levels)
    markov = markov[np.ix_(order, order)]
    rates = slowest(markov).values
    k = levels - 1
    expected = [2 ** (k + 1) * weights[k], 2**k * weights[k - 1] + 2**k * weights[k]]
    np.testing.assert_allclose(rates, expected, rtol=1e-11)


def test_states_that_are_not_connected():
    apart = np.kron(np.eye(2), np.full((2, 2), 0.5))
    with pytest.raises(ArithmeticError, match="does not connect all eigenstates"):
        slowest(apart)
    with pytest.raises(ArithmeticError, match=r"the slowest rate is 4e-30, which double precision does not resolve"):
        slowest(apart + np.kron([[0, 1], [1, 0]], np.full((2, 2), 1e-30)))


def long_double_rate(model):
    """Γ in extended precision, by Ogita and Aishima's iteration and inverse iteration with exact pivots."""
    n, dims = 2**model.L, [2] * model.L
    unitary = np.eye(n, dtype=np.clongdouble)
    for layer in model.layers():
        for gate in layer:
            wide = nh.Gate(gate.matrix.astype(np.clongdouble), gate.where)
            unitary = apply_gate(unitary, wide, dims)
    _, vectors = np.linalg.eig(unitary.astype(complex))
    vectors = np.linalg.qr(vectors)[0].astype(np.clongdouble)
    for _ in range(3):
        defect = np.eye(n) - vectors.conj().T @ vectors
        projected = vectors.conj().T @ unitary @ vectors
        values = np.diag(projected) / (1 - np.diag(defect))
        spacings = values - values[:, None] + np.eye(n)
        correction = (projected + defect * values) / spacings
        np.fill_diagonal(correction, np.diag(defect) / 2)
        vectors = vectors + vectors @ correction
    assert np.abs(correction).max() < 1e-13
    up, down = vectors[0::2], vectors[1::2]
    flips, z = up.conj().T @ down, up.conj().T @ up - down.conj().T @ down
    markov = (np.abs(z) ** 2 + 2 * np.abs(flips) ** 2 + 2 * np.abs(flips.T) ** 2) / 3
    np.fill_diagonal(markov, 0)
    reduced, pivots = markov.copy(), np.zeros(n, np.longdouble)
    for k in range(n - 1):
        pivots[k] = reduced[k, k + 1 :].sum()
        reduced[k + 1 :, k + 1 :] += np.outer(reduced[k, k + 1 :], reduced[k, k + 1 :]) / pivots[k]
    mode = np.random.default_rng(0).normal(size=n).astype(np.longdouble)
    for _ in range(60):
        mode -= mode.mean()
        for k in range(n - 1):
            mode[k + 1 :] += reduced[k, k + 1 :] / pivots[k] * mode[k]
        image = np.zeros(n, np.longdouble)
        for k in range(n - 2, -1, -1):
            image[k] = (mode[k] + reduced[k, k + 1 :] @ image[k + 1 :]) / pivots[k]
        mode = image / np.linalg.norm(image.astype(float))
    mode -= mode.mean()
    return np.sum(markov * (mode[:, None] - mode) ** 2) / 2 / np.sum(mode**2)


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="no extended precision")
@pytest.mark.parametrize(
    ("L", "alpha", "seed"),
    [(6, 7.0, 0), (6, 30.0, 1), (6, 45.0, 0), (6, 150.0, 0), (6, 150.0, 2), (6, 400.0, 3), (7, 60.0, 1), (7, 100.0, 2)],
)
def test_small_rates_against_extended_precision(L, alpha, seed):
    model = circuit(L, alpha, seed)
    record = slow_mode(model)
    exact = float(long_double_rate(model))
    assert record.next_rate > 1.2 * record.rate  # else the reference has not converged
    # What is promised is 1e-6 down to 1e-14; the last digits depend on the eigensolver of the machine.
    assert record.rate == pytest.approx(exact, rel=1e-7, abs=0)


def test_how_small_these_rates_are():
    """What the test above needs to have covered, and what plain linear algebra makes of it."""
    model = circuit(6, 400.0, 3)
    record = slow_mode(model)
    assert record.rate < 2e-14
    _, vectors = np.linalg.eig(model.matrix())
    plain = 1 - np.linalg.eigvalsh(transitions(model, vectors))[-2]
    assert abs(plain / record.rate - 1) > 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_rates_of_nearly_decoupled_sites(seed):
    """The j-th site from the bath relaxes with α^{-2j}, so that the two rates differ by up to twelve decades."""
    weak, weaker = (slow_mode(circuit(3, alpha, seed)) for alpha in (1e4, 1e6))
    assert weaker.next_rate == pytest.approx(1e-4 * weak.next_rate, rel=0.01, abs=0)
    assert weaker.rate == pytest.approx(1e-8 * weak.rate, rel=0.02, abs=0)
    assert weaker.rate < 1e-17


# ------------------------------------------------------------------------------------------ perturbation theory


@given(
    L=st.integers(2, 5),
    alpha=st.floats(1.0, 45.0),
    seed=st.integers(0, 10**6),
    order=st.sampled_from(["random", "brickwork"]),
)
@settings(max_examples=60)
@example(L=7, alpha=30.0, seed=1, order="random")
def test_identities_of_the_slow_mode(L, alpha, seed, order):
    """Stochasticity, the eigenvalue equation, the sum rule (5) and Γ = 4/3 of the weight at the bath."""
    model = circuit(L, alpha, seed, order=order)
    record, n = slow_mode(model), 2**L
    markov, c = record.transitions, record.weights
    np.testing.assert_allclose(markov, markov.T, atol=1e-15)
    np.testing.assert_allclose(markov.sum(axis=0), 1, atol=1e-10)
    assert abs(c.sum()) < 1e-10
    assert np.sum(c**2) == pytest.approx(n, rel=1e-12, abs=0)
    assert c[np.argmax(np.abs(c))] > 0
    np.testing.assert_allclose(markov @ c, (1 - record.rate) * c, atol=1e-10)
    assert 0 < record.rate <= record.next_rate <= 4 / 3 + 1e-12
    contributions = record.contributions()
    assert contributions.min() >= 0
    assert np.triu(contributions, 1).sum() == pytest.approx(n * record.rate, rel=1e-10, abs=0)
    assert record.rate == pytest.approx(rate(markov, c), rel=1e-12, abs=0)
    at_bath = observables.PauliWeight()(record, model)[-1]
    assert at_bath * 4 / 3 == pytest.approx(record.rate, rel=1e-8, abs=1e-25)


@given(model=st.builds(Ising, L=st.integers(2, 4), h=st.floats(0.5, 8), seed=st.integers(0, 10**6)))
@settings(max_examples=25)
def test_identities_of_hamiltonians(model):
    record = slow_mode(model)
    hamiltonian = model.matrix().toarray()
    np.testing.assert_allclose(hamiltonian @ record.states, record.states * record.quasienergies, atol=1e-12)
    np.testing.assert_allclose(record.transitions, transitions(model, record.states), atol=1e-12)
    c = record.weights
    np.testing.assert_allclose(record.transitions @ c, (1 - record.rate) * c, atol=1e-10)
    assert observables.PauliWeight()(record, model)[-1] * 4 / 3 == pytest.approx(record.rate, rel=1e-8, abs=0)


@pytest.mark.parametrize(
    ("model", "jumps", "place"),
    [
        (circuit(4, 5.0), ("X", "Y", "Z"), -1),
        (circuit(4, 5.0), ("X", "Y", "Z"), 0),
        (circuit(4, 5.0), ("X", "Z"), 2),
        (circuit(4, 5.0), ("Sp", "Sm"), 1),
        (circuit(4, 5.0), ("Y",), -2),
        (SpinOne(L=3), ("Sx", "Sy", "Sz"), -1),
        (SpinOne(L=3), ("Sp", "Sm", "Sz", "Sz"), 1),
    ],
)
def test_transitions_of_any_bath(model, jumps, place):
    Bath(site=place, jumps=jumps).check(model)
    matrix = model.matrix()
    dense = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
    states = (eigen_unitary if isinstance(model, nh.FloquetModel) else eigen_hermitian)(dense).vectors
    found = Bath(site=place, jumps=jumps).transitions(states, model)
    np.testing.assert_allclose(found, transitions(model, states, jumps, place), atol=1e-13)


def test_one_realisation_stays_below_eight_matrices():
    model = circuit(8, 20.0, 1)
    solver = algorithms.DegeneratePerturbationSolver()
    tracemalloc.start()
    list(solver.records(model))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 16 * 4**8 == solver.bytes_needed(model)


@functools.cache
def samples(L, alpha, count=40):
    """Γ 4^L and ⟨r⟩ of realisations that nobody has seen."""
    ratio, found = observables.GapRatio(), []
    for seed in range(70_000, 70_000 + count):
        model = circuit(L, alpha, seed)
        record = slow_mode(model)
        found.append([record.rate * 4**L, ratio(record, model)])
    return np.array(found).T


@pytest.mark.parametrize(
    ("L", "alpha", "median"),
    [(5, 1, 6.6e2), (6, 1, 3.0e3), (7, 1, 1.3e4), (5, 7, 8.2), (6, 7, 30), (6, 20, 0.011), (6, 30, 5.0e-4)],
)
def test_rates_of_the_ensemble(L, alpha, median):
    """Medians of 24 to 120 realisations, measured independently; compared within three standard errors of both."""
    found = np.log(samples(L, alpha)[0])
    resampled = np.random.default_rng(0).choice(found, (400, len(found)))
    error = np.hypot(np.median(resampled, axis=1).std(), np.median(resampled, axis=1).std())
    assert abs(np.median(found) - np.log(median)) < 3 * error + 0.05


@pytest.mark.parametrize(("alpha", "ratio"), [(1, 0.5996), (30, 0.3863)])
def test_level_statistics_of_the_ensemble(alpha, ratio):
    """Those of random unitary matrices at weak disorder, of independent levels at strong disorder."""
    assert np.mean(samples(7, alpha)[1]) == pytest.approx(ratio, abs=0.012)


# ------------------------------------------------------------------------------------------ the exact superoperator


def kraus_map(model, gamma, bath=Bath()):  # noqa: B008 - a value
    """One period, or the Lindbladian, as a function of ρ with dense operators."""
    dims = [site.dim for site in model.sites]
    place = bath.site % model.L
    jumps = [on_site(reference.local_matrix(model.sites[place], name), place, dims) for name in bath.jumps]
    strength = np.trace(sum(jump.conj().T @ jump for jump in jumps)).real / np.prod(dims)
    matrix = model.matrix()

    def period(rho):
        rho = matrix @ rho @ matrix.conj().T
        return (rho + gamma * sum(jump @ rho @ jump.conj().T for jump in jumps)) / (1 + strength * gamma)

    def lindblad(rho):
        gain = sum(jump @ rho @ jump.conj().T for jump in jumps)
        loss = sum(jump.conj().T @ jump for jump in jumps)
        return -1j * (matrix @ rho - rho @ matrix) + gamma * (gain - (loss @ rho + rho @ loss) / 2)

    return period if isinstance(model, nh.FloquetModel) else lindblad


@pytest.mark.parametrize(
    ("model", "bath"),
    [
        (circuit(3, 5.0), Bath()),
        (circuit(3, 5.0), Bath(site=1, jumps=("Sp", "Sm"))),
        (Ising(L=3), Bath()),
        (Ising(L=3), Bath(site=0, jumps=("X", "Sz"))),
        (SpinOne(L=2), Bath(site=0, jumps=("Sx", "Sy", "Sz"))),
    ],
)
def test_the_superoperator_acts_as_written(model, bath):
    system, n = algorithms.OpenSystem(dt=1, t_max=1, gamma=0.3, bath=bath), model.sector.dim
    rho = reference.gaussian(np.random.default_rng(6), n, n)
    image = (system.superoperator(model) @ rho.ravel()).reshape(n, n)
    np.testing.assert_allclose(image, kraus_map(model, 0.3, bath)(rho), atol=1e-13)


def relative_errors(model, gammas):
    """Of first-order perturbation theory, in the mode with the largest overlap; it must be the slowest one."""
    record, errors = slow_mode(model), []
    for gamma in gammas:
        rates, operators = algorithms.OpenSystem(dt=1, t_max=1, gamma=gamma).modes(model, 3)
        overlaps = np.abs(np.einsum("ij,kij->k", record.operator().conj(), operators)) / 2**model.L
        assert np.argmax(overlaps) == 0
        assert overlaps[0] > 1 - gamma
        errors.append(1 - rates[0].real / (3 * gamma * record.rate))
    return np.array(errors)


@pytest.mark.parametrize(("L", "alpha", "seed"), [(3, 1, 1), (3, 7, 2), (3, 20, 1), (4, 1, 2), (4, 7, 2), (4, 12, 5)])
def test_perturbation_theory_of_circuits_is_right_to_first_order(L, alpha, seed):
    """The relative error is γ: what two jumps in one period add is the same for every circuit."""
    gammas = np.geomspace(1e-4, 1e-5, 3)
    errors = relative_errors(circuit(L, alpha, seed), gammas)
    exponent = np.polyfit(np.log(gammas), np.log(errors), 1)[0]
    assert exponent == pytest.approx(1, abs=0.1)
    assert errors[-1] == pytest.approx(gammas[-1], rel=0.1, abs=0)


@pytest.mark.parametrize(("L", "seed"), [(3, 1), (3, 2), (4, 3)])
def test_perturbation_theory_of_hamiltonians_is_even_better(L, seed):
    """In continuous time the coherences between m, n and n, m cancel in second order, so the relative error is ∝ γ²."""
    gammas = np.geomspace(3e-3, 3e-4, 3)
    errors = relative_errors(Ising(L=L, seed=seed), gammas)
    exponent = np.polyfit(np.log(gammas), np.log(errors), 1)[0]
    assert exponent == pytest.approx(2, abs=0.1)


def test_perturbation_theory_of_five_sites():
    (error,) = relative_errors(circuit(5, 5.0, 2), np.array([1e-5]))
    assert error == pytest.approx(1e-5, rel=0.2, abs=0)


@pytest.mark.parametrize(
    ("model", "gamma"),
    [
        pytest.param(circuit(4, 5.0, 1), 1e-4, id="circuit"),
        pytest.param(Ising(L=4, h=1.0, seed=1), 1e-4, id="Hamiltonian"),
        pytest.param(circuit(5, 5.0, 1), 1e-4, id="five sites", marks=pytest.mark.long),
    ],
)
def test_the_density_matrix_relaxes_as_the_slow_mode(model, gamma):
    """ρ(t) → 1/dim + p e^{-rt} τ from a product state, with p = Tr(τ ρ(0)) / dim."""
    record, n = slow_mode(model), 2**model.L
    tau = record.operator()
    assert record.next_rate > 1.1 * record.rate
    r = 3 * gamma * record.rate
    step = round(1.5 / r)
    late = max(step, round(8 / (3 * gamma * (record.next_rate - record.rate))) // step * step)
    system = algorithms.OpenSystem(dt=1, t_max=late + 2 * step, every=step, gamma=gamma)
    snapshots = list(system.records(model))
    expected = np.vdot(tau, snapshots[0].state.matrix).real / n
    assert abs(expected) > 0.01 / n
    for snapshot in snapshots[-2:]:
        deviation = snapshot.state.matrix - np.eye(n) / n
        amplitude = np.vdot(tau, deviation).real / n
        assert amplitude * np.exp(r * (1 - gamma * isinstance(model, nh.FloquetModel)) * snapshot.time) == (
            pytest.approx(expected, rel=1e-2, abs=0)
        )
        assert np.linalg.norm(deviation - amplitude * tau) < 0.02 * np.linalg.norm(deviation)
    first, last = (np.vdot(tau, s.state.matrix).real for s in snapshots[-2:])
    assert np.log(first / last) / step == pytest.approx(r, rel=1e-3, abs=0)


@pytest.mark.parametrize("model", [circuit(3, 5.0), Ising(L=3)], ids=["circuit", "Hamiltonian"])
def test_evolution_of_the_density_matrix(model):
    """Next to repeated application of the map, or small Runge–Kutta steps."""
    apply, dt = kraus_map(model, 0.2), 1.0 if isinstance(model, nh.FloquetModel) else 0.25
    system = algorithms.OpenSystem(dt=dt, t_max=4 * dt, every=2, gamma=0.2)
    *_, middle, last = system.records(model)
    rho = np.zeros((8, 8), complex)
    rho[0b010, 0b010] = 1
    if isinstance(model, nh.FloquetModel):
        for _ in range(4):
            rho = apply(rho)
    else:
        h = 1 / 400
        for _ in range(400):
            k1 = apply(rho)
            k2 = apply(rho + h / 2 * k1)
            k3 = apply(rho + h / 2 * k2)
            rho = rho + h / 6 * (k1 + 2 * k2 + 2 * k3 + apply(rho + h * k3))
    np.testing.assert_allclose(last.state.matrix, rho, atol=1e-9)
    assert np.trace(rho).real == pytest.approx(1)
    assert np.linalg.eigvalsh(last.state.matrix).min() > -1e-12
    (resumed,) = system.records(model, after=middle)
    np.testing.assert_array_equal(resumed.state.matrix, last.state.matrix)
    z = on_site(PAULI["Z"], 1, [2] * 3)
    assert last.state.expect(nh.OpSum([(0.5, "Z", 1)])).real == pytest.approx(np.trace(rho @ z).real / 2, abs=1e-9)


def test_a_density_matrix_in_a_dataset_and_a_checkpoint(tmp_path):
    measured = {"sz": observables.Magnetization()}
    model, place = circuit(3, 5.0), tmp_path / "run.npz"
    runs = [nh.Simulation(model, algorithms.OpenSystem(dt=1, t_max=t, gamma=0.1), measured) for t in (2, 5)]
    runs[0].run(checkpoint=place)
    assert runs[1].run(checkpoint=place).identical(runs[1].run())
    for entropy in (observables.EntanglementEntropy(), observables.EntropyProfile()):
        with pytest.raises(ValueError, match=r"needs a pure state, which OpenSystem .* does not give"):
            nh.Simulation(model, runs[0].algorithm, {"S": entropy})


def test_without_coupling_nothing_relaxes():
    """The closed system keeps purity."""
    *_, last = algorithms.OpenSystem(dt=1, t_max=50, every=50, gamma=0.0).records(circuit(3, 2.0))
    assert np.trace(last.state.matrix @ last.state.matrix).real == pytest.approx(1, rel=1e-11, abs=0)


# ---------------------------------------------------------------------------------------------------- what is refused

SOLVERS = [
    algorithms.DegeneratePerturbationSolver,
    functools.partial(algorithms.OpenSystem, dt=1, t_max=1, gamma=0.1),
]
every_solver = pytest.mark.parametrize("solver", SOLVERS, ids=["perturbation", "superoperator"])


@every_solver
@pytest.mark.parametrize(
    ("model", "bath", "message"),
    [
        (circuit(4), Bath(site=4), "site of the bath = 4, but it must be from -4 to 3"),
        (circuit(4), Bath(site=-5), "site of the bath = -5, but it must be from -4 to 3"),
        (circuit(4), Bath(jumps=("Sm",)), "Σ E†E proportional to the identity"),
        (SpinOne(L=2), Bath(jumps=("Sz",)), "Σ E†E proportional to the identity"),
        (circuit(4), Bath(jumps=("W",)), r"has no operator 'W'"),
        (SpinOne(L=2), Bath(), r"Spin\(1\) has no operator 'X'"),
        (circuit(4, charge=0), Bath(), "charge = 0, but it must be None"),
        (models.NonHermitianXXZ(L=4, gamma=0.0), Bath(), "charge = 0, but it must be None"),
        (models.NonHermitianXXZ(L=4, charge=None), Bath(), "the Hamiltonian must be Hermitian"),
        (Gates(L=3, gate=np.diag([1.0, 0.5])), Bath(), r"site 0 must be unitary .* \|U†U - 1\| reaches 0.75"),
    ],
)
def test_what_a_bath_does_not_fit(solver, model, bath, message):
    with pytest.raises(ValueError, match=message):
        nh.Simulation(model, solver(bath=bath), {})


def test_parameters_of_the_solvers():
    with pytest.raises(ValueError, match=r"jumps = .*, but it must be at least one operator"):
        Bath(jumps=())
    with pytest.raises(TypeError, match="it must be a Bath"):
        algorithms.DegeneratePerturbationSolver(bath="last site")
    with pytest.raises(TypeError, match="it must be a Bath"):
        algorithms.OpenSystem(dt=1, t_max=1, gamma=0.1, bath="last site")
    with pytest.raises(ValueError, match=r"gamma = -0.1, but it must be zero or positive"):
        algorithms.OpenSystem(dt=1, t_max=1, gamma=-0.1)
    with pytest.raises(ValueError, match=r"resolution = -1.0, but it must be zero or positive"):
        algorithms.DegeneratePerturbationSolver(resolution=-1)
    with pytest.raises(ValueError, match="count = 64, but it must be from 1 to 63"):
        algorithms.OpenSystem(dt=1, t_max=1, gamma=0.1).modes(circuit(3), 64)
    with pytest.raises(ValueError, match="nothing to continue"):
        list(algorithms.DegeneratePerturbationSolver().records(circuit(3), after=slow_mode(circuit(3))))


def test_systems_that_are_too_large():
    with pytest.raises(MemoryError, match=r"the slowest mode of 30 sites needs 1.37e\+11 GiB, but only"):
        algorithms.DegeneratePerturbationSolver().check(circuit(30))
    with pytest.raises(ValueError, match=r"L = 7, but a density matrix of dimension 128 .* need 16 GiB; at most 64"):
        algorithms.OpenSystem(dt=1, t_max=1, gamma=0.1).check(circuit(7))


@pytest.mark.parametrize(
    "model",
    [models.NonHermitianXXZ(L=4, gamma=0.0, charge=None), Gates(L=3, gate=np.diag([1, 1j]))],
    ids=["clean chain", "equal sites"],
)
def test_degenerate_levels_are_reported(model):
    with pytest.raises(ArithmeticError, match="pairs of neighbouring levels of the closed system are closer than"):
        slow_mode(model)


def test_degenerate_levels_can_be_accepted():
    model = models.NonHermitianXXZ(L=4, gamma=0.0, charge=None)
    record = slow_mode(model, resolution=0)
    assert record.smallest_gap < 1e-13
    np.testing.assert_allclose(record.transitions.sum(axis=0), 1, atol=1e-12)


def test_a_bath_that_does_not_connect_all_eigenstates():
    """Two independent sites: the first one never hears of the bath."""
    apart = nh.OpSum([(1.0, "Z", 0), (0.3, "Z", 1), (0.2, "X", 1)])
    with pytest.raises(ArithmeticError, match=r"does not connect all eigenstates|does not resolve"):
        slow_mode(models.NoClick(L=2, hamiltonian=apart, jumps=()))


def test_a_slow_mode_has_a_spectrum():
    """Observables of levels by growth are refused: its levels come by phase. Its diagnostics are in the dataset."""
    solver, measured = algorithms.DegeneratePerturbationSolver(), {"r": observables.GapRatio()}
    for refused in (observables.Eigenvalues(), observables.GrowthRate(), observables.SteadyStateEntropy()):
        with pytest.raises(TypeError, match="measures Spectrum, but DegeneratePerturbationSolver yields SlowMode"):
            nh.Simulation(circuit(4), solver, {"x": refused})
    (mode,) = solver.records(circuit(4))
    np.testing.assert_allclose(np.abs(mode.spectrum.values), 1, atol=1e-13)
    assert mode.spectrum.order == "phase"
    data = nh.Simulation(circuit(4), solver, measured).run()
    assert set(data.data_vars) == {"r", "smallest_gap", "next_rate", "order"}
    assert int(data["order"]) == 1
    phases = np.angle(mode.spectrum.values)
    assert (np.diff(phases) > 0).all()
    assert float(data["smallest_gap"]) == pytest.approx(np.diff(phases, append=phases[0] + 2 * np.pi).min())
