"""Regions of a store: the chunks in which its points are written and read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import printable
from mpsnh.run.chunks import DamagedError, decoded, encoded, largest
from mpsnh.run.failures import failure_files
from mpsnh.run.form import Part, empty_value
from mpsnh.run.grid import Grid, Region
from mpsnh.run.layout import SEALS, arrays, chunk_of
from mpsnh.run.place import Place
from mpsnh.run.seal import SEAL, SEAL_TYPE, UNKNOWN, origins, value_digests
from mpsnh.run.state import STATUS, State

MISSING, DONE, FAILED = 0, 1, 2
"""What the status says of each point."""


class Regions:
    """The chunks of a store.

    Parameters
    ----------
    place : Place
        Where the store lies.
    state : State
        What it is.
    names : collection of str, optional
        The variables that matter, by default all; others that can't be read are left out.

    Examples
    --------
    >>> from mpsnh.run.form import Form
    >>> from mpsnh.run.objects import Objects
    >>> from mpsnh.run.state import made
    >>> state = State.of([made(Form.of({"x": ((), 1.0, {})}), Grid({"h": [1.0, 2.0]}), {})])
    >>> regions = Regions(Objects("memory://regions", {}), state)
    >>> regions.write((slice(0, 2),), {"x": np.array([3.0, 0.0])}, np.array([DONE, MISSING]), [])
    >>> regions.read((slice(0, 2),))[0].tolist()
    [1, 0]
    """

    def __init__(self, place: Place, state: State, names: Collection[str] | None = None) -> None:
        self.place, self.state = place, state
        self.names = state.form.parts.keys() if names is None else names
        self._parts = arrays(state.form)

    def _read(self, name: str, region: Region) -> NDArray[Any] | None:
        """Return an array over a region; None if there is no chunk.

        Raises
        ------
        OSError
            If there is one that can't be read.
        """
        part = self._parts[name]
        chunk = chunk_of(self.state.grid, part)
        try:
            data = self.place.read(self._key(name, region), largest(chunk, part.dtype))
        except FileNotFoundError:
            return None
        try:
            whole = decoded(data, chunk, part.dtype)
        except DamagedError as error:
            raise DamagedError(f"{self._key(name, region)} is damaged: {error}") from None
        inside = (*(slice(0, one.stop - one.start) for one in region), *map(slice, part.shape))
        return whole[inside]

    def _key(self, name: str, region: Region) -> str:
        place = [one.start // size for one, size in zip(region, self.state.grid.chunk, strict=True)]
        return f"{name}/{'.'.join(map(str, place + [0] * len(self._parts[name].shape)))}"

    def _encoded(self, name: str, block: NDArray[Any]) -> bytes:
        part = self._parts[name]
        return encoded(np.asarray(block, part.dtype), chunk_of(self.state.grid, part))

    def status(self, region: Region | tuple[()] = ()) -> NDArray[np.uint8]:
        """Return what is written of the status of points; a chunk that can't be read says nothing.

        Parameters
        ----------
        region : tuple of slice
            The part of the grid; all if it is empty.
        """
        grid = self.state.grid
        asked = region or tuple(slice(0, n) for n in grid.shape)
        corner = tuple(one.start for one in asked)
        if self._one_chunk(asked):
            return self._status(grid.region(corner))[tuple(slice(0, one.stop - one.start) for one in asked)]
        values = np.zeros(grid.shape, np.uint8)
        for there in self.written():
            values[there] = self._status(there)
        return values[asked]

    def written(self) -> Iterator[Region]:
        """Yield the regions that have a status."""
        grid = self.state.grid
        for name in self.place.names(STATUS):
            numbers = name.split(".")
            if len(numbers) == len(grid.shape) and all(n.isdecimal() and n.isascii() and len(n) < 12 for n in numbers):
                start = tuple(int(n) * size for n, size in zip(numbers, grid.chunk, strict=True))
                if all(k < n for k, n in zip(start, grid.shape, strict=True)):
                    yield grid.region(start)

    def _one_chunk(self, region: Region) -> bool:
        sizes = zip(region, self.state.grid.chunk, self.state.grid.shape, strict=True)
        return all(one.start % size == 0 and one.stop <= min(one.start + size, n) for one, size, n in sizes)

    def _status(self, region: Region) -> NDArray[np.uint8]:
        try:
            values = self._read(STATUS, region)
        except OSError:
            values = None
        shape = tuple(one.stop - one.start for one in region)
        return np.zeros(shape, np.uint8) if values is None else values

    def seals(self, region: Region) -> NDArray[Any]:
        """Return the seals of the points of a region, zeros where there are none.

        Parameters
        ----------
        region : tuple of slice
            A whole region.
        """
        found = self._read(SEALS, region)
        return np.zeros([one.stop - one.start for one in region], SEAL_TYPE) if found is None else found

    def read(self, region: Region) -> tuple[NDArray[np.uint8], NDArray[Any], dict[str, NDArray[Any]]]:
        """Return status, seals and results of a region.

        Parameters
        ----------
        region : tuple of slice
            A whole region.

        Returns
        -------
        status, seals, values
            A point whose results are not those that were sealed is missing.

        Raises
        ------
        OSError
            If a chunk can't be read.
        """
        return self._compared(region)[1:]

    def _compared(
        self, region: Region
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[Any], dict[str, NDArray[Any]]]:
        """Return the status as it is written, and status, seals and results as they are found to be."""
        found = self._read(STATUS, region)  # written last, and so read first
        shape = tuple(one.stop - one.start for one in region)
        status = np.zeros(shape, np.uint8) if found is None else found
        if not status.any():
            return status, status, np.zeros(shape, SEAL_TYPE), self._empty(shape)
        seals, values, gone = self.seals(region), self._empty(shape), False
        for name in values:
            try:
                block = self._read(name, region)
            except OSError:
                if name in self.names:
                    raise
                block = None
            if block is None:
                gone = True
            else:
                values[name] = block
        sound = value_digests(values, self.state.form, shape) == seals["values"]
        old = (seals["origin"] == 0) & self._unsealed(region)
        if old.any():
            sound |= old & self._plausible(values, gone)
        unknown = (status != DONE) & (status != FAILED)
        known = np.where(((status == DONE) & ~sound) | unknown, MISSING, status).astype(np.uint8)
        return status, known, seals, values

    def _unsealed(self, region: Region) -> NDArray[np.bool_]:
        """Return which points of a region an earlier version may have written, which knew no seals."""
        inside = np.zeros([one.stop - one.start for one in region], bool)
        if self.state.unsealed:
            ends = (max(0, n - one.start) for n, one in zip(self.state.unsealed, region, strict=True))
            inside[tuple(map(slice, ends))] = True
        return inside

    def _plausible(self, values: Mapping[str, NDArray[Any]], gone: bool) -> NDArray[np.bool_] | bool:
        """Return which points have finite results, as all have that are done."""
        count = len(self.state.grid.shape)
        if gone and all(block.dtype.kind not in "fc" for block in values.values()):
            return True  # an earlier version wrote no chunk of zeros
        finite: NDArray[np.bool_] | bool = True
        for name, block in values.items():
            if name in self.names and block.dtype.kind in "fc":
                finite = finite & np.isfinite(block).all(axis=tuple(range(count, block.ndim)))
        return finite

    def _empty(self, shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
        return {
            name: np.full(shape + part.shape, empty_value(part.dtype), part.dtype)
            for name, part in self.state.form.parts.items()
        }

    def fault(self, region: Region) -> str:
        """Say what is wrong with a region; empty if nothing is.

        Parameters
        ----------
        region : tuple of slice
            A whole region.
        """
        try:
            written, status, _, _ = self._compared(region)
        except OSError as error:
            return printable(str(error))
        lost = int(np.sum(written != status))
        return f"{lost} points of the region {region_name(region)} are not as they were written" if lost else ""

    def unknown_origins(self, values: Mapping[str, NDArray[Any]]) -> dict[int, dict[str, Any]]:
        """Return descriptions of origins that the log does not have yet.

        Parameters
        ----------
        values : mapping of str to ndarray
            What is to be written.
        """
        if SEAL not in values:
            return {}
        numbers = {int(number) for number in np.unique(values[SEAL]["origin"])}
        return origins(sorted(numbers - self.state.origins.keys()))

    def write(
        self,
        region: Region,
        values: Mapping[str, NDArray[Any]],
        status: NDArray[Any],
        failures: Sequence[Mapping[str, Any]],
    ) -> None:
        """Write what is new of a region (see `Store.write`)."""
        fresh, form = status != MISSING, self.state.form
        merged = np.asarray(status, np.uint8)
        blocks = self._empty(fresh.shape)
        blocks |= {name: np.asarray(values[name], block.dtype) for name, block in blocks.items() if name in values}
        seals = np.zeros(fresh.shape, SEAL_TYPE)
        seals["origin"] = UNKNOWN
        if SEAL in values:
            seals = values[SEAL].copy()
        seals["values"] = value_digests(blocks, form, fresh.shape)
        if not fresh.all():
            merged, seals = self._merge(region, fresh, merged, seals, blocks)
        seals[merged != DONE] = np.zeros((), SEAL_TYPE)
        known = {self._key(name, region): self._encoded(name, block) for name, block in blocks.items()}
        known[self._key(SEALS, region)] = self._encoded(SEALS, seals)
        if failures:
            known |= failure_files(self.place, region_name(region), failures)
        self.place.write(known)
        self.mark(region, merged)

    def _merge(
        self,
        region: Region,
        fresh: NDArray[np.bool_],
        status: NDArray[np.uint8],
        seals: NDArray[Any],
        blocks: dict[str, NDArray[Any]],
    ) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """Put what is there of other points beside what is new."""
        try:
            before, sealed, known = self.read(region)
        except OSError:  # what can't be read is computed again
            return status, seals
        for name, block in blocks.items():
            merged = known[name].copy()
            merged[fresh] = block[fresh]
            blocks[name] = merged
        sealed = sealed.copy()
        sealed[fresh] = seals[fresh]
        return np.where(fresh, status, before).astype(np.uint8), sealed

    def mark(self, region: Region, status: NDArray[Any]) -> None:
        """Write the status of a region.

        Parameters
        ----------
        region : tuple of slice
            A whole region.
        status : ndarray of int
            What is done, failed or missing.
        """
        self.place.write({self._key(STATUS, region): self._encoded(STATUS, status)})


def gathered(
    regions: Regions, grid: Grid, parts: Mapping[str, Part]
) -> tuple[dict[str, NDArray[Any]], NDArray[np.uint8]]:
    """Return results and status of a part of the grid.

    Parameters
    ----------
    regions : Regions
        Of the store.
    grid : Grid
        The coordinates wanted, in the order wanted.
    parts : mapping of str to Part
        The variables wanted.

    Returns
    -------
    values, status
        Points that are not done are NaN, for which integers and truth values become floats.

    Examples
    --------
    >>> from mpsnh.run.form import Form
    >>> from mpsnh.run.objects import Objects
    >>> from mpsnh.run.state import made
    >>> state = State.of([made(Form.of({"x": ((), 1.0, {})}), Grid({"h": [1.0, 2.0]}), {})])
    >>> regions = Regions(Objects("memory://gathered", {}), state)
    >>> regions.write((slice(0, 2),), {"x": np.array([3.0, 0.0])}, np.array([DONE, MISSING]), [])
    >>> values, status = gathered(regions, Grid({"h": [2.0, 1.0]}), state.form.parts)
    >>> values["x"].tolist(), status.tolist()
    ([nan, 3.0], [0, 1])
    """
    known = regions.state.grid
    places = known.places(grid)
    status = np.zeros([len(labels) for labels in places], np.uint8)
    values = {
        name: np.full(status.shape + part.shape, empty_value(part.dtype), part.dtype) for name, part in parts.items()
    }
    axes = [_by_chunk(one, size) for one, size in zip(places, known.chunk, strict=True)]
    for region in regions.written():
        numbers = [one.start // size for one, size in zip(region, known.chunk, strict=True)]
        if not all(number in axis for number, axis in zip(numbers, axes, strict=True)):
            continue
        targets = [axis[number] for number, axis in zip(numbers, axes, strict=True)]
        sources = [places[k][target] - region[k].start for k, target in enumerate(targets)]
        try:
            found, _, blocks = regions.read(region)
        except OSError:
            continue
        inner, outer = np.ix_(*sources), np.ix_(*targets)
        status[outer] = found[inner]
        for name in values:
            values[name][outer] = blocks[name][inner]
    undone = status != DONE
    if undone.any():
        for name, block in values.items():
            values[name] = block.astype(float) if block.dtype.kind in "iub" else block
            values[name][undone] = empty_value(values[name].dtype)
    return values, status


def _by_chunk(places: NDArray[np.intp], size: int) -> dict[int, NDArray[np.intp]]:
    """Return which of some places on an axis are in a chunk, by the number of the chunk."""
    numbers = places // size
    order = np.argsort(numbers, kind="stable")
    known, starts = np.unique(numbers[order], return_index=True)
    return dict(zip(known.tolist(), np.split(order, starts[1:]), strict=True))


def region_name(region: Region) -> str:
    """Return the name of a region, for its lock and its failures.

    Parameters
    ----------
    region : tuple of slice
        A whole region.

    Examples
    --------
    >>> region_name((slice(0, 2), slice(4, 8)))
    '0.4'
    """
    return ".".join(str(part.start) for part in region)
