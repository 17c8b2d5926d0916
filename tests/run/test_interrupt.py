"""Ctrl-C ends with one sentence on what is kept; workers that can't do what was asked for end with one too."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mpsnh as nh
from mpsnh.run.store import DONE, Store
from mpsnh.run.workers import Workers
from tests.support.comparison import assert_same_bits
from tests.support.sweep_functions import draw

ROOT = Path(__file__).parents[2]


def started(script, *options):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, options)],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


SLOW = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have background jobs ignore it
import mpsnh as nh
from tests.support import sweep_functions as functions

make = functions.functools.partial(functions.draw, pause=0.05)

if __name__ == "__main__":
    nh.sweep(make, {"seed": range(300)}, store=sys.argv[1], workers=2, batch=10, progress=False)
"""


@pytest.mark.parametrize("all_processes", [True, False])
def test_ctrl_c_ends_a_sweep_and_its_workers(all_processes, tmp_path):
    """Sent to all processes, as a terminal does, or to one, as notebooks and schedulers may."""
    script, store = tmp_path / "slow.py", Store(tmp_path / "data.zarr")
    script.write_text(SLOW)
    with started(script, store.url) as process:
        until = time.monotonic() + 120
        while not (store.exists() and (store.status() == DONE).sum() > 10):
            assert time.monotonic() < until
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        (os.killpg if all_processes else os.kill)(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == -signal.SIGINT
    done = int((store.status() == DONE).sum())
    kept = f"{done} of 300 points are in {store.url}, and the same call goes on from there"
    assert said[-1] == f"KeyboardInterrupt: stopped by Ctrl-C: {kept}"
    assert len(said) <= 6, "the call, the raise and the sentence"
    assert 10 < done < 300


def test_ctrl_c_is_silent_in_workers_that_still_import_the_script(tmp_path):
    script = tmp_path / "slow.py"
    pause = 'if __name__ != "__main__":\n    open(f"{sys.argv[1]}.{os.getpid()}", "w").close()\n    time.sleep(2)\n\nif'
    script.write_text("import os, time\n" + SLOW.replace("if", pause, 1))
    with started(script, tmp_path / "imported") as process:
        until = time.monotonic() + 120
        while len(list(tmp_path.glob("imported.*"))) < 2:
            assert time.monotonic() < until
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == -signal.SIGINT
    assert said[-1].startswith("KeyboardInterrupt: stopped by Ctrl-C: no point was finished")
    assert len(said) <= 6, "the call, the raise and the sentence"


def test_ctrl_c_keeps_what_a_region_has_finished(tmp_path):
    def make(seed):
        if seed == 7 and impatient:
            signal.raise_signal(signal.SIGINT)
        return draw(seed=seed)

    over, place = {"seed": range(12)}, tmp_path / "data.zarr"
    impatient = True
    with pytest.raises(KeyboardInterrupt, match=rf"Ctrl-C: 7 of 12 points are in {place}, and the same call goes on"):
        nh.sweep(make, over, store=place, batch=4)
    assert Store(place).status().sum() == 7 * DONE
    impatient = False
    assert_same_bits(nh.sweep(make, over, store=place), nh.sweep(draw, over))


def test_ctrl_c_keeps_the_points_that_ran_before_there_was_a_store(tmp_path):
    def make(seed):
        if seed == 1:
            signal.raise_signal(signal.SIGINT)
        return draw(seed=seed)

    with pytest.raises(KeyboardInterrupt, match="Ctrl-C: 1 of 12 points are in"):
        nh.sweep(make, {"seed": range(12)}, store=tmp_path / "data.zarr")


def interrupting(function):
    """A function at whose beginning Ctrl-C comes."""

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        return function(*arguments)

    return interrupted


def test_ctrl_c_twice_is_ctrl_c_once(tmp_path, monkeypatch):
    def make(seed):
        if seed == 7:
            monkeypatch.setattr(Store, "write", interrupting(Store.write))
            monkeypatch.setattr(Workers, "close", interrupting(Workers.close))
            signal.raise_signal(signal.SIGINT)
        return draw(seed=seed)

    with pytest.raises(KeyboardInterrupt, match="Ctrl-C: 7 of 12 points are in"):
        nh.sweep(make, {"seed": range(12)}, store=tmp_path / "data.zarr", batch=4)


def test_ctrl_c_at_the_end_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Workers, "close", interrupting(Workers.close))
    over = {"seed": range(4)}
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C: 4 of 4 points are in"):
        nh.sweep(draw, over, store=tmp_path / "data.zarr")
    data = nh.sweep(draw, over)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.undo()
    assert_same_bits(data, nh.sweep(draw, over))


