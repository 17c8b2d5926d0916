"""The compiled layer against the plain one, and BLAS and LAPACK as it calls them against numpy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.errors import TypingError

from mpsnh import MPS, Gate, Layer, Site, models
from mpsnh.kernels.lapack import fortran
from mpsnh.states.blocks import charge_blocks
from mpsnh.states.canonical import move_left
from mpsnh.states.symmetric import from_blocks
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState
from tests.oracles.dense_tebd import apply_layer, truncated_rank
from tests.oracles.reference import gaussian, random_charged_vector, random_conserving_matrix, random_sites
from tests.support.workspaces import KINDS, Kind

TOLERANCES = {np.complex128: 1e-11, np.complex64: 2e-5}
"""For numbers of order 1 after a few dozen gates, most of them far from unitary."""


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Distance of two vectors up to a phase, which singular vectors leave open."""
    return float(np.linalg.norm(a - b * np.exp(1j * np.angle(np.vdot(b, a)))))


class Pair:
    """The same random state in the workspace and as plain tensors, with the centre at the same site."""

    def __init__(
        self,
        rng: np.random.Generator,
        sites: Sequence[Site],
        centre: int,
        max_bond: int,
        dtype: Any,
        kind: Kind = BlockState,
    ) -> None:
        self.sites, self.charges, self.max_bond = sites, [site.charges for site in sites], max_bond
        vector = random_charged_vector(rng, sites)
        self.tensors, self.centre, self.log_norm = MPS.from_vector(vector, sites).site_tensors(), len(sites) - 1, 0.0
        blocks = charge_blocks(self.tensors, self.charges)
        assert blocks is not None
        # The state needs larger bonds than those that gates leave.
        widest = max(len(tensor) for tensor in self.tensors)
        self.workspace = kind(blocks, self.charges, self.centre, max(max_bond, widest), dtype)
        self.workspace.move_to(centre)
        while self.centre > centre:
            self.log_norm += move_left(self.tensors, self.centre)
            self.centre -= 1

    def apply(self, layer: Layer, cutoff: float) -> float:
        """Apply a layer both ways; return the weight discarded by the plain one."""
        lost = self.workspace.apply(layer, Truncation(max_bond=self.max_bond, cutoff=cutoff, excess=0.0))
        result = apply_layer(self.tensors, self.centre, layer, self.max_bond, cutoff)
        self.centre, self.log_norm = result.centre, self.log_norm + result.log_norm
        assert self.workspace.centre == self.centre
        assert lost.shape == (len(self.sites) - 1,)
        assert float(lost.sum()) == pytest.approx(result.discarded, abs=self.tolerance)
        after = self.workspace.bond_dimensions()
        assert all(after[gate.where[1]] <= self.max_bond for gate in layer if len(gate.where) == 2)
        return result.discarded

    @property
    def tolerance(self) -> float:
        return TOLERANCES[self.workspace.dtype.type]

    def vector(self) -> np.ndarray:
        """Amplitudes of the state in the workspace."""
        return from_blocks(self.workspace.view(), self.sites, (0, len(self.sites))).to_vector()

    def check(self) -> None:
        """Compare the states and their norms."""
        assert all(block.dtype == self.workspace.dtype for site in self.workspace.view() for block in site.values())
        assert distance(self.vector(), MPS.from_tensors(self.tensors, self.sites).to_vector()) < self.tolerance
        assert self.workspace.log_norm == pytest.approx(self.log_norm, abs=self.tolerance)


def random_layer(rng: np.random.Generator, sites: Sequence[Site]) -> Layer:
    """Gates on one site, on two, or on none, in any order."""
    gates, j = [], 0
    while j < len(sites):
        width = int(rng.integers(1, 3))
        where = tuple(range(j, min(j + width, len(sites))))
        if rng.random() < 0.8:
            gates.append(Gate(random_conserving_matrix(rng, [sites[k] for k in where]), where))
        j += width
    return tuple(gates[k] for k in rng.permutation(len(gates)))


