"""Stores as another version, or somebody else, might have written them."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

import mpsnh as nh
from mpsnh.run.folder import Folder
from mpsnh.run.log import COPIES, RECORDS, Log
from mpsnh.run.store import Store
from tests.support.sweep_functions import draw

GRID = {"h": [0.5, 2.0], "seed": [4, 0, 7, 1, 9]}


def filled(store: Store, over: dict[str, Any] = GRID, **options: Any) -> xr.Dataset:
    """Sweep into a store, and return the dataset of a sweep without one."""
    xr.testing.assert_identical(
        nh.sweep(functools.partial(draw, **options), over, store=store.url, batch=3), plain(over)
    )
    return plain(over)


def plain(over: dict[str, Any]) -> xr.Dataset:
    return nh.sweep(draw, over)


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rewrite(folder: Path | str, change: Callable[[dict[str, Any]], None]) -> None:
    """Write the log of a store anew, with right checksums, after a change of each of its records."""
    place = Folder(Path(folder), sync=False)
    records = list(Log(place).records())
    for name in (RECORDS, COPIES):
        shutil.rmtree(place.root / name)
    log = Log(place)
    for number, record in enumerate(records):
        change(record)
        log.append(lambda known, number=number, record=record: record if len(known) == number else None)


def identities(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Return a change of what records say of the study."""
    return lambda record: change(record["identity"]) if "identity" in record else None
