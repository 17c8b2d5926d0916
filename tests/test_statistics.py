"""Averages and fits against what went into synthetic data."""

import numpy as np
import pytest
import xarray as xr

from mpsnh.statistics import fit_exponential, mean_with_error, typical

X = np.arange(1.0, 7.0)


def lognormal(rate, width, realisations, seed):
    """Exponential decay with multiplicative noise of mean 1, shared by all x as a disorder pattern is."""
    generator = np.random.default_rng(seed)
    noise = np.exp(width * generator.normal(size=realisations) - width**2 / 2)
    return xr.DataArray(3 * np.exp(-rate * X)[:, None] * noise, {"h": X}, ("h", "seed"))


def test_mean_and_standard_error():
    values = np.random.default_rng(0).normal(2.0, 3.0, size=(2, 500))
    data = mean_with_error(xr.DataArray(values, dims=("h", "seed"), attrs={"units": "J"}))
    np.testing.assert_allclose(data["mean"], values.mean(axis=1), rtol=1e-14)
    np.testing.assert_allclose(data["error"], values.std(axis=1, ddof=1) / np.sqrt(500), rtol=1e-14)
    assert data.attrs == {"units": "J"}


def test_standard_error_needs_two_realisations():
    with pytest.raises(ValueError, match=r"number of realisations along 'seed' = 1, but it must be at least 2"):
        mean_with_error(xr.DataArray([1.0], dims="seed"))


def test_typical_ignores_what_is_not_positive():
    data = xr.DataArray([[1.0, 0.0, 4.0], [0.0, 0.0, -1.0]], dims=("h", "seed"))
    result = typical(data).values
    assert result[0] == pytest.approx(2.0)
    assert np.isnan(result[1])


def test_fit_recovers_an_exact_exponential():
    data = lognormal(1.3, 0.5, 100, seed=1)
    fit = fit_exponential(data, "h", (2, 5))
    assert fit.rate == pytest.approx(1.3, abs=1e-12)
    assert fit.prefactor == pytest.approx(3 * float(data.mean("seed")[0]) / (3 * np.exp(-1.3)), rel=1e-12)
    assert fit.x.tolist() == [2, 3, 4, 5]
    assert fit.error < 1e-12  # noise that all points share moves the prefactor, not the rate


def test_error_of_the_rate_covers_the_truth():
    """Over many synthetic studies the rate deviates by its stated error, as it should."""
    pulls = []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        noise = generator.exponential(size=(len(X), 100))
        data = xr.DataArray(np.exp(-0.8 * X)[:, None] * noise, {"h": X}, ("h", "seed"))
        fit = fit_exponential(data, "h", (1, 6))
        pulls.append((fit.rate - 0.8) / fit.error)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.3)
    assert abs(np.mean(pulls)) < 0.5


def test_fit_refuses_too_few_points():
    with pytest.raises(ValueError, match=r"number of points to fit = 1, but it must be at least 2 in \(2, 2.5\)"):
        fit_exponential(lognormal(1.0, 0.5, 10, seed=0), "h", (2, 2.5))
