"""
Entanglement of a ground state
==============================

The entanglement entropy at every bond of the ground state of an open chain of sixteen sites with asymmetric
hopping, found by `mpsnh.algorithms.NHDMRG`: that of a clean chain is a flat arch, that of a disordered one is
uneven, and small where disorder is strong.
"""

import matplotlib.pyplot as plt

import mpsnh as nh
from mpsnh import algorithms, models, observables

find = algorithms.NHDMRG(max_bond=20, cutoff=1e-9, starts=1, tolerance=1e-2)
measured = {"entropy": observables.OfLevel(observable=observables.EntropyProfile())}

figure, axes = plt.subplots(figsize=(4.5, 3), layout="constrained")
for h, colour, marker in zip((0.0, 1.0, 4.0), ("#0072B2", "#E69F00", "#009E73"), "os^", strict=True):
    chain = models.NonHermitianXXZ(L=16, gamma=0.1, V=0.5, h=h, seed=1)
    data = nh.Simulation(chain, find, measured).run()
    axes.plot(data["bond"] + 0.5, data["entropy"], marker, ms=3, ls="-", lw=0.8, color=colour, label=f"h = {h:g}")
axes.set(xlabel="cut between sites", ylabel="entropy (natural units)", ylim=(0, 1.25))
axes.legend(frameon=False, ncols=3, loc="upper center")
plt.show()
