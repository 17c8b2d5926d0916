"""A state means one thing, wherever it comes from: its sites, its charge, its gauge and its norm."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from mpsnh import (
    MPS,
    Boson,
    Fermion,
    FloquetModel,
    Gate,
    HamiltonianModel,
    OpSum,
    Site,
    Snapshot,
    Spin,
    SymmetricMPS,
    algorithms,
    models,
    observables,
)
from mpsnh.states.symmetric import symmetric
from mpsnh.states.truncation import Truncation
from tests.oracles import reference
from tests.oracles.reference import random_charged_vector, random_sites

HALF = Spin(0.5)
STAGGERED = (
    Site(HALF.states, {name: HALF.op(name) for name in ("Sz", "Sp", "Sm", "X")}, charges=[1, -1]),
    Site(HALF.states, {name: HALF.op(name) for name in ("Sz", "Sp", "Sm", "X")}, charges=[-1, 1]),
)


def refused(message, error=ValueError):
    return pytest.raises(error, match=re.escape(message))


class Chain(HamiltonianModel):
    """Any terms on any sites."""

    L: int = 4
    op: OpSum
    local: tuple[Site, ...] = (HALF,)

    @property
    def sites(self):
        return (self.local * self.L)[: self.L]

    def terms(self):
        return self.op


def chain(local, *terms, **parameters):
    return Chain(op=OpSum(terms), local=local, **parameters)


BOSONS = chain((Boson(1),), (0.3, "bdag", 0, "b", 1), (0.4, "b", 0, "bdag", 1), (0.5, "n", 2))
PAIRS = chain(STAGGERED, *((0.5, a, j, a, j + 1) for a in ("Sp", "Sm") for j in range(3)), (0.3j, "Sz", 1))

every_evolution = pytest.mark.parametrize("evolution", [algorithms.NHTEBD, algorithms.ExactEvolution])


def run(evolution, model, initial, **parameters):
    """The last record; a state starts as it is."""
    options = {"dt": 0.05, "t_max": 0.5, **parameters}
    *_, last = evolution(initial=lambda model: initial, **options).records(model)
    return last


def exact(model, vector, t=0.5):
    """Normalised vector and logarithm of its norm, from the eigenvectors of a matrix that shares no code."""
    matrix = reference.operator(model.op, model.sites)
    values, vectors = np.linalg.eig(matrix)
    evolved = vectors @ (np.exp(-1j * t * values) * np.linalg.solve(vectors, vector / np.linalg.norm(vector)))
    norm = np.linalg.norm(evolved)
    return evolved / norm, math.log(norm)


# ----------------------------------------------------------------------------------------------------------- sites


@every_evolution
@pytest.mark.parametrize("site", [Fermion(), HALF, Site(["1", "0"], {"n": np.diag([1, 0])}, charges=[1, 0])], ids=str)
def test_a_state_of_other_sites_is_refused_as_initial_state(evolution, site):
    state = MPS.product([Boson(1)] * 2 + [site] * 2, ["1", "0", *site.states])
    names = ", ".join(map(repr, site.states)).replace("'full'", "'full' (odd)")
    with refused(f"site 2 of the initial state has the states {names}, but those of the model are '0', '1'"):
        run(evolution, BOSONS, state)


def test_states_of_equal_names_but_other_parity_are_refused():
    odd = Site(["0", "1"], {"n": np.diag([0, 1])}, charges=[0, 1], parities=[1, -1])
    with refused("site 0 of the initial state has the states '0', '1' (odd), but those of the model are '0', '1'"):
        run(algorithms.NHTEBD, BOSONS, MPS.product([odd] * 4, ["0", "1"] * 2))


@every_evolution
@pytest.mark.parametrize("make", [lambda state: state, symmetric, lambda state: MPS(state.to_quimb())])
def test_a_state_with_other_charges_becomes_one_of_the_model(evolution, make):
    """Pairs are made and unmade, so that only the staggered charge is conserved."""
    vector = np.zeros(16)
    vector[[0b0101, 0b0011]] = 1, 1  # of charge 0 for plain spins
    options = {"order": 4} if evolution is algorithms.NHTEBD else {}
    last = run(evolution, PAIRS, make(MPS.from_vector(vector, [HALF] * 4)), **options)
    expected, log_norm = exact(PAIRS, vector)
    np.testing.assert_allclose(
        last.state.expect_each("Sz"),
        [reference.expectation(reference.operator(OpSum() + (1, "Sz", j), PAIRS.sites), expected) for j in range(4)],
        atol=1e-6,
    )
    assert last.log_norm == pytest.approx(log_norm, abs=1e-6)


def test_a_snapshot_of_another_chain_is_not_continued():
    initial = MPS.product([HALF] * 4, ["up", "down"] * 2)
    snapshot = run(algorithms.NHTEBD, chain((HALF,), (0.5, "Sz", 0, "Sz", 1)), initial)
    empty = MPS.product([Boson(1)] * 4, ["0"] * 4)
    with refused("site 0 of the state has the states 'up', 'down', but those of the model are '0', '1'"):
        next(algorithms.NHTEBD(dt=0.05, t_max=1.0, initial=lambda model: empty).records(BOSONS, after=snapshot))


def test_observables_refuse_a_record_of_another_chain():
    state = MPS.product([Fermion()] * 4, ["full", "empty"] * 2)
    for made in (state, symmetric(state)):
        for observable in (
            observables.Magnetization(),
            observables.EntanglementEntropy(),
            observables.EntropyProfile(),
        ):
            with refused("site 0 of the state has the states 'full' (odd), 'empty', but those of the model are 'up'"):
                observable(Snapshot(0.0, made), models.NonHermitianXXZ(L=4))
            with refused("number of sites of the state = 4, but it must be 6"):
                observable(Snapshot(0.0, made), models.NonHermitianXXZ(L=6))


def test_states_of_other_sites_have_no_overlap():
    spins, fermions, bosons = (MPS.product([site] * 3, [site.states[0]] * 3) for site in (HALF, Fermion(), Boson(1)))
    for other in (fermions, symmetric(fermions), bosons):
        with refused("site 0 of the other state has the states"):
            spins.overlap(other)
        with refused("site 0 of the left state has the states"):
            spins.expect_biorthogonal(OpSum() + (1, "Sz", 0), other)
    staggered = MPS.product(STAGGERED * 2, ["up", "down"] * 2)
    assert symmetric(staggered).overlap(symmetric(MPS.product([HALF] * 4, ["up", "down"] * 2))) == 1


# ---------------------------------------------------------------------------------------------------------- charges


@pytest.mark.parametrize("make", [symmetric, lambda state: state])
def test_gates_that_break_the_charge_of_a_state(make):
    """Two spins turn by themselves about x: ⟨Z⟩ = cos(2 · 0.7 t), and the norm stays."""
    model = chain((HALF,), (-0.7, "X", 0), (-0.7, "X", 1), L=2)
    state = make(MPS.product([HALF] * 2, ["up", "up"]))
    if isinstance(state, SymmetricMPS):
        with pytest.warns(RuntimeWarning, match="the gates break the charge by which the state is stored") as said:
            last = run(algorithms.NHTEBD, model, state, t_max=1.0)
        assert len(said) == 1
    else:
        last = run(algorithms.NHTEBD, model, state, t_max=1.0)
    for record in (last, run(algorithms.ExactEvolution, model, state, t_max=1.0)):
        np.testing.assert_allclose(record.state.expect_each("Z"), [math.cos(1.4)] * 2, atol=1e-12)
        assert record.log_norm == pytest.approx(0, abs=1e-12)


def test_a_snapshot_stored_by_charge_goes_on_where_that_is_broken():
    state = MPS.product([HALF] * 2, ["up", "up"])
    conserving = chain((HALF,), (0.3, "Sz", 0, "Sz", 1), L=2)
    snapshot = run(algorithms.NHTEBD, conserving, state)
    assert isinstance(snapshot.state, SymmetricMPS)
    model = chain((HALF,), (-0.7, "X", 0), (-0.7, "X", 1), L=2)
    with pytest.warns(RuntimeWarning, match="it goes on with dense tensors"):
        *_, last = algorithms.NHTEBD(dt=0.05, t_max=1.5).records(model, after=snapshot)
    np.testing.assert_allclose(last.state.expect_each("Z"), [math.cos(1.4)] * 2, atol=1e-12)


class Amplifier(FloquetModel):
    """Gates that rotate opposite spins and double each spin up, so that all up grows fastest, and a leak to there."""

    L: int = 4
    leak: float = 0.0
    growth: float = 2.0

    def layers(self):
        gate = np.diag([self.growth**2, self.growth, self.growth, 1.0])
        gate[1:3, 1:3] = self.growth * np.array([[0.8, -0.6], [0.6, 0.8]])
        gate[0, 1] = self.leak
        return [(Gate(gate, (j, j + 1)),) for j in range(self.L - 1)]


def amplified(model, outside):
    """Time, largest error of ⟨Sz⟩ and noise of each record from Néel and an amplitude of all up, and the last one."""
    vector = np.zeros(16)
    vector[[0b0101, 0b0000]] = 1, outside
    initial = MPS.from_vector(vector, [HALF] * 4)
    (*records, last) = algorithms.NHTEBD(dt=1, t_max=40, every=5, initial=lambda model: initial).records(model)
    period = np.eye(16)
    for (gate,) in model.layers():
        period = reference.on_sites(gate.matrix, gate.where, [2] * 4) @ period
    rows = []
    for record in [*records, last]:
        exact = np.linalg.matrix_power(period, round(record.time)) @ vector
        sz = [reference.expectation(reference.operator(OpSum((1, "Sz", j)), [HALF] * 4), exact) for j in range(4)]
        rows.append((record.time, np.abs(record.state.expect_each("Sz") - sz).max(), record.noise))
    return np.array(rows).T, last


@pytest.mark.filterwarnings("ignore:NHTEBD. truncation may:RuntimeWarning")
@pytest.mark.parametrize(("outside", "leak"), [(1e-14, 0.0), (3e-15, 0.0), (0.0, 1e-15)])
def test_rounding_in_other_charges_that_grows_is_part_of_the_error(outside, leak):
    """It is left out, as the gates conserve the charge; without a charge of the model nobody said that it may be."""
    (time, error, noise), last = amplified(Amplifier(leak=leak), outside)
    assert error[-1] > 0.05
    assert (error <= noise + 1e-13).all()
    assert time[error > 0.01][0] > last.trust_time


def test_rounding_in_other_charges_is_no_error_if_it_is_ignored_or_does_not_grow():
    vector = np.zeros(16)
    vector[[0b0101, 0b0000]] = 1, 1e-14
    initial = MPS.from_vector(vector, [HALF] * 4)
    algorithm = algorithms.NHTEBD(dt=1, t_max=40, every=40, initial=lambda model: initial)
    for model in (Amplifier(charge=0), Amplifier(growth=1.0)):
        *_, last = algorithm.records(model)
        assert last.noise < 1e-13
    (_, error, noise), last = amplified(Amplifier(), 0.0)
    assert max(error.max(), noise.max()) < 1e-12
    first, *_ = records = list(algorithms.NHTEBD(dt=1, t_max=9, initial=lambda model: initial).records(Amplifier()))
    *_, again = algorithms.NHTEBD(dt=1, t_max=9).records(Amplifier(), after=first)
    assert again.noise == records[-1].noise > 1e-9


def test_the_workspace_refuses_gates_that_break_its_charge():
    workspace = symmetric(MPS.product([HALF] * 2, ["up", "down"])).workspace(max_bond=2)
    with refused("the gate on sites (0,) breaks the charge by which the state is stored; state.to_mps() is the same"):
        workspace.apply((Gate(HALF.op("X"), (0,)),), Truncation(max_bond=2))


# ------------------------------------------------------------------------------------------------------------ gauge


def gauged(vector, sites, gauge):
    """The state with X X⁻¹ put into every bond."""
    tensors = MPS.from_vector(vector, sites).site_tensors()
    for j in range(len(sites) - 1):
        x, inverse = gauge(tensors[j].shape[2])
        tensors[j], tensors[j + 1] = np.tensordot(tensors[j], x, 1), np.tensordot(inverse, tensors[j + 1], 1)
    return MPS.from_tensors(tensors, sites)


def test_a_scaled_singlet_is_entangled():
    tensors = MPS.from_vector([0, 1, -1, 0], [HALF] * 2).site_tensors()
    for scale in (1e-14, 1e14, 1e-150, 1e150):
        state = symmetric(MPS.from_tensors([scale * tensors[0], tensors[1] / scale], [HALF] * 2))
        assert type(state) is SymmetricMPS
        assert state.entanglement_entropy(0) == pytest.approx(math.log(2), abs=1e-12)
    skew = [tensors[0] * [1e-14, 1], tensors[1] * np.array([1e14, 1]).reshape(2, 1, 1)]
    assert symmetric(MPS.from_tensors(skew, [HALF] * 2)).entanglement_entropy(0) == pytest.approx(math.log(2))


@pytest.mark.parametrize("spread", [0, 1e-8, 1e-16, 1e8])
@pytest.mark.parametrize("seed", range(6))
def test_blocks_do_not_depend_on_the_gauge(seed, spread):
    """With diagonal gauges of any condition, unitary ones, and bonds that carry nothing."""
    rng = np.random.default_rng(seed)
    sites = random_sites(rng, 4)
    vector = random_charged_vector(rng, sites)

    def gauge(n):
        if not spread:  # wider bonds, of which some carry nothing
            wide = np.linalg.qr(reference.gaussian(rng, n + 2, n + 2))[0]
            return wide[:n], wide[:n].conj().T
        diagonal = np.exp(np.linspace(0, math.log(spread), n)) * np.exp(1j * rng.normal(size=n))
        return np.diag(diagonal), np.diag(1 / diagonal)

    state = symmetric(gauged(vector, sites, gauge))
    assert type(state) is SymmetricMPS
    np.testing.assert_allclose(state.to_vector(), vector, atol=1e-12 * np.linalg.norm(vector))
    entropies = [reference.entropy(vector, bond + 1, sites) for bond in range(3)]
    np.testing.assert_allclose(state.entanglement_profile(), entropies, atol=1e-10)


@pytest.mark.parametrize(("bonds", "condition"), [(1, 1e8), (3, 1e4)])
@pytest.mark.parametrize("L", [2, 4])
def test_gauges_of_large_condition_keep_the_state(L, bonds, condition):
    """Rounding of such tensors is that of the state: condition 1e8 on one bond, or its root on neighbouring ones."""
    rng = np.random.default_rng(1)
    vector = random_charged_vector(rng, [HALF] * L)
    left = iter([condition] * bonds + [1] * L)

    def gauge(n):
        u, v = (np.linalg.qr(reference.gaussian(rng, n, n))[0] for _ in range(2))
        values = np.geomspace(1, next(left), n)
        return u * values @ v, (v.conj().T / values) @ u.conj().T

    state = symmetric(gauged(vector, [HALF] * L, gauge))
    np.testing.assert_allclose(state.to_vector(), vector, atol=1e-6)
    expected = [reference.entropy(vector, bond + 1, [HALF] * L) for bond in range(L - 1)]
    np.testing.assert_allclose(state.entanglement_profile(), expected, atol=1e-6)


# ------------------------------------------------------------------------------------------------------------- norm


@pytest.mark.parametrize("scale", [1e90, 1e-90, 1e160, 1e-160, 1e250, 1e-300])
def test_states_of_any_norm(scale):
    vector = reference.gaussian(np.random.default_rng(1), 16)
    sites = [HALF] * 4
    tensors = MPS.from_vector(vector, sites).site_tensors()
    expected = MPS.from_vector(vector, sites)
    for j in range(4):
        state = MPS.from_tensors([scale * t if k == j else t for k, t in enumerate(tensors)], sites)
        np.testing.assert_allclose(state.expect_each("Sx"), expected.expect_each("Sx"), atol=1e-13)
        op = OpSum() + (1, "Sp", 0, "Sm", 3)
        assert state.expect(op) == pytest.approx(expected.expect(op), abs=1e-13)
        np.testing.assert_allclose(state.entanglement_profile(), expected.entanglement_profile(), atol=1e-12)
        assert state.entanglement_entropy(1) == pytest.approx(expected.entanglement_entropy(1), abs=1e-12)
        assert state.log_norm() == pytest.approx(math.log(np.linalg.norm(vector)) + math.log(scale), rel=1e-13)
        assert state.norm() / scale == pytest.approx(np.linalg.norm(vector), rel=1e-12)
        inverse = MPS.from_tensors([t / scale if k == 1 else t for k, t in enumerate(tensors)], sites)
        assert state.overlap(inverse) == pytest.approx(np.linalg.norm(vector) ** 2, rel=1e-12)
    charged = symmetric(MPS.from_vector(scale * np.array([0, 3, -4, 0]), sites[:2]))
    assert charged.norm() / scale == pytest.approx(5, rel=1e-12)


@every_evolution
@pytest.mark.parametrize("scale", [1e90, 1e-160, 1e160])
def test_evolutions_of_any_norm(evolution, scale):
    model = chain((HALF,), (0.5, "Sp", 0, "Sm", 1), (0.3, "Sm", 0, "Sp", 1), (0.2j, "Sz", 1), L=3)
    tensors = MPS.from_vector(np.eye(8)[3] - 2j * np.eye(8)[5], [HALF] * 3).site_tensors()
    wanted = run(evolution, model, MPS.from_tensors(tensors, [HALF] * 3))
    last = run(evolution, model, MPS.from_tensors([tensors[0], scale * tensors[1], tensors[2]], [HALF] * 3))
    assert last.log_norm == pytest.approx(wanted.log_norm, abs=1e-12)
    np.testing.assert_allclose(last.state.expect_each("Sz"), wanted.state.expect_each("Sz"), atol=1e-12)


# ------------------------------------------------------------------------------------------------------ Néel and quimb


@every_evolution
def test_the_neel_state_of_bosons_is_not_guessed(evolution):
    """The largest occupation kept is no property of the physics."""
    model = chain((Boson(2),), (0.3, "n", 0, "n", 1), charge=4)
    with refused("initial = 'neel', but it must be a function, as site 0 is a Boson(2)"):
        evolution(dt=0.1, t_max=0.1).check(model)


@every_evolution
def test_the_neel_state_must_have_the_charge_of_the_model(evolution):
    with refused("initial = 'neel' has charge 0: the state has weight 1 outside of the sector of charge 2; set the"):
        evolution(dt=0.1, t_max=0.1).check(models.NonHermitianXXZ(L=4, charge=2))


@pytest.mark.parametrize("seed", range(3))
def test_dense_and_quimb_round_trips(seed):
    rng = np.random.default_rng(seed)
    sites = random_sites(rng, 4)
    vector = random_charged_vector(rng, sites)
    for state in (MPS.from_vector(vector, sites), symmetric(MPS.from_vector(vector, sites))):
        np.testing.assert_allclose(state.to_dense().ravel(), vector, atol=1e-13)
        np.testing.assert_allclose(state.to_quimb().to_dense().ravel(), vector, atol=1e-13)
        for back in (MPS.from_quimb(state.to_quimb(), sites), MPS.from_quimb(state, sites), state.to_mps()):
            assert (type(back), back.local_sites) == (MPS, sites)
            np.testing.assert_allclose(back.to_vector(), vector, atol=1e-13)
        again = SymmetricMPS.from_quimb(state.to_quimb(), sites)
        assert type(again) is SymmetricMPS
        np.testing.assert_allclose(again.to_vector(), vector, atol=1e-13)
    with refused("the state has no definite charge"):
        SymmetricMPS.product([HALF] * 2, [[1, 1], "up"])
