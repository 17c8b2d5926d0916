"""Cheap simulations to sweep over, in a module that other processes can import, and that log what ran."""

from __future__ import annotations

import ctypes
import functools
import json
import multiprocessing
import os
import resource
import signal
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import mpsnh as nh
from mpsnh import models
from mpsnh.checks import warn


class Drawn(nh.Algorithm[nh.Spectrum]):
    """A spectrum that is drawn instead of computed."""

    yields = nh.Spectrum
    seed: int
    h: float
    levels: int = 3
    spread: float = 1.0

    def records(self, model, after=None):
        values = np.random.default_rng([self.seed, 3]).normal(size=(self.levels, 2)) @ [1, 1j]
        yield nh.Spectrum(self.h * self.spread * values, model.sector, order="growth", certified=True)


class Values(nh.Observable[nh.Spectrum]):
    measures, dims = nh.Spectrum, ("level",)

    def __call__(self, spectrum, model):
        return spectrum.values


class Total(nh.Observable[nh.Spectrum]):
    measures = nh.Spectrum

    def __call__(self, spectrum, model):
        return np.sum(spectrum.values.real)


class OddWarning(UserWarning):
    """A kind of warning of somebody else."""


class Doubted(nh.Observable[nh.Spectrum]):
    """What mpsnh warns of at each point, and somebody else at some."""

    measures = nh.Spectrum

    def __call__(self, spectrum, model):
        total = float(np.sum(spectrum.values.real))
        warn(f"Doubted: a change of {total:.3g}", RuntimeWarning)
        if total > 0:
            warnings.warn("an odd number", OddWarning, stacklevel=1)
        return total


class Rounded(nh.Observable[nh.Spectrum]):
    """An integer for some points and a fraction for others."""

    measures = nh.Spectrum

    def __call__(self, spectrum, model):
        total = np.sum(spectrum.values.real)
        return total if total > 0 else 0


@dataclass(frozen=True)
class Watched(nh.Simulation[nh.Spectrum]):
    """A simulation that does something before it runs, or goes wrong, which is no part of its provenance."""

    before: Callable[[], None] = lambda: None
    diverges: bool = False

    def measured(self, after=None, **options):
        self.before()
        data, coords, remarks = super().measured(after, **options)
        if self.diverges:
            data["E"][1][0] = np.nan
        return data, coords, remarks


MODEL = models.NonHermitianXXZ(L=2)
OBSERVABLES = {"E": Values(), "total": Total()}


def draw(
    h: float = 1.0,
    seed: int = 0,
    log: str | Path | None = None,
    pause: float = 0.0,
    faults: Mapping[int, str] | None = None,
    **parameters: Any,
) -> nh.Simulation[nh.Spectrum]:
    """Return a simulation that logs its point when it runs, takes a while, and misbehaves for some seeds."""
    fault = (faults or {}).get(seed, "")
    algorithm = Drawn(seed=seed, h=h, **parameters)
    before = functools.partial(_before, (h, seed), log, pause, fault)
    return Watched(MODEL, algorithm, OBSERVABLES, before, diverges=fault == "nan")


def _before(point: tuple[float, int], log: str | Path | None, pause: float, fault: str) -> None:
    if log is not None:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, (json.dumps(point) + "\n").encode())
        os.close(file)
    if pause:
        time.sleep(pause)
    if fault == "raise":
        raise ArithmeticError(f"no luck with seed {point[1]}")
    if fault == "exit":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "hang":
        while True:
            time.sleep(0.01)


def logged(log: Path) -> Counter[tuple[float, int]]:
    """Return how often each point ran."""
    return Counter(tuple(json.loads(line)) for line in log.read_text().splitlines()) if log.exists() else Counter()


def squared(h: float, seed: int) -> nh.Simulation[nh.Spectrum]:
    """An axis that changes a parameter of another name."""
    return draw(seed=seed, spread=h**2)


def named(kind: str, seed: int) -> nh.Simulation[nh.Spectrum]:
    """An axis of names."""
    return draw(float(len(kind)), seed)


def refusing(h: float, seed: int) -> nh.Simulation[nh.Spectrum]:
    """Some points can't even be made."""
    if seed == 2:
        raise ValueError("no seed 2")
    return draw(h, seed)


def growing(h: float, seed: int) -> nh.Simulation[nh.Spectrum]:
    """The number of levels depends on the seed."""
    return draw(h, seed, levels=2 + seed)


