"""Wall time of NHTEBD's steps with one thread and with two, in turns: one core must be idle besides this one.

Chains of 40 sites at h = 2 start from a state whose bonds are full. What other jobs took away shows in the CPU time of
the run with one thread, which is its wall time on idle cores.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks.nhtebd import grown
from mpsnh import algorithms, models
from mpsnh.states.helpers import cores


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bonds", type=int, nargs="+", default=[32, 64, 128, 256], help="bond dimensions χ")
    parser.add_argument("--threads", type=int, default=2, help="how many threads (default: 2)")
    parser.add_argument("--rounds", type=int, default=9, help="how many pairs of runs (default: 9)")
    parser.add_argument("--estimates", action="store_true", help="with the runs that estimate errors")
    parser.add_argument("--states", type=Path, help="folder in which evolved states are kept")
    given = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    model = models.NonHermitianXXZ(L=40, gamma=0.1, V=1.1, h=2.0, seed=0)
    print(f"{cores()} cores\n\n| χ | one thread, ms a step | its CPU time | {given.threads} threads | times faster |")
    print("|---|---|---|---|---|", flush=True)
    for chi in given.bonds:
        start, steps = grown(model, 0.1, chi, given.states), max(2, 640 // chi)
        runs = []
        for threads in (1, given.threads):
            algorithm = algorithms.NHTEBD(
                dt=0.1, t_max=1000.0, max_bond=chi, threads=threads, **{} if given.estimates else {"tolerance": None}
            )
            carry = algorithm.init(model, start)
            algorithm.advance(carry, start.time, 0.1, steps)  # with all that is made once
            runs.append((algorithm, carry))
        times = np.zeros((given.rounds, 2, 2))
        for of_round in times:
            for number, (algorithm, carry) in enumerate(runs):
                wall, cpu = time.perf_counter(), time.process_time()
                algorithm.advance(carry, start.time, 0.1, steps)
                of_round[number] = time.perf_counter() - wall, time.process_time() - cpu
        (one, cpu), (more, _) = 1e3 * np.median(times, axis=0) / (steps + 0.5)
        best = times[:, :, 0].min(axis=0)
        print(
            f"| {chi} | {one:.3g} | {cpu:.3g} | {more:.3g} | {one / more:.2f} ({best[0] / best[1]:.2f}) |", flush=True
        )


if __name__ == "__main__":
    main()
