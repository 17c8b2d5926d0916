"""Results of a sweep on disk: a Zarr group that plain xarray reads while workers write it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import filelock
import numpy as np
import xarray as xr
import zarr
from numcodecs import Zstd
from numpy.typing import NDArray

from mpsnh.run.form import Form, Part, empty_value
from mpsnh.run.grid import Grid, Region

MISSING, DONE, FAILED = 0, 1, 2
"""What the status says of each point."""

STATUS, FAILURES = "status", "failures"
"""Names of an array and of a group."""

GRID = "grid"
"""Group whose attributes hold the axes: apart, since they may be long and the rest is read all the time."""


class Store:
    """The results of a sweep in a Zarr group.

    Each variable is an array over the axes of the grid, and ``status`` says which points are done.
    A region of the grid is one chunk of every array. The worker that computed a region writes it, status last, and
    files are replaced as a whole, so that a crash leaves all of a region or none of it. Chunks carry checksums.
    On a local path a file lock keeps two workers off the same region; the lock ends with the process that holds it.
    Nothing in a store is code, and nothing outside of its folder (and the lock folder beside it) is written.

    Parameters
    ----------
    url : str or Path
        A local path, or any URL that fsspec opens.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(Path(folder) / "data.zarr")
    ...     store.create(Form.of({"x": ((), 1.0, {})}), Grid({"seed": [0, 1, 2]}, (2,)), {"study": "example"})
    ...     store.write((slice(0, 2),), {"x": np.array([5.0, 6.0])}, np.array([DONE, DONE]), [])
    ...     store.load(Grid({"seed": [1, 2]}))["x"].values.tolist(), store.status().tolist()
    ([6.0, nan], [1, 1, 0])
    """

    def __init__(self, url: str | Path) -> None:
        # Workers may run in another folder.
        self.url = str(url) if "://" in str(url) else str(Path(url).absolute())
        self._local = None if "://" in self.url else Path(self.url)

    def _group(self, mode: Literal["r", "r+"] = "r") -> Any:
        if self._local is not None and self._local.is_dir():
            for path in self._local.iterdir():
                if path.is_symlink():
                    raise ValueError(f"store = {self.url!r} has a link in it, {path.name}, and is not used")
        return zarr.open_group(self.url, mode=mode)

    def exists(self) -> bool:
        """Tell whether there is a store at this place."""
        try:
            group = self._group()
            return STATUS in group and GRID in group and "identity" in group.attrs
        except FileNotFoundError:
            return False

    @contextlib.contextmanager
    def locked(self, name: str, wait: bool = False) -> Iterator[bool]:
        """Hold the lock of a region, or of making the store, where the place has locks.

        Parameters
        ----------
        name : str
            What is locked.
        wait : bool
            Whether to wait for it.

        Yields
        ------
        bool
            False if somebody else holds it.
        """
        if self._local is None:
            yield True
            return
        lock = filelock.FileLock(self._beside() / f"{name}.lock", timeout=-1 if wait else 0)
        try:
            lock.acquire()
        except filelock.Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _beside(self) -> Path:
        """Return the folder for locks, beside the store."""
        assert self._local is not None
        folder = self._local.with_name(self._local.name + ".locks")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def create(self, form: Form, grid: Grid, identity: Mapping[str, Any]) -> None:
        """Make an empty store; a place that holds anything is refused.

        Parameters
        ----------
        form : Form
            What the results of all points share.
        grid : Grid
            The points; its regions become the chunks.
        identity : mapping
            What makes this study different from others, as plain data.

        Raises
        ------
        FileExistsError
            If the folder exists and is not empty.
        """
        if self._local is not None and self._local.exists() and any(self._local.iterdir()):
            raise FileExistsError(f"store = {self.url!r} is not empty and no store of a sweep")
        # Made beside its place and moved there, so that a crash leaves no half of a store.
        place = self.url if self._local is None else self._beside() / "made.zarr"
        if isinstance(place, Path):
            shutil.rmtree(place, ignore_errors=True)
        group: Any = zarr.create_group(place, zarr_format=2)
        group.attrs.update({"identity": dict(identity), "variables": list(form.parts), **form.attrs})
        group.create_group(GRID).attrs.update(grid.to_json())
        for axis, labels in grid.axes.items():
            _add(group, axis, np.asarray(labels), (axis,))
        for name, (dims, labels, attributes) in form.coords.items():
            _add(group, name, labels, dims, attributes)
        for name, part in form.parts.items():
            sizes = (grid.shape + part.shape, grid.chunk + part.shape)
            _add_empty(group, name, sizes, (*grid.axes, *part.dims), part.dtype, part.attrs)
        meaning = {"long_name": "0 missing, 1 done, 2 failed"}
        _add_empty(group, STATUS, (grid.shape, grid.chunk), tuple(grid.axes), np.dtype(np.uint8), meaning)
        if isinstance(place, Path) and self._local is not None:
            if self._local.exists():
                self._local.rmdir()
            place.rename(self._local)

    def extend(self, other: Grid) -> None:
        """Make room for coordinates that are not there yet, behind those that are.

        Parameters
        ----------
        other : Grid
            Points over the same axes.
        """
        known = self.grid()
        grown = known.extended(other)
        group = self._group("r+")
        if grown != known:
            group[GRID].attrs.update(grown.to_json())  # first, so that what a crash leaves undone is done next time
        for array in _over(group, known).values():
            full = grown.shape + array.shape[len(grown.shape) :]
            if array.shape != full:
                array.resize(full)
        for name, labels in grown.axes.items():
            stored = group.get(name)
            if stored is None or stored.shape != (len(labels),) or not np.array_equal(stored[:], labels):
                if stored is not None:
                    del group[name]
                _add(group, name, np.asarray(labels), (name,))

    def describe(self, identity: Mapping[str, Any], attributes: Mapping[Any, Any]) -> None:
        """Replace the description of the study, after the grid has grown.

        Parameters
        ----------
        identity : mapping
            What makes this study different from others, as plain data.
        attributes : mapping
            Attributes of the dataset.
        """
        if self.identity != identity:
            self._group("r+").attrs.update({"identity": dict(identity), **attributes})

    def grid(self) -> Grid:
        """Return the grid with all coordinates that are stored."""
        group = self._group()
        return Grid.from_json({"chunk": group[STATUS].chunks, **group[GRID].attrs})  # 0.1.0 wrote no chunk there

    @property
    def identity(self) -> dict[str, Any]:
        """What makes this study different from others."""
        return dict(self._group().attrs["identity"])

    def form(self) -> Form:
        """Return what the results of all points share."""
        group, grid = self._group(), self.grid()
        arrays, count = dict(group.arrays()), len(grid.shape)
        described = {name: dict(array.attrs) for name, array in arrays.items()}
        dims = {name: tuple(attributes.pop("_ARRAY_DIMENSIONS")) for name, attributes in described.items()}
        attrs = {name: text for name, text in group.attrs.items() if name not in ("identity", "variables")}
        parts = {
            name: Part(dims[name][count:], arrays[name].shape[count:], arrays[name].dtype, described[name])
            for name in group.attrs["variables"]
        }
        labels = arrays.keys() - parts.keys() - grid.axes.keys() - {STATUS}
        coords = {name: (dims[name], arrays[name][:], described[name]) for name in arrays if name in labels}
        return Form(parts, coords, attrs)

    def status(self, region: Region | tuple[()] = ()) -> NDArray[np.uint8]:
        """Return the status of each point of the stored grid, or of a region."""
        return np.asarray(self._group()[STATUS][region or ...])

    def write(
        self,
        region: Region,
        values: Mapping[str, NDArray[Any]],
        status: NDArray[Any],
        failures: Sequence[Mapping[str, Any]],
    ) -> None:
        """Write what is known of a region, keeping points that were done before.

        Parameters
        ----------
        region : tuple of slice
            A whole region.
        values : mapping of str to ndarray
            The variables over the region.
        status : ndarray of int
            Which of its points are done or failed; those missing keep what the store has.
        failures : sequence of mapping
            Points of the region that failed, with their errors, as plain data.
        """
        group = self._group("r+")
        fresh = status != MISSING
        merged = np.where(fresh, status, group[STATUS][region])
        for name, block in values.items():
            if not fresh.all():
                old = group[name][region]
                old[fresh] = block[fresh]
                block = old
            group[name][region] = block
        if failures:
            part = group.require_group(f"{FAILURES}/{region_name(region)}")
            points = [each["point"] for each in failures]
            earlier = [each for each in part.attrs.get("failures", []) if each["point"] not in points]
            part.attrs["failures"] = [*earlier, *failures]
        group[STATUS][region] = merged

    def failures(self) -> list[dict[str, Any]]:
        """Return the points that failed, each with its coordinates and its error."""
        parts = self._failure_groups(self._group())
        recorded = [dict(each) for part in parts for each in part.attrs.get("failures", [])]
        if not recorded:
            return []
        status, grid = self.status(), self.grid()
        failed = {tuple(index) for index in np.argwhere(status == FAILED)}
        return [each for each in recorded if grid.index(each["point"]) in failed]

    @staticmethod
    def _failure_groups(group: Any) -> list[Any]:
        return [part for _, part in group[FAILURES].groups()] if FAILURES in group else []

    def retry(self) -> int:
        """Mark all failed points as missing, so that the sweep runs them again.

        Returns
        -------
        int
            How many there were.
        """
        status = self._group("r+")[STATUS]
        count = 0
        for region in self.grid().regions():
            if np.any(status[region] == FAILED):
                with self.locked(region_name(region), wait=True):  # somebody may be writing to it
                    values = status[region]
                    count += int(np.sum(values == FAILED))
                    status[region] = np.where(values == FAILED, MISSING, values)
        return count

    def damaged(self, names: Collection[str]) -> list[Region]:
        """Return the regions of which a chunk can't be read, because it is gone, no chunk or its checksum is wrong.

        Parameters
        ----------
        names : collection of str
            The variables that matter.
        """
        group, grid, bad = self._group(), self.grid(), []
        arrays = [array for name, array in _over(group, grid).items() if name in names]
        for region in grid.regions():
            try:
                done = group[STATUS][region] == DONE
                # What is done is finite, so that a chunk is gone where it is not.
                for array in arrays:
                    block = array[region]
                    if block.dtype.kind in "fc" and not np.isfinite(block[done]).all():
                        bad.append(region)
                        break
            except Exception:  # whatever the codec or the operating system raises
                bad.append(region)
        return bad

    def discard(self, region: Region) -> None:
        """Drop all that is stored of a region, so that the sweep computes it again."""
        group = self._group("r+")
        shape = tuple(part.stop - part.start for part in region)
        group[STATUS][region] = np.full(shape, MISSING, np.uint8)
        for array in _over(group, self.grid()).values():
            array[region] = np.full(shape + array.shape[len(shape) :], empty_value(array.dtype), array.dtype)

    def load(self, grid: Grid, names: Collection[str] | None = None) -> xr.Dataset:
        """Read the results of a part of the grid into memory.

        Parameters
        ----------
        grid : Grid
            The coordinates wanted, in the order wanted.
        names : collection of str, optional
            The variables wanted; by default all.

        Returns
        -------
        Dataset
            Without the status.
        """
        known = self.grid().axes
        chosen = {name: np.asarray(labels) for name, labels in grid.axes.items() if labels != known[name]}
        with xr.open_zarr(self.url, consolidated=False, chunks=None, mask_and_scale=False) as data:
            for variable in data.variables.values():
                variable.attrs.pop("_FillValue", None)
            kept = [name for name in data.attrs.pop("variables") if names is None or name in names]
            del data.attrs["identity"]
            wanted: xr.Dataset = data[[*kept, STATUS]].drop_encoding().drop_vars(STATUS).sel(chosen).load()
            return wanted


def region_name(region: Region) -> str:
    """Return the name of a region, for its lock and its failures.

    Examples
    --------
    >>> region_name((slice(0, 2), slice(4, 8)))
    '0.4'
    """
    return ".".join(str(part.start) for part in region)


def _over(group: Any, grid: Grid) -> dict[str, Any]:
    """Return the arrays that stretch over the grid: the variables and the status."""
    axes = list(grid.axes)
    stretched = ((name, array) for name, array in group.arrays() if name not in axes)
    return {name: array for name, array in stretched if array.attrs["_ARRAY_DIMENSIONS"][: len(axes)] == axes}


def _add(
    group: Any, name: str, values: NDArray[Any], dims: Sequence[Any], attributes: Mapping[Any, Any] | None = None
) -> None:
    size = tuple(max(1, n) for n in values.shape)
    _add_empty(group, name, (values.shape, size), dims, values.dtype, attributes or {})
    group[name][...] = values


def _add_empty(
    group: Any,
    name: str,
    sizes: tuple[Sequence[int], Sequence[int]],
    dims: Sequence[Any],
    dtype: np.dtype[Any],
    attributes: Mapping[Any, Any],
) -> None:
    shape, chunk = sizes
    group.create_array(
        name,
        shape=tuple(shape),
        chunks=tuple(max(1, n) for n in chunk),
        dtype=dtype,
        fill_value=empty_value(dtype) if dtype.kind in "fc" else None,  # xarray would take 0 for a missing value
        filters=None,
        compressors=Zstd(level=1, checksum=True),
        attributes={**attributes, "_ARRAY_DIMENSIONS": list(dims)},
    )
