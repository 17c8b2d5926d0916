"""Sweeps that extend both axes of a store at the same time, with readers; on the local disk, in memory and on S3."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import tempfile
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

PATIENCE = 120.0
"""Seconds after which sweeps hang."""


def rounds(rng: np.random.Generator, count: int) -> Counter[str]:
    """Let three sweeps and a reader share a store in each round.

    Verdicts: ``right``, ``duplicated`` (right, but a point other than the first ones ran twice), ``wrong``, ``lost``,
    ``hung`` and ``failed`` (a sweep raised).
    """
    verdicts = Counter[str]()
    with tempfile.TemporaryDirectory() as folder, s3() as options:
        for number in range(count):
            kind = ("local", "memory", "s3")[number % 3]
            name, log = uuid.uuid4().hex, Path(folder) / f"log{number}"
            place = {
                "local": (str(Path(folder) / name), {}),
                "memory": (f"memory://{name}/data.zarr", {}),
                "s3": (f"s3://bucket/{name}/data.zarr", options),
            }[kind]
            verdicts[f"{kind}: {_verdict(place, log, rng, kind == 'local')}"] += 1
    return verdicts


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
        return problems[0]
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
