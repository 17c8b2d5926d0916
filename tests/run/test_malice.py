"""Stores made to run code, or to write elsewhere, do neither."""

from __future__ import annotations

import functools
import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import xarray as xr
import zarr

import mpsnh as nh
from mpsnh.run.grid import Grid
from mpsnh.run.store import Store
from tests.support.stores import GRID, contents, filled, plain
from tests.support.sweep_functions import draw


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "data.zarr")


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


@pytest.fixture
def canary(tmp_path):
    """A path at which nothing may appear."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists()


def opened_every_way(store: Store) -> None:
    """Do all that a sweep or a user does with a store, whatever is refused."""
    ways = (
        store.exists, store.grid, lambda: store.identity, store.form, store.status, store.failures,
        lambda: store.damaged(["E"]), store.retry, lambda: store.load(Grid(GRID)),
        lambda: nh.sweep(draw, GRID, store=store.url),
    )  # fmt: skip
    for way in ways:
        try:
            way()
        except Exception as error:
            assert not isinstance(error, AssertionError)  # noqa: PT017


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["status", "seed", "h", "total", "level"])
@pytest.mark.parametrize("where", ["filters", "compressor"])
@pytest.mark.parametrize("dtype", ["|O", None])
def test_no_array_of_a_store_runs_code(name, where, dtype, store, canary):
    filled(store)
    folder = Path(store.url) / name
    metadata = json.loads((folder / ".zarray").read_text())
    codec = {"id": "pickle", "protocol": 5}
    metadata |= {"filters": None, "compressor": None, where: [codec] if where == "filters" else codec}
    if dtype:
        metadata |= {"dtype": dtype, "fill_value": None}
    (folder / ".zarray").write_text(json.dumps(metadata))
    for chunk in folder.glob("[0-9]*"):
        chunk.write_bytes(pickle.dumps(Payload(canary)))
    opened_every_way(store)
    assert not canary.exists()
    xr.testing.assert_identical(nh.sweep(draw, GRID, store=store.url), plain(GRID))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", ["../canary", "/{}", "h/../../canary", "canary\0"])
@pytest.mark.parametrize("where", ["dimension", "variable", "failure"])
def test_names_do_not_lead_out_of_a_store(where, path, store, canary):
    filled(store)
    path, folder = path.format(canary), Path(store.url)
    if where == "dimension":
        attributes = json.loads((folder / "status" / ".zattrs").read_text())
        attributes["_ARRAY_DIMENSIONS"][0] = path
        (folder / "status" / ".zattrs").write_text(json.dumps(attributes))
    elif where == "variable":
        attributes = json.loads((folder / ".zattrs").read_text())
        attributes["variables"].append(path)
        (folder / ".zattrs").write_text(json.dumps(attributes))
    else:
        group = zarr.open_group(store.url, mode="r+").require_group("failures/0.0")
        group.attrs["failures"] = [{"point": {path: 1}, "error": path}]
    opened_every_way(store)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["status", "total", "failures", "status/0.0", ".zattrs"])
def test_links_do_not_lead_out_of_a_store(name, store, tmp_path):
    """Nothing that a link in a store points at is changed."""
    filled(store)
    inside, outside = Path(store.url) / name, tmp_path / "outside"
    if name == "failures":
        shutil.rmtree(inside)
        outside.mkdir()
    else:
        shutil.move(inside, outside)
    inside.symlink_to(outside)
    before = contents(outside) if outside.is_dir() else outside.read_bytes()
    opened_every_way(store)
    faulty = functools.partial(draw, faults={11: "raise"})
    for over in (GRID, {"h": [0.5, 2.0, 3.0], "seed": [4, 0, 7, 1, 9, 11]}):
        try:
            nh.sweep(faulty, over, store=store.url)
        except Exception as error:
            assert "link" in str(error)  # noqa: PT017
    assert (contents(outside) if outside.is_dir() else outside.read_bytes()) == before


@pytest.mark.parametrize("name", ["making", "0.0"])
def test_locks_that_are_links_are_not_written_through(name, store, tmp_path):
    canary, folder = tmp_path / "canary", tmp_path / "data.zarr.locks"
    canary.write_text("years of work")
    folder.mkdir()
    (folder / f"{name}.lock").symlink_to(canary)
    with pytest.raises(OSError, match="lock"):
        nh.sweep(draw, GRID, store=store.url, batch=3)
    assert canary.read_text() == "years of work"
