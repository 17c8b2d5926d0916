"""Exact evolution where rounding is amplified: right on any grid, or with an error that says how wrong it may be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import xarray as xr

import mpsnh as nh
from mpsnh import algorithms, models
from tests.oracles import precise, reference


class Nilpotent(nh.HamiltonianModel):
    """H = scale Σ (X + iZ): from all up, each spin goes to (1 + scale t, -i scale t), since (X + iZ)² = 0."""

    scale: float = 1.0

    def terms(self) -> nh.OpSum:
        both = [((2 * self.scale, "Sx", j), (2j * self.scale, "Sz", j)) for j in range(self.L)]
        return nh.OpSum.sum(term for pair in both for term in pair)


class Random(nh.HamiltonianModel):
    """Random complex fields and couplings on an open chain."""

    seed: int

    def terms(self) -> nh.OpSum:
        rng = np.random.default_rng(self.seed)
        fields = [(complex(reference.gaussian(rng)), name, j) for j in range(self.L) for name in ("Sx", "Sz")]
        hops = [(complex(reference.gaussian(rng)), "Sp", j, "Sm", j + 1) for j in range(self.L - 1)]
        return nh.OpSum([*fields, *hops])


class Gates(nh.FloquetModel):
    """Random gates on the bonds: unitary ones, any, or ones without inverse."""

    seed: int
    kind: str

    def layers(self) -> list[nh.Layer]:
        rng = np.random.default_rng(self.seed)
        return [(nh.Gate(self.gate(rng), (j, j + 1)),) for j in range(self.L - 1)]

    def gate(self, rng: np.random.Generator) -> np.ndarray:
        mixing = reference.gaussian(rng, 4, 4)
        if self.kind == "unitary":
            return np.linalg.qr(mixing)[0]
        return mixing if self.kind == "any" else mixing[:, :2] @ mixing[:2]


def all_up(model: nh.Model) -> nh.MPS:
    return nh.MPS.product(model.sites, ["up"] * model.L)


def evolved(model: nh.Model, dt: float, t_max: float, initial: Any = all_up, **options: Any) -> list[nh.Snapshot]:
    return list(algorithms.ExactEvolution(dt=dt, t_max=t_max, initial=initial, **options).records(model))


def distance(vector: np.ndarray, other: np.ndarray) -> float:
    overlap = np.vdot(other, vector)
    return float(np.linalg.norm(vector - overlap / abs(overlap) * other))


def assert_covered(record: Any, vector: np.ndarray, log_norm: float) -> None:
    assert distance(record.state.to_vector(), vector) <= record.error
    assert abs(record.log_norm - log_norm) <= record.log_norm_error


def product_of_spins(model: Nilpotent, time: float) -> tuple[np.ndarray, float]:
    spin = np.array([1 + model.scale * time, -1j * model.scale * time])
    size = np.linalg.norm(spin)
    vector = np.ones(1)
    for _ in range(model.L):
        vector = np.kron(vector, spin / size)
    return vector, model.L * math.log(size)


@pytest.mark.parametrize("L", [2, 3, 6])
@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_a_nilpotent_hamiltonian_is_exact_on_any_grid(L, pieces):
    model = Nilpotent(L=L)
    record = evolved(model, 1000 / pieces, 1000.0)[-1]
    vector, log_norm = product_of_spins(model, record.time)
    assert record.log_norm == pytest.approx(log_norm, abs=1e-13)
    assert distance(record.state.to_vector(), vector) < 1e-14
    assert_covered(record, vector, log_norm)
    assert max(record.error, record.log_norm_error) < 1e-12


@pytest.mark.parametrize(("L", "time"), [(2, 1000.0), (3, 1000.0), (3, 1e4), (5, 300.0), (6, 1000.0)])
@pytest.mark.parametrize("pieces", [1, 100])
def test_what_rounding_makes_of_a_defective_hamiltonian_is_covered(L, time, pieces):
    """0.7 Σ (X + iZ) in floating point is not nilpotent; the error grows to where nothing is right, and says so."""
    model = Nilpotent(L=L, scale=0.7)
    for record in evolved(model, time / pieces, time)[:: max(pieces // 4, 1)]:
        assert_covered(record, *product_of_spins(model, record.time))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pieces", [1, 8])
def test_random_hamiltonians(seed, pieces):
    model = Random(L=2 + seed % 2, seed=seed)
    matrix = reference.operator(model.terms(), model.sites)
    first, *_, last = evolved(model, 8.0 / pieces, 8.0)
    assert_covered(last, *precise.evolved(matrix, 8.0, first.state.to_vector()))
    assert max(last.error, last.log_norm_error) < 1e-10


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["unitary", "any", "singular"])
def test_random_circuits(kind, seed):
    model = Gates(L=3, seed=seed, kind=kind)
    first, *_, last = evolved(model, 1, 20, every=7)
    gates = [reference.on_sites(gate.matrix, gate.where, [2] * 3) for (gate,) in model.layers()]
    assert_covered(last, *precise.mapped(gates * 20, first.state.to_vector()))
    assert max(last.error, last.log_norm_error) < 1e-8


class Leaking(nh.FloquetModel):
    """Gates that bring an amplitude into another charge."""

    leak: float

    def layers(self) -> list[nh.Layer]:
        return [(nh.Gate(np.eye(4) + self.leak * np.eye(4)[[1, 0, 2, 3]], (0, 1)),)]


def test_gates_that_leave_the_sector_are_refused_unless_by_rounding():
    """Even where the weight outside, the square of the amplitude, is at rounding level."""
    with pytest.raises(ValueError, match=r"an amplitude of 1e-08 outside of the sector of charge 2; use charge="):
        evolved(Leaking(L=2, charge=2, leak=1e-8), 1, 3)
    assert evolved(Leaking(L=2, charge=2, leak=1e-15), 1, 3)[-1].log_norm_error > 1e-14


@pytest.mark.parametrize(
    "model",
    [
        Nilpotent(L=3),
        Nilpotent(L=4, scale=0.7),
        Random(L=3, seed=0),
        models.NonHermitianXXZ(L=12, gamma=0.3, h=1.0, boundary="periodic", charge=4),
        Gates(L=3, seed=0, kind="any"),
    ],
    ids=["nilpotent", "defective", "random", "sparse", "circuit"],
)
def test_a_resumed_run_is_the_uninterrupted_one_to_the_last_bit(model):
    initial = "neel" if model.charge is None else lambda given: nh.MPS.product(given.sites, ["up"] * 8 + ["down"] * 4)
    algorithm = algorithms.ExactEvolution(dt=1, t_max=7, every=2, initial=initial)
    records = list(algorithm.records(model))
    for k in (0, 1, len(records) - 2):
        for one, other in zip(algorithm.records(model, after=records[k]), records[k + 1 :], strict=True):
            assert np.array_equal(one.state.vector, other.state.vector)
            for name in ("log_norm", "error", "log_norm_error"):
                assert getattr(one, name) == getattr(other, name)


def test_the_errors_are_in_every_dataset():
    model = models.NonHermitianXXZ(L=6, gamma=0.5, h=1.0, boundary="periodic")
    data = nh.Simulation(model, algorithms.ExactEvolution(dt=1.0, t_max=20.0), {}).run()
    assert isinstance(data, xr.Dataset)
    for name in ("error", "log_norm_error"):
        assert ((data[name] > 0) & (data[name] < 1e-11)).all()
        assert data[name].attrs["long_name"].startswith("estimated error of")


def test_a_state_that_something_else_made_begins_with_no_error_but_rounding():
    model = models.NonHermitianXXZ(L=4, gamma=0.2)
    last = evolved(model, 1.0, 2.0, "neel")[-1]
    bare = nh.Snapshot(1.0, last.state, log_norm=-3.0)
    end = list(algorithms.ExactEvolution(dt=1.0, t_max=2.0).records(model, after=bare))[-1]
    assert 0 < end.error < 1e-13
    assert end.log_norm == pytest.approx(-3.0, abs=1.0)


class Imaginary(nh.HamiltonianModel):
    """i rate Σ (2 Sx - shift): all spins along x grow as exp(rate (1 - shift) t), whatever the others do."""

    rate: float
    shift: float = 0.0

    def terms(self) -> nh.OpSum:
        fields = [(2j * self.rate, "Sx", j) for j in range(self.L)]
        return nh.OpSum([*fields, (-1j * self.rate * self.shift * self.L,)])


@pytest.mark.parametrize(("shift", "sign"), [(0.0, 1), (2.0, -1)])
@pytest.mark.parametrize("every", [1, 50])
def test_growth_and_decay_by_ten_thousand_powers_of_e(shift, sign, every):
    model = Imaginary(L=2, rate=50.0, shift=shift)
    *_, last = evolved(model, 2.0, 100.0, every=every)
    exact = sign * 1e4 - 2 * math.log(math.sqrt(2))  # all up has the overlap 2^(-L/2) with all along x
    assert last.log_norm == pytest.approx(exact, rel=1e-12)
    assert_covered(last, np.full(4, 0.5), exact)


def test_no_hamiltonian_at_all():
    record = evolved(Nilpotent(L=2, scale=0.0), 1.0, 5.0)[-1]
    assert record.log_norm == 0
    assert distance(record.state.to_vector(), np.eye(4)[0]) == 0


def test_a_time_whose_rounding_makes_phases_unknown_is_refused():
    model = models.NonHermitianXXZ(L=4, gamma=0.2)
    with pytest.raises(ValueError, match=r"time = 1e\+16, but it must be at most .* with a Hamiltonian of this size"):
        evolved(model, 1e16, 1e16, "neel")


def test_an_anti_hermitian_hamiltonian_may_be_hermitian_up_to_rounding():
    """Its numerical range is a line, of the width of rounding; exp(-i H t) is a real power of a Hermitian matrix."""

    class Lossy(nh.HamiltonianModel):
        charge: int | None = None

        @property
        def sites(self):
            return (nh.Spin(0.5),) * self.L

        def terms(self):
            return nh.OpSum(
                [(1j * (1 + 1e-17j) * (0.3 + j), a, j, a, j + 1) for j in range(self.L - 1) for a in ("Sx", "Sy")]
                + [(-1e-17 + 2j, "Sx", j) for j in range(self.L)]
            )

    model = Lossy(L=5)
    *_, last = algorithms.ExactEvolution(dt=1.0, t_max=3.0, initial=["up", "down", "up", "up", "down"]).records(model)
    start = np.zeros(32)
    start[0b01001] = 1
    right = scipy.linalg.expm(-3j * model.matrix().toarray()) @ start
    assert last.log_norm == pytest.approx(np.log(np.linalg.norm(right)), abs=1e-12)
    assert abs(np.vdot(last.state.to_vector(), right / np.linalg.norm(right))) == pytest.approx(1, abs=1e-12)


def test_rounding_of_the_initial_state_is_part_of_the_error():
    """A state without its components that grow fastest, but for the rounding of its tensors."""

    class Diagonal(nh.HamiltonianModel):
        sites = property(lambda self: (nh.Spin(0.5),) * 5)

        def terms(self):
            return nh.OpSum([(1 - 1.406j, "Sz", 0, "Sz", 1), (-0.591 - 1.27j, "Sz", 2, "Sz", 3)])

    model = Diagonal(L=5, charge=None)
    up = np.array([f"{state:05b}".count("0") for state in range(32)])
    vector = np.where(up == 1, np.random.default_rng(1).normal(size=32), 0)
    energies = model.matrix().diagonal()
    way = algorithms.ExactEvolution(dt=25.0, t_max=75.0, initial=lambda model: nh.MPS.from_vector(vector, model.sites))
    for record in list(way.records(model))[1:]:
        right = np.log(np.linalg.norm(np.exp(-1j * record.time * energies) * vector) / np.linalg.norm(vector))
        assert abs(record.log_norm - right) <= record.log_norm_error
    assert record.error > 1
