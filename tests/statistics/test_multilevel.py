"""Many cheap realisations and few dear ones: the mean, how often its error covers, and what is refused."""

import numpy as np
import pytest
import xarray as xr

from mpsnh.statistics import mean_with_error, multilevel, plateau


def drawn(rng, N, n, noise, trials=1):
    """Return coarse and fine values, skewed as currents are; the mean of the fine ones is 1."""
    exact = xr.DataArray(rng.exponential(size=(trials, N)), {"seed": np.arange(N)}, ("trial", "seed")).squeeze()
    coarse = 0.8 * exact + 0.3 + noise * rng.normal(size=exact.shape)
    return coarse, exact.isel(seed=slice(n))


@pytest.mark.parametrize(("N", "n", "noise"), [(400, 20, 0.1), (100, 50, 0.5), (60, 60, 0.2)])
def test_the_error_covers_as_often_as_it_says(N, n, noise):
    known = mean_with_error(multilevel(*drawn(np.random.default_rng(N), N, n, noise, trials=4000)))
    scores = (known["mean"] - 1) / known["error"]
    assert abs(np.mean(scores)) < 0.15
    covered = np.mean(np.abs(scores) < 2)
    assert 0.92 < covered < 0.97
    assert 0.9 < np.std(scores) < 1.15


def test_it_is_what_the_formula_says():
    coarse, fine = drawn(np.random.default_rng(3), 300, 30, 0.1)
    known = mean_with_error(multilevel(coarse, fine))
    change = (fine - coarse).values
    assert float(known["mean"]) == pytest.approx(float(coarse.mean()) + change.mean(), rel=1e-13)
    both = np.var(coarse, ddof=1) / 300 + np.var(change, ddof=1) / 30
    both += 2 * np.cov(coarse.values[:30], change)[0, 1] / 300
    assert float(known["error"]) == pytest.approx(np.sqrt(float(both)), rel=0.02)


def test_three_levels():
    rng = np.random.default_rng(9)
    exact = xr.DataArray(rng.exponential(size=(4000, 200)), {"seed": range(200)}, ("trial", "seed"))
    middle = 0.9 * exact + 0.05 + 0.1 * rng.normal(size=exact.shape)
    coarse = 0.8 * middle + 0.3 * rng.normal(size=exact.shape)
    parts = coarse, middle.isel(seed=slice(40)), exact.isel(seed=slice(10))
    known = mean_with_error(multilevel(*parts))
    direct = coarse.mean("seed") + (parts[1] - coarse).mean("seed") + (parts[2] - middle).mean("seed")
    np.testing.assert_allclose(known["mean"], direct, rtol=1e-12)
    scores = (known["mean"] - 1) / known["error"]
    assert 0.91 < float((abs(scores) < 2).mean()) < 0.97
    assert float(known["error"].mean()) < 0.4 * float(mean_with_error(parts[2])["error"].mean())


def test_alone_it_is_the_fine_one():
    coarse, fine = drawn(np.random.default_rng(4), 40, 40, 0.3)
    xr.testing.assert_allclose(multilevel(coarse, fine), fine)
    xr.testing.assert_allclose(multilevel(fine, fine), fine)


def test_a_plateau_is_found_with_a_smaller_error():
    rng, time = np.random.default_rng(5), np.arange(0.0, 24.5)
    noise = rng.normal(size=(400, 1)) + 0.3 * rng.normal(size=(400, len(time)))
    exact = xr.DataArray(1 + 3 * np.exp(-time) + noise, {"seed": range(400), "time": time}, ("seed", "time"))
    coarse = exact - 0.02 * exact["time"] + 0.02 * rng.normal(size=noise.shape)
    few = plateau(exact.isel(seed=slice(20)))
    many = plateau(multilevel(coarse, exact.isel(seed=slice(20))))
    assert many.found
    assert many.error < few.error / 3
    assert many.systematic < few.systematic / 2
    assert abs(many.value - 1) < 3 * np.hypot(many.error, many.systematic)


