"""Stores and checkpoints of version 0.1.0 open and go on, and give what an undisturbed run gives.

The files in tests/data/0.1.0 were written by that version, with the script that stands beside them.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from numcodecs import Zstd
from typer.testing import CliRunner

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.cli import app
from mpsnh.run.provenance import versions
from mpsnh.run.store import DONE, Store
from tests.support.comparison import assert_same_bits
from tests.support.stores import identities, rewrite

DATA = Path(__file__).parents[1] / "data" / "0.1.0"


def script():
    specification = importlib.util.spec_from_file_location("make", DATA / "make.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


OLD = script()
STORES = {
    "spectra": (OLD.spectrum, OLD.SPECTRA, {"h": [1.0, 2.0, 3.0], "seed": range(4)}),
    "quenches": (OLD.quench, OLD.QUENCHES, {"seed": range(3)}),
    "exact_quenches": (OLD.exact_quench, OLD.QUENCHES, {"seed": range(3)}),
}
every_store = pytest.mark.parametrize("name", STORES)
every_method = pytest.mark.parametrize("method", OLD.METHODS)
unchanged_stores = pytest.mark.parametrize("name", ["spectra", "exact_quenches"])
"""Those of which everything is defined as it was: NHTEBD has another noise and norm since."""


@pytest.fixture
def opened(tmp_path):
    """A function that returns a copy of a store by name."""

    def opened(name: str) -> Store:
        shutil.unpack_archive(DATA / f"{name}.zarr.zip", tmp_path / f"{name}.zarr")
        return Store(tmp_path / f"{name}.zarr")

    return opened


LATER = {"error", "log_norm_error"}
"""Diagnostics that version 0.1.0 did not have: what it began goes on without them."""


def assert_close(data: xr.Dataset, expected: xr.Dataset) -> None:
    """Compare to rounding, since the files come from another machine; names, labels and parameters exactly."""
    expected = expected.drop_vars(LATER, errors="ignore")
    assert set(data.coords) == set(expected.coords)
    assert set(data.data_vars) == set(expected.data_vars)
    for name in expected.variables:
        assert data[name].dims == expected[name].dims
        assert data[name].dtype == expected[name].dtype
        np.testing.assert_allclose(data[name], expected[name], rtol=1e-9, atol=1e-11, err_msg=str(name))
    for name in ("model", "algorithm", "observables"):
        assert json.loads(data.attrs[name]) == json.loads(expected.attrs[name])


# ------------------------------------------------------------------------------------------------------------- stores


@every_store
def test_xarray_and_the_command_line_read_it(name, opened, tmp_path):
    store = opened(name)
    with xr.open_zarr(store.url, consolidated=False) as data:
        assert (data["status"] == DONE).all()
        assert data.sizes["seed"] == len(STORES[name][1]["seed"])
    said = CliRunner().invoke(app, ["status", store.url])
    assert said.exit_code == 0
    assert "(100.0%)" in said.output
    drawn = CliRunner().invoke(app, ["show", store.url, "--out", str(tmp_path / "picture.png")])
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "picture.png").stat().st_size > 1000


@unchanged_stores
def test_what_is_done_is_not_run_again(name, opened, monkeypatch):
    make, over, _ = STORES[name]
    store = opened(name)
    expected = nh.sweep(make, over)
    monkeypatch.setattr(nh.Simulation, "measured", lambda *_, **__: pytest.fail("a point ran"))
    assert_close(nh.sweep(make, over, store=store.url), expected)


@unchanged_stores
def test_a_store_is_extended(name, opened):
    make, _, larger = STORES[name]
    store = opened(name)
    expected = nh.sweep(make, larger)
    for _ in range(2):
        assert_close(nh.sweep(make, larger, store=store.url), expected)
    types = json.dumps(store.identity)
    assert "mpsnh.models.NonHermitianXXZ" in types
    assert "xxz" not in types
    assert "__main__" not in types


@unchanged_stores
def test_a_damaged_chunk_is_computed_again(name, opened):
    make, over, _ = STORES[name]
    store = opened(name)
    variable = next(iter(make(**{axis: labels[0] for axis, labels in over.items()}).observables))
    (chunk,) = [path for path in (Path(store.url) / variable).iterdir() if path.name.strip("0.") == ""][:1]
    chunk.write_bytes(b"no chunk")
    with pytest.warns(UserWarning, match="was damaged"):
        assert_close(nh.sweep(make, over, store=store.url), nh.sweep(make, over))


def test_another_study_is_still_refused(opened):
    def other(seed):
        simulation = OLD.exact_quench(seed)
        return nh.Simulation(simulation.model, simulation.algorithm, {"sz": OLD.LowestSz()})

    with pytest.raises(ValueError, match="holds another study: observables"):
        nh.sweep(other, OLD.QUENCHES, store=opened("exact_quenches").url)
    with pytest.raises(ValueError, match=r"algorithm.type is 'mpsnh.algorithms.nhtebd.NHTEBD' there"):
        nh.sweep(OLD.exact_quench, OLD.QUENCHES, store=opened("quenches").url)


def test_a_later_version_with_the_same_numbers_goes_on(opened, tmp_path, monkeypatch):
    later = dict(versions()) | {"mpsnh": "9.0"}
    for place in ("provenance", "simulation"):
        monkeypatch.setattr(f"mpsnh.run.{place}.versions", lambda: later)
    again = nh.sweep(OLD.exact_quench, OLD.QUENCHES, store=opened("exact_quenches").url)
    assert_close(again, nh.sweep(OLD.exact_quench, OLD.QUENCHES))
    shutil.copy(DATA / "exact.npz", tmp_path / "run.npz")
    longer = OLD.quench(7, "exact", t_max=1.2)
    assert_close(longer.run(checkpoint=tmp_path / "run.npz"), longer.run())
    monkeypatch.setattr("mpsnh.run.provenance.SAME_NUMBERS", ())
    with pytest.raises(ValueError, match=r"versions.mpsnh is '0.1.0' there and '9.0' here"):
        nh.sweep(OLD.exact_quench, OLD.QUENCHES, store=opened("exact_quenches").url)


CHANGED = r"is defined in another way since, so that old and new numbers would mix; leave the old ones as they are, and"


def test_what_is_defined_in_another_way_since_is_refused(opened, tmp_path):
    """The noise and the norm of NHTEBD; nothing is written, and the old numbers stay readable."""
    store = opened("quenches")
    before = {path: path.read_bytes() for path in Path(store.url).rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=rf"holds another study: algorithm \(mpsnh.algorithms.NHTEBD\) {CHANGED}"):
        nh.sweep(OLD.quench, {"seed": range(3)}, store=store.url)
    assert before == {path: path.read_bytes() for path in Path(store.url).rglob("*") if path.is_file()}
    shutil.copy(DATA / "nhtebd.npz", tmp_path / "run.npz")
    with pytest.raises(ValueError, match=rf"holds another run: algorithm \(mpsnh.algorithms.NHTEBD\) {CHANGED}"):
        OLD.quench(7).run(checkpoint=tmp_path / "run.npz")


def spectrum_with(observable):
    def make(seed):
        ring = models.NonHermitianXXZ(L=6, gamma=0.0, h=1.0, seed=seed, boundary="periodic")
        return nh.Simulation(ring, algorithms.ExactDiag(vectors="none"), {"x": observable})

    return make


class Mine(observables.GapRatio):
    """That of a user."""


@pytest.mark.parametrize(
    ("observable", "changed"),
    [
        (observables.GapRatio(), True),
        (observables.ComplexSpacingRatio(), True),
        (observables.SingularValueGapRatio(), True),
        (Mine(), True),
        (observables.Eigenvalues(), False),
    ],
    ids=repr,
)
def test_observables_that_are_defined_in_another_way_since_are_refused(observable, changed, tmp_path):
    """Degenerate levels counted as many: a store of that time says nothing of the definition."""
    place, make = tmp_path / "data.zarr", spectrum_with(observable)
    nh.sweep(make, {"seed": [0]}, store=place)

    def older(identity):
        identity["observables"]["x"].pop("definition", None)
        del identity["computes"]

    rewrite(place, identities(older))
    if changed:
        with pytest.raises(ValueError, match=rf"holds another study: observables.x \(.*\) {CHANGED}"):
            nh.sweep(make, {"seed": [0, 1]}, store=place)
    else:
        assert_close(nh.sweep(make, {"seed": [0, 1]}, store=place), nh.sweep(make, {"seed": [0, 1]}))


@unchanged_stores
@pytest.mark.parametrize("damaged", [False, True])
def test_a_variable_that_the_study_does_not_have_is_left_out(name, damaged, opened):
    """As if the version that wrote the store had measured more."""
    make, over, larger = STORES[name]
    store = opened(name)
    group = zarr.open_group(store.url, mode="r+")
    shape, chunks = group["status"].shape, group["status"].chunks
    planted = group.create_array(
        "planted", shape=shape, chunks=chunks, dtype=float, fill_value=np.nan, filters=None,
        compressors=Zstd(level=1, checksum=True),
        attributes={"_ARRAY_DIMENSIONS": list(over), "long_name": "a diagnostic of old"},
    )  # fmt: skip
    planted[...] = 1.0
    group.attrs["variables"] = [*group.attrs["variables"], "planted"]
    if damaged:
        for chunk in (Path(store.url) / "planted").glob("0*"):
            chunk.write_bytes(b"no chunk")
    first = nh.sweep(make, over, store=store.url)
    assert "planted" not in first
    for _ in range(2):  # the second time, points are done that have no such value
        assert_close(nh.sweep(make, larger, store=store.url), nh.sweep(make, larger))
    if not damaged:
        with xr.open_zarr(store.url, consolidated=False) as data:
            assert int(np.isfinite(data["planted"]).sum()) == int(np.prod(shape))
    assert CliRunner().invoke(app, ["status", store.url]).exit_code == 0


# -------------------------------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("method", ["exact"])
def test_a_checkpoint_is_continued(method, tmp_path):
    place = tmp_path / "run.npz"
    shutil.copy(DATA / f"{method}.npz", place)
    assert_close(OLD.quench(7, method).run(checkpoint=place), OLD.quench(7, method).run())
    whole = OLD.quench(7, method, t_max=1.2).run()
    for _ in range(2):
        assert_close(OLD.quench(7, method, t_max=1.2).run(checkpoint=place), whole)


@every_method
def test_a_checkpoint_of_another_run_is_still_refused(method, tmp_path):
    place = tmp_path / "run.npz"
    shutil.copy(DATA / f"{method}.npz", place)
    with pytest.raises(ValueError, match=r"model.seed is 7 there and 8 here"):
        OLD.quench(8, method).run(checkpoint=place)
    with pytest.raises(ValueError, match=r"algorithm.type is 'mpsnh.algorithms"):
        OLD.quench(7, next(other for other in OLD.METHODS if other != method)).run(checkpoint=place)


@pytest.mark.parametrize("said", ["memory", "carry"])
def test_what_a_checkpoint_has_besides_is_left_out(said, tmp_path):
    """A diagnostic and a number that are no part of a record any more, and what is carried along by either name."""
    place = tmp_path / "run.npz"
    with np.load(DATA / "exact.npz") as arrays:
        changed = {name.replace("record.memory.", f"record.{said}."): array for name, array in arrays.items()}
    changed["row.planted"], changed["record.planted"] = np.ones(len(changed["labels"])), np.array(1.0)
    np.savez(place, **changed)
    data = OLD.quench(7, "exact", t_max=1.2).run(checkpoint=place)
    assert "planted" not in data
    assert_close(data, OLD.quench(7, "exact", t_max=1.2).run())
    assert_same_bits(OLD.quench(7, "exact", t_max=1.2).run(checkpoint=place), data)
