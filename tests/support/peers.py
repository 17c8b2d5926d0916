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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import quimb.tensor as qtn
import scipy.linalg
import symmray
from numpy.typing import NDArray

from mpsnh import MPS, Site, algorithms, models
from mpsnh.language.circuit import Gate, Layer, apply_gate, repeated
from mpsnh.operators.bonds import bond_hamiltonians, local_operator
from mpsnh.states.blocks import Blocks
from mpsnh.states.symmetric import symmetric

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", category=UserWarning, module="tenpy")
    from tenpy.algorithms.tebd import TEBDEngine
    from tenpy.linalg.np_conserved import Array, LegCharge
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


def tenpy_engine(quench: Quench, state: MPS | None = None) -> Any:
    """Return TeNPy's TEBD with second-order gates in real time, at a state of definite charge or the Néel state."""
    L = quench.model.L
    model = _Chain({"L": L, "bc_MPS": "finite", "quench": quench})
    sites = model.lat.mps_sites()
    if state is None:
        psi = tenpy_mps.MPS.from_product_state(sites, ["up", "down"] * (L // 2), dtype=complex, unit_cell_width=L)
    else:
        tensors = [_tenpy_tensor(blocks, site) for blocks, site in zip(state.blocks()[0], sites, strict=True)]
        unknown = [np.ones(tensor.shape[0]) for tensor in tensors] + [np.ones(1)]  # until the next line
        psi = tenpy_mps.MPS(sites, tensors, unknown, bc="finite", form=None, unit_cell_width=L)
        psi.canonical_form()
    psi.norm = 1.0
    cut = {"chi_max": quench.max_bond, "trunc_cut": math.sqrt(quench.cutoff), "svd_min": None}
    engine = TEBDEngine(psi, model, {"trunc_params": cut})
    engine.calc_U(2, quench.dt, type_evo="real")
    return engine


def _tenpy_tensor(blocks: Blocks, site: SpinHalfSite) -> Any:
    """Return a tensor from its blocks, whose charges are those of TeNPy: twice the magnetisation."""
    lefts = {q: block.shape[0] for (q, _), block in sorted(blocks.items())}
    rights = {q + c: block.shape[2] for (q, c), block in sorted(blocks.items(), key=lambda item: sum(item[0]))}
    first, last = ({q: sum(list(sizes.values())[:k]) for k, q in enumerate(sizes)} for sizes in (lefts, rights))
    dense = np.zeros((sum(lefts.values()), 2, sum(rights.values())), dtype=complex)
    for (q, c), block in blocks.items():
        state = site.state_labels["up" if c > 0 else "down"]
        dense[first[q] :, state, last[q + c] :][: block.shape[0], : block.shape[2]] = block[:, 0]
    legs = [
        LegCharge.from_qflat(site.leg.chinfo, np.repeat(list(sizes), list(sizes.values())), qconj=flow).bunch()[1]
        for sizes, flow in ((lefts, 1), (rights, -1))
    ]
    return Array.from_ndarray(dense, [legs[0], site.leg, legs[1]], labels=["vL", "p", "vR"])


def from_tenpy(psi: Any, sites: Sequence[Site]) -> MPS:
    """Return the normalised state of TeNPy's sweeps, by blocks of charge."""
    up_first = slice(None, None, -1) if psi.sites[0].state_labels["up"] == 1 else slice(None)
    tensors = [psi.get_theta(0, 1).replace_label("p0", "p"), *(psi.get_B(j) for j in range(1, psi.L))]
    arrays = [tensor.transpose(["vL", "p", "vR"]).to_ndarray()[:, up_first] for tensor in tensors]
    return symmetric(MPS.from_tensors(arrays, sites))


def tenpy_update_imag(quench: Quench) -> Outcome:
    """Use TeNPy's engine for imaginary time, whose sweeps move the centre, with real-time gates (a right route)."""
    return _tenpy(quench, lambda engine: engine.update_imag(quench.steps))


def tenpy_evolve(quench: Quench) -> Outcome:
    """Use TeNPy's real-time TEBD, which takes unitarity for granted (a wrong route)."""
    return _tenpy(quench, lambda engine: engine.evolve(quench.steps, quench.dt))


def _tenpy(quench: Quench, evolve: Callable[[Any], object]) -> Outcome:
    L, engine = quench.model.L, tenpy_engine(quench)
    psi = engine.psi
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
    quimb_sweeps(psi, info, quimb_layers(repeated(quench.model.step(quench.dt, 2), quench.steps)), quench)
    return _quimb_outcome(quench, psi)


QuimbLayer = list[tuple[Any, tuple[int, ...]]]
"""Arrays of the gates of a layer, and where they act."""


def quimb_layers(layers: Sequence[Layer], sites: Sequence[Site] = ()) -> list[QuimbLayer]:
    """Return layers of gates for quimb, by blocks of charge if the sites are given that say what is conserved."""

    def array(gate: Gate) -> Any:
        if not sites:
            return gate.matrix
        charges = [sites[j].charges for j in gate.where] * 2
        tensor = gate.matrix.reshape([len(each) for each in charges])
        return symmray.U1Array.from_dense(tensor, index_maps=charges, duals=[False, False, True, True], charge=0)

    return [[(array(gate), gate.where) for gate in layer] for layer in layers]


def quimb_sweeps(
    psi: qtn.MatrixProductState, info: dict[str, Any], layers: Sequence[QuimbLayer], quench: Quench
) -> None:
    """Apply each layer in a sweep from the end of the chain that the centre is closer to."""
    for layer in layers:
        rightwards = 2 * info["cur_orthog"][0] < psi.L
        for array, where in layer if rightwards else reversed(layer):
            psi.canonicalize_(where, info=info)
            psi.gate_split_(array, where, absorb="right" if rightwards else "left", **_quimb_cut(quench))
            info["cur_orthog"] = (where[rightwards],) * 2


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
