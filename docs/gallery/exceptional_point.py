"""
Levels that meet at an exceptional point
========================================

As hopping becomes asymmetric, two real levels of a clean ring of six sites approach each other, meet at γ =
0.16897863 and become complex, as the root of the distance from there. Their eigenvectors meet as well: the
condition number, which says how much more than a change of the Hamiltonian a level may change, diverges.
"""

import matplotlib.pyplot as plt
import numpy as np

from mpsnh import algorithms, models

MEET = 0.16897863
gammas = MEET + 0.045 * np.linspace(-1, 1, 80) ** 3
near = 0.62  # the energy at which they meet
levels, conditions = [], []
for gamma in gammas:
    ring = models.NonHermitianXXZ(L=6, gamma=gamma, V=1.1, boundary="periodic")
    (spectrum,) = algorithms.ExactDiag(vectors="both").records(ring)
    pair = np.argsort(abs(spectrum.values - near))[:2]
    levels.append(np.sort_complex(spectrum.values[pair]))
    conditions.append(spectrum.conditions[pair].max())

figure, panels = plt.subplots(3, 1, figsize=(4.5, 5), sharex=True, layout="constrained")
for axes, values, label in zip(panels, (np.real(levels), np.imag(levels)), ("Re E (J)", "Im E (J)"), strict=False):
    axes.plot(gammas, values[:, 0], "-", color="#0072B2")
    axes.plot(gammas, values[:, 1], "--", color="#D55E00")
    axes.set_ylabel(label)
panels[2].semilogy(gammas, conditions, "-", color="#009E73")
panels[2].set(ylabel="condition number", xlabel="asymmetry γ")
for axes in panels:
    axes.axvline(MEET, color="0.6", lw=0.8, zorder=0)
plt.show()
