"""Thermal states by imaginary time."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Literal

from mpsnh.checks import require, warn
from mpsnh.language.circuit import repeated
from mpsnh.language.doubled import on_bras, on_kets
from mpsnh.language.generator import Hamiltonian
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.gates import gates
from mpsnh.operators.lindblad import anti_hermitian, doubled
from mpsnh.operators.steps import Steps
from mpsnh.operators.timestep import time_step
from mpsnh.states.density_mps import DensityMPS
from mpsnh.states.symmetric import from_blocks
from mpsnh.states.truncation import Truncation
from mpsnh.states.vectorised import weighted_gate

WEIGHT = 2.0
"""That of identities in truncations, as for `mpsnh.algorithms.DensityTEBD`."""

ACCURATE = 1e-6
"""Error of local values for which time steps are chosen."""

NOTICED = 1e-4
"""Root of the discarded weight above which there is a warning."""


def thermal(
    hamiltonian: OpSum,
    sites: Sequence[Site],
    beta: float,
    charge: int | None = None,
    *,
    dt: float | Literal["auto"] = "auto",
    max_bond: int = 64,
    cutoff: float = 1e-16,
) -> DensityMPS:
    """Return exp(-β H) of an open chain in matrix-product form, by imaginary time from infinite temperature.

    (F. Verstraete, J. J. García-Ripoll and J. I. Cirac, PRL 93, 207204 (2004).) A warning says how much truncation may
    have changed the state if that is more than 1e-4.

    Parameters
    ----------
    hamiltonian : OpSum
        The Hermitian H, of terms on one site or on two neighbours.
    sites : sequence of Site
        The chain.
    beta : float
        β, not negative, in units of the inverse energy.
    charge : int, optional
        The charge that all states have; without it all charges are in equilibrium.
    dt : float or "auto"
        Largest length of a step of fourth order; by default order and length are chosen for an error of local values of
        about 1e-6 (`mpsnh.operators.timestep`).
    max_bond, cutoff
        As for `mpsnh.algorithms.DensityTEBD`.

    Raises
    ------
    ValueError
        If β or a step is out of its range, H is not Hermitian, or a term acts on other sites.

    Examples
    --------
    >>> field = nh.OpSum.sum((1.0, "Sz", j) for j in range(4))
    >>> thermal(field, [nh.Spin(0.5)] * 4, beta=2.0).expect_each("Sz").real.round(6).tolist()  # -tanh(1) / 2
    [-0.380797, -0.380797, -0.380797, -0.380797]
    """
    number = isinstance(beta, numbers.Real) and not isinstance(beta, bool) and math.isfinite(beta)
    require(number and beta >= 0, "beta", beta, "a number, zero or positive")
    positive = isinstance(dt, numbers.Real) and not isinstance(dt, bool) and dt > 0
    require(dt == "auto" or positive, "dt", dt, "'auto' or a positive number")
    deviation, there = anti_hermitian(hamiltonian, sites)
    require(not there, "|H - H†|", deviation, "zero: the Hamiltonian of a thermal state is Hermitian")
    start = DensityMPS.infinite_temperature(sites, charge)
    if beta == 0:
        return start
    pairs, cooling = doubled(sites), Hamiltonian(-0.5j * (on_kets(hamiltonian) + on_bras(hamiltonian)))
    if isinstance(dt, str):
        order, steps = time_step(cooling, pairs, beta, ACCURATE / max(1.0, beta))
    else:
        order, steps = 4, math.ceil(beta / dt)
    step = gates(cooling, pairs, 0.0, beta / steps, order)
    step = [tuple(weighted_gate(gate, pairs, WEIGHT) for gate in layer) for layer in step]
    vector = start.weighted(WEIGHT).mps
    conserves = Steps(step, pairs).conserves
    workspace = (vector if conserves else vector.to_mps()).workspace(max_bond)
    truncation, lost = Truncation(max_bond=max_bond, cutoff=cutoff), 0.0
    for layer in repeated(step, steps):
        lost += float(workspace.apply(layer, truncation).sum())
    if math.sqrt(lost) > NOTICED:
        warn(
            f"thermal: truncation may have changed the state by {math.sqrt(lost):.1g}, relative to its norm; "
            "use a larger max_bond or a smaller cutoff",
            RuntimeWarning,
        )
    blocks = workspace.view()
    return DensityMPS(from_blocks(blocks, pairs, (workspace.centre, workspace.centre + 1)), WEIGHT)
