"""Axes and names of a sweep and its store: the same points are known again, and what no store can hold is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.run.grid import Grid
from mpsnh.run.store import DONE, Store
from tests.support import sweep_functions as functions
from tests.support.comparison import assert_same_bits
from tests.support.sweep_functions import draw, logged


def test_coordinates_that_differ_by_rounding_are_the_same(tmp_path):
    """The reported case: ``np.arange(1, 4) * 0.1`` is not ``[0.1, 0.2, 0.3]``."""
    store, log = Store(tmp_path / "data.zarr"), tmp_path / "log"
    computed = np.arange(1, 4) * 0.1
    assert computed.tolist() != [0.1, 0.2, 0.3]
    make = functions.functools.partial(draw, log=log)
    nh.sweep(make, {"h": computed, "seed": [0]}, store=store.url)
    data = nh.sweep(make, {"h": [0.1, 0.2, 0.3, 0.4], "seed": [0]}, store=store.url)
    assert store.grid().axes["h"] == [*computed.tolist(), 0.4]
    assert data["h"].values.tolist() == [*computed.tolist(), 0.4]
    assert set(logged(log).values()) == {1}


@pytest.mark.parametrize(
    ("known", "labels", "matched"),
    [
        ([0.1], [0.1 + 2e-17, 0.2], [0.1, 0.2]),
        ([0.0, 1.0], [3 * 0.1 - 0.3, 1.0], [0.0, 1.0]),
        ([1.0, 2.0], [1.0 + 1e-9], [1.0 + 1e-9]),
        ([2.0, 1.0, 3.0], [3.0 * (1 + 1e-15), 1.0 - 1e-15, 5], [3.0, 1.0, 5]),
        (["a"], ["a", "b"], ["a", "b"]),
        ([1, 2], range(2, 4), range(2, 4)),
        ([1, 2], [2.0, 2.5], [2, 2.5]),
    ],
)
def test_coordinates_are_matched_to_known_ones(known, labels, matched):
    assert Grid({"h": known}).matched(Grid({"h": labels})).axes["h"] == matched


def test_the_order_of_axes_makes_no_other_study(tmp_path):
    over, turned = {"h": [0.5, 2.0], "seed": [0, 1, 4]}, {"seed": [4, 0, 7], "h": [2.0, 0.5]}
    nh.sweep(draw, over, store=tmp_path / "data.zarr")
    assert_same_bits(nh.sweep(draw, turned, store=tmp_path / "data.zarr"), nh.sweep(draw, turned))
    assert list(Store(tmp_path / "data.zarr").grid().axes) == ["h", "seed"]


def never(**_):
    raise AssertionError("nothing may run")


@pytest.mark.parametrize(
    ("over", "error", "message"),
    [
        ({"z": [1j, 2.0]}, TypeError, r"over\['z'\] = \[1j, \(2\+0j\)\] has complex coordinates, which a store can't"),
        ({"status": [0, 1]}, ValueError, "name = 'status', but it must be another one"),
        ({"h": [0.3, 0.1 * 3]}, ValueError, "without repetitions"),
        ({"h": [None, 1.0]}, TypeError, "coordinates must all be numbers, or all names"),
        ({"h": [1.0, "a"]}, TypeError, "coordinates must all be numbers, or all names"),
    ],
)
def test_axes_that_no_store_can_hold_are_refused_at_once(over, error, message, tmp_path):
    with pytest.raises(error, match=message):
        nh.sweep(never, over, store=tmp_path / "data.zarr")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["status", "grid", "failures"])
def test_names_that_a_store_has_itself_are_refused_at_once(name, tmp_path):
    def make(seed):
        return nh.Simulation(functions.MODEL, functions.Drawn(h=1.0, seed=seed), {name: functions.Total()})

    with pytest.raises(ValueError, match=f"name = '{name}', but it must be another one: a store has a part called so"):
        nh.sweep(make, {"seed": [0, 1]}, store=tmp_path / "data.zarr")
    assert list(tmp_path.iterdir()) == []
    assert name in nh.sweep(make, {"seed": [0, 1]})


def test_a_file_is_no_place_for_a_store_and_gets_no_locks(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(NotADirectoryError, match="is a file, but it must be a folder, or a place for one"):
        nh.sweep(draw, {"seed": [0]}, store=tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_complex_axis_needs_no_store():
    def make(z):
        return draw(seed=2 if z.real > 1 else 0, faults={2: "raise"})

    with pytest.warns(UserWarning, match="1 point failed"):
        data = nh.sweep(make, {"z": [1j, 2 + 0j]})
    assert json.loads(data.attrs["failures"])[0]["point"] == {"z": "(2+0j)"}
    assert np.isfinite(data["total"].values[0])


def test_a_sweep_over_sizes_says_what_a_spectrum_has_of_another_shape(tmp_path):
    def make(L):
        model = nh.models.NonHermitianXXZ(L=L, boundary="periodic")
        return nh.Simulation(model, nh.algorithms.ExactDiag(vectors="none"), {"E": nh.observables.Eigenvalues()})

    message = (
        r"the result 'E' has the shape \(20,\) at {'L': 6}, but \(6,\) at the first point; a sweep needs one shape"
    )
    with pytest.raises(ValueError, match=message):
        nh.sweep(make, {"L": [4, 6]}, store=tmp_path / "data.zarr", on_error="raise")


def test_the_speed_counts_only_what_ran_now(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("mpsnh.run.display._Bar", lambda **options: seen.append(Bar(**options)) or seen[-1])
    for over in ({"seed": range(5)}, {"seed": range(8)}):
        nh.sweep(draw, over, store=tmp_path / "data.zarr", batch=1, progress=True)
    assert [(bar.initial, bar.n) for bar in seen][1] == (5, 8)
    assert (Store(tmp_path / "data.zarr").status() == DONE).all()


class Bar:
    """A progress bar that is not shown."""

    def __init__(self, total, **_):
        self.total, self.n, self.initial = total, 0, 0

    def close(self):
        pass

    def refresh(self):
        pass

    def update(self, n):
        self.n += n
