"""Orthonormal columns, whatever the block: Cholesky-QR where that is accurate, and what steps in where it is not."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from mpsnh import MPS, models
from mpsnh.kernels.tebd.memory import workspace
from mpsnh.kernels.tebd.orthonormal import qr as compiled_qr
from mpsnh.states.blocks import charge_blocks
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState
from tests.oracles.reference import gaussian

EPS = {np.complex128: 2e-16, np.complex64: 1.2e-7}


@numba.njit
def qr(x, height, width, r, work):
    """What kernels call."""
    return compiled_qr(x, height, width, r, work)


every_precision = pytest.mark.parametrize("dtype", EPS)


def decomposed(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both factors of a matrix."""
    (height, width), kept = a.shape, min(a.shape)
    work = workspace(a.size, max(a.shape), kept, 1, 1, 1, a.dtype)
    x, r = a.ravel(order="F").copy(), np.full(kept * width, np.nan, a.dtype)
    assert qr(x, height, width, r, work) == kept
    again = a.ravel(order="F").copy()
    qr(again, height, width, r[:0], work)
    np.testing.assert_array_equal(again, x)  # the other factor does not matter to the one that is always wanted
    return x[: height * kept].reshape(kept, height).T, r.reshape(width, kept).T


def graded(rng: np.random.Generator, height: int, width: int, weakest: float) -> np.ndarray:
    """Columns at moderate angles to each other, whose norms fall down to that of the weakest one."""
    close = np.eye(height, width) + 0.1 * gaussian(rng, height, width) / np.sqrt(height)
    return close * np.logspace(0, np.log10(weakest), width)


def sheared(rng: np.random.Generator, height: int, width: int, angle: float) -> np.ndarray:
    """Columns that all lie at this angle to the first one."""
    a = gaussian(rng, height, width)
    return a[:, :1] + angle * a


def hostile(kind: str, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A block that one pass of Cholesky-QR may not be able to treat."""
    a = gaussian(rng, height, width)
    match kind:
        case "rank deficient":
            return a[:, :1] @ a[:1]
        case "zero":
            return 0 * a
        case "zero column":
            a[:, width // 2] = 0
            return a
        case "equal columns":
            a[:, -1] = a[:, 0]
            return a
        case "huge":
            return a * 1e18
        case "tiny":
            return a * 1e-22
        case "one tiny column":
            a[:, -1] *= 1e-21
            return a
        case "graded":
            return graded(rng, height, width, 1e-12)
        case "Vandermonde":
            return np.vander(np.linspace(0, 1, height), width).astype(complex)
    return sheared(rng, height, width, float(kind))


KINDS = ["rank deficient", "zero", "zero column", "equal columns", "huge", "tiny", "one tiny column", "graded"]
KINDS += ["Vandermonde", "1", "0.3", "0.1", "0.03", "1e-2", "1e-3", "1e-4", "1e-6", "1e-8", "1e-12"]


@every_precision
@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (12, 5), (40, 20), (20, 20), (6, 11)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_blocks(kind, shape, dtype):
    """Both factors against their definition; column by column, so that weak ones are as accurate as strong ones."""
    rng = np.random.default_rng([len(kind), *shape])
    a = np.asfortranarray(hostile(kind, rng, *shape).astype(dtype))
    q, r = decomposed(a)
    wide, rounding = a.astype(complex), EPS[dtype] * max(shape)
    assert np.abs(q.conj().T @ q - np.eye(q.shape[1])).max() < 50 * rounding
    np.testing.assert_array_equal(r, np.triu(r))
    error = np.linalg.norm(q.astype(complex) @ r.astype(complex) - wide, axis=0)
    assert (error <= 10 * rounding * np.linalg.norm(wide, axis=0)).all()


@pytest.mark.parametrize("weakest", [1.0, 1e-12, 1e-100, 1e-140, 1e-153, 1e-160, 1e-200, 1e-300])
def test_columns_of_any_norm(weakest):
    """Squares of the weakest underflow in the end."""
    q, r = decomposed(np.asfortranarray(graded(np.random.default_rng(3), 30, 12, weakest)))
    assert np.abs(q.conj().T @ q - np.eye(12)).max() < 1e-14
    assert np.isfinite(r).all()


@every_precision
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [(0, 0), (5, 2), (11, 4)], ids=str)
def test_what_is_not_finite_is_not_hidden(place, bad, dtype):
    a = gaussian(np.random.default_rng(0), 12, 5).astype(dtype)
    a[place] = bad
    _, r = decomposed(np.asfortranarray(a))
    assert not np.isfinite(r).all()


def defect(state: BlockState) -> float:
    """Largest deviation of a tensor beside the centre from an isometry."""
    worst = 0.0
    for j, site in enumerate(state.view()):
        grams: dict[int, Any] = {}
        for (q, c), block in site.items():
            charge = q + c if j < state.centre else q
            rows = block.reshape(-1, block.shape[2]) if j < state.centre else block.reshape(len(block), -1).T
            grams[charge] = grams.get(charge, 0) + rows.T @ rows.conj()
        if j != state.centre:
            worst = max([worst, *(float(np.abs(gram - np.eye(len(gram))).max()) for gram in grams.values())])
    return worst


@pytest.mark.parametrize("charged", [True, False])
@pytest.mark.parametrize(("dt", "gamma"), [(0.1, 0.1), (0.3, 0.5), (1.0, 0.9)])
def test_tensors_stay_isometries(dt, gamma, charged):
    """After projections and decompositions, by gates close to the identity and far from it."""
    model = models.NonHermitianXXZ(L=12, gamma=gamma, h=1.0, seed=1)
    charges = [site.charges if charged else (0, 0) for site in model.sites]
    blocks = charge_blocks(MPS.product(model.sites, ["up", "down"] * 6).site_tensors(), charges)
    assert blocks is not None
    state, worst = BlockState(blocks, charges, 0, 16), 0.0
    for layer in model.step(dt, 2) * 25:
        state.apply(layer, Truncation(max_bond=16, cutoff=1e-10, excess=0.1))
        worst = max(worst, defect(state))
    assert max(state.bond_dimensions()) == 16
    assert worst < 1e-12
