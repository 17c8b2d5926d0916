"""How far a matrix-product state is from an eigenstate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.checks import described, require
from mpsnh.language.opsum import OpSum
from mpsnh.operators.charged import ChargedMPO
from mpsnh.operators.compression import compressed
from mpsnh.operators.mpo import MPO
from mpsnh.states.blocks import Array, Blocks, bond_charges
from mpsnh.states.chain import require_mps
from mpsnh.states.environments import matrix_element
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
    return residual(operator, state) ** 2


def residual(operator: OpSum | MPO, state: MPS, energy: complex | None = None) -> float:
    """Return ‖(H - E)ψ‖ / ‖ψ‖, the distance of a state from the eigenstate with a given energy.

    Parameters
    ----------
    operator : OpSum or MPO
        H.
    state : MPS
        Any state of the same length, of any norm and gauge.
    energy : complex, optional
        E; ⟨H⟩, which makes the residual as small as it can be, if not given.

    Raises
    ------
    TypeError
        If the operator or the state is something else.
    ValueError
        If the lengths differ.

    Examples
    --------
    >>> up = MPS.product([nh.Spin(0.5)] * 2, ["up", "up"])
    >>> residual(OpSum([(1, "Sz", 0)]), up), residual(OpSum([(1, "Sz", 0)]), up, energy=0.25)
    (0.0, 0.25)
    """
    if not isinstance(operator, OpSum | MPO):
        needed = "but it must be an OpSum or an MPO, such as model.terms() or model.mpo()"
        raise TypeError(f"operator is {described(operator)}, {needed}")
    require_mps(state, "state")
    mpo = MPO.from_opsum(operator, state._named_sites()) if isinstance(operator, OpSum) else operator
    require(mpo.L == state.L, "number of sites of the operator", mpo.L, f"{state.L}, as the state has")
    operator_tensors = mpo.site_tensors()
    try:
        ket, charges = _canonical(state)
        plain = ChargedMPO.of(operator_tensors, charges)
    except ValueError:  # the operator changes the charge by which the state is stored
        ket, charges = _canonical(state.to_mps())
        plain = ChargedMPO.of(operator_tensors, charges)
    energy = matrix_element(plain, ket, ket) if energy is None else energy
    return math.exp(_log_norm(image(ChargedMPO.of(_shifted(operator_tensors, energy), charges), ket)))


def _canonical(state: MPS) -> tuple[list[Blocks], Sequence[Sequence[int]]]:
    """Return the blocks of a state of unit norm, and the charges of its sites."""
    workspace = state.workspace()
    return workspace.view(), workspace.charges


def image(operator: ChargedMPO, ket: Sequence[Blocks]) -> list[Blocks]:
    """Return operator |ket⟩ as a state, whose bonds are as large as those of both factors together.

    Parameters
    ----------
    operator : ChargedMPO
        The operator.
    ket : sequence of dict
        The blocks of the state.

    Examples
    --------
    >>> flip = nh.MPO.from_opsum(nh.OpSum([(2, "Sm", 0)]), [nh.Spin(0.5)] * 2)
    >>> up = [{(0, 0): np.array([[[1.0], [0.0]]])}] * 2
    >>> [site[0, 0].real.ravel().tolist() for site in image(ChargedMPO.of(flip.site_tensors(), [(0, 0)] * 2), up)]
    [[0.0, 1.0], [2.0, 0.0]]
    """
    made: list[Blocks] = []
    bonds = [_places(charges, bond) for charges, bond in zip(operator.channels, bond_charges(ket), strict=True)]
    for j, site in enumerate(ket):
        (places, sizes), (after, sizes_after) = bonds[j : j + 2]
        blocks = Blocks()
        for (q, c), block in site.items():
            for left, charge in enumerate(operator.channels[j]):
                for right, other, matrix in operator.elements[j].get((left, c), ()):
                    key = (q + charge, other)
                    if key not in blocks:
                        shape = (sizes[q + charge], len(matrix), sizes_after[q + charge + other])
                        blocks[key] = np.zeros(shape, np.result_type(complex))
                    row, column = places[left, q], after[right, q + c]
                    part = blocks[key][row : row + block.shape[0], :, column : column + block.shape[2]]
                    part += matrix[0, 0] * block if matrix.size == 1 else matrix @ block
        made.append(blocks)
    return made


def _places(channels: Sequence[int], bond: dict[int, int]) -> tuple[dict[tuple[int, int], int], dict[int, int]]:
    """Say where each channel and charge of a bond begins in that of the image, and how large its charges are."""
    places, sizes = dict[tuple[int, int], int](), dict[int, int]()
    for channel, charge in enumerate(channels):
        for q, dimension in bond.items():
            places[channel, q] = sizes.get(q + charge, 0)
            sizes[q + charge] = places[channel, q] + dimension
    return places, sizes


def _log_norm(blocks: Sequence[Blocks]) -> float:
    """Return the logarithm of the norm of a state, -inf if nothing is left."""
    log_norm, rest = 0.0, dict[int, Array]()
    for j in reversed(range(len(blocks))):
        rows: dict[int, list[Array]] = {}
        for (q, c), block in blocks[j].items():
            if j + 1 < len(blocks):
                if q + c not in rest:
                    continue
                block = np.tensordot(block, rest[q + c], 1)
            rows.setdefault(q, []).append(block.reshape(len(block), -1))
        rest = {q: _triangle(np.concatenate(parts, axis=1)) for q, parts in rows.items()}
        size = max((float(np.abs(part).max()) for part in rest.values()), default=0.0)
        if size == 0:
            return -math.inf
        rest = {q: part / size for q, part in rest.items()}
        log_norm += math.log(size)
    return log_norm + math.log(math.sqrt(sum(float(np.linalg.norm(part)) ** 2 for part in rest.values())))


def _triangle(matrix: Array) -> Array:
    """Return T with T T† = M M†, without squaring anything."""
    if matrix.shape[0] >= matrix.shape[1]:
        return matrix
    triangle: Array = scipy.linalg.qr(matrix.conj().T, mode="r", check_finite=False)[0][: matrix.shape[0]]
    return triangle.conj().T


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
