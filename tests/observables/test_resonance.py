"""What is measured in a slow mode, against planted mixtures, loops over pairs and dense operators."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.observables.demixing import Resonance, demixed, near_resonant_set
from mpsnh.operators.sector import Sector
from tests.oracles import reference
from tests.support.spectra import spectrum_of

PAULI = {
    "1": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}
PAIRS = ("AB", "A'B", "AB'", "A'B'", "AA'", "BB'", "mu nu")


def spins(L):
    return Sector([nh.Spin(0.5)] * L, None)


def circuit(L=6, alpha=20.0, seed=0):
    return models.RandomFloquetCircuit(L=L, alpha=alpha, seed=seed)


def slow_mode(model, **parameters):
    (record,) = algorithms.DegeneratePerturbationSolver(**parameters).records(model)
    return record


def on_site(name, j, L):
    return reference.embedded(PAULI[name].astype(complex), j, [2] * L)


# ------------------------------------------------------------------------------------------------------- demixing


@st.composite
def planted(draw):
    """Two product states of different bits, mixed by ε, with any phases."""
    L = draw(st.integers(2, 7))
    a, b = draw(st.lists(st.integers(0, 2**L - 1), min_size=2, max_size=2, unique=True))
    epsilon = 10.0 ** draw(st.floats(-14, 0))
    mixing, *phases = np.exp(1j * np.array(draw(st.lists(st.floats(0, 6.28), min_size=3, max_size=3))))
    first, second = np.eye(2**L, dtype=complex)[[a, b]]
    norm = np.sqrt(1 + epsilon**2)
    A = phases[0] * (first - epsilon * mixing * second) / norm
    B = phases[1] * (second + epsilon * mixing.conj() * first) / norm
    return L, (first, second), (A, B), epsilon


@given(planted())
@settings(max_examples=150)
def test_planted_mixtures_are_found(case):
    L, localised, (A, B), epsilon = case
    found = demixed(A, B, spins(L))
    assert found.epsilon == pytest.approx(epsilon, rel=1e-6, abs=0)
    assert found.angle == pytest.approx(2 * np.arctan(epsilon), rel=1e-6, abs=0)
    np.testing.assert_allclose(found.states.conj().T @ found.states, np.eye(2), atol=1e-14)
    overlaps = np.abs(np.array(localised).conj() @ found.states)
    # at ε = 1 neither state is closer to A
    np.testing.assert_allclose(overlaps if overlaps[0, 0] > 0.5 else overlaps[::-1], np.eye(2), atol=1e-7)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-8, 1e-10, 1e-12])
def test_tiny_mixtures_keep_their_digits(epsilon):
    """An eigenvector's small elements, of which a general solver rounds away what is below 1e-16."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        a, b = rng.permutation(32)[:2]
        mixing = np.exp(1j * rng.uniform(0, 2 * np.pi))
        A, B = np.zeros((2, 32), complex)
        A[[a, b]], B[[b, a]] = (1, -epsilon * mixing), (1, epsilon * mixing.conj())
        assert demixed(A, B, spins(5)).epsilon == pytest.approx(epsilon, rel=1e-9, abs=0)


def random_pair(L, seed):
    vectors = scipy.stats.unitary_group.rvs(2**L, random_state=seed)[:, :2]
    return vectors[:, 0], vectors[:, 1]


def polarisation_difference(first, second, L):
    """Σ_j (⟨Z_j⟩_a - ⟨Z_j⟩_b)² with dense operators."""
    operators = [on_site("Z", j, L) for j in range(L)]
    means = [[reference.expectation(op, state).real for op in operators] for state in (first, second)]
    return np.sum(np.subtract(*means) ** 2)


