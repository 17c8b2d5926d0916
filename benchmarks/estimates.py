"""What the runs behind `noise` and `trotter` cost: steps of NHTEBD with and without them, in turns.

Chains of 40 sites at h = 2 start from a state whose bonds are full; there is a record every ten steps of order 2.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings

import numpy as np

from benchmarks.nhtebd import grown
from mpsnh import algorithms, models
from mpsnh.base.snapshot import Snapshot

EVERY = 10
"""Steps between records."""


def seconds(model: models.NonHermitianXXZ, start: Snapshot, chi: int, tolerance: float | None) -> float:
    """Return the CPU time of a step."""
    last = start.time + 0.1 * EVERY * 256
    algorithm = algorithms.NHTEBD(dt=0.1, t_max=last, every=EVERY, max_bond=chi, tolerance=tolerance)
    records, number = algorithm.records(model, after=start), max(1, 256 // chi)
    next(records)  # with all that is made once
    begin = time.process_time()
    for _ in itertools.islice(records, number):
        pass
    return (time.process_time() - begin) / number / EVERY


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bonds", type=int, nargs="+", default=[32, 64, 128, 256], help="bond dimensions χ")
    parser.add_argument("--rounds", type=int, default=9, help="how many pairs of runs (default: 9)")
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    model = models.NonHermitianXXZ(L=40, gamma=0.1, V=1.1, h=2.0, seed=0)
    print("| χ | without, ms a step | with | more: of medians, of minima |\n|---|---|---|---|", flush=True)
    for chi in options.bonds:
        start = grown(model, 0.1, chi, None)
        times = np.array([[seconds(model, start, chi, of) for of in (None, 0.01)] for _ in range(options.rounds)])
        (without, with_), (least, least_with) = np.median(times, axis=0), times.min(axis=0)
        more = f"{with_ / without - 1:.0%}, {least_with / least - 1:.0%}"
        print(f"| {chi} | {1e3 * without:.3g} | {1e3 * with_:.3g} | {more} |", flush=True)


if __name__ == "__main__":
    main()
