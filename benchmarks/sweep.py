"""What a sweep costs besides the simulations: time and memory for each realisation, scaling and resuming."""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

import mpsnh as nh
from mpsnh import algorithms, models, observables


class Draw(nh.Algorithm[nh.Spectrum]):
    """One random number: the smallest simulation there is."""

    yields = nh.Spectrum

    def records(self, model: nh.Model, after: nh.Spectrum | None = None) -> Iterator[nh.Spectrum]:
        """Yield it."""
        yield nh.Spectrum(np.array([1j * np.random.default_rng([model.seed, 3]).normal()]), None)


def tiny(seed: int) -> nh.Simulation[nh.Spectrum]:
    return nh.Simulation(models.NonHermitianXXZ(L=4, seed=seed), Draw(), {"x": observables.GrowthRate()})


def alone(points: int) -> float:
    """Return the seconds that the same points take in a plain loop: simulations without a sweep."""
    begun = time.process_time()
    for seed in range(points):
        tiny(seed).measured()
    return time.process_time() - begun


def heavy(seed: int) -> nh.Simulation[nh.Spectrum]:
    ring = models.NonHermitianXXZ(L=10, h=2.0, seed=seed, boundary="periodic")
    return nh.Simulation(ring, algorithms.ExactDiag(), {"gap": observables.SteadyStateGap()})


def sweep_in_store(points: int, url: str) -> None:
    """Run in a fresh process: print the seconds, those of a plain loop, and the peak memory (MB) of this process.

    A shared machine is now fast and now slow, so that the plain loop runs before and after, and only time on the
    processor counts.
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    alone(500)
    some = min(points // 4, 20_000)
    plain = alone(some)
    begun, waited = time.process_time(), time.perf_counter()
    nh.sweep(tiny, {"seed": range(points)}, store=url)
    seconds, waited = time.process_time() - begun, time.perf_counter() - waited
    plain = (plain + alone(some)) / (2 * some)
    print(seconds, plain, waited, before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def fresh(points: int, url: str) -> list[float]:
    """Sweep in a process of its own; return the numbers that it prints."""
    command = [sys.executable, "-m", "benchmarks.sweep", "--child", str(points), url]
    return list(map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, nargs="+", default=[10_000, 100_000], help="grid sizes (add 1000000)")
    parser.add_argument("--heavy", type=int, default=400, help="realisations of the CPU-bound study")
    options = parser.parse_args()
    print("| points | ms a point | in a plain loop | overhead | peak memory, MB (after imports) | resume, s |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for points in options.points:
            url = str(Path(folder) / f"{points}.zarr")
            seconds, plain, _, before, peak = fresh(points, url)
            _, _, resume, _, _ = fresh(points, url)
            each, once, used = 1e3 * seconds / points, 1e3 * plain, f"{peak:.0f} ({before:.0f})"
            print(f"| {points} | {each:.3f} | {once:.3f} | {each - once:.3f} | {used} | {resume:.2f} |")
    grid = {"seed": range(options.heavy)}
    spawn = multiprocessing.get_context("spawn")
    times = {}
    for workers in (1, 2, 1, 2):
        with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
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
