"""
A sweep with a store, extended and exported
===========================================

The fraction of complex levels of interacting fermions in a quasi-periodic potential. A larger grid extends the store.
"""

import tempfile

import matplotlib.pyplot as plt
import numpy as np

import mpsnh as nh
from mpsnh import algorithms, observables, plots


class Fermions(nh.HamiltonianModel):
    W: float
    phase: float
    charge: int | None = 3
    sites = property(lambda self: (nh.Fermion(),) * self.L)

    def terms(self):
        H = nh.OpSum.sum((self.W * np.cos(3.883 * j + self.phase), "n", j) for j in range(self.L))
        for j, k in zip(range(self.L), [*range(1, self.L), 0], strict=True):
            H += nh.OpSum([(0.35, "cdag", j, "c", k), (0.65, "cdag", k, "c", j), (1.0, "n", j, "n", k)])
        return H


def realisation(W, phase):
    wanted = {"f": observables.ImaginaryFraction()}
    return nh.Simulation(Fermions(L=6, W=W, phase=phase), algorithms.ExactDiag(vectors="none"), wanted)


store, strengths = tempfile.mkdtemp() + "/study.zarr", np.arange(0.5, 5, 0.5)
nh.sweep(realisation, {"W": strengths[::2], "phase": range(4)}, store=store, progress=False)
data = nh.sweep(realisation, {"W": strengths, "phase": range(10)}, store=store, progress=False)
data["f"].to_dataframe().to_csv(store.replace("zarr", "csv"))
plots.ensemble(data["f"], over="phase").set(xlabel="potential W (J)", ylabel="fraction of complex levels")
plt.show()
