"""Vectors at all times of a stretch against dense exponentials."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.stretch import Stretches


@pytest.mark.parametrize("kind", ["decaying", "real", "diagonal", "constant", "nilpotent"])
@pytest.mark.parametrize("time", [0.1, 30.0])
def test_vectors_at_any_time(kind, time):
    rng = np.random.default_rng(1)
    drawn = rng.normal(size=(12, 12))
    matrix = {
        "decaying": drawn + drawn.T - 0.3j * np.diag(rng.random(12)),
        "real": drawn + drawn.T,
        "diagonal": np.diag(rng.normal(size=12) - 1j * rng.random(12)),
        "constant": (0.7 - 0.1j) * np.eye(12),
        "nilpotent": np.diag(np.ones(11), 1) - 0.9j * np.eye(12),
    }[kind]
    vector = rng.normal(size=12) + 1j * rng.normal(size=12)
    stretches = Stretches(Matrix(scipy.sparse.csr_matrix(matrix)), time)
    stretch = stretches.from_(np.stack([vector, 0 * vector], axis=1))
    assert 0 < stretches.length <= time
    for share in (0.0, 0.3, 1.0):
        t = share * stretches.length
        right = scipy.linalg.expm(-1j * t * matrix) @ vector
        pair, scale = stretch.at(t), np.linalg.norm(right)
        assert np.linalg.norm(pair[:, 0] - right) < 1e-12 * scale
        assert abs(stretch.squared_norm(t) / scale**2 - 1) < 1e-12
        assert np.linalg.norm(pair[:, 0] - right) < 50 * np.linalg.norm(pair[:, 1]) + 1e-14 * scale
