"""Averages and fits against what went into synthetic data."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from mpsnh import statistics
from mpsnh.statistics import kink, plateau
from mpsnh.statistics.averages import bootstrap_interval, mean_with_error, typical
from mpsnh.statistics.decay import ExponentialFit, fit_exponential
from mpsnh.statistics.distribution import log_histogram

X = np.arange(1.0, 7.0)
H = np.arange(1.0, 9.0)


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


def test_standard_error_counts_the_realisations_there_are():
    values = np.random.default_rng(0).normal(size=(2, 50))
    values[0, :20] = np.nan
    data = mean_with_error(xr.DataArray(values, dims=("h", "seed")))
    assert float(data["error"][0]) == pytest.approx(values[0, 20:].std(ddof=1) / np.sqrt(30), rel=1e-14)


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


def series(values):
    return xr.DataArray(values, dims=("h", "seed")[-np.ndim(values) :])


STATISTICS = {
    "mean": (np.mean, "BCa"),
    "median": (np.median, "percentile"),
    "typical": (stats.gmean, "BCa"),
}


@pytest.mark.parametrize("statistic", STATISTICS)
def test_interval_is_that_of_scipy(statistic):
    values = np.random.default_rng(3).lognormal(size=80)
    found = bootstrap_interval(series(values), statistic, confidence=0.9, resamples=300, seed=5)
    function, method = STATISTICS[statistic]
    expected = stats.bootstrap(
        (values,), function, confidence_level=0.9, n_resamples=300, method=method, random_state=np.random.default_rng(5)
    ).confidence_interval
    np.testing.assert_allclose([found["low"], found["high"]], expected, rtol=1e-12)
    assert float(found["value"]) == pytest.approx(function(values), rel=1e-14)
    assert int(found["count"]) == 80


@pytest.mark.parametrize(
    ("statistic", "truth"), [("mean", 1.0), ("median", np.log(2)), ("typical", np.exp(-np.euler_gamma))]
)
def test_interval_covers_the_truth_as_often_as_it_says(statistic, truth):
    values = np.random.default_rng(11).exponential(size=(1000, 100))
    for confidence in (0.68, 0.95):
        found = bootstrap_interval(series(values), statistic, confidence=confidence, resamples=400)
        covered = float(((found["low"] < truth) & (truth < found["high"])).mean())
        # statistical error 0.015 and 0.007; the bootstrap itself is a little short for skewed data
        assert covered == pytest.approx(confidence, abs=0.035)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_interval_skips_failed_realisations(statistic):
    generator = np.random.default_rng(4)
    values = generator.lognormal(size=(3, 2, 40))
    values[generator.uniform(size=values.shape) < 0.2] = np.nan
    values[0, 0, :] = 1.5
    values[0, 1, 1:] = np.nan
    values[1, 0, :] = np.nan
    data = xr.DataArray(values, {"L": [6, 8, 10]}, ("L", "h", "seed"), attrs={"units": "J"})
    found = bootstrap_interval(data.transpose("seed", "L", "h"), statistic, resamples=50)
    assert found["value"].dims == ("L", "h")
    assert found.attrs == {"units": "J"}
    np.testing.assert_array_equal(found["count"], np.isfinite(values).sum(axis=-1))
    for L, h in ((1, 1), (2, 0), (2, 1)):
        alone = bootstrap_interval(series(values[L, h][np.isfinite(values[L, h])]), statistic, resamples=50)
        for name in ("value", "low", "high"):
            assert float(found[name][L, h]) == pytest.approx(float(alone[name]), rel=1e-12)
    same, single, nothing = found.isel(L=0, h=0), found.isel(L=0, h=1), found.isel(L=1, h=0)
    assert [float(same[name]) for name in ("value", "low", "high")] == pytest.approx([1.5, 1.5, 1.5])
    assert float(single["value"]) == pytest.approx(values[0, 1, 0])
    assert np.isnan([single["low"], single["high"], nothing["value"], nothing["low"]]).all()


def test_typical_interval_uses_positive_values_only():
    values = np.array([0.0, -1.0, np.nan, *np.random.default_rng(0).lognormal(size=30)])
    found = bootstrap_interval(series(values), "typical", resamples=100)
    assert int(found["count"]) == 30
    assert float(found["value"]) == pytest.approx(float(typical(series(values))), rel=1e-14)


def test_interval_does_not_depend_on_how_it_is_cut_to_fit_memory(monkeypatch):
    data = series(np.random.default_rng(0).exponential(size=(7, 30)))
    whole = bootstrap_interval(data, resamples=100)
    monkeypatch.setattr("mpsnh.statistics.averages._AT_ONCE", 250)
    xr.testing.assert_allclose(bootstrap_interval(data, resamples=100), whole, rtol=1e-12)
    assert not bootstrap_interval(data, resamples=100, seed=1)["low"].equals(whole["low"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"statistic": "mode"}, r"statistic = 'mode', but it must be one of 'mean', 'median', 'typical'"),
        ({"over": "run"}, r"over = 'run', but it must be a dimension of the data: h, seed"),
        ({"confidence": 1.0}, r"confidence = 1.0, but it must be between 0 and 1"),
        ({"resamples": 9}, r"resamples = 9, but it must be at least 10"),
    ],
)
def test_interval_refuses_nonsense(options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(series(np.ones((2, 3))), **options)


def integral(histogram):
    return (histogram["density"] * np.log10(histogram["upper"] / histogram["lower"])).sum("bin").values


def test_histogram_is_the_density_per_decade():
    sigma, values = 0.7, np.random.default_rng(6).normal(size=(2, 20000))
    histogram = log_histogram(series(10 ** (sigma * values)), bins=np.logspace(-4, 4, 41))
    expected = stats.norm(scale=sigma).pdf(np.log10(histogram["bin"]))
    # statistical error sqrt(density / (20000 · 0.2)) < 0.012, and the curvature within a bin
    np.testing.assert_allclose(histogram["density"], np.broadcast_to(expected, (2, 40)), atol=0.045)
    np.testing.assert_allclose(integral(histogram), 1, rtol=1e-12)


def test_histogram_keeps_account_of_zeros_and_failures():
    generator = np.random.default_rng(7)
    values = generator.lognormal(sigma=3.0, size=(3, 200))
    values[0, :30], values[1, :50], values[2] = np.nan, 0.0, -1.0
    histogram = log_histogram(series(values), bins=15)
    assert histogram["count"].values.tolist() == [170, 200, 200]
    assert histogram["nonpositive"].values.tolist() == [0, 0.25, 1]
    np.testing.assert_allclose(integral(histogram)[:2], 1, rtol=1e-12)
    assert np.isnan(histogram["density"][2]).all()
    edges = np.append(histogram["lower"], histogram["upper"][-1])
    expected, _ = np.histogram(np.log10(values[0, 30:]), np.log10(edges), density=True)
    np.testing.assert_allclose(histogram["density"][0], expected, rtol=1e-9, atol=1e-12)


def test_histogram_with_edges_says_what_lies_outside():
    histogram = log_histogram(series([0.1, 2.0, 3.0, 500.0]), bins=[1.0, 10.0, 100.0])
    assert histogram["density"].values.tolist() == [0.5, 0.0]
    assert histogram["bin"].values == pytest.approx([np.sqrt(10), np.sqrt(1000)])


def test_histogram_of_one_value_has_a_width():
    histogram = log_histogram(series([2.0, 2.0]), bins=1)
    assert float(histogram["density"][0]) == pytest.approx(1.0)


@pytest.mark.parametrize("bins", [0, [1.0], [0.0, 1.0], [2.0, 1.0], [[1.0, 2.0]]])
def test_histogram_refuses_unusable_bins(bins):
    with pytest.raises(ValueError, match=r"bins = .* but it must be"):
        log_histogram(series([1.0, 2.0]), bins=bins)


def test_histogram_needs_something_positive():
    with pytest.raises(ValueError, match="number of positive values = 0, but it must be at least 1, or give the edges"):
        log_histogram(series([0.0, -1.0]))


def curve(noise, x=H, after=0.0, place=4.3):
    """Exponential decay whose logarithm has slope -1.2, and that plus `after` beyond `place`, times noise."""
    shape = np.exp(-1.2 * x + after * np.maximum(x - place, 0))
    return xr.DataArray(shape[:, None] * noise, {"h": x}, ("h", "seed"))


def correlated(seed, realisations=150, shared=0.8, own=0.5):
    """Noise that the points of a curve share in part, as with disorder patterns."""
    generator = np.random.default_rng(seed)
    return np.exp(shared * generator.normal(size=realisations) + own * generator.normal(size=(len(H), realisations)))


def test_band_covers_the_curve_as_often_as_it_says():
    scale = np.exp(0.8**2 / 2 + 0.5**2 / 2)  # mean of the noise
    covered = []
    for seed in range(60):
        fit = fit_exponential(curve(correlated(seed)), "h", (1, 8))
        low, high = fit.band(H)
        assert np.all((low < fit(H)) & (fit(H) < high))
        covered.append((low < scale * np.exp(-1.2 * H)) & (scale * np.exp(-1.2 * H) < high))
    assert np.mean(covered) == pytest.approx(0.68, abs=0.15)  # 60 studies whose points are correlated: error 0.06


def test_band_has_the_shape_of_x_and_widens_with_confidence():
    fit = fit_exponential(curve(correlated(0)), "h", (2, 7))
    assert fit.resampled.shape == (statistics.RESAMPLES, 2)
    assert np.std(fit.resampled[:, 0], ddof=1) == pytest.approx(fit.error, rel=1e-12)
    assert fit.count.tolist() == [150] * 6
    low, high = fit.band(H.reshape(2, 4), confidence=0.68)
    lower, higher = fit.band(H.reshape(2, 4), confidence=0.95)
    assert low.shape == (2, 4)
    assert np.all(lower < low)
    assert np.all(high < higher)


def test_band_needs_resamples_and_a_probability():
    fit = ExponentialFit(rate=1.0, error=0.1, prefactor=1.0, x=X)
    with pytest.raises(ValueError, match="number of resampled fits = 0"):
        fit.band(X)
    with pytest.raises(ValueError, match="confidence = 68, but it must be between 0 and 1"):
        fit.band(X, confidence=68)


@pytest.mark.parametrize(
    "analyse", [lambda data: fit_exponential(data, "h", (1, 8)), lambda data: kink(data, resamples=50)]
)
def test_failed_realisations_do_not_matter(analyse):
    data = curve(correlated(1))
    padded = data.pad(seed=(3, 5))
    expected, found = vars(analyse(data)), vars(analyse(padded))
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    scattered = data.where(np.random.default_rng(0).uniform(size=data.shape) > 0.1)
    assert analyse(scattered).count.tolist() == scattered.count("seed").values.tolist()


@pytest.mark.parametrize(
    "noise", [lambda seed: np.random.default_rng(seed).exponential(size=(len(H), 150)), correlated]
)
def test_straight_lines_have_few_kinks(noise):
    """The p-value is uniform: a kink is claimed by mistake as often as the test says."""
    found = [kink(curve(noise(seed)), resamples=100) for seed in range(150)]
    p_values = np.array([result.p_value for result in found])
    assert np.mean(p_values <= 0.05) == pytest.approx(0.05, abs=0.045)  # 2.5 standard errors
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean([result.misfit_p_value < 0.05 for result in found]) < 0.1
    assert np.mean([result.delta_bic > 0 for result in found]) < 0.05


def test_broad_distributions_do_not_make_kinks():
    """The averages of so broad a distribution are skewed; a Gaussian test takes a quarter of them for kinks."""
    found = [kink(curve(correlated(seed, shared=1.5, own=0.7)), resamples=100) for seed in range(100)]
    assert np.mean([result.p_value <= 0.05 for result in found]) < 0.1


def test_planted_kink_is_found_where_it_is():
    found = [kink(curve(correlated(seed), after=0.3), resamples=100) for seed in range(40)]
    assert np.mean([result.p_value <= 0.05 for result in found]) > 0.9
    assert np.mean([result.breakpoint for result in found]) == pytest.approx(4.3, abs=0.2)
    assert np.mean([result.interval[0] <= 4.3 <= result.interval[1] for result in found]) == pytest.approx(
        0.68, abs=0.2
    )
    assert np.mean([result.slopes for result in found], axis=0) == pytest.approx([-1.2, -0.9], abs=0.05)
    assert "vidence for a kink of ln(mean) at h = " in str(found[0])


def test_kink_sees_through_noise_that_all_points_share():
    """A turn of 0.05 hides behind error bars of 0.13, but not behind the noise that differs from point to point."""
    result = kink(curve(correlated(0, shared=1.3, own=0.05), after=0.05), resamples=200)
    assert result.p_value < 0.01
    assert result.delta_bic > 0
    assert result.slopes == pytest.approx((-1.2, -1.15), abs=0.01)


def test_kink_fits_by_generalised_least_squares():
    """Slopes and likelihood ratio against the textbook formula, with the covariance from the deviations."""
    data = curve(correlated(2), after=0.4)
    result = kink(data, resamples=20)
    mean, n = data.values.mean(axis=1), data.sizes["seed"]
    weight = np.linalg.inv(np.cov(data.values / mean[:, None]) / n)

    def fit(*columns):
        a, y = np.column_stack([np.ones_like(H), H, *columns]), np.log(mean)
        solution = np.linalg.solve(a.T @ weight @ a, a.T @ weight @ y)
        return solution, (y - a @ solution) @ weight @ (y - a @ solution)

    (_, slope), one = fit()
    (_, before, change), two = fit(np.maximum(H - result.breakpoint, 0))
    assert result.slope == pytest.approx(slope, rel=1e-8)
    assert result.slopes == pytest.approx((before, before + change), rel=1e-8)
    ratio = n * np.log((n - 1 + one) / (n - 1 + two))
    assert result.delta_bic == pytest.approx(ratio - 2 * np.log(n), rel=1e-8)
    others = [fit(np.maximum(H - place, 0))[1] for place in np.linspace(2, 7, 41)]
    assert two == pytest.approx(min(others), rel=1e-8)


def test_smooth_bend_is_not_sold_as_two_lines():
    noise = correlated(0, realisations=400, own=0.2)
    bent = xr.DataArray(np.exp(-0.15 * H**2)[:, None] * noise, {"h": H}, ("h", "seed"))
    result = kink(bent, resamples=100)
    assert result.p_value < 0.05
    assert "two lines do not describe the data either" in str(result)


def test_kink_repeats_itself_and_says_what_it_used():
    data = curve(correlated(0))
    first, again = kink(data, resamples=50), kink(data, resamples=50)
    assert str(first) == str(again)
    assert kink(data, resamples=50, seed=1).p_value != first.p_value
    assert str(first).startswith(
        "No evidence for a kink: ln(mean) against h is consistent with one line of slope -1.19 ("
    )
    assert kink(data, window=(2, 6), resamples=5).x.tolist() == [2, 3, 4, 5, 6]


def test_kink_takes_integer_and_uneven_x():
    data = curve(correlated(0))
    assert kink(data.assign_coords(h=np.arange(1, 9)), resamples=50).p_value == kink(data, resamples=50).p_value
    x = np.array([0.5, 1, 1.5, 2, 3, 5, 7, 8])
    assert kink(curve(correlated(0), x=x, after=1.0, place=2.5), resamples=50).breakpoint == pytest.approx(2.5, abs=0.3)


def test_kink_refuses_what_it_cannot_judge():
    with pytest.raises(ValueError, match=r"number of points to fit = 4, but it must be at least 5 in \(1, 4\)"):
        kink(curve(correlated(0)), window=(1, 4))
    with pytest.raises(ValueError, match=r"number of realisations along 'seed' = 6, .* covariance of 8 points"):
        kink(curve(correlated(0, realisations=6, own=0.1)))
    with pytest.raises(ValueError, match="covariance of 6 points, which is singular"):
        kink(lognormal(1.0, 0.5, 100, seed=0))


TIMES = np.arange(0, 40.25, 0.5)


def curves(mean, realisations, seed, offset=0.3, noise=0.5, memory=3.0):
    """Realisations that differ by an offset and by noise whose correlations decay with time, around a mean curve."""
    generator = np.random.default_rng(seed)
    decay = np.exp(-(TIMES[1] - TIMES[0]) / memory)
    steps = generator.normal(size=(realisations, len(TIMES))) * np.sqrt(1 - decay**2)
    steps[:, 0] /= np.sqrt(1 - decay**2)
    correlated = np.empty_like(steps)
    correlated[:, 0] = steps[:, 0]
    for k in range(1, len(TIMES)):
        correlated[:, k] = decay * correlated[:, k - 1] + steps[:, k]
    values = mean + offset * generator.normal(size=(realisations, 1)) + noise * correlated
    return xr.DataArray(values, {"time": TIMES}, ("seed", "time"))


def test_plateau_of_a_constant_is_most_of_it_and_its_error_is_right():
    found = [plateau(curves(np.full(len(TIMES), 2.0), 10, seed)) for seed in range(300)]
    # the shortest window is refused at the level of the test, 5 percent of 300
    assert np.mean([each.found for each in found]) == pytest.approx(0.95, abs=0.03)
    lengths = np.array([each.window[1] - each.window[0] for each in found]) / 40
    assert np.median(lengths) > 0.75
    pulls = np.array([(each.value - 2) / each.error for each in found])
    # ten realisations: Student's t with nine degrees of freedom, of standard deviation 1.13; the choice adds a little
    assert np.std(pulls) == pytest.approx(1.13, abs=0.25)
    assert abs(np.mean(pulls)) < 4 * 1.13 / np.sqrt(300)


def test_plateau_of_offsets_alone_is_the_whole():
    data = curves(np.full(len(TIMES), 2.0), 10, seed=1, noise=0)
    found = plateau(data)
    assert (found.found, found.window) == (True, (0.0, 40.0))
    each = data.mean("time").values
    assert found.value == pytest.approx(each.mean(), rel=1e-14)
    assert found.error == pytest.approx(each.std(ddof=1) / np.sqrt(10), rel=1e-12)
    assert found.systematic < 1e-12


@pytest.mark.parametrize("time", [1.0, 4.0, 8.0])
def test_plateau_begins_when_a_relaxation_is_over(time):
    """The value is right within both errors, and the window begins after several relaxation times."""
    found = [plateau(curves(1 + 5 * np.exp(-TIMES / time), 20, seed, noise=0.2)) for seed in range(100)]
    begins = np.median([each.window[0] for each in found])
    assert 2 * time < begins < 5 * time
    total = np.array([np.hypot(each.error, each.systematic) for each in found])
    deviations = np.array([each.value - 1 for each in found])
    assert np.mean(np.abs(deviations) < 2 * total) > 0.9


def test_a_drift_is_no_plateau():
    found = plateau(curves(3 - 0.05 * TIMES, 20, seed=1, noise=0.1))
    assert not found.found
    assert found.window == (30.0, 40.0)
    assert found.drift == pytest.approx(-0.5, abs=4 * found.drift_error)
    assert str(found).startswith("no plateau: falls by 0.")
    assert found.systematic >= 0.9 * abs(found.drift) / 2
    rising = plateau(curves(0.05 * TIMES, 20, seed=1, noise=0.1))
    assert "rises" in str(rising)


def test_a_peak_does_not_hide_in_a_plateau():
    """A rise and a fall whose straight line is level."""
    peak = 1 + 5 * np.exp(-((TIMES - 20) ** 2) / 8)
    data = curves(peak, 20, seed=2, noise=0.1)
    line = np.polyfit(TIMES, data.mean("seed"), 1)
    assert abs(line[0] * 40) < 0.1
    found = plateau(data)
    assert found.found
    assert found.window[0] > 22
    assert found.value == pytest.approx(1, abs=3 * np.hypot(found.error, found.systematic))


def test_plateau_ends_where_it_is_told_and_skips_what_failed():
    data = curves(1 + 5 * np.exp(-TIMES / 2) + 3 * (TIMES > 30), 20, seed=3)
    assert plateau(data, end=30.2).window[1] == 30.0
    lost = xr.concat([data, data.isel(seed=[0]) * np.nan], "seed")
    assert plateau(lost, end=30.2) == plateau(data, end=30.2)
    assert plateau(data.transpose("time", "seed"), end=30.2) == plateau(data, end=30.2)
    scaled = plateau(2 * data, end=30.2)
    assert scaled.value == pytest.approx(2 * plateau(data, end=30.2).value, rel=1e-13)
    assert scaled.systematic == pytest.approx(2 * plateau(data, end=30.2).systematic, rel=1e-11)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortest": 0.0}, "shortest = 0.0, but it must be above 0 and at most 1"),
        ({"level": 1.0}, "level = 1.0, but it must be between 0 and 1"),
        ({"end": 1.0}, "number of values along 'time' in the shortest window = 1, but it must be at least 3"),
        ({"end": -1.0}, "number of values along 'time' in the shortest window = 0, but it must be at least 3"),
        ({"over": "site"}, "over = 'site', but it must be a dimension of the data"),
    ],
)
def test_plateau_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        plateau(curves(np.ones(len(TIMES)), 5, seed=0), **options)


def test_plateau_needs_two_realisations():
    data = curves(np.ones(len(TIMES)), 2, seed=0)
    with pytest.raises(ValueError, match="number of realisations along 'seed' = 1, but it must be at least 2"):
        plateau(data.isel(seed=[0]))
    with pytest.raises(ValueError, match="number of complete realisations along 'seed' = 1, but it must be at least 2"):
        plateau(data.where(data["time"] + xr.DataArray([0, 50], dims="seed") < 50))
