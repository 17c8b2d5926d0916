"""Simulations and sweeps: what is in a dataset, that it survives a file, and that nothing depends on how it was run."""

from __future__ import annotations

import importlib
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import xarray as xr

import mpsnh as nh
from mpsnh import algorithms, models, observables
from tests.support.comparison import assert_same_bits


def quench(seed: int = 0, h: float = 1.0, **parameters: Any) -> nh.Simulation[nh.Snapshot]:
    return nh.Simulation(
        models.NonHermitianXXZ(L=6, gamma=0.3, h=h, seed=seed),
        algorithms.NHTEBD(**{"dt": 0.1, "t_max": 1.0, "every": 2, "max_bond": 4, **parameters}),
        {
            "sz": observables.Magnetization(),
            "current": observables.CurrentProfile(),
            "j0": observables.MidCurrent(half_width=2),
            "entropy": observables.EntanglementEntropy(bond=1),
            "norm": observables.Norm(),
        },
    )


def spectrum(seed: int = 0, h: float = 1.0) -> nh.Simulation[nh.Spectrum]:
    return nh.Simulation(
        models.NonHermitianXXZ(L=6, gamma=0.3, h=h, seed=seed, boundary="periodic", fields=None),
        algorithms.ExactDiag(),
        {
            "E": observables.Eigenvalues(),
            "gap": observables.SteadyStateGap(),
            "rate": observables.GrowthRate(),
            "I": observables.SteadyStateCurrent(),
            "f_im": observables.ImaginaryFraction(threshold=1e-10),
            "real": observables.RealSpectrum(),
        },
    )


def product(model: nh.Model) -> nh.MPS:
    return nh.MPS.product(model.sites, [[1, 0.5j]] * model.L)


class Kicked(nh.FloquetModel):
    """A circuit of one gate, which is not unitary."""

    def layers(self) -> list[nh.Layer]:
        return [(nh.Gate(np.diag([1.0, 0.5, 0.5, 1.0]).astype(complex), (0, 1)),)]


SIMULATIONS = {
    "quench": quench(),
    "exact quench": nh.Simulation(
        models.NonHermitianXXZ(L=6, fields=[0.1, -0.2, 0.3, 0, 0, 1]),
        algorithms.ExactEvolution(dt=0.5, t_max=1.5),
        {"sz": observables.Magnetization()},
    ),
    "own initial state": nh.Simulation(
        models.NonHermitianXXZ(L=4, charge=None),
        algorithms.NHTEBD(dt=0.1, t_max=0.3, initial=product),
        {"norm": observables.Norm()},
    ),
    "circuit": nh.Simulation(Kicked(L=2), algorithms.NHTEBD(dt=1, t_max=3), {"sz": observables.Magnetization()}),
    "spectrum": spectrum(),
    "nothing measured": nh.Simulation(models.NonHermitianXXZ(L=4), algorithms.NHTEBD(dt=0.1, t_max=0.2), {}),
}
every_simulation = pytest.mark.parametrize("simulation", SIMULATIONS.values(), ids=SIMULATIONS)


# ------------------------------------------------------------------------------------------------------- datasets


def test_the_dataset_of_an_evolution():
    simulation = quench()
    data, records = simulation.run(), list(simulation.algorithm.records(simulation.model))
    np.testing.assert_allclose(data["time"], np.arange(6) * 0.2, atol=1e-12)
    dims = {name: variable.dims for name, variable in data.data_vars.items()}
    assert dims == {
        "sz": ("time", "site"),
        "current": ("time", "bond"),
        "j0": ("time",),
        "entropy": ("time",),
        "norm": ("time",),
        **dict.fromkeys(("log_norm", "discarded_step", "max_bond", "noise", "trust_time", "trotter"), ("time",)),
        "discarded_weight": ("time",),
    }
    assert dict(data.sizes) == {"time": 6, "site": 6, "bond": 5}
    assert data["site"].values.tolist() == list(range(6))
    for k, record in enumerate(records):
        assert data["log_norm"].values[k] == record.log_norm
        assert data["discarded_weight"].values[k] == record.discarded
        for name, observable in simulation.observables.items():
            assert np.array_equal(data[name].values[k], observable(record, simulation.model))
    assert data["discarded_weight"].values[-1] > 0
    np.testing.assert_allclose(data["norm"], np.exp(data["log_norm"]), rtol=1e-14)


