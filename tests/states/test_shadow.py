"""What NHTEBD knows of its own error, and of the model that it evolves."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.base.snapshot import NEVER
from mpsnh.language.circuit import repeated
from mpsnh.language.generator import Hamiltonian
from mpsnh.states.shadow import Shadow, coarser, swept
from mpsnh.states.symmetric import from_blocks
from mpsnh.states.truncation import Truncation
from tests.oracles.circuits import Amplitudes, Orbitals, evolved, pairs_of, trace_distance

QUIET = pytest.mark.filterwarnings("ignore:NHTEBD. truncation may:RuntimeWarning")


def tebd(model, dt, steps, **options):
    """The last record of some steps."""
    *_, record = algorithms.NHTEBD(dt=dt, t_max=dt * steps, every=steps, **options).records(model)
    return record


def neel(L):
    return np.arange(L) % 2 == 0


# ----------------------------------------------------------------------------------------------------- the references


@pytest.mark.parametrize("gamma", [0.0, 0.6])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_two_exact_circuits_agree(gamma, order):
    """All amplitudes and the orbitals of free fermions go through the same gates."""
    model = models.NonHermitianXXZ(L=8, gamma=gamma, V=0, h=1.5, seed=2)
    layers = repeated(model.step(0.2, order), 20)
    amplitudes, orbitals = Amplitudes(neel(8)), Orbitals(neel(8))
    assert trace_distance(evolved(amplitudes, layers), evolved(orbitals, layers)) < 1e-12
    assert amplitudes.log_norm == pytest.approx(orbitals.log_norm, abs=1e-11)


def test_pairs_of_a_state():
    rng = np.random.default_rng(1)
    vector = rng.normal(size=64) + 1j * rng.normal(size=64)
    state = nh.MPS.from_vector(vector, (nh.Spin(0.5),) * 6)
    exact = Amplitudes([True] * 6)
    exact.psi = (vector / np.linalg.norm(vector)).reshape((2,) * 6)
    assert trace_distance(pairs_of(state.site_tensors()), exact.pairs()) < 1e-13


# ------------------------------------------------------------------------------------------------------- the estimate


def errors(model, algorithm):
    """Time, error, estimate and trust time of each record."""
    exact = Amplitudes(neel(model.L))
    layers = repeated(model.step(algorithm.dt, algorithm.order), algorithm.every)
    records = list(algorithm.records(model))
    assert records[0].noise < 1e-15
    assert records[0].trust_time == NEVER
    rows = [
        (r.time, trace_distance(pairs_of(r.state.site_tensors()), evolved(exact, layers)), r.noise, r.trust_time)
        for r in records[1:]
    ]
    return np.array(rows).T


@QUIET
def test_errors_above_tolerance_are_seen():
    """A sample of what `make noise` does at length: of 24 runs at most two may be late."""
    late, ratios = 0, []
    for seed in range(24):
        rng = np.random.default_rng([seed, 99])
        model = models.NonHermitianXXZ(
            L=int(rng.integers(8, 11)),
            gamma=rng.choice([0, 0.1, 0.3, 0.7]),
            h=rng.choice([0, 1, 3]),
            seed=seed,
            charge=None,
        )
        algorithm = algorithms.NHTEBD(
            dt=0.1, t_max=8.0, every=5, max_bond=int(rng.choice([4, 8, 12])), cutoff=10 ** rng.uniform(-12, -5)
        )
        time, error, noise, trust = errors(model, algorithm)
        late += (error[time <= trust[-1]] > algorithm.tolerance).any()
        ratios += list(noise[error > 1e-10] / error[error > 1e-10])
    assert late <= 2
    assert 1 < np.median(ratios) < 10


def test_what_is_not_truncated_is_not_feared():
    """Bonds that hold all that there is: the estimate is rounding, at any asymmetry."""
    for gamma in (0.0, 0.5):
        _, error, noise, trust = errors(
            models.NonHermitianXXZ(L=8, gamma=gamma, h=1.0),
            algorithms.NHTEBD(dt=0.1, t_max=4.0, max_bond=16, cutoff=0.0),
        )
        assert error.max() < 1e-12
        assert error.max() < 100 * noise.max()
        assert noise.max() < 1e-8
        assert trust[-1] == NEVER


def test_a_converged_steady_state_raises_no_alarm():
    """The no-click Ising chain with a gap, to which imaginary time leads as well: any warning is an error here."""
    L, jumps = 20, [nh.OpSum() + (np.sqrt(3.0), "Sm", j) for j in range(20)]
    terms = [(-4.0, "Sx", j, "Sx", j + 1) for j in range(L - 1)] + [(-0.4, "Sz", j) for j in range(L)]
    model = models.NoClick(L=L, hamiltonian=nh.OpSum(terms), jumps=tuple(jumps))
    coarse, fine = (tebd(model, 0.1, 150, max_bond=chi) for chi in (16, 32))
    assert coarse.trust_time == fine.trust_time == NEVER
    error = trace_distance(pairs_of(coarse.state.site_tensors()), pairs_of(fine.state.site_tensors()))
    assert 1e-5 < error < coarse.noise < 0.005
    assert fine.noise < 1e-3


def test_what_run_and_shadow_both_discard_is_seen():
    """At the first record both have discarded the same, so that they are one state, and a wrong one."""
    L, jumps = 8, tuple(nh.OpSum() + (1.0, "Sm", j) for j in range(8))
    terms = [(-4.0, "Sx", j, "Sx", j + 1) for j in range(L - 1)] + [(-1.0, "Sz", j) for j in range(L)]
    model = models.NoClick(L=L, hamiltonian=nh.OpSum(terms), jumps=jumps)
    layers = repeated(model.step(0.2, 2), 2)
    truncation = Truncation(max_bond=6, cutoff=1.6e-6)
    vector = np.zeros(2**L)
    vector[int("01" * 4, 2)] = 1
    run = nh.MPS.from_vector(vector, model.sites).workspace(6)
    shadow = Shadow(run, truncation)
    shadow.truncation, shadow.workspace = truncation, run.like(run.view(), run.centre, 6)
    lost, pairs = swept(run, layers, 3, truncation)
    shadow.follow(layers, 3, lost, pairs, 0.0, 2)
    state = from_blocks(run.view(), model.sites, (run.centre, run.centre + 1))
    error = trace_distance(pairs_of(state.site_tensors()), evolved(Amplitudes(neel(L)), layers))
    assert error > 1e-4
    assert shadow.error > error / 2


def test_the_trust_time_is_the_last_record_before_the_alarm():
    algorithm = algorithms.NHTEBD(dt=0.1, t_max=8.0, every=5, max_bond=6)
    with pytest.warns(RuntimeWarning, match=r"truncation may have changed local values by .*, above tolerance = 0.01"):
        records = list(algorithm.records(models.NonHermitianXXZ(L=12, gamma=0.0)))
    alarm = next(k for k, record in enumerate(records) if record.noise > 0.01)
    assert all(record.trust_time == NEVER for record in records[:alarm])
    assert all(record.trust_time == records[alarm - 1].time for record in records[alarm:])


@QUIET
def test_the_estimate_can_be_turned_off():
    model = models.NonHermitianXXZ(L=10, gamma=0.1)
    on, off = (tebd(model, 0.1, 60, max_bond=6, tolerance=t) for t in (0.99, None))
    assert (off.noise, off.trust_time) == (1.0, 0.0)
    assert not any(name.startswith("shadow") for name in off.carry)
    np.testing.assert_array_equal(on.state.expect_each("Sz"), off.state.expect_each("Sz"))
    assert on.log_norm == off.log_norm


def test_twenty_thousand_steps_between_two_records():
    """Two spins, whose gate has no Trotter error: cos ωt and -i (1 + γ) sin ωt / 2ω, with 2ω = √(1 - γ²)."""
    model = models.NonHermitianXXZ(L=2, gamma=0.5)
    record = tebd(model, 0.1, 20000, max_bond=2)
    swing = np.sqrt(0.75)
    stay, hop = np.cos(swing * 1000) ** 2, (1.5 / swing * np.sin(swing * 1000)) ** 2
    assert record.log_norm == pytest.approx(np.log(stay + hop) / 2, abs=1e-10)
    np.testing.assert_allclose(record.state.expect_each("Sz"), np.array([1, -1]) * (stay - hop) / (stay + hop) / 2)
    assert record.noise < 1e-12


@QUIET
def test_product_states_have_no_shadow():
    """Nothing is known of their errors, unless nothing is discarded."""
    entangled = errors(models.NonHermitianXXZ(L=6), algorithms.NHTEBD(dt=0.1, t_max=2.0, max_bond=1))
    _, error, noise, trust = entangled
    assert (noise == 1).all()
    assert trust[-1] == 0
    fields = models.NoClick(L=6, hamiltonian=nh.OpSum([(0.7, "Sx", j) for j in range(6)]), jumps=())
    _, error, noise, trust = errors(fields, algorithms.NHTEBD(dt=0.1, t_max=2.0, max_bond=1))
    assert error.max() < 1e-13
    assert noise.max() < 1e-4
    assert trust[-1] == NEVER


def test_a_shadow_of_a_large_state_is_truncated_first():
    rng = np.random.default_rng(2)
    state = nh.MPS.from_vector(rng.normal(size=256), (nh.Spin(0.5),) * 8).workspace(16)
    shadow = Shadow(state, Truncation(max_bond=16))
    sizes = (1, 2, 4, 8, 16, 24, 32, 64)
    assert [coarser(Truncation(max_bond=chi)).max_bond for chi in sizes] == [1, 1, 3, 4, 4, 6, 8, 16]
    assert max(shadow.workspace.bond_dimensions()) == 4
    assert max(state.bond_dimensions()) == 16


@QUIET
def test_a_lost_shadow_is_not_believed():
    """Néel, in a parity sector that is not that of the steady state: rounding in the other one grows to 1.

    Run and shadow then go to the same wrong state, but not at the same time.
    """
    L = 10
    terms = [(-4.0, "Sx", j, "Sx", j + 1) for j in range(L - 1)] + [(-1.0, "Sz", j) for j in range(L)]
    jumps = tuple(nh.OpSum() + (2.0, "Sm", j) for j in range(L))
    model = models.NoClick(L=L, hamiltonian=nh.OpSum(terms), jumps=jumps)
    algorithm = algorithms.NHTEBD(dt=0.1, t_max=30.0, every=5, order=1, max_bond=24, cutoff=2e-11)
    time, error, _, trust = errors(model, algorithm)
    assert error.max() > 0.1
    assert trust[-1] < time[error > algorithm.tolerance][0] + 3


@QUIET
def test_what_was_feared_before_is_not_forgotten():
    """A run that goes on from a bare state begins a new shadow, and keeps what was known of the error."""
    model = models.NonHermitianXXZ(L=12, gamma=0.1)
    before = tebd(model, 0.1, 60, max_bond=8)
    assert before.noise > 0.05
    _, *after = algorithms.NHTEBD(dt=0.1, t_max=7.0, max_bond=64).records(
        model, after=dataclasses.replace(before, carry={})
    )
    assert all(record.noise >= before.noise for record in after)
    assert after[-1].trust_time == before.trust_time


# ---------------------------------------------------------------------------------------------------------- the plan


def test_one_algorithm_serves_models_that_share_a_generator():
    """A plan depends on the sites and the steps of a model too."""

    class Driven(models.NonHermitianXXZ):
        factor: int = 1

        def step(self, dt, order=2, t=0.0):
            return super().step(self.factor * dt, order, t)

    slow = Driven(L=6)
    fast = Driven(L=6, factor=3)
    fast.__dict__["generator"] = slow.generator
    algorithm = algorithms.NHTEBD(dt=0.1, t_max=0.3, cutoff=0.0)
    values = [list(algorithm.records(model))[-1].state.expect_each("Sz") for model in (slow, fast, slow)]
    np.testing.assert_allclose(values[0], values[2], atol=0)
    np.testing.assert_allclose(
        values[1], tebd(models.NonHermitianXXZ(L=6), 0.3, 3, cutoff=0.0).state.expect_each("Sz"), atol=1e-12
    )


def test_a_generator_without_a_cache_will_do():
    class Fresh(models.NonHermitianXXZ):
        @property
        def generator(self):
            return Hamiltonian(self.terms())

    same = [tebd(cls(L=6, h=1.0), 0.1, 3).state.expect_each("Sz") for cls in (Fresh, models.NonHermitianXXZ)]
    np.testing.assert_array_equal(*same)


@pytest.mark.parametrize("kind", [algorithms.NHTEBD, algorithms.ExactEvolution])
def test_a_generator_that_depends_on_time_is_refused(kind):
    class Ramp(Hamiltonian):
        def at(self, t):
            return Hamiltonian(self.terms * (1 + t))

    class Driven(models.NonHermitianXXZ):
        @functools.cached_property
        def generator(self):
            return Ramp(self.terms())

    with pytest.raises(ValueError, match="the generator of Driven depends on time"):
        nh.Simulation(Driven(L=4), kind(dt=0.1, t_max=1.0), {"sz": observables.Magnetization()})