@pytest.mark.parametrize("seed", range(4))
def test_no_other_basis_is_more_localised(seed):
    """The closed form, next to a search over all bases."""
    L = 2 + seed % 3
    A, B = random_pair(L, seed)
    found = demixed(A, B, spins(L))

    def basis(angles):
        tilt, phase = np.cos(angles[0] / 2), np.exp(1j * angles[1]) * np.sin(angles[0] / 2)
        return tilt * A + phase * B, tilt * B - phase.conj() * A

    grid = itertools.product(np.linspace(0, np.pi / 2, 5), np.linspace(0, 6, 7))
    searches = [
        scipy.optimize.minimize(lambda x: -polarisation_difference(*basis(x), L), start, tol=1e-12) for start in grid
    ]
    best = min(searches, key=lambda search: search.fun)
    assert polarisation_difference(*found.states.T, L) == pytest.approx(-best.fun, rel=1e-9, abs=0)
    angle = np.arccos(np.abs(np.cos(best.x[0])))  # exchanging the two states is the same basis
    assert found.angle == pytest.approx(angle, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_localised_states_do_not_depend_on_the_basis(seed):
    A, B = random_pair(4, seed)
    rotated = np.stack([A, B], axis=1) @ scipy.stats.unitary_group.rvs(2, random_state=100 + seed)
    one, other = demixed(A, B, spins(4)), demixed(*rotated.T, spins(4))
    overlaps = np.abs(one.states.conj().T @ other.states)
    np.testing.assert_allclose(overlaps if overlaps[0, 0] > 0.5 else overlaps[::-1], np.eye(2), atol=1e-8)
    again = demixed(*one.states.T, spins(4))
    assert again.angle < 1e-7
    phases = np.exp(1j * np.array([0.3, 2.0]))
    same = demixed(phases[0] * A, phases[1] * B, spins(4))
    assert (same.angle, same.epsilon) == pytest.approx((one.angle, one.epsilon), rel=1e-12, abs=0)
    np.testing.assert_allclose(np.abs(np.sum(one.states.conj() * same.states, axis=0)), 1, atol=1e-12)
    swapped = demixed(B, A, spins(4))
    assert swapped.angle == pytest.approx(one.angle, rel=1e-9, abs=0)


def test_demixing_levels_of_a_spectrum():
    """Any spectrum with orthonormal vectors, the levels given by number."""
    chain = models.NonHermitianXXZ(L=6, gamma=0.0, h=2.0, seed=1)
    data = nh.Simulation(chain, algorithms.ExactDiag(), {"mixed": observables.DemixingAngle(pair=(3, 7))}).run()
    record = next(iter(algorithms.ExactDiag().records(chain)))
    whole = [chain.sector.embed(record.right.matrix[:, k]) for k in (3, 7)]
    found = demixed(*whole, spins(6))
    assert data["mixed"].values.tolist() == pytest.approx([found.angle, found.epsilon], rel=1e-9, abs=0)


def test_states_that_can_not_be_demixed():
    ring = models.NonHermitianXXZ(L=4, gamma=0.4, h=1.0, boundary="periodic")
    algorithm, angle = algorithms.ExactDiag(), observables.DemixingAngle(pair=(0, 1))
    with pytest.raises(ValueError, match=r"the two states miss orthonormality by .*, but demixing is for"):
        nh.Simulation(ring, algorithm, {"mixed": angle}).run()
    plus, minus = np.array([1, 1]) / np.sqrt(2), np.array([1, -1]) / np.sqrt(2)
    unpolarised = np.kron(plus, plus), np.kron(minus, minus)
    with pytest.raises(ValueError, match="no basis of the two states is more localised than the others"):
        demixed(*unpolarised, spins(2))


# --------------------------------------------------------------------------------------------- the near-resonant set


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("alpha", [2.0, 25.0])
def test_the_dominant_pair_by_loops(alpha, seed):
    model = circuit(4, alpha, seed)
    record = slow_mode(model)
    largest, total, pair = 0.0, 0.0, None
    for m, n in itertools.combinations(range(16), 2):
        current = sum(
            abs(record.states[:, m].conj() @ on_site(name, 3, 4) @ record.states[:, n]) ** 2 / 3 for name in "XYZ"
        )
        current *= (record.weights[m] - record.weights[n]) ** 2
        total += current
        if current > largest:
            largest, pair = current, (m, n)
    found = observables.DominantFraction()(record, model)
    assert found.tolist() == pytest.approx([largest / total, *pair], rel=1e-9, abs=0)
    assert observables.RelaxationRate()(record, model).tolist() == pytest.approx([total / 16, 3 * total / 16])


def plain_resonance(record, model):
    """The prescription of the paper with dense operators of the whole chain."""
    L, states = model.L, record.states
    x, y, z = (states.conj().T @ on_site(name, L - 1, L) @ states for name in "XYZ")
    currents = record.transitions * (record.weights[:, None] - record.weights) ** 2
    mu, nu = sorted(np.unravel_index(currents.argmax(), currents.shape))
    partner = np.abs(x).argmax(axis=0)
    fraction = np.abs(z) ** 2 / (np.abs(x) ** 2 + np.abs(y) ** 2 + np.abs(z) ** 2)
    angles = np.angle(np.einsum("ij,ij->j", states.conj(), model.matrix() @ states))

    def splitting(m, n):
        return abs(np.angle(np.exp(1j * (angles[m] - angles[n]))))

    if fraction[mu, nu] > 0.5:
        A, B = mu, nu
    elif splitting(mu, partner[nu]) < splitting(partner[mu], nu):
        A, B = mu, partner[nu]
    else:
        A, B = nu, partner[mu]
    members = {"A": A, "B": B, "A'": partner[A], "B'": partner[B]}
    return fraction, members, (mu, nu)


@pytest.mark.parametrize("seed", range(12))
def test_the_near_resonant_set(seed):
    model = circuit(6, 30.0, 500 + seed)
    record = slow_mode(model)
    fraction, members, pair = plain_resonance(record, model)
    found = near_resonant_set(record, model)
    assert found[:2] == (members["A"], members["B"])
    assert found.direct == (fraction[pair] > 0.5)
    # X is its own inverse, so that the partner of a partner is the state itself
    assert (found.A_flipped, found.B_flipped) == (members["A'"], members["B'"])
    assert {record.dominant[0], record.dominant[1]} == set(found.pair("AB" if found.direct else "AB'"))
    listed = observables.NearResonantSet()(record, model)
    assert listed.tolist() == [members["A"], members["B"], members["A'"], members["B'"], found.direct, found.site]
    for name in PAIRS:
        m, n = pair if name == "mu nu" else found.pair(name)
        character = observables.JumpCharacter(pair=name)(record, model)
        assert character == pytest.approx(fraction[m, n], rel=1e-6, abs=1e-12)
        ratio = observables.MatrixElementRatio(over=name, under="AB")(record, model)
        assert ratio == pytest.approx(record.transitions[m, n] / record.transitions[found.A, found.B])
        mixed = demixed(record.states[:, m], record.states[:, n], record.sector)
        assert observables.DemixingAngle(pair=name)(record, model)[0] == mixed.angle
    levels, transitions = observables.ResonantLevels(), observables.ResonantTransitions()
    listed = [[record.quasienergies[members[name]], record.weights[members[name]]] for name in levels.coords["state"]]
    assert levels(record, model).tolist() == listed
    currents = record.transitions * (record.weights[:, None] - record.weights) ** 2
    pairs = [found.pair(name) for name in transitions.coords["pair"]]
    listed = [[record.transitions[pair], currents[pair] / (currents.sum() / 2)] for pair in pairs]
    np.testing.assert_allclose(transitions(record, model), listed, rtol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_the_site_of_the_resonance(seed):
    """The last one at which the dominant bits of the localised states differ."""
    model = circuit(6, 60.0, seed)
    record = slow_mode(model)
    found = near_resonant_set(record, model)
    localised = demixed(record.states[:, found.A], record.states[:, found.B], record.sector).states
    bits = [format(int(k), "06b") for k in np.abs(localised).argmax(axis=0)]
    differing = [j for j in range(6) if bits[0][j] != bits[1][j]]
    np.testing.assert_allclose(observables.ResonanceProfile()(record, model), np.isin(range(6), differing), atol=0.1)
    assert found.site == max(differing)
    if found.direct:
        assert found.site == 5


def test_splittings_go_around_the_circle():
    """For phases, not for energies."""
    record = slow_mode(circuit(4, 2.0))
    energies = slow_mode(models.NonHermitianXXZ(L=4, gamma=0.0, h=3.0, charge=None))
    for m, n in itertools.combinations(range(16), 2):
        around = abs(np.angle(record.spectrum.values[m] / record.spectrum.values[n]))
        assert record.splitting(m, n) == record.splitting(n, m) == pytest.approx(around, rel=1e-9, abs=0)
        assert energies.splitting(m, n) == pytest.approx(abs(energies.spectrum.values[m] - energies.spectrum.values[n]))
    assert record.splitting(0, 15) < 2 * np.pi - record.splitting(0, 15)


def test_names_of_pairs():
    found = Resonance(A=1, B=2, A_flipped=3, B_flipped=4, direct=True, site=0)
    expected = {"AB": (1, 2), "A'B": (3, 2), "AB'": (1, 4), "A'B'": (3, 4), "AA'": (1, 3), "BB'": (2, 4)}
    assert {name: found.pair(name) for name in expected} == expected


def test_the_minimal_model_of_the_ensemble():
    """Localised: few jumps dominate, by X and Y or by Z, through the most resonant of the four pairs."""
    rows = []
    for seed in range(80_000, 80_030):
        model = circuit(7, 30.0, seed)
        record = slow_mode(model)
        found = near_resonant_set(record, model)
        angles = [observables.DemixingAngle(pair=pair)(record, model)[0] for pair in PAIRS[:4]]
        character = observables.JumpCharacter()(record, model)
        fraction = observables.DominantFraction()(record, model)[0]
        ratio = observables.MatrixElementRatio()(record, model)
        over = observables.MatrixElementRatio(over="AB", under="AB'")(record, model)
        rows.append([fraction, min(character, 1 - character) < 0.05, found.direct, np.argmax(angles) == 0, ratio, over])
    fraction, extreme, direct, largest, ratio, over = np.array(rows, float).T
    assert fraction.max() < 0.5
    assert 0.07 < np.median(fraction) < 0.25
    assert extreme.mean() > 0.85
    assert 0.2 < direct.mean() < 0.75
    assert largest.mean() > 0.7
    assert np.median(ratio) == pytest.approx(1, abs=0.03)
    assert np.median(over[direct == 1]) == pytest.approx(2, abs=0.1)


def test_no_jump_dominates_in_the_thermal_regime():
    fractions = [observables.DominantFraction()(slow_mode(circuit(7, 1.0, seed)), None)[0] for seed in range(5)]
    assert np.median(fractions) < 0.01


# --------------------------------------------------------------------------------------------- weights on operators


def strings(operator, L):
    """Weight of an operator on each string of Pauli matrices."""
    weights = {}
    for names in itertools.product("1XYZ", repeat=L):
        string = PAULI[names[0]]
        for name in names[1:]:
            string = np.kron(string, PAULI[name])
        weights[names] = abs(np.trace(string @ operator)) ** 2 / 4**L
    return weights


@pytest.mark.parametrize("place", [-1, 0, 1])
@pytest.mark.parametrize("seed", range(2))
def test_weights_on_strings_of_operators(place, seed):
    model = circuit(4, 4.0, seed)
    record = slow_mode(model, bath=nh.Bath(site=place))
    c, states = record.weights, record.states
    weights = strings(sum(c[n] * np.outer(states[:, n], states[:, n].conj()) for n in range(16)), 4)
    assert sum(weights.values()) == pytest.approx(1)
    acting, reaching, bath = np.zeros(4), np.zeros(4), place % 4
    for names, weight in weights.items():
        where = [j for j in range(4) if names[j] != "1"]
        for j in where:
            acting[j] += weight
        if where:
            reaching[min(where, key=lambda j: (abs(j - bath), j))] += weight
    np.testing.assert_allclose(observables.PauliWeight()(record, model), acting, atol=1e-12)
    np.testing.assert_allclose(observables.PauliWeight(by="reach")(record, model), reaching, atol=1e-12)
    assert reaching.sum() == pytest.approx(1)
    assert acting[bath] * 4 / 3 == pytest.approx(record.rate)


def test_a_localised_mode_lives_far_from_the_bath():
    record = slow_mode(circuit(6, 30.0, 1))
    weights = observables.PauliWeight()(record, circuit(6, 30.0, 1))
    assert weights[0] > 0.9
    assert weights[-1] < 1e-6


# ------------------------------------------------------------------------------------------------------- gap ratios


def test_gap_ratios_of_random_levels():
    rng, ratio = np.random.default_rng(1), observables.GapRatio()
    phases = [np.exp(2j * np.pi * rng.uniform(size=3000)) for _ in range(3)]
    energies = [rng.uniform(size=3000).astype(complex) for _ in range(3)]
    unitary = [np.linalg.eigvals(scipy.stats.unitary_group.rvs(300, random_state=k)) for k in range(6)]
    for draws, model, expected in (
        (phases, circuit(2), 0.3863),
        (energies, models.NonHermitianXXZ(L=2), 0.3863),
        (unitary, circuit(2), 0.5996),
    ):
        found = np.mean([ratio(spectrum_of(values), model) for values in draws])
        assert found == pytest.approx(expected, abs=0.012)


def test_gap_ratios_by_loops():
    """Around the circle for phases, not for energies."""
    rng = np.random.default_rng(2)
    angles = np.sort(rng.uniform(-np.pi, np.pi, 9))
    gaps = [(angles[(k + 1) % 9] - angles[k]) % (2 * np.pi) for k in range(9)]
    around = [min(gaps[k - 1], gaps[k]) / max(gaps[k - 1], gaps[k]) for k in range(9)]
    within = [min(gaps[k - 1], gaps[k]) / max(gaps[k - 1], gaps[k]) for k in range(1, 8)]
    shuffled, ratio = rng.permutation(angles), observables.GapRatio()
    assert ratio(spectrum_of(np.exp(1j * shuffled)), circuit(2)) == pytest.approx(np.mean(around))
    energies = spectrum_of(shuffled)
    assert ratio(energies, models.NonHermitianXXZ(L=2)) == pytest.approx(np.mean(within))


# -------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: observables.JumpCharacter(pair="AC"), r"pair = 'AC', but it must be one of 'AB', \"A'B\""),
        (lambda: observables.MatrixElementRatio(over="BA"), "over = 'BA', but it must be one of"),
        (lambda: observables.DemixingAngle(pair="AC"), "pair = 'AC', but it must be one of .*, or two numbers"),
        (lambda: observables.DemixingAngle(pair=(3, 3)), r"pair = \(3, 3\), but it must be two different numbers"),
        (lambda: observables.DemixingAngle(pair=(1, 2, 3)), "two different numbers of eigenstates"),
        (lambda: observables.DemixingAngle(pair=(0.5, 1)), "two different numbers of eigenstates"),
        (lambda: observables.PauliWeight(by="support"), "by = 'support', but it must be one of 'site', 'reach'"),
    ],
)
def test_names_that_do_not_exist(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("observable", "algorithm", "message"),
    [
        (observables.DemixingAngle(), algorithms.ExactDiag(), "pair = 'AB' is one of a SlowMode, but ExactDiag yields"),
        (observables.DemixingAngle(pair=(0, 64)), algorithms.ExactDiag(), "below 64, the number of eigenstates"),
        (observables.DemixingAngle(pair=(0, 1)), algorithms.ExactDiag(vectors="none"), "needs right eigenvectors"),
        (
            observables.JumpCharacter(),
            algorithms.DegeneratePerturbationSolver(bath=nh.Bath(jumps=("X", "Y"))),
            "jump = 'Z', but it must be one of the bath's: X, Y",
        ),
        (observables.GapRatio(), algorithms.SteadyState(), "needs all levels"),
    ],
)
def test_what_does_not_fit(observable, algorithm, message):
    with pytest.raises(ValueError, match=message):
        nh.Simulation(circuit(6), algorithm, {"x": observable})


