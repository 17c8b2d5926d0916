"""Points that end in every way there is have failed, with a sentence, and nothing else has, on every executor."""

import contextlib
import functools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.run.pool import Pool
from mpsnh.run.store import DONE, Store
from tests.support import hostile
from tests.support.comparison import assert_same_bits
from tests.support.sweep_functions import draw

ROOT = Path(__file__).parents[2]
OVER = {"seed": list(range(6))}


@pytest.fixture(scope="module", params=["serial", "threads", "fork", "forkserver", "dask"])
def executor(request):
    with contextlib.ExitStack() as held:
        if request.param == "serial":
            yield None
        elif request.param == "threads":
            yield held.enter_context(ThreadPoolExecutor(2))
        elif request.param == "dask":
            distributed = pytest.importorskip("distributed")
            local = {"processes": False, "n_workers": 1, "threads_per_worker": 2, "dashboard_address": "127.0.0.1:0"}
            client = held.enter_context(distributed.Client(set_as_default=False, **local))
            yield client.get_executor()
        else:
            yield held.enter_context(Pool(2, multiprocessing.get_context(request.param)))


def error_of(data):
    ((failure),) = json.loads(data.attrs["failures"])
    assert failure["point"] == {"seed": 3}
    return failure["error"]


@pytest.mark.parametrize("kind", hostile.ENDS)
def test_whatever_a_point_raises_is_recorded(kind, executor, tmp_path):
    said = {
        "sys.exit": "PointError: SystemExit: 0 (raised by a point, which ends nothing else)",
        "GeneratorExit": "PointError: GeneratorExit: ",
        "KeyboardInterrupt": "PointError: KeyboardInterrupt: ",
        "BaseException": "PointError: BaseException: base",
        "speechless": "SpeechlessError, whose message raises ValueError",
        "surrogate": "ValueError: \\udcff",
        "endless": "ValueError: xxx",
    }
    make = functools.partial(hostile.ending, kind=kind)
    for store in (None, tmp_path / "data.zarr"):
        with pytest.warns(UserWarning, match="1 point failed"):
            data = nh.sweep(make, OVER, executor, store, batch=2)
        assert error_of(data).startswith(said.get(kind, ""))
        good = [0, 1, 2, 4, 5]
        assert_same_bits(data.sel(seed=good).drop_attrs(), nh.sweep(draw, {"seed": good}).drop_attrs())


@pytest.mark.parametrize("at", [0, 1])
def test_the_first_points_may_end_so_too(at, executor):
    make = functools.partial(hostile.ending, kind="sys.exit", at=at)
    with pytest.warns(UserWarning, match="1 point failed; the first is .*SystemExit: 0"):
        nh.sweep(make, OVER, executor)


def test_all_points_may_be_speechless(executor):
    with pytest.raises(ValueError, match=r"every point of the grid failed, the last one with .*Speechless"):
        nh.sweep(functools.partial(hostile.ending, kind="speechless", at=0), {"seed": [0]}, executor)


def test_sweeps_that_stop_at_the_first_failure_say_which(executor):
    for kind, kept in {"sys.exit": "SystemExit: 0", "unpicklable": "here", "unreadable": "1"}.items():
        with pytest.raises(Exception, match=kept):
            nh.sweep(functools.partial(hostile.ending, kind=kind), OVER, executor, batch=2, on_error="raise")


def test_another_form_is_a_failure_of_one_point(executor, tmp_path):
    for store in (None, tmp_path / "data.zarr"):
        with pytest.warns(UserWarning, match="1 point failed"):
            data = nh.sweep(hostile.growing, OVER, executor, store, batch=2)
        assert "FormError: the result 'E' has the shape (2,) at {'seed': 3}, but (3,) at" in error_of(data)
        assert np.isfinite(data["E"].sel(seed=[0, 1, 2, 4, 5])).all()


# ------------------------------------------------------------------------------------------------------- the screen


class Gone:
    """A file whose reader has gone, or whose disk is full."""

    def __init__(self, after=0):
        self.left = after

    def isatty(self):
        return False

    def write(self, text):
        self.left -= 1
        if self.left < 0:
            raise BrokenPipeError(32, "Broken pipe")

    def flush(self):
        self.write("")


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_screen_that_breaks_stops_nothing(after, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Gone(after))
    data = nh.sweep(draw, OVER, progress=True)
    monkeypatch.undo()
    with ThreadPoolExecutor(1) as other:  # which must not wait for a lock that was left behind
        assert_same_bits(data, other.submit(nh.sweep, draw, OVER, progress=True).result(timeout=60))


SCRIPT = """
import sys
import mpsnh as nh
from tests.support import hostile
import multiprocessing
from mpsnh.run.pool import Pool

if __name__ == "__main__":
    if sys.argv[2] == "closed by Python":
        sys.stderr.close()
    with Pool(2, multiprocessing.get_context("fork")) as pool:
        nh.sweep(hostile.ending, {"seed": range(6)}, pool, store=sys.argv[1])
        nh.sweep(hostile.ending, {"seed": range(6)}, pool)
    print("done")
"""


@pytest.mark.parametrize("how", ["2>&-", "2>/dev/full", "closed by Python", "2> >(exit)", "<&- 2>&-"])
def test_no_screen_at_all(how, tmp_path):
    """Failures are warnings, which have nowhere to go either."""
    (tmp_path / "script.py").write_text(SCRIPT)
    redirected = how if "&" in how or ">" in how else ""
    command = f'"{sys.executable}" script.py "{tmp_path}/data.zarr" "{how}" {redirected}'
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONUNBUFFERED", None)  # so that what could not be written stays behind
    run = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, timeout=60
    )
    assert run.stdout == "done\n"
    assert (Store(tmp_path / "data.zarr").status() == DONE).sum() == 5


# ------------------------------------------------------------------------------------------------------------ options


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch": True}, ValueError, "batch = True, but it must be 'auto' or at least 1"),
        ({"workers": True}, ValueError, "workers = True"),
        ({"executor": 2}, TypeError, r"executor = 2, but it must be a concurrent.futures.Executor; .* say workers"),
        ({"executor": "threads"}, TypeError, "executor = 'threads', but"),
        ({"time_limit": "a"}, ValueError, "time_limit = 'a', but it must be positive"),
        ({"time_limit": True}, ValueError, "time_limit = True"),
        ({"checkpoint_every": "a"}, ValueError, "checkpoint_every = 'a', but it must be positive"),
    ],
)
def test_refused_options(options, error, message):
    with pytest.raises(error, match=message):
        nh.sweep(draw, OVER, **options)


def test_numbers_of_numpy_are_numbers():
    data = nh.sweep(draw, OVER, batch=np.int64(2), checkpoint_every=np.float32(60))
    assert_same_bits(data, nh.sweep(draw, OVER))
    assert isinstance(Pool(1), Executor)


def test_ctrl_c_is_known_from_a_point_that_raises_the_like(tmp_path):
    place = tmp_path / "data.zarr"

    def make(seed):
        if seed == 1:
            raise KeyboardInterrupt
        if seed == 4:
            signal.raise_signal(signal.SIGINT)
        return draw(seed=seed)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="stopped by Ctrl-C: 4 of 6 points are in"):
        nh.sweep(make, OVER, store=place, batch=6)
    assert Store(place).status().tolist() == [1, 2, 1, 1, 0, 0]
    assert signal.getsignal(signal.SIGINT) is before
