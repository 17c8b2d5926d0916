"""What a point of an ensemble of small rings costs next to LAPACK alone: `python -m benchmarks.points`."""

from __future__ import annotations

import argparse
import statistics
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


def simulated(N: int, seed: int) -> None:
    """One point as a user has it: model, checks, spectrum with certificate, observable, dataset."""
    nh.Simulation(ring(N, seed), algorithms.ExactDiag(), {"gap": observables.SteadyStateGap()}).run()


def seconds(work: Callable[..., object], arguments: Iterable[object]) -> float:
    """CPU time for each argument."""
    given = list(arguments)
    begun = time.process_time()
    for argument in given:
        work(argument)
    return (time.process_time() - begun) / len(given)


def compared(N: int, batches: int) -> NDArray[np.float64]:
    """Median CPU time (ms) of a point, of LAPACK with right vectors and without, taken in turns."""
    simulated(N, 0)
    rows = []
    for batch in range(batches):
        seeds = range(1 + batch * BATCH, 1 + (batch + 1) * BATCH)
        matrices = [ring(N, seed).matrix().toarray() for seed in seeds]
        point = seconds(lambda seed: simulated(N, seed), seeds)
        vectors, values = seconds(scipy.linalg.eig, matrices), seconds(scipy.linalg.eigvals, matrices)
        rows.append((point, vectors, values))
    return 1e3 * np.array([statistics.median(column) for column in zip(*rows, strict=True)])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[6, 8, 10])
    parser.add_argument("--batches", type=int, default=15)
    given = parser.parse_args()
    print("| N | point, ms | LAPACK with vectors, ms | ratio | without, ms | ratio | 10⁵ points, s |")
    print("|---|---|---|---|---|---|---|")
    for N in given.sizes:
        point, vectors, values = compared(N, given.batches if N < 10 else max(3, given.batches // 4))
        print(
            f"| {N} | {point:.2f} | {vectors:.2f} | {point / vectors:.2f} | {values:.2f} | {point / values:.2f} "
            f"| {100 * point:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