def test_the_dataset_of_a_spectrum():
    data = spectrum().run()
    assert {name: variable.dims for name, variable in data.data_vars.items()} == {
        "E": ("level",),
        "gap": (),
        "rate": (),
        "I": ("estimate",),
        "certified": (),
        "attempts": (),
        "f_im": (),
        "real": (),
    }
    assert data["E"].dtype == complex
    assert dict(data.sizes) == {"level": 20, "estimate": 2}
    assert data["estimate"].values.tolist() == ["eigenvalue", "eigenvector"]
    assert float(data["I"].sel(estimate="eigenvalue")) * 0.3 == pytest.approx(float(data["rate"]), abs=1e-12)


@every_simulation
def test_every_variable_says_what_it_is(simulation):
    data = simulation.run()
    for name, variable in data.data_vars.items():
        assert len(variable.attrs["long_name"]) > 5, name
        assert variable.attrs["units"] in {"1", "J", "1/J", "period"}, name
    for name, observable in simulation.observables.items():
        assert data[name].attrs == {"long_name": observable.long_name, "units": observable.units}


def test_units():
    data = quench().run()
    assert {name: data[name].attrs["units"] for name in ("sz", "current", "j0", "entropy", "norm", "log_norm")} == {
        "sz": "1",
        "current": "J",
        "j0": "J",
        "entropy": "1",
        "norm": "1",
        "log_norm": "1",
    }
    assert data["time"].attrs == {"long_name": "time", "units": "1/J"}
    assert SIMULATIONS["circuit"].run()["time"].attrs["units"] == "period"
    assert spectrum().run()["E"].attrs["units"] == "J"


@every_simulation
def test_provenance_tells_everything(simulation):
    parts = {name: json.loads(text) for name, text in simulation.run().attrs.items()}
    assert set(parts) == {"model", "algorithm", "observables", "versions"}
    assert set(parts["versions"]) == {"mpsnh", "numpy", "quimb", "scipy", "python"}
    assert parts["versions"]["numpy"] == np.__version__
    assert parts["versions"]["mpsnh"] == nh.__version__
    assert set(parts["observables"]) == set(simulation.observables)
    for value, part in (
        (simulation.model, parts["model"]),
        (simulation.algorithm, parts["algorithm"]),
        *((observable, parts["observables"][name]) for name, observable in simulation.observables.items()),
    ):
        given = dict(part)
        module = type(value).__module__
        if module.startswith("mpsnh."):
            module = module.rpartition(".")[0]  # mpsnh.models and so on, where it is imported from
        assert given.pop("type") == f"{module}.{type(value).__qualname__}"
        assert given.pop("definition", 1) == type(value).definition
        assert set(given) == {field.name for field in fields(value)} - set(value.unrecorded)
        if "initial" in given and callable(value.initial):
            assert given["initial"].endswith(".product")
            given["initial"] = product
        assert type(value)(**given) == value


def test_the_package_classes_can_be_found_again():
    parts = json.loads(quench().run().attrs["algorithm"])
    module, _, name = parts["type"].rpartition(".")
    assert getattr(importlib.import_module(module), name) is algorithms.NHTEBD


@every_simulation
def test_running_twice_gives_the_same(simulation):
    assert_same_bits(simulation.run(), simulation.run())


def test_progress_is_shown_on_request(capsys):
    quiet = quench().run()
    assert capsys.readouterr().err == ""
    assert_same_bits(quiet, quench().run(progress=True))
    assert "record" in capsys.readouterr().err


@every_simulation
def test_a_dataset_survives_a_file(simulation, tmp_path):
    data = simulation.run()
    data.to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    assert_same_bits(data, xr.load_dataset(tmp_path / "data.nc", engine="h5netcdf"))


@pytest.mark.parametrize("name", ["quench", "exact quench", "circuit"])
def test_a_run_continues_after_a_record(name):
    simulation = SIMULATIONS[name]
    data = simulation.run()
    records = list(simulation.algorithm.records(simulation.model))
    for k in range(len(records) - 1):
        assert_same_bits(simulation.run(after=records[k]), data.isel(time=slice(k + 1, None)))


# --------------------------------------------------------------------------------------------------------- sweeps

