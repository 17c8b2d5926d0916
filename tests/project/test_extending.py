"""A user's own models, observables and algorithms: how short they are, and that they run like the built-in ones."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import xarray as xr

import mpsnh as nh
from mpsnh import algorithms, models, observables
from tests.oracles import reference


class LossyXXZ(models.NonHermitianXXZ):
    loss: float = 0.1

    def terms(self):
        return super().terms() + nh.OpSum.sum((-1j * self.loss, "Sz", j) for j in range(0, self.L, 2))


class ComplexIsing(nh.HamiltonianModel):
    J: float = 1.0
    field: complex = 0.6 + 0.2j

    def terms(self):
        bonds = nh.OpSum.sum((-self.J, "Z", j, "Z", j + 1) for j in range(self.L - 1))
        return bonds + nh.OpSum.sum((-self.field, "X", j) for j in range(self.L))


class KickedIsing(nh.FloquetModel):
    angle: float = 0.3

    def layers(self):
        x, z = self.sites[0].op("X"), self.sites[0].op("Z")
        kick, bond = scipy.linalg.expm(-1j * self.angle * x - 0.1 * z), scipy.linalg.expm(0.5j * np.kron(z, z))
        bonds = [tuple(nh.Gate(bond, (j, j + 1)) for j in range(k, self.L - 1, 2)) for k in (0, 1)]
        return [tuple(nh.Gate(kick, (j,)) for j in range(self.L)), *bonds]


class Profile(nh.Observable[nh.Snapshot]):
    measures, dims = nh.Snapshot, ("site",)

    def __call__(self, snapshot, model):
        return snapshot.state.expect_each("Sz").real


class Spread(nh.Observable[nh.Spectrum]):
    measures = nh.Spectrum

    def __call__(self, spectrum, model):
        return np.ptp(spectrum.values.real)


class Euler(nh.Algorithm[nh.Snapshot]):
    yields, diagnostics = nh.Snapshot, nh.TimeEvolution.diagnostics
    dt: float
    steps: int

    def records(self, model, after=None):
        vector = model.sector.project(nh.MPS.product(model.sites, ["up", "down"] * (model.L // 2)).to_vector())
        for n in range(self.steps + 1):
            norm = np.linalg.norm(vector)
            yield nh.Snapshot(n * self.dt, nh.ExactState(vector / norm, model.sector), np.log(norm))
            vector = vector - 1j * self.dt * (model.matrix() @ vector)


class RungeKutta(nh.TimeEvolution):
    def init(self, model, after):
        first = after.state.vector if after else model.sector.project(self.initial_state(model).to_vector())
        return model, first, after.log_norm if after else 0.0

    def advance(self, carry, t, dt, steps):
        model, vector, log_norm = carry
        for _ in range(steps):
            slopes = [vector]
            for k in (1, 2, 3, 4):
                slopes.append(-1j * dt / k * (model.matrix(t) @ slopes[-1]))
            vector = sum(slopes)
        return model, vector / np.linalg.norm(vector), log_norm + np.log(np.linalg.norm(vector))

    def record(self, carry, t):
        return nh.Snapshot(t, nh.ExactState(carry[1], carry[0].sector), carry[2])


@pytest.mark.parametrize(
    ("extension", "most"),
    [(LossyXXZ, 4), (ComplexIsing, 8), (KickedIsing, 8), (Profile, 4), (Spread, 4), (Euler, 12), (RungeKutta, 15)],
)
def test_extensions_are_short(extension, most):
    lines = [line.strip() for line in inspect.getsource(extension).splitlines()]
    assert len([line for line in lines if line and not line.startswith("#")]) <= most


def run(model: nh.Model, algorithm: nh.Algorithm[Any], **measured: nh.Observable[Any]) -> xr.Dataset:
    return nh.Simulation(model, algorithm, measured).run()


def test_a_model_that_inherits_its_terms():
    simulation = nh.Simulation(
        LossyXXZ(L=20, gamma=0.2, h=1.0, seed=7),
        algorithms.NHTEBD(dt=0.1, t_max=0.5, max_bond=64),
        {"current": observables.MidCurrent(half_width=4), "sz": Profile()},
    )
    data = simulation.run()
    assert dict(data.sizes) == {"time": 6, "site": 20}
    assert '"loss": 0.1' in data.attrs["model"]
    assert np.abs(data["sz"].sum("site")).max() < 1e-6
    small = LossyXXZ(L=6, gamma=0.2, h=1.0, seed=7, loss=0.3)
    matrix = reference.operator(small.terms(), small.sites)
    plain = reference.operator(models.NonHermitianXXZ(L=6, gamma=0.2, h=1.0, seed=7).terms(), small.sites)
    loss = sum(reference.embedded(np.diag([0.5, -0.5]), j, [2] * 6) for j in (0, 2, 4))
    np.testing.assert_allclose(matrix, plain - 0.3j * loss, atol=1e-14)
    fine = run(small, algorithms.NHTEBD(dt=0.02, t_max=0.4, order=4), sz=Profile())
    exact = run(small, algorithms.ExactEvolution(dt=0.02, t_max=0.4), sz=Profile())
    np.testing.assert_allclose(fine["sz"], exact["sz"], atol=1e-5)
    np.testing.assert_allclose(fine["log_norm"], exact["log_norm"], atol=1e-5)


@pytest.mark.parametrize("model", [LossyXXZ(L=6, gamma=0.2, h=1.0), ComplexIsing(L=6)])
def test_algorithms_of_a_user(model):
    exact = run(model, algorithms.ExactEvolution(dt=0.002, t_max=0.2), sz=Profile())
    measured = {"sz": Profile(), "entropy": observables.EntanglementEntropy()}
    euler = run(model, Euler(dt=0.002, steps=100), **measured)
    fine = run(model, RungeKutta(dt=0.002, t_max=0.2), **measured)
    np.testing.assert_allclose(euler["time"], exact["time"], atol=1e-12)
    for name in ("sz", "log_norm"):
        np.testing.assert_allclose(euler[name], exact[name], atol=0.01)
        np.testing.assert_allclose(fine[name], exact[name], atol=1e-11)


def test_a_time_evolution_of_a_user_has_grid_and_resuming():
    model, algorithm = LossyXXZ(L=6, h=1.0), RungeKutta(dt=0.05, t_max=0.5, every=4)
    simulation = nh.Simulation(model, algorithm, {"sz": Profile()})
    data, records = simulation.run(), list(algorithm.records(model))
    np.testing.assert_allclose(data["time"], [0, 0.2, 0.4, 0.5], atol=1e-12)
    xr.testing.assert_identical(simulation.run(after=records[1]), data.isel(time=slice(2, None)))
    with pytest.raises(ValueError, match=r"t_max = 0.5, but it must be a multiple of dt = 0.2"):
        RungeKutta(dt=0.2, t_max=0.5)


def test_an_observable_of_spectra():
    model = models.NonHermitianXXZ(L=6, gamma=0.3, h=1.0, boundary="periodic")
    values = np.linalg.eigvals(model.matrix().toarray())
    assert float(run(model, algorithms.ExactDiag(), spread=Spread())["spread"]) == pytest.approx(np.ptp(values.real))


def test_extensions_can_be_swept():
    def make(seed: int, field: complex) -> nh.Simulation[nh.Snapshot]:
        return nh.Simulation(ComplexIsing(L=4, field=field), Euler(dt=0.1, steps=3), {"sz": Profile()})

    data = nh.sweep(make, {"seed": range(2), "field": [0.5, 0.5 + 0.1j]})
    assert dict(data["sz"].sizes) == {"seed": 2, "field": 2, "time": 4, "site": 4}


@pytest.mark.parametrize("field", [0.6, 0.6 + 0.2j, 0.3j])
def test_a_model_without_charge_conservation(field):
    """NHTEBD, exact evolution and diagonalisation of one complex transverse-field Ising chain agree."""
    model, measured = ComplexIsing(L=6, field=field), {"sz": Profile(), "entropy": observables.EntanglementEntropy()}
    matrix = reference.operator(model.terms(), model.sites)
    exact = run(model, algorithms.ExactEvolution(dt=0.5, t_max=2.0), **measured)
    tebd = run(model, algorithms.NHTEBD(dt=0.05, t_max=2.0, every=10, order=4, cutoff=0.0), **measured)
    np.testing.assert_allclose(tebd["time"], exact["time"], atol=1e-12)
    for name in ("sz", "entropy", "log_norm"):
        np.testing.assert_allclose(tebd[name], exact[name], atol=2e-6)

    (spectrum,) = algorithms.ExactDiag(vectors="both").records(model)
    assert spectrum.sector.dim == 64
    np.testing.assert_allclose(
        (spectrum.right.matrix * spectrum.values) @ spectrum.left.matrix.conj().T, matrix, atol=1e-10
    )  # the levels and vectors are those of the reference
    start = nh.MPS.product(model.sites, ["up", "down"] * 3).to_vector()
    for k, time in enumerate(exact["time"].values):
        weights = np.exp(-1j * spectrum.values * time) * (spectrum.left.matrix.conj().T @ start)
        vector = spectrum.right.matrix @ weights
        state = nh.ExactState(vector, model.sector)
        assert np.log(np.linalg.norm(vector)) == pytest.approx(float(exact["log_norm"][k]), abs=1e-9)
        np.testing.assert_allclose(state.expect_each("Sz").real, exact["sz"][k], atol=1e-9)


@pytest.mark.filterwarnings("ignore:NHTEBD. truncation may:RuntimeWarning")  # which the steady state forgets
def test_the_long_time_limit_is_the_steady_state():
    model = ComplexIsing(L=4, field=0.6 + 1j)
    (spectrum,) = algorithms.ExactDiag().records(model)
    *_, before, last = algorithms.NHTEBD(dt=0.05, t_max=10.0, every=180, order=4).records(model)
    np.testing.assert_allclose(last.state.expect_each("Z"), spectrum.state(0).expect_each("Z"), atol=1e-6)
    growth = (last.log_norm - before.log_norm) / (last.time - before.time)
    assert growth == pytest.approx(spectrum.values[0].imag, abs=1e-5)


def test_a_circuit_of_a_user():
    model, measured = KickedIsing(L=6), {"sz": Profile(), "entropy": observables.EntanglementEntropy()}
    exact = run(model, algorithms.ExactEvolution(dt=1, t_max=5), **measured)
    tebd = run(model, algorithms.NHTEBD(dt=1, t_max=5, cutoff=0.0), **measured)
    assert tebd["time"].attrs["units"] == "period"
    for name in ("sz", "entropy", "log_norm"):
        np.testing.assert_allclose(tebd[name], exact[name], atol=1e-12)
    values = run(model, algorithms.ExactDiag(vectors="none"), E=observables.Eigenvalues())["E"].values
    assert (np.diff(np.abs(values)) <= 1e-14).all()
