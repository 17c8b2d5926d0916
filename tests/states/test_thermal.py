"""Thermal states, against matrix exponentials."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import mpsnh as nh
from mpsnh.language.opsum import OpSum
from tests.oracles.reference import BOSON, FERMION, HALF, operator

LOWER = {HALF: ("Sm", "Sz"), FERMION: ("c", "n"), BOSON: ("b", "n")}


@pytest.mark.parametrize(("site", "L"), [(HALF, 5), (FERMION, 4), (BOSON, 3)])
@pytest.mark.parametrize("charge", [None, 1])
def test_against_the_exponential(site, L, charge):
    rng = np.random.default_rng(4)
    lower, diagonal = LOWER[site]
    half = OpSum.sum((complex(*rng.normal(size=2)), f"{lower}†", j, lower, j + 1) for j in range(L - 1))
    h = half + half.dag() + OpSum.sum((rng.normal(), diagonal, j) for j in range(L))
    sites, beta = (site,) * L, 1.5
    right = scipy.linalg.expm(-beta * operator(h, sites))
    if charge is not None:
        total = np.zeros(1)
        for one in sites:
            total = np.add.outer(total, one.charges).ravel()
        right *= np.outer(total == charge, total == charge)
    state = nh.thermal(h, sites, beta, charge, cutoff=1e-18, dt=0.05)
    np.testing.assert_allclose(state.to_dense(), right / np.trace(right), atol=2e-6)


def test_without_a_charge_and_at_infinite_temperature():
    h = OpSum.sum((1.0, "Z", j, "Z", j + 1) for j in range(3)) + OpSum.sum((0.7, "X", j) for j in range(4))
    right = scipy.linalg.expm(-0.8 * operator(h, (HALF,) * 4))
    state = nh.thermal(h, [HALF] * 4, 0.8, cutoff=1e-18)
    np.testing.assert_allclose(state.to_dense(), right / np.trace(right), atol=2e-6)
    np.testing.assert_allclose(nh.thermal(h, [HALF] * 4, 0.0).to_dense(), np.eye(16) / 16, atol=1e-14)


def test_refusals():
    with pytest.raises(ValueError, match=r"beta = -1.0, but it must be a number, zero or positive"):
        nh.thermal(OpSum([(1.0, "Sz", 0)]), [HALF] * 2, -1.0)
    with pytest.raises(ValueError, match="spans sites 0 to 2; gates on bonds need"):
        nh.thermal(OpSum([(1.0, "Sz", 0, "Sz", 2)]), [HALF] * 4, 1.0)
    with pytest.raises(ValueError, match="Hermitian"):
        nh.thermal(OpSum([(1.0, "Sp", 0)]), [HALF] * 4, 1.0)


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_steps_suit_the_energy(scale):
    op = OpSum.sum((0.7 * scale, "Sx", j, "Sx", j + 1) for j in range(3)) + (0.4 * scale, "Sz", 1)
    right = scipy.linalg.expm(-operator(op, [nh.Spin(0.5)] * 4) / scale)
    ours = nh.thermal(op, [nh.Spin(0.5)] * 4, 1 / scale).to_dense()
    np.testing.assert_allclose(ours / np.trace(ours), right / np.trace(right), atol=1e-6)


def test_short_steps_are_no_worse():
    op = OpSum.sum((0.5, a, j, b, j + 1) for j in range(5) for a, b in (("Sp", "Sm"), ("Sm", "Sp")))
    sites = [nh.Spin(0.5)] * 6
    boltzmann = scipy.linalg.expm(-2.0 * operator(op, sites))
    right = np.trace(boltzmann @ operator(op, sites)).real / np.trace(boltzmann).real
    for dt in ("auto", 0.1, 0.01):
        assert nh.thermal(op, sites, 2.0, dt=dt).expect(op).real == pytest.approx(right, abs=3e-6)


def test_truncation_is_told_of():
    op = OpSum.sum((1.0, "Sx", j, "Sx", j + 1) for j in range(5)) + OpSum.sum((0.7, "Sz", j) for j in range(6))
    with pytest.warns(RuntimeWarning, match="thermal: truncation may have changed the state by"):
        nh.thermal(op, [nh.Spin(0.5)] * 6, 4.0, max_bond=2)
    for beta in (np.inf, "x", True, -1.0):
        with pytest.raises(ValueError, match=r"beta = .*, but it must be a number, zero or positive"):
            nh.thermal(op, [nh.Spin(0.5)] * 6, beta)
    with pytest.raises(ValueError, match="dt = True"):
        nh.thermal(op, [nh.Spin(0.5)] * 6, 1.0, dt=True)
