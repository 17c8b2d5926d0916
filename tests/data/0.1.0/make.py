"""Simulations of which `make.py FOLDER` writes stores and checkpoints, as version 0.1.0 did for these files.

Read by tests/run/test_old_data.py, which goes on from them with the present version.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

import mpsnh as nh
from mpsnh import algorithms, models, observables

SPECTRA = {"h": [1.0, 2.0], "seed": range(3)}
QUENCHES = {"seed": range(2)}
T_MAX = 0.6


class LowestSz(observables.Magnetization):
    """An observable of a script, which 0.1.0 recorded as `__main__.LowestSz`."""

    dims = ()

    def __call__(self, record, model):
        return float(np.min(super().__call__(record, model)))


def wall(model):
    """Return an initial state, recorded as `__main__.wall`."""
    return nh.MPS.product(model.sites, ["up"] * (model.L // 2) + ["down"] * (model.L // 2))


def spectrum(h, seed):
    ring = models.NonHermitianXXZ(L=6, gamma=0.3, h=h, seed=seed, boundary="periodic")
    measured = {"gap": observables.SteadyStateGap(), "rate": observables.GrowthRate()}
    return nh.Simulation(ring, algorithms.ExactDiag(), measured)


METHODS = {
    "nhtebd": lambda t_max: algorithms.NHTEBD(dt=0.1, t_max=t_max, every=2, max_bond=4, initial=wall),
    "exact": lambda t_max: algorithms.ExactEvolution(dt=0.1, t_max=t_max, every=2, initial=wall),
}


def quench(seed, method="nhtebd", t_max=T_MAX):
    chain = models.NonHermitianXXZ(L=6, gamma=0.3, h=1.0, seed=seed)
    measured = {"sz": observables.Magnetization(), "lowest": LowestSz()}
    return nh.Simulation(chain, METHODS[method](t_max), measured)


def exact_quench(seed):
    return quench(seed, "exact")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, make, over in (
        ("spectra", spectrum, SPECTRA),
        ("quenches", quench, QUENCHES),
        ("exact_quenches", exact_quench, QUENCHES),
    ):
        nh.sweep(make, over, store=folder / f"{name}.zarr", batch=4)
        shutil.make_archive(str(folder / f"{name}.zarr"), "zip", folder / f"{name}.zarr")
        shutil.rmtree(folder / f"{name}.zarr")
        shutil.rmtree(folder / f"{name}.zarr.locks")
    for method in METHODS:
        quench(7, method).run(checkpoint=folder / f"{method}.npz")
        (folder / f"{method}.npz.lock").unlink(missing_ok=True)
