"""Compression keeps every term, whatever its scale and its norm; products of operators are as narrow as they can be."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import models
from mpsnh.language.site import is_fermionic
from mpsnh.operators.compression import compressed, factorised
from tests.oracles.reference import CHAINS


def projector(L):
    factors = [part for j in range(L) for part in ("Sp", j, "Sm", j)]
    return nh.OpSum([(1.0, *factors)])


@pytest.mark.parametrize("L", [24, 48, 96, 200])
def test_a_projector_is_as_large_as_a_field(L):
    """Their Frobenius norms differ by 2^{L/2}: 1 + 0.5 on all up, 0 - 0.5 on all down."""
    op, spins = projector(L) + (1.0, "Sz", 0), [nh.Spin()] * L
    assert nh.MPS.product(spins, ["up"] * L).expect(op) == pytest.approx(1.5, abs=1e-13)
    assert nh.MPS.product(spins, ["down"] * L).expect(op) == pytest.approx(-0.5, abs=1e-13)
    assert nh.MPO.from_opsum(op, spins).max_bond() == 2


@pytest.mark.parametrize("scale", [1e-30, 1e-16, 1e16, 1e30])
def test_terms_of_any_scale_are_kept(scale):
    """Each state feels one of the terms only, and rounding of the others is far below it or them."""
    op = nh.OpSum([(scale, "Sp", 0, "Sm", 0, "Sp", 3, "Sm", 3), (1.0, "Sm", 0, "Sp", 0, "Sz", 2), (scale, "Sp", 1)])
    spins = [nh.Spin()] * 5
    for j, value in ((("up", "up", "up", "up", "up"), scale), (("down", "up", "up", "up", "up"), 0.5)):
        assert nh.MPS.product(spins, j).expect(op) == pytest.approx(
            value, rel=1e-13, abs=1e-14 * min(scale, 1) + 1e-15 * max(scale - 1, 0)
        )


@pytest.mark.parametrize("alpha", [0.5, 2.0, 6.0])
def test_power_laws_term_by_term(alpha):
    """Every matrix element of a long-range sum to 1e-12 of itself."""
    L = 40
    op = nh.OpSum.sum((float(j - i) ** -alpha, "Sp", i, "Sm", j) for i in range(L) for j in range(i + 1, L))
    mpo = nh.MPO.from_opsum(op, [nh.Spin()] * L)
    states = [nh.MPS.product([nh.Spin()] * L, ["down"] * k + ["up"] + ["down"] * (L - k - 1)) for k in range(L)]
    for i, j in ((0, L - 1), (0, 1), (5, 30), (19, 20), (3, 39)):
        assert states[i].overlap(mpo.apply(states[j])).conjugate() == pytest.approx(float(j - i) ** -alpha, rel=1e-12)


def test_columns_of_random_rank_and_scale():
    rng = np.random.default_rng(3)
    for _ in range(200):
        m, n, r = rng.integers(1, 12, 3)
        scales = 10.0 ** rng.uniform(-20, 20, n)
        matrix = rng.normal(size=(m, r)) @ rng.normal(size=(r, n)) * scales
        left, right = factorised(matrix)
        assert left.shape[1] == min(m, n, r)
        assert (np.abs(left @ right - matrix) < 1e-9 * np.abs(matrix).max(axis=0)).all()


def test_a_zero_operator_has_bonds_of_one():
    tensors = compressed([np.zeros((1, 3, 2, 2)), np.zeros((3, 2, 2, 2)), np.zeros((2, 1, 2, 2))])
    assert [w.shape[:2] for w in tensors] == [(1, 1), (1, 1), (1, 1)]
    assert not any(w.any() for w in tensors)


@pytest.mark.parametrize("sites", CHAINS)
def test_products_of_operators(sites):
    rng, sites = np.random.default_rng(1), CHAINS[sites]
    names = [[name for name in site.operators if not is_fermionic(name)] for site in sites]
    ops = [
        nh.OpSum.sum(
            (rng.normal(), str(rng.choice(names[j])), j, str(rng.choice(names[k])), k)
            for j, k in rng.integers(0, len(sites), (4, 2))
        )
        for _ in range(2)
    ]
    first, second = (nh.MPO.from_opsum(op, sites) for op in ops)
    np.testing.assert_allclose((second @ first).to_matrix(), second.to_matrix() @ first.to_matrix(), atol=1e-12)


def test_the_square_of_a_long_hamiltonian():
    """H†H of 60 sites, whose sum would have 56 000 terms, is as wide as the compiled sum of a short chain."""

    def square(L):
        model = models.NonHermitianXXZ(L=L, gamma=0.3, h=1.0, seed=2)
        return model, model.mpo().dag() @ model.mpo()

    model, narrow = square(8)
    terms = model.terms().dag() * model.terms()
    assert narrow.bond_sizes() == nh.MPO.from_opsum(terms, model.sites).bond_sizes()
    dense = model.mpo().to_matrix()
    np.testing.assert_allclose(narrow.to_matrix(), dense.conj().T @ dense, atol=1e-12)
    _, wide = square(60)
    assert wide.max_bond() == max(narrow.bond_sizes())


def test_quimbs_product_of_other_networks_stays():
    up = nh.MPS.product([nh.Spin()] * 3, ["up"] * 3)
    identity = nh.MPO.from_opsum(nh.OpSum([(2.0,)]), [nh.Spin()] * 3)
    assert (up.H @ up) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="number of sites of the second operator = 4, but it must be 3"):
        identity @ nh.MPO.from_opsum(nh.OpSum([(2.0,)]), [nh.Spin()] * 4)
