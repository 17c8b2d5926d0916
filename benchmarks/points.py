"""What a point of an ensemble of small rings costs next to LAPACK alone: `python -m benchmarks.points`."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

import mpsnh as nh
from mpsnh import algorithms, models, observables

BATCH = 25
"""Points between two readings of the clock."""


def ring(N: int, seed: int) -> models.NonHermitianXXZ:
    return models.NonHermitianXXZ(L=N, gamma=0.1, h=2.0, seed=seed, boundary="periodic")


def simulation(N: int, seed: int, vectors: str = "right") -> nh.Simulation[nh.Spectrum]:
    """One point as a user writes it: the spectrum with its certificate, and the gap."""
    return nh.Simulation(ring(N, seed), algorithms.ExactDiag(vectors=vectors), {"gap": observables.SteadyStateGap()})


def point_of_a_sweep(seed: int) -> nh.Simulation[nh.Spectrum]:
    """Return what `swept` runs."""
    return simulation(8, seed)


def seconds(work: Callable[..., object], arguments: Iterable[object]) -> float:
    """CPU time for each argument."""
    given = list(arguments)
    begun = time.process_time()
    for argument in given:
        work(argument)
    return (time.process_time() - begun) / len(given)


def compared(N: int, batches: int, vectors: str) -> NDArray[np.float64]:
    """Median CPU time (ms) in turns: a dataset of a point, a point of a sweep, LAPACK with right vectors and without.

    The first is all that a user sees of a single point, model, checks and dataset included; a sweep makes no datasets
    of its points.
    """
    simulation(N, 0, vectors).run()
    rows = []
    for batch in range(batches):
        seeds = range(1 + batch * BATCH, 1 + (batch + 1) * BATCH)
        matrices = [ring(N, seed).matrix().toarray() for seed in seeds]
        rows.append(
            (
                seconds(lambda seed: simulation(N, seed, vectors).run(), seeds),
                seconds(lambda seed: simulation(N, seed, vectors).measured(), seeds),
                seconds(scipy.linalg.eig, matrices),
                seconds(scipy.linalg.eigvals, matrices),
            )
        )
    return 1e3 * np.array([statistics.median(column) for column in zip(*rows, strict=True)])


def swept(points: int) -> tuple[float, float, float]:
    """CPU time (s) of a sweep of rings of eight sites in a store, and that (ms) of LAPACK with vectors around it."""
    matrices = [ring(8, seed).matrix().toarray() for seed in range(400)]
    with tempfile.TemporaryDirectory() as folder:
        before = seconds(scipy.linalg.eig, matrices)
        begun = time.process_time()
        data = nh.sweep(point_of_a_sweep, {"seed": range(points)}, store=f"{folder}/points.zarr", progress=False)
        took = time.process_time() - begun
        after = seconds(scipy.linalg.eig, matrices)
    assert bool(data["certified"].all())
    return took, 1e3 * before, 1e3 * after


def main() -> None:
    """Print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[6, 8, 10])
    parser.add_argument("--batches", type=int, default=15)
    parser.add_argument("--sweep", type=int, nargs="*", default=[10_000], help="points of sweeps (add 100000)")
    given = parser.parse_args()
    print("| N | vectors | dataset of a point, ms | point of a sweep, ms | LAPACK with vectors, ms | without, ms |")
    print("|---|---|---|---|---|---|")
    for N in given.sizes:
        for vectors in ("right", "none"):
            times = compared(N, given.batches if N < 10 else max(3, given.batches // 4), vectors)
            print(f"| {N} | {vectors} | " + " | ".join(f"{each:.2f}" for each in times) + " |", flush=True)
    if given.sweep:
        print("\n| points, N = 8 | CPU s | ms a point | LAPACK with vectors before, after, ms | ratio |")
        print("|---|---|---|---|---|")
    for points in given.sweep:
        took, before, after = swept(points)
        each = 1e3 * took / points
        print(f"| {points} | {took:.0f} | {each:.2f} | {before:.2f}, {after:.2f} | {2 * each / (before + after):.2f} |")


if __name__ == "__main__":
    main()
