"""What a study left in its folder, as the tests of studies read it."""

import xarray as xr

from mpsnh.run.store import Store


def load(folder, name):
    """Return the dataset of a figure or a table."""
    return xr.load_dataset(folder / f"{name}.nc", engine="h5netcdf")


def raw(folder, name):
    """Return all that a store holds."""
    store = Store(folder / f"{name}.zarr")
    return store.load(store.grid())
