"""Canonical form of matrix-product states given as plain tensors of shape (left bond, d, right bond)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def right_canonical(tensors: Sequence[Array]) -> tuple[list[Array], float]:
    """Bring a state to right-canonical form and unit norm, with the orthogonality centre on the first site.

    Parameters
    ----------
    tensors : sequence of ndarray, shape (left bond, d, right bond)
        Any MPS.

    Returns
    -------
    tensors : list of ndarray
        The same state, normalised.
    log_norm : float
        Logarithm of the norm it had.

    Raises
    ------
    FloatingPointError
        If the norm is zero or not finite.

    Examples
    --------
    >>> tensors, log_norm = right_canonical([2 * np.ones((1, 2, 1), complex)] * 2)
    >>> round(float(np.exp(log_norm)), 12)
    8.0
    """
    work, log_norm = list(tensors), 0.0
    for j in range(len(work) - 1, 0, -1):
        log_norm += move_left(work, j)
    work[0], grown = normalised(work[0], (0,))
    return work, log_norm + grown


def normalised(tensor: Array, where: tuple[int, ...]) -> tuple[Array, float]:
    """Divide a tensor by its norm.

    Parameters
    ----------
    tensor : ndarray
        Any tensor.
    where : tuple of int
        Its sites, for the error message.

    Returns
    -------
    tensor : ndarray
        Of unit norm.
    log_norm : float
        Logarithm of the norm it had.

    Raises
    ------
    FloatingPointError
        If the norm is zero or not finite.

    Examples
    --------
    >>> normalised(np.array([0.0, 2.0]), (3,))[0].tolist()
    [0.0, 1.0]
    >>> normalised(np.zeros(2), (3,))
    Traceback (most recent call last):
    FloatingPointError: the norm of the state became 0.0 on sites (3,)
    """
    largest = float(np.abs(tensor).max(initial=0.0))
    if not (np.isfinite(largest) and largest > 0):
        raise FloatingPointError(f"the norm of the state became {largest} on sites {where}")
    tensor = tensor / largest  # whose square can neither over- nor underflow
    norm = float(np.linalg.norm(tensor))
    return tensor / norm, float(np.log(largest) + np.log(norm))


def move_left(tensors: list[Array], j: int) -> float:
    """Move the orthogonality centre from site j to j - 1, changing the list in place.

    Parameters
    ----------
    tensors : list of ndarray, shape (left bond, d, right bond)
        A state with its centre on site j.
    j : int
        The centre.

    Returns
    -------
    float
        Logarithm of the norm, which is taken out.

    Examples
    --------
    >>> tensors = [np.eye(2)[:1, :, None], np.full((1, 2, 1), 0.5)]
    >>> round(float(np.exp(move_left(tensors, 1))) ** 2, 12)
    0.5
    """
    left, d, right = tensors[j].shape
    q, r = np.linalg.qr(tensors[j].reshape(left, d * right).T)
    r, grown = normalised(r, (j,))
    tensors[j] = q.T.reshape(-1, d, right)
    tensors[j - 1] = np.tensordot(tensors[j - 1], r.T, 1)
    return grown


def overlap_with_error(kets: Sequence[Array], bras: Sequence[Array]) -> tuple[complex, float]:
    """Return the overlap of two states and an estimate of its error by rounding.

    Rounding of one tensor, which knows nothing of the zeros of the others, reaches the overlap through what stands to
    its left and right.

    Parameters
    ----------
    kets, bras : sequence of ndarray, shape (left bond, d, right bond)
        In canonical form; the second state is conjugated.

    Examples
    --------
    >>> up, down = np.eye(2)[:, None, :, None]
    >>> overlap, error = overlap_with_error([up] * 3, [down, down, up])
    >>> overlap, error < 1e-14
    (0j, True)
    """
    pairs = list(zip(kets, bras, strict=True))
    lefts, rights = [np.ones((1, 1), complex)], [np.ones((1, 1), complex)]
    for ket, bra in pairs:
        lefts.append(np.einsum("asb,asc->bc", np.tensordot(lefts[-1].T, ket, 1), bra.conj(), optimize=True))
    for ket, bra in reversed(pairs):
        rights.append(np.tensordot(np.tensordot(ket, rights[-1], 1), bra.conj(), ((1, 2), (1, 2))))
    sizes = [np.linalg.norm(left) * np.linalg.norm(right) for left, right in zip(lefts, rights[-2::-1], strict=False)]
    return complex(lefts[-1].item()), float(_ROUNDING * np.sum(sizes))


_ROUNDING = 4 * float(np.finfo(np.float64).eps)
"""Relative error of a contraction with the tensors of one site."""
