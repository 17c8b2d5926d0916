"""NHTEBD in plain numpy on dense tensors: a layer of gates in one sweep of the orthogonality centre.

The reference of `mpsnh.kernels.tebd.gate`, which does the same by blocks of charge in compiled code.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.language.circuit import Gate, Layer
from mpsnh.states.canonical import move_left, normalised

Array = NDArray[np.complex128]


class LayerResult(NamedTuple):
    """What applying a layer did besides changing the tensors."""

    centre: int
    discarded: float
    log_norm: float


def apply_layer(tensors: list[Array], centre: int, layer: Layer, max_bond: int, cutoff: float) -> LayerResult:
    """Apply a layer to the tensors, in place, truncating each bond at the centre."""
    rightwards = 2 * centre <= len(tensors) - 1
    discarded = log_norm = 0.0
    for gate in sorted(layer, key=lambda gate: gate.where, reverse=not rightwards):
        near, far = (gate.where[0], gate.where[-1]) if rightwards else (gate.where[-1], gate.where[0])
        while centre < near:
            log_norm += _move_right(tensors, centre)
            centre += 1
        while centre > near:
            log_norm += move_left(tensors, centre)
            centre -= 1
        if len(gate.where) == 1:
            acted = np.tensordot(tensors[near], gate.matrix, (1, 1)).transpose(0, 2, 1)
            tensors[near], grown = normalised(acted, gate.where)
        else:
            grown, lost = _apply_pair(tensors, gate, rightwards, max_bond, cutoff)
            discarded += lost
        log_norm += grown
        centre = far
    return LayerResult(centre, discarded, log_norm)


def _move_right(tensors: list[Array], j: int) -> float:
    """Move the centre from site j to j + 1, and return the logarithm of the norm, which is taken out."""
    left, d, right = tensors[j].shape
    q, r = np.linalg.qr(tensors[j].reshape(left * d, right))
    r, grown = normalised(r, (j,))
    tensors[j] = q.reshape(left, d, -1)
    tensors[j + 1] = np.tensordot(r, tensors[j + 1], 1)
    return grown


def _apply_pair(
    tensors: list[Array], gate: Gate, rightwards: bool, max_bond: int, cutoff: float
) -> tuple[float, float]:
    """Apply a two-site gate at the centre; the centre goes to the side that the sweep moves to."""
    i, j = gate.where
    (left, d_i, _), (_, d_j, right) = tensors[i].shape, tensors[j].shape
    pair = np.tensordot(tensors[i], tensors[j], 1).reshape(left, d_i * d_j, right)
    pair = np.tensordot(pair, gate.matrix, (1, 1)).transpose(0, 2, 1)
    pair, grown = normalised(pair, gate.where)
    u, s, vh = _svd(pair.reshape(left * d_i, d_j * right))
    kept, lost = truncated_rank(s, max_bond, cutoff)
    norm = np.linalg.norm(s[:kept])
    u, s, vh = u[:, :kept], s[:kept] / norm, vh[:kept]
    u, vh = (u, s[:, None] * vh) if rightwards else (u * s, vh)
    tensors[i], tensors[j] = u.reshape(left, d_i, kept), vh.reshape(kept, d_j, right)
    return grown, lost  # the norm that the gate gave; truncation takes from the state, not from the norm


def truncated_rank(
    singular_values: NDArray[np.float64], max_bond: int, cutoff: float, min_bond: int = 1
) -> tuple[int, float]:
    """Choose how many singular values to keep; return their number and the relative weight of the others."""
    tails = np.append(np.cumsum(singular_values[::-1] ** 2)[::-1], 0.0)  # tails[k]: weight lost by keeping k
    tails /= tails[0]
    kept = int(np.argmax(tails <= cutoff))
    kept = max(kept, min(min_bond, int(np.argmax(tails <= 1e-26))))  # up to `min_bond` only rounding goes
    kept = max(1, min(kept, max_bond))
    return kept, float(tails[kept])


def _svd(matrix: Array) -> tuple[Array, NDArray[np.float64], Array]:
    try:
        return np.linalg.svd(matrix, full_matrices=False)
    except np.linalg.LinAlgError:  # the divide-and-conquer driver may fail where plain QR iteration converges
        return scipy.linalg.svd(matrix, full_matrices=False, lapack_driver="gesvd")  # type: ignore[no-any-return]
