"""Left and right states that are orthogonal have no expectation value."""

import math

import numpy as np
import pytest

from mpsnh import MPS, OpSum, Spin
from tests.oracles import reference

HALF = Spin(0.5)


def test_orthogonal_states_have_no_biorthogonal_value():
    """Exactly, or up to rounding; but small overlaps are told from none."""
    sites, op = [HALF] * 6, OpSum() + (1, "Sp", 2, "Sm", 3)
    rng = np.random.default_rng(1)
    right = reference.gaussian(rng, 64)
    left = reference.gaussian(rng, 64)
    left -= right * np.vdot(right, left) / np.vdot(right, right)
    up_down, down_up = (MPS.product(sites, names * 3) for names in (["up", "down"], ["down", "up"]))
    for one, two in ((MPS.from_vector(right, sites), MPS.from_vector(left, sites)), (up_down, down_up)):
        with pytest.raises(FloatingPointError, match=r"an expectation value is not finite: ⟨L\|R⟩ = "):
            one.expect_biorthogonal(op, two)
    long, tilted = [HALF] * 60, np.array([math.cos(1.5), math.sin(1.5)])  # ⟨L|R⟩ = cos(1.5)^60 = 1e-69
    small = MPS.product(long, ["up"] * 60).expect_biorthogonal(OpSum() + (1, "Sm", 7), MPS.product(long, [tilted] * 60))
    assert small == pytest.approx(math.tan(1.5), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_states_of_other_charge_are_orthogonal_in_dense_form_too(seed):
    """Rounding of canonical tensors makes overlaps of 1e-17 to 1e-36, which are no number to divide by."""
    rng = np.random.default_rng(seed)
    sites = [Spin(1.5), Spin(0.5), Spin(1), Spin(0.5)]
    charges = sum(np.meshgrid(*[site.charges for site in sites], indexing="ij")).ravel()
    one, two = (MPS.from_vector(rng.normal(size=len(charges)) * (charges == q), sites) for q in (1, 3))
    with pytest.raises(FloatingPointError, match="zero up to rounding"):
        one.expect_biorthogonal(OpSum() + (1, "Sz", 1), two)
