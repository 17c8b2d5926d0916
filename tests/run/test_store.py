"""Stores survive readers, other writers, full disks, damage and clocks.

Faults provoked: two processes on one store (3 times), a full file system (a small one if mounting is permitted, and a
limit on the size of files), 24 damaged chunks (4 kinds of damage in 6 arrays and places), a chunk that is gone,
times of files and clock at 4 extremes.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import mpsnh as nh
from mpsnh.run.store import DONE, MISSING, Store
from tests.support.stores import GRID, contents, filled, identities, plain, rewrite
from tests.support.sweep_functions import draw, logged, run

LONG = {"h": [0.5, 2.0], "seed": list(range(30))}


@pytest.fixture(scope="module")
def context():
    """Processes that start quickly, since they are forked from one that has imported everything."""
    return multiprocessing.get_context("forkserver")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "data.zarr")


# ------------------------------------------------------------------------------------------------ readers and writers


def test_a_store_is_read_by_xarray_alone(store):
    expected = filled(store)
    with xr.open_zarr(store.url, consolidated=False) as data:
        assert data["status"].dims == ("h", "seed")
        assert np.all(data["status"] == DONE)
        for name in expected.variables:
            assert np.array_equal(data[name], expected[name])
        assert {name: data.attrs[name] for name in expected.attrs} == expected.attrs


def test_a_store_is_readable_while_it_grows(store, tmp_path):
    """What the status calls done is right at any time."""
    make, expected = functools.partial(draw, pause=0.03), plain(LONG)
    writer = threading.Thread(target=functools.partial(nh.sweep, make, LONG, store=store.url, batch=3))
    writer.start()
    partly = 0
    while writer.is_alive():
        if not store.exists():
            continue
        with xr.open_zarr(store.url, consolidated=False) as data:
            done = data["status"].load() == DONE
            read = data[["E", "total"]].load()
        for name in read:
            assert np.array_equal(read[name].where(done), expected[name].where(done), equal_nan=True)
        partly += 0 < int(done.sum()) < 60
    writer.join()
    assert partly > 1
    xr.testing.assert_identical(nh.sweep(draw, LONG, store=store.url), expected)


@pytest.mark.parametrize("pause", [0.0, 0.003, 0.01])
def test_two_sweeps_share_a_store(pause, store, context, tmp_path):
    """Both finish with all results, and no point runs twice, apart from the first, which tells form and time."""
    log = tmp_path / "log"
    make = functools.partial(draw, log=log, pause=pause)
    options = {"store": store.url, "batch": 3}
    both = [context.Process(target=run, args=(make, LONG, threads), kwargs=options) for threads in (0, 2)]
    for each in both:
        each.start()
    for each in both:
        each.join(60)
        assert each.exitcode == 0
    assert {n for (h, seed), n in logged(log).items() if (h, seed) != (0.5, 0)} == {1}
    xr.testing.assert_identical(nh.sweep(draw, LONG, store=store.url), plain(LONG))
    assert logged(log).total() <= 60 + 3


def test_two_sweeps_extend_a_store_at_once(store, context):
    """Each by seeds of its own."""
    filled(store)
    grids = [{"h": [0.5, 2.0], "seed": list(range(10 * k, 10 * k + 15))} for k in (1, 2, 3)]
    make = functools.partial(draw, pause=0.002)
    both = [context.Process(target=run, args=(make, over), kwargs={"store": store.url}) for over in grids]
    for each in both:
        each.start()
    for each in both:
        each.join(60)
        assert each.exitcode == 0
    for over in (*grids, GRID):
        xr.testing.assert_identical(nh.sweep(draw, over, store=store.url), plain(over))


# -------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("make", "over", "message"),
    [
        (functools.partial(draw, levels=4), GRID, "algorithm.levels is 3 there and 4 here"),
        (functools.partial(draw, spread=2.0), GRID, "algorithm.spread is 1.0 there and 2.0 here"),
        (draw, {"seed": [0, 1]}, "axes is"),
    ],
)
def test_another_study_is_refused(make, over, message, store):
    filled(store)
    before = contents(Path(store.url))
    with pytest.raises(ValueError, match=f"holds another study: {message}"):
        nh.sweep(make, over, store=store.url)
    assert contents(Path(store.url)) == before


def test_another_version_is_refused(store):
    filled(store)
    known = dict(store.identity["versions"])
    rewrite(store.url, identities(lambda identity: identity["versions"].update(mpsnh="0.0.1")))
    with pytest.raises(ValueError, match=r"versions.mpsnh is '0.0.1' there and '.*' here"):
        nh.sweep(draw, GRID, store=store.url)
    rewrite(store.url, identities(lambda identity: identity.update(versions={**known, "numpy": "1.0"})))
    nh.sweep(draw, GRID, store=store.url)


@pytest.mark.parametrize("kind", ["files", "group", "array", "dataset"])
def test_a_folder_that_is_no_store_is_refused(kind, store):
    folder = Path(store.url)
    if kind == "files":
        folder.mkdir()
        (folder / "thesis.tex").write_text("years of work")
    elif kind == "group":
        zarr.create_group(folder, zarr_format=2).create_array("x", data=np.arange(3))
    elif kind == "array":
        zarr.create_array(folder, data=np.arange(3), zarr_format=2)
    else:
        xr.Dataset({"status": ("x", [1, 2])}).to_zarr(folder, zarr_format=2, consolidated=False)
    before = contents(folder)
    with pytest.raises((ValueError, FileExistsError), match="no store of a sweep"):
        nh.sweep(draw, GRID, store=folder)
    assert contents(folder) == before


def test_a_file_is_refused(store):
    Path(store.url).write_text("years of work")
    with pytest.raises(OSError, match=r"data\.zarr"):
        nh.sweep(draw, GRID, store=store.url)
    assert Path(store.url).read_text() == "years of work"


def test_an_empty_folder_will_do(store):
    Path(store.url).mkdir()
    filled(store)


# ------------------------------------------------------------------------------------------------------ full disks


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"mounting a file system is not permitted: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("threads", [0, 2])
def test_a_full_disk_is_reported_and_costs_nothing(threads, small_disk, tmp_path):
    """The rest of the disk is taken up so that there is room for some of the results only."""
    log, store = tmp_path / "log", Store(small_disk / "data.zarr")
    make = functools.partial(draw, log=log)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(150_000))
    with pytest.raises(OSError, match="No space left on device"):
        run(make, LONG, threads, store=store.url, batch=1)
    kept, before = {(LONG["h"][i], LONG["seed"][j]) for i, j in np.argwhere(store.status() == DONE)}, logged(log)
    assert 3 < len(kept) < 60
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    xr.testing.assert_identical(nh.sweep(make, LONG, store=store.url), plain(LONG))
    assert set(logged(log) - before).isdisjoint(kept)
    assert (logged(log) - before).total() == 60 - len(kept)


def test_files_that_can_not_be_written_cost_nothing(store, context, tmp_path):
    """Chunks of many points are too large here, chunks of one point are not."""
    over, make = {"h": [1.0], "seed": list(range(400))}, functools.partial(draw, log=tmp_path / "log")
    options = {"store": store.url, "batch": 300, "largest_file": 3000}
    limited = context.Process(target=run, args=(make, over), kwargs=options)
    limited.start()
    limited.join(60)
    assert limited.exitcode == 1
    assert not store.exists() or np.sum(store.status() == DONE) <= 1, "the first point fits, since it is alone"
    xr.testing.assert_identical(nh.sweep(make, over, store=store.url), plain(over))


# ---------------------------------------------------------------------------------------------------------- damage

DAMAGE = {
    "flipped": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 0x10]) + data[len(data) // 2 + 1 :],
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "other": lambda data: b"no chunk" * 20,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("chunk", ["E/0.1.0", "E/1.0.0", "total/0.0", "total/1.1", "status/0.0", "status/1.1"])
def test_a_damaged_chunk_is_computed_again(chunk, damage, store, tmp_path):
    log = tmp_path / "log"
    expected = filled(store, log=log)
    before, file = logged(log), Path(store.url) / chunk
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.warns(UserWarning, match="was damaged"):
        xr.testing.assert_identical(nh.sweep(functools.partial(draw, log=log), GRID, store=store.url), expected)
    place = [int(k) for k in chunk.split("/")[1].split(".")]
    region = {(GRID["h"][place[0]], seed) for seed in GRID["seed"][3 * place[1] : 3 * place[1] + 3]}
    assert logged(log) - before == dict.fromkeys(region, 1)
    xr.testing.assert_identical(nh.sweep(draw, GRID, store=store.url), expected)


@pytest.mark.parametrize("chunk", ["E/0.1.0", "total/1.0"])
def test_a_chunk_that_is_gone_is_computed_again(chunk, store):
    expected = filled(store)
    (Path(store.url) / chunk).unlink()
    with pytest.warns(UserWarning, match="was damaged"):
        xr.testing.assert_identical(nh.sweep(draw, GRID, store=store.url), expected)


def test_a_status_that_is_gone_is_computed_again(store):
    expected = filled(store)
    (Path(store.url) / "status" / "0.0").unlink()
    assert int(np.sum(store.status() == MISSING)) == 3
    xr.testing.assert_identical(nh.sweep(draw, GRID, store=store.url), expected)


def test_a_failure_without_its_record_is_no_obstacle(store):
    """A kill between making a record and filling it leaves it empty."""
    filled(store)
    zarr.open_group(store.url, mode="r+").require_group("failures/0.0")
    filled(store)


# ---------------------------------------------------------------------------------------------------------- clocks


@pytest.mark.parametrize("when", [0, 4102444800], ids=["1970", "2100"])
def test_times_of_files_do_not_matter(when, store, tmp_path):
    log = tmp_path / "log"
    expected = filled(store, {"h": [0.5], "seed": [4, 0]}, log=log)
    for path in tmp_path.rglob("*"):
        os.utime(path, (when, when))
    expected = filled(store, log=log)
    for path in tmp_path.rglob("*"):
        os.utime(path, (when, when))
    before = logged(log)
    xr.testing.assert_identical(nh.sweep(functools.partial(draw, log=log), GRID, store=store.url), expected)
    assert logged(log) == before
    assert {n for point, n in before.items() if point != (0.5, 4)} == {1}


@pytest.mark.parametrize("step", [-1e6, 1e6])
def test_a_clock_that_jumps_does_not_matter(step, store, monkeypatch, tmp_path):
    log, now, calls = tmp_path / "log", time.time, iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: now() + step * next(calls))
    filled(store, {"h": [0.5], "seed": [4, 0]}, log=log)
    filled(store, log=log)
    assert {n for point, n in logged(log).items() if point != (0.5, 4)} == {1}


def test_nothing_else_is_written(store, tmp_path):
    filled(store)
    assert {path.name for path in tmp_path.iterdir()} == {"data.zarr", "data.zarr.locks"}
    assert not [path for path in tmp_path.rglob("*") if "partial" in path.name or path.suffix == ".tmp"]
