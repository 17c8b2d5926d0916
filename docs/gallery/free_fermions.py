"""
A thousand free fermions with a negative central charge
=======================================================

A dimerised ring with gain and loss in turns, where its gap closes; a small flux keeps off the exceptional point. The
levels of one particle and their two vectors give the half-filled state, whose biorthogonal entropy of l sites goes as
(c/3) ln sin(πl/L) with c = -2 (Chang et al., Phys. Rev. Research 2, 033069 (2020)).
"""

import matplotlib.pyplot as plt
import numpy as np

import mpsnh as nh
from mpsnh import algorithms


class Dimers(nh.HamiltonianModel):
    flux: float = 1e-3
    charge: int | None = 1  # one particle
    sites = property(lambda self: (nh.Fermion(),) * self.L)

    def terms(self):
        hops = nh.OpSum.sum((1.0 if j % 2 else 0.5, "cdag", j, "c", j + 1) for j in range(self.L - 1))
        hops += (np.exp(1j * self.flux), "cdag", self.L - 1, "c", 0)
        return hops + hops.dag() + nh.OpSum.sum((0.5j * (-1) ** j, "n", j) for j in range(self.L))


(spectrum,) = algorithms.ExactDiag(vectors="both").records(Dimers(L=1000))
filled = np.argsort(spectrum.values.real)[:500]
correlations = spectrum.left.matrix[:, filled].conj() @ spectrum.right.matrix[:, filled].T  # ⟨L|c†_i c_j|R⟩
lengths, entropies = np.arange(50, 500, 80), []
for length in lengths:
    nu = np.linalg.eigvals(correlations[:length, :length])
    entropies.append(-np.sum(nu * np.log(abs(nu)) + (1 - nu) * np.log(abs(1 - nu))).real)
x = np.log(np.sin(np.pi * lengths / 1000))
slope, offset = np.polyfit(x, entropies, 1)
figure, axes = plt.subplots(figsize=(4.5, 3), layout="constrained")
axes.plot(x, entropies, "o", x, slope * x + offset, "k-")
axes.set(xlabel="ln sin(πl/L)", ylabel="entropy of l sites", title=f"c = {3 * slope:.3f}")
plt.show()
