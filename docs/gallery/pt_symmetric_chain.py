"""
Gain and loss in turns
======================

A chain of eight spins with gain and loss on every other site. Its levels are real as long as the field is weak; one
pair after the other meets at an exceptional point, where condition numbers diverge, and leaves the real axis.
"""

import matplotlib.pyplot as plt
import numpy as np

import mpsnh as nh
from mpsnh import algorithms, models, observables


class ConditionNumber(nh.Observable[nh.Spectrum]):
    """The largest condition number of all levels."""

    measures = nh.Spectrum
    infinite = True  # at an exceptional point
    needs = frozenset([nh.Capability.LEFT_VECTORS])

    def __call__(self, spectrum, model):
        return spectrum.conditions.max()


def chain(g):
    model = models.NonHermitianXXZ(L=8, gamma=0.0, V=0.5, fields=[1j * g, -1j * g] * 4)
    measured = {"E": observables.Eigenvalues(), "condition": ConditionNumber()}
    return nh.Simulation(model, algorithms.ExactDiag(vectors="both"), measured)


data = nh.sweep(chain, {"g": np.linspace(0, 0.8, 81)}, progress=False)
figure, panels = plt.subplots(3, 1, figsize=(4.5, 5), sharex=True, layout="constrained")
for axes, levels, name in zip(panels, (data["E"].real, data["E"].imag), ("Re E (J)", "Im E (J)"), strict=False):
    axes.plot(data["g"], levels, ".", ms=1.5, color="#0072B2")
    axes.set_ylabel(name)
panels[2].semilogy(data["g"], data["condition"], color="#009E73")
panels[2].set(xlabel="gain and loss g (J)", ylabel="condition number")
plt.show()