def test_failed_ones_and_refusals():
    coarse, fine = drawn(np.random.default_rng(6), 30, 10, 0.1)
    some = multilevel(coarse.where(coarse["seed"] != 20), fine.where(fine["seed"] != 3))
    assert int(some.isnull().sum()) == 1
    without = multilevel(coarse.drop_sel(seed=20), fine.drop_sel(seed=3))
    xr.testing.assert_allclose(some.dropna("seed"), without)
    with pytest.raises(ValueError, match=r"labels of level 1 that level 0 has not = \[.*10"):
        multilevel(coarse.isel(seed=slice(5)), fine.assign_coords(seed=range(10, 20)))
    with pytest.raises(TypeError, match="must be a DataArray"):
        multilevel(coarse.values, fine)
    with pytest.raises(ValueError, match="at least 2"):
        multilevel(coarse, fine.isel(seed=[0]))
    with pytest.raises(ValueError, match=r"labels of level 1 = \[0, 1.*as they say which realisations"):
        multilevel(coarse, xr.DataArray(fine.values, dims="seed"))
    with pytest.raises(ValueError, match=r"labels of level 0 = \[0, 0"):
        multilevel(coarse.assign_coords(seed=[0] * 30), fine)
    with pytest.raises(ValueError, match=r"dimensions that only one of level 0 and level 1 has = \['time'\]"):
        multilevel(coarse, fine.expand_dims(time=3))
    times = coarse.expand_dims(time=[0.0, 1.0])
    with pytest.raises(
        ValueError, match=r"labels of level 1 along 'time' = \[0.0, 2.0\], but it must be those of level 0"
    ):
        multilevel(times, times.isel(seed=slice(10)).assign_coords(time=[0.0, 2.0]))
    with pytest.raises(ValueError, match="units of level 1 = '1', but it must be those of level 0"):
        multilevel(coarse.assign_attrs(units="J"), fine.assign_attrs(units="1"))


def test_where_too_few_are_there_nothing_is_known():
    coarse, fine = drawn(np.random.default_rng(7), 30, 10, 0.1)
    coarse, fine = (data.expand_dims(time=3).transpose("seed", "time").copy() for data in (coarse, fine))
    fine[1:, 1], fine[:, 2] = np.nan, np.nan
    assert multilevel(coarse, fine).isnull().sum("seed").values.tolist() == [0, 30, 30]


@pytest.mark.parametrize("failed", [0, 1, 2])
def test_one_that_failed_takes_its_corrections_with_it(failed):
    """With three levels the mean is that of what is left, whichever level it failed in; so is that over times."""
    rng = np.random.default_rng(8)
    exact = xr.DataArray(rng.normal(size=(60, 4)), {"seed": range(60), "time": [0.0, 1, 2, 3]}, ("seed", "time"))
    levels = [(exact + 0.3 * k * rng.normal(size=(60, 4))).isel(seed=slice(n)) for k, n in ((2, 60), (1, 20), (0, 4))]
    hole = [level.copy() for level in levels]
    hole[failed][2, 1] = np.nan  # at one time only
    both = multilevel(*hole)
    without = [level.drop_sel(seed=2) if k >= failed else level for k, level in enumerate(levels)]
    coarse, middle, fine = (level.mean("time") for level in without)
    expected = float(coarse.mean() + (middle - coarse).mean() + (fine - middle).mean())
    assert float(both.mean("time", skipna=False).mean("seed")) == pytest.approx(expected, rel=1e-12)
    assert float(both.mean("seed").mean("time")) == pytest.approx(expected, rel=1e-12)


def test_labels_are_those_of_the_finest():
    coarse, fine = drawn(np.random.default_rng(7), 30, 10, 0.1)
    both = multilevel(coarse.assign_coords(chi=16, h=1.0), fine.assign_coords(chi=64, h=1.0))
    assert (int(both["chi"]), float(both["h"])) == (64, 1.0)
