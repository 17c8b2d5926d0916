"""Warnings of points name the point, once for each kind, wherever the points run."""

import contextlib
import pickle
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.run.remarks import Remark, Remarks, hearing
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
        assert str(last.message).startswith(f"{str(first.message)[:-1]}; much the same at {number - 1} more: h = ")
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
    assert "about to fail at 1.0 (at h = 1.0, seed = 1; much the same at 1 more: h = 2.0, seed = 1)" in heard
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
        Remarks().say(heard.values())


def test_threads_that_run_no_point_are_not_heard():
    def other():
        warnings.warn("elsewhere", stacklevel=1)

    with pytest.warns(UserWarning, match="elsewhere"), hearing({"h": 1.0}, heard := []), ThreadPoolExecutor(1) as pool:
        pool.submit(other).result()
    assert heard == {}


def test_each_first_remark_has_room_made_for_it_and_many_points_are_only_counted():
    rooms = []

    @contextlib.contextmanager
    def aside():
        rooms.append("made")
        yield

    remarks = Remarks(aside)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        remarks.say(
            Remark({"seed": seed}, f"x = {seed}", kind) for kind in (UserWarning, RuntimeWarning) for seed in range(9)
        )
        assert len(heard) == len(rooms) == 2
        remarks.say_rest()
    named = "; ".join(f"seed = {seed}" for seed in range(1, 6))
    assert str(heard[-1].message) == f"x = 0 (at seed = 0; much the same at 8 more: {named}; …)"
