"""Sweeps on executors of other packages: dask, a queue and MPI give the same bits, and a lost scheduler no loss."""

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

import mpsnh as nh
from mpsnh.run.store import DONE, Store
from tests.support import sweep_functions as functions
from tests.support.comparison import assert_same_bits

ROOT = Path(__file__).parents[2]
"""Where the other processes find `tests.support`."""

GRID = {"h": [0.5, 2.0], "seed": list(range(10))}


@contextlib.contextmanager
def connected(**options):
    """Yield a client of two workers, or another number of them, on this machine."""
    distributed, dask = pytest.importorskip("distributed"), pytest.importorskip("dask")
    patience = {"scheduler.allowed-failures": 1, "deploy.lost-worker-timeout": "10 minutes"}
    local = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    with (
        warnings.catch_warnings(),
        dask.config.set({f"distributed.{name}": value for name, value in patience.items()}),
        distributed.LocalCluster(**local | options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    with connected() as client:
        yield client


def test_dask_gives_the_same_bits_in_memory(client):
    assert_same_bits(nh.sweep(functions.draw, GRID, client.get_executor()), nh.sweep(functions.draw, GRID))


def test_dask_gives_the_same_bits_in_a_store(client, tmp_path):
    place = tmp_path / "data.zarr"
    stored = nh.sweep(functions.draw, GRID, client.get_executor(), store=place, batch=3)
    assert_same_bits(stored, nh.sweep(functions.draw, GRID))
    assert (Store(place).status() == DONE).all()


def test_a_dask_worker_that_is_killed_costs_nothing(client, tmp_path):
    log, place = tmp_path / "log", tmp_path / "data.zarr"
    victim = next(iter(client.run(os.getpid).values()))

    def kill():
        while len(functions.logged(log)) < 3:
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    make = functools.partial(functions.draw, log=log, pause=0.05)
    stored = nh.sweep(make, GRID, client.get_executor(), store=place, batch=3)
    killer.join()
    assert_same_bits(stored, nh.sweep(functions.draw, GRID))
    assert victim not in client.run(os.getpid).values()


@pytest.mark.long
def test_dask_workers_that_are_all_killed_twice_cost_nothing(client, tmp_path):
    """Dask gives up tasks that had no part in it; a task that is sent again must not get the error it had before."""
    log, place, over = tmp_path / "log", tmp_path / "data.zarr", {"h": [1.0], "seed": range(6)}

    def kill():
        for number in (4, 6):
            while functions.logged(log).total() < number:
                time.sleep(0.01)
            for victim in client.run(os.getpid).values():
                os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    make = functools.partial(functions.draw, log=log, pause=0.5)
    stored = nh.sweep(make, over, client.get_executor(), store=place, batch=1)
    killer.join()
    assert_same_bits(stored, nh.sweep(functions.draw, over))


@pytest.mark.long
def test_a_point_that_kills_every_dask_worker_is_recorded_alone(client, tmp_path):
    make = functools.partial(functions.draw, faults={4: "exit"})
    with pytest.warns(
        UserWarning, match=r"1 point failed; the first is .*'seed': 4.*the worker died 3 times: KilledWorker"
    ):
        nh.sweep(make, {"h": [0.5], "seed": range(7)}, client.get_executor(), store=tmp_path / "data.zarr", batch=3)
    assert Store(tmp_path / "data.zarr").status().tolist() == [[1, 1, 1, 1, 2, 1, 1]]


def test_dask_over_tls_gives_the_same_bits(tmp_path):
    pytest.importorskip("cryptography")
    security = pytest.importorskip("distributed").Security.temporary()
    with connected(security=security, protocol="tls://", n_workers=1) as client:
        addresses = [client.scheduler.address, *client.run(os.getpid)]
        assert all(address.startswith("tls://127.0.0.1:") for address in addresses)
        stored = nh.sweep(functions.draw, GRID, client.get_executor(), store=tmp_path / "data.zarr", batch=3)
    assert_same_bits(stored, nh.sweep(functions.draw, GRID))


# ------------------------------------------------------------------------------------------- a scheduler that dies


@pytest.fixture
def start(tmp_path):
    """A function that starts a scheduler and a worker of two threads as processes, and returns a client of them."""
    distributed = pytest.importorskip("distributed")
    file, folder = str(tmp_path / "scheduler.json"), str(ROOT)
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}

    def process(kind, *options):
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", file, "--no-dashboard"]
        with (tmp_path / "processes.log").open("a") as output:
            started = subprocess.Popen([*command, *options], env=environment, stdout=output, stderr=output)
        held.callback(started.wait)
        held.callback(started.kill)
        return started

    def start(*options, timeout=10):
        scheduler = process("scheduler", "--host", "127.0.0.1", "--port", "0", *options)
        process("worker", "--nthreads", "2", "--no-nanny", "--local-directory", str(tmp_path))
        # the timeout also holds for a scheduler that is lost
        client = distributed.Client(scheduler_file=file, timeout=timeout, set_as_default=False)
        held.callback(client.close, timeout=1)
        client.wait_for_workers(1)
        return scheduler, client

    with contextlib.ExitStack() as held:
        yield start


def kill_scheduler(start, make, over, log, store, points, seconds, **options):
    """Kill the scheduler some time after a number of points has begun; return how often each point had run then."""
    scheduler, client = start(**options)

    def kill():
        while functions.logged(log).total() < points:
            time.sleep(0.002)
        time.sleep(seconds)
        scheduler.kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(BrokenExecutor, match="the executor dropped its tasks"):
        nh.sweep(make, over, client.get_executor(), store=store.url, batch=3)
    assert scheduler.wait() == -signal.SIGKILL


@pytest.mark.long
@pytest.mark.parametrize("again", ["here", "threads", "dask"])
def test_a_sweep_whose_scheduler_is_killed_continues(again, start, request, tmp_path):
    rng = np.random.default_rng(["here", "threads", "dask"].index(again))
    log, store, over = tmp_path / "log", Store(tmp_path / "data.zarr"), {"h": [0.5, 2.0], "seed": list(range(21))}
    make = functools.partial(functions.draw, log=log, pause=0.05)
    kill_scheduler(start, make, over, log, store, int(rng.integers(5, 30)), 0.05 * rng.random())
    before = functions.logged(log)
    points = [(h, seed) for h in over["h"] for seed in over["seed"]]
    kept = {point for point, status in zip(points, store.status().flat, strict=True) if status == DONE}
    assert len(before.keys() - kept) <= 2 * 3, "what two threads were at"
    with ThreadPoolExecutor(2) as pool:
        executor = {"here": None, "threads": pool}
        executor = request.getfixturevalue("client").get_executor() if again == "dask" else executor[again]
        data = nh.sweep(make, over, executor, store=store.url)
    assert_same_bits(data, nh.sweep(functions.draw, over))
    assert (store.status() == DONE).all()
    after = functions.logged(log)
    assert all(after[point] == before[point] for point in kept)
    del after[points[0]]  # which also tells form and time
    assert after.keys() == set(points[1:])
    assert sum(after.values()) - len(after) <= 2 * 3


def test_a_scheduler_that_is_killed_before_the_first_task_stops_the_sweep(start, tmp_path):
    log, store = tmp_path / "log", Store(tmp_path / "data.zarr")
    make = functools.partial(functions.draw, log=log, pause=0.1)
    kill_scheduler(start, make, GRID, log, store, points=1, seconds=0, timeout=2)
    assert not store.exists() or not store.status().any()
    assert_same_bits(nh.sweep(make, GRID, store=store.url), nh.sweep(functions.draw, GRID))


PRELOAD = """
import os, signal

def dask_setup(scheduler):
    gather = scheduler.handlers["gather"]

    async def killing(**options):
        with open("{log}") as log:
            if len(set(log)) == 20:
                os.kill(os.getpid(), signal.SIGKILL)
        return await gather(**options)

    scheduler.handlers["gather"] = killing
"""


def test_a_scheduler_that_dies_with_the_last_result_in_its_hands_stops_the_sweep(start, tmp_path):
    """No future of dask's executor tells of this."""
    log, place = tmp_path / "log", tmp_path / "data.zarr"
    (tmp_path / "preload.py").write_text(PRELOAD.format(log=log))
    scheduler, client = start("--preload", str(tmp_path / "preload.py"))
    make = functools.partial(functions.draw, log=log)
    with pytest.raises(BrokenExecutor, match="the executor dropped its tasks"):
        nh.sweep(make, GRID, client.get_executor(), store=place, batch=20)
    assert scheduler.wait() == -signal.SIGKILL
    before = functions.logged(log)
    assert_same_bits(nh.sweep(make, GRID, store=place), nh.sweep(functions.draw, GRID))
    assert functions.logged(log) == before


# ---------------------------------------------------------------------------------------------- a cluster with SLURM

SBATCH = """#!/bin/sh
setsid sh -c "$(cat "$1")" > "$0.$$.out" 2>&1 < /dev/null &
echo $! >> "$0.jobs"
echo "Submitted batch job $!"
"""

SCANCEL = """#!/bin/sh
for job in "$@"; do echo "$job" >> "$0.jobs"; kill -- "-$job"; done
"""

STUDY = """
import functools
import sys
import mpsnh as nh
from tests.support import sweep_functions as functions

realisation = functools.partial(functions.draw, log=sys.argv[1])
over = {"h": [0.5, 2.0], "seed": list(range(10))}
"""


def recipe(word):
    """Return the code of the page on ensembles that has a word in it."""
    page = (ROOT / "docs" / "ensembles.md").read_text(encoding="utf-8")
    (block,) = (block for block in re.findall(r"^```py\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if word in block)
    return block


@pytest.fixture
def slurm(tmp_path):
    """A folder with commands of SLURM that run jobs on this machine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"sbatch": SBATCH, "scancel": SCANCEL}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
        (folder / f"{name}.jobs").touch()
    before = signal.getsignal(signal.SIGINT)
    yield folder
    signal.signal(signal.SIGINT, before)  # which dask_jobqueue changes when it is imported
    for job in (folder / "sbatch.jobs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(job), signal.SIGKILL)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="needs setsid")
def test_the_recipe_for_slurm_gives_the_same_bits(slurm, tmp_path):
    for name in ("dask_jobqueue", "cryptography"):
        pytest.importorskip(name)
    log, place, folder = tmp_path / "log", tmp_path / "gaps.zarr", tmp_path / "tls"
    folder.mkdir(mode=0o700)
    code = STUDY + recipe("SLURMCluster(")
    here = {"ib0": "lo", "jobs=50": "jobs=2", "/scratch/gaps.zarr": str(place), "/home/me/.dask-tls": str(folder)}
    for there, local in here.items():
        assert there in code
        code = code.replace(there, local)
    (tmp_path / "study.py").write_text(code)
    paths = {"PATH": f"{slurm}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "study.py", str(log)]
    run = subprocess.run(
        command, cwd=tmp_path, env=os.environ | paths, capture_output=True, text=True, timeout=100, check=False
    )
    assert run.returncode == 0, run.stderr
    before = functions.logged(log)
    assert (Store(place).status() == DONE).all()
    stored = nh.sweep(functools.partial(functions.draw, log=log), GRID, store=place)
    assert functions.logged(log) == before
    assert_same_bits(stored, nh.sweep(functions.draw, GRID))
    submitted, cancelled = ((slurm / f"{name}.jobs").read_text().split() for name in ("sbatch", "scancel"))
    assert len(submitted) == 2
    assert sorted(cancelled) == sorted(submitted)
    running = [psutil.Process(int(job)) for job in submitted if psutil.pid_exists(int(job))]
    assert not psutil.wait_procs(running, timeout=20)[1]
    assert list(folder.iterdir()) == [], "keys are left behind"


# ------------------------------------------------------------------------------------------------------------- MPI

SCRIPT = """
import sys
import mpsnh as nh
from mpi4py.futures import MPIPoolExecutor
from tests.support import sweep_functions as functions

if __name__ == "__main__":
    grid = {"h": [0.5, 2.0], "seed": list(range(10))}
    with MPIPoolExecutor() as pool:
        in_memory = nh.sweep(functions.draw, grid, pool)
        stored = nh.sweep(functions.draw, grid, pool, store=sys.argv[1], batch=3)
        assert pool.num_workers == 2
    here = nh.sweep(functions.draw, grid)
    assert in_memory.identical(here) and stored.identical(here)
    print("the same")
"""


def test_mpi_gives_the_same_bits(tmp_path):
    pytest.importorskip("mpi4py")
    mpirun = shutil.which("mpirun", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if mpirun is None:
        pytest.skip("there is no mpirun")
    (tmp_path / "script.py").write_text(SCRIPT)
    allowed = {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",  # a test may use more processes than cores
        "PYTHONPATH": str(ROOT),
    }
    command = [mpirun, "-n", "3", sys.executable, "-m", "mpi4py.futures", "script.py", str(tmp_path / "data.zarr")]
    run = subprocess.run(
        command, cwd=tmp_path, env=os.environ | allowed, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "the same" in run.stdout
