"""Attacks on what runs points: workers and the main process are killed at random, and points end in every way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.support import hostile
from tests.support.processes import all_end, workers_of
from tests.torture.attack import attack

ROOT = Path(__file__).parents[2]
SECONDS = 120.0
"""Longest that a sweep may take before it counts as hung."""

POINTS = 40
METHODS = ("fork", "spawn", "forkserver")

SCRIPT = """
import functools, json, multiprocessing, sys, warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
import mpsnh as nh
from tests.torture import points

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    kind, number, batch, store, log, faults, out = json.loads(sys.argv[1])
    make = functools.partial(points.make, log=log, faults=faults)
    limit = None if kind in ("serial", "threads") else 30
    executor = None
    if kind == "threads":
        executor = ThreadPoolExecutor(number)
    elif kind != "serial":
        context = multiprocessing.get_context(kind)
        if kind == "forkserver":
            context.set_forkserver_preload(["mpsnh", "tests.torture.points"])
        executor = ProcessPoolExecutor(number, context)
    data = nh.sweep(make, {"seed": range(POINTS)}, executor, store, batch, progress=False, time_limit=limit)
    failed = {f["point"]["seed"]: f["error"] for f in json.loads(data.attrs.get("failures", "[]"))}
    with open(out, "w") as file:
        json.dump({"total": data["total"].values.tolist(), "failed": failed}, file)
    if executor is not None:
        executor.shutdown()
""".replace("POINTS", str(POINTS))


def _start(folder: Path, *options: Any) -> subprocess.Popen[bytes]:
    (folder / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py", json.dumps(options)]
    with (folder / "said").open("ab") as said:
        return subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=said)


def _options(rng: np.random.Generator, folder: Path, kinds: tuple[str, ...]) -> list[Any]:
    kind, batch = str(rng.choice(kinds)), [1, 3, 7, "auto"][rng.integers(4)]
    store = str(folder / "data.zarr") if rng.random() < 0.5 else None
    return [kind, int(rng.integers(1, 4)), batch, store, str(folder / "log"), {}, str(folder / "out")]


def _judged(folder: Path, faults: dict[str, str]) -> Counter[str]:
    """Compare what came out with what must."""
    counted = Counter[str]()
    if not (folder / "out").exists():
        counted["lost"] += POINTS
        return counted
    out = json.loads((folder / "out").read_text())
    for seed, total in enumerate(out["total"]):
        right = float(np.random.default_rng([seed, 3]).normal(size=(3, 2))[:, 0].sum())
        if str(seed) in faults:
            counted["wrong"] += str(seed) not in out["failed"]
        elif str(seed) in out["failed"] or total != total:
            counted["lost"] += 1
        else:
            counted["wrong"] += abs(total - right) > 1e-12
    return counted


def _repeated(folder: Path, allowed: int) -> int:
    """How many points ran more often than the deaths explain."""
    log = folder / "log"
    ran = Counter(log.read_text().split()) if log.exists() else Counter()
    return max(0, sum(number - 1 for number in ran.values()) - allowed)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Return 1 if a process does not end in time."""
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return 1
    return 0


@attack
def kill_workers(rng: np.random.Generator, folder: Path) -> Counter[str]:
    """Two workers die at random moments: fewer than it takes to give up a point."""
    options = _options(rng, folder, METHODS)
    begun, process, kills = time.monotonic(), _start(folder, *options), 0
    moments = iter(sorted(rng.uniform(1.0, 6.0, size=2)))
    moment = next(moments, None)
    while process.poll() is None and time.monotonic() - begun < SECONDS:
        if moment is not None and time.monotonic() - begun > moment:
            workers = workers_of(process.pid)
            if workers:
                workers[rng.integers(len(workers))].kill()
                kills += 1
            moment = next(moments, None)
        time.sleep(0.01)
    counted = Counter({"hung": _wait(process)}) + _judged(folder, {})
    largest = POINTS if options[2] == "auto" else options[2]
    counted["duplicated"] += _repeated(folder, kills * largest)
    return counted


@attack
def kill_main(rng: np.random.Generator, folder: Path) -> Counter[str]:
    """The main process is killed, its workers end by themselves, and the same call goes on."""
    options = _options(rng, folder, ("serial", "threads", *METHODS))
    options[3] = str(folder / "data.zarr")
    counted, kills = Counter[str](), 0
    for moment in rng.uniform(0.5, 6.0, size=2):
        process = _start(folder, *options)
        until = time.monotonic() + moment
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        orphans = workers_of(process.pid) if process.poll() is None else []
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        counted["hung"] += not all_end(orphans, 20)
    counted["hung"] += _wait(_start(folder, *options))
    counted += _judged(folder, {})
    largest = 3 if options[2] == "auto" else options[2]  # sixteen regions at least
    counted["duplicated"] += _repeated(folder, kills * (options[1] * (largest + 1)))
    return counted


@attack
def points_that_end(rng: np.random.Generator, folder: Path) -> Counter[str]:
    """Some points die, exit or raise what nobody expects; all others are there."""
    options = _options(rng, folder, ("serial", "threads", *METHODS))
    kinds = list(hostile.ENDS) + ([] if options[0] in ("serial", "threads") else ["kill", "_exit", "abort"] * 3)
    seeds = rng.choice(POINTS, size=4, replace=False)
    faults = {str(seed): str(rng.choice(kinds)) for seed in seeds}
    options[5] = faults
    counted = Counter({"hung": _wait(_start(folder, *options))}) + _judged(folder, faults)
    largest = POINTS if options[2] == "auto" else options[2]
    counted["duplicated"] += _repeated(folder, len(faults) * 3 * largest)
    return counted
