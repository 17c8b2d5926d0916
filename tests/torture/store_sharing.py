"""Sweeps that extend both axes of a store at the same time, with readers; on the local disk, in memory and on S3."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import threading
import uuid
from collections import Counter
from pathlib import Path

import numpy as np

import mpsnh as nh
from mpsnh.run.store import DONE, Store
from mpsnh.run.verify import verify
from tests.support.object_store import s3
from tests.support.sweep_functions import draw, logged
from tests.torture.attack import attack

PATIENCE = 120.0
"""Seconds after which sweeps hang."""


@attack
def share_folder(rng: np.random.Generator, folder: Path) -> Counter[str]:
    """Three sweeps in processes and a reader share a folder."""
    return Counter([_verdict((str(folder / "data.zarr"), {}), folder / "log", rng, processes=True)])


@attack
def share_memory(rng: np.random.Generator, folder: Path) -> Counter[str]:
    """Three sweeps in threads and a reader share a store in memory, which has no locks."""
    return _without_locks((f"memory://{uuid.uuid4().hex}/data.zarr", {}), folder, rng)


@attack
def share_bucket(rng: np.random.Generator, folder: Path) -> Counter[str]:
    """Three sweeps in threads and a reader share a store on S3, which has no locks."""
    with s3() as options:
        return _without_locks((f"s3://bucket/{uuid.uuid4().hex}/data.zarr", options), folder, rng)


def _without_locks(place, folder: Path, rng: np.random.Generator) -> Counter[str]:
    verdict = _verdict(place, folder / "log", rng, processes=False)
    return Counter(["right" if verdict == "duplicated" else verdict])


def _grids(rng: np.random.Generator) -> list[dict[str, list[float]]]:
    return [
        {
            "h": rng.choice([0.5, 1.0, 1.5, 2.0], int(rng.integers(1, 4)), replace=False).tolist(),
            "seed": rng.choice(12, int(rng.integers(1, 6)), replace=False).tolist(),
        }
        for _ in range(3)
    ]


def _sweep(place, grid, log, batch):
    nh.sweep(functools.partial(draw, log=log), grid, store=Store(*place, sync=False), batch=batch, progress=False)


def _verdict(place, log: Path, rng: np.random.Generator, processes: bool) -> str:
    """Return what came of it; ``duplicated`` means that a point other than the first ones ran twice."""
    grids, batch = _grids(rng), int(rng.integers(1, 4))
    problems, over = list[str](), threading.Event()
    context = multiprocessing.get_context("forkserver")

    def run(grid):
        with contextlib.suppress(Exception):
            _sweep(place, grid, log, batch)
            return
        problems.append("failed")

    start = functools.partial(context.Process, target=_sweep) if processes else None
    crew = [
        start(args=(place, grid, log, batch)) if start else threading.Thread(target=run, args=(grid,), daemon=True)
        for grid in grids
    ]
    reader = threading.Thread(target=_read, args=(place, over, problems), daemon=True)
    for one in (*crew, reader):
        one.start()
    for one in crew:
        one.join(PATIENCE)
    over.set()
    reader.join(PATIENCE)
    if any(one.is_alive() for one in (*crew, reader)):
        return "hung"
    problems += ["failed" for one in crew if processes and one.exitcode]
    if not problems:
        for grid in grids:
            data = nh.sweep(draw, grid, store=Store(*place, sync=False), progress=False)
            expected = nh.sweep(draw, grid, progress=False)
            if not all(np.array_equal(data[name], expected[name]) for name in expected.variables):
                return "wrong"
        wanted = {(h, seed) for grid in grids for h in grid["h"] for seed in grid["seed"]}
        if verify(Store(*place)).points["done"] < len(wanted):
            return "lost"
    if problems:
        log.with_name("said").write_text("\n".join(problems))
        return "wrong" if "wrong" in problems else "lost"  # a sweep that raised has lost its points
    first = {(grid["h"][0], grid["seed"][0]) for grid in grids}
    return "duplicated" if any(n > 1 for point, n in logged(log).items() if point not in first) else "right"


def _read(place, over: threading.Event, problems: list[str]) -> None:
    while not over.wait(0.05):
        try:
            store = Store(*place)
            if not store.exists():
                continue
            known = store.grid()
            data, status = store.loaded(known)
            done = status == DONE
            if not np.array_equal(
                data["total"].values[done], nh.sweep(draw, known.axes, progress=False)["total"].values[done]
            ):
                problems.append("wrong")
        except Exception as error:
            problems.append(f"failed: {error!r}"[:80])