# ------------------------------------------------------------------------------------------ layers, nothing but an SVD


every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    L=st.integers(2, 6),
    charged=st.booleans(),
    rightwards=st.booleans(),
    max_bond=st.sampled_from([1, 2, 3, 5, 9, 10**6]),
    cutoff=st.sampled_from([0.0, 1e-12, 1e-4, 1e-2]),
)
def test_a_layer_is_that_of_the_reference(kind, seed, L, charged, rightwards, max_bond, cutoff):
    rng = np.random.default_rng(seed)
    sites = random_sites(rng, L, charged=charged)
    pair = Pair(rng, sites, 0 if rightwards else L - 1, max_bond, np.complex128, kind)
    pair.apply(random_layer(rng, sites), cutoff)
    pair.check()


EVERY_RUN = [*itertools.product(range(4), [True, False])]


@every_kind
@pytest.mark.parametrize(("seed", "charged"), EVERY_RUN)
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("max_bond", "cutoff"), [(10**6, 0.0), (8, 0.0), (10**6, 1e-3), (12, 1e-3)])
def test_layers_there_and_back(dtype, max_bond, cutoff, seed, charged, kind):
    """Several sweeps, which turn around by themselves; the cutoff and the bond dimension hold together."""
    rng = np.random.default_rng([seed, charged])
    sites = random_sites(rng, 6, charged=charged)
    pair = Pair(rng, sites, int(rng.integers(6)), max_bond, dtype, kind)
    lost = sum(pair.apply(random_layer(rng, sites), cutoff) for _ in range(5))
    pair.check()
    assert (lost > 1e-4) == (max_bond < 10**6 or cutoff > 0)


@every_kind
def test_bonds_without_a_gate_keep_what_they_have(kind):
    """Also beyond `max_bond`: only a gate truncates."""
    rng = np.random.default_rng(7)
    sites = random_sites(rng, 6)
    pair = Pair(rng, sites, 0, 2, np.complex128, kind)
    before = pair.workspace.bond_dimensions()
    pair.apply((Gate(random_conserving_matrix(rng, sites[2:4]), (2, 3)),), 0.0)
    after = pair.workspace.bond_dimensions()
    assert max(before) > 2
    assert after[3] == 2
    assert after[5:] == before[5:]
    pair.check()


@every_kind
def test_charges_of_a_gate_are_those_of_its_sites(kind):
    """The order of the local states, which need not be that of their charges, is the order of the gate's rows."""
    rng = np.random.default_rng(1)
    sites = (Site(["a", "b", "c"], {}, charges=[2, -1, 2]), Site(["x", "y"], {}, charges=[-3, 0]))
    pair = Pair(rng, sites, 0, 100, np.complex128, kind)
    gate = random_conserving_matrix(rng, sites)
    before = MPS.from_tensors(pair.tensors, sites).to_vector()
    pair.apply((Gate(gate, (0, 1)),), 0.0)
    expected = gate @ before
    assert distance(pair.vector(), expected / np.linalg.norm(expected)) < 1e-14
    assert pair.workspace.log_norm == pytest.approx(math.log(np.linalg.norm(expected)), abs=1e-14)


# --------------------------------------------------------------------------------------- projections instead of an SVD


@pytest.mark.parametrize(
    ("excess", "dtype"), [(0.01, np.complex128), (0.1, np.complex128), (1.0, np.complex128), (0.1, np.complex64)]
)
@pytest.mark.parametrize("charged", [True, False])
def test_the_excess_bounds_the_weight_that_projections_lose(charged, excess, dtype):
    check_excess(BlockState, charged, excess, dtype)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_excess_bounds_the_weight_on_a_device_too(kind):
    check_excess(kind, True, 0.1, np.complex128)


