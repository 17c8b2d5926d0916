"""What a sweep costs besides the simulations: time and memory for each realisation, scaling and resuming."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.run.workers import local_processes


class Draw(nh.Algorithm[nh.Spectrum]):
    """One random number: the smallest simulation there is."""

    yields = nh.Spectrum

    def records(self, model: nh.Model, after: nh.Spectrum | None = None) -> Iterator[nh.Spectrum]:
        """Yield it."""
        number = 1j * np.random.default_rng([model.seed, 3]).normal()
        yield nh.Spectrum(np.array([number]), model.sector, order="growth")


class Timed(nh.Simulation[nh.Spectrum]):
    """A simulation that adds up the time that is spent in simulations, so that the rest of a sweep is known."""

    seconds: ClassVar[float] = 0.0

    def measured(self, after: nh.Spectrum | None = None, **options: Any) -> Any:
        """Run to the end."""
        begun = time.perf_counter()
        result = super().measured(after, **options)
        Timed.seconds += time.perf_counter() - begun
        return result


def tiny(seed: int) -> nh.Simulation[nh.Spectrum]:
    begun = time.perf_counter()
    simulation = Timed(models.NonHermitianXXZ(L=4, seed=seed), Draw(), {"x": observables.GrowthRate()})
    Timed.seconds += time.perf_counter() - begun
    return simulation


def heavy(seed: int) -> nh.Simulation[nh.Spectrum]:
    ring = models.NonHermitianXXZ(L=10, h=2.0, seed=seed, boundary="periodic")
    return nh.Simulation(ring, algorithms.ExactDiag(), {"gap": observables.SteadyStateGap()})


def sweep_in_store(points: int, url: str) -> None:
    """Run in a fresh process: print all seconds, those outside of simulations, and the peak memory (MB)."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begun = time.perf_counter()
    nh.sweep(tiny, {"seed": range(points)}, store=url)
    seconds = time.perf_counter() - begun
    print(seconds, seconds - Timed.seconds, before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def fresh(points: int, url: str) -> list[float]:
    """Sweep in a process of its own; return the numbers that it prints."""
    command = [sys.executable, "-m", "benchmarks.sweep", "--child", str(points), url]
    return list(map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, nargs="+", default=[10_000, 100_000], help="grid sizes (add 1000000)")
    parser.add_argument("--heavy", type=int, default=400, help="realisations of the CPU-bound study")
    options = parser.parse_args()
    print("| points | ms a point | of which overhead | peak memory, MB (after imports) | resume, s |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for points in options.points:
            url = str(Path(folder) / f"{points}.zarr")
            seconds, outside, before, peak = fresh(points, url)
            resume = fresh(points, url)[0]
            each, rest, used = 1e3 * seconds / points, 1e3 * outside / points, f"{peak:.0f} ({before:.0f})"
            print(f"| {points} | {each:.3f} | {rest:.3f} | {used} | {resume:.2f} |")
    grid = {"seed": range(options.heavy)}
    times: dict[int, float] = {}
    for workers in (1, 2, 1, 2):
        with local_processes(workers) as pool:
            nh.sweep(heavy, {"seed": range(2 * workers)}, pool, batch=1)  # start the workers
            begun = time.perf_counter()
            nh.sweep(heavy, grid, pool)
            times[workers] = min(times.get(workers, np.inf), time.perf_counter() - begun)
    print(
        f"\n{options.heavy} spectra of N = 10: {times[1]:.1f} s with 1 worker, {times[2]:.1f} s with 2, "
        f"ratio {times[1] / times[2]:.2f}"
    )


if __name__ == "__main__":
    if "--child" in sys.argv:
        sweep_in_store(int(sys.argv[2]), sys.argv[3])
    else:
        main()
