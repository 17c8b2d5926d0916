"""Coordinates are stored as they are, or refused before the first point."""

from __future__ import annotations

import datetime
from fractions import Fraction

import numpy as np
import pytest
import xarray as xr

import mpsnh as nh
from mpsnh.run.grid import Grid
from mpsnh.run.store import Store
from tests.support import sweep_functions as functions
from tests.support.comparison import assert_same_bits
from tests.support.sweep_functions import draw, named

SEEDS = np.random.SeedSequence(7).generate_state(4, np.uint64)


def any_label(x):
    return draw(seed=abs(int(float(x))) % 1000) if not isinstance(x, str) else named(x, 0)


FAITHFUL = {
    "seeds of 64 bits": SEEDS,
    "integers next to each other beyond 2^53": [2**53, 2**53 + 1, 2**63, 2**64 - 1],
    "negative ones": [-(2**63), 2**63 - 1],
    "fractions of floats": [0.1, 1e-3, 1e3, 0.1 + 0.2],
    "single precision": np.array([0.1, 0.2], np.float32),
    "integers among fractions": [1, 0.5],
    "names": ["a", "Ω", "two words"],
    "truth values": [True, False],
}


@pytest.mark.parametrize("kind", FAITHFUL)
def test_what_can_be_stored_comes_back(kind, tmp_path):
    labels = FAITHFUL[kind]
    place = tmp_path / "data.zar"
    first = nh.sweep(any_label, {"x": labels[:1]}, store=place)
    data = nh.sweep(any_label, {"x": labels}, store=place)
    assert [label.item() for label in data["x"].values] == [
        getattr(label, "item", lambda v=label: v)() for label in labels
    ]
    assert first["x"].values[0] == data["x"].values[0]
    assert_same_bits(data, nh.sweep(any_label, {"x": labels}, store=place))
    with xr.open_zarr(place, consolidated=False) as opened:
        assert np.array_equal(opened["x"], data["x"])
        assert opened["x"].dtype.kind == data["x"].dtype.kind


REFUSED = {
    "a datetime": [datetime.datetime(2026, 1, 1)],
    "a datetime of numpy": np.array(["2026-01-01"], "datetime64[D]"),
    "a duration": [np.timedelta64(1, "s")],
    "nothing": [None, 1.0],
    "a fraction": [Fraction(1, 3)],
    "too large": [2**64],
    "large and negative": [2**63, -1],
    "large among fractions": [2**53 + 1, 0.5],
    "bytes": [b"a"],
    "complex": [1j],
    "more digits": [np.longdouble(1) / 3],
    "two kinds": [1.0, "a"],
    "a truth value among numbers": [True, 2],
    "an end of text": ["a\0"],
    "half a character": ["\ud800"],
    "a sequence": [(1, 2)],
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_can_not_be_stored_is_refused_before_the_first_point(kind, tmp_path):
    def never(x):
        raise AssertionError("nothing may run")

    with pytest.raises(TypeError, match=r"over\['x'\]"):
        nh.sweep(never, {"x": REFUSED[kind]}, store=tmp_path / "data.zar")
    assert list(tmp_path.iterdir()) == []


KINDS = [([1.0], ["a"]), (["a"], [1.0]), ([True], [2]), ([2**63], [-1]), ([0.5], [2**53 + 1])]


@pytest.mark.parametrize(("known", "asked"), KINDS)
def test_an_axis_keeps_its_kind(known, asked, tmp_path):
    place = tmp_path / "data.zar"
    nh.sweep(any_label, {"x": known}, store=place)
    with pytest.raises(TypeError, match=r"over\['x'\]"):
        nh.sweep(any_label, {"x": asked}, store=place)
    assert Store(place).grid().axes["x"] == known


def test_integers_are_never_taken_for_each_other():
    near = [2**53, 2**53 + 1, 2**62, 2**62 + 1]
    assert Grid({"x": near}).matched(Grid({"x": [2**62 + 1, 2**53 + 1]})).axes["x"] == [2**62 + 1, 2**53 + 1]
    assert Grid({"x": near}).overlap(Grid({"x": [2**62 + 1]})).tolist() == [False, False, False, True]


def test_random_parts_of_grids_are_where_they_are():
    """Places of coordinates, with ranges of all strides, against a search through lists."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        start, step, count = (int(n) for n in (rng.integers(-5, 5), rng.integers(1, 4), rng.integers(1, 12)))
        known = range(start, start + step * count, step)[:: int(rng.choice([1, -1]))]
        chosen = range(int(rng.integers(count)), count, int(rng.integers(1, 3)))
        asked = known[chosen.start :: chosen.step][:: int(rng.choice([1, -1]))]
        (places,) = Grid({"x": known}).places(Grid({"x": asked}))
        assert places.tolist() == [list(known).index(label) for label in asked]


NAMES = [
    "grid",
    "status",
    "failures",
    "",
    "..",
    ".zattrs",
    ".zgroup",
    "a/b",
    "a\\b",
    "a\nb",
    "\x1b[31m",
    " a",
    "a" * 300,
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["axis", "observable"])
def test_names_that_no_folder_can_have_are_refused_before_the_first_point(name, what, tmp_path):
    def make(**point):

        return nh.Simulation(
            functions.MODEL,
            functions.Drawn(h=1.0, seed=0),
            {name if what == "observable" else "total": functions.Total()},
        )

    with pytest.raises(ValueError, match=r"name = .*, but it must be a"):
        nh.sweep(make, {name if what == "axis" else "h": [1.0]}, store=tmp_path / "data.zar")
    assert list(tmp_path.iterdir()) == []
