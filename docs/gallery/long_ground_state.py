"""
A ground state of sixty sites and its two vectors
=================================================

The level of smallest energy of a long disordered chain with asymmetric hopping, as matrix-product states, with its
residual and a bound on its error. Where right and left vector differ, hopping has driven spins to one side.
"""

import matplotlib.pyplot as plt

import mpsnh as nh
from mpsnh import algorithms, models

chain = models.NonHermitianXXZ(L=60, gamma=0.3, h=6.0, seed=2)
find = algorithms.NHDMRG(max_bond=16, starts=1)
(spectrum,) = find.records(chain)
energy, right, left = spectrum.values[0], spectrum.right[0], spectrum.left[0]
print(f"E = {energy.real:.6f} ± {spectrum.errors[0]:.0e} J, certified: {spectrum.certified}")
print(f"‖(H - E) R‖ = {nh.residual(chain.terms(), right, energy):.0e} J, condition {spectrum.conditions[0]:.1f}")
print(spectrum.evidence)

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.axhline(0, color="0.6", lw=0.8)
axes.plot((right.expect_each("Sz") - left.expect_each("Sz")).real, ".-", color="#0072B2")
axes.set(xlabel="site j", ylabel="⟨Sᶻ⟩ right - left")
plt.show()
