"""NHTEBD against exact evolution, dense references of the same circuit, and other libraries.

Everything dense in this file is plain numpy on the vector of the whole chain: no function of the package
takes part in a reference, except that `ExactEvolution` gives the limit of small steps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.algorithms.tebd_sweep import trusted
from mpsnh.base.snapshot import NEVER, TruncatedSnapshot
from mpsnh.language.circuit import repeated
from mpsnh.states.canonical import right_canonical
from mpsnh.states.symmetric import SymmetricMPS
from tests.oracles.dense_tebd import apply_layer, truncated_rank
from tests.support import peers

pytestmark = pytest.mark.filterwarnings("ignore:NHTEBD. truncation may:RuntimeWarning")  # truncated on purpose

UNTRUNCATED = {"max_bond": 2**20, "cutoff": 0.0}
SPINS = (nh.Spin(0.5),) * 8


class Circuit(nh.FloquetModel):
    """A period given as its layers, for any sites."""

    period: tuple[nh.Layer, ...]
    local: nh.Site = nh.Spin(0.5)

    @property
    def sites(self) -> tuple[nh.Site, ...]:
        return (self.local,) * self.L

    def layers(self) -> list[nh.Layer]:
        return list(self.period)


class SpinOne(nh.HamiltonianModel):
    """A spin-1 chain with asymmetric hopping and a complex single-ion anisotropy."""

    @property
    def sites(self) -> tuple[nh.Site, ...]:
        return (nh.Spin(1),) * self.L

    def terms(self) -> nh.OpSum:
        bonds = range(self.L - 1)
        return (
            nh.OpSum.sum((0.3, "Sp", j, "Sm", j + 1) for j in bonds)
            + nh.OpSum.sum((0.5, "Sm", j, "Sp", j + 1) for j in bonds)
            + nh.OpSum.sum((0.7, "Sz", j, "Sz", j + 1) for j in bonds)
            + nh.OpSum.sum((0.2 * j - 0.3j, "Sz", j, "Sz", j) for j in range(self.L))
        )


class LossyBosons(nh.HamiltonianModel):
    """A Bose–Hubbard chain that loses pairs at different rates."""

    initial = ("0", "2", "0", "2", "0")

    @property
    def sites(self) -> tuple[nh.Site, ...]:
        return (nh.Boson(2),) * self.L

    def terms(self) -> nh.OpSum:
        hop = nh.OpSum.sum((-0.6, "bdag", j, "b", j + 1) for j in range(self.L - 1))
        pairs = nh.OpSum.sum((0.5 - 0.1j * (j + 1), "n", j, "n", j) for j in range(self.L))
        return hop + hop.dag() + pairs


def chain(L: int = 8, gamma: float = 0.3, **parameters: Any) -> models.NonHermitianXXZ:
    return models.NonHermitianXXZ(**{"L": L, "gamma": gamma, "h": 1.0, "seed": 3, "charge": L % 2, **parameters})


def last(algorithm: nh.TimeEvolution, model: nh.Model, after: nh.Snapshot | None = None) -> nh.Snapshot:
    *_, snapshot = algorithm.records(model, after)
    return snapshot


def exact(model: nh.Model, time: float, initial: Any = "neel") -> nh.Snapshot:
    return last(algorithms.ExactEvolution(dt=time, t_max=time, initial=initial), model)


def tebd(model: nh.Model, dt: float, steps: int, **parameters: Any) -> nh.Snapshot:
    return last(algorithms.NHTEBD(**{"dt": dt, "t_max": steps * dt, "every": steps, **parameters}), model)


def measured(snapshot: nh.Snapshot, model: models.NonHermitianXXZ) -> dict[str, Any]:
    return {
        "magnetisation": observables.Magnetization()(snapshot, model),
        "current": observables.CurrentProfile()(snapshot, model),
        "entropy": np.array([snapshot.state.entanglement_entropy(bond) for bond in range(model.L - 1)]),
        "log_norm": np.array([snapshot.log_norm]),
    }


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Distance of two states whose norms and phases do not matter."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return float(np.linalg.norm(a - b * np.exp(1j * np.angle(np.vdot(b, a)))))


def random_complex(shape: int | Sequence[int], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def random_state(seed: int, sites: Sequence[nh.Site] = SPINS) -> np.ndarray:
    vector = random_complex(math.prod(site.dim for site in sites), seed)
    return vector / np.linalg.norm(vector)


def starting_from(vector: np.ndarray) -> Callable[[nh.Model], nh.MPS]:
    return lambda model: nh.MPS.from_vector(vector, model.sites)


def neel(sites: Sequence[nh.Site]) -> np.ndarray:
    """The product state of the first and last state of the sites in turn."""
    corners = [np.eye(site.dim)[-(j % 2)] for j, site in enumerate(sites)]
    return functools.reduce(np.kron, corners).astype(complex)


def acted(vector: np.ndarray, gate: nh.Gate, sites: Sequence[nh.Site]) -> np.ndarray:
    """Apply a gate on neighbouring sites to a dense vector."""
    left = math.prod(site.dim for site in sites[: gate.where[0]])
    return np.einsum("ab,xby->xay", gate.matrix, vector.reshape(left, len(gate.matrix), -1)).ravel()


def acted_in_turn(vector: np.ndarray, layers: Iterable[nh.Layer], sites: Sequence[nh.Site]) -> np.ndarray:
    return functools.reduce(lambda v, gate: acted(v, gate, sites), (gate for layer in layers for gate in layer), vector)


def cut(vector: np.ndarray, bond: int, sites: Sequence[nh.Site], max_bond: int, cutoff: float) -> tuple[Any, float]:
    """Truncate a dense vector at a bond by its Schmidt decomposition; return it with the relative weight lost.

    The cutoff does not apply to the first eight states.
    """
    left = math.prod(site.dim for site in sites[: bond + 1])
    u, s, vh = np.linalg.svd(vector.reshape(left, -1), full_matrices=False)
    weights = s**2 / np.sum(s**2)
    kept = len(s)
    while kept > 1 and (kept > max_bond or weights[kept - 1 :].sum() <= cutoff):
        if kept <= min(8, max_bond) and weights[kept - 1 :].sum() > 1e-26:
            break
        kept -= 1
    return ((u[:, :kept] * s[:kept]) @ vh[:kept]).ravel(), weights[kept:].sum()


def truncated_reference(
    model: nh.Model, dt: float, steps: int, order: int, max_bond: int, cutoff: float, *, rightwards: bool = True
) -> TruncatedSnapshot:
    """NHTEBD on a dense vector: layers act in turn to the right and to the left, and each gate is cut where it acts."""
    vector, log_norm, discarded = neel(model.sites), 0.0, 0.0
    for layer in repeated(model.step(dt, order), steps):
        for gate in layer if rightwards else reversed(layer):
            vector = acted(vector, gate, model.sites)
            log_norm += math.log(np.linalg.norm(vector))  # what truncation takes is not part of it
            vector, lost = cut(vector, gate.where[0], model.sites, max_bond, cutoff)
            discarded += lost
            vector /= np.linalg.norm(vector)
        rightwards = not rightwards
    state = nh.MPS.from_vector(vector, model.sites)
    return TruncatedSnapshot(steps * dt, state, log_norm, discarded=discarded)


# ------------------------------------------------------------------------------------------------- Trotter error


@pytest.mark.parametrize("gamma", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("L", [10, 11, 12])
def test_untruncated_evolution_is_exact_up_to_the_trotter_error(L, gamma):
    model = chain(L, gamma)
    reference = measured(exact(model, 1.0), model)
    for order, dt, most in ((1, 0.01, 6e-3), (2, 0.05, 2e-3), (4, 0.05, 5e-9)):
        snapshot = tebd(model, dt, round(1 / dt), order=order, **UNTRUNCATED)
        assert snapshot.discarded < 1e-25
        for name, value in measured(snapshot, model).items():
            assert np.abs(value - reference[name]).max() < most, (order, name)


STEPS = {1: (32, 64, 128), 2: (5, 10, 20, 40), 4: (4, 6, 8, 12)}
"""Numbers of steps to t = 1 for which the error is asymptotic and far above rounding."""


def fitted_slopes(
    model: nh.Model, order: int, measure: Callable[[nh.Snapshot], dict[str, np.ndarray]]
) -> dict[str, float]:
    """Fit the power of dt with which each measured quantity approaches its exact value at t = 1."""
    initial = getattr(model, "initial", "neel")
    reference = measure(exact(model, 1.0, initial=initial))
    errors: dict[str, list[float]] = {name: [] for name in reference}
    for steps in STEPS[order]:
        for name, value in measure(tebd(model, 1 / steps, steps, order=order, initial=initial, **UNTRUNCATED)).items():
            errors[name].append(float(np.linalg.norm(value - reference[name])))
    assert min(map(min, errors.values())) > 1e-9
    return {name: -np.polyfit(np.log(STEPS[order]), np.log(error), 1)[0] for name, error in errors.items()}


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize(("L", "gamma"), [(10, 0.1), (10, 0.3), (10, 0.5), (12, 0.3)])
def test_the_error_falls_with_the_claimed_order(L, gamma, order):
    model = chain(L, gamma)
    slopes = fitted_slopes(model, order, lambda snapshot: measured(snapshot, model))
    for name in ("magnetisation", "current", "log_norm"):
        assert slopes[name] == pytest.approx(order, abs=0.1), name


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize(("model", "name"), [(SpinOne(L=5), "Sz"), (LossyBosons(L=5, charge=4), "n")])
def test_the_order_holds_for_larger_local_spaces(model, name, order):
    slopes = fitted_slopes(
        model,
        order,
        lambda snapshot: {
            "density": snapshot.state.expect_each(name),
            "correlation": snapshot.state.expect_each(name, name),
            "log_norm": np.array([snapshot.log_norm]),
        },
    )
    assert list(slopes.values()) == pytest.approx([order] * 3, abs=0.1)


# ------------------------------------------------------------------------------- the circuit itself, untruncated


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("L", [2, 3, 4, 7, 9, 10])
def test_untruncated_evolution_is_the_circuit_of_the_model(L, order):
    model = chain(L)
    snapshot = tebd(model, 0.1, 5, order=order, **UNTRUNCATED)
    vector = acted_in_turn(neel(model.sites), model.step(0.1, order) * 5, model.sites)
    assert distance(snapshot.state.to_vector(), vector) < 1e-12
    assert snapshot.log_norm == pytest.approx(math.log(np.linalg.norm(vector)), abs=1e-12)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_how_often_one_records_changes_nothing(order):
    run = functools.partial(algorithms.NHTEBD, dt=0.1, t_max=1.0, order=order, **UNTRUNCATED)
    often = {round(record.time, 9): record for record in run().records(chain())}
    for every, times in ((3, [0.0, 0.3, 0.6, 0.9, 1.0]), (4, [0.0, 0.4, 0.8, 1.0]), (10, [0.0, 1.0]), (99, [0.0, 1.0])):
        records = list(run(every=every).records(chain()))
        assert [record.time for record in records] == pytest.approx(times, abs=1e-12)
        for record in records:
            same = often[round(record.time, 9)]
            assert distance(record.state.to_vector(), same.state.to_vector()) < 1e-12
            assert record.log_norm == pytest.approx(same.log_norm, abs=1e-12)


def random_gate(where: tuple[int, ...], seed: int, *, unitary: bool) -> nh.Gate:
    matrix = random_complex((2 ** len(where),) * 2, seed)
    return nh.Gate(np.linalg.qr(matrix)[0] if unitary else matrix, where)


@pytest.mark.parametrize("unitary", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_gates_in_any_order(seed, unitary):
    """A layer of one-site gates, then one gate a bond in random order, as in the circuits of Ha et al. 2023."""
    gate = functools.partial(random_gate, unitary=unitary)
    kicks = tuple(gate((j,), 100 + j) for j in range(8))
    order = np.random.default_rng(seed).permutation(7)
    model = Circuit(L=8, period=(kicks, *((gate((int(j), int(j) + 1), seed + int(j)),) for j in order)))
    initial = starting_from(random_state(seed))
    vector = random_state(seed)
    for record in algorithms.NHTEBD(dt=1, t_max=3, initial=initial, **UNTRUNCATED).records(model):
        assert distance(record.state.to_vector(), vector) < 1e-11
        assert record.log_norm == pytest.approx(math.log(np.linalg.norm(vector)), abs=1e-11)
        if unitary:
            assert record.log_norm == pytest.approx(0, abs=1e-12)
        vector = acted_in_turn(vector, model.period, SPINS)
    reference = last(algorithms.ExactEvolution(dt=1, t_max=3, initial=initial), model)
    assert distance(reference.state.to_vector(), record.state.to_vector()) < 1e-11


@pytest.mark.parametrize("max_bond", [2**20, 5])
def test_the_order_within_a_layer_does_not_matter(max_bond):
    gates = [random_gate(where, where[0], unitary=False) for where in ((0, 1), (2,), (3, 4), (6, 7))]
    outcomes = [
        tebd(Circuit(L=8, period=(tuple(gates[k] for k in order),)), 1, 3, max_bond=max_bond, cutoff=0.0)
        for order in ((0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0))
    ]
    for other in outcomes[1:]:
        assert distance(outcomes[0].state.to_vector(), other.state.to_vector()) < 1e-12
        assert other.log_norm == pytest.approx(outcomes[0].log_norm, abs=1e-12)


def test_a_circuit_of_one_site_gates_leaves_a_product_state():
    model = Circuit(L=8, period=(tuple(random_gate((j,), j, unitary=False) for j in (5, 0, 7, 2)),))
    snapshot = tebd(model, 1, 4)
    assert snapshot.state.max_bond() == 1
    assert distance(snapshot.state.to_vector(), acted_in_turn(neel(SPINS), model.period * 4, SPINS)) < 1e-12


def test_an_initial_state_given_as_a_function():
    """A superposition of all charges, entangled over the whole chain and not normalised."""
    model, vector = chain(8, charge=None), 3 * random_state(5)
    seen = []

    def initial(given: nh.Model) -> nh.MPS:
        seen.append(given)
        return nh.MPS.from_vector(vector, given.sites)

    snapshot = tebd(model, 0.02, 25, order=4, initial=initial, **UNTRUNCATED)
    assert seen
    assert all(given is model for given in seen)
    reference = exact(model, 0.5, initial)
    assert distance(snapshot.state.to_vector(), reference.state.to_vector()) < 1e-8
    assert snapshot.log_norm == pytest.approx(reference.log_norm, abs=1e-8)
    assert measured(snapshot, model)["entropy"][3] > 1


# ------------------------------------------------------------------------------------------------------- resuming


def assert_same(a: nh.Snapshot, b: nh.Snapshot) -> None:
    assert a.time == b.time
    assert a.log_norm == pytest.approx(b.log_norm, abs=1e-13)
    assert getattr(a, "discarded", 0.0) == pytest.approx(getattr(b, "discarded", 0.0), abs=1e-13)
    np.testing.assert_allclose(a.state.to_vector(), b.state.to_vector(), rtol=0, atol=1e-13)


RUNS = {
    **{f"order {order}": algorithms.NHTEBD(dt=0.1, t_max=2.2, order=order, **UNTRUNCATED) for order in (1, 2, 4)},
    **{
        f"truncated, order {order}, every {every}": algorithms.NHTEBD(
            dt=0.1, t_max=2.2, order=order, every=every, max_bond=6
        )
        for order in (1, 2, 4)
        for every in (1, 4)
    },
    "exact": algorithms.ExactEvolution(dt=0.1, t_max=2.2, every=3),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_resumed_run_equals_the_uninterrupted_one(name):
    algorithm, model = RUNS[name], chain()
    records = list(algorithm.records(model))
    assert len(records) > 4
    if "truncated" in name:
        assert records[-1].discarded > 1e-5
    for begin in (0, 1, 2, len(records) - 2):
        resumed = list(algorithm.records(model, after=records[begin]))
        assert len(resumed) == len(records) - begin - 1
        for a, b in zip(resumed, records[begin + 1 :], strict=True):
            assert_same(a, b)


@pytest.mark.parametrize(
    "observable",
    [
        observables.Magnetization(),
        observables.CurrentProfile(),
        observables.MidCurrent(half_width=2),
        observables.EntanglementEntropy(),
        observables.EntanglementEntropy(bond=0),
        observables.EntropyProfile(),
        observables.Norm(),
    ],
    ids=repr,
)
def test_measuring_leaves_the_state_alone(observable):
    """Otherwise the rest of a run would depend on what is measured, and differ from one resumed later."""
    model = chain()
    snapshot = tebd(model, 0.1, 5)
    before = snapshot.state.site_tensors()
    observable(snapshot, model)
    for a, b in zip(snapshot.state.site_tensors(), before, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("L", [8, 9])
@pytest.mark.parametrize("charge", [True, False])
def test_the_profile_of_the_entropy(L, charge):
    """Of states by blocks, of dense ones and of vectors, against the Schmidt values of the vector."""
    model = chain(L, charge=L % 2 if charge else None)
    named = {
        "profile": observables.EntropyProfile(),
        "middle": observables.EntanglementEntropy(),
        "current": observables.CurrentProfile(),
    }
    superposed = None if charge else starting_from(random_state(4, model.sites))
    for algorithm in (algorithms.NHTEBD, algorithms.ExactEvolution):
        run = algorithm(dt=0.2, t_max=0.6, every=3, initial=superposed or "neel")
        data = nh.Simulation(model, run, named).run()
        assert data["profile"].dims == ("time", "bond")
        np.testing.assert_allclose(data["profile"].sel(bond=L // 2 - 1), data["middle"], atol=1e-12)
        *_, record = run.records(model)
        vector = record.state.to_vector() / np.linalg.norm(record.state.to_vector())
        for bond, found in enumerate(data["profile"].values[-1]):
            p = np.linalg.svd(vector.reshape(2 ** (bond + 1), -1), compute_uv=False) ** 2
            assert found == pytest.approx(-np.sum(p[p > 0] * np.log(p[p > 0])), abs=1e-11)
        assert data["profile"].values[-1].min() > 0.1


@pytest.mark.parametrize("every", [1, 3])
def test_a_run_can_be_extended(every):
    run = functools.partial(algorithms.NHTEBD, dt=0.1, every=every, max_bond=6)
    short = last(run(t_max=1.2), chain())
    extended = list(run(t_max=2.1).records(chain(), after=short))
    assert extended[0].time == pytest.approx(1.2 + 0.1 * every)
    for a, b in zip(extended, [r for r in run(t_max=2.1).records(chain()) if r.time > short.time], strict=True):
        assert_same(a, b)


# ----------------------------------------------------------------------------------------------------- truncation


def test_discarded_weight_and_norm_of_one_gate():
    gate, vector = random_gate((3, 4), 1, unitary=False), random_state(2)
    after = acted(vector, gate, SPINS)
    for max_bond in (16, 9, 4, 1):
        tensors, _ = right_canonical(nh.MPS.from_vector(vector, SPINS).site_tensors())
        result = apply_layer(tensors, 0, (gate,), max_bond, 0.0)
        truncated, lost = cut(after, 3, SPINS, max_bond, 0.0)
        assert result.discarded == pytest.approx(lost, abs=1e-14)
        assert lost == 0 or lost > 1e-3
        assert result.log_norm == pytest.approx(math.log(np.linalg.norm(after)), abs=1e-12)
        assert distance(nh.MPS.from_tensors(tensors, SPINS).to_vector(), truncated) < 1e-12
        assert tensors[4].shape[0] == max_bond


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize(
    ("L", "max_bond", "cutoff"),
    [(8, 4, 0.0), (8, 6, 1e-10), (10, 2**20, 1e-4), (9, 12, 1e-6), (9, 5, 1e-10), (7, 3, 1e-6)],
)
def test_truncated_evolution_equals_the_dense_reference(L, max_bond, cutoff, order):
    """The reference truncates the true Schmidt values, so every gate must have been cut at the centre."""
    model, parameters = chain(L, 0.5), {"order": order, "max_bond": max_bond, "cutoff": cutoff}
    # About 30 layers for each order: every truncation amplifies rounding when two Schmidt values are close.
    dt, steps = (0.3, 4) if order == 4 else (0.1, 12)
    snapshot = tebd(model, dt, steps, **parameters, excess=0.0)
    reference = truncated_reference(model, dt, steps, **parameters)
    assert reference.discarded > 1e-9
    assert distance(snapshot.state.to_vector(), reference.state.to_vector()) < 1e-10
    assert snapshot.log_norm == pytest.approx(reference.log_norm, abs=1e-10)
    assert snapshot.discarded == pytest.approx(reference.discarded, rel=1e-8)
    backwards = truncated_reference(model, dt, steps, **parameters, rightwards=False)
    assert distance(snapshot.state.to_vector(), backwards.state.to_vector()) > 1e-7


def assert_canonical(tensors: Sequence[np.ndarray], centre: int) -> None:
    assert np.linalg.norm(tensors[centre]) == pytest.approx(1, abs=1e-12)
    for j, tensor in enumerate(tensors):
        if j != centre:
            axes = [0, 1] if j < centre else [1, 2]
            gram = np.tensordot(tensor.conj(), tensor, (axes, axes))
            np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)


@pytest.mark.parametrize("L", [8, 9])
@pytest.mark.parametrize("max_bond", [3, 2**20])
def test_every_record_is_normalised_and_canonical(L, max_bond):
    algorithm = algorithms.NHTEBD(dt=0.1, t_max=1.0, every=3, max_bond=max_bond)
    for record in algorithm.records(chain(L, 0.5)):
        assert np.linalg.norm(record.state.to_vector()) == pytest.approx(1, abs=1e-12)
        assert record.state.canonical_centre is not None
        assert_canonical(record.state.site_tensors(), record.state.canonical_centre)


@settings(max_examples=50, deadline=None)
@given(
    wheres=st.lists(st.integers(0, 6), min_size=1, max_size=12),
    single=st.integers(0, 7),
    max_bond=st.integers(1, 8),
)
def test_the_centre_is_where_a_layer_says_it_left_it(wheres, single, max_bond):
    tensors, _ = right_canonical(nh.MPS.from_vector(random_state(single), SPINS).site_tensors())
    centre = 0
    for where in [(single,), *((j, j + 1) for j in wheres)]:
        centre = apply_layer(tensors, centre, (random_gate(where, where[0], unitary=False),), max_bond, 0.0).centre
        assert centre in where
        assert_canonical(tensors, centre)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=20),
    max_bond=st.integers(1, 20),
    cutoff=st.sampled_from([0.0, 1e-20, 1e-10, 1e-4, 0.3, 0.99]),
)
def test_cutoff_is_the_weight_that_one_truncation_may_lose(values, max_bond, cutoff):
    s = np.sort(values)[::-1]
    weight = functools.partial(lambda kept: float(np.sum(s[kept:] ** 2) / np.sum(s**2)))
    kept, discarded = truncated_rank(s, max_bond, cutoff)
    assert 1 <= kept <= min(max_bond, len(s))
    assert discarded == pytest.approx(weight(kept), rel=1e-12, abs=1e-30)
    assert discarded <= cutoff or kept == max_bond
    assert kept == 1 or weight(kept - 1) > cutoff * (1 - 1e-12)


def test_a_run_loses_no_more_than_the_cutoff_a_gate():
    cutoff, model = 1e-5, chain(10, 0.3)
    records = list(algorithms.NHTEBD(dt=0.1, t_max=4.0, cutoff=cutoff, max_bond=2**20).records(model))
    gates = sum(len(layer) for layer in model.step(0.1, 2))
    lost = np.diff([record.discarded for record in records])
    assert (lost >= 0).all()
    assert (lost <= gates * cutoff).all()
    assert lost.max() > cutoff
    assert 4 < records[-1].state.max_bond() < 32


def test_max_bond_holds_even_for_one():
    for max_bond in (1, 2, 7):
        records = list(algorithms.NHTEBD(dt=0.1, t_max=1.0, max_bond=max_bond, cutoff=0.0).records(chain()))
        assert max(record.state.max_bond() for record in records) == max_bond


def test_log_norm_of_a_truncated_run_approaches_the_exact_one():
    model = chain(10, 0.3, h=2.0)
    reference = tebd(model, 0.1, 30, **UNTRUNCATED).log_norm
    errors = [abs(tebd(model, 0.1, 30, max_bond=chi, cutoff=0.0).log_norm - reference) for chi in (4, 8, 16, 32)]
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[2] < 1e-4
    assert errors[3] < 1e-12


@pytest.mark.parametrize("max_bond", [2, 4, 8])
def test_truncation_takes_nothing_from_the_probability_of_no_click(max_bond):
    """Unitary gates keep the norm, however much is truncated."""
    snapshot = tebd(chain(16, 0.0), 0.1, 60, max_bond=max_bond)
    assert snapshot.discarded > 0.01
    assert snapshot.log_norm == pytest.approx(0, abs=1e-11)


def test_the_gauge_of_the_initial_state_does_not_matter():
    state = nh.MPS.from_vector(random_state(1), SPINS)
    tensors = state.site_tensors()
    for j in range(7):
        gauge = random_complex((tensors[j].shape[2],) * 2, j)
        tensors[j] = 10 * np.tensordot(tensors[j], gauge, 1)
        tensors[j + 1] = np.tensordot(np.linalg.inv(gauge), tensors[j + 1], 1)
    gauged = nh.MPS.from_tensors(tensors, SPINS)
    assert gauged.canonical_centre is None
    a, b = (tebd(chain(8, 0.5, charge=None), 0.1, 10, max_bond=16, initial=lambda _, s=s: s) for s in (state, gauged))
    assert a.discarded == pytest.approx(b.discarded, rel=1e-9)
    c, d = (
        tebd(chain(8, 0.5, charge=None), 0.1, 10, max_bond=16, cutoff=1e-3, initial=lambda _, s=s: s)
        for s in (state, gauged)
    )
    assert c.discarded > 1e-3
    for one, two in ((a, b), (c, d)):
        assert distance(one.state.to_vector(), two.state.to_vector()) < 1e-10
        assert one.log_norm == pytest.approx(two.log_norm, abs=1e-10)


@pytest.mark.parametrize("seed", [0, 1])
def test_projections_cost_no_more_fidelity_than_the_excess(seed):
    """Against a state of four times the bond dimension, whose own infidelity is 1e-9; longer in the benchmarks."""
    model = models.NonHermitianXXZ(L=40, gamma=0.1, h=2.0, seed=seed)
    reference = tebd(model, 0.1, 50, max_bond=128, cutoff=1e-14, excess=0.0)

    def infidelity(**parameters: float) -> float:
        state = tebd(model, 0.1, 50, max_bond=32, cutoff=1e-14, **parameters).state
        return float(1 - abs(state.overlap(reference.state)) ** 2)

    decomposed = infidelity(excess=0.0)
    assert 1e-4 < decomposed < 1e-3
    assert 1 < infidelity() / decomposed < 1.1
    assert infidelity() == infidelity(excess=0.1)


# ---------------------------------------------------------------------------------------------------- single precision


@pytest.mark.parametrize(
    ("L", "h", "seed", "max_bond"),
    [pytest.param(17, 0.5, 5, 64, marks=pytest.mark.long), (18, 2.0, 1, 32)],
)
def test_single_precision_gives_the_same_currents(L, h, seed, max_bond):
    model = models.NonHermitianXXZ(L=L, gamma=0.1, h=h, seed=seed, charge=L % 2)
    double, single = (
        measured(tebd(model, 0.1, 50, max_bond=max_bond, precision=precision), model)
        for precision in ("double", "single")
    )
    differences = {name: np.abs(double[name] - single[name]).max() for name in double}
    assert 1e-8 < differences["current"] < 1e-5
    assert differences["magnetisation"] < 1e-5
    assert max(differences.values()) < 5e-5


# ------------------------------------------------------------------------------------------------- the norm fails


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        (nh.Gate(np.diag([1, 0, 0, 0]).astype(complex), (2, 3)), r"norm of the state became 0.0 on sites \(2, 3\)"),
        (nh.Gate(np.diag([0, 1]).astype(complex), (4,)), r"norm of the state became 0.0 on sites \(4,\)"),
        (nh.Gate(np.full((4, 4), 1e300, complex), (2, 3)), r"norm of the state became inf on sites \(2, 3\)"),
        (nh.Gate(np.full((2, 2), 1e300, complex), (0,)), r"norm of the state became inf on sites \(0,\)"),
    ],
)
def test_a_gate_that_annihilates_the_state_is_reported(gate, message):
    with pytest.raises(FloatingPointError, match=message):
        tebd(Circuit(L=8, period=((gate,),)), 1, 1)


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("where", [(2, 3), (0,)])
def test_a_gate_that_is_not_finite_is_refused_before_any_work(number, where):
    gate = nh.Gate(np.full((2 ** len(where),) * 2, number, complex), where)
    with pytest.raises(ValueError, match=rf"the gate on \({where[0]}.* has elements that are not finite"):
        next(iter(algorithms.NHTEBD(dt=1, t_max=1).records(Circuit(L=8, period=((gate,),)))))


def test_a_gate_that_breaks_the_charge_of_the_model_is_refused():
    gate = nh.Gate(np.kron([[0.8, 0.6], [-0.6, 0.8]], np.eye(2)).astype(complex), (2, 3))
    message = r"the gate on sites \(2, 3\) takes a state of charge (0|-?2) to one of charge (0|-?2), but the model has"
    with pytest.raises(ValueError, match=message):
        next(iter(algorithms.NHTEBD(dt=1, t_max=1).records(Circuit(L=8, period=((gate,),), charge=0))))
    assert not isinstance(tebd(Circuit(L=8, period=((gate,),)), 1, 1).state, SymmetricMPS)


def test_the_gates_are_made_once_a_run():
    made = []

    class Counting(models.NonHermitianXXZ):
        def step(self, dt: float = 1.0, order: int = 2, t: float = 0.0) -> list[nh.Layer]:
            made.append((dt, order))
            return super().step(dt, order, t)

    model = Counting(L=8, gamma=0.1, h=1.0)
    nh.Simulation(model, algorithms.NHTEBD(dt=0.1, t_max=0.5), {"m": observables.Magnetization()}).run()
    assert made == [(0.1, 2), (0.2, 2)]  # and steps of twice the length
    tebd(model, 0.2, 2)
    tebd(model, 0.2, 2, order=4)
    tebd(Counting(L=8, gamma=0.1, h=2.0), 0.2, 2, order=4)
    assert made == [(0.1, 2), (0.2, 2), (0.2, 2), (0.4, 2), (0.2, 4), (0.4, 4), (0.2, 4), (0.4, 4)]


@pytest.mark.parametrize("precision", ["double", "single"])
def test_projections_discard_little_more_than_decompositions(precision):
    """From a state whose bonds are full, over so many steps that most truncations are projections."""
    model = chain(16, seed=1)
    before = tebd(model, 0.1, 50, max_bond=32)
    assert all(before.state.bond_size(j, j + 1) == 32 for j in range(5, 10))
    run = {"dt": 0.1, "t_max": 7.0, "every": 70, "max_bond": 32, "precision": precision}
    (projected,) = algorithms.NHTEBD(**run).records(model, after=before)
    (decomposed,) = algorithms.NHTEBD(**run, excess=0.0).records(model, after=before)
    assert projected.carry["age"].max() > 2
    lost, least = (snapshot.discarded - before.discarded for snapshot in (projected, decomposed))
    assert 1e-4 < least < lost < 1.1 * least
    assert projected.log_norm == pytest.approx(decomposed.log_norm, abs=1e-3)


def test_small_bonds_are_decomposed():
    """Two routes that must have the same bits: an excess changes nothing below 16 dimensions."""
    run = {"dt": 0.1, "t_max": 3.0, "max_bond": 12, "tolerance": None}
    for a, b in zip(*(algorithms.NHTEBD(**run, excess=e).records(chain(10)) for e in (0.0, 0.5)), strict=True):
        assert_same(a, b)


@pytest.mark.parametrize("factor", [1e100, 1e-100])
def test_log_norm_outlives_double_precision(factor):
    period = tuple((nh.Gate(factor * np.eye(4, dtype=complex), (j, j + 1)),) for j in range(7))
    snapshot = tebd(Circuit(L=8, period=period), 1, 5)
    assert snapshot.log_norm == pytest.approx(5 * 7 * math.log(factor), rel=1e-12)
    assert distance(snapshot.state.to_vector(), neel(SPINS)) < 1e-12


# ---------------------------------------------------------------------------------------------------------- peers


@pytest.mark.parametrize(
    ("seed", "max_bond"), [*(pytest.param(0, chi, marks=pytest.mark.long) for chi in (10, 24)), (1, 16)]
)  # at 8 what is kept hangs on rounding, which mixes charges in quimb
def test_truncation_is_as_good_as_that_of_the_peers(seed, max_bond):
    """Each route at t = 5 against the untruncated state of its own splitting."""
    model = models.NonHermitianXXZ(L=12, gamma=0.1, V=1.1, h=2.0, seed=seed)
    quench = peers.Quench(model, dt=0.1, steps=50, max_bond=max_bond)
    brickwork, sweeps = peers.dense_brickwork(quench), peers.dense_sweeps(quench)
    infidelity = peers.infidelity(peers.nhtebd(quench), brickwork)
    assert 1e-6 < infidelity < 0.1
    assert infidelity <= 1.1 * peers.infidelity(peers.tenpy_update_imag(quench), sweeps)
    assert infidelity <= 1.1 * peers.infidelity(peers.quimb_moving_centre(quench), brickwork)


def test_the_peers_agree_when_nothing_is_truncated():
    """The comparison above is fair: all routes solve the same problem and report the same current and norm."""
    quench = peers.Quench(models.NonHermitianXXZ(L=8, gamma=0.3, h=1.0, seed=1), steps=10, cutoff=1e-28)
    brickwork, sweeps = peers.dense_brickwork(quench), peers.dense_sweeps(quench)
    assert peers.infidelity(brickwork, sweeps) < 1e-5
    for route, reference in (
        (peers.nhtebd, brickwork),
        (peers.quimb_moving_centre, brickwork),
        (peers.tenpy_update_imag, sweeps),
    ):
        outcome = route(quench)
        assert peers.infidelity(outcome, reference) < 1e-20
        assert outcome.current == pytest.approx(reference.current, abs=1e-10)
        assert outcome.log_norm == pytest.approx(reference.log_norm, abs=1e-10)


@pytest.mark.parametrize(
    ("L", "ups", "fields", "cutoff", "t"),
    [
        (6, [0], [0, -5j, -5j, -5j, -5j, 5j], 1e-10, 3.0),
        (9, [4], [4j * s for s in (1, -1, -1, -1, 1, -1, -1, -1, 1)], 1e-8, 3.0),
        (10, [2, 6], [6j, -6j, -6j, 0, -6j, -6j, 0, -6j, -6j, 6j], 1e-8, 2.0),
    ],
)
def test_what_is_faint_may_grow(L, ups, fields, cutoff, t):
    """Gain on few sites makes the largest of an amplitude that is far below the cutoff."""
    model = models.NonHermitianXXZ(L=L, gamma=0.0, V=0.0, fields=fields, charge=2 * len(ups) - L)
    initial = ["up" if j in ups else "down" for j in range(L)]
    way = algorithms.NHTEBD(dt=0.05, order=4, t_max=t, every=10, cutoff=cutoff, initial=initial)
    *_, last = way.records(model)
    *_, exact = algorithms.ExactEvolution(dt=t, t_max=t, initial=initial).records(model)
    off = np.abs(last.state.expect_each("Sz") - exact.state.expect_each("Sz")).max()
    assert off < 1e-3
    assert off < 2 * max(last.noise, last.trotter)


@pytest.mark.parametrize(
    ("noise", "said"), [(0.010004, "0.010004"), (0.0113, "0.011"), (0.19, "0.19"), (np.inf, "inf")]
)
def test_a_warning_of_truncation_shows_that_it_is_above_tolerance(noise, said):
    with pytest.warns(RuntimeWarning, match=rf"changed local values by {said}, above tolerance = 0.01, at t = 5"):
        trusted("NHTEBD", NEVER, noise, 0.01, (4.0, 5.0))
