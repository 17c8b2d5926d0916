"""Realisations that share a pattern have the matrices that they would have alone."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import models
from mpsnh.operators.sector import Sector

SITES = {
    "spins": [nh.Spin(0.5)] * 6,
    "unlike": [nh.Spin(0.5), nh.Spin(1), nh.Spin(0.5), nh.Spin(1)],
    "fermions": [nh.Fermion()] * 6,
}


def sums(kind, rng):
    """Yield sums of the same products with other coefficients, some of them zero or complex."""
    L = len(SITES[kind])
    raising, lowering, local = ("cdag", "c", "n") if kind == "fermions" else ("Sp", "Sm", "Sz")
    for k in range(4):
        numbers = rng.normal(size=(4, L)) + 1j * (k % 2) * rng.normal(size=(4, L))
        numbers[1:] = np.where(k < 2, numbers[1:], -numbers[0])  # elements may vanish, though no coefficient does
        yield nh.OpSum(
            [
                *((numbers[0, j], raising, j, lowering, (j + 1) % L) for j in range(L)),
                *((numbers[1, j], lowering, j, raising, (j + 1) % L) for j in range(L)),
                *((numbers[2, j], local, j, local, (j + 2) % L) for j in range(L)),
                *((numbers[3, j], local, j, local, j) for j in range(L)),
                (numbers[0, 0],),
            ]
        )


@pytest.mark.parametrize("kind", SITES)
@pytest.mark.parametrize("charge", [None, 0])
def test_matrices_are_those_of_a_sector_that_has_seen_nothing(kind, charge):
    rng = np.random.default_rng(3)
    charge = 3 if kind == "fermions" and charge == 0 else charge
    shared = Sector(SITES[kind], charge)
    for op in sums(kind, rng):
        ours, alone = shared.operator(op), Sector(SITES[kind], charge).operator(op)
        assert ours.dtype == alone.dtype
        assert ours.nnz == alone.nnz
        np.testing.assert_array_equal(ours.toarray(), alone.toarray())
    assert len(shared._patterns) == 1


def test_sums_that_conserve_the_charge_only_together_have_none():
    sector = Sector([nh.Spin(0.5)] * 3, 1)  # up up down, up down up, down up up
    for x in (1.0, 2.0, 3.0):
        exchange = sector.operator(nh.OpSum([(x, "Sx", 0, "Sx", 1), (x, "Sy", 0, "Sy", 1)]))
        np.testing.assert_allclose(exchange.toarray(), [[0, 0, 0], [0, 0, x / 2], [0, x / 2, 0]])
        with pytest.raises(ValueError, match="does not conserve the charge"):
            sector.operator(nh.OpSum([(x, "Sx", 0, "Sx", 1)]))


def test_a_changed_matrix_changes_no_other():
    ring = models.NonHermitianXXZ(L=6, h=1.0, boundary="periodic")
    first, second = (models.NonHermitianXXZ(L=6, h=1.0, seed=k, boundary="periodic").matrix() for k in (1, 2))
    first.data[:] = 0
    first.indices[:] = 0
    again = models.NonHermitianXXZ(L=6, h=1.0, seed=2, boundary="periodic").matrix()
    np.testing.assert_array_equal(second.toarray(), again.toarray())
    assert ring.sector.dim == 20
