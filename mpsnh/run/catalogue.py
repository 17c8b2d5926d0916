"""What a store is, kept in its log, and the files that describe it to Zarr."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mpsnh.checks import printable
from mpsnh.run.chunks import DamagedError
from mpsnh.run.grid import Grid
from mpsnh.run.layout import earlier, files
from mpsnh.run.log import COPIES, Log
from mpsnh.run.place import Place
from mpsnh.run.state import State

Records = Sequence[Mapping[str, Any]]
"""What a log holds."""


class Catalogue:
    """The log of a store, what it adds up to, and what follows from it.

    Parameters
    ----------
    place : Place
        Where the store lies.

    Examples
    --------
    >>> from mpsnh.run.form import Form
    >>> from mpsnh.run.objects import Objects
    >>> from mpsnh.run.state import made
    >>> catalogue = Catalogue(Objects("memory://catalogue", {}))
    >>> catalogue.begin(made(Form.of({"x": ((), 1.0, {})}), Grid({"h": [1.0]}), {}))
    >>> catalogue.admit(Grid({"h": [2.0]}), {}, {})
    >>> catalogue.state.grid.axes
    {'h': [1.0, 2.0]}
    """

    def __init__(self, place: Place) -> None:
        self.place, self.log = place, Log(place)
        self._state: tuple[int, State] | None = None

    def exists(self) -> bool:
        """Tell whether there is a store."""
        return bool(self.log.records()) or earlier(self.place) is not None

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
        records = self.log.records()
        if self._state is not None and self._state[0] == len(records) > 0:
            return self._state[1]
        known = list(records) or [record for record in [earlier(self.place)] if record is not None]
        if not known:
            raise self._nothing()
        try:
            self._state = len(records), State.of(known)
        except DamagedError as error:
            raise DamagedError(f"store = {self.place.url!r} can't be used: {printable(str(error))}") from None
        return self._state[1]

    @property
    def recent(self) -> State:
        """What the store was when it was last looked at, of which everything is still true."""
        return self.state if self._state is None else self._state[1]

    def begin(self, record: Mapping[str, Any]) -> None:
        """Write the first record.

        Parameters
        ----------
        record : mapping
            What the store is.

        Raises
        ------
        FileExistsError
            If there is one already.
        """
        State.of([record])
        self.log.append(lambda known: None if known else dict(record))
        if self.log.records()[0] != record:
            raise FileExistsError(
                f"store = {self.place.url!r} was made by another sweep at the same moment; call again"
            )
        self._publish({})

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

        def missing(records: Records) -> dict[str, Any] | None:
            state = State.of(records)
            grown, record = state.grid.extended(other), dict[str, Any]()
            added = {name: labels[len(state.grid.axes[name]) :] for name, labels in grown.axes.items()}
            if any(added.values()):
                record["axes"] = Grid({name: labels for name, labels in added.items() if labels}).to_json()["axes"]
            if state.identity != identity:
                record |= {"identity": dict(identity), "attrs": {**state.form.attrs, **attributes}}
            if record:
                State.of([*records, record])
            return record or None

        before = files(self.state) if self.log.records() else {}
        self.add(missing)
        if self.log.records():
            self._publish(before)

    def add(self, missing: Callable[[Records], dict[str, Any] | None]) -> None:
        """Write a record; before the first one of a store of an earlier version, what that was.

        Parameters
        ----------
        missing : callable
            Takes the records that there are, and returns the new one, or None if nothing is missing any more.
        """
        if not self.log.records():
            before = earlier(self.place)
            if before is None:
                raise self._nothing()
            if missing([before]) is None:
                return
            self.log.append(lambda known: None if known else before)
        self.log.append(missing)

    def faults(self) -> dict[str, bytes]:
        """Return the files that are not as the log says, with what they should hold."""
        wrong = self.log.faults()
        for name, data in files(self.state).items() if self.log.records() else ():
            try:
                whole = self.place.read(name, len(data) + 1) == data
            except OSError:
                whole = False
            if not whole:
                wrong[name] = data
        return wrong

    def mend(self) -> list[str]:
        """Write anew what is not as the log says, and return the names of damaged files among them.

        A file that is as an earlier record said is none: a process was stopped while it wrote the next ones.
        """
        wrong = self.faults()
        damaged = [name for name in wrong if not self._is_old(name)]
        if wrong:
            self.place.write(wrong)
        return damaged

    def _is_old(self, name: str) -> bool:
        records = self.log.records()
        try:
            data = self.place.read(name)
        except FileNotFoundError:
            return name == f"{COPIES}/{len(records) - 1:06d}"
        except OSError:
            return False
        return any(files(State.of(records[:k])).get(name) == data for k in range(1, len(records)))

    def _publish(self, before: Mapping[str, bytes]) -> None:
        """Write what describes the store to Zarr and xarray, where that is not what it was."""
        while (now := files(self.state)) != before:  # until nobody has made it longer meanwhile
            self.place.write({name: data for name, data in now.items() if before.get(name) != data})
            before = now

    def _nothing(self) -> FileNotFoundError:
        return FileNotFoundError(errno.ENOENT, "there is no store of a sweep", self.place.url)