GRID = {"h": [0.5, 3.0], "seed": [4, 0, 7]}


@pytest.mark.parametrize("make", [quench, spectrum])
def test_a_sweep_is_its_runs_side_by_side(make):
    data = nh.sweep(make, GRID)
    assert list(data.sizes)[:2] == ["h", "seed"]
    assert data["h"].values.tolist() == GRID["h"]
    assert data["seed"].values.tolist() == GRID["seed"]
    for h in GRID["h"]:
        for seed in GRID["seed"]:
            run, point = make(seed=seed, h=h).run(), data.sel(h=h, seed=seed)
            for name, variable in run.variables.items():
                assert point[name].dims == variable.dims
                assert point[name].attrs == variable.attrs
                assert np.array_equal(point[name], variable)


def test_the_disorder_average_is_the_mean():
    data = nh.sweep(quench, GRID)
    runs = [[quench(seed, h).run() for seed in GRID["seed"]] for h in GRID["h"]]
    mean = data.mean("seed")
    for name in ("sz", "j0", "log_norm"):
        expected = np.mean([[run[name].values for run in row] for row in runs], axis=1)
        np.testing.assert_allclose(mean[name], expected, atol=1e-14)
    assert np.ptp(data["log_norm"].isel(time=-1).values) > 1e-3


@pytest.mark.parametrize("make", [quench, spectrum])
def test_the_order_of_the_grid_does_not_matter(make):
    data = nh.sweep(make, GRID)
    turned = nh.sweep(make, {"seed": [0, 4, 7], "h": [3.0, 0.5]})
    assert_same_bits(data, turned.transpose(*data.dims).sel(GRID)[list(data.data_vars)])


def test_parameters_that_vary_are_marked():
    attributes = nh.sweep(quench, GRID).attrs
    model = json.loads(attributes["model"])
    assert (model["h"], model["seed"], model["gamma"], model["L"]) == ("varies", "varies", 0.3, 6)
    assert json.loads(attributes["algorithm"]) == quench().algorithm.parameters()
    assert json.loads(attributes["versions"])["mpsnh"] == nh.__version__


def test_a_sweep_survives_a_file(tmp_path):
    data = nh.sweep(spectrum, GRID)
    data.to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    assert_same_bits(data, xr.load_dataset(tmp_path / "data.nc", engine="h5netcdf"))


TOP_LEVEL = '''
"""Functions that other processes can import."""
import mpsnh as nh
from mpsnh import algorithms, models, observables

def quench(h, seed):
    model = models.NonHermitianXXZ(L=10, gamma=0.3, h=h, seed=seed)
    algorithm = algorithms.NHTEBD(dt=0.1, t_max=1.0, every=5, max_bond=12)
    return nh.Simulation(model, algorithm, {"j": observables.CurrentProfile(), "s": observables.EntanglementEntropy()})

def spectrum(h, seed):
    model = models.NonHermitianXXZ(L=8, gamma=0.3, h=h, seed=seed, boundary="periodic")
    measured = {"E": observables.Eigenvalues(), "I": observables.SteadyStateCurrent()}
    return nh.Simulation(model, algorithms.ExactDiag(), measured)
'''


def test_a_process_pool_changes_no_bit(tmp_path, monkeypatch):
    (tmp_path / "functions_to_sweep.py").write_text(TOP_LEVEL)
    monkeypatch.syspath_prepend(tmp_path)
    functions = importlib.import_module("functions_to_sweep")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for make in (functions.quench, functions.spectrum):
            assert_same_bits(nh.sweep(make, GRID), nh.sweep(make, GRID, pool))


def test_any_executor_will_do():
    with ThreadPoolExecutor(2) as pool:
        assert_same_bits(nh.sweep(quench, GRID), nh.sweep(quench, GRID, pool))


