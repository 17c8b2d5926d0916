"""Flips of bits, cuts and losses in every file of a store: what is read is right or missing, and a sweep mends it."""

from __future__ import annotations

import shutil
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

import mpsnh as nh
from mpsnh.run.store import DONE, Store
from tests.support.sweep_functions import draw
from tests.torture.attack import attack

GRID = {"h": [0.5, 2.0], "seed": [4, 0, 7, 1, 9]}
FLIPS = 20
"""Files that are damaged in a round."""


@attack
def damage_stores(rng: np.random.Generator, folder: Path) -> Counter[str]:
    """Damage one file of a store, many times, each time of a whole one.

    Verdicts: ``mended`` (the sweep gave all results), ``refused`` (with a sentence), ``wrong``.
    """
    verdicts = Counter[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole, store = folder / "whole.zarr", folder / "data.zarr"
        faulty = _faulty(whole)
        files = sorted(str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file())
        for _ in range(FLIPS):
            shutil.copytree(whole, store)
            _damage(store / str(rng.choice(files)), rng)
            verdicts[_verdict(store, faulty)] += 1
            shutil.rmtree(store)
    return verdicts


def _faulty(place: Path):
    """Make a store with a point that failed, and return the results."""
    return nh.sweep(_make, GRID, store=Store(place, sync=False), batch=3, progress=False)


def _make(h: float, seed: int) -> nh.Simulation[nh.Spectrum]:
    return draw(h, seed, faults={7: "raise"} if h == 2.0 else {})


def _damage(path: Path, rng: np.random.Generator) -> None:
    data, kind = bytearray(path.read_bytes()), int(rng.integers(8))
    if kind == 0:
        path.unlink()
        return
    if kind == 1:
        del data[int(rng.integers(len(data) + 1)) :]
    else:
        for _ in range(kind - 1):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(bytes(data))


def _verdict(place: Path, expected) -> str:
    try:
        store = Store(place, sync=False)
        data, status = store.loaded(store.grid())
        done = status == DONE
        for name in ("E", "total"):
            if not np.array_equal(data[name].values[done], expected[name].values[done]):
                return "wrong"
        again = nh.sweep(_make, GRID, store=Store(place, sync=False), progress=False)
    except (OSError, ValueError):
        return "refused"
    same = all(np.array_equal(again[name], expected[name], equal_nan=True) for name in expected.variables)
    sound = not Store(place, sync=False).faults() and not Store(place, sync=False).damaged()
    return "mended" if same and sound else "wrong"
