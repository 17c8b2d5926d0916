"""How long a unit of time takes with steps that NHTEBD chooses, next to fixed ones, and how far each errs.

Chains of L sites start from a state that has grown to the bond dimension; the reference is order 4 with steps of 0.1 at
twice the bond dimension. Errors are those of the density matrices of neighbours, in trace distance.
"""

from __future__ import annotations

import argparse
import time
import warnings

from mpsnh import algorithms, models
from tests.oracles.circuits import pairs_of, trace_distance

GROWN = 4.0
"""When states have grown: as late as the smallest bond dimension of the table resolves."""

UNITS = 4
"""Units of time that are timed."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sites", type=int, default=40)
    parser.add_argument("--bonds", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.5, 1.0, 2.0, 5.0])
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    print(f"{'h':>4} {'chi':>4} {'steps':>22} {'CPU s a unit':>12} {'error':>9} {'discarded':>9}")
    for chi in options.bonds:
        for h in options.strengths:
            model = models.NonHermitianXXZ(L=options.sites, gamma=0.1, V=1.1, h=h, seed=1)
            grow = algorithms.NHTEBD(dt=0.1, t_max=GROWN, every=10, order=4, max_bond=chi, tolerance=None)
            *_, start = grow.records(model)
            shared = {"t_max": GROWN + UNITS, "tolerance": None}
            fine = algorithms.NHTEBD(dt=0.1, every=10, order=4, max_bond=2 * chi, **shared)
            *_, reference = fine.records(model, after=start)
            exact = pairs_of(reference.state.site_tensors())
            ways = {
                "order 2, dt = 0.1": algorithms.NHTEBD(dt=0.1, every=10, max_bond=chi, **shared),
                "order 2, dt = 0.05": algorithms.NHTEBD(dt=0.05, every=20, max_bond=chi, **shared),
                "auto, every = 0.5": algorithms.NHTEBD(dt="auto", every=0.5, max_bond=chi, **shared),
                "auto, every = 1": algorithms.NHTEBD(dt="auto", every=1.0, max_bond=chi, **shared),
                "the same, excess 0.5": algorithms.NHTEBD(dt="auto", every=1.0, max_bond=chi, excess=0.5, **shared),
            }
            for name, way in ways.items():
                begin = time.process_time()
                *_, last = way.records(model, after=start)
                seconds = (time.process_time() - begin) / UNITS
                error = trace_distance(pairs_of(last.state.site_tensors()), exact)
                discarded = last.discarded - start.discarded
                print(f"{h:4g} {chi:4d} {name:>22} {seconds:12.3f} {error:9.1e} {discarded:9.1e}", flush=True)


if __name__ == "__main__":
    main()
