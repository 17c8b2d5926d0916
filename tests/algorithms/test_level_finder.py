"""The level that grows fastest, where others are nearly as fast or starts agree on another one."""

from __future__ import annotations

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models
from tests.support.chains import Terms


def found(model, **parameters):
    (spectrum,) = algorithms.NHDMRG(which="growth", **parameters).records(model)
    return spectrum


@pytest.mark.long
def test_a_level_that_is_slower_is_not_the_last_word():
    """A ring in which both of two starts led to a later level when each was sought alone."""
    ring = models.NonHermitianXXZ(L=8, gamma=0.3, h=2.0, seed=11, boundary="periodic")
    (exact,) = algorithms.SteadyState(k=2).records(ring)
    spectrum = found(ring, max_bond=16)
    assert spectrum.certified
    assert abs(spectrum.values[0] - exact.values[0]) < 1e-9
    assert "each without what was found before" in spectrum.evidence


def random_ring(rights, lefts, fields, charge):
    L = len(rights)
    op = nh.OpSum.sum((rights[j], "Sp", j, "Sm", (j + 1) % L) for j in range(L))
    op += nh.OpSum.sum((lefts[j], "Sm", j, "Sp", (j + 1) % L) for j in range(L))
    return Terms(L=L, op=op + nh.OpSum.sum((fields[j], "Sz", j) for j in range(L)), charge=charge)


@pytest.mark.long
def test_levels_that_grow_nearly_alike_are_compared_until_one_is_slower():
    """Four levels within 6e-4: the last of them comes first, whatever the seed."""
    ring = random_ring(
        [0.288, 0.475, 0.296, 0.279, 0.650, 0.415],
        [0.181, 0.177, 0.851, 0.756, 0.541, 0.543],
        [-1.384, -0.059, 0.831 - 0.0868j, -0.009, -2.317, -2.538],
        charge=0,
    )
    (exact,) = algorithms.ExactDiag(vectors="none").records(ring)
    spectrum = found(ring, max_bond=8)
    assert spectrum.certified
    assert abs(spectrum.values[0] - exact.values[np.argmax(exact.values.imag)]) <= min(spectrum.errors[0], 1e-8)


@pytest.mark.parametrize("seed", range(2))
def test_what_all_states_grow_with_hides_no_level(seed):
    """A uniform imaginary field that is a hundred thousand times all others; and the second level."""
    rng = np.random.default_rng(seed)
    rights, lefts, fields = rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))
    ring = random_ring(rights, lefts, 0.3 * fields + 1e5j, charge=0)
    (exact,) = algorithms.ExactDiag(vectors="none").records(random_ring(rights, lefts, 0.3 * fields, charge=0))
    wanted = exact.values[np.argsort(-exact.values.imag)[:2]]
    assert np.abs(found(ring, max_bond=4, k=2, starts=1).values - wanted).max() < 1e-8


@pytest.mark.parametrize(("charge", "dim"), [(2, 1), (1, 2)])
def test_starts_end_when_all_levels_are_found(charge, dim):
    op = nh.OpSum([(0.5, "c", 0, "cdag", 1), (-0.7j, "n", 0, "n", 1), (0.1j, "n", 0)])
    spectrum = found(Terms(L=2, op=op, site=nh.Fermion(), charge=charge), max_bond=4, starts=4)
    assert spectrum.certified
    assert f"1 of {dim} evolutions" in spectrum.evidence


def test_one_start_says_what_it_does_not_show():
    ring = models.NonHermitianXXZ(L=6, gamma=0.5, boundary="periodic")
    doubt = "one evolution does not show levels that are nearly as fast, or a little faster"
    assert doubt in found(ring, max_bond=8, starts=1).evidence
    assert doubt not in found(ring, max_bond=8).evidence


@pytest.mark.long
def test_vectors_that_scaling_back_spoils_are_told_of():
    chain = models.NonHermitianXXZ(L=8, gamma=0.999, fields=(0.4j * np.cos(np.arange(8))).tolist())
    assert "scaled back, the right and the left vector have residuals" in found(chain, max_bond=16).evidence
    mild = models.NonHermitianXXZ(L=8, gamma=0.1, fields=(0.4j * np.cos(np.arange(8))).tolist())
    assert "scaled back" not in found(mild, max_bond=16).evidence


def gain_and_loss(field, im, ring, site, L, seed):
    """Hops as large there as back, and complex fields: in the imaginary gauge as it is."""
    rng = np.random.default_rng(seed)
    bonds = [(j, (j + 1) % L) for j in range(L - 1 + ring)]
    hops = nh.OpSum.sum((0.5, a, i, b, j) for i, j in bonds for a, b in (("Sp", "Sm"), ("Sm", "Sp")))
    fields = field + 1j * (0.3 * (-1.0) ** np.arange(L) + 0.1 * rng.normal(size=L))
    return Terms(L=L, op=hops + nh.OpSum.sum((z, "Sz", j) for j, z in enumerate(fields)) + (im * 1j,), site=site)


@pytest.mark.filterwarnings("ignore:NHDMRG. there may be no steady state")  # levels with Re E of both signs
@pytest.mark.parametrize(
    ("L", "spin", "ring", "field"), [(4, 1.0, True, 3.0), (4, 1.0, False, 0.0), (6, 0.5, True, 3.0)]
)
def test_gain_and_loss_of_all_charges(L, spin, ring, field):
    """Sweeps alone ended in slower levels, the same one from each start."""
    model = gain_and_loss(field, 0.2, ring, nh.Spin(spin), L, seed=1)
    values = np.linalg.eigvals(np.asarray(model.matrix().todense()))
    spectrum = found(model, max_bond=32)
    assert spectrum.certified
    assert spectrum.values[0].imag == pytest.approx(values.imag.max(), abs=1e-7)
    assert np.abs(values - spectrum.values[0]).min() <= spectrum.errors[0]


@pytest.mark.parametrize("seed", [1])
def test_growth_of_skin_chains_with_complex_fields(seed):
    """In the gauge, which is a chain of other local operators, whose left vectors are scaled the other way."""
    rng = np.random.default_rng(seed)
    fields = (rng.uniform(-1, 1, 8) + 0.4j * rng.uniform(-1, 1, 8)).tolist()
    chain = models.NonHermitianXXZ(L=8, gamma=0.6, fields=fields)
    (exact,) = algorithms.ExactDiag(vectors="both").records(chain)
    spectrum = found(chain, max_bond=16)
    place = int(np.argmax(exact.values.imag))
    assert "evolutions" in spectrum.evidence
    assert spectrum.certified
    assert abs(spectrum.values[0] - exact.values[place]) <= min(spectrum.errors[0], 1e-7)
    assert spectrum.conditions[0] == pytest.approx(exact.condition_numbers()[place], rel=1e-4)


def test_a_level_that_is_as_fast_is_always_seen():
    """Both starts alone would lead to the same combination of both."""
    pair = Terms(L=4, op=nh.OpSum([(0.5, "X", 0), *((0.5j, "Z", j) for j in range(1, 4))]))
    with pytest.warns(RuntimeWarning, match=r"there may be no steady state: the level .* grows as fast"):
        assert found(pair, max_bond=4).alike == 2
