"""Thermal states by imaginary time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mpsnh.checks import require
from mpsnh.language.circuit import repeated
from mpsnh.language.doubled import on_bras, on_kets
from mpsnh.language.generator import Hamiltonian
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Site
from mpsnh.operators.gates import gates
from mpsnh.operators.lindblad import anti_hermitian
from mpsnh.operators.steps import Steps
from mpsnh.states.density_mps import DensityMPS
from mpsnh.states.symmetric import from_blocks
from mpsnh.states.truncation import Truncation
from mpsnh.states.vectorised import doubled, weighted_gate

WEIGHT = 2.0
"""That of identities in truncations, as for `mpsnh.algorithms.DensityTEBD`."""


def thermal(
    hamiltonian: OpSum,
    sites: Sequence[Site],
    beta: float,
    charge: int | None = None,
    *,
    dt: float = 0.1,
    max_bond: int = 64,
    cutoff: float = 1e-12,
) -> DensityMPS:
    """Return exp(-β H) of an open chain in matrix-product form, by imaginary time from infinite temperature.

    (F. Verstraete, J. J. García-Ripoll and J. I. Cirac, PRL 93, 207204 (2004).) Steps are of fourth order.

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
    dt : float
        Largest length of a step.
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
    require(beta >= 0, "beta", beta, "zero or positive")
    require(dt > 0, "dt", dt, "positive")
    deviation, there = anti_hermitian(hamiltonian, sites)
    require(not there, "|H - H†|", deviation, "zero: the Hamiltonian of a thermal state is Hermitian")
    start = DensityMPS.infinite_temperature(sites, charge)
    if beta == 0:
        return start
    pairs, number = doubled(sites), math.ceil(beta / dt)
    cooling = Hamiltonian(-0.5j * (on_kets(hamiltonian) + on_bras(hamiltonian)))
    step = gates(cooling, pairs, 0.0, beta / number, 4)
    step = [tuple(weighted_gate(gate, pairs, WEIGHT) for gate in layer) for layer in step]
    vector = start.weighted(WEIGHT).mps
    conserves = Steps(step, pairs).conserves
    workspace = (vector if conserves else vector.to_mps()).workspace(max_bond)
    truncation = Truncation(max_bond=max_bond, cutoff=cutoff)
    for layer in repeated(step, number):
        workspace.apply(layer, truncation)
    blocks = workspace.view()
    return DensityMPS(from_blocks(blocks, pairs, (workspace.centre, workspace.centre + 1)), WEIGHT)
