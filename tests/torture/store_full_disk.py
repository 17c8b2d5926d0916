"""Disks that are full, or fail, at any write: nothing that was done is lost, and the same call goes on."""

from __future__ import annotations

import contextlib
import errno
import os
import warnings
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np

import mpsnh as nh
from mpsnh.run.store import DONE, Store
from tests.support.sweep_functions import draw
from tests.torture.attack import attack

GRID = {"h": [0.5, 2.0], "seed": [4, 0, 7, 1, 9]}
PLACES = ("os.replace", "os.link", "os.open", "os.fsync")
"""Calls that fail: of renaming, making once, opening and waiting for the disk."""


@attack
def fill_disk(rng: np.random.Generator, folder: Path) -> Counter[str]:
    """Let one call of the operating system fail, or all from then on, a few times.

    Verdicts: ``right``, ``lost`` (a point that was done is missing afterwards), ``wrong``.
    """
    verdicts = Counter[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(5):
            verdicts[_verdict(folder / f"data{number}.zarr", rng)] += 1
    return verdicts


def _verdict(place: Path, rng: np.random.Generator) -> str:
    name, at, lasting = str(rng.choice(PLACES)), int(rng.integers(60)), bool(rng.integers(2))
    right, calls = getattr(os, name.partition(".")[2]), iter(range(10**9))

    def failing(path, *arguments, **options):
        ours = str(place) in str(path) or isinstance(path, int)
        number = next(calls) if ours else -1
        if number == at or (lasting and number > at):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return right(path, *arguments, **options)

    with mock.patch(f"mpsnh.run.folder.{name}", failing), contextlib.suppress(OSError, ValueError):
        nh.sweep(draw, GRID, store=place, batch=2, progress=False)
    before = Store(place).status() == DONE if Store(place).exists() else np.zeros(0, bool)
    expected = nh.sweep(draw, GRID, progress=False)
    if before.size:
        data, status = Store(place).loaded(Store(place).grid())
        if not (status[before] == DONE).all():
            return "lost"
        if not np.array_equal(data["total"].values[before], expected["total"].values[before]):
            return "wrong"
    again = nh.sweep(draw, GRID, store=place, progress=False)
    return "right" if all(np.array_equal(again[name], expected[name]) for name in expected.variables) else "wrong"
