"""The same truncated quench with mpsnh, TeNPy, quimb and dense vectors, each through its own interface.

A Néel state evolves under the open non-Hermitian XXZ chain.
Two routes of the peers are right, because they truncate at the orthogonality centre (`tenpy_update_imag`,
`quimb_moving_centre`), and two are what their documentation suggests but go wrong without unitarity
(`tenpy_evolve`, `quimb_tebd_step`).
All of them keep at most `max_bond` singular values, and fewer if the weight lost stays below `cutoff`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import quimb.tensor as qtn
import scipy.linalg
from numpy.typing import NDArray

from mpsnh import MPS, algorithms, models
from mpsnh.circuit import Gate, Layer, apply_gate, repeated
from mpsnh.compile import bond_hamiltonians, local_operator

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", category=UserWarning, module="tenpy")
    from tenpy.algorithms.tebd import TEBDEngine
    from tenpy.models.lattice import Chain
    from tenpy.models.model import CouplingMPOModel, NearestNeighborModel
    from tenpy.networks import mps as tenpy_mps
    from tenpy.networks.site import SpinHalfSite


@dataclass(frozen=True)
class Quench:
    """What to evolve: `steps` second-order Trotter steps from the Néel state (an even number of sites)."""

    model: models.NonHermitianXXZ
    dt: float = 0.1
    steps: int = 50
    max_bond: int = 2**30
    cutoff: float = 1e-10

    @property
    def middle(self) -> int:
        """The bond whose current is reported."""
        return self.model.L // 2 - 1

    def bonds(self) -> list[NDArray[np.complex128]]:
        """Return the Hamiltonians of the bonds."""
        return bond_hamiltonians(self.model.terms(), self.model.sites)


class Outcome(NamedTuple):
    """Where a route ended; the current of the middle bond is what the library itself reports."""

    vector: NDArray[np.complex128]
    log_norm: float
    current: float


def infidelity(a: Outcome, b: Outcome) -> float:
    """Return 1 - |⟨a|b⟩|² of the normalised states, computed without cancellation."""
    aligned = b.vector * np.exp(1j * np.angle(np.vdot(b.vector, a.vector)))
    distance = np.linalg.norm(a.vector - aligned) ** 2
    return float(distance - distance**2 / 4)


# ------------------------------------------------------------------------------------------------ dense references


def dense_brickwork(quench: Quench) -> Outcome:
    """Apply the even, odd, even layers that mpsnh and quimb use to a dense vector, untruncated."""
    return _dense(quench, quench.model.step(quench.dt, 2))


def dense_sweeps(quench: Quench) -> Outcome:
    """Apply the gates of TeNPy's `update_imag`, all bonds to the right and back, to a dense vector, untruncated."""
    gates = [Gate(scipy.linalg.expm(-0.5j * quench.dt * h), (j, j + 1)) for j, h in enumerate(quench.bonds())]
    return _dense(quench, [(gate,) for gate in gates + gates[::-1]])


