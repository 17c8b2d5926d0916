"""Laws of decay against synthetic realisations with known laws, and the likelihood against an independent optimiser."""

import numpy as np
import pytest
import scipy.optimize
import xarray as xr
from scipy import stats

from mpsnh.statistics import decay_laws
from mpsnh.statistics.laws import _dual

H = np.arange(1.0, 9.0)


def curve(mean, seed, n=300):
    """Skewed realisations with three zeros in ten, correlated between h."""
    rng = np.random.default_rng(seed)
    normal = 0.5 * rng.normal(size=(1, n)) + 0.5 * rng.normal(size=(len(H), n))
    noise = np.exp(normal - 0.25) * (rng.uniform(size=(len(H), n)) > 0.3) / 0.7
    return xr.DataArray(mean[:, None] * noise, {"h": H}, ("h", "seed"))


def test_likelihood_is_that_of_the_best_weights():
    """The dual against weights found by a general optimiser with constraints."""
    rng = np.random.default_rng(3)
    deviations = rng.exponential(size=(12, 2)) - [0.9, 1.2]
    likelihood, multipliers, _ = _dual(deviations, np.zeros(2))
    ours = 1 / (12 * (1 + deviations @ multipliers))
    constraints = [
        {"type": "eq", "fun": lambda weights: weights.sum() - 1},
        {"type": "eq", "fun": lambda weights: weights @ deviations},
    ]
    found = scipy.optimize.minimize(
        lambda weights: -np.log(12 * weights).sum(),
        np.full(12, 1 / 12),
        constraints=constraints,
        bounds=[(1e-6, 1)] * 12,
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert likelihood == pytest.approx(-found.fun, abs=1e-6)
    np.testing.assert_allclose(ours, found.x, atol=1e-5)
    assert ours @ deviations == pytest.approx(0, abs=1e-7)


def test_misfit_of_normal_data_is_that_of_least_squares():
    """Of many realisations with small errors both are the same: Hotelling's statistic."""
    rng = np.random.default_rng(5)
    samples = np.exp(-0.5 * H)[:, None] * (1 + 0.1 * rng.normal(size=(len(H), 2000)))
    laws = decay_laws(xr.DataArray(samples, {"h": H}, ("h", "seed")))
    mean = samples.mean(axis=1)
    covariance = np.cov(samples / mean[:, None]) / samples.shape[1]
    columns = np.column_stack([np.ones_like(H), H])
    root = np.linalg.cholesky(covariance)
    residual = np.linalg.lstsq(np.linalg.solve(root, columns), np.linalg.solve(root, np.log(mean)))[1][0]
    assert -2 * laws.exponential == pytest.approx(residual, rel=0.15)
    assert laws.misfit_p_value == pytest.approx(stats.chi2.sf(residual, len(H) - 2), abs=0.1)
    assert laws.rate == pytest.approx(0.5, abs=0.01)


def test_exponentials_are_rarely_taken_for_anything_else():
    found = [decay_laws(curve(np.exp(-0.8 * H), seed)) for seed in range(24)]
    # five percent each; of 24 more than four have a probability of 6 ‰
    assert sum(laws.misfit_p_value < 0.05 for laws in found) <= 4
    assert sum(laws.kinked_p_value < 0.05 for laws in found) <= 4
    assert sum(laws.stretched_p_value < 0.05 for laws in found) <= 4
    assert sum(not laws.exponent_interval[0] <= 1 <= laws.exponent_interval[1] for laws in found) <= 4
    assert sum(laws.best == "exponential" for laws in found) >= 19


def test_stretched_exponentials_are_found_with_their_exponent():
    found = [decay_laws(curve(np.exp(-3 * np.sqrt(H)), seed)) for seed in range(12)]
    assert all(laws.stretched_p_value < 0.01 for laws in found)
    assert sum(laws.best == "stretched" for laws in found) >= 9
    assert sum(laws.exponent_interval[0] <= 0.5 <= laws.exponent_interval[1] for laws in found) >= 9


def test_kinks_are_found_with_place_and_turn():
    found = [decay_laws(curve(np.exp(-0.5 * H - 0.75 * np.maximum(H - 4.5, 0)), seed)) for seed in range(12)]
    assert all(laws.kinked_p_value < 0.01 for laws in found)
    assert np.mean([laws.breakpoint for laws in found]) == pytest.approx(4.5, abs=0.5)
    assert np.mean([laws.turn for laws in found]) == pytest.approx(1.5, abs=0.4)
    assert sum(laws.best == "kinked" for laws in found) >= 9


def test_units_do_not_matter():
    data = curve(np.exp(-0.8 * H), 1)
    one, other = decay_laws(data), decay_laws(1e-200 * data)
    assert one.misfit_p_value == pytest.approx(other.misfit_p_value, rel=1e-6)
    assert one.exponent == pytest.approx(other.exponent, rel=1e-6)


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="at least 5"):
        decay_laws(curve(np.exp(-0.8 * H), 1).isel(h=slice(4)))


def test_what_has_no_likelihood_is_refused():
    data = curve(np.exp(-0.8 * H), 1)
    with pytest.raises(ValueError, match=r"h = -4\.0, but it must be zero or positive"):
        decay_laws(data.assign_coords(h=H - 5))
    with pytest.raises(ValueError, match="enough for the covariance of 8 points"):
        decay_laws(xr.ones_like(data) * np.exp(-data["h"]) * (1 + 0.1 * data.isel(h=[0]).values))


def test_the_first_point_may_be_at_zero():
    assert decay_laws(curve(np.exp(-0.8 * H), 1).assign_coords(h=H - 1)).rate == pytest.approx(0.8, abs=0.1)
