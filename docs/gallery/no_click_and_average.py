"""
A current without clicks, with them, and on average
===================================================

Does the current of the no-click limit survive the average over clicks? The same disordered chain on condition that
nothing jumps, as an average over trajectories with its standard error, and by its master equation.
"""

import matplotlib.pyplot as plt

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.statistics import mean_with_error

L = 8
chain = models.OpenXXZ(L=L, gamma=0.1, h=1.0, seed=1)
measured = {"j": observables.MidCurrent(half_width=L // 4)}
pure, mixed = (way(dt=0.5, t_max=12) for way in (algorithms.ExactEvolution, algorithms.OpenSystem))
# for longer chains: NHTEBD(dt=0.1, t_max=12, every=5) and DensityTEBD(dt=0.25, order=4, t_max=12, every=2)


def trajectory(seed):
    return nh.Simulation(chain, algorithms.Trajectories(inner=pure, seed=seed), measured)


no_click = nh.Simulation(chain.no_click(), pure, measured).run()["j"]
average = nh.Simulation(chain, mixed, measured).run()["j"]
clicking = mean_with_error(nh.sweep(trajectory, {"seed": range(40)}, progress=False)["j"], "seed")

figure, axes = plt.subplots(figsize=(4.5, 3), layout="constrained")
axes.plot(no_click["time"], no_click, color="#0072B2", label="no click")
low, high = (clicking["mean"] + sign * clicking["error"] for sign in (-1, 1))
axes.fill_between(clicking["time"], low, high, color="#E69F00", alpha=0.5, lw=0, label="trajectories")
axes.plot(average["time"], average, "k--", label="master equation")
axes.set(xlabel="time (1/J)", ylabel="current (J)")
axes.legend(frameon=False)
plt.show()
