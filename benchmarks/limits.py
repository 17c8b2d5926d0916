"""Steady currents of rings by size, without and with disorder, and the current of a clean chain after a quench."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np

import mpsnh as nh
from mpsnh import algorithms, models, observables

GAMMA = 0.1


DISORDER = (0.5, 1.0, 1.5, 2.0, 3.0)
"""Strengths of disorder."""

REALISATIONS = {8: 2000, 10: 2000, 12: 500, 14: 60}
"""How many rings there are of each size."""


def steady(N: int, h: float, seed: int) -> nh.Simulation[nh.Spectrum]:
    """Return the simulation of one disordered ring."""
    ring = models.NonHermitianXXZ(L=N, gamma=GAMMA, h=h, seed=seed, boundary="periodic")
    return nh.Simulation(ring, algorithms.SteadyState(k=1), {"growth": observables.GrowthRate()})


def disordered(folder: Path) -> None:
    """Print I_tot/N of disordered rings, with standard errors, and the slope of I_tot in N."""
    print("| h | " + " | ".join(f"N = {N} ({number})" for N, number in REALISATIONS.items()) + " | slope | χ² |")
    print("|---" * (len(REALISATIONS) + 3) + "|")
    known = {}
    for N, number in REALISATIONS.items():
        over = {"N": [N], "h": DISORDER, "seed": range(number)}
        data = nh.sweep(steady, over=over, store=folder / f"rings-{N}.zarr", workers=1)
        known[N] = data["growth"].isel(N=0) / GAMMA
    sizes = np.array(list(known), dtype=float)
    for h in DISORDER:
        currents = [of_size.sel(h=h).values for of_size in known.values()]
        means = np.array([some.mean() for some in currents])
        errors = np.array([some.std(ddof=1) / np.sqrt(len(some)) for some in currents])
        line, covariance = np.polyfit(sizes, means, 1, w=1 / errors, cov="unscaled")
        misfit = float((((means - np.polyval(line, sizes)) / errors) ** 2).sum())
        row = " | ".join(f"{m / N:.5f} ± {e / N:.5f}" for N, m, e in zip(sizes, means, errors, strict=True))
        print(f"| {h} | {row} | {line[0]:.4f} ± {covariance[0, 0] ** 0.5:.4f} | {misfit:.1f} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 10, 12, 14, 16], help="rings")
    parser.add_argument("--sites", type=int, default=96, help="of the chain")
    parser.add_argument("--bonds", type=int, nargs="+", default=[64, 128], help="bond dimensions of the chain")
    parser.add_argument("--disorder", type=Path, help="disordered rings instead, with stores in this folder")
    given = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # the error is told
    if given.disorder is not None:
        disordered(given.disorder)
        return
    print("| N | I_tot/N | certified |\n|---|---|---|")
    for L in given.sizes:
        (steady,) = algorithms.SteadyState(k=1).records(models.NonHermitianXXZ(L=L, gamma=GAMMA, boundary="periodic"))
        print(f"| {L} | {steady.values[0].imag / GAMMA / L:.4f} | {'yes' if steady.certified else 'no'} |", flush=True)
    print("\n| χ | t | current per bond | estimated error of local values |\n|---|---|---|---|")
    for chi in given.bonds:
        way = algorithms.NHTEBD(dt="auto", t_max=24.0, every=2.0, max_bond=chi)
        measured = {"current": observables.MidCurrent(half_width=given.sites // 4)}
        data = nh.Simulation(models.NonHermitianXXZ(L=given.sites, gamma=GAMMA), way, measured).run()
        for time in data["time"].values:
            row = data.sel(time=time)
            print(f"| {chi} | {time:g} | {float(row['current']):.4f} | {float(row['noise']):.1g} |", flush=True)


if __name__ == "__main__":
    main()
