"""Worker processes die, hang, can't start or lose the process behind them, and a sweep loses nothing but a point."""

import functools
import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.run.pool import TRIES, Pool, WorkerDied
from tests.support import hostile
from tests.support.comparison import assert_same_bits
from tests.support.processes import all_end, workers_of
from tests.support.sweep_functions import draw, logged

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server():
    return multiprocessing.get_context("forkserver")


@pytest.fixture
def pool(server):
    with Pool(2, server) as made:
        yield made


# ------------------------------------------------------------------------------------------------ the pool by itself


def test_a_pool_is_an_executor(pool):
    assert list(pool.map(divmod, [7, 8], [2, 3])) == [(3, 1), (2, 2)]
    assert pool.submit(sorted, [1, 2], reverse=True).result() == [2, 1]
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result()


@pytest.mark.parametrize("size", [10, 10**5, 10**7])
def test_a_worker_killed_while_it_sends_is_seen(size, pool):
    """A pipe holds 64 kB, so that the rest of a larger result never comes."""
    with pytest.raises(WorkerDied, match="killed by SIGKILL"):
        pool.submit(hostile.killed_while_sending, size).result()
    assert len(pool.submit(bytes, size).result()) == size


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_killed_workers_hold_up_nobody(method):
    others = workers_of()  # such as those of other packages
    with Pool(2, multiprocessing.get_context(method)) as pool:
        assert pool.submit(abs, -1).result() == 1
        for worker in set(workers_of()) - set(others):
            worker.kill()
        assert [pool.submit(abs, -k).result() for k in range(4)] == [0, 1, 2, 3]
        mine = set(workers_of()) - set(others)
    assert all_end(mine, 0)


def test_what_can_not_be_sent_is_an_error_of_its_own(pool):
    for task in (hostile.unpicklable_result, hostile.unpicklable_error, hostile.unreadable_error):
        with pytest.raises(Exception, match=r"sent|Unpicklable|Unreadable"):
            pool.submit(task).result()
    assert pool.submit(abs, -1).result() == 1


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_a_failing_initializer_ends_it_at_once(method):
    with (
        Pool(2, multiprocessing.get_context(method), hostile.failing_initializer) as pool,
        pytest.raises(RuntimeError, match="its initializer fails: OSError: no licence"),
    ):
        pool.submit(abs, -1).result()


def test_workers_that_always_die_when_they_start_end_it(server):
    with (
        Pool(2, server, hostile.killing_initializer) as pool,
        pytest.raises(RuntimeError, match=f"before it could run anything, {TRIES} times in a row: it was killed by"),
    ):
        pool.submit(abs, -1).result()
    with Pool(1, server, os._exit, (3,)) as pool, pytest.raises(RuntimeError, match="it ended with exit code 3"):
        pool.submit(abs, -1).result()


def test_a_forked_worker_holds_no_pipe_of_another():
    with Pool(3, multiprocessing.get_context("fork")) as pool:
        for future in [pool.submit(time.sleep, 0.05) for _ in range(6)]:
            future.result()
        first = pool._workers.pop(0)
        first.connection.close()
        first.process.join(20)  # it ends at the end of its pipe, which no other may keep open
        assert first.process.exitcode == 0
        assert pool.submit(abs, -1).result() == 1


def test_one_sweep_at_a_time_uses_a_pool(pool):
    pool.lease.acquire()
    with pytest.raises(ValueError, match="another sweep uses"):
        nh.sweep(draw, {"seed": [0]}, pool)


# ------------------------------------------------------------------------------------------------- sweeps on a pool


def failed(data):
    return {failure["point"]["seed"]: failure["error"] for failure in json.loads(data.attrs.get("failures", "[]"))}


@pytest.mark.parametrize(
    ("batch", "workers", "method"), [(1, 1, "forkserver"), (6, 1, "fork"), (6, 4, "forkserver"), (1, 4, "fork")]
)
def test_points_that_kill_their_workers_fail_alone(batch, workers, method, server, tmp_path):
    log = tmp_path / "log"
    make = functools.partial(draw, faults={4: "exit", 5: "exit", 9: "exit"}, log=log)
    executor = ProcessPoolExecutor(workers, server if method == "forkserver" else multiprocessing.get_context(method))
    with executor, pytest.warns(UserWarning, match="3 points failed"):
        data = nh.sweep(make, {"seed": range(12)}, executor, batch=batch)
    good = [seed for seed in range(12) if seed not in (4, 5, 9)]
    assert_same_bits(data.sel(seed=good).drop_attrs(), nh.sweep(draw, {"seed": good}).drop_attrs())
    assert set(failed(data)) == {4, 5, 9}
    assert all(text.startswith(f"the worker died {TRIES} times: ") for text in failed(data).values())
    ran = logged(log)
    assert all(ran[1.0, seed] == TRIES for seed in (4, 5, 9))
    assert all(ran[1.0, seed] <= 1 + (batch > 1) for seed in good), "the innocent run once more with their batch"


