"""
The skin effect of an open chain
================================

One particle that hops to the right more easily than to the left: with open ends every right eigenvector leans on
the right edge, and the more so the larger the asymmetry; closed to a ring, none does.
"""

import matplotlib.pyplot as plt
import numpy as np

from mpsnh import algorithms, models

L = 24
figure, panels = plt.subplots(1, 2, figsize=(6.5, 2.8), sharey=True, layout="constrained")
for boundary, axes in zip(("open", "periodic"), panels, strict=True):
    for gamma, colour, dash in zip((0.0, 0.1, 0.3), ("#000000", "#0072B2", "#D55E00"), ("-", "--", ":"), strict=True):
        chain = models.NonHermitianXXZ(L=L, gamma=gamma, V=0.0, boundary=boundary, charge=2 - L)
        (spectrum,) = algorithms.ExactDiag().records(chain)
        density = np.mean([state.expect_each("Sz").real + 0.5 for state in spectrum.right], axis=0)
        axes.semilogy(density, dash, color=colour, label=f"γ = {gamma}")
    axes.set(title=f"{boundary} ends" if boundary == "open" else "ring", xlabel="site j")
panels[0].set_ylabel("density, mean of all eigenvectors")
panels[0].legend(frameon=False)
plt.show()
