"""Comparing datasets bit for bit."""

import xarray as xr


def assert_same_bits(a: xr.Dataset, b: xr.Dataset) -> None:
    """Compare names, values, types, labels and attributes."""
    xr.testing.assert_identical(a, b)
    for name in a.variables:
        assert a[name].dtype == b[name].dtype, name
        assert a[name].values.tobytes() == b[name].values.tobytes(), name
