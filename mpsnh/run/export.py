"""Results of a store as files for other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from mpsnh.checks import require

KINDS = ("netcdf", "csv", "parquet")
"""What files there can be."""

_ENDINGS = {"netcdf": ".nc", "csv": ".csv", "parquet": ".parquet"}

_TYPES = {"truth": "boolean", "count": "Int64"}
"""Types of columns, with room for what is missing, of values that a store has as floats (their attribute ``kind``)."""


def export(data: xr.Dataset, kind: str, out: Path) -> list[Path]:
    """Write results to files.

    A netCDF file has all of them. A table has a row for each combination of coordinates, so that there is one for all
    variables with the same dimensions; complex variables have two columns.

    Parameters
    ----------
    data : Dataset
        The results.
    kind : str
        netcdf, csv or parquet.
    out : Path
        The file; tables of further dimensions stand beside it, with these in their names.

    Raises
    ------
    ValueError
        If the kind is unknown, or parquet needs a package that is not there.

    Examples
    --------
    >>> import tempfile
    >>> data = xr.Dataset({"gap": ("h", [1.0, 2.0])}, {"h": [0, 1]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (path,) = export(data, "csv", Path(folder) / "gaps")
    ...     path.name, path.read_text().split()
    ('gaps.csv', ['h,gap', '0,1.0', '1,2.0'])
    """
    require(kind in KINDS, "to", kind, f"one of {', '.join(KINDS)}")
    path = out if out.suffix == _ENDINGS[kind] else out.with_name(out.name + _ENDINGS[kind])
    if kind == "netcdf":
        data.to_netcdf(path, engine="h5netcdf")
        return [path]
    written = []
    first = min((variable.dims for variable in data.data_vars.values()), key=len, default=())
    for dims, table in _tables(data).items():
        more = ".".join(str(dim) for dim in dims if dim not in first)
        place = path.with_name(f"{path.stem}.{more}{path.suffix}") if more else path
        frame = table.to_dataframe(dim_order=list(dims)).reset_index()
        kinds = {str(name): column.attrs.get("kind") for name, column in table.data_vars.items()}
        frame = frame.astype({name: _TYPES[kind] for name, kind in kinds.items() if kind in _TYPES})
        if kind == "csv":
            frame.to_csv(place, index=False)
        else:
            try:
                frame.to_parquet(place, index=False)
            except ImportError:
                raise ValueError("to = 'parquet' needs the package pyarrow: pip install pyarrow") from None
        written.append(place)
    return written


def _tables(data: xr.Dataset) -> Mapping[tuple[str, ...], xr.Dataset]:
    """Return the variables by their dimensions, with real columns only."""
    tables = dict[tuple[str, ...], dict[str, xr.DataArray]]()
    for name, variable in data.data_vars.items():
        columns = tables.setdefault(tuple(map(str, variable.dims)), {})
        if np.iscomplexobj(variable):
            columns |= {f"{name}.re": variable.real, f"{name}.im": variable.imag}
        else:
            columns[str(name)] = variable
    return {dims: xr.Dataset(columns) for dims, columns in tables.items() if dims}
