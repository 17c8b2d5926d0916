"""Matrix-product operators made as narrow as they can be, without losing a term."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.csgraph
from numpy.typing import NDArray

Array = NDArray[Any]

DEPENDENT = 1e-13
"""What is left of a channel without those before it, relative to each of its elements, that counts as rounding."""

BALANCED = 3
"""Times that rows and columns are scaled in turn to a largest element of 1."""


def compressed(tensors: Sequence[Array]) -> list[Array]:
    """Make every bond as small as the rank of the operator across it, one term as exactly as another.

    From the left and then from the right, channels that are linear combinations of others are written as such.
    Nothing is orthonormalised, so that a term keeps its digits however small its norm is: that of a projector on one
    state of 96 spins is 2⁻⁴⁸ times that of a field. (After delinearisation in C. Hubig, I. P. McCulloch and
    U. Schollwöck, PRB 95, 035129 (2017), with the scale of each channel taken out.)

    Parameters
    ----------
    tensors : sequence of ndarray, shape (left bond, right bond, d, d)
        Those of the operator.

    Examples
    --------
    >>> one, z = np.eye(2), np.diag([1, -1])
    >>> twice = [np.array([[z, one, one]]), np.array([[one], [z], [z]])]
    >>> [w.shape[:2] for w in compressed(twice)]
    [(1, 2), (2, 1)]
    """
    work = [np.asarray(w) for w in tensors]
    for j in range(len(work) - 1):
        left, right, d, _ = work[j].shape
        narrow, rest = factorised(work[j].transpose(0, 2, 3, 1).reshape(-1, right))
        work[j] = narrow.reshape(left, d, d, -1).transpose(0, 3, 1, 2)
        work[j + 1] = np.tensordot(rest, work[j + 1], 1)
    for j in range(len(work) - 1, 0, -1):
        left, right, d, _ = work[j].shape
        narrow, rest = factorised(work[j].reshape(left, -1).T)
        work[j] = narrow.T.reshape(-1, right, d, d)
        work[j - 1] = np.tensordot(work[j - 1], rest, (1, 1)).transpose(0, 3, 1, 2)
    return work


def factorised(matrix: Array) -> tuple[Array, Array]:
    """Write a matrix as a product of two, as narrow as its rank, one of which is made of its own columns or rows.

    Columns that share no row with others, directly or through others, are looked at apart. Where they are independent,
    or their rows are, nothing is computed.

    Parameters
    ----------
    matrix : ndarray, shape (m, n)
        Any matrix; its rows and columns may be of any scale.

    Returns
    -------
    left : ndarray, shape (m, r)
        With r the rank, but at least 1; columns of the matrix, up to powers of 2.
    right : ndarray, shape (r, n)
        With ``matrix == left @ right`` to 1e-13 of each element, but for cancellation.

    Examples
    --------
    >>> left, right = factorised(np.array([[1.0, 2e30, 0.0], [0.0, 0.0, 1e-30]]))
    >>> left.tolist(), right.tolist()
    ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 2e+30, 0.0], [0.0, 0.0, 1e-30]])
    """
    m, n = matrix.shape
    present = scipy.sparse.csr_matrix(matrix != 0)
    graph = scipy.sparse.bmat([[None, present], [present.T, None]])
    _, labels = scipy.sparse.csgraph.connected_components(graph, directed=False)
    lefts, rights = [np.zeros((m, 0))], [np.zeros((0, n))]
    for label in np.unique(labels[m:]):
        rows, columns = np.flatnonzero(labels[:m] == label), np.flatnonzero(labels[m:] == label)
        if len(rows):
            narrow, rest = _factorised(matrix[np.ix_(rows, columns)])
            left, right = np.zeros((m, len(rest)), matrix.dtype), np.zeros((len(rest), n), matrix.dtype)
            left[rows], right[:, columns] = narrow, rest
            lefts.append(left)
            rights.append(right)
    if len(lefts) == 1:
        return np.zeros((m, 1), matrix.dtype), np.zeros((1, n), matrix.dtype)  # the operator is zero, a bond is not
    return np.hstack(lefts), np.vstack(rights)


def _factorised(block: Array) -> tuple[Array, Array]:
    """Do the same for a block without zero rows or columns, by a pivoted QR decomposition of a balanced one."""
    balanced, scale = block.copy(), np.ones(block.shape[1])
    for _ in range(BALANCED):
        balanced = balanced / np.abs(balanced).max(axis=1, keepdims=True)
        largest = np.abs(balanced).max(axis=0)
        balanced, scale = balanced / largest, scale * largest
    _, upper, pivots = scipy.linalg.qr(balanced, mode="economic", pivoting=True)
    sizes = np.abs(np.diag(upper))
    rank = int(np.count_nonzero(sizes > DEPENDENT * sizes[0] * np.sqrt(block.shape[0])))
    if rank == block.shape[0]:
        return np.eye(rank, dtype=block.dtype), block
    if rank == block.shape[1]:
        return block, np.eye(rank, dtype=block.dtype)
    chosen, others = pivots[:rank], pivots[rank:]
    factors = np.zeros((rank, block.shape[1]), dtype=block.dtype)
    factors[:, chosen] = np.eye(rank)
    factors[:, others] = scipy.linalg.solve_triangular(upper[:rank, :rank], upper[:rank, rank:])
    factors[np.abs(factors) < DEPENDENT] = 0
    # Balanced columns are the true ones over the scales of the rows, which drop out, and over their own. These go to
    # the right in powers of 2: a small column must not make the others seem large.
    own = 2.0 ** np.round(np.log2(scale[chosen]))
    return block[:, chosen] / own, factors * (own / scale[chosen])[:, None] * scale