def check_excess(kind: Kind, charged: bool, excess: float, dtype: Any) -> None:
    """Gate by gate on the whole vector: what is lost is what is reported, and little more than an SVD would lose.

    A single gate may lose more than (1 + excess) times as much, since only some of them are measured.
    """
    model = models.NonHermitianXXZ(L=14, gamma=0.3, h=0.5, seed=2)
    sites = model.sites if charged else (Site(["up", "down"], {}),) * 14
    charges = [site.charges for site in sites]
    blocks = charge_blocks(MPS.product(sites, ["up", "down"] * 7).site_tensors(), charges)
    assert blocks is not None
    workspace, vector = kind(blocks, charges, 13, 32, dtype), np.zeros(0)
    workspace.move_to(0)
    projected, least, lost, tolerance = 0, 0.0, 0.0, TOLERANCES[dtype] / 10
    layers = model.step(0.3, 2) * 27
    for number, layer in enumerate(layers):
        for gate in layer if workspace.centre < 7 else layer[::-1]:
            (weight,) = workspace.apply((gate,), Truncation(max_bond=32, cutoff=0.0, excess=excess))[[gate.where[0]]]
            if number < len(layers) - 25:  # until truncation matters
                continue
            before, vector = vector, from_blocks(workspace.view(), sites, (0, 14)).to_vector()
            bond = gate.where[0]
            if not (4 < bond < 8 and len(before)):
                continue
            acted = np.einsum("ab,xby->xay", gate.matrix, before.reshape(2**bond, 4, -1)).ravel()
            acted /= np.linalg.norm(acted)
            values = np.linalg.svd(acted.reshape(2 ** (bond + 1), -1), compute_uv=False)
            _, best = truncated_rank(values, 32, 0.0)
            assert 1 - abs(np.vdot(vector, acted)) ** 2 == pytest.approx(weight, abs=tolerance)
            assert weight > best - tolerance  # nothing loses less than a singular value decomposition
            projected += weight > best * (1 + 1e-4)
            least, lost = least + best, lost + weight
    assert projected > 5
    assert least > 1e-3
    assert 1 < lost / least < 1 + excess
    assert excess < 1 or lost / least > 1.1  # so that the bound is put to the test


# ------------------------------------------------------------------------------------------------------- BLAS, LAPACK


@numba.njit
def multiply(a, b, c, alpha, beta):
    """c = alpha a b† + beta c, all in column-major order."""
    m, k, n = a.shape[0], a.shape[1], b.shape[0]
    fortran("gemm", "N", "C", m, n, k, alpha, a, m, b, n, beta, c, m)


@numba.njit
def multiply_fast(a, b, c, alpha, beta):
    """The same in the way that is the fastest on this machine."""
    m, k, n = a.shape[0], a.shape[1], b.shape[0]
    fortran("gemm3m", "N", "C", m, n, k, alpha, a, m, b, n, beta, c, m)


@numba.njit
def gram(a, g):
    """Store a a† in the upper triangle."""
    fortran("herk", "U", "N", a.shape[0], a.shape[1], 1.0, a, a.shape[0], 0.0, g, a.shape[0])


@numba.njit
def orthonormalise(a, tau, work, info):
    """Leave R and then Q in a tall matrix; returns R."""
    m, n = a.shape
    fortran("geqrf", m, n, a, m, tau, work, work.size, info)
    r = a[:n].copy()
    fortran("ungqr", m, n, n, a, m, tau, work, work.size, info)
    return r


@numba.njit
def decompose(a, s, u, v, work, real, integers, info, divide):
    """Singular value decomposition, by one driver or the other."""
    m, n, k = a.shape[0], a.shape[1], s.size
    if divide:
        fortran("gesdd", "S", m, n, a, m, s, u, m, v, k, work, work.size, real, integers, info)
    else:
        fortran("gesvd", "S", "S", m, n, a, m, s, u, m, v, k, work, work.size, real, info)


@numba.njit
def diagonalise(a, values, work, real, integers, info):
    """Eigenvectors of a Hermitian matrix, in place."""
    n = a.shape[0]
    fortran("heevd", "V", "U", n, a, n, values, work, work.size, real, real.size, integers, integers.size, info)


