"""Chebyshev vectors against the recurrence."""

import numpy as np
import pytest
import scipy.sparse

from mpsnh.kernels.multivector import BlockOperator
from mpsnh.kernels.series import chebyshev_vectors


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_vectors_follow_the_recurrence(dtype, count):
    rng = np.random.default_rng(count)
    matrix, x = rng.normal(size=(9, 9)).astype(dtype), rng.normal(size=(9, 2)).astype(dtype)
    if dtype is complex:
        matrix, x = matrix + 1j * rng.normal(size=(9, 9)), x * 1j
    right = [x, matrix @ x / 3]
    while len(right) < count:
        right.append(2 * matrix @ right[-1] / 3 - right[-2])
    ours = chebyshev_vectors(BlockOperator(scipy.sparse.csr_matrix(matrix), dtype), count, x, half=3.0)
    np.testing.assert_allclose(ours, right[:count], atol=1e-12 * np.abs(right).max())
