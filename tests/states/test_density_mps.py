"""Density operators in matrix-product form, against matrices of the whole space."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest

import mpsnh as nh
from mpsnh.language.opsum import OpSum
from mpsnh.states.density_mps import DensityMPS
from tests.oracles.lindblad import random_density
from tests.oracles.reference import BOSON, FERMION, HALF, gaussian, operator

CHAINS = {"spins": (HALF,) * 4, "fermions": (FERMION,) * 4, "bosons": (BOSON,) * 3, "mixed": (FERMION, HALF, FERMION)}
LOWER = {HALF: "Sm", FERMION: "c", BOSON: "b"}
DIAGONAL = {HALF: "Sz", FERMION: "n", BOSON: "n"}
every_chain = pytest.mark.parametrize("sites", CHAINS.values(), ids=CHAINS)


def expected(rho, op, sites):
    return np.trace(rho @ operator(op, sites))


@every_chain
@pytest.mark.parametrize("weight", [1.0, 2.5])
def test_all_that_is_measured(sites, weight):
    rng = np.random.default_rng(1)
    rho = random_density(sites, rng)
    state, last = DensityMPS.from_matrix(3 * rho, sites).weighted(weight), len(sites) - 1
    np.testing.assert_allclose(state.to_dense(), rho, atol=1e-14)
    lower, upper = (LOWER[sites[j]] + dagger for j, dagger in ((0, "†"), (last, "")))
    names = [DIAGONAL[site] for site in sites]
    ops = [
        OpSum(
            [(1.3 + 0.2j, lower, 0, upper, last), (0.7, names[1], 1), (0.3, names[1], 1, names[-1], last), (2, "Id", 0)]
        ),
        *[OpSum([(1.0, name, j)]) for j, name in enumerate(names)],
    ]
    exact = [expected(rho, op, sites) for op in ops]
    np.testing.assert_allclose(state.expect_each(*ops), exact, atol=1e-14)
    assert state.expect(ops[0]) == pytest.approx(exact[0], abs=1e-14)
    assert state.purity() == pytest.approx(np.trace(rho @ rho).real, rel=1e-12)
    assert state.hermiticity() < 1e-13
    two = state.reduced([0, last])
    ends = (sites[0], sites[last])
    local = OpSum([(1.0, lower, 0, upper, 1), (0.5, names[0], 0)])
    whole = OpSum([(1.0, lower, 0, upper, last), (0.5, names[0], 0)])
    assert np.trace(two @ operator(local, ends)) == pytest.approx(expected(rho, whole, sites), abs=1e-14)
    assert np.trace(two) == pytest.approx(1)
    neighbours = np.linalg.eigvalsh(state.reduced([1, 2]))[0]
    assert state.smallest_eigenvalue() <= neighbours + 1e-15
    assert state.smallest_eigenvalue(width=len(sites)) == pytest.approx(np.linalg.eigvalsh(rho)[0], abs=1e-14)
    again = state.with_arrays(dict(state.to_arrays()))
    np.testing.assert_array_equal(again.expect_each(*ops), state.expect_each(*ops))


@every_chain
def test_pure_states(sites):
    vector = gaussian(np.random.default_rng(2), int(np.prod([site.dim for site in sites])))
    parity = functools.reduce(np.kron, [np.array(site.parities) for site in sites])
    vector *= parity > 0
    vector /= np.linalg.norm(vector)
    pure = nh.MPS.from_vector(1e-200 * vector, sites)
    state = DensityMPS.from_pure(pure)
    np.testing.assert_allclose(state.to_dense(), np.outer(vector, vector.conj()), atol=1e-13)
    assert state.purity() == pytest.approx(1)
    np.testing.assert_allclose(state.operator_entanglement(), 2 * pure.entanglement_profile(), atol=1e-12)
    charged = DensityMPS.from_pure(nh.MPS.product(sites, [site.states[0] for site in sites]))
    assert type(charged.mps).__name__ == "SymmetricMPS"
    assert charged.max_bond() == 1


@pytest.mark.parametrize("site", [HALF, BOSON, FERMION])
def test_infinite_temperature(site):
    sites = (site,) * 3
    total = operator(OpSum.sum((1.0, DIAGONAL[site], j) for j in range(3)), sites).diagonal().real
    charge = 1
    allowed = np.isclose(total, charge / 2 if site == HALF else charge)
    np.testing.assert_allclose(
        DensityMPS.infinite_temperature(sites, charge).to_dense(), np.diag(allowed / allowed.sum()), atol=1e-14
    )
    everything = DensityMPS.infinite_temperature(sites)
    np.testing.assert_allclose(everything.to_dense(), np.eye(len(total)) / len(total), atol=1e-14)
    with pytest.raises(ValueError, match="charge = 77, but it must be that of some state"):
        DensityMPS.infinite_temperature(sites, 77)


def test_long_chains_neither_over_nor_underflow():
    L = 320
    mixed = DensityMPS.infinite_temperature([nh.Boson(9)] * L)
    assert mixed.renyi_entropy() == pytest.approx(L * np.log(10), rel=1e-12)
    assert mixed.weighted(2.0).expect(OpSum([(1.0, "n", 3, "n", 4), (2.0, "Id", 0)])) == pytest.approx(22.25)
    in_sector = DensityMPS.infinite_temperature([HALF] * 30, charge=0)
    assert in_sector.expect(OpSum([(1.0, "Sz", 0, "Sz", 29)])).real == pytest.approx(-0.25 / 29, rel=1e-9)


def test_negativity():
    """Of the Werner state p |singlet⟩⟨singlet| + (1 - p) / 4, ln max(1, (1 + 3 p) / 2), beside another spin."""
    singlet = np.outer([0, 1, -1, 0], [0, 1, -1, 0]) / 2
    for p in (0.2, 0.5, 0.9):
        werner = p * singlet + (1 - p) * np.eye(4) / 4
        state = DensityMPS.from_matrix(np.kron(werner, np.diag([0.3, 0.7])), [HALF] * 3)
        for first, second in (([0], [1]), ([1, 2], [0]), ([0], [1, 2])):
            assert state.log_negativity(first, second) == pytest.approx(np.log(max(1, (1 + 3 * p) / 2)), abs=1e-12)
        assert state.log_negativity([0], [2]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("matrix", "says"),
    [
        (np.diag([1.5, -0.5]), "smallest eigenvalue of matrix = -0.5, but it must be zero or positive"),
        (np.diag([1.0, -1.0]), "trace of matrix = 0j, but it must be positive"),
        (np.array([[1, 1], [0, 1]]), "|ρ - ρ†| of matrix = 1.0, but it must be zero"),
        (np.eye(3), "shape of matrix = (3, 3), but it must be (2, 2)"),
        (np.full((2, 2), np.nan), "but it must be finite"),
    ],
)
def test_what_is_no_density_matrix_is_refused(matrix, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        DensityMPS.from_matrix(matrix, [HALF])


def test_other_refusals():
    mixed = DensityMPS.infinite_temperature([FERMION] * 3)
    with pytest.raises(ValueError, match="the partial transpose of fermions is another"):
        mixed.log_negativity([0], [1])
    with pytest.raises(ValueError, match=r"sites = \[1, 0\], but it must be numbers from 0 to 2 in increasing order"):
        mixed.reduced([1, 0])
    with pytest.raises(ValueError, match=r"second = .*, but it must be sites that are not in first"):
        mixed.log_negativity([0], [0])
    with pytest.raises(ValueError, match="odd number of fermionic"):
        mixed.expect(OpSum([(1.0, "c", 0)]))
    with pytest.raises(ValueError, match=r"largest element between states of different parity of states\[0\] = 0.5"):
        DensityMPS.product([FERMION], [np.full((2, 2), 0.5)])
    with pytest.raises(TypeError, match=r"needs an MPS of doubled sites.*DensityMPS.from_pure"):
        DensityMPS(nh.MPS.product([HALF] * 2, ["up", "up"]))
    coherence = nh.MPS.product(mixed.mps.local_sites, ["full|empty"] * 3)
    with pytest.raises(ValueError, match="the trace of the density operator is zero"):
        DensityMPS(coherence).log_trace()