every_precision = pytest.mark.parametrize("dtype", [np.complex128, np.complex64])


class Numbers:
    """Random matrices of one precision in column-major order."""

    def __init__(self, dtype: Any) -> None:
        self.rng, self.dtype = np.random.default_rng(5), np.dtype(dtype)
        self.real, self.atol = np.dtype(self.dtype.char.lower()), 100 * np.finfo(dtype).eps

    def matrix(self, *shape: int) -> np.ndarray:
        return np.asfortranarray(gaussian(self.rng, *shape).astype(self.dtype))

    def empty(self, *shape: int, real: bool = False) -> np.ndarray:
        return np.full(shape, np.nan, self.real if real else self.dtype, order="F")


@every_precision
@pytest.mark.parametrize("multiply", [multiply, multiply_fast])
def test_products(multiply, dtype):
    given = Numbers(dtype)
    a, b, c = given.matrix(5, 7), given.matrix(3, 7), given.matrix(5, 3)
    expected = (2 - 1j) * a @ b.conj().T + 0.5j * c
    multiply(a, b, c, dtype(2 - 1j), dtype(0.5j))
    assert c.dtype == dtype
    np.testing.assert_allclose(c, expected, atol=given.atol)


def test_gram_matrices():
    given = Numbers(np.complex128)
    a, g = given.matrix(4, 9), np.zeros((4, 4), complex, order="F")
    gram(a, g)
    np.testing.assert_allclose(g, np.triu(a @ a.conj().T), atol=given.atol)


@every_precision
def test_qr(dtype):
    given = Numbers(dtype)
    a, info = given.matrix(9, 4), np.ones(1, np.int32)
    q = a.copy(order="F")
    r = np.triu(orthonormalise(q, given.empty(4), given.empty(500), info))
    assert info[0] == 0
    np.testing.assert_allclose(q @ r, a, atol=given.atol)
    np.testing.assert_allclose(q.conj().T @ q, np.eye(4), atol=given.atol)


@every_precision
@pytest.mark.parametrize("divide", [True, False])
@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (6, 6), (1, 3)], ids=str)
def test_singular_values(shape, divide, dtype):
    given, k = Numbers(dtype), min(shape)
    a, info, integers = given.matrix(*shape), np.ones(1, np.int32), np.zeros(100, np.int32)
    s, u, v = given.empty(k, real=True), given.empty(shape[0], k), given.empty(k, shape[1])
    decompose(a.copy(order="F"), s, u, v, given.empty(500), given.empty(1000, real=True), integers, info, divide)
    assert info[0] == 0
    np.testing.assert_allclose(s, np.linalg.svd(a, compute_uv=False), atol=given.atol)
    np.testing.assert_allclose(u * s @ v, a, atol=given.atol)
    np.testing.assert_allclose(u.conj().T @ u, np.eye(k), atol=given.atol)


@every_precision
def test_eigenvectors(dtype):
    given = Numbers(dtype)
    a, info, integers = given.matrix(6, 6), np.ones(1, np.int32), np.zeros(100, np.int32)
    a = np.asfortranarray(a + a.conj().T)
    vectors, values = a.copy(order="F"), given.empty(6, real=True)
    diagonalise(vectors, values, given.empty(500), given.empty(1000, real=True), integers, info)
    assert info[0] == 0
    np.testing.assert_allclose(values, np.linalg.eigvalsh(a), atol=given.atol)
    np.testing.assert_allclose(a @ vectors, vectors * values, atol=3 * given.atol)


def test_what_cannot_be_compiled():
    @numba.njit
    def variable(name, a):
        fortran(name, a)

    @numba.njit
    def real(a):
        fortran("gemm", "N", "N", 1, 1, 1, 1.0, a, 1, a, 1, 0.0, a, 1)

    with pytest.raises(TypingError, match="the routine must be a constant"):
        variable("gemm", np.ones(1, complex))
    with pytest.raises(TypingError, match="gemm needs a complex array"):
        real(np.ones(1))
