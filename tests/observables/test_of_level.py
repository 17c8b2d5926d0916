"""Observables of states in an eigenvector, of exact diagonalisation and of sweeps."""

import numpy as np
import pytest

import mpsnh as nh
from mpsnh import algorithms, models, observables
from tests.support.chains import Terms

RING = models.NonHermitianXXZ(L=8, gamma=0.3, h=1.0, boundary="periodic")
MEASURED = {
    "current": observables.CurrentProfile(),
    "sz": observables.Magnetization(),
    "entropy": observables.EntanglementEntropy(),
    "middle": observables.MidCurrent(half_width=2),
}


def test_exact_diagonalisation_and_sweeps_agree():
    inside = {name: observables.OfLevel(observable=one) for name, one in MEASURED.items()}
    steady = {"I": observables.SteadyStateCurrent(), "kappa": observables.SteadyStateConditionNumber()}
    exact = nh.Simulation(RING, algorithms.ExactDiag(vectors="both"), inside | steady).run()
    sweeps = nh.Simulation(RING, algorithms.NHDMRG(which="growth"), inside | steady).run()
    for name in inside | steady:
        assert exact[name].dims == sweeps[name].dims
        assert exact[name].attrs["units"] == sweeps[name].attrs["units"]
        np.testing.assert_allclose(sweeps[name], exact[name], atol=1e-6)
    assert float(exact["current"].sum()) == pytest.approx(float(exact["I"][0]), abs=1e-10)
    assert exact["sz"].dims == ("site",)


def test_degenerate_levels_are_refused():
    ring = models.NonHermitianXXZ(L=6, gamma=0.0, V=0.0, boundary="periodic", charge=None)
    (spectrum,) = algorithms.ExactDiag().records(ring)
    level = next(k for k in range(20) if spectrum.copies(k) > 1)
    with pytest.raises(ArithmeticError, match=rf"level {level} is degenerate: \d+ levels are the same"):
        observables.OfLevel(observable=observables.Magnetization(), level=level)(spectrum, ring)
    with pytest.raises(ValueError, match="level = 64, but it must be one of the 64 that have eigenvectors"):
        observables.OfLevel(observable=observables.Magnetization(), level=64)(spectrum, ring)


@pytest.mark.parametrize("algorithm", [algorithms.SteadyState(), algorithms.ExactDiag()])
def test_levels_that_grow_alike_come_in_any_order(algorithm):
    """Free hops around a ring with gain and loss in turns: many levels have the same largest Im E."""
    phase = np.exp(0.3j) / 2
    hops = nh.OpSum.sum((phase, "Sm", j, "Sp", (j + 1) % 6) for j in range(6))
    gain = nh.OpSum.sum((0.3j * (-1) ** j, "Sz", j) for j in range(6))
    ring = Terms(L=6, op=hops + hops.dag() + gain, charge=0)
    (spectrum,) = algorithm.records(ring)
    with pytest.warns(RuntimeWarning, match=r"level 0 is one of \d+ that grow alike within their errors"):
        observables.OfLevel(observable=observables.Magnetization())(spectrum, ring)


@pytest.mark.parametrize("algorithm", [algorithms.NHDMRG(k=2), algorithms.SteadyState(k=2)])
def test_levels_that_are_not_sought_are_refused_at_once(algorithm):
    late = observables.OfLevel(observable=observables.Magnetization(), level=2)
    with pytest.raises(
        ValueError, match=r"level = 2, but it must be less than the number of levels that \w+ with k = 2"
    ):
        nh.Simulation(RING, algorithm, {"sz": late})
