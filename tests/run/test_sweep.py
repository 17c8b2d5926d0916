"""Sweeps give the same dataset however they run, are interrupted or go wrong.

Faults provoked, with fixed seeds: 4 kills of a pool worker and 4 kills of the process that sweeps with one or two
threads or with processes, each after a random number of points, kills at eight steps of making and of extending a
store, a point that raises, is not a number, hangs or kills its process, and grids where all points fail. What is more
is in `test_pool.py` and `test_hostile_points.py`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import threading
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import threadpoolctl
import xarray as xr

import mpsnh as nh
from mpsnh.run.folder import Folder
from mpsnh.run.store import DONE, Store
from tests.support import sweep_functions as functions
from tests.support.comparison import assert_same_bits
from tests.support.processes import workers_of
from tests.support.sweep_functions import draw, logged

GRID = {"h": [0.5, 2.0], "seed": [4, 0, 7, 1, 9]}
POINTS = [(h, seed) for h in GRID["h"] for seed in GRID["seed"]]
LONG = {"h": [0.5, 2.0], "seed": list(range(30))}


def reference(over: dict[str, Any] = GRID) -> xr.Dataset:
    """Return the dataset of an undisturbed sweep."""
    return nh.sweep(draw, over)


def repeated(log: Path, over: dict[str, Any] = GRID) -> dict[tuple[float, int], int]:
    """Return the points that ran more than once, apart from the first of the grid, which also tells form and time."""
    counts = logged(log)
    first = (over["h"][0], over["seed"][0])
    return {point: n - 1 for point, n in counts.items() if n > 1 and point != first}


def await_points(log: Path, number: int) -> None:
    """Return when so many points have run."""
    until = time.monotonic() + 60
    while logged(log).total() < number:
        assert time.monotonic() < until
        time.sleep(0.002)


@pytest.fixture(scope="module")
def context():
    """Processes that start quickly, since they are forked from one that has imported everything."""
    return multiprocessing.get_context("forkserver")


@pytest.fixture
def pool(context):
    with ProcessPoolExecutor(2, mp_context=context) as made:
        yield made


# ------------------------------------------------------------------------------------------- however it is computed


def test_spawned_processes_change_no_bit(tmp_path):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as spawned:
        for batch in (1, 3, 7, "auto"):
            assert_same_bits(nh.sweep(draw, GRID, spawned, batch=batch), reference())
            assert_same_bits(nh.sweep(draw, GRID, spawned, tmp_path / f"{batch}.zarr", batch), reference())


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("batch", [1, 3, 7, "auto"])
@pytest.mark.parametrize("threads", [0, 1, 3])
def test_neither_threads_nor_batches_nor_a_store_change_a_bit(threads, batch, stored, tmp_path):
    with ThreadPoolExecutor(threads) if threads else contextlib.nullcontext() as executor:
        data = nh.sweep(draw, GRID, executor, tmp_path / "data.zarr" if stored else None, batch)
    assert_same_bits(data, reference())


@pytest.mark.parametrize("stored", [False, True])
def test_the_order_of_coordinates_and_axes_changes_no_value(stored, tmp_path):
    for k, over in enumerate(({"h": [2.0, 0.5], "seed": [0, 1, 4, 7, 9]}, {"seed": [9, 4, 1, 7, 0], "h": [0.5, 2.0]})):
        data = nh.sweep(draw, over, store=tmp_path / str(k) if stored else None, batch=3)
        assert data.sizes == {**{name: len(labels) for name, labels in over.items()}, "level": 3}
        assert_same_bits(data.sel(GRID).transpose("h", "seed", "level"), reference())


def test_a_store_gives_any_order_of_coordinates(tmp_path):
    nh.sweep(draw, GRID, store=tmp_path / "data.zarr", batch=3)
    turned = {"h": [2.0, 0.5], "seed": [9, 7, 4, 1, 0]}
    assert_same_bits(nh.sweep(draw, turned, store=tmp_path / "data.zarr"), reference(turned))


def test_workers_change_no_bit(tmp_path):
    before = multiprocessing.active_children()  # other tests may have left some
    assert_same_bits(nh.sweep(draw, GRID, workers=2), reference())
    assert_same_bits(nh.sweep(draw, GRID, store=tmp_path / "data.zarr", batch=3, workers=1), reference())
    for child in set(multiprocessing.active_children()) - set(before):
        child.join(20)
        assert not child.is_alive()


def test_workers_outlive_points_that_kill_or_block_them(tmp_path):
    over = {"h": [0.5], "seed": [4, 0, 7, 1, 9]}
    with pytest.warns(UserWarning, match="1 point failed"):
        data = nh.sweep(
            functools.partial(draw, faults={7: "exit"}), over, store=tmp_path / "data.zarr", batch=3, workers=2
        )
    failures = assert_failed(data, over, [7])
    assert all(f["error"].startswith("the worker died 3 times: WorkerDied: it was killed by SIGK") for f in failures)
    over = {"h": [1.0], "seed": [0, 1]}
    with pytest.warns(UserWarning, match=r"1 point failed; .*'seed': 1.*TimeoutError: took longer than time_limit"):
        data = nh.sweep(functions.stubborn, over, batch=1, workers=2, time_limit=0.2)
    assert np.isnan(data["total"].values).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers = 0, but it must be an integer of at least 1"),
        ({"workers": 1.5}, "workers = 1.5, but it must be an integer"),
        ({"workers": 2, "executor": ThreadPoolExecutor(1)}, "workers = 2, but it must be left out where an executor"),
    ],
)
def test_refused_workers(options, message):
    with pytest.raises(ValueError, match=message):
        nh.sweep(draw, GRID, **options)


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("batch", [1, 4, "auto"])
def test_each_simulation_is_made_once(batch, threads, stored, tmp_path):
    """Also those that tell names, memory and what varies before any work; but the first, to see whether it is one."""
    over, made = {"h": [0.5, 2.0], "seed": [4, 0, 7]}, []

    def make(h: float, seed: int) -> nh.Simulation[nh.Spectrum]:
        made.append((h, seed))
        return draw(h, seed)

    with ThreadPoolExecutor(threads) if threads else contextlib.nullcontext() as executor:
        data = nh.sweep(make, over, executor, tmp_path / "data.zarr" if stored else None, batch)
    assert sorted(made) == sorted([(0.5, 4), *((h, seed) for h in over["h"] for seed in over["seed"])])
    assert_same_bits(data, reference(over))


@pytest.mark.parametrize("executor", [None, "threads", "processes"])
@pytest.mark.parametrize("stored", [False, True])
def test_each_point_runs_once(executor, stored, context, tmp_path):
    make = functools.partial(draw, log=tmp_path / "log")
    with contextlib.ExitStack() as stack:
        pools = {"threads": lambda: ThreadPoolExecutor(2), "processes": lambda: ProcessPoolExecutor(2, context)}
        nh.sweep(
            make,
            GRID,
            stack.enter_context(pools[executor]()) if executor else None,
            tmp_path / "data.zarr" if stored else None,
            3,
        )
    assert logged(tmp_path / "log") == dict.fromkeys(POINTS, 1)


def test_a_failed_point_is_not_counted_as_zero(tmp_path):
    """Integers and booleans have no NaN of their own."""

    class Even(nh.Observable[nh.Spectrum]):
        measures = nh.Spectrum

        def __call__(self, record, model):
            return bool(record.values[0].imag > -10)

    def make(seed: int) -> nh.Simulation[nh.Spectrum]:
        if seed == 2:
            raise ValueError("no such realisation")
        return nh.Simulation(functions.MODEL, functions.Drawn(seed=seed, h=1.0), {"flag": Even()})

    for store in (None, tmp_path / "data.zarr"):
        with pytest.warns(UserWarning, match="1 point failed"):
            data = nh.sweep(make, {"seed": range(4)}, store=store)
        np.testing.assert_array_equal(data["flag"], [1, 1, np.nan, 1])
        assert data["flag"].mean() == 1


def test_thousands_of_points(pool, tmp_path):
    over = {"h": [0.5, 1.0], "seed": range(1000)}
    assert_same_bits(nh.sweep(draw, over, pool, tmp_path / "data.zarr"), reference(over))


def test_points_run_on_one_thread_and_others_get_theirs_back(monkeypatch):
    """Also if some points end while others still run."""

    def threads() -> set[int]:
        return {each["num_threads"] for each in threadpoolctl.threadpool_info()}

    seen: list[set[int]] = []

    def make(seed: int) -> nh.Simulation[nh.Spectrum]:
        def before() -> None:
            time.sleep(0.003 * (seed % 5))
            seen.append(threads())

        return functions.Watched(functions.MODEL, functions.Drawn(seed=seed, h=1.0), functions.OBSERVABLES, before)

    with threadpoolctl.threadpool_limits(2):
        with ThreadPoolExecutor(3) as executor:
            nh.sweep(make, {"seed": range(40)}, executor, batch=1)
        assert threads() == {2}
    assert set(map(tuple, seen)) == {(1,)}


# ---------------------------------------------------------------------------------------------- resumed and extended


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("batch", [1, 3, 7])
def test_what_was_interrupted_continues(batch, threads, tmp_path):
    log, store = tmp_path / "log", Store(tmp_path / "data.zarr")
    make = functools.partial(draw, log=log)
    faulty = functools.partial(make, faults={17: "raise"})
    with (
        ThreadPoolExecutor(threads) if threads else contextlib.nullcontext() as executor,
        pytest.raises(ArithmeticError, match="no luck with seed 17"),
    ):
        nh.sweep(faulty, LONG, executor, store.url, batch, on_error="raise")
    done = int(np.sum(store.status() == DONE))
    assert 0 < done < 60
    before = logged(log)
    kept = {(LONG["h"][i], LONG["seed"][j]) for i, j in np.argwhere(store.status() == DONE)}
    assert_same_bits(nh.sweep(make, LONG, store=store.url), reference(LONG))
    again = logged(log) - before
    assert not kept & set(again)
    assert again.total() == 60 - done
    assert_same_bits(nh.sweep(make, LONG, store=store.url), reference(LONG))
    assert (logged(log) - before).total() == 60 - done


def test_an_error_stops_what_has_not_begun(tmp_path):
    make = functools.partial(draw, log=tmp_path / "log", pause=0.02, faults={1: "raise"})
    with ThreadPoolExecutor(2) as executor:
        with pytest.raises(ArithmeticError):
            nh.sweep(make, {"seed": range(40)}, executor, batch=1, on_error="raise")
        executor.submit(int).result()
        assert max(seed for _, seed in logged(tmp_path / "log")) < 6


@pytest.mark.parametrize(
    "larger",
    [
        {"h": [0.5, 2.0], "seed": [4, 0, 7, 1, 9, 10, 11, 12]},
        {"h": [0.5, 2.0, 3.0, 4.0], "seed": [4, 0, 7, 1, 9]},
        {"h": [0.25, 0.5, 1.0, 2.0], "seed": [2, 4, 0, 3, 7, 1, 9]},
        {"h": [2.0], "seed": [0, 9]},
        {"h": [1.0], "seed": [20, 21]},
        {"h": [2.0, 1.0], "seed": [20, 9]},
    ],
    ids=["more seeds", "more fields", "in between", "a subset", "disjoint", "overlapping"],
)
@pytest.mark.parametrize("batch", [1, 3, "auto"])
def test_a_store_is_extended_by_what_is_missing(larger, batch, tmp_path):
    log, store = tmp_path / "log", tmp_path / "data.zarr"
    make = functools.partial(draw, log=log)
    nh.sweep(make, GRID, store=store, batch=batch)
    before = logged(log)
    assert_same_bits(nh.sweep(make, larger, store=store), reference(larger))
    new = {(h, seed) for h in larger["h"] for seed in larger["seed"]} - set(POINTS)
    assert logged(log) - before == dict.fromkeys(new, 1)
    assert_same_bits(nh.sweep(make, GRID, store=store), reference())
    assert (logged(log) - before).total() == len(new)


def test_the_progress_of_what_is_done_already_is_all_of_it(tmp_path, capsys):
    for over, shown in ((GRID, "10/10"), (GRID, "10/10"), (GRID | {"seed": [7, 1]}, "4/4")):
        nh.sweep(draw, over, store=tmp_path / "data.zarr", progress=True)
        assert shown in capsys.readouterr().err.splitlines()[-1].split("\r")[-1]


def test_one_point_grows_to_a_grid(tmp_path):
    """The parameters that vary are those of the grid asked for, not of the first call."""
    for over in ({"h": [0.5], "seed": [4]}, {"h": [0.5], "seed": [4, 0]}, GRID, {"h": [2.0], "seed": [0]}):
        data = nh.sweep(draw, over, store=tmp_path / "data.zarr")
        assert_same_bits(data, reference(over))


def test_an_axis_may_change_a_parameter_of_another_name(tmp_path):
    for fields in ([1.0], [1.0, 2.0], [2.0], [3.0]):
        over = {"h": fields, "seed": [0, 1]}
        data = nh.sweep(functions.squared, over, store=tmp_path / "data.zarr")
        assert_same_bits(data, nh.sweep(functions.squared, over))


def test_whole_numbers_are_extended_by_fractions(tmp_path):
    nh.sweep(draw, {"h": [1, 2], "seed": [0, 1]}, store=tmp_path / "data.zarr")
    over = {"h": [1.0, 1.5, 2.0], "seed": [0, 1]}
    assert_same_bits(nh.sweep(draw, over, store=tmp_path / "data.zarr"), reference(over))


def test_names_are_extended_by_longer_ones(tmp_path):
    for kinds in (["a", "bb"], ["a", "bb", "much longer", "much loner"]):
        over = {"kind": kinds, "seed": [0, 1]}
        data = nh.sweep(functions.named, over, store=tmp_path / "data.zarr")
        assert_same_bits(data, nh.sweep(functions.named, over))


# ---------------------------------------------------------------------------------------------------- killed


@pytest.mark.parametrize("seed", range(4))  # `make torture` kills many more
def test_a_worker_may_be_killed(seed, context, tmp_path):
    rng, log, store = np.random.default_rng([1, seed]), tmp_path / "log", Store(tmp_path / "data.zarr")
    batch, others = int(rng.choice([1, 3])), workers_of()  # such as those of other packages

    def kill() -> None:
        await_points(log, int(rng.integers(2, 50)))
        time.sleep(0.01 * rng.random())
        children = [child for child in workers_of() if child not in others]
        children[rng.integers(len(children))].kill()

    killer = threading.Thread(target=kill)
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        killer.start()
        stored = store.url if seed % 2 else None
        data = nh.sweep(functools.partial(draw, log=log, pause=0.004), LONG, executor, stored, batch)
        killer.join()
    assert_same_bits(data, reference(LONG))
    # a death costs what this worker was at: a batch, or one of the first points, which each run by themselves
    assert sum(repeated(log, LONG).values()) <= batch


@pytest.mark.parametrize("seed", range(4))
def test_the_process_that_sweeps_may_be_killed(seed, context, tmp_path):
    rng, log, store = np.random.default_rng([2, seed]), tmp_path / "log", Store(tmp_path / "data.zarr")
    batch, workers = int(rng.choice([1, 3])), 1 + seed % 2
    make = functools.partial(draw, log=log, pause=0.004)
    options = {"processes": seed == 3, "threads": workers, "store": store.url, "batch": batch}
    sweeping = context.Process(target=functions.run, args=(make, LONG), kwargs=options)
    sweeping.start()
    await_points(log, int(rng.integers(1, 50)) if seed else 0)
    time.sleep(0.01 * rng.random())
    orphans = psutil.Process(sweeping.pid).children(recursive=True)
    sweeping.kill()
    sweeping.join()
    try:
        assert_same_bits(nh.sweep(make, LONG, store=store.url, batch=batch), reference(LONG))
    finally:
        for orphan in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()
    assert np.all(store.status() == DONE)
    assert sum(repeated(log, LONG).values()) <= workers * batch


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("extended", [False, True])
def test_a_kill_while_the_store_is_made_or_extended(extended, number, monkeypatch, tmp_path):
    """An exception that nothing catches stands for the kill; no other sweep may suffer, whatever it asks for."""
    larger = {"h": [0.5, 2.0, 3.0], "seed": [4, 0, 7, 1, 9, 10, 11]}
    if extended:
        nh.sweep(draw, GRID, store=tmp_path / "data.zarr", batch=3)
    calls, put = iter(range(10**6)), Folder._put

    def interrupted(place: Folder, path: str, data: bytes) -> None:
        if next(calls) == 5 * number:
            raise KeyboardInterrupt
        put(place, path, data)

    monkeypatch.setattr(Folder, "_put", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        nh.sweep(draw, larger, store=tmp_path / "data.zarr")
    monkeypatch.undo()
    assert next(calls) > 5 * number
    for over in (GRID, larger):
        assert_same_bits(nh.sweep(draw, over, store=tmp_path / "data.zarr"), reference(over))


# ------------------------------------------------------------------------------------------------ points that fail

FAULTS = {0: "raise", 9: "nan"}


def assert_failed(data: xr.Dataset, over: dict[str, Any], seeds: Any) -> list[dict[str, Any]]:
    """Compare with an undisturbed sweep at all other seeds; return what was recorded."""
    expected = reference(over)
    bad = data["seed"].isin(list(seeds))
    assert np.isnan(data["E"].where(bad, drop=True)).all()
    for name in expected.data_vars:
        assert np.array_equal(data[name].sel(seed=~bad), expected[name].sel(seed=~bad))
    failures = json.loads(data.attrs["failures"])
    assert [f["point"] for f in failures] == [
        {"h": h, "seed": seed} for h in over["h"] for seed in over["seed"] if seed in seeds
    ]
    return failures


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("batch", [1, 3, "auto"])
@pytest.mark.parametrize("threads", [0, 2])
def test_failures_are_recorded(threads, batch, stored, tmp_path):
    make = functools.partial(draw, faults=FAULTS)
    store = tmp_path / "data.zarr" if stored else None
    with (
        ThreadPoolExecutor(threads) if threads else contextlib.nullcontext() as executor,
        pytest.warns(UserWarning, match=r"4 points failed; the first is {'h': 0.5, 'seed': 0}: ArithmeticError: no"),
    ):
        failures = assert_failed(nh.sweep(make, GRID, executor, store, batch), GRID, FAULTS)
    assert [f["error"].split(" (in")[0] for f in failures] == [
        "ArithmeticError: no luck with seed 0",
        "FloatingPointError: the result 'E' is not finite",
    ] * 2
    assert "_before, sweep_functions.py:" in failures[0]["error"]


def test_failed_points_run_again_on_request_only(tmp_path):
    log, store = tmp_path / "log", Store(tmp_path / "data.zarr")
    faulty, mended = (functools.partial(draw, log=log, faults=faults) for faults in (FAULTS, None))
    with pytest.warns(UserWarning, match="4 points failed"):
        first = nh.sweep(faulty, GRID, store=store.url, batch=3)
    before = logged(log)
    with pytest.warns(UserWarning, match="4 points failed"):
        assert_same_bits(nh.sweep(mended, GRID, store=store.url), first)
    assert logged(log) == before
    assert len(store.failures()) == 4
    assert store.retry() == 4
    assert store.failures() == []
    assert_same_bits(nh.sweep(mended, GRID, store=store.url), reference())
    assert logged(log) - before == {(h, seed): 1 for h in GRID["h"] for seed in FAULTS}
    assert store.retry() == 0


def test_failures_of_an_extended_region_are_all_known(tmp_path):
    """The failure of a point is not forgotten when another of its region fails later."""
    make = functools.partial(draw, faults={3: "raise", 4: "raise"})
    for over in ({"h": [1.0], "seed": [0, 1, 2, 3]}, {"h": [1.0], "seed": [0, 1, 2, 3, 4, 5]}):
        with pytest.warns(UserWarning, match="failed"):
            data = nh.sweep(make, over, store=tmp_path / "data.zarr", batch=3)
    assert_failed(data, over, [3, 4])


def test_the_first_failure_stops_a_sweep_on_request(tmp_path):
    make = functools.partial(draw, faults=FAULTS)
    for store in (None, tmp_path / "data.zarr"):
        with pytest.raises(ArithmeticError, match="no luck with seed 0"):
            nh.sweep(make, GRID, store=store, batch=1, on_error="raise")
    with pytest.raises(FloatingPointError, match="the result 'E' is not finite"):
        nh.sweep(functools.partial(draw, faults={9: "nan"}), GRID, on_error="raise")


@pytest.mark.parametrize("fault", ["raise", "nan"])
def test_all_points_may_fail(fault, tmp_path):
    """Then there is no form to write NaN in, unless the results are not finite."""
    make = functools.partial(draw, faults=dict.fromkeys(GRID["seed"], fault))
    for store in (None, tmp_path / "data.zarr"):
        if fault == "raise":
            with pytest.raises(ValueError, match="every point of the grid failed"):
                nh.sweep(make, GRID, store=store)
            assert store is None or not store.exists()
        else:
            with pytest.warns(UserWarning, match="10 points failed"):
                assert np.isnan(nh.sweep(make, GRID, store=store)["E"]).all()


def test_the_first_point_may_fail(tmp_path):
    make = functools.partial(draw, faults={4: "raise"})
    for store in (None, tmp_path / "data.zarr"):
        with pytest.warns(UserWarning, match="2 points failed"):
            assert_failed(nh.sweep(make, GRID, store=store, batch=3), GRID, [4])


def test_a_point_that_can_not_be_made_fails():
    with pytest.warns(UserWarning, match="2 points failed"):
        data = nh.sweep(functions.refusing, {"h": [1.0, 2.0], "seed": [0, 1, 2, 3]})
    assert_failed(data, {"h": [1.0, 2.0], "seed": [0, 1, 2, 3]}, [2])
    with pytest.warns(UserWarning, match="1 point failed"):
        nh.sweep(functions.refusing, {"h": [1.0], "seed": [2, 3]})


def test_a_point_that_hangs_fails(pool, tmp_path):
    make = functools.partial(draw, faults={0: "hang"})
    with pytest.warns(UserWarning, match="2 points failed"):
        data = nh.sweep(make, GRID, pool, tmp_path / "data.zarr", batch=3, time_limit=0.5)
    failures = assert_failed(data, GRID, [0])
    assert all("TimeoutError: took longer than time_limit = 0.5 s" in f["error"] for f in failures)


@pytest.mark.parametrize("threads", [0, 2])
def test_only_processes_can_be_stopped(threads):
    """An exception raised in a thread from outside may leave a lock held for ever."""
    with (
        ThreadPoolExecutor(threads) if threads else contextlib.nullcontext() as executor,
        pytest.raises(ValueError, match=r"time_limit = 0.2, but it must be left out unless processes .* workers=1 or"),
    ):
        nh.sweep(draw, GRID, executor, time_limit=0.2)


@pytest.mark.parametrize(("batch", "stored"), [(1, False), (3, True)])
def test_a_point_that_kills_its_process_fails_alone(batch, stored, pool, tmp_path):
    make, store = functools.partial(draw, faults={7: "exit"}), Store(tmp_path / "data.zarr")
    with pytest.warns(UserWarning, match="points failed"):
        data = nh.sweep(make, GRID, pool, store.url if stored else None, batch)
    failures = assert_failed(data, GRID, [7])
    assert all(f["error"].startswith("the worker died 3 times: WorkerDied: it was killed by SIGK") for f in failures)
    if stored:
        assert store.retry() == 2
        assert_same_bits(nh.sweep(draw, GRID, store=store.url), reference())


def test_a_point_that_kills_its_process_stops_a_sweep_on_request(pool):
    from concurrent.futures import BrokenExecutor

    with pytest.raises(BrokenExecutor):
        nh.sweep(functools.partial(draw, faults={7: "exit"}), GRID, pool, batch=1, on_error="raise")


def test_the_first_point_may_kill_its_process(context, tmp_path):
    """It runs where the others do, so that the process that sweeps survives."""
    make = functools.partial(draw, faults={4: "exit"})
    options = {"processes": True, "threads": 1, "store": str(tmp_path / "data.zarr"), "batch": 1}
    sweeping = context.Process(target=functions.run, args=(make, GRID), kwargs=options)
    sweeping.start()
    sweeping.join(60)
    assert sweeping.exitcode == 0
    assert len(Store(tmp_path / "data.zarr").failures()) == 2


# ------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("executor", [None, "processes"])
def test_all_results_need_one_shape(executor, stored, pool, tmp_path):
    with pytest.raises(ValueError, match=r"'E' has the shape \(3,\) at {'h': 1.0, 'seed': 1}, but \(2,\) at the"):
        nh.sweep(
            functions.growing,
            {"h": [1.0], "seed": [0, 1]},
            pool if executor else None,
            tmp_path / "data.zarr" if stored else None,
            on_error="raise",
        )


def test_results_are_not_rounded_to_the_type_of_the_first():
    over = {"h": [1.0], "seed": list(range(10))}
    exact = [functions.rounded(1.0, seed).run()["rounded"].item() for seed in over["seed"]]
    assert any(value == 0 for value in exact)
    start = next(k for k, value in enumerate(exact) if value == 0)
    over["seed"] = over["seed"][start:] + over["seed"][:start]
    with pytest.raises(ValueError, match=r"'rounded' at .* has the type float64, but at the first point it has int64"):
        nh.sweep(functions.rounded, over, on_error="raise")
    with pytest.warns(UserWarning, match="points failed"):
        data = nh.sweep(functions.rounded, over)
    values = exact[start:] + exact[:start]
    np.testing.assert_array_equal(data["rounded"].values[0], [0 if value == 0 else np.nan for value in values])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch = 0, but it must be 'auto' or at least 1"),
        ({"batch": -3}, "batch = -3"),
        ({"batch": 2.5}, "batch = 2.5"),
        ({"batch": "big"}, "batch = 'big'"),
        ({"on_error": "ignore"}, "on_error = 'ignore', but it must be 'record' or 'raise'"),
        ({"time_limit": 0}, "time_limit = 0, but it must be positive"),
        ({"time_limit": -1.0}, "time_limit = -1.0"),
        ({"time_limit": float("nan")}, "time_limit = nan"),
    ],
)
def test_refused_options(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        nh.sweep(draw, GRID, store=tmp_path / "data.zarr", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("over", "error", "message"),
    [
        ({}, ValueError, "over = {}"),
        ({"h": []}, ValueError, r"over\['h'\] = \[\], but it must be not empty"),
        ({"seed": range(0)}, ValueError, r"over\['seed'\] = \[\]"),
        ({"seed": [1, 1.0]}, ValueError, "without repetitions"),
        ({"field": [1.0]}, TypeError, "make does not take the axes field"),
        ({"h": "abc"}, TypeError, r"over\['h'\] = 'abc'"),
        ({"h": None}, TypeError, r"over\['h'\] = None"),
    ],
)
def test_refused_grids(over, error, message, tmp_path):
    def make(h: float = 1.0, seed: int = 0) -> Any:
        raise AssertionError("nothing may run")

    with pytest.raises(error, match=message):
        nh.sweep(make, over, store=tmp_path / "data.zarr")
    assert list(tmp_path.iterdir()) == []


def test_an_iterator_loses_no_coordinate():
    try:
        data = nh.sweep(draw, {"seed": iter([4, 0, 7])})
    except TypeError:
        return
    assert data["seed"].values.tolist() == [4, 0, 7]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda h, seed: draw(h, seed), "make can't be sent to another process"),
        (functools.partial(lambda h, seed: draw(h, seed)), "the function in make can't be sent"),
        (functools.partial(draw, log=lambda: 0), "the argument 'log' of make can't be sent"),
        (functools.partial(draw, 1.0, 0, lambda: 0), "argument .*of make can't be sent"),
    ],
    ids=["function", "function of partial", "argument", "argument by place"],
)
def test_other_processes_need_what_can_be_sent(make, message, pool):
    over = {"pause": [0.0, 0.001]} if getattr(make, "args", ()) else GRID
    with pytest.raises(TypeError, match=message):
        nh.sweep(make, over, pool)


def test_any_executor_may_be_used_again(pool):
    for executor in (pool, None):
        assert isinstance(executor, Executor | None)
        assert_same_bits(nh.sweep(draw, GRID, executor), reference())


# ------------------------------------------------------------------------------------------------------- long points


def test_a_point_that_does_not_come_back_from_a_library_is_killed(context, tmp_path):
    over = {"h": [1.0], "seed": [0, 1, 2, 3]}
    with (
        ProcessPoolExecutor(2, mp_context=context) as executor,
        pytest.warns(UserWarning, match=r"1 point failed; .*'seed': 1.*TimeoutError: took longer than time_limit"),
    ):
        data = nh.sweep(functions.stubborn, over, executor, tmp_path / "data.zarr", 1, time_limit=0.5)
    assert np.isnan(data["total"].values).tolist() == [[False, True, False, False]]


@pytest.mark.parametrize("processes", [False, True])
def test_long_points_go_on_after_kill_9(processes, context, tmp_path):
    """No step that a checkpoint holds is made twice, and the results are those of an undisturbed sweep."""
    log, store, over = tmp_path / "log", tmp_path / "data.zarr", {"seed": [0, 1]}
    make = functools.partial(functions.quench, log=log)
    options = {"store": store, "checkpoint_every": 0.05, "batch": 1, "progress": False}
    for _ in range(2):
        before = logged(log).total()
        process = context.Process(
            target=functions.run, args=(make, over, 2 * processes, processes), kwargs=options, daemon=False
        )
        process.start()
        await_points(log, before + 12)
        for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            child.kill()
        process.join()
    assert not store.exists() or (Store(store).status() != DONE).any()
    data = nh.sweep(make, over, store=store, checkpoint_every=0.05, batch=1)
    steps = logged(log)
    assert set(steps) == {(float(k), seed) for k in range(20) for seed in (0, 1)}
    assert steps.total() <= 40 + 2 * 2 * 5, "at most what fits between two checkpoints of each point, for each kill"
    undisturbed = nh.sweep(functools.partial(functions.quench, log=tmp_path / "other", pause=0.0), over)
    assert_same_bits(data, undisturbed)
    assert list((tmp_path / "data.zarr.checkpoints").iterdir()) == []


def test_short_points_leave_no_checkpoints(tmp_path):
    make = functools.partial(functions.quench, log=tmp_path / "log", pause=0.0)
    nh.sweep(make, {"seed": range(5)}, store=tmp_path / "data.zarr")
    assert not (tmp_path / "data.zarr.checkpoints").exists()


def test_what_a_region_has_finished_is_kept_when_a_point_stops_the_sweep(tmp_path):
    log, store = tmp_path / "log", Store(tmp_path / "data.zarr")
    make = functools.partial(draw, log=log, faults={7: "raise"})
    with pytest.raises(ArithmeticError, match="no luck with seed 7"):
        nh.sweep(make, GRID, store=store.url, batch=5, on_error="raise")
    assert store.status().tolist() == [[1, 1, 0, 0, 0], [0, 0, 0, 0, 0]]


def test_the_first_points_run_at_once_and_count(context, tmp_path):
    """They may take hours, so that no worker waits for the form of the results, and none is run again."""
    make = functools.partial(functions.meeting, log=tmp_path / "log", together=2)
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        nh.sweep(make, {"h": [0.5], "seed": [0, 1]}, executor, tmp_path / "data.zarr", on_error="raise")
    assert logged(tmp_path / "log") == {(0.5, 0): 1, (0.5, 1): 1}


def test_coordinates_must_be_finite():
    with pytest.raises(ValueError, match=r"over\['h'\] = \[1.0, nan\], but it must be finite"):
        nh.sweep(draw, {"h": [1.0, float("nan")]})


@pytest.mark.parametrize("every", [0, -1.0])
def test_the_interval_of_checkpoints_must_be_positive(every):
    with pytest.raises(ValueError, match=f"checkpoint_every = {every}, but it must be positive"):
        nh.sweep(draw, GRID, checkpoint_every=every)
