"""Warnings of points name the point, once for each kind, wherever the points run."""

import contextlib
import functools
import os
import pickle
import re
import signal
import subprocess
import sys
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.run.remarks import Remark, Remarks, hearing
from mpsnh.run.store import DONE, Store
from tests.support import sweep_functions as functions
from tests.support.sweep_functions import OddWarning, doubted

OVER = {"h": [1.0, 2.0], "seed": range(3)}


def said(make=doubted, **options):
    """What a sweep says, in its order."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        nh.sweep(make, OVER, progress=False, **options)
    return heard


@pytest.mark.parametrize("where", ["here", "threads", "processes"])
def test_a_point_is_named_wherever_it_runs(where):
    shown = warnings.showwarning
    with ThreadPoolExecutor(2) as threads:
        heard = said(**{"here": {}, "threads": {"executor": threads}, "processes": {"workers": 2}}[where])
    assert warnings.showwarning is shown
    data = nh.sweep(functions.draw, OVER, progress=False)["total"]
    odd = sorted((h, s) for h in OVER["h"] for s in OVER["seed"] if data.sel(h=h, seed=s) > 0)
    assert Counter(one.category for one in heard) == {RuntimeWarning: 2, OddWarning: 2}
    for category, number, file in ((RuntimeWarning, 6, __file__), (OddWarning, len(odd), functions.__file__)):
        first, last = (one for one in heard if one.category is category)
        assert first.filename == last.filename == file
        same = f"{str(first.message)[:-1]}; the same at {number - 1} more: h = "
        assert same in str(last.message) or f"; the largest of {number}: h = " in str(last.message)
    first = next(one for one in heard if one.category is RuntimeWarning)
    points = {
        f"a change of {float(data.sel(h=h, seed=s)):.3g} (at h = {h}, seed = {s})" for h in (1.0, 2.0) for s in range(3)
    }
    assert str(first.message).removeprefix("Doubted: ") in points


@pytest.mark.parametrize("options", [{}, {"workers": 1}])
def test_filters_of_the_caller_know_a_warning_by_its_beginning_and_its_kind(options):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "Doubted: a change", RuntimeWarning)
        warnings.filterwarnings("ignore", category=OddWarning)
        nh.sweep(doubted, OVER, progress=False, **options)
    assert heard == []


def test_a_warning_that_shall_be_an_error_is_one_of_its_point():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", OddWarning)
        failed = np.isnan(nh.sweep(doubted, OVER, progress=False)["x"])
    total = nh.sweep(functions.draw, OVER, progress=False)["total"]
    np.testing.assert_array_equal(failed, total > 0)


def test_a_point_that_fails_is_heard_too():
    def failing(h, seed):
        if seed == 1:
            warnings.warn(f"about to fail at {h}", stacklevel=1)
            raise ArithmeticError("no luck")
        return functions.draw(h=h, seed=seed)

    heard = [str(one.message) for one in said(failing)]
    assert heard[0] == "about to fail at 1.0 (at h = 1.0, seed = 1)"
    assert (
        "about to fail at 2.0 (at h = 2.0, seed = 1; the largest of 2: h = 1.0, seed = 1; h = 2.0, seed = 1)" in heard
    )
    with warnings.catch_warnings(record=True) as last:
        warnings.simplefilter("always")
        with pytest.raises(ArithmeticError):
            nh.sweep(failing, OVER, progress=False, on_error="raise")
    assert [str(one.message) for one in last] == heard[:1]


def test_kinds_that_another_process_does_not_know_arrive_as_the_ones_above_them():
    class Own(RuntimeWarning):
        pass

    sent = [pickle.loads(pickle.dumps(Remark({"h": 1.0}, "x", kind))) for kind in (Own, OddWarning)]
    assert [remark.category for remark in sent] == [RuntimeWarning, OddWarning]


def test_kinds_that_take_more_than_a_text_are_said_as_the_ones_above_them():
    class Odd(RuntimeWarning):
        def __init__(self, first, second):
            super().__init__(f"{first} {second}")

    with warnings.catch_warnings(), hearing({"h": 1.0}, heard := []):
        warnings.simplefilter("always")
        warnings.warn(Odd("one", "two"), stacklevel=1)
    with pytest.warns(RuntimeWarning, match=r"one two \(at h = 1.0\)"):
        Remarks().say(heard)


def test_threads_that_run_no_point_are_not_heard():
    def other():
        warnings.warn("elsewhere", stacklevel=1)

    with pytest.warns(UserWarning, match="elsewhere"), hearing({"h": 1.0}, heard := []), ThreadPoolExecutor(1) as pool:
        pool.submit(other).result()
    assert heard == []


def test_each_first_remark_has_room_made_for_it_and_many_points_are_only_counted():
    rooms = []

    @contextlib.contextmanager
    def aside():
        rooms.append("made")
        yield

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with Remarks(aside) as remarks:
            remarks.say(
                Remark({"seed": seed}, f"x = {-seed}, y = {seed % 7}", kind)
                for kind in (UserWarning, RuntimeWarning)
                for seed in range(9)
            )
            assert len(heard) == len(rooms) == 2
    named = "; ".join(f"seed = {seed}" for seed in range(5))
    assert str(heard[-1].message) == f"x = 0, y = 0 (at seed = 0; the largest of 9: {named}; …)"


def texts(make, over, **options):
    """What a sweep says, and how it ends."""
    ended = None
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            nh.sweep(make, over, progress=False, **options)
        except BaseException as error:
            ended = error
    return [str(one.message) for one in heard], ended


def test_a_hook_that_somebody_brings_back_is_not_taken_for_the_one_before():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        others = warnings.catch_warnings()
        with hearing({"h": 0.0}, []):
            others.__enter__()
        others.__exit__()
        with hearing({"h": 1.0}, heard := []):
            warnings.warn("inside", stacklevel=1)
        warnings.warn("outside", stacklevel=1)
    assert [remark.text for remark in heard] == ["inside"]
    assert [str(one.message) for one in said] == ["outside"]


@pytest.mark.parametrize("how", ["Ctrl-C", "raise"])
def test_what_is_kept_of_a_region_is_said_before_it_ends(how, tmp_path):
    def make(seed):
        if seed == 7 and how == "Ctrl-C":
            signal.raise_signal(signal.SIGINT)
        if seed == 7:
            raise ArithmeticError
        warnings.warn(f"doubt {seed}", stacklevel=1)
        return functions.draw(seed=seed)

    store, on_error = Store(tmp_path / "data.zarr"), "record" if how == "Ctrl-C" else "raise"
    said, ended = texts(make, {"seed": range(12)}, store=store, batch=12, on_error=on_error)
    assert type(ended) is {"Ctrl-C": KeyboardInterrupt, "raise": ArithmeticError}[how]
    assert (store.status() == DONE).sum() == 7
    named = "; ".join(f"seed = {seed}" for seed in range(5))
    assert said == ["doubt 0 (at seed = 0)", f"doubt 6 (at seed = 6; the largest of 7: {named}; …)"]


def test_what_workers_have_kept_is_said_when_another_one_stops_the_sweep(tmp_path):
    store = Store(tmp_path / "data.zarr")
    make = functools.partial(functions.doubtful, stop=6, wait=3, log=tmp_path / "log")
    said, ended = texts(make, {"seed": range(8)}, store=store, batch=4, workers=2, on_error="raise")
    assert isinstance(ended, ArithmeticError)
    assert (store.status() == DONE).tolist() == [True] * 3 + [False] + [True] * 2 + [False] * 2
    assert said[-1].startswith("doubt 5 (at seed = 5; the largest of 5: seed = ")


@pytest.mark.parametrize("options", [{}, {"workers": 1}])
@pytest.mark.parametrize("at", [0, 3, 7])
def test_a_warning_when_a_point_is_made_comes_once_with_its_point(at, options, tmp_path):
    said, ended = texts(functools.partial(functions.doubtful, only=at), {"seed": range(8)}, **options)
    assert (said, ended) == ([f"doubt {at} (at seed = {at})"], None)


@pytest.mark.parametrize("options", [{}, {"workers": 1}])
def test_what_failing_points_say_is_grouped(options):
    first, ended = texts(functools.partial(functions.doubtful, fails=1), {"seed": range(3)}, **options)
    assert ended is None
    assert [text for text in first if "; the largest of 3: " in text] == first[1:2]
    said, ended = texts(functools.partial(functions.doubtful, fails=3), {"seed": range(3)}, **options)
    assert re.match("every point of the grid failed", str(ended))
    first, last = said
    assert first == "doubt 0 (at seed = 0)"
    assert last.startswith("doubt 2 (at seed = 2; the largest of 3: seed = ")


def test_kinds_of_the_script_are_those_of_the_process_that_asked(monkeypatch):
    theirs = type("Mine", (RuntimeWarning,), {"__module__": "__mp_main__"})
    sent = pickle.dumps(Remark({"h": 1.0}, "x", theirs))
    assert pickle.loads(sent).category is RuntimeWarning
    ours = type("Mine", (RuntimeWarning,), {"__module__": "__main__"})
    monkeypatch.setattr(sys.modules["__main__"], "Mine", ours, raising=False)
    assert pickle.loads(sent).category is ours


SCRIPT = """
import warnings
import mpsnh as nh
from tests.support import sweep_functions as functions

class Mine(UserWarning):
    pass

def make(seed):
    warnings.warn("old", DeprecationWarning)
    warnings.warn("mine", Mine)
    return functions.draw(seed=seed)

if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=Mine)
    for options in ({}, {"workers": 1}):
        nh.sweep(make, {"seed": [5]}, progress=False, **options)
"""


def test_filters_for_the_script_count_in_workers_as_well(tmp_path):
    script = tmp_path / "study.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("PYTHONWARNINGS", None)
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("DeprecationWarning: old (at seed = 5)") == 2
    assert "mine (" not in done.stderr
