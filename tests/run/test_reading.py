"""What a store or a netCDF file has so far, and how much of it is left out of a picture."""

import json

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from mpsnh import cli
from mpsnh.run.form import Form
from mpsnh.run.grid import Grid
from mpsnh.run.reading import left_out, results
from mpsnh.run.store import DONE, FAILED, MISSING, Store

GRID = Grid({"h": [2.0, 1.0], "seed": [0, 1, 2]})
STATUS = np.array([[DONE, FAILED, MISSING], [DONE, DONE, DONE]])
FAILURE = {"point": {"h": 2.0, "seed": 1}, "error": "no luck"}


@pytest.fixture
def partly(tmp_path):
    """A store with a failed point and a missing one."""
    store = Store(tmp_path / "gaps.zarr")
    store.create(Form.of({"gap": ((), 1.0, {})}), GRID, {})
    store.write((slice(0, 2), slice(0, 3)), {"gap": np.arange(6.0).reshape(2, 3)}, STATUS, [FAILURE])
    return tmp_path / "gaps.zarr"


@pytest.fixture
def file(tmp_path):
    """A netCDF file of a sweep of which a point failed."""
    data = xr.Dataset({"gap": (("h", "seed"), np.arange(6.0).reshape(2, 3))}, dict(GRID.axes))
    return data.assign_attrs(failures=json.dumps([FAILURE])), tmp_path / "gaps.nc"


def drawn(place, *options):
    """What `mpsnh show` says before the name of the picture."""
    done = CliRunner().invoke(cli.app, ["show", str(place), "--out", str(place) + ".png", *options])
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()[:-1]


def test_a_picture_says_how_many_of_its_points_are_left_out(partly):
    for kind in ([], ["--map"]):
        assert drawn(partly, *kind) == ["1 failed and 1 missing of 6 points are left out"]
    assert drawn(partly, "--at", "h=2") == ["1 failed and 1 missing of 3 points are left out"]
    assert drawn(partly, "--at", "seed=1") == ["1 failed of 2 points are left out"]
    assert drawn(partly, "--at", "h=1") == []


def test_a_file_tells_of_failures(file):
    data, place = file
    data.to_netcdf(place, engine="h5netcdf")
    assert drawn(place) == ["1 failed of 6 points are left out"]
    np.testing.assert_array_equal(results(place)[0]["gap"], [[0, np.nan, 2], [3, 4, 5]])


@pytest.mark.parametrize(
    "part", [lambda data: data.sel(h=[1.0]), lambda data: data.sel(seed=0), lambda data: data.mean("seed")]
)
def test_a_part_or_an_average_of_a_sweep_is_taken_as_it_is(part, file):
    data, place = file
    part(data).assign_attrs(data.attrs).to_netcdf(place, engine="h5netcdf")
    read, status = results(place)
    np.testing.assert_array_equal(read["gap"], part(data)["gap"])
    assert left_out(status) == ""
