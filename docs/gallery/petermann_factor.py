"""
Own observables of left and right vectors
=========================================

The Petermann factor of each level of a disordered ring, and over how many basis states it spreads biorthogonally.
"""

import matplotlib.pyplot as plt
import numpy as np

import mpsnh as nh
from mpsnh import algorithms, models, observables

BOTH = frozenset([nh.Capability.RIGHT_VECTORS, nh.Capability.LEFT_VECTORS])


class PetermannFactor(nh.Observable[nh.Spectrum]):
    measures, dims, needs = nh.Spectrum, ("level",), BOTH

    def __call__(self, spectrum, model):
        return np.linalg.norm(spectrum.left.matrix, axis=0) ** 2  # as ‖R‖ = 1 and ⟨L|R⟩ = 1


class Participation(nh.Observable[nh.Spectrum]):
    measures, dims, needs = nh.Spectrum, ("level",), BOTH

    def __call__(self, spectrum, model):
        weights = abs(spectrum.left.matrix.conj() * spectrum.right.matrix)
        return weights.sum(axis=0) ** 2 / (weights**2).sum(axis=0)


ring = models.NonHermitianXXZ(L=10, gamma=0.3, h=1.0, seed=1, boundary="periodic")
measured = {"E": observables.Eigenvalues(), "K": PetermannFactor(), "states": Participation()}
data = nh.Simulation(ring, algorithms.ExactDiag(vectors="both"), measured).run()

figure, panels = plt.subplots(1, 2, figsize=(7.5, 3), layout="constrained")
for axes, values, name in zip(panels, (np.log10(data["K"]), data["states"]), ("log₁₀ K", "states"), strict=True):
    figure.colorbar(axes.scatter(data["E"].real, data["E"].imag, c=values, s=8), ax=axes, label=name)
    axes.set(xlabel="Re E (J)", ylabel="Im E (J)")
plt.show()
