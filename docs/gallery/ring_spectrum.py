"""
The spectrum of a ring in the complex plane
===========================================

All levels of a ring of ten sites at three strengths of disorder. What is localised does not notice the asymmetry
of the hopping, so that ever more of the levels are real.
"""

import matplotlib.pyplot as plt

import mpsnh as nh
from mpsnh import algorithms, models, observables

measured = {"E": observables.Eigenvalues(), "complex": observables.ImaginaryFraction()}

figure, panels = plt.subplots(1, 3, figsize=(7, 2.6), sharey=True, layout="constrained")
for h, axes in zip((0.5, 2.0, 8.0), panels, strict=True):
    ring = models.NonHermitianXXZ(L=10, gamma=0.3, h=h, seed=2, boundary="periodic")
    data = nh.Simulation(ring, algorithms.ExactDiag(vectors="none"), measured).run()
    axes.plot(data["E"].real, data["E"].imag, ".", ms=3, color="#0072B2")
    axes.set(title=f"h = {h}: {float(data['complex']):.0%} complex", xlabel="Re E (J)")
panels[0].set_ylabel("Im E (J)")
plt.show()
