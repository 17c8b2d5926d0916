"""What a study left in its folder, as the tests of studies read it, and studies that draw nothing."""

import pytest
import xarray as xr
from matplotlib.figure import Figure

from mpsnh.run.store import Store


@pytest.fixture
def undrawn(monkeypatch):
    """No picture is drawn, which takes longer than all numbers of a study."""
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **options: path.touch())


def load(folder, name):
    """Return the dataset of a figure or a table."""
    return xr.load_dataset(folder / f"{name}.nc", engine="h5netcdf")


def raw(folder, name):
    """Return all that a store holds."""
    store = Store(folder / f"{name}.zarr")
    return store.load(store.grid())
