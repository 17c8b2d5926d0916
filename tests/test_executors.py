"""Sweeps on executors of other packages: dask and MPI give the same bits."""

import functools
import importlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

import mpsnh as nh
from mpsnh.store import DONE, Store

functions = importlib.import_module("sweep_functions")
GRID = {"h": [0.5, 2.0], "seed": list(range(10))}


def assert_same_bits(a, b):
    assert a.identical(b)
    assert all(a[name].values.tobytes() == b[name].values.tobytes() for name in a.data_vars)


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as connected,
    ):
        yield connected


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


SCRIPT = """
import sys
import mpsnh as nh
from mpi4py.futures import MPIPoolExecutor
import sweep_functions as functions

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
        "PYTHONPATH": str(Path(__file__).parent),
    }
    command = [mpirun, "-n", "3", sys.executable, "-m", "mpi4py.futures", "script.py", str(tmp_path / "data.zarr")]
    run = subprocess.run(
        command, cwd=tmp_path, env=os.environ | allowed, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "the same" in run.stdout


def test_a_point_that_kills_every_dask_worker_is_recorded_alone(client, tmp_path):
    make = functools.partial(functions.draw, faults={4: "exit"})
    with pytest.warns(UserWarning, match=r"1 points failed; the first is .*'seed': 4.*the worker died: KilledWorker"):
        nh.sweep(make, {"h": [0.5], "seed": range(7)}, client.get_executor(), store=tmp_path / "data.zarr", batch=3)
    assert Store(tmp_path / "data.zarr").status().tolist() == [[1, 1, 1, 1, 2, 1, 1]]
