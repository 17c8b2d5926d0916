"""
Interacting bosons with asymmetric hopping
==========================================

Bosons that hop to the right more easily than to the left. Levels of a ring are complex, those of an open chain are
real; after a quench of the open chain the bosons pile up at its right end.
"""

import matplotlib.pyplot as plt

import mpsnh as nh
from mpsnh import algorithms, observables, plots


class Bosons(nh.HamiltonianModel):
    gamma: float = 0.3
    U: float = 1.0
    ring: bool = False
    charge: int | None = None

    @property
    def sites(self):
        return (nh.Boson(3),) * self.L

    def terms(self):
        pairs = [(j, (j + 1) % self.L) for j in range(self.L if self.ring else self.L - 1)]
        right = nh.OpSum.sum((-(1 + self.gamma) / 2, "bdag", j, "b", i) for i, j in pairs)
        left = nh.OpSum.sum((-(1 - self.gamma) / 2, "bdag", i, "b", j) for i, j in pairs)
        return right + left + nh.OpSum.sum((self.U / 2, "bdag", j, "bdag", j, "b", j, "b", j) for j in range(self.L))


figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3), layout="constrained")
for ring, colour in ((True, "#0072B2"), (False, "#D55E00")):
    (spectrum,) = algorithms.ExactDiag(vectors="none").records(Bosons(L=6, ring=ring, charge=3))
    plots.complex_plane(spectrum, ax=left, color=colour, label="ring" if ring else "open")
left.legend(frameon=False)
quench = algorithms.NHTEBD(dt=0.1, t_max=6, every=2, max_bond=24, initial=["0"] * 5 + ["1"] * 4 + ["0"] * 7)
data = nh.Simulation(Bosons(L=16, charge=4), quench, {"density": observables.Expectation(operator="n")}).run()
plots.heat_map(data["density"].real.assign_attrs(long_name="density"), ax=right)
plt.show()
