"""NHTEBD on the chain of the paper, N = 560, where the answer is known: free fermions (V = 0).

A Gaussian state gives all currents exactly, with disorder and without (oracle 9 of `tests/README.md`), and the current
in the middle of the clean chain is an integral (oracle 10). Steps are of fourth order and so short that what is left is
truncation: the table and the figure say how it falls with the bond dimension χ.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import mpsnh as nh
from mpsnh import algorithms, models, observables
from tests.oracles.gaussian import CleanQuench, GaussianState, bulk_momenta, propagator, single_particle

ROOT = Path(__file__).parents[1]

DT = 0.5
"""Time step; its error is 1e-6."""

HALF_WIDTH = 25
"""Of the window in the middle whose mean current is compared with the integral."""


def errors(model: models.NonHermitianXXZ, times: Sequence[float], max_bond: int) -> xr.Dataset:
    """Return the largest error of a bond's current, that of the mid current, the discarded weight and CPU seconds."""
    begin = time.process_time()
    algorithm = algorithms.NHTEBD(
        dt=DT, t_max=times[-1], every=round(times[0] / DT), order=4, max_bond=max_bond, cutoff=1e-14, tolerance=None
    )
    named = {"currents": observables.CurrentProfile(), "mid": observables.MidCurrent(half_width=HALF_WIDTH)}
    data = nh.Simulation(model, algorithm, named).run().sel(time=list(times), method="nearest")
    spent = time.process_time() - begin
    start = GaussianState.neel(model.L).trajectory(propagator(single_particle(model), times[0]), times[0], len(times))
    exact = np.array([state.currents() for state in start])[1:]
    middle = slice(model.L // 2 - HALF_WIDTH, model.L // 2 + HALF_WIDTH)
    bulk = [CleanQuench(model.gamma, t, bulk_momenta()).current() for t in times]
    if model.h == 0:
        assert np.abs(exact[:, middle].mean(axis=1) - bulk).max() < 1e-12, "the two oracles agree"
    return xr.Dataset(
        {
            "current": ("time", np.abs(data["currents"].values - exact).max(axis=1)),
            "mid": ("time", np.abs(data["mid"].values - exact[:, middle].mean(axis=1))),
            "discarded": ("time", data["discarded_weight"].values / (model.L - 1)),
            "seconds": spent,
        },
        {"time": list(times), "chi": max_bond, "h": model.h},
    )


def draw(found: xr.Dataset, place: Path) -> None:
    """Draw the largest error of a current against χ, a panel for each disorder and a line for each time."""
    figure, panels = plt.subplots(1, found.sizes["h"], figsize=(3.2 * found.sizes["h"], 3.2), sharey=True)
    for panel, h in zip(np.atleast_1d(panels), found["h"].values, strict=True):
        for number, t in enumerate(found["time"].values):
            line = found["current"].sel(h=h, time=t)
            color = plt.get_cmap("viridis")(number / found.sizes["time"])
            panel.loglog(found["chi"], line, "o-", color=color, label=f"t = {t:g}", base=2, nonpositive="clip")
        panel.set_yscale("log", base=10)
        panel.set(title="clean" if h == 0 else f"h = {h:g}", xlabel="bond dimension χ")
        panel.set_xticks(found["chi"].values, [str(chi) for chi in found["chi"].values])
    np.atleast_1d(panels)[0].set_ylabel("largest error of ⟨I_j⟩")
    np.atleast_1d(panels)[-1].legend(fontsize="small")
    figure.tight_layout()
    place.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(place, dpi=120)


def main() -> None:
    """Measure, print the table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sites", type=int, default=560, help="number of sites (default: 560)")
    parser.add_argument("--gamma", type=float, default=0.1, help="asymmetry of the hopping (default: 0.1)")
    parser.add_argument("--disorder", type=float, nargs="+", default=[0, 1, 2], help="strengths h (default: 0 1 2)")
    parser.add_argument("--seed", type=int, default=0, help="realisation (default: 0)")
    parser.add_argument("--chi", type=int, nargs="+", default=[16, 32, 64, 128], help="bond dimensions")
    parser.add_argument("--times", type=float, nargs="+", default=[3, 6, 9, 12], help="multiples of the first one")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "figures" / "free-fermions-error.png")
    given = parser.parse_args()
    print(f"N = {given.sites}, V = 0, γ = {given.gamma:g}, seed {given.seed}, fourth-order steps of {DT:g}\n")
    print("| h | χ | " + " | ".join(f"current, t = {t:g}" for t in given.times) + " | mid current | weight | CPU, s |")
    print("|---" * (len(given.times) + 5) + "|")
    rows = []
    for h in given.disorder:
        model = models.NonHermitianXXZ(L=given.sites, gamma=given.gamma, V=0.0, h=h, seed=given.seed)
        for chi in given.chi:
            row = errors(model, given.times, chi)
            numbers = [*row["current"].values, row["mid"].values[-1], row["discarded"].values[-1]]
            cells = " | ".join(f"{number:.1e}" for number in numbers)
            print(f"| {h:g} | {chi} | {cells} | {float(row['seconds']):.0f} |", flush=True)
            rows.append(row.expand_dims(["h", "chi"]))
    draw(xr.combine_by_coords(rows), given.out)


if __name__ == "__main__":
    main()
