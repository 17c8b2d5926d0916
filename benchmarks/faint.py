"""Whether NHTEBD misses amplitudes below its cutoff that gain makes the largest ones later.

Random chains with strong imaginary fields, against exact evolution. A run is off if ⟨Sz⟩ of a site is wrong by more
than the tolerance and than the error that time steps are said to make, and unnoticed if `noise` is below the tolerance.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
from tqdm import tqdm

from mpsnh import algorithms, models
from mpsnh.algorithms import nhtebd

TOLERANCE = 0.01


def random_run(seed: int) -> tuple[models.NonHermitianXXZ, algorithms.NHTEBD]:
    """Draw a chain whose fields have one sign on few sites or random ones, some particles, and how it is truncated."""
    rng = np.random.default_rng(seed)
    L, strength, kind = int(rng.integers(4, 11)), rng.choice([1, 2, 4, 6]), rng.integers(3)
    alone = np.where(np.arange(L) == rng.integers(L), 1.0, -1.0)
    gain = (rng.normal(size=L), rng.choice([-1.0, 1.0], size=L), alone)[kind]
    fields = 1j * strength * gain + rng.normal(size=L) * rng.choice([0, 1])
    ups = int(rng.integers(1, L // 2 + 1))
    initial = np.full(L, "down", dtype=object)
    initial[rng.choice(L, ups, replace=False)] = "up"
    gamma, V = float(rng.choice([0, 0.3])), float(rng.choice([0, 1.0]))
    model = models.NonHermitianXXZ(L=L, gamma=gamma, V=V, fields=list(fields), charge=2 * ups - L)
    cutoff, max_bond = float(rng.choice([1e-12, 1e-10, 1e-8])), int(rng.choice([8, 16, 32]))
    t_max = float(rng.choice([1, 2, 3, 5]))
    way = algorithms.NHTEBD(
        dt=0.05, order=4, t_max=t_max, every=5, max_bond=max_bond, cutoff=cutoff, initial=list(initial)
    )
    return model, way


def judged(seed: int) -> tuple[bool, bool]:
    """Tell whether a run is off, and whether it raises an alarm."""
    model, way = random_run(seed)
    *_, last = way.records(model)
    *_, exact = algorithms.ExactEvolution(dt=way.t_max, t_max=way.t_max, initial=way.initial).records(model)
    wrong = float(np.abs(last.state.expect_each("Sz") - exact.state.expect_each("Sz")).max())
    return wrong > max(TOLERANCE, last.trotter), last.noise > TOLERANCE


def main() -> None:
    """Print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1150)
    parser.add_argument("--least", type=int, default=nhtebd.LEAST_BOND, help="states that the cutoff leaves; 1 is none")
    given = parser.parse_args()
    nhtebd.LEAST_BOND = given.least
    warnings.simplefilter("ignore", RuntimeWarning)  # alarms are counted
    off, alarms = np.array([judged(seed) for seed in tqdm(range(given.runs))]).T
    unnoticed = int((off & ~alarms).sum())
    print(f"{given.runs} runs: {alarms.sum()} alarms, {off.sum()} off by more than {TOLERANCE}, {unnoticed} unnoticed")


if __name__ == "__main__":
    main()
