"""Stores that somebody made to mislead, to fill the memory, or to keep a program waiting for ever."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.stores import rewrite

Attack = Callable[[Path], Any]

VALUES: dict[str, Any] = {
    "nothing": None,
    "a number": -1,
    "a text": "\x1b[31mred\x1b[0m",
    "a list": [[[]]],
    "a mapping": {"\x1b]0;title\x07": {}},
    "1e12": 10**12,
    "1e400": 10**400,
    "NaN": float("nan"),
}
"""What may stand where something else is expected."""

FILES = (
    ".zattrs", ".zgroup", "h/.zarray", "h/0", "status/.zarray", "status/0.0", "total/0.0", "total/.zarray",
    "grid/seals/0.0", "E/.zattrs",
)  # fmt: skip
"""Files of a store that are replaced by other things."""


def in_records(*keys: str, value: Any) -> Attack:
    """Say something else in the log, with right checksums."""

    def change(record: dict[str, Any]) -> None:
        for key in keys[:-1]:
            record = record.get(key, {})
        if keys[-1] in record:
            record[keys[-1]] = value

    return lambda store: rewrite(store, change)


def in_place_of(name: str, make: Callable[[Path], Any]) -> Attack:
    """Put something else where a file is."""

    def attack(store: Path) -> None:
        path = store / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)

    return attack


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 * 10**9)


KINDS: dict[str, Callable[[Path], Any]] = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "2 GB": sparse,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "nonsense": lambda path: path.write_bytes(b"\xff\xfe{" * 9),
    "nested": lambda path: path.write_text("[" * 100_000),
}


PLACES = (
    "axes", "axes h", "axes h labels", "chunk", "form", "form parts", "form coords", "form parts total",
    "form parts total shape", "form parts total dtype", "form parts total attrs", "form coords level data",
    "identity", "identity versions", "identity computes", "format", "unsealed", "form attrs",
)  # fmt: skip
"""Parts of the first record of a log."""

OUTSIDE = {"../out": {"dims": [], "shape": [], "dtype": "<f8", "attrs": {}}}


def attacks() -> dict[str, Attack]:
    """Return all of them, by name."""
    known = dict[str, Attack]()
    for name in FILES:
        known |= {f"{name} is {kind}": in_place_of(name, make) for kind, make in KINDS.items() if kind != "nested"}
    for copies in (["log"], ["log", "copy"]):
        for kind, make in KINDS.items():
            known[f"{' and '.join(copies)} are {kind}"] = _both([f"grid/{name}/000000" for name in copies], make)
    for number, keys in enumerate(PLACES):
        for kind in list(VALUES)[number % 2 :: 2]:
            known[f"{keys} is {kind}"] = in_records(*keys.split(), value=VALUES[kind])
    return known | {
        "a million million points": in_records("axes", "seed", value={"range": [0, 10**12, 1]}),
        "many points": in_records("axes", "seed", value={"range": [0, 10**5, 1]}),
        "a huge shape": in_records("form", "parts", "total", "shape", value=[10**12]),
        "a large shape": in_records("form", "parts", "total", "shape", value=[10**9]),
        "objects": in_records("form", "parts", "total", "dtype", value="|O"),
        "a name that leads out": in_records("form", "parts", value=OUTSIDE),
        "a chunk of ten million": in_records("chunk", value=[10**7, 10**7]),
        "names that are escapes": in_records("axes", "h", "labels", value=["\x1b[31m", "\x1b]0;x\x07"]),
        "no log": lambda store: shutil.rmtree(store / "grid"),
        "no record": lambda store: [path.unlink() for path in store.glob("grid/*/00000*")],
        "no first record": lambda store: [path.unlink() for path in store.glob("grid/*/000000")],
        "many records": lambda store: [(store / "grid/log" / f"{n:06d}").write_text("") for n in range(2, 500)],
        "a failure of escapes": _failing,
    }


def _both(names: list[str], make: Callable[[Path], Any]) -> Attack:
    return lambda store: [in_place_of(name, make)(store) for name in names]


def _failing(store: Path) -> None:
    folder = store / "failures" / "0.0"
    folder.mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    point = {"h": 0.5, "seed": 4}
    (folder / ".zattrs").write_text(json.dumps({"failures": [{"point": point, "error": "\x1b[2J\x1b]0;gone\x07"}]}))
