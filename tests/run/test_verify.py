"""`verify` names what is damaged, a sweep mends it, and `export` writes what there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

import mpsnh as nh
from mpsnh.cli import app
from mpsnh.run.store import Store
from mpsnh.run.verify import verify
from tests.support.sweep_functions import draw

ROOT = Path(__file__).parents[2]
GRID = {"h": [0.5, 2.0], "seed": [4, 0, 7]}


def mpsnh(*words, code=0):
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def place(tmp_path):
    nh.sweep(draw, GRID, store=Store(tmp_path / "data.zarr", sync=False), batch=3)
    return tmp_path / "data.zarr"


def test_a_whole_store_is_called_whole(place):
    said = mpsnh("verify", place)
    assert "6 done, 0 failed, 0 missing" in said
    assert "6 points by mpsnh " in said
    assert "openblas" in said or "mkl" in said
    assert "whole" in said


DAMAGES = {
    "an empty .zarray": ("total/.zarray", "total/.zarray in .* was damaged, and is written anew"),
    "a coordinate": ("seed/0", "seed/0 in .* was damaged, and is written anew"),
    "labels": ("level/0", "level/0 in .* was damaged, and is written anew"),
    "attributes": (".zattrs", ".zattrs in .* was damaged, and is written anew"),
    "a record": ("grid/log/000000", "grid/log/000000 in .* was damaged, and is written anew"),
    "its copy": ("grid/copy/000000", "grid/copy/000000 in .* was damaged, and is written anew"),
    "a chunk": ("total/0.0", "a chunk of .* was damaged; .* is computed again"),
    "seals": ("grid/seals/0.0", "a chunk of .* was damaged; .* is computed again"),
}


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("gone", [False, True])
def test_damage_is_named_and_mended(kind, gone, place):
    name, said = DAMAGES[kind]
    if gone:
        (place / name).unlink()
    else:
        (place / name).write_bytes(b"")
    assert "damaged" in mpsnh("verify", place, code=1)
    with pytest.warns(UserWarning, match=said):
        xr.testing.assert_identical(nh.sweep(draw, GRID, store=place), nh.sweep(draw, GRID))
    assert verify(Store(place)).faults == []
    with xr.open_zarr(place, consolidated=False) as data:
        assert np.array_equal(data["total"], nh.sweep(draw, GRID)["total"])


class Counted(nh.Observable[nh.Spectrum]):
    """An integer and a truth value have no NaN."""

    measures = nh.Spectrum
    kind: str = "int"

    def __call__(self, spectrum, model):
        return 7 if self.kind == "int" else True


def counted(seed):
    drawn = draw(seed=seed)
    return nh.Simulation(drawn.model, drawn.algorithm, {kind: Counted(kind=kind) for kind in ("int", "bool")})


@pytest.mark.parametrize("name", ["int", "bool"])
def test_a_missing_chunk_of_integers_or_truth_values_is_no_zero(name, tmp_path):
    place = tmp_path / "data.zarr"
    nh.sweep(counted, {"seed": range(4)}, store=place, batch=2)
    (place / name / "0").unlink()
    data = Store(place).load(Store(place).grid())
    assert np.isnan(data[name].values[:2]).all()
    assert (data[name].values[2:] == (7 if name == "int" else 1)).all()
    with pytest.warns(UserWarning, match="was damaged"):
        assert (nh.sweep(counted, {"seed": range(4)}, store=place)[name] == (7 if name == "int" else True)).all()


def test_results_are_exported(place, tmp_path):
    expected = nh.sweep(draw, GRID)
    (path,) = mpsnh("export", place, "--to", "netcdf", "--out", tmp_path / "out").split()
    data = xr.load_dataset(path, engine="h5netcdf")
    assert np.array_equal(data["E"], expected["E"])
    written = sorted(mpsnh("export", place, "--to", "csv", "--out", tmp_path / "out").split())
    assert [Path(path).name for path in written] == ["out.csv", "out.level.csv"]
    table = pd.read_csv(written[0])
    assert np.allclose(table["total"].values, expected["total"].values.ravel(), rtol=1e-15)
    levels = pd.read_csv(written[1]).set_index(["h", "seed", "level"])
    assert np.isclose(levels.loc[(2.0, 7, 1), "E.im"], complex(expected["E"].sel(h=2.0, seed=7, level=1)).imag)
    assert "'xml', but it must be one of netcdf, csv, parquet" in mpsnh("export", place, "--to", "xml", code=2)


def test_tables_have_truth_values_and_counts(tmp_path):
    failed = json.dumps([{"point": {"h": 2}, "error": "E"}])
    data = {"certified": ("h", [True, False, True]), "attempts": ("h", [3, 0, 1]), "gap": ("h", [0.0, 1.0, 0.5])}
    xr.Dataset(data, {"h": [0, 1, 2]}, {"failures": failed}).to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    mpsnh("export", tmp_path / "x.nc", "--to", "csv", "--out", tmp_path / "x.csv")
    rows = ["h,certified,attempts,gap", "0,True,3,0.0", "1,False,0,1.0", "2,,,"]
    assert (tmp_path / "x.csv").read_text().split() == rows


def test_parquet_is_written_or_says_what_it_needs(place, tmp_path, monkeypatch):
    def needs(*_, **__):
        raise ImportError("pyarrow")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", needs)
    said = mpsnh("export", place, "--to", "parquet", "--out", tmp_path / "out", code=2)
    assert "needs the package pyarrow: pip install pyarrow" in said


def test_a_terminal_of_latin_1_shows_what_it_can(place):
    nh.sweep(draw, {"h": [0.5, 2.0], "seed": list(range(9))}, store=place)
    command = [sys.executable, "-m", "mpsnh.cli", "status", str(place)]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(ROOT)}
    script = "from mpsnh.cli import main; main()"
    command = [sys.executable, "-c", script, "status", str(place)]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "seed: 9 (4, 0, 7, ?, 8)" in done.stdout.decode("latin-1")


def test_a_finished_store_that_nobody_may_write_is_loaded(place, monkeypatch):
    """As on a disk that is mounted for reading: the system refuses every file that would be made or locked."""

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    for name in ("write", "create", "locked"):
        monkeypatch.setattr(f"mpsnh.run.folder.Folder.{name}", refuse)
    xr.testing.assert_identical(nh.sweep(draw, GRID, store=place), nh.sweep(draw, GRID))
    with pytest.raises(OSError, match="Read-only file system"):
        nh.sweep(draw, {**GRID, "seed": [4, 0, 7, 1]}, store=place)


def test_a_sweep_that_waits_says_for_whom(place, capsys, monkeypatch):
    monkeypatch.setattr("mpsnh.run.results.PATIENCE", 0.2)
    larger = {**GRID, "seed": [4, 0, 7, 1]}
    with Store(place).locked("0.3"):
        sweeping = threading.Thread(target=lambda: nh.sweep(draw, larger, store=place, progress=False))
        sweeping.start()
        sweeping.join(2)
    sweeping.join(60)
    assert f"waiting for process {os.getpid()} on " in capsys.readouterr().err
