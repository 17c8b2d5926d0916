"""Linear algebra of batches against that of numpy, matrix by matrix, on the host and on a GPU."""

from __future__ import annotations

import numpy as np
import pytest

from mpsnh.kernels import batched
from mpsnh.kernels.batched import adjoint, host, inverse, orthonormal
from mpsnh.kernels.split import Batch, Limits
from tests.oracles.dense_tebd import truncated_rank
from tests.oracles.reference import gaussian
from tests.support.workspaces import gpu

every_module = pytest.mark.parametrize("module", ["numpy", pytest.param("cupy", marks=gpu)])

ROWS = np.array([[True] * 24, [True] * 8 + [False] * 16, [False] * 12 + [True] * 12])
SIZES = np.array([16, 4, 9])


def arrays(module):
    return np if module == "numpy" else batched.cuda()


def columns(rng, weights):
    """Random columns that decay, with zeros beyond the sizes above."""
    z = gaussian(rng, 3, 24, 16) @ np.diag(weights)
    return z * ROWS[:, :, None] * (np.arange(16) < SIZES[:, None])[:, None, :]


def is_basis(q, z):
    """Whether columns are orthonormal and span the others."""
    for block, of, rows, size in zip(q, z, ROWS, SIZES, strict=True):
        part, wanted = block[rows, :size], of[rows, :size]
        np.testing.assert_allclose(part.conj().T @ part, np.eye(size), atol=1e-13)
        np.testing.assert_allclose(part @ (part.conj().T @ wanted), wanted, atol=1e-13 * np.abs(of).max())
        assert not block[~rows].any()
        assert not block[:, size:].any()


@every_module
@pytest.mark.parametrize("decay", [0.0, 1.0, 2.0])
def test_bases_of_columns_that_decay(module, decay, monkeypatch):
    """By forty orders of magnitude in squares, and without QR."""
    monkeypatch.setattr(batched, "_decomposed", None)
    xp = arrays(module)
    z = columns(np.random.default_rng(1), np.exp(-decay * np.arange(16)))
    is_basis(host(orthonormal(xp, xp.asarray(z), SIZES, ROWS)), z)


@every_module
@pytest.mark.parametrize("spoiled", ["parallel", "zero", "all zero"])
def test_columns_that_are_not_independent(module, spoiled):
    xp = arrays(module)
    z = columns(np.random.default_rng(2), np.ones(16))
    z[:, :, 1] = z[:, :, 0] * (1 + 1e-12) if spoiled == "parallel" else 0
    z *= spoiled != "all zero"
    is_basis(host(orthonormal(xp, xp.asarray(z), SIZES, ROWS)), z)


@every_module
@pytest.mark.parametrize("m", [1, 2, 7, 64, 192, 388])
def test_inverses_of_triangles(module, m):
    xp = arrays(module)
    triangle = np.tril(gaussian(np.random.default_rng(3), 2, m, m)) / m + 2 * np.eye(m)
    found = host(inverse(xp, xp.asarray(triangle)))
    np.testing.assert_allclose(found @ triangle, np.broadcast_to(np.eye(m), (2, m, m)), atol=1e-13)


# ------------------------------------------------------------------------------------------------------------- splits


def batch(xp, decay):
    """Three matrices whose singular values decay, of different shapes, and all of their singular values."""
    rng = np.random.default_rng(4)
    shapes = np.array([rows.sum() for rows in ROWS])
    x, columns = np.zeros((3, 24, 24), complex), ROWS[::-1, ::-1]
    values = []
    for block, rows, cols, p in zip(x, ROWS, columns, shapes, strict=True):
        u, _ = np.linalg.qr(gaussian(rng, p, min(p, cols.sum())))
        v, _ = np.linalg.qr(gaussian(rng, cols.sum(), u.shape[1]))
        s = np.exp(-decay * (np.arange(u.shape[1]) + rng.random()))
        block[np.ix_(rows, cols)] = u * s @ v.T
        values.append(s)
    return Batch(xp, xp.asarray(x), ROWS, columns), np.sort(np.concatenate(values))[::-1]


def check(split, given, values, limits):
    rank, discarded = truncated_rank(values, limits.max_bond, limits.cutoff)
    assert split.sizes.sum() == rank
    total = np.square(values).sum()
    near, far, x = host(split.near), host(split.far), host(given.x)
    assert split.lost / total == pytest.approx(discarded, abs=1e-14)
    assert np.linalg.norm(near @ far - x) ** 2 == pytest.approx(split.lost, abs=1e-14 * total)
    np.testing.assert_allclose(host(adjoint(near)) @ x, far, atol=1e-13)
    assert not near[~ROWS].any()


@every_module
@pytest.mark.parametrize("limits", [Limits(9, 0.0), Limits(30, 1e-5), Limits(1, 0.0)])
def test_splits_are_those_of_singular_values(module, limits):
    given, values = batch(arrays(module), 0.5)
    total = float(np.square(values).sum())
    check(given.exactly(limits, total), given, values, limits)
    check(given.by_gram(limits, total), given, values, limits)


@every_module
def test_a_sketch_finds_what_a_projection_leaves_out(module):
    """The old subspace is of another matrix. What it misses, random directions find, up to what is random."""
    xp, limits = arrays(module), Limits(12, 0.0)
    given, values = batch(xp, 0.7)
    total = float(np.square(values).sum())
    sizes = given.exactly(limits, total).sizes
    guess = host(adjoint(given.exactly(limits, total).far))
    guess = guess + 0.3 * gaussian(np.random.default_rng(5), *guess.shape)
    guess = guess * (np.arange(guess.shape[2]) < sizes[:, None])[:, None, :]
    projected = given.within(given.x @ xp.asarray(guess), sizes, sizes)
    lost = total - float(np.linalg.norm(host(projected.far)) ** 2)
    sketched = given.by_gram(limits, total, projected)
    least = given.exactly(limits, total).lost
    assert lost > 1.5 * least
    assert least <= sketched.lost < 1.01 * least
    near = host(sketched.near)
    for block, k in zip(near, sketched.sizes, strict=True):
        np.testing.assert_allclose(block[:, :k].conj().T @ block[:, :k], np.eye(k), atol=1e-12)
