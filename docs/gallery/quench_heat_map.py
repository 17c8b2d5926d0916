"""
A quench in space and time
==========================

A block of six particles in an open chain of thirty sites spreads to both sides. Where hopping to the right is
stronger, and the norm that this gains is divided out, all of it drifts to the right.
"""

import matplotlib.pyplot as plt

import mpsnh as nh
from mpsnh import algorithms, models, observables

block = ["down"] * 12 + ["up"] * 6 + ["down"] * 12
evolve = algorithms.NHTEBD(dt=0.1, t_max=6, every=2, max_bond=24, initial=block)
figure, panels = plt.subplots(1, 2, figsize=(6.5, 3), sharey=True, layout="constrained")
for gamma, axes in zip((0.0, 0.3), panels, strict=True):
    chain = models.NonHermitianXXZ(L=30, gamma=gamma, V=0.5, charge=-18)
    data = nh.Simulation(chain, evolve, {"sz": observables.Magnetization()}).run()
    image = axes.pcolormesh(data["site"], data["time"], data["sz"] + 0.5, vmin=0, vmax=1)
    axes.set(title=f"γ = {gamma}", xlabel="site j")
panels[0].set_ylabel("time (1/J)")
figure.colorbar(image, label="density")
plt.show()
