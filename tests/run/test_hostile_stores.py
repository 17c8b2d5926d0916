"""Whatever a store is, what opens it ends with a result or a sentence: no traceback, no hang, nothing outside."""

from __future__ import annotations

import shutil
import time
import warnings

import h5netcdf
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import mpsnh as nh
from mpsnh.cli import app
from mpsnh.run.store import FAILED, Store
from tests.support.hostile_stores import attacks
from tests.support.sweep_functions import draw, quench

GRID = {"h": [0.5, 2.0], "seed": [4, 0, 7, 1]}
ATTACKS = attacks()
SECONDS = 60
"""After which something hangs; each attack takes less than one on an idle machine."""

EXPECTED = (OSError, ValueError, TypeError, MemoryError)
"""What a sweep may raise, with a sentence."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    place = tmp_path_factory.mktemp("stores") / "whole.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = nh.sweep(draw, GRID, store=Store(place, sync=False), batch=2, progress=False)
    return place, data


def test_there_are_enough_attacks():
    assert len(ATTACKS) > 97


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(8))
def test_every_command_ends_with_a_sentence(part, whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    canary = tmp_path / "canary"
    canary.write_text("years of work")
    for name in list(ATTACKS)[part::8]:
        store = tmp_path / "data.zarr"
        shutil.copytree(whole[0], store)
        ATTACKS[name](store)
        begin = time.monotonic()
        for command in (["status"], ["show", "--out", "x.png"], ["verify"], ["retry"], ["export", "--to", "csv"]):
            done = CliRunner().invoke(app, [command[0], str(store), *command[1:]])
            said = f"{name}, {command}: {done.output[:300]}"
            assert done.exit_code in (0, 1, 2), f"{said} {done.exception!r}"
            assert done.exception is None or isinstance(done.exception, SystemExit), said
            assert "Traceback" not in said
            assert not set(done.output) & {"\x1b", "\x07", "\x9b"}, said
        try:
            data = nh.sweep(draw, GRID, store=Store(store, sync=False), progress=False)
        except EXPECTED as error:
            said = str(error)
            assert not set(said) & {"\x1b", "\x07"}, name
        else:
            xr.testing.assert_equal(data.drop_attrs(), whole[1].drop_attrs())
        assert time.monotonic() - begin < SECONDS, name
        shutil.rmtree(store)
        shutil.rmtree(tmp_path / "data.zarr.locks", ignore_errors=True)
    assert canary.read_text() == "years of work"


def test_a_point_that_failed_without_a_record_is_warned_of(tmp_path):
    place = tmp_path / "data.zarr"
    with pytest.warns(UserWarning, match="1 point failed"):
        nh.sweep(faulty, GRID, store=place, batch=8)
    for path in (place / "failures").rglob(".zattrs"):
        path.write_text("{}")
    assert Store(place).failures() == [{"point": {"h": 0.5, "seed": 7}, "error": "its error is not recorded"}]
    with pytest.warns(UserWarning, match="its error is not recorded"):
        data = nh.sweep(faulty, GRID, store=place)
    assert np.isnan(data["total"].values[Store(place).status() == FAILED]).all()


def faulty(h, seed):
    return draw(h, seed, faults={7: "raise"} if h == 0.5 else {})


def test_a_large_netcdf_file_of_zeros_is_refused(tmp_path):
    path = tmp_path / "bomb.nc"
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"x": 10**12}
        file.create_variable("zeros", ("x",), float, chunks=(10**6,), compression="gzip")
    assert path.stat().st_size < 10**6
    done = CliRunner().invoke(app, ["show", str(path)])
    assert done.exit_code == 2
    assert "GiB are available" in done.output.replace("\n", " ")


@pytest.mark.parametrize("ending", [".locks", ".checkpoints"])
def test_a_folder_beside_a_store_that_is_a_link_is_refused(ending, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"data.zarr{ending}").symlink_to(elsewhere)
    with pytest.raises((OSError, ValueError), match="is a link, which is not followed"):
        nh.sweep(lambda seed: quench(seed, tmp_path / "log", 0.0), {"seed": [0]}, store=tmp_path / "data.zarr")
    assert list(elsewhere.iterdir()) == []
