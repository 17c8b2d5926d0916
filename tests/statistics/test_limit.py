"""Limits of sums of exponentials, with errors that cover."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import mpsnh as nh
from mpsnh import algorithms, models
from mpsnh.statistics import late_limit


def relaxing(rng, count, noise):
    """A limit, and how it is approached: by up to five decays, some of which oscillate."""
    time, slowest, values = np.arange(count), rng.uniform(0.02, 0.5), noise * rng.normal(size=count)
    for number in range(rng.integers(1, 6)):
        rate = slowest * (1 + (rng.exponential(3) if number else 0))
        turning = rng.choice([0, rng.uniform(0, 1.5)])
        phase = rng.uniform(0, 2 * np.pi) if turning else 0.0
        values += rng.normal() * np.exp(-rate * time) * np.cos(turning * time + phase)
    limit = rng.normal()
    return limit, limit + values


@pytest.mark.parametrize("noise", [0.0, 1e-8, 1e-5, 1e-3])
@pytest.mark.parametrize("count", [10, 20, 40])
def test_errors_cover_and_are_worth_it(count, noise):
    rng = np.random.default_rng([count, round(-np.log10(noise + 1e-20))])
    limits, series = map(np.array, zip(*(relaxing(rng, count, noise) for _ in range(1000)), strict=True))
    late = late_limit(xr.DataArray(series, {"time": np.arange(count)}, ("run", "time")))
    off = np.abs(late["limit"].values - limits)
    assert np.mean(off <= late["error"].values) > 0.95
    if noise <= 1e-8:
        plain = np.abs(series[:, -1] - limits)
        assert np.median(off) < np.median(plain) / (3 if count == 10 else 20)
        assert count == 10 or np.median(late["error"]) < np.median(plain) / 3


def test_constants_gaps_and_bad_input():
    flat = late_limit(xr.DataArray([[2.0] * 9, [np.nan] * 9], dims=("run", "time")))
    assert flat["limit"].values.tolist()[0] == 2.0
    assert flat["error"].values.tolist()[0] == 0.0
    assert np.isnan(flat["limit"].values[1])
    with pytest.raises(ValueError, match=r"number of values until they stay the same = 4, but it must be more than 7"):
        late_limit(xr.DataArray([3.0, 2.0, 1.0, *[0.5] * 20], dims="time"))
    with pytest.raises(ValueError, match=r"distances along 'time' = '\[1\. 2\.\]', but it must be all the same"):
        late_limit(xr.DataArray(np.arange(9.0), {"time": [0, 1, 2, 3, 4, 5, 6, 7, 9]}, ("time",)))
    with pytest.raises(ValueError, match="along = 'seed', but it must be a dimension of the data: time"):
        late_limit(xr.DataArray(np.arange(9.0), dims="time"), "seed")
    with pytest.raises(TypeError, match="data is one of complex128, but it must be a DataArray of real numbers"):
        late_limit(xr.DataArray(1j * np.arange(9), dims="time"))


def test_the_current_of_a_driven_chain_long_before_it_is_steady():
    """J = 1 / (4 + 2κ (N - 1)) from a time of twice the slowest relaxation's."""
    N, kappa = 8, 1.0
    hop = nh.OpSum.sum((0.5, "Sp", j, "Sm", j + 1) for j in range(N - 1))
    ends = [nh.OpSum([(1.0, "Sp", 0)]), nh.OpSum([(1.0, "Sm", N - 1)])]
    jumps = ends + [nh.OpSum([(kappa**0.5, "Sz", j)]) for j in range(N)]
    chain = models.OpenChain(L=N, hamiltonian=hop + hop.dag(), jump_operators=jumps)
    way = algorithms.DensityTEBD(dt=0.25, order=4, t_max=30.0, every=8, cutoff=1e-16, initial="infinite temperature")
    middle = nh.OpSum([(0.5j, "Sp", 3, "Sm", 4), (-0.5j, "Sm", 3, "Sp", 4)])
    current = [record.state.expect(middle).real for record in way.records(chain)]
    late, exact = late_limit(xr.DataArray(current[2:], dims="time")), 1 / (4 + 2 * kappa * (N - 1))
    assert abs(float(late["limit"]) - exact) < float(late["error"])
    assert float(late["error"]) < abs(current[-1] - exact) / 3


@pytest.mark.parametrize("kind", [float, np.float32])
def test_what_has_settled_has_its_last_value_as_limit(kind):
    rng, missed = np.random.default_rng(2), 0
    for _ in range(200):
        limit, rate = rng.normal(), rng.uniform(0.5, 1.2)
        values = (limit + rng.normal() * np.exp(-rate * np.arange(40.0))).astype(kind)
        late = late_limit(xr.DataArray(values, dims="time"))
        missed += not np.isfinite(late["error"])
        assert missed or abs(float(late["limit"]) - limit) <= float(late["error"]) + 1e-6
    assert missed < 5