def test_ctrl_c_without_a_store_or_checkpoint_names_it():
    class Impatient(nh.Observable[nh.Snapshot]):
        measures = nh.Snapshot

        def __call__(self, snapshot, model):
            if snapshot.time > 0.1:
                signal.raise_signal(signal.SIGINT)
            return 0.0

    def make(seed=0):
        algorithm = nh.algorithms.ExactEvolution(dt=0.1, t_max=0.3)
        return nh.Simulation(nh.models.NonHermitianXXZ(L=2), algorithm, {"x": Impatient()})

    with pytest.raises(KeyboardInterrupt, match="with a `store`, the same call would go on from there"):
        nh.sweep(make, {"seed": [0, 1]})
    with pytest.raises(KeyboardInterrupt, match="with a `checkpoint`, the same call would go on from there"):
        make().run()


def test_ctrl_c_in_a_run_says_what_is_kept(tmp_path):
    class Impatient(nh.Observable[nh.Snapshot]):
        measures = nh.Snapshot

        def __call__(self, snapshot, model):
            if snapshot.time > 0.15:
                raise KeyboardInterrupt
            return snapshot.time

    algorithm = nh.algorithms.ExactEvolution(dt=0.1, t_max=0.4)
    simulation = nh.Simulation(nh.models.NonHermitianXXZ(L=2), algorithm, {"x": Impatient()})
    place = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt, match=rf"Ctrl-C: 2 records are in {place}, and the same call goes on"):
        simulation.run(checkpoint=place)


WORKERS = {
    "no guard": (
        "nh.sweep(make, {'seed': range(4)}, workers=2, progress=False)\n",
        r"mpsnh.run.pool.UnfitError: each worker process imports the script, .* put the call below `if __name__ ==",
    ),
    "a value set below the guard": (
        "if __name__ == '__main__':\n    SPREAD = 2.0\n"
        "    nh.sweep(make, {'seed': range(4)}, workers=2, progress=False)\n",
        r"mpsnh.run.reference.WorkerError: a worker process computes something else than was asked for: at seed = 0 "
        r"a parameter of the algorithm is another one; .* hand such values to `make` by functools.partial",
    ),
}


@pytest.mark.parametrize("mistake", WORKERS)
def test_workers_that_can_not_do_what_was_asked_for(mistake, tmp_path):
    call, message = WORKERS[mistake]
    script = tmp_path / "study.py"
    script.write_text(
        "import mpsnh as nh\nfrom tests.support import sweep_functions as functions\nSPREAD = 1.0\n"
        "def make(seed):\n    return functions.draw(seed=seed, spread=SPREAD)\n" + call
    )
    with started(script) as process:
        said = process.communicate(timeout=120)[1].splitlines()
    assert process.returncode == 1
    assert re.fullmatch(message + ".*", said[-1]), said


def test_a_function_of_a_prompt_is_refused_for_workers():
    text = (
        "import mpsnh as nh\ndef make(seed):\n    pass\nnh.sweep(make, {'seed': range(4)}, workers=2, progress=False)\n"
    )
    done = subprocess.run([sys.executable, "-"], input=text, capture_output=True, text=True, timeout=120)
    assert done.stderr.splitlines()[-1].startswith("TypeError: make is written at a prompt or in a notebook")