def _dense(quench: Quench, step: list[Layer]) -> Outcome:
    model = quench.model
    vector = MPS.product(model.sites, ["up", "down"] * (model.L // 2)).to_vector()
    for layer in step * quench.steps:
        for gate in layer:
            vector = apply_gate(vector, gate, [2] * model.L)
    norm = np.linalg.norm(vector)
    vector /= norm
    where, current = local_operator(model.current(quench.middle), model.sites)
    return Outcome(
        vector, math.log(norm), np.vdot(vector, apply_gate(vector, Gate(current, where), [2] * model.L)).real
    )


# ---------------------------------------------------------------------------------------------------------- mpsnh


def nhtebd(quench: Quench) -> Outcome:
    """Run `mpsnh.algorithms.NHTEBD`."""
    algorithm = algorithms.NHTEBD(
        dt=quench.dt,
        t_max=quench.steps * quench.dt,
        every=quench.steps,
        max_bond=quench.max_bond,
        cutoff=quench.cutoff,
    )
    *_, last = algorithm.records(quench.model)
    state = last.state
    assert isinstance(state, MPS)
    current = state.expect_each(quench.model.current(quench.middle))[0].real
    return Outcome(_normalised(state.to_vector()), last.log_norm, current)


# ---------------------------------------------------------------------------------------------------------- TeNPy


class _Chain(CouplingMPOModel, NearestNeighborModel):
    default_lattice = Chain
    force_default_lattice = True

    def init_sites(self, params: Any) -> SpinHalfSite:
        return SpinHalfSite(conserve="Sz")

    def init_terms(self, params: Any) -> None:
        model = params["quench"].model
        self.add_onsite(model.local_fields(), 0, "Sz")
        self.add_coupling((1 - model.gamma) / 2, 0, "Sp", 0, "Sm", 1)
        self.add_coupling((1 + model.gamma) / 2, 0, "Sm", 0, "Sp", 1)
        self.add_coupling(model.V, 0, "Sz", 0, "Sz", 1)


def tenpy_update_imag(quench: Quench) -> Outcome:
    """Use TeNPy's engine for imaginary time, whose sweeps move the centre, with real-time gates (a right route)."""
    return _tenpy(quench, lambda engine: engine.update_imag(quench.steps))


def tenpy_evolve(quench: Quench) -> Outcome:
    """Use TeNPy's real-time TEBD, which takes unitarity for granted (a wrong route)."""
    return _tenpy(quench, lambda engine: engine.evolve(quench.steps, quench.dt))


def _tenpy(quench: Quench, evolve: Callable[[Any], object]) -> Outcome:
    L = quench.model.L
    model = _Chain({"L": L, "bc_MPS": "finite", "quench": quench})
    psi = tenpy_mps.MPS.from_product_state(
        model.lat.mps_sites(), ["up", "down"] * (L // 2), dtype=complex, unit_cell_width=L
    )
    cut = {"chi_max": quench.max_bond, "trunc_cut": math.sqrt(quench.cutoff), "svd_min": None}
    engine = TEBDEngine(psi, model, {"trunc_params": cut})
    engine.calc_U(2, quench.dt, type_evo="real")
    evolve(engine)
    up_first = slice(None, None, -1) if psi.sites[0].state_labels["up"] == 1 else slice(None)
    vector = psi.get_theta(0, L).to_ndarray().reshape((2,) * L)[(up_first,) * L].ravel()
    hop, back = (
        psi.expectation_value_term([(name, quench.middle), (adjoint, quench.middle + 1)])
        for name, adjoint in (("Sp", "Sm"), ("Sm", "Sp"))
    )
    log_norm = math.log(psi.norm * np.linalg.norm(vector))
    return Outcome(_normalised(vector), log_norm, (0.5j * (hop - back)).real)


# ---------------------------------------------------------------------------------------------------------- quimb


def quimb_moving_centre(quench: Quench) -> Outcome:
    """Canonicalise a quimb MPS around each gate before it acts and is split (a right route)."""
    psi, info = _quimb_neel(quench), {"cur_orthog": (0, 0)}
    layers = repeated(quench.model.step(quench.dt, 2), quench.steps)
    for number, layer in enumerate(layers):
        for gate in layer if number % 2 == 0 else reversed(layer):
            psi.gate_with_auto_swap_(gate.matrix, gate.where, info=info, **_quimb_cut(quench))
    return _quimb_outcome(quench, psi)


def quimb_tebd_step(quench: Quench) -> Outcome:
    """Use quimb's TEBD, whose steps take unitarity for granted (a wrong route)."""
    hamiltonian = qtn.LocalHam1D(quench.model.L, {(j, j + 1): h for j, h in enumerate(quench.bonds())})
    tebd = qtn.TEBD(_quimb_neel(quench), hamiltonian, dt=quench.dt, progbar=False, split_opts=_quimb_cut(quench))
    for _ in range(quench.steps):
        tebd.step(order=2)
    return _quimb_outcome(quench, tebd.pt)


def _quimb_neel(quench: Quench) -> qtn.MatrixProductState:
    return qtn.MPS_computational_state("01" * (quench.model.L // 2), dtype="complex128")


def _quimb_cut(quench: Quench) -> dict[str, Any]:
    return {"max_bond": quench.max_bond, "cutoff": quench.cutoff, "cutoff_mode": "rsum2", "renorm": False}


def _quimb_outcome(quench: Quench, psi: qtn.MatrixProductState) -> Outcome:
    _, current = local_operator(quench.model.current(quench.middle), quench.model.sites)
    value = psi.local_expectation_canonical(current, (quench.middle, quench.middle + 1))
    return Outcome(_normalised(psi.to_dense().ravel()), math.log(psi.norm()), value.real)


def _normalised(vector: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return vector / np.linalg.norm(vector)
