"""
A resonance, and its states demixed
===================================

The slowest mode of a localised circuit with a bath at its end relaxes through two eigenstates A and B. They are
nearly the localised states a and b, of which each has a little of the other: A is a - ε b, up to its norm and
phases (Ha, Morningstar and Huse, PRL 130, 250405 (2023)).
"""

import matplotlib.pyplot as plt
import numpy as np

import mpsnh as nh
from mpsnh import algorithms, models, observables

measured = {
    "set": observables.NearResonantSet(),
    "angle": observables.DemixingAngle(pair="AB"),
    "flips": observables.ResonanceProfile(),
}
circuit = models.RandomFloquetCircuit(L=8, alpha=30.0, seed=1)
solver = algorithms.DegeneratePerturbationSolver()
data = nh.Simulation(circuit, solver, measured).run()
(mode,) = solver.records(circuit)

figure, (upper, lower) = plt.subplots(2, 1, figsize=(4.5, 4), sharex=True, layout="constrained")
for name, colour, marker in (("A", "#0072B2", "o"), ("B", "#D55E00", "s")):
    state = nh.ExactState(mode.states[:, int(data["set"].sel(member=name))], mode.sector)
    upper.plot(np.arange(8), state.expect_each("Z").real, marker, ls="-", color=colour, label=f"|{name}⟩")
upper.set(ylabel="⟨Z_j⟩", title=f"ε = {float(data['angle'].sel(mixing='epsilon')):.1e}", ylim=(-1.1, 1.1))
upper.legend(frameon=False)
lower.bar(np.arange(8), data["flips"], color="#009E73")
lower.set(xlabel="site j (the bath is at 7)", ylabel="flip of the site")
plt.show()
