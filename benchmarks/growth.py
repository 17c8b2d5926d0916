"""How time and memory of each algorithm grow with the size of the problem: fitted exponents, one thread.

Each size runs in a process of its own, after a small one that compiles and loads what is needed. Time is that of the
CPU; memory is the peak of the process above what it had before.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from mpsnh import algorithms, models


def ring(N: int, h: float = 5.0) -> models.NonHermitianXXZ:
    return models.NonHermitianXXZ(L=N, gamma=0.1, h=h, seed=1, boundary="periodic", charge=N % 2)


def half_filled(N: int) -> int:
    return math.comb(N, N // 2)


def spectrum(N: int) -> None:
    list(algorithms.ExactDiag(vectors="none").records(ring(N)))


def exact_evolution(N: int) -> None:
    list(algorithms.ExactEvolution(dt=1.0, t_max=5.0).records(ring(N, 2.0)))


def steady_state(N: int) -> None:
    list(algorithms.SteadyState().records(ring(N, 2.0)))


def avalanche(L: int) -> None:
    model = models.RandomFloquetCircuit(L=L, alpha=10.0, seed=1)
    list(algorithms.DegeneratePerturbationSolver().records(model))


def nhtebd(bond: int, L: int = 40) -> None:
    model = models.NonHermitianXXZ(L=L, gamma=0.1, h=0.5, seed=1)
    list(algorithms.NHTEBD(dt=0.5, order=4, t_max=15.0, every=30, max_bond=bond, tolerance=None).records(model))


def long_chain(L: int) -> None:
    nhtebd(32, L)


class Study(NamedTuple):
    """What grows, and how."""

    run: Callable[[int], None]
    variable: str
    sizes: Sequence[int]
    measure: Callable[[int], float]


def same(size: int) -> float:
    return float(size)


STUDIES = {
    "exact spectrum, dense": Study(spectrum, "dimension", [10, 11, 12], half_filled),
    "exact spectrum, filtered": Study(spectrum, "dimension", [14, 15, 16], half_filled),
    "exact evolution to t = 5": Study(exact_evolution, "dimension", [14, 16, 18, 20], half_filled),
    "steady state": Study(steady_state, "dimension", [14, 15, 16], half_filled),
    "avalanche, degenerate perturbation theory": Study(avalanche, "dimension", [7, 8, 9, 10], lambda L: 2.0**L),
    "NHTEBD, bond dimension (L = 40, h = 0.5)": Study(nhtebd, "χ", [32, 64, 128, 192], same),
    "NHTEBD, length (χ = 32)": Study(long_chain, "L", [80, 160, 320, 640], same),
}


def measured(run: Callable[[int], None], smallest: int, size: int) -> tuple[float, float]:
    """CPU seconds, and peak memory (MB) above that of a small run."""
    run(smallest)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    run(size)
    return time.process_time() - begun, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def apart(run: Callable[[int], None], smallest: int, size: int) -> tuple[float, float]:
    """Measure in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, run, smallest, size).result()


def exponent(x: Sequence[float], y: Sequence[float]) -> str:
    """Power of x with which y grows where it can be measured."""
    seen = np.array([(a, b) for a, b in zip(x, y, strict=True) if b > 0])
    return "–" if len(seen) < 2 else f"{np.polyfit(*np.log(seen).T, 1)[0]:.1f}"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", nargs="+", choices=sorted(STUDIES), default=list(STUDIES))
    given = parser.parse_args()
    print("| algorithm | sizes | CPU s | time ∝ | memory, MB | memory ∝ |")
    print("|---|---|---|---|---|---|")
    for name in given.studies:
        study = STUDIES[name]
        smallest = max(4, study.sizes[0] - 4) if study.measure is not same else study.sizes[0]
        rows = [apart(study.run, smallest, size) for size in study.sizes]
        x = [study.measure(size) for size in study.sizes]
        seconds, memory = zip(*rows, strict=True)
        print(
            f"| {name} | {', '.join(map(str, study.sizes))} | {', '.join(f'{s:.2f}' for s in seconds)} "
            f"| {study.variable}^{exponent(x, seconds)} | {', '.join(f'{m:.0f}' for m in memory)} "
            f"| {study.variable}^{exponent(x, memory)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
