"""Stores at URLs keep the promises of local ones: on an S3 server that runs here, and in memory."""

from __future__ import annotations

import functools
import threading
import uuid

import fsspec
import numpy as np
import pytest
import xarray as xr

import mpsnh as nh
from mpsnh.run.grid import Grid
from mpsnh.run.log import Log
from mpsnh.run.objects import Objects
from mpsnh.run.place import described
from mpsnh.run.store import DONE, MISSING, Store
from mpsnh.run.verify import verify
from tests.support.object_store import s3
from tests.support.sweep_functions import draw, logged

GRID = {"h": [0.5, 2.0], "seed": [4, 0, 7]}


@pytest.fixture(scope="module")
def server():
    with s3() as options:
        yield options


@pytest.fixture(params=["memory", "s3"])
def place(request):
    """A URL and what fsspec needs besides."""
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}/data.zarr", {}
    return f"s3://bucket/{uuid.uuid4().hex}/data.zarr", request.getfixturevalue("server")


def at(place) -> Store:
    return Store(*place)


def plain(over):
    return nh.sweep(draw, over)


def test_a_store_is_made_resumed_and_extended(place, tmp_path):
    make, larger = functools.partial(draw, log=tmp_path / "log"), {"h": [2.0, 0.5, 1.0], "seed": [7, 4, 9]}
    xr.testing.assert_identical(nh.sweep(make, GRID, store=at(place), batch=2), plain(GRID))
    before = logged(tmp_path / "log")
    xr.testing.assert_identical(nh.sweep(make, GRID, store=at(place)), plain(GRID))
    assert logged(tmp_path / "log") == before
    xr.testing.assert_identical(nh.sweep(make, larger, store=at(place)), plain(larger))
    report = verify(at(place))
    assert (report.faults, report.points["done"]) == ([], 11)
    with xr.open_zarr(place[0], storage_options=place[1] or None, consolidated=False) as data:
        assert int((data["status"] == DONE).sum()) == 11


@pytest.mark.long
def test_sweeps_that_extend_both_axes_at_once_agree(place):
    """Each in a thread, with a store of its own; what is read meanwhile is right or missing."""
    seeds = [[1, 2], [2, 3], [4, 1]]
    grids = [{"h": [0.5, 1.0 + k], "seed": chosen} for k, chosen in enumerate(seeds)]
    problems, over = list[BaseException](), threading.Event()

    def one(grid):
        try:
            xr.testing.assert_identical(nh.sweep(draw, grid, store=at(place), batch=2, progress=False), plain(grid))
        except BaseException as error:
            problems.append(error)

    def read():
        while not over.wait(0.1):  # a server in Python has little time for more
            try:
                if at(place).exists():
                    known = at(place).grid()
                    data, status = at(place).loaded(known)
                    expected = plain(known.axes)
                    assert np.array_equal(
                        data["total"].values[status == DONE], expected["total"].values[status == DONE]
                    )
            except BaseException as error:
                problems.append(error)

    threads, reader = [threading.Thread(target=one, args=(grid,)) for grid in grids], threading.Thread(target=read)
    for thread in (*threads, reader):
        thread.start()
    for thread in threads:
        thread.join(120)
    over.set()
    reader.join(60)
    assert problems == []
    for grid in grids:
        xr.testing.assert_identical(nh.sweep(draw, grid, store=at(place), progress=False), plain(grid))


def test_the_reported_case_of_axes_that_are_written_back(place):
    """One sweep has read the axes when another one extends them; both write what they computed."""
    nh.sweep(draw, GRID, store=at(place))
    first, second = at(place), at(place)
    assert first.grid() == second.grid()
    for store, seed in ((second, 20), (first, 10)):
        store.admit(Grid({"h": [0.5], "seed": [seed]}), store.identity, {})
    assert at(place).grid().axes["seed"] == [*GRID["seed"], 20, 10] == first.grid().axes["seed"]
    both = {"h": [0.5], "seed": [10, 20]}
    xr.testing.assert_identical(nh.sweep(draw, both, store=at(place)), plain(both))


def test_a_record_is_made_by_one_only(place):
    logs, made = [Log(Objects(*place)) for _ in range(6)], list[int]()
    threads = [
        threading.Thread(target=lambda k=k, log=log: log.append(lambda known: {"number": k}) or made.append(k))
        for k, log in enumerate(logs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    records = Log(Objects(*place)).records()
    assert sorted(record["number"] for record in records) == list(range(6)) == sorted(made)


def test_what_two_writers_spoil_for_each_other_counts_as_missing(place, tmp_path):
    """A process that slept longer than its lease writes a region back as it was."""
    nh.sweep(draw, {"seed": [0, 1, 2]}, store=at(place), batch=3)
    store, region = at(place), (slice(0, 3),)
    objects = store.place
    old = {name: objects.read(name) for name in ("total/0", "E/0.0", "grid/seals/0")}
    store.write(region, {"total": np.array([9.0, 0, 0])}, np.array([DONE, MISSING, MISSING]), [])
    assert at(place).loaded(store.grid())[1].tolist() == [DONE] * 3
    objects.write({"total/0": old["total/0"]})
    assert at(place).loaded(store.grid())[1].tolist() == [MISSING, DONE, DONE]
    with pytest.warns(UserWarning, match="was damaged"):
        xr.testing.assert_identical(nh.sweep(draw, {"seed": [0, 1, 2]}, store=at(place)), plain({"seed": [0, 1, 2]}))


def test_a_lock_says_who_holds_it_and_ends_with_its_lease(place):
    with at(place).locked("0") as held:
        assert held
        assert at(place).holder("0").startswith("process ")
        with at(place).locked("0") as again:
            assert not again
    assert at(place).holder("0") == ""
    at(place).place.write({"grid/locks/0": b'{"holder": "gone", "host": "far", "pid": 1, "since": 0, "until": 1}'})
    with at(place).locked("0", wait=True) as held:
        assert held


def test_a_place_that_makes_things_twice_is_refused(monkeypatch):
    memory = fsspec.filesystem("memory")
    monkeypatch.setattr(type(memory), "pipe_file", lambda self, path, value, **_: self.store.clear())
    with pytest.raises(OSError, match=r"it made the same object twice.*use a local folder or an object store"):
        nh.sweep(draw, GRID, store="memory://twice/data.zarr")


def test_a_place_that_is_not_known_to_make_things_once_is_refused(monkeypatch):
    monkeypatch.setattr("mpsnh.run.objects.EXCLUSIVE", ("s3",))
    with pytest.raises(OSError, match=r"nothing can be made on condition that it is not there .memory is not known"):
        nh.sweep(draw, GRID, store="memory://unknown/data.zarr")


def test_a_url_of_a_file_is_a_local_store(tmp_path):
    xr.testing.assert_identical(nh.sweep(draw, GRID, store=f"file://{tmp_path}/data.zarr"), plain(GRID))
    assert Store(f"file://{tmp_path}/data.zarr").url == str(tmp_path / "data.zarr")
    assert described(b"{}") == "another process"
