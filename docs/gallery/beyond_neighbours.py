"""
Long range, and a drive
=======================

A particle that is lost at both ends, with hopping to neighbours and as 1/r²; without loss, driven on bonds in turns.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg

import mpsnh as nh
from mpsnh import algorithms, observables, plots


class Hopping(nh.HamiltonianModel):
    reach: int = 1
    charge: int | None = 2 - 41  # one particle

    def terms(self):
        pairs = [(i, j) for i in range(self.L) for j in range(i + 1, min(i + self.reach + 1, self.L))]
        hops = nh.OpSum.sum((0.5 / (j - i) ** 2, "Sp", i, "Sm", j) for i, j in pairs)
        return hops + hops.dag() + nh.OpSum.sum((-0.5j, "Sz", j) for j in (0, self.L - 1))


class Driven(nh.FloquetModel):
    def layers(self):
        there = np.kron(self.sites[0].op("Sp"), self.sites[0].op("Sm"))
        hop = scipy.linalg.expm(-0.5j * (there + there.T))
        return [tuple(nh.Gate(hop, (j, j + 1)) for j in range(k, self.L - 1, 2)) for k in (0, 1)]


middle = ["down"] * 20 + ["up"] + ["down"] * 20
exact, circuit = (way(dt=1, t_max=15, initial=middle) for way in (algorithms.ExactEvolution, algorithms.NHTEBD))
_, panels = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
chains = {"to neighbours": Hopping(L=41), "as 1/r²": Hopping(L=41, reach=41), "driven": Driven(L=41)}
for axes, (title, model) in zip(panels, chains.items(), strict=True):
    run = nh.Simulation(model, circuit if title == "driven" else exact, {"sz": observables.Magnetization()}).run()
    plots.heat_map((run["sz"] + 0.5).rename("density").drop_attrs(deep=False), ax=axes, vmax=0.5).set(title=title)
plt.show()
