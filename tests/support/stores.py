"""Stores as another version, or somebody else, might have written them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpsnh.run.folder import Folder
from mpsnh.run.log import COPIES, RECORDS, Log


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
