"""All terms of a Chebyshev series of a sparse matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.kernels.compiling import njit
from mpsnh.kernels.multivector import BlockOperator, apply_rows


def chebyshev_vectors(operator: BlockOperator, count: int, x: NDArray[Any], half: float) -> NDArray[Any]:
    """Return T_k(A / half) x for all k below a number, without leaving compiled code.

    Parameters
    ----------
    operator : BlockOperator
        The matrix A, in double precision.
    count : int
        How many, the first of which is x itself.
    x : ndarray, shape (n, m)
        The vectors, of the dtype of the operator.
    half : float
        What the matrix is divided by.

    Returns
    -------
    ndarray, shape (count, n, m)
        One block for each k.

    Examples
    --------
    >>> import scipy.sparse
    >>> A = BlockOperator(scipy.sparse.diags([0.5]).tocsr())
    >>> chebyshev_vectors(A, 4, np.ones((1, 1)), half=1.0).ravel().tolist()
    [1.0, 0.5, -0.5, -1.0]
    """
    blocks = np.empty((count, *x.shape), dtype=operator.dtype)
    blocks[0] = x
    _fill(*operator.rows, half, blocks.view(np.float64))
    return blocks


@njit()
def _fill(indptr, indices, values, half, blocks):  # type: ignore[no-untyped-def]
    """Set all blocks but the first one."""
    for k in range(1, len(blocks)):
        if k > 1:
            blocks[k] = blocks[k - 2]
        scale, keep = (1.0, 0.0) if k == 1 else (2.0, -1.0)
        apply_rows(indptr, indices, values, blocks[k - 1], blocks[k], scale / half, 0.0, keep)
