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
    begun = time.perf_counter()
    for seed in range(points):
        tiny(seed).measured()
    return time.perf_counter() - begun


def heavy(seed: int) -> nh.Simulation[nh.Spectrum]:
    ring = models.NonHermitianXXZ(L=10, h=2.0, seed=seed, boundary="periodic")
    return nh.Simulation(ring, algorithms.ExactDiag(), {"gap": observables.SteadyStateGap()})


def sweep_in_store(points: int, url: str) -> None:
    """Run in a fresh process: print the seconds and the peak memory (MB) of this process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begun = time.perf_counter()
    nh.sweep(tiny, {"seed": range(points)}, store=url)
    seconds = time.perf_counter() - begun
    print(seconds, before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def fresh(points: int, url: str) -> tuple[float, float, float]:
    command = [sys.executable, __file__, "--child", str(points), url]
    seconds, before, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(before), float(peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, nargs="+", default=[10_000, 100_000], help="grid sizes (add 1000000)")
    parser.add_argument("--heavy", type=int, default=400, help="realisations of the CPU-bound study")
    options = parser.parse_args()
    plain = alone(5000) / 5000
    print(f"one tiny simulation in a plain loop: {1e3 * plain:.3f} ms\n")
    print("| points | ms a point | of which overhead | peak memory, MB (after imports) | resume, s |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for points in options.points:
            url = str(Path(folder) / f"{points}.zarr")
            seconds, before, peak = fresh(points, url)
            resume, _, _ = fresh(points, url)
            each, used = 1e3 * seconds / points, f"{peak:.0f} ({before:.0f})"
            print(f"| {points} | {each:.3f} | {each - 1e3 * plain:.3f} | {used} | {resume:.2f} |")
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