@pytest.mark.parametrize("stored", [False, True])
def test_late_points_are_killed_alone_and_once(stored, server, tmp_path):
    log = tmp_path / "log"
    make = functools.partial(draw, faults={0: "hang", 7: "hang"}, log=log)
    store = tmp_path / "data.zarr" if stored else None
    with Pool(2, server) as pool, pytest.warns(UserWarning, match="2 points failed"):
        data = nh.sweep(make, {"seed": range(12)}, pool, store, batch=4, time_limit=0.5)
    assert failed(data) == dict.fromkeys((0, 7), "TimeoutError: took longer than time_limit = 0.5 s")
    assert logged(log)[1.0, 0] == logged(log)[1.0, 7] == 1
    with Pool(2, server) as pool, pytest.raises(TimeoutError, match=r"took longer than time_limit = 0.5 s"):
        nh.sweep(make, {"seed": range(12)}, pool, batch=4, time_limit=0.5, on_error="raise")


def test_neither_imports_nor_compilation_count_as_time(server, tmp_path):
    (tmp_path / "slow_to_load.py").write_text("import time\ntime.sleep(1.2)\n")
    make = functools.partial(hostile.loading, folder=str(tmp_path))
    with Pool(1, server) as pool:
        data = nh.sweep(make, {"seed": [0, 1]}, pool, batch=1, time_limit=0.6)
    assert failed(data) == {}


def test_a_sweep_that_is_stopped_leaves_no_worker(server):
    make, others = functools.partial(draw, faults={3: "raise"}, pause=0.05), workers_of()
    with Pool(2, server) as pool:
        with pytest.raises(ArithmeticError):
            nh.sweep(make, {"seed": range(40)}, pool, batch=1, on_error="raise")
        assert_same_bits(nh.sweep(draw, {"seed": range(5)}, pool), nh.sweep(draw, {"seed": range(5)}))
    assert set(workers_of()) <= set(others)


def test_results_in_flight_are_few(pool):
    """By default a task has at most 16 MiB of them, however short its points are."""
    data = nh.sweep(hostile.large, {"seed": range(40)}, pool)
    np.testing.assert_array_equal(data["block"][:, 0], np.arange(40))


SCRIPT = """
import functools, sys, multiprocessing
import mpsnh as nh
from concurrent.futures import ProcessPoolExecutor
from tests.support import sweep_functions as functions

if __name__ == "__main__":
    log, kind = sys.argv[1:]
    make, time_limit = functools.partial(functions.draw, log=log, pause=0.05), None
    if kind == "stubborn":
        make, time_limit = functools.partial(functions.stubborn, log=log), 100
    context = multiprocessing.get_context("spawn" if kind == "stubborn" else kind)
    context.set_forkserver_preload(["tests.support.sweep_functions"])
    with ProcessPoolExecutor(2, context) as executor:
        nh.sweep(make, {"h": [1.0], "seed": range(500)}, executor, progress=False, batch=1, time_limit=time_limit)
"""


@pytest.mark.parametrize("kind", ["fork", "spawn", "forkserver", "stubborn"])
def test_workers_end_with_the_process_behind_them(kind, tmp_path):
    """Whatever they are at: also inside of a library that holds the interpreter."""
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py", str(tmp_path / "log"), kind]
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    until = time.monotonic() + 50
    while not logged(tmp_path / "log")[1.0, 1 if kind == "stubborn" else 5]:
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(0.5 if kind == "stubborn" else 0)
    orphans = workers_of(process.pid)
    process.kill()
    process.wait()
    assert len(orphans) >= 2
    assert all_end(orphans, 10)


def test_workers_that_can_not_import_the_script_end_the_sweep(tmp_path):
    (tmp_path / "script.py").write_text(
        "if __name__ != '__main__':\n    raise ImportError('not here')\n"
        "import mpsnh as nh\nfrom tests.support.sweep_functions import draw\n"
        "def make(seed):\n    return draw(seed=seed)\n"
        "if __name__ == '__main__':\n    nh.sweep(make, {'seed': range(1000)}, workers=2, progress=False)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "script.py"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=50)
    assert re.match(
        r"mpsnh.run.pool.UnfitError: a worker process died before it could run .*code 1;", run.stderr.splitlines()[-1]
    )
    assert run.stderr.count("ImportError: not here") <= 2
