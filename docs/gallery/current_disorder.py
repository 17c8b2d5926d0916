"""
The steady current against disorder
===================================

The largest Im E, which is γ times the total current, of rings of eight sites: the mean over twenty realisations
with its standard error, the middle half of the realisations, and the share of those that carry no current at all.
"""

import matplotlib.pyplot as plt

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.statistics import mean_with_error


def realisation(h, seed):
    ring = models.NonHermitianXXZ(L=8, gamma=0.3, h=h, seed=seed, boundary="periodic")
    measured = {"growth": observables.GrowthRate(), "real": observables.RealSpectrum()}
    return nh.Simulation(ring, algorithms.ExactDiag(vectors="none"), measured)


data = nh.sweep(realisation, {"h": [0.5, 1, 2, 3, 4, 6, 8], "seed": range(20)}, progress=False)
average = mean_with_error(data["growth"], "seed")
low, high = data["growth"].quantile([0.25, 0.75], "seed")

figure, (upper, lower) = plt.subplots(2, 1, figsize=(4.5, 4), sharex=True, height_ratios=(2, 1), layout="constrained")
upper.fill_between(data["h"], low, high, color="#56B4E9", alpha=0.4, lw=0, label="middle half")
upper.errorbar(data["h"], average["mean"], average["error"], fmt="o-", ms=3, color="#0072B2", label="mean")
upper.set_ylabel("Im E₁ = γ I (J)")
upper.legend(frameon=False)
lower.plot(data["h"], data["real"].mean("seed"), "s-", ms=3, color="#D55E00")
lower.set(xlabel="disorder h (J)", ylabel="without current", ylim=(-0.05, 1.05))
plt.show()
