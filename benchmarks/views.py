"""The current of an open chain on condition of no click, along trajectories, and on average, for 8 and 40 sites.

Draws `docs/figures/no-click-and-average.png` (two minutes).
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import matplotlib.pyplot as plt
import xarray as xr

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.statistics import mean_with_error

T_MAX = 12.0


def views(L: int, trajectories: int) -> tuple[xr.DataArray, xr.Dataset, xr.DataArray]:
    """Return the current without clicks, that of trajectories with its error, and that of the master equation."""
    chain = models.OpenXXZ(L=L, gamma=0.1, h=1.0, seed=1)
    measured = {"j": observables.MidCurrent(half_width=L // 4)}
    pure: Any = algorithms.ExactEvolution(dt=0.5, t_max=T_MAX)
    mixed: Any = algorithms.OpenSystem(dt=0.5, t_max=T_MAX)
    if L > 10:
        pure = algorithms.NHTEBD(dt=0.1, t_max=T_MAX, every=5, max_bond=64)
        mixed = algorithms.DensityTEBD(dt=0.25, order=4, t_max=T_MAX, every=2, max_bond=96)

    def trajectory(seed: int) -> nh.Simulation[Any]:
        return nh.Simulation(chain, algorithms.Trajectories(inner=pure, seed=seed), measured)

    no_click, average = (
        nh.Simulation(*pair, measured).run()["j"] for pair in ((chain.no_click(), pure), (chain, mixed))
    )
    return no_click, mean_with_error(nh.sweep(trajectory, {"seed": range(trajectories)})["j"], "seed"), average


def main() -> None:
    """Draw the figure and print the currents at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", default="no-click-and-average.png")
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # of truncation, which the three views check against each other
    figure, panels = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for (L, trajectories), axes in zip(((8, 300), (40, 60)), panels, strict=True):
        no_click, clicking, average = views(L, trajectories)
        axes.plot(no_click["time"], no_click, color="#0072B2", label="no click")
        low, high = (clicking["mean"] + sign * clicking["error"] for sign in (-1, 1))
        axes.fill_between(clicking["time"], low, high, color="#E69F00", alpha=0.5, lw=0, label="trajectories")
        axes.plot(average["time"], average, "k--", label="master equation")
        axes.set(xlabel="time (1/J)", ylabel="current (J)", title=f"{L} sites, γ = 0.1, h = 1")
        last = f"{float(clicking['mean'][-1]):.4f} ± {float(clicking['error'][-1]):.4f}"
        print(f"{L} sites: no click {float(no_click[-1]):.4f}, average {float(average[-1]):.4f}, trajectories {last}")
    panels[1].legend(frameon=False)
    figure.savefig(options.figure, dpi=150)


if __name__ == "__main__":
    main()
