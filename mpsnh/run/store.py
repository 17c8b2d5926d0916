"""Results of a sweep on disk: a Zarr group that plain xarray reads while workers write it."""

from __future__ import annotations

import contextlib
import errno
import shutil
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require_memory
from mpsnh.run.catalogue import Catalogue
from mpsnh.run.chunks import DamagedError
from mpsnh.run.failures import recorded_failures
from mpsnh.run.folder import Folder
from mpsnh.run.form import Form
from mpsnh.run.grid import Grid, Region
from mpsnh.run.labelled import xr
from mpsnh.run.objects import Objects
from mpsnh.run.place import Place
from mpsnh.run.regions import DONE, FAILED, MISSING, Regions, gathered, region_name
from mpsnh.run.seal import SEAL
from mpsnh.run.state import FAILURES, GRID, STATUS, State, made
from mpsnh.run.storage import require_storage

__all__ = ["DONE", "FAILED", "FAILURES", "GRID", "MISSING", "STATUS", "DamagedError", "Store", "region_name"]

_CATALOGUES: dict[str, Catalogue] = {}
"""Those of stores that were sent to this process, so that a task need not read them again."""


class Store:
    """The results of a sweep in a Zarr group.

    What a store is stands in a log of records that are written once (`mpsnh.run.log`): its axes, which only become
    longer, the form of the results and the study. All else that describes it to Zarr and xarray follows from that.
    Each variable is an array over the axes of the grid, and ``status`` says which points are done. A region of the grid
    is one chunk of every array. The worker that computed a region writes it, status last, and files are replaced as a
    whole, so that a crash leaves all of a region or none of it. Chunks carry checksums, and each point a seal
    (`mpsnh.run.seal`): a point that is not as it was written counts as missing.
    Nothing in a store is code, and nothing outside of its folder (and the lock folder beside it) is written.

    Parameters
    ----------
    url : str or Path
        A local path, or any URL that fsspec opens. To write there, it must be able to make an object on condition that
        there is none, as S3 and Google Cloud Storage can.
    options : mapping, optional
        What fsspec needs besides a URL, such as an endpoint or credentials.
    sync : bool
        Whether results are on the disk, and not only on their way, when they count as done. That takes some
        milliseconds a region; without it a power cut may cost the last regions, and no more.

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

    def __init__(self, url: str | Path, options: Mapping[str, Any] | None = None, sync: bool = True) -> None:
        require_storage()
        text = str(url)
        for local in ("file://", "local://"):
            text = text.removeprefix(local)
        # Workers may run in another folder.
        self.url = text if "://" in text else str(Path(text).absolute())
        self.options, self.sync = dict(options or {}), sync
        self.place: Place = Objects(text, self.options) if "://" in text else Folder(Path(self.url), sync)
        self._catalogue, self.number = Catalogue(self.place), uuid.uuid4().hex

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_catalogue"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._catalogue = _CATALOGUES.setdefault(self.number, Catalogue(self.place))

    def exists(self) -> bool:
        """Tell whether there is a store at this place."""
        return self._catalogue.exists()

    @property
    def state(self) -> State:
        """What the store is by now.

        Raises
        ------
        FileNotFoundError
            If there is none.
        DamagedError
            If it can't be understood.
        """
        return self._catalogue.state

    @contextlib.contextmanager
    def locked(self, name: str, wait: bool = False) -> Iterator[bool]:
        """Hold the lock of a region, or of making the store.

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
        with self.place.locked(name, wait) as held:
            yield held

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Hold the lock of making and extending, unless nothing can be written where a store is."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self.locked("making", wait=True))
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) or not self.exists():
                    raise
            yield

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
        others = [name for name in self.place.names() if name != GRID]
        if others or set(self.place.names(GRID)) - {"locks"}:
            raise FileExistsError(f"store = {self.url!r} is not empty and no store of a sweep")
        form = Form({name: part for name, part in form.parts.items() if name != SEAL}, form.coords, form.attrs)
        record = made(form, grid, identity)
        if isinstance(self.place, Folder):  # made beside its place and moved there, so that a crash leaves no half
            folder = self.place.beside(".locks") / "made.zarr"
            shutil.rmtree(folder, ignore_errors=True)
            Catalogue(Folder(folder, self.sync)).begin(record)
            if self.place.root.is_dir():
                self.place.root.rmdir()
            folder.rename(self.place.root)
        else:
            self._catalogue.begin(record)

    def admit(self, other: Grid, identity: Mapping[str, Any], attributes: Mapping[Any, Any]) -> None:
        """Make room for coordinates that are not there yet, behind those that are, and note what the study is now.

        Parameters
        ----------
        other : Grid
            Points over the same axes.
        identity : mapping
            What makes this study different from others, as plain data.
        attributes : mapping
            Attributes of the dataset that go with it.
        """
        self._catalogue.admit(other, identity, attributes)

    def faults(self) -> list[str]:
        """Return the names of files that describe the store and are not as its log says."""
        return list(self._catalogue.faults())

    def mend(self) -> list[str]:
        """Write these files anew, and return the names of those that are damaged, and not only of before."""
        return self._catalogue.mend()

    def grid(self) -> Grid:
        """Return the grid with all coordinates that are stored."""
        return self.state.grid

    @property
    def identity(self) -> dict[str, Any]:
        """What makes this study different from others."""
        return dict(self.state.identity)

    def form(self) -> Form:
        """Return what the results of all points share."""
        return self.state.form

    def running(self) -> int:
        """Return how many regions with missing points somebody is at, as far as is known here."""
        grid, missing, count = self.grid(), self.status() == MISSING, 0
        for name in self.place.lock_names():
            corner = tuple(int(n) for n in name.split(".") if n.isdecimal() and len(n) < 12)
            if len(corner) == len(grid.shape) and all(k < n for k, n in zip(corner, grid.shape, strict=True)):
                count += bool(missing[grid.region(corner)].any() and self.holder(name))
        return count

    def holder(self, name: str) -> str:
        """Say who holds the lock of a region and since when; empty if nobody does, as far as is known here.

        Parameters
        ----------
        name : str
            What is locked.
        """
        return self.place.holder(name)

    def _regions(self, names: Collection[str] | None = None, cached: bool = False) -> Regions:
        return Regions(self.place, self._catalogue.recent if cached else self.state, names)

    def status(self, region: Region | tuple[()] = ()) -> NDArray[np.uint8]:
        """Return the status of each point of the stored grid, or of a part of it.

        Parameters
        ----------
        region : tuple of slice
            The part; all if it is empty.
        """
        return self._regions(cached=bool(region)).status(region)

    def seals(self, region: Region) -> NDArray[Any]:
        """Return what is kept of each point of a region besides its results, zeros for those that have none.

        Parameters
        ----------
        region : tuple of slice
            A whole region.
        """
        return self._regions().seals(region)

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
            The variables over the region, perhaps with the seals.
        status : ndarray of int
            Which of its points are done or failed; those missing keep what the store has.
        failures : sequence of mapping
            Points of the region that failed, with their errors, as plain data.
        """
        if not (status != MISSING).any():
            return
        regions = self._regions(values, cached=True)
        for number, described in regions.unknown_origins(values).items():
            record = {"origin": {"number": number, **described}}
            self._catalogue.add(lambda known, n=number, r=record: None if _has_origin(known, n) else r)  # type: ignore[misc]
            regions = self._regions(values)
        regions.write(region, values, status, failures)

    def failures(self) -> list[dict[str, Any]]:
        """Return the points that failed, each with its coordinates and its error."""
        state = self.state
        return recorded_failures(self.place, state.grid, self.status() == FAILED)

    def retry(self) -> int:
        """Mark all failed points as missing, so that the sweep runs them again.

        Returns
        -------
        int
            How many there were.
        """
        count = 0
        for region in self.grid().regions_of(self.status() == FAILED):
            with self.locked(region_name(region), wait=True):  # somebody may be writing to it
                values = self.status(region)
                count += int(np.sum(values == FAILED))
                self._regions().mark(region, np.where(values == FAILED, MISSING, values))
        return count

    def damaged(self, wanted: Grid | None = None, names: Collection[str] | None = None) -> list[Region]:
        """Return the regions of which a chunk can't be read, or a point is not what was written.

        Parameters
        ----------
        wanted : Grid, optional
            The points that matter; by default all.
        names : collection of str, optional
            The variables that matter; by default all.
        """
        grid = self.grid()
        inside = np.ones(grid.shape, bool) if wanted is None else grid.overlap(wanted)
        regions = self._regions(names)
        return [region for region in regions.written() if inside[region].any() and regions.fault(region)]

    def discard(self, region: Region) -> None:
        """Drop all that is stored of a region, so that the sweep computes it again.

        Parameters
        ----------
        region : tuple of slice
            A whole region.
        """
        shape = [part.stop - part.start for part in region]
        self._regions().mark(region, np.full(shape, MISSING, np.uint8))

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
            Without the status. Points that are not done are NaN, for which integers and truth values become floats.
        """
        return self.loaded(grid, names)[0]

    def loaded(self, grid: Grid, names: Collection[str] | None = None) -> tuple[xr.Dataset, NDArray[np.uint8]]:
        """Read the results of a part of the grid, and which of its points are done, into memory.

        Parameters
        ----------
        grid : Grid
            The coordinates wanted, in the order wanted.
        names : collection of str, optional
            The variables wanted; by default all.

        Returns
        -------
        Dataset, ndarray of int
            The results as from `load`, and the status of each point; one that is not what was written is missing.
        """
        state = self.state
        parts = {name: part for name, part in state.form.parts.items() if names is None or name in names}
        each = sum(part.dtype.itemsize * int(np.prod(part.shape, dtype=float)) for part in parts.values())
        require_memory(3 * grid.size * (each + 1), f"what is asked for of store = {self.url!r}")
        values, status = gathered(self._regions(parts), grid, parts)
        labels = {name: (name, grid.coordinates(name)) for name in grid.axes}
        variables = {
            name: ((*state.grid.axes, *parts[name].dims), block, parts[name].attrs) for name, block in values.items()
        }
        return xr.Dataset(variables, {**labels, **state.form.coords}, state.form.attrs), status


def _has_origin(records: Sequence[Mapping[str, Any]], number: int) -> bool:
    return any(record.get("origin", {}).get("number") == number for record in records)