@pytest.mark.parametrize(
    ("over", "error", "message"),
    [
        ({}, ValueError, "over = {}, but it must be a mapping with at least one axis"),
        ({"h": []}, ValueError, r"over\['h'\] = \[\], but it must be not empty"),
        ({"h": [1.0], "seed": range(0)}, ValueError, r"over\['seed'\] = \[\], but it must be not empty"),
        ({"seed": [1, 2, 1]}, ValueError, r"over\['seed'\] = \[1, 2, 1\], but it must be without repetitions"),
        ({"h": 1.0}, TypeError, r"over\['h'\] = 1.0, but it must be"),
        ({"h": [[1.0, 2.0], [3.0, 4.0]]}, TypeError, r"over\['h'\]"),
        ([1.0], TypeError, r"over = \[1.0\], but it must be a mapping"),
        ({"hh": [1.0]}, TypeError, "make does not take the axes hh: got an unexpected keyword argument 'hh'"),
    ],
)
def test_refused_grids(over, error, message):
    def make(h: float = 1.0, seed: int = 0) -> nh.Simulation[Any]:
        raise AssertionError("nothing may run")

    with pytest.raises(error, match=message):
        nh.sweep(make, over)


def test_a_grid_must_give_all_that_is_needed():
    def make(h: float, seed: int) -> nh.Simulation[Any]:
        raise AssertionError("nothing may run")

    with pytest.raises(TypeError, match="make does not take the axes h: missing a required argument: 'seed'"):
        nh.sweep(make, {"h": [1.0]})


class Idle(nh.Algorithm[nh.Snapshot]):
    """An algorithm that must not be started."""

    yields = nh.Snapshot
    diagnostics = nh.TimeEvolution.diagnostics

    def records(self, model: nh.Model, after: nh.Snapshot | None = None) -> Any:
        raise AssertionError("nothing may run")


@pytest.mark.parametrize("axis", ["time", "site", "sz", "log_norm"])
def test_an_axis_must_not_hide_part_of_the_results(axis):
    def make(**point: Any) -> nh.Simulation[nh.Snapshot]:
        return nh.Simulation(models.NonHermitianXXZ(L=4), Idle(), {"sz": observables.Magnetization()})

    with pytest.raises(ValueError, match=axis):
        nh.sweep(make, {axis: [0, 1, 2, 3]})


def test_a_grid_is_made_of_simulations():
    with pytest.raises(TypeError, match="make returned NonHermitianXXZ, but it must return a Simulation"):
        nh.sweep(lambda h: models.NonHermitianXXZ(L=4, h=h), {"h": [1.0]})


def test_results_must_have_the_same_shape():
    def make(t_max: float) -> nh.Simulation[nh.Snapshot]:
        return quench(t_max=t_max)

    with pytest.raises(
        ValueError, match=r"the result '\w+' has the shape .* at {'t_max': 2.0}, but .* at the first point"
    ):
        nh.sweep(make, {"t_max": [1.0, 2.0]}, on_error="raise")


def test_results_must_have_the_same_labels():
    """Runs of equally many records at different times must not end up on the time axis of the first."""

    def make(dt: float) -> nh.Simulation[nh.Snapshot]:
        return quench(dt=dt, t_max=10 * dt)

    with pytest.raises(ValueError, match="time"):
        nh.sweep(make, {"dt": [0.1, 0.2]}, on_error="raise")


def test_errors_of_a_point_come_through_on_request():
    message = r"h = -1.0, but it must be zero or positive"
    with pytest.raises(ValueError, match=message):
        nh.sweep(quench, {"h": [1.0, -1.0]}, on_error="raise")
    with pytest.warns(UserWarning, match=rf"1 point failed; the first is {{'h': -1.0}}: ValueError: {message}"):
        data = nh.sweep(quench, {"h": [1.0, -1.0]})
    assert np.isnan(data["sz"].sel(h=-1.0)).all()
    assert_same_bits(data.sel(h=[1.0]).drop_attrs(deep=False), nh.sweep(quench, {"h": [1.0]}).drop_attrs(deep=False))


def test_labels_of_one_dimension_must_agree():
    class Parity(nh.Observable[nh.Snapshot]):
        measures, dims = nh.Snapshot, ("parity",)
        coords = {"parity": ("even", "odd")}

        def __call__(self, snapshot, model):
            return [1.0, 2.0]

    class Turned(Parity):
        coords = {"parity": ("odd", "even")}

    with pytest.raises(ValueError, match="observables 'a' and 'b' label the dimension 'parity' in different ways"):
        nh.Simulation(models.NonHermitianXXZ(L=4), Idle(), {"a": Parity(), "b": Turned()})
    nh.Simulation(models.NonHermitianXXZ(L=4), Idle(), {"a": Parity(), "b": Parity()})