@pytest.mark.parametrize(
    "observable",
    [
        observables.NearResonantSet(),
        observables.MatrixElementRatio(),
        observables.JumpCharacter(),
        observables.ResonanceProfile(),
        observables.ResonantLevels(),
        observables.ResonantTransitions(),
    ],
)
def test_sites_must_be_spins_one_half(observable):
    class Bosons(nh.HamiltonianModel):
        @property
        def sites(self):
            return (nh.Boson(2),) * self.L

        def terms(self):
            return nh.OpSum([(1.0, "n", 0)])

    solver = algorithms.DegeneratePerturbationSolver(bath=nh.Bath(jumps=("n",)))
    with pytest.raises(ValueError, match="has no operator"):
        nh.Simulation(Bosons(L=3), solver, {"x": observable})


def test_slow_modes_are_measured_only_in_slow_modes():
    with pytest.raises(TypeError, match="measures SlowMode, but ExactDiag yields Spectrum"):
        nh.Simulation(circuit(4), algorithms.ExactDiag(), {"R": observables.DominantFraction()})


def test_everything_in_one_dataset():
    measured = {
        "Gamma": observables.RelaxationRate(),
        "R": observables.DominantFraction(),
        "set": observables.NearResonantSet(),
        "Z": observables.JumpCharacter(),
        "ratio": observables.MatrixElementRatio(),
        "theta": observables.DemixingAngle(),
        "weight": observables.PauliWeight(),
        "r": observables.GapRatio(),
    }

    def realisation(alpha, seed):
        return nh.Simulation(circuit(4, alpha, seed), algorithms.DegeneratePerturbationSolver(), measured)

    data = nh.sweep(realisation, over={"alpha": [5.0, 20.0], "seed": range(2)})
    assert dict(data["weight"].sizes) == {"alpha": 2, "seed": 2, "site": 4}
    rates = data["Gamma"].sel(quantity="Gamma")
    np.testing.assert_allclose(data["weight"].isel(site=-1), 3 / 4 * rates, rtol=1e-9)
    assert data["set"].dtype.kind == "i"
