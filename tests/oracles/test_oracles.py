"""Exact results that every method must reproduce; `tests/README.md` derives them, under the same numbers."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import quimb.tensor as qtn
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg

import mpsnh as nh
from mpsnh import algorithms, models, observables
from tests.oracles import reference
from tests.oracles.gaussian import (
    CleanQuench,
    GaussianState,
    bulk_momenta,
    propagator,
    ring_momenta,
    single_particle,
    trotter_propagator,
)

EXACT = 1e-10
"""Absolute tolerance of exact methods, in units of J."""

SZ, RAISE = np.diag([0.5, -0.5]), np.array([[0.0, 1.0], [0.0, 0.0]])
HOP = np.kron(RAISE, RAISE.T)
CURRENT = 0.5j * (HOP - HOP.T)


def ring(L, **parameters):
    return models.NonHermitianXXZ(L=L, boundary="periodic", **parameters)


def chain(L, **parameters):
    return models.NonHermitianXXZ(L=L, **parameters)


def spectrum(model, vectors="none"):
    (record,) = algorithms.ExactDiag(vectors=vectors).records(model)
    return record


def measured(model, **named):
    return nh.Simulation(model, algorithms.ExactDiag(), named).run()


def last(algorithm, model):
    *_, record = algorithm.records(model)
    return record


def distance(these, those):
    """Largest difference between two sets of complex numbers, paired to differ as little as possible."""
    differences = np.abs(np.subtract.outer(np.asarray(these), np.asarray(those)))
    assert differences.shape[0] == differences.shape[1]
    return differences[scipy.optimize.linear_sum_assignment(differences)].max()


def largest(difference):
    return np.abs(difference).max()


def total_current(model):
    return nh.OpSum.sum(model.current(j) for j in model.bonds)


def profile(state, model):
    """Current of each bond, then magnetisation of each site."""
    currents = state.expect_each(*(model.current(j) for j in model.bonds))
    return np.concatenate([currents, state.expect_each("Sz")]).real


def gaussian_profile(state):
    return np.concatenate([state.currents(), state.magnetization()])


# ---------------------------------------------------------------- the current and the non-Hermitian part


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize(("L", "charge", "seed"), [(6, None, 100), (7, -1, 101), (8, 0, 102)])
def test_anti_hermitian_part_is_the_total_current(boundary, L, charge, seed):
    parameters = {"L": L, "V": 0.7, "h": 2.3, "seed": seed, "boundary": boundary, "charge": charge}
    model = models.NonHermitianXXZ(gamma=0.35, **parameters)
    hermitian = models.NonHermitianXXZ(gamma=0.0, **parameters).matrix().toarray()
    current = model.sector.operator(total_current(model)).toarray()
    assert largest(hermitian - hermitian.conj().T) == 0
    assert largest(current - current.conj().T) == 0
    assert largest(model.matrix().toarray() - hermitian - 0.35j * current) < 1e-15


@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_spin_flows_from_bond_to_bond(boundary):
    L = 7
    model = models.NonHermitianXXZ(L=L, gamma=0.0, V=0.7, h=2.3, seed=110, boundary=boundary, charge=1)
    hermitian = model.matrix()
    currents = [model.sector.operator(model.current(j)) for j in model.bonds]
    zero = 0 * hermitian
    for j in range(L):
        sz = model.sector.operator(nh.OpSum([(1, "Sz", j)]))
        flow_in = currents[j - 1] if j > 0 or boundary == "periodic" else zero
        flow_out = currents[j] if j in model.bonds else zero
        assert largest((1j * (hermitian @ sz - sz @ hermitian) - (flow_in - flow_out)).toarray()) < 1e-15


@pytest.mark.parametrize("seed", [120, 121, 122])
@pytest.mark.parametrize(("L", "charge", "gamma", "h"), [(8, 0, 0.1, 1.0), (8, 2, 0.6, 2.0), (7, 1, -0.3, 0.5)])
def test_growth_of_every_eigenvector_is_gamma_times_its_current(L, charge, gamma, h, seed):
    model = ring(L, gamma=gamma, h=h, seed=seed, charge=charge)
    record = spectrum(model, "right")
    current = model.sector.operator(total_current(model))
    expected = gamma * np.einsum("in,in->n", record.right.matrix.conj(), current @ record.right.matrix).real
    assert np.abs(record.values.imag).max() > 1e-3
    assert largest(record.values.imag - expected) < EXACT


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("seed", [130, 131])
def test_modified_continuity_equation_and_norm_growth(boundary, seed):
    gamma, dt, middle = 0.4, 0.002, 400
    model = models.NonHermitianXXZ(L=8, gamma=gamma, h=2.0, seed=seed, boundary=boundary)
    records = list(algorithms.ExactEvolution(dt=dt, t_max=(middle + 2) * dt).records(model))[-5:]
    sz = np.array([record.state.expect_each("Sz").real for record in records])
    log_norms = np.array([record.log_norm for record in records])

    def derivative(values):  # five points: error dt⁴/30 = 5e-13 times the fifth derivative, which is about 50
        return np.array([1, -8, 0, 8, -1]) @ values / (12 * dt)

    state, total = records[2].state, total_current(model)
    currents, magnetization = np.split(profile(state, model), [len(model.bonds)])
    flow_in = np.roll(currents, 1) if boundary == "periodic" else np.array([0, *currents])
    flow_out = currents if boundary == "periodic" else np.array([*currents, 0])
    source = np.array(
        [
            gamma * state.expect(total * operator + operator * total).real
            for operator in (nh.OpSum([(1, "Sz", j)]) for j in range(8))
        ]
    )
    norm_growth = 2 * gamma * np.sum(currents)
    assert abs(derivative(2 * log_norms) - norm_growth) < EXACT
    assert largest(derivative(sz) - (flow_in - flow_out + source - norm_growth * magnetization)) < EXACT
    weights = np.exp(2 * (log_norms - log_norms[2]))
    assert largest(derivative(weights[:, None] * sz) - (flow_in - flow_out + source)) < EXACT
    assert largest(source) > 1e-3  # the non-local term matters


def test_tebd_norm_grows_with_the_current():
    gamma, dt = 0.3, 0.05
    model = chain(30, gamma=gamma, h=1.0, seed=140)
    algorithm = algorithms.NHTEBD(dt=dt, t_max=2.0, order=4, cutoff=1e-13, max_bond=128)
    data = nh.Simulation(model, algorithm, {"current": observables.CurrentProfile()}).run()
    rate = gamma * data.current.sum("bond").values
    simpson = np.array([1, *[4, 2] * 19, 4, 1]) @ rate * dt / 3  # error below 1e-6, as that of the Trotter splitting
    assert abs(float(data.log_norm[-1]) - simpson) < 2e-6


def no_click(L, gamma, theta, boundary, seed):
    closed = models.NonHermitianXXZ(L=L, gamma=0.0, h=2.0, seed=seed, boundary=boundary)
    rate, phase = np.sqrt(gamma), np.exp(1j * theta)
    jumps = tuple(nh.OpSum([(rate, "Sm", j), (rate * phase, "Sm", (j + 1) % L)]) for j in closed.bonds)
    return closed, models.NoClick(L=L, hamiltonian=closed.terms(), jumps=jumps)


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize(("theta", "seed"), [(0.0, 150), (0.7, 151), (2.5, 152), (np.pi / 2, 153), (-np.pi / 2, 154)])
def test_no_click_hamiltonian_from_jump_operators(boundary, theta, seed):
    L, gamma = 5, 0.3
    closed, model = no_click(L, gamma, theta, boundary, seed)
    pairs = [(j, (j + 1) % L) for j in closed.bonds]
    left, right = ((1 - 1j * gamma * np.exp(sign * 1j * theta)) / 2 for sign in (1, -1))
    edges = [0, L - 1] if boundary == "open" else []
    equation_3 = (
        nh.OpSum.sum((left, "Sp", i, "Sm", j) for i, j in pairs)
        + nh.OpSum.sum((right, "Sm", i, "Sp", j) for i, j in pairs)
        + nh.OpSum.sum((1.1, "Sz", i, "Sz", j) for i, j in pairs)
        + nh.OpSum.sum((field - 1j * gamma, "Sz", j) for j, field in enumerate(closed.local_fields()))
        + nh.OpSum.sum((0.5j * gamma, "Sz", j) for j in edges)
        + (-0.5j * gamma * len(pairs),)
    )
    built = model.matrix().toarray()
    assert largest(built - reference.operator(equation_3, model.sites)) < 1e-14
    assert np.linalg.eigvals(built).imag.max() < 1e-12  # no-click evolution never gains norm


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize(("sign", "seed"), [(-1, 160), (1, 161)])
def test_no_click_hamiltonian_at_right_angle_is_the_asymmetric_chain(boundary, sign, seed):
    L, gamma = 6, 0.3
    closed, model = no_click(L, gamma, sign * np.pi / 2, boundary, seed)
    equation_4 = models.NonHermitianXXZ(L=L, gamma=-sign * gamma, h=2.0, seed=seed, boundary=boundary).terms()
    dropped = nh.OpSum([(len(closed.bonds) / 2,), *((1, "Sz", j) for j in range(L))])
    if boundary == "open":
        dropped = dropped - (0.5, "Sz", 0) - (0.5, "Sz", L - 1)
    expected = reference.operator(equation_4 - 1j * gamma * dropped, model.sites)
    assert largest(model.matrix().toarray() - expected) < 1e-14


# ---------------------------------------------------------------- 1–3: free fermions


def sums(energies, particles):
    return np.array([sum(occupied) for occupied in itertools.combinations(energies, particles)])


def clean_energies(L, gamma, particles):
    k = ring_momenta(L, particles)
    return np.cos(k) - 1j * gamma * np.sin(k)


@pytest.mark.parametrize("gamma", [0.1, 0.73])
@pytest.mark.parametrize(("L", "particles"), [(5, 2), (6, 3), (7, 1), (7, 3), (7, 4), (8, 2), (8, 3), (8, 4), (9, 5)])
def test_1_clean_free_ring(L, particles, gamma):
    values = spectrum(ring(L, gamma=gamma, V=0.0, charge=2 * particles - L)).values
    assert distance(values, sums(clean_energies(L, gamma, particles), particles)) < EXACT
    wrong_boundary_sign = sums(clean_energies(L, gamma, particles + 1), particles)
    assert distance(values, wrong_boundary_sign) > 1e-2


def clean_steady_current(L):
    return 1 / np.sin(np.pi / L) if L % 4 == 0 else 1 / np.tan(np.pi / L)


@pytest.mark.parametrize("gamma", [0.1, 0.35])
@pytest.mark.parametrize("L", [4, 6, 8, 10, 12])
def test_2_steady_state_of_the_half_filled_clean_free_ring(L, gamma):
    data = measured(
        ring(L, gamma=gamma, V=0.0),
        growth=observables.GrowthRate(),
        gap=observables.SteadyStateGap(),
        current=observables.SteadyStateCurrent(),
    )
    current = clean_steady_current(L)
    gap = 2 * gamma * np.sin(np.pi / L) if L % 4 == 0 else 0.0
    assert abs(float(data.growth) - gamma * current) < EXACT
    assert abs(float(data.gap) - gap) < EXACT
    assert largest(data.current.values - current) < EXACT / gamma


@pytest.mark.parametrize("L", [400, 402])
def test_2_steady_current_of_a_long_ring(L):
    energies = np.linalg.eigvals(single_particle(ring(L, gamma=0.1, V=0.0), L // 2))
    current = np.sort(energies.imag)[-L // 2 :].sum() / 0.1
    assert abs(current - clean_steady_current(L)) < EXACT
    assert abs(current / L - 1 / np.pi) < 1e-5  # corrections: π/(6 L²) and -π/(3 L²)


@pytest.mark.parametrize("seed", [300, 301, 302])
@pytest.mark.parametrize(
    ("L", "particles", "h", "gamma"), [(7, 3, 1.0, 0.1), (8, 4, 0.5, 0.6), (8, 3, 3.0, 0.2), (9, 4, 1.5, 0.4)]
)
def test_3_disordered_free_ring(L, particles, h, gamma, seed):
    model = ring(L, gamma=gamma, V=0.0, h=h, seed=seed, charge=2 * particles - L)
    energies = np.linalg.eigvals(single_particle(model, particles))
    record = spectrum(model)
    assert distance(record.values, sums(energies, particles) - model.local_fields().sum() / 2) < EXACT
    growth = observables.GrowthRate()(record, model)
    assert abs(growth - np.sort(energies.imag)[-particles:].sum()) < EXACT


@pytest.mark.parametrize("seed", [310, 311])
def test_3_growth_rate_of_a_longer_disordered_free_ring(seed):
    model = ring(12, gamma=0.3, V=0.0, h=1.0, seed=seed)
    growth = observables.GrowthRate()(spectrum(model), model)
    energies = np.linalg.eigvals(single_particle(model, 6))
    assert growth > 0.1
    assert abs(growth - np.sort(energies.imag)[-6:].sum()) < EXACT


@pytest.mark.parametrize("seed", [320, 321])
def test_3_disordered_free_open_chain(seed):
    model = chain(8, gamma=0.3, V=0.0, h=1.0, seed=seed)
    energies = np.linalg.eigvals(single_particle(model))
    assert distance(spectrum(model).values, sums(energies, 4) - model.local_fields().sum() / 2) < EXACT


# ---------------------------------------------------------------- 4–5: Markov matrices


@pytest.mark.parametrize("gamma", [0.0, 0.1, -0.45, 1.0])
@pytest.mark.parametrize(("L", "charge"), [(6, 0), (7, 1), (8, -2), (8, 4), (9, 1)])
def test_4_ring_at_unit_interaction_is_an_exclusion_process(L, charge, gamma):
    matrix = ring(L, gamma=gamma, V=1.0, charge=charge).matrix().toarray()
    n = len(matrix)
    markov = matrix - L / 4 * np.eye(n)
    assert np.all(markov - np.diag(np.diag(markov)) >= 0)
    assert largest(markov.sum(axis=0)) < 1e-13
    assert largest(markov.sum(axis=1)) < 1e-13
    assert largest(matrix @ np.ones(n) - L / 4) < 1e-13
    values = np.linalg.eigvals(matrix)
    top = np.argmax(values.real)
    assert abs(values[top] - L / 4) < EXACT
    assert np.delete(values, top).real.max() < L / 4 - 0.1  # the process is ergodic: one stationary state


@pytest.mark.parametrize("gamma", [0.1, 0.5, -0.3])
@pytest.mark.parametrize(("L", "charge"), [(6, 0), (7, -3), (8, 2), (9, 1)])
def test_5_open_chain_with_edge_fields_has_a_product_eigenvector(L, charge, gamma):
    fields = [-gamma / 2, *[0.0] * (L - 2), gamma / 2]
    model = chain(L, gamma=gamma, V=1.0, fields=fields, charge=charge)
    matrix = model.matrix()
    up = np.array([1 - model.sector.digits(j) for j in range(L)])
    vector = ((1 + gamma) / (1 - gamma)) ** (np.arange(L) @ up)
    vector /= np.linalg.norm(vector)
    energy = (L - 1) / 4
    assert largest(matrix @ vector - energy * vector) < EXACT
    assert largest(matrix.sum(axis=0) - energy) < EXACT  # the left vector is uniform
    values = np.linalg.eigvals(matrix.toarray())
    assert abs(values.real.max() - energy) < EXACT
    mirrored = chain(L, gamma=gamma, V=1.0, fields=[-field for field in fields], charge=charge).matrix()
    assert largest(mirrored @ vector - energy * vector) > 1e-3


# ---------------------------------------------------------------- 6: imaginary gauge


def gauge_logarithms(model):
    """Logarithms of the diagonal of S = exp(g Σ_j j Sᶻ_j)."""
    steps = [np.arctanh(model.gamma) * j * np.diag(SZ) for j in range(model.L)]
    return functools.reduce(np.add.outer, steps).ravel()


def hermitian_bond(model):
    hopping = np.sqrt(1 - model.gamma**2) / 2
    return hopping * (HOP + HOP.T) + model.V * np.kron(SZ, SZ)


def embedded(local, first, L):
    """Sparse matrix of the whole space, of an operator on neighbouring sites from `first` on."""
    rest = len(local) * 2**first
    return scipy.sparse.kron(
        scipy.sparse.kron(scipy.sparse.identity(2**first), local), scipy.sparse.identity(2**L // rest), format="csr"
    )


def hermitian_partner(model):
    """The Hermitian chain that the gauge maps to, in the whole space."""
    L = model.L
    bonds = sum(embedded(hermitian_bond(model), j, L) for j in range(L - 1))
    return (bonds + sum(embedded(field * SZ, j, L) for j, field in enumerate(model.local_fields()))).tocsr()


def neel_index(L):
    return int("01" * (L // 2), 2)


class Dense:
    """A vector of the whole space, measured without the package."""

    def __init__(self, vector):
        self.L = round(np.log2(len(vector)))
        self.log_norm = np.log(np.linalg.norm(vector))
        self.vector = vector / np.linalg.norm(vector)

    @classmethod
    def regauged(cls, vector, model):
        """Back from the Hermitian chain; the norm is relative to that of the initial Néel state."""
        logarithms = gauge_logarithms(model)
        return cls(np.exp(logarithms - logarithms[neel_index(model.L)]) * vector)

    def expect(self, local, first):
        block = self.vector.reshape(2**first, len(local), -1).transpose(1, 0, 2).reshape(len(local), -1)
        return np.sum(local * (block @ block.conj().T).T).real

    def profile(self):
        bonds = [self.expect(CURRENT, j) for j in range(self.L - 1)]
        return np.array(bonds + [self.expect(SZ, j) for j in range(self.L)])

    def entropy(self, bond):
        return reference.entropy(self.vector, bond + 1, [nh.Spin(0.5)] * self.L)


@pytest.mark.parametrize("seed", [600, 601])
@pytest.mark.parametrize(("L", "gamma", "V", "h"), [(6, 0.2, 1.1, 1.0), (7, -0.5, 2.0, 3.0), (8, 0.3, 0.4, 0.5)])
def test_6_open_chain_is_similar_to_a_hermitian_one(L, gamma, V, h, seed):
    whole, half_filled = (chain(L, gamma=gamma, V=V, h=h, seed=seed, charge=charge) for charge in (None, L % 2))
    partner = hermitian_partner(whole).toarray()
    logarithms = gauge_logarithms(whole)
    gauge = np.exp(np.subtract.outer(logarithms, logarithms))
    assert largest(whole.matrix() - gauge * partner) < 1e-13
    codes = half_filled.sector.codes
    values = spectrum(half_filled).values
    # S of the sector has a condition number of up to 7e2, which multiplies the rounding error of the eigenvalues.
    assert distance(values, np.linalg.eigvalsh(partner[np.ix_(codes, codes)])) < EXACT


def deviations(record, exact, model):
    """Errors of the currents and magnetisation, of the entropy in the middle, and of the log-norm."""
    middle = model.L // 2 - 1
    return np.array(
        [
            largest(profile(record.state, model) - exact.profile()),
            abs(record.state.entanglement_entropy(middle) - exact.entropy(middle)),
            abs(record.log_norm - exact.log_norm),
        ]
    )


@pytest.mark.parametrize(
    ("gamma", "V", "h", "seed"), [(0.1, 1.1, 2.0, 610), (0.3, 1.1, 1.0, 611), (0.5, 0.6, 3.0, 612)]
)
def test_6_tebd_is_gauged_hermitian_evolution(gamma, V, h, seed):
    model = chain(12, gamma=gamma, V=V, h=h, seed=seed)
    start = np.zeros(2**12, dtype=complex)
    start[neel_index(12)] = 1
    generator = -2j * hermitian_partner(model)
    exact = Dense.regauged(scipy.sparse.linalg.expm_multiply(generator, start, traceA=generator.trace()), model)
    assert largest(deviations(last(algorithms.ExactEvolution(dt=2.0, t_max=2.0), model), exact, model)) < EXACT

    def errors(dt, order):  # of the Trotter splitting alone: nothing is truncated
        algorithm = algorithms.NHTEBD(dt=dt, t_max=2.0, order=order, max_bond=64, cutoff=0.0)
        return deviations(last(algorithm, model), exact, model)

    assert errors(0.1, 2) / errors(0.05, 2) == pytest.approx(2**2, abs=0.05)
    coarse, fine = errors(0.2, 4), errors(0.1, 4)
    assert coarse / fine == pytest.approx(2**4, abs=1.5)
    assert largest(fine) < 1e-7


@pytest.mark.parametrize(("gamma", "h", "seed"), [(0.1, 2.0, 615), (0.4, 0.5, 616), (-0.3, 1.0, 617)])
def test_6_log_norm_of_tebd_to_ten_digits(gamma, h, seed):
    """Steps of fourth order so short that neither their error nor rounding shows: nothing is truncated."""
    model = chain(12, gamma=gamma, V=1.1, h=h, seed=seed)
    start = np.zeros(2**12, dtype=complex)
    start[neel_index(12)] = 1
    generator = -2j * hermitian_partner(model)
    exact = Dense.regauged(scipy.sparse.linalg.expm_multiply(generator, start, traceA=generator.trace()), model)
    log_norm = last(algorithms.NHTEBD(dt=0.02, t_max=2.0, every=100, order=4, max_bond=64, cutoff=0.0), model).log_norm
    assert abs(log_norm) > 0.05
    assert abs(log_norm - exact.log_norm) < 1e-10


@pytest.mark.parametrize(("gamma", "h", "seed"), [(0.1, 2.0, 620), (0.3, 1.0, 621)])
def test_6_tebd_agrees_with_a_hermitian_tebd(gamma, h, seed):
    L, dt, time = 16, 0.1, 3.0
    model = chain(L, gamma=gamma, V=1.1, h=h, seed=seed)
    fields = {j: field * SZ for j, field in enumerate(model.local_fields())}
    peer = qtn.TEBD(
        qtn.MPS_computational_state("01" * (L // 2), dtype=complex),
        qtn.LocalHam1D(L, H2=hermitian_bond(model), H1=fields),
        dt=dt,
        progbar=False,
        split_opts={"cutoff": 1e-13, "cutoff_mode": "rsum2"},
    )
    peer.update_to(time, order=2)
    exact = Dense.regauged(peer.pt.to_dense().ravel(), model)
    record = last(algorithms.NHTEBD(dt=dt, t_max=time, max_bond=256, cutoff=1e-13), model)
    # The same Trotter steps, so the Trotter error is common; truncation: √(discarded weight, 3e-11 in total) ≈ 5e-6.
    assert largest(deviations(record, exact, model)) < 1e-5


# ---------------------------------------------------------------- 7–8: the clean interacting ring


@pytest.mark.parametrize(("gamma", "V"), [(0.1, 1.1), (0.8, -0.4)])
@pytest.mark.parametrize(("L", "charge"), [(7, 1), (8, 0), (8, 4)])
@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_7_spin_flip_turns_the_clean_chain_into_its_adjoint(boundary, L, charge, gamma, V):
    here, flipped = (
        models.NonHermitianXXZ(L=L, gamma=gamma, V=V, boundary=boundary, charge=q).matrix().toarray()
        for q in (charge, -charge)
    )
    # Flipping all spins reverses the order of the configurations.
    assert largest(flipped[::-1, ::-1] - here.conj().T) < 1e-15
    assert largest(here - here.conj().T) > 0.05


def test_7_clean_interacting_rings_may_be_real():
    def clean(L):
        model = ring(L, gamma=0.1, V=1.1)
        return measured(model, growth=observables.GrowthRate(), real=observables.RealSpectrum(threshold=1e-9))

    eight, twelve = clean(8), clean(12)
    assert float(eight["real"]) == 1
    assert abs(float(eight["growth"])) < 1e-9
    assert float(twelve["real"]) == 0
    assert float(twelve["growth"]) == pytest.approx(0.1219, abs=5e-5)  # reference known to four digits


def bethe_energy(L, gamma, V):
    """Lowest Re E of the clean half-filled ring: Newton iteration for the Bethe roots, followed from free particles."""
    particles, off_diagonal = L // 2, ~np.eye(L // 2, dtype=bool)
    roots = -np.exp(2j * np.pi * (np.arange(particles) - (particles - 1) / 2) / L)
    for progress in np.linspace(0.05, 1, 20):
        left, right, interaction = (1 - progress * gamma) / 2, (1 + progress * gamma) / 2, progress * V
        for _ in range(30):
            row, column = roots[:, None], roots[None, :]
            above, below = (right + left * row * column - interaction * z for z in (row, column))
            scattering = np.log(-above / below, where=off_diagonal, out=np.zeros_like(above))
            mismatch = L * np.log(roots) - scattering.sum(axis=1)
            mismatch -= 2j * np.pi * np.round(mismatch.imag / (2 * np.pi))
            by_own = np.where(off_diagonal, (left * column - interaction) / above - left * column / below, 0)
            by_other = np.where(off_diagonal, left * row / above - (left * row - interaction) / below, 0)
            jacobian = (np.diag(L / roots - by_own.sum(axis=1)) - by_other) * column
            step = np.linalg.solve(jacobian, -mismatch)
            roots = roots * np.exp(step)
            if largest(step) < 1e-13:
                break
        assert largest(mismatch) < EXACT
    return L * V / 4 - particles * V + np.sum(left * roots + right / roots)


@pytest.mark.parametrize(("L", "energy"), [(8, -3.7741588876), (20, -0.4601859431 * 20), (40, -0.4585536153 * 40)])
def test_8_bethe_roots_give_the_reference_energies(L, energy):
    assert abs(bethe_energy(L, 0.1, 1.1) - energy) < 1e-10 * L  # all the digits of the references


@pytest.mark.parametrize(
    ("L", "gamma", "V"),
    [(6, 0.4, 2.0), (8, 0.1, 1.1), (8, 0.3, 0.7), (10, 0.25, 0.4), (10, 0.05, -0.6), (12, 0.2, 1.5)],
)
def test_8_lowest_level_of_the_clean_ring(L, gamma, V):
    values = spectrum(ring(L, gamma=gamma, V=V)).values
    assert abs(values[np.argmin(values.real)] - bethe_energy(L, gamma, V)) < EXACT


def test_8_lowest_level_of_a_long_clean_ring():
    # A sparse solver may return another level: the residual tells that it is a level, the oracle that it is the lowest.
    matrix = ring(20, gamma=0.1, V=1.1).matrix()
    start = np.random.default_rng(800).normal(size=matrix.shape[0])
    (energy,), vector = scipy.sparse.linalg.eigs(matrix, k=1, which="SR", v0=start)
    assert np.linalg.norm(matrix @ vector[:, 0] - energy * vector[:, 0]) < EXACT
    assert abs(energy / 20 + 0.4601859431) < 1e-10


# ---------------------------------------------------------------- 9: Gaussian states


@pytest.mark.parametrize(
    ("gamma", "h", "seed"), [(0.1, 1.0, 900), (0.3, 2.0, 901), (-0.6, 0.5, 902), (0.3, 6.0, 903), (0.2, 0.0, 904)]
)
def test_9_gaussian_state_is_the_exact_evolution(gamma, h, seed):
    model = chain(10, gamma=gamma, V=0.0, h=h, seed=seed)
    one_particle = propagator(single_particle(model), 0.7)
    trajectory = GaussianState.neel(10).trajectory(one_particle, 0.7, 6)
    for record, state in zip(algorithms.ExactEvolution(dt=0.7, t_max=4.2).records(model), trajectory, strict=True):
        assert record.time == pytest.approx(state.time)
        assert largest(profile(record.state, model) - gaussian_profile(state)) < EXACT
        assert abs(record.log_norm - state.log_norm) < EXACT
        for bond in (0, 3, 4, 8):
            assert abs(record.state.entanglement_entropy(bond) - state.entropy(bond)) < EXACT
    assert state.log_norm != 0
    assert state.entropy(4) > 0.01


class TebdRun:
    """An evolution from the Néel state at V = 0, and Gaussian states at its last time."""

    def __init__(self, model, dt, time, **parameters):
        self.model = model
        self.record = last(algorithms.NHTEBD(dt=dt, t_max=time, every=10, **parameters), model)
        one_particle, neel = single_particle(model), GaussianState.neel(model.L)
        self.exact = neel.evolved(propagator(one_particle, time), time)
        *_, self.trotter = neel.trajectory(trotter_propagator(one_particle, dt), dt, round(time / dt))

    def deviations(self, state):
        """Largest error of currents and magnetisation, of two entropies, and of the log-norm."""
        bonds = self.model.L // 3, self.model.L // 2
        return np.array(
            [
                largest(profile(self.record.state, self.model) - gaussian_profile(state)),
                max(abs(self.record.state.entanglement_entropy(bond) - state.entropy(bond)) for bond in bonds),
                abs(self.record.log_norm - state.log_norm),
            ]
        )


@pytest.mark.parametrize("gamma", [0.1, 0.25])
def test_9_tebd_of_a_long_clean_chain(gamma):
    model = chain(100, gamma=gamma, V=0.0)
    coarse, fine = (TebdRun(model, dt=dt, time=2.0, max_bond=64, cutoff=1e-13) for dt in (0.2, 0.1))
    fourth = TebdRun(model, dt=0.2, time=2.0, order=4, max_bond=64, cutoff=1e-13)
    for run in (coarse, fine):
        assert largest(run.deviations(run.trotter)) < 1e-5  # √(discarded weight) ≈ 8e-6
    assert coarse.deviations(coarse.exact) / fine.deviations(fine.exact) == pytest.approx(2**2, abs=0.06)
    assert largest(fourth.deviations(fourth.exact)) < 1e-5  # truncation, as above: Trotter errors are below 1e-6


@pytest.mark.parametrize(("gamma", "h", "seed"), [(0.1, 2.0, 910), (0.3, 1.0, 911)])
def test_9_tebd_of_a_disordered_chain(gamma, h, seed):
    model = chain(64, gamma=gamma, V=0.0, h=h, seed=seed)
    second = TebdRun(model, dt=0.1, time=3.0, max_bond=128, cutoff=1e-12)
    fourth = TebdRun(model, dt=0.2, time=3.0, order=4, max_bond=128, cutoff=1e-12)
    assert largest(second.deviations(second.trotter)) < 2e-5  # √(discarded weight) ≈ 3e-5
    assert largest(fourth.deviations(fourth.exact)) < 2e-5  # truncation; the Trotter error is below 1e-6
    assert 1e-4 < largest(second.deviations(second.exact)) < 0.3 * 0.1**2  # and of second order


def test_9_tebd_with_a_small_bond_dimension():
    run = TebdRun(chain(40, gamma=0.5, V=0.0), dt=0.1, time=10.0, max_bond=16, cutoff=1e-12)
    # Truncation at the orthogonality centre loses 3e-5 of the weight; in any other gauge the errors are much larger.
    assert np.all(run.deviations(run.trotter) < [5e-4, 1.5e-3, 1.5e-3])


@pytest.mark.parametrize(("L", "h"), [(560, 0.0), (280, 1.0)])
def test_9_and_10_tebd_of_the_chain_of_the_paper(L, h):
    """N = 560, and half of it in a field, while little is truncated; `benchmarks/free_fermions.py` goes on."""
    model, time = chain(L, gamma=0.1, V=0.0, h=h, seed=920), 2.0
    record = last(algorithms.NHTEBD(dt=0.2, t_max=time, every=10, order=4, max_bond=32, cutoff=1e-14), model)
    exact = GaussianState.neel(L).evolved(propagator(single_particle(model), time), time)
    found = observables.CurrentProfile()(record, model)
    assert largest(found - exact.currents()) < 2e-7  # Trotter error 6e-8; next to nothing is truncated
    assert abs(record.log_norm - exact.log_norm) < 1e-8 * L
    if h == 0:
        mid = observables.MidCurrent(half_width=25)(record, model)
        assert abs(mid - CleanQuench(0.1, time, bulk_momenta()).current()) < 2e-7


# ---------------------------------------------------------------- 10: the clean quench


@pytest.mark.parametrize(("L", "gamma"), [(6, 0.3), (8, 0.1), (10, 0.2), (12, 0.4)])
def test_10_quench_on_a_clean_ring(L, gamma):
    model = ring(L, gamma=gamma, V=0.0)
    for record in algorithms.ExactEvolution(dt=1.7, t_max=6.8).records(model):
        quench = CleanQuench(gamma, record.time, ring_momenta(L, L // 2))
        expected = np.concatenate([quench.currents(range(L)), quench.magnetization(range(L))])
        assert largest(profile(record.state, model) - expected) < EXACT
        assert abs(record.log_norm - L * quench.log_norm_per_site()) < EXACT


@pytest.mark.parametrize(("gamma", "step"), [(0.1, 20.0), (0.3, 8.0)])
def test_10_bulk_of_a_very_long_open_chain(gamma, step):
    # For larger γ t the exponential tails of the boundary are amplified: 8e-9 on single bonds at γ = 0.3, t = 80.
    L, middle = 560, range(255, 305)
    one_particle = propagator(single_particle(chain(L, gamma=gamma, V=0.0)), step)
    for state in GaussianState.neel(L).trajectory(one_particle, step, 5):
        quench = CleanQuench(gamma, state.time, bulk_momenta())
        assert abs(state.currents()[middle].mean() - quench.current()) < EXACT
        assert largest(state.currents()[middle] - quench.currents(middle)) < EXACT
        assert largest(state.magnetization()[middle] - quench.magnetization(middle)) < EXACT
        if state.time > 0:  # the boundary's front moves at speed 1
            pairs = (state.currents()[:-1] + state.currents()[1:]) / 2 - quench.current()
            assert abs(pairs[round(0.5 * state.time)]) > 1e-2
            assert abs(pairs[round(2 * state.time)]) < 1e-6


def test_10_limits_of_the_bulk_current():
    early, late = (CleanQuench(0.1, time, bulk_momenta()).current() for time in (1e-3, 1e4))
    assert early == pytest.approx(0.1 * 1e-3 / 2, rel=1e-6)
    assert late == pytest.approx(1 / np.pi, rel=1e-6)


@pytest.mark.parametrize("gamma", [0.1, 0.4])
def test_10_mid_current_of_tebd(gamma):
    model, half_width = chain(48, gamma=gamma, V=0.0), 5
    algorithm = algorithms.NHTEBD(dt=0.2, t_max=2.0, order=4, max_bond=64, cutoff=1e-13)
    named = {"mid": observables.MidCurrent(half_width=half_width), "all": observables.CurrentProfile()}
    data = nh.Simulation(model, algorithm, named).run()
    even = range(24 - half_width, 24 + half_width)
    odd = range(24 - half_width, 24 + half_width + 1)
    alternating = []
    for time, mid, currents in zip(data.time.values, data["mid"].values, data["all"].values, strict=True):
        quench = CleanQuench(gamma, time, bulk_momenta())
        # truncation, as in oracle 9
        assert abs(mid - quench.current()) < 1e-5
        assert largest(currents[even] - quench.currents(even)) < 1e-5
        assert abs(mid - currents[even].mean()) < 1e-14
        assert abs(currents[odd].mean() - quench.currents(odd).mean()) < 1e-5
        alternating.append(currents[odd].mean() - mid)
    assert largest(alternating) > 1e-2  # an odd window would be off by this


# ---------------------------------------------------------------- the disordered interacting ring


REFERENCE_REALISATIONS = 800
REFERENCE = {
    1.0: (0.589, 0.006, 0.164),
    2.0: (0.154, 0.299, 0.048),
    3.0: (0.030, 0.713, 0.0126),
    4.0: (0.0112, 0.865, 0.0048),
    5.0: (0.0024, 0.951, 0.0015),
}
"""Mean current (all-real realisations count as zero), f_noSS and f_Im of independent realisations at each h."""


def disordered_ring(h, seed):
    named = {
        "current": observables.SteadyStateCurrent(),
        "real": observables.RealSpectrum(),
        "complex_fraction": observables.ImaginaryFraction(),
    }
    return nh.Simulation(ring(8, gamma=0.1, V=1.1, h=h, seed=seed), algorithms.ExactDiag(), named)


@pytest.mark.parametrize("h", list(REFERENCE))
def test_disorder_averages_of_eight_sites(h):
    data = nh.sweep(disordered_ring, over={"h": [h], "seed": range(10_000, 10_320)}).isel(h=0)
    current, real, fraction = REFERENCE[h]
    both = 1 / data.sizes["seed"] + 1 / REFERENCE_REALISATIONS
    pooled = float((data["real"].sum() + real * REFERENCE_REALISATIONS) / (data.sizes["seed"] + REFERENCE_REALISATIONS))
    currents = data["current"].sel(estimate="eigenvector")
    scores = [
        float(currents.mean() - current) / np.sqrt(float(currents.var(ddof=1)) * both),
        float(data["real"].mean() - real) / np.sqrt(pooled * (1 - pooled) * both),
        float(data["complex_fraction"].mean() - fraction) / np.sqrt(float(data["complex_fraction"].var(ddof=1)) * both),
    ]
    assert largest(scores) < 3
    assert np.all((data["current"].sel(estimate="eigenvalue") == 0) == (data["real"] == 1))
