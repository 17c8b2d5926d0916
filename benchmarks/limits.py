"""The steady current of clean rings by size, and the current of a clean chain by time after a quench (V = 1.1)."""

from __future__ import annotations

import argparse
import warnings

import mpsnh as nh
from mpsnh import algorithms, models, observables

GAMMA = 0.1


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 10, 12, 14, 16], help="rings")
    parser.add_argument("--sites", type=int, default=96, help="of the chain")
    parser.add_argument("--bonds", type=int, nargs="+", default=[64, 128], help="bond dimensions of the chain")
    given = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # the error is told
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
