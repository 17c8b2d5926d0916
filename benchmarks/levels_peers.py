"""Levels of other packages, each through its own interface and imported when it is used."""

from __future__ import annotations

import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import mpsnh as nh
from mpsnh import models

Array = NDArray[Any]


class Partner(NamedTuple):
    """The ground state of the Hermitian chain that an open chain with asymmetric hopping is similar to."""

    energy: float
    hopping: Array
    """⟨S⁺_j S⁻_{j+1}⟩ of each bond."""
    seconds: float
    sweeps: int
    bond: int


def tenpy_partner(
    chain: models.NonHermitianXXZ,
    max_bond: int,
    cutoff: float = 1e-14,
    *,
    states: int = 1,
    change: float = 1e-12,
) -> Partner:
    """Run TeNPy's two-site DMRG in the imaginary gauge, from the Néel state and for more `states` from random ones.

    It ends when the energy changes by less than `change`, relative to it.
    Hopping is √(1 - γ²)/2 both ways, and all else as it is (N. Hatano and D. R. Nelson, PRL 77, 570 (1996)). CPU time
    is that of one start.
    """
    warnings.filterwarnings("ignore", category=UserWarning, module="tenpy")
    from tenpy.algorithms.dmrg import TwoSiteDMRGEngine
    from tenpy.models.spins import SpinChain
    from tenpy.networks.mps import MPS

    hop, L = float(np.sqrt(1 - chain.gamma**2)), chain.L
    fields = [_field(chain, j) for j in range(L)]
    model = SpinChain(
        {"L": L, "S": 0.5, "Jx": hop, "Jy": hop, "Jz": chain.V, "hz": -np.array(fields), "bc_MPS": "finite"}
    )
    results, begun = [], time.process_time()
    for seed in range(states):
        order = np.arange(L) % 2 if seed == 0 else np.random.default_rng(seed).permutation(np.arange(L) % 2)
        psi = MPS.from_product_state(model.lat.mps_sites(), [("up", "down")[s] for s in order], bc="finite")
        engine = TwoSiteDMRGEngine(
            psi,
            model,
            {
                "mixer": True,
                "max_E_err": change,
                "max_S_err": 1e-8 if change < 1e-10 else 1e-5,
                "max_sweeps": 60,
                "trunc_params": {"chi_max": max_bond, "svd_min": cutoff**0.5},
            },
        )
        energy, psi = engine.run()
        hopping = np.array([psi.expectation_value_term([("Sp", j), ("Sm", j + 1)]) for j in range(L - 1)])
        results.append((float(energy), hopping, engine.sweeps, max(psi.chi)))
    seconds = (time.process_time() - begun) / states
    energy, hopping, sweeps, bond = min(results, key=lambda result: result[0])
    return Partner(energy, hopping, seconds, sweeps, bond)


def _field(chain: models.NonHermitianXXZ, site: int) -> float:
    """Return h_j of a chain."""
    fields = {term.factors[0][1]: term.coefficient for term in chain.terms() if len(term.factors) == 1}
    return float(np.real(fields.get(site, 0.0)))


def biorthogonal_currents(right: nh.MPS, left: nh.MPS) -> Array:
    """Return ⟨L|I_j|R⟩/⟨L|R⟩ of each bond, with I_j = (i/2)(S⁺_j S⁻_{j+1} - S⁻_j S⁺_{j+1})."""
    bonds = range(right.L - 1)
    sums = [nh.OpSum([(0.5j, "Sp", j, "Sm", j + 1), (-0.5j, "Sm", j, "Sp", j + 1)]) for j in bonds]
    return np.array([right.expect_biorthogonal(op, left) for op in sums])
