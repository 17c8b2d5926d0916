"""How far a matrix-product state is from an eigenstate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.language.opsum import OpSum
from mpsnh.operators.compression import compressed
from mpsnh.operators.mpo import MPO
from mpsnh.states.canonical import right_canonical
from mpsnh.states.mps import MPS


def variance(operator: OpSum | MPO, state: MPS) -> float:
    """Return ⟨(H - E)† (H - E)⟩ with E = ⟨H⟩, the square of the residual of a normalised state.

    It is zero for a right eigenvector, whether H is Hermitian or not. (H - E)|ψ⟩ is made as a state, whose norm comes
    from QR decompositions: an error of about 1e-15 ‖H‖ enters before it is squared.

    Parameters
    ----------
    operator : OpSum or MPO
        H.
    state : MPS
        Any state of the same length, of any norm and gauge.

    Raises
    ------
    ValueError
        If the lengths differ.

    Examples
    --------
    >>> hop = OpSum([(0.6, "Sp", 0, "Sm", 1), (0.4, "Sm", 0, "Sp", 1)])
    >>> right = MPS.from_vector([0, 0.6**0.5, 0.4**0.5, 0], [nh.Spin(0.5)] * 2)
    >>> variance(hop, right) < 1e-30, round(variance(hop, MPS.product([nh.Spin(0.5)] * 2, ["up", "down"])), 12)
    (True, 0.16)
    """
    mpo = MPO.from_opsum(operator, state._named_sites()) if isinstance(operator, OpSum) else operator
    require(mpo.L == state.L, "number of sites of the operator", mpo.L, f"{state.L}, as the state has")
    energy = state.expect(mpo)
    ket, _ = right_canonical(state.site_tensors())
    image = [
        np.einsum("lrab,mbn->lmarn", w, tensor).reshape(w.shape[0] * tensor.shape[0], w.shape[2], -1)
        for w, tensor in zip(_shifted(mpo.site_tensors(), energy), ket, strict=True)
    ]
    if not all(tensor.any() for tensor in image):
        return 0.0
    try:
        return math.exp(2 * right_canonical(image)[1])
    except FloatingPointError:  # nothing is left
        return 0.0


def _shifted(tensors: list[NDArray[np.complex128]], energy: complex) -> list[NDArray[np.complex128]]:
    """Subtract a multiple of the identity: as one more channel, which begins and ends with the others."""
    L, wide = len(tensors), []
    for j, w in enumerate(tensors):
        left, right, d, _ = w.shape
        tensor = np.zeros((left + (j > 0), right + (j < L - 1), d, d), dtype=complex)
        tensor[:left, :right] = w
        tensor[-1, -1] += (-energy if j == 0 else 1) * np.eye(d)
        wide.append(tensor)
    return compressed(wide)
