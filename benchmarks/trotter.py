"""How well NHTEBD knows the error of its Trotter decomposition: `trotter` against exact evolution, over random runs.

For each record of a run of NHTEBD, the error is the largest trace distance between its density matrices of two
neighbours and the exact ones, which `noise` and `trotter` together should cover. None of these runs was used to choose
the factor in the estimate.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mpsnh import algorithms, models
from tests.oracles.circuits import Amplitudes, pairs_of, trace_distance


def run(seed: int) -> tuple[int, NDArray[np.float64]]:
    """Return the order of a random run, and for each record error, `trotter` and `noise`."""
    rng = np.random.default_rng([seed, 16])
    L, order, chi = (int(rng.choice(c)) for c in ((8, 9, 10), (1, 2, 4), (8, 16, 32)))
    gamma, h, V = (float(rng.choice(c)) for c in ((0.0, 0.1, 0.3, 0.6), (0.5, 2.0, 5.0), (0.0, 1.0, 2.0)))
    dt, every = float(rng.choice((0.05, 0.1, 0.2, 0.4))), int(rng.choice((1, 2, 5)))
    model = models.NonHermitianXXZ(L=L, gamma=gamma, h=h, V=V, seed=seed, charge=L % 2)
    grid = {"dt": dt, "t_max": dt * every * round(8 / dt / every), "every": every}
    truncated = algorithms.NHTEBD(order=order, max_bond=chi, cutoff=1e-10, **grid)
    rows, exact = [], Amplitudes(np.arange(L) % 2 == 0)
    for record, right in zip(truncated.records(model), algorithms.ExactEvolution(**grid).records(model), strict=True):
        if record.time > 0:
            exact.psi = np.asarray(right.state.to_vector()).reshape((2,) * L)
            error = trace_distance(pairs_of(record.state.site_tensors()), exact.pairs())
            rows.append((error, record.trotter, record.noise))
    return order, np.array(rows)


def table(runs: list[tuple[int, NDArray[np.float64]]]) -> Iterator[str]:
    """Yield what is known of the estimates, as a table; the quantiles are of records in which they are of steps."""
    yield "| order | runs | records covered | of steps | trotter / error: 5 %, median, 95 % |"
    yield "|---|---|---|---|---|"
    for order in (None, 1, 2, 4):
        chosen = [rows for of, rows in runs if order in (None, of)]
        error, trotter, noise = np.concatenate(chosen).T
        steps = trotter > noise
        ratios = ", ".join(f"{q:.2g}" for q in np.quantile((trotter / error)[steps], [0.05, 0.5, 0.95]))
        covered = np.mean(trotter + noise >= error)
        yield f"| {order or 'all'} | {len(chosen)} | {covered:.1%} | {np.mean(steps):.0%} | {ratios} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--runs", type=int, default=200, help="how many seeds")
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    seeds = range(options.first, options.first + options.runs)
    print("\n".join(table([run(seed) for seed in tqdm(seeds, unit="run")])))


if __name__ == "__main__":
    main()
