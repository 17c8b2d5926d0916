"""Schmidt spectra of pure states, by charge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.states.blocks import by_bond_charge
from mpsnh.states.folded import FoldedMPS
from mpsnh.states.mps import MPS
from mpsnh.states.state import Pure
from mpsnh.states.symmetric import symmetric
from mpsnh.states.vector import ExactState


def schmidt_spectrum(state: Pure, bond: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the weights of the Schmidt states across a bond and the charges of their left parts.

    Parameters
    ----------
    state : Pure
        The state, of any norm.
    bond : int
        Between sites `bond` and `bond` + 1; from 0 to L - 2.

    Returns
    -------
    weights : ndarray
        Squares of the Schmidt values, that sum to 1, the largest first.
    charges : ndarray of int
        Of the sites up to `bond`, for each of them; 0 if the state has no definite charge.

    Raises
    ------
    ValueError
        If there is no such bond.
    FloatingPointError
        If the state has vanished or is not finite.
    TypeError
        If the state is of no kind whose Schmidt states are known.

    Examples
    --------
    >>> singlet = nh.MPS.from_vector([0, 1, -1, 0], [nh.Spin(0.5)] * 2)
    >>> weights, charges = schmidt_spectrum(singlet, 0)
    >>> weights.round(12).tolist(), sorted(charges.tolist())
    ([0.5, 0.5], [-1, 1])
    """
    if not isinstance(state, MPS | FoldedMPS | ExactState):
        raise TypeError(f"Schmidt states are those of an MPS or an ExactState, not of a {type(state).__name__}")
    if isinstance(state, ExactState):
        parts = state.halves(bond)
    else:
        require(0 <= bond < state.L - 1, "bond", bond, f"from 0 to {state.L - 2}")
        workspace = symmetric(state.to_mps() if isinstance(state, FoldedMPS) else state).workspace()
        workspace.move_to(bond)
        parts = by_bond_charge(workspace.view()[bond])
    values = {q: np.linalg.svd(matrix, compute_uv=False) for q, matrix in parts.items()}
    charges = np.repeat(np.array(list(values), dtype=np.int64), [len(part) for part in values.values()])
    weights = np.concatenate(list(values.values())) ** 2
    total = float(weights.sum())
    if not 0 < total < np.inf:
        raise FloatingPointError(f"the norm of the state became {total**0.5}")
    order = np.argsort(-weights, kind="stable")
    return weights[order] / total, charges[order]
