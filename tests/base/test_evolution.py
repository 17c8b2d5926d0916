"""The same times are the same floats, whatever the step and the number of steps between records."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

import mpsnh as nh
from mpsnh import algorithms, models, observables


def quench(algorithm):
    return nh.Simulation(models.NonHermitianXXZ(L=4), algorithm, {"sz": observables.Magnetization()}).run()


@pytest.mark.parametrize(
    ("dt", "every", "coarse", "t_max"), [(0.1, 3, 0.3, 2.1), (0.1, 7, 0.7, 2.1), (0.01, 10, 0.1, 0.9)]
)
def test_runs_on_two_grids_can_be_subtracted(dt, every, coarse, t_max):
    """The reported case: xarray kept 3 of 8, 1 of 4 and 18 of 22 times."""
    fine = quench(algorithms.NHTEBD(dt=dt, every=every, t_max=t_max))
    exact = quench(algorithms.ExactEvolution(dt=coarse, t_max=t_max))
    xr.testing.assert_identical(fine["time"].drop_attrs(), exact["time"].drop_attrs())
    assert (fine - exact).sizes["time"] == round(t_max / coarse) + 1
    assert fine["sz"].sel(time=t_max).sizes == exact["sz"].sel(time=t_max).sizes


def test_times_are_the_decimals_that_were_meant():
    rng = np.random.default_rng(5)
    for dt in (*rng.integers(1, 2000, 15) / 1000, 1 / 3, 1 / 7, 0.1 * 3, 1e-7):
        steps = int(rng.integers(2, 60))
        algorithm = algorithms.ExactEvolution(dt=dt, t_max=steps * dt, every=steps - 1)
        q = next(q for q in (1000, 3, 7, 10**7) if math.isclose(round(dt * q) / q, dt, rel_tol=1e-15))
        p = round(dt * q)
        assert quench(algorithm)["time"].values.tolist() == [0.0, (steps - 1) * p / q, steps * p / q]


def test_a_step_that_is_no_ratio_stays_as_it_is():
    times = quench(algorithms.ExactEvolution(dt=math.pi / 20, t_max=math.pi))["time"].values
    assert times[1] == math.pi / 20
    assert times[-1] == math.pi