def doubted(h: float, seed: int) -> nh.Simulation[nh.Spectrum]:
    return nh.Simulation(models.NonHermitianXXZ(L=4), Drawn(h=h, seed=seed), {"x": Doubted()})


def doubtful(
    seed: int, fails: int = 0, only: int | None = None, stop: int = -1, wait: int = -1, log: str | Path = "log"
) -> nh.Simulation[nh.Spectrum]:
    """Points that warn when they are made, all or one alone; the first ones fail, one waits, and one stops it all."""
    if only in (None, seed) and seed not in (stop, wait):
        warnings.warn(f"doubt {seed}", stacklevel=1)
    if seed == stop:
        return Watched(MODEL, Drawn(seed=seed, h=1.0), OBSERVABLES, functools.partial(_fail_after, wait, Path(log)))
    return draw(
        seed=seed, log=log if seed == wait else None, faults={wait: "hang"} | dict.fromkeys(range(fails), "raise")
    )


def _fail_after(seed: int, log: Path) -> None:
    until = time.monotonic() + 60
    while (1.0, seed) not in logged(log) and time.monotonic() < until:
        time.sleep(0.01)
    raise ArithmeticError("no luck")


def rounded(h: float, seed: int) -> nh.Simulation[nh.Spectrum]:
    """Results change their type between points."""
    return nh.Simulation(MODEL, Drawn(seed=seed, h=h), {"rounded": Rounded()})


def run(
    make: Callable[..., Any],
    over: Mapping[str, Any],
    threads: int = 0,
    processes: bool = False,
    largest_file: int | None = None,
    **options: Any,
) -> None:
    """Sweep in a process of its own, with an executor of its own and perhaps no room for files."""
    if largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    if not threads:
        nh.sweep(make, over, **options)
        return
    quick = multiprocessing.get_context("fork")  # here there is no thread yet
    with ProcessPoolExecutor(threads, mp_context=quick) if processes else ThreadPoolExecutor(threads) as executor:
        nh.sweep(make, over, executor, **options)


class Stubborn(Drawn):
    """An algorithm that does not come back from a library, where no Python code runs."""

    def records(self, model, after=None):
        if self.seed == 1:
            library, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(128)
            library.pthread_mutex_lock(mutex)
            library.pthread_mutex_lock(mutex)  # waits for ever, whatever signal comes
        yield from super().records(model, after)


def stubborn(h: float, seed: int, log: str | Path | None = None) -> nh.Simulation[nh.Spectrum]:
    """A point that holds the interpreter for ever, after it is logged."""
    before = functools.partial(_before, (h, seed), log, 0.0, "")
    return Watched(MODEL, Stubborn(seed=seed, h=h), OBSERVABLES, before)


def meeting(h: float, seed: int, log: Path, together: int) -> nh.Simulation[nh.Spectrum]:
    """A point that is logged, and ends when so many have begun."""
    return Watched(MODEL, Drawn(seed=seed, h=h), OBSERVABLES, functools.partial(_meet, (h, seed), log, together))


def _meet(point: tuple[float, int], log: Path, together: int) -> None:
    _before(point, log, 0.0, "")
    until = time.monotonic() + 60
    while logged(log).total() < together:
        if time.monotonic() > until:
            raise TimeoutError("nobody else has begun")
        time.sleep(0.01)


class Quench(nh.TimeEvolution):
    """An evolution of few amplitudes whose steps take a while and are logged."""

    seed: int
    log: str
    pause: float = 0.02

    def parameters(self):
        return {"type": "Quench", "seed": self.seed}

    def init(self, model, after):
        state = nh.ExactState(np.random.default_rng(self.seed).normal(size=2), model.sector)
        return state if after is None else after.state

    def advance(self, carry, t, dt, steps):
        _before((t, self.seed), self.log, self.pause, "")
        return nh.ExactState(np.sin(3 * carry.vector), carry.sector)

    def record(self, carry, t):
        return nh.Snapshot(t, carry, 0.0)


class First(nh.Observable[nh.Snapshot]):
    measures = nh.Snapshot

    def __call__(self, snapshot, model):
        return snapshot.state.vector[0]


def quench(seed: int, log: str | Path = "log", pause: float = 0.02) -> nh.Simulation[nh.Snapshot]:
    """A long point: 20 steps, each of which is logged."""
    return nh.Simulation(MODEL, Quench(dt=1.0, t_max=20.0, seed=seed, log=str(log), pause=pause), {"x": First()})
