"""Averages, intervals and distributions: against textbooks, and how often the intervals contain the truth."""

import numpy as np
import pytest
import xarray as xr
from scipy import optimize, stats

from mpsnh.statistics import crossing, fit_exponential, plateau
from mpsnh.statistics.averages import confidence_interval, curves_of, mean_with_error, typical
from mpsnh.statistics.distribution import log_histogram


def series(values):
    return xr.DataArray(values, dims=("h", "seed")[-np.ndim(values) :])


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


def test_error_of_complex_values_counts_both_parts():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(2, 4000)) + 2j * generator.normal(size=(2, 4000))
    values[1, 1000:] = np.nan
    data = mean_with_error(series(values))
    np.testing.assert_allclose(data["mean"][0], values[0].mean(), rtol=1e-12)
    np.testing.assert_allclose(data["error"][0], np.sqrt(np.var(values[0], ddof=1) / 4000), rtol=1e-12)
    # a variance of 1 and of 4 for the parts
    np.testing.assert_allclose(data["error"], np.sqrt(5 / np.array([4000, 1000])), rtol=0.05)
    assert data["error"].dtype == float


def test_error_of_one_realisation_or_none_is_not_known():
    data = mean_with_error(series([[3.0, np.nan], [np.nan, np.nan], [1.0, 1.0]]))
    np.testing.assert_array_equal(data["mean"], [3.0, np.nan, 1.0])
    np.testing.assert_array_equal(data["error"], [np.nan, np.nan, 0.0])


NORMAL = (lambda generator, shape: generator.normal(size=shape), {"mean": 0.0, "median": 0.0})
EXPONENTIAL = (
    lambda generator, shape: generator.exponential(size=shape),
    {"mean": 1.0, "median": np.log(2), "typical": np.exp(-np.euler_gamma)},
)
NARROW, BROAD = (
    (
        lambda generator, shape, sigma=sigma: generator.lognormal(sigma=sigma, size=shape),
        {"mean": np.exp(sigma**2 / 2), "median": 1.0, "typical": 1.0},
    )
    for sigma in (1, 2)
)
ZEROS = (
    lambda generator, shape: np.where(generator.uniform(size=shape) < 0.3, generator.exponential(size=shape), 0),
    {"mean": 0.3, "median": 0.0, "typical": np.exp(-np.euler_gamma)},
)


@pytest.mark.parametrize(
    ("distribution", "least"),
    [
        pytest.param(NORMAL, {10: 0.945, 30: 0.945, 100: 0.945, 1000: 0.94}, id="normal"),
        pytest.param(EXPONENTIAL, {10: 0.94, 30: 0.945, 100: 0.945, 1000: 0.94}, id="exponential"),
        pytest.param(NARROW, {10: 0.91, 30: 0.93, 100: 0.945, 1000: 0.94}, id="lognormal, sigma = 1"),
        pytest.param(BROAD, {10: 0.80, 30: 0.87, 100: 0.88, 1000: 0.90}, id="lognormal, sigma = 2"),
        pytest.param(ZEROS, {10: 0.89, 30: 0.95, 100: 0.95, 1000: 0.94}, id="70 percent zeros"),
    ],
)
def test_interval_of_a_mean_covers_it(distribution, least):
    """Student's alone covers 57 percent of the means of ten of the broad ones, a bootstrap (BCa) 66."""
    draw, truth = distribution
    for n, share in least.items():
        values = draw(np.random.default_rng(n), (20000 if n < 100 else 3000, n))
        found = confidence_interval(series(values))
        assert share <= float(((found["low"] <= truth["mean"]) & (truth["mean"] <= found["high"])).mean()) < 0.99


@pytest.mark.parametrize("statistic", ["median", "typical"])
@pytest.mark.parametrize("distribution", [EXPONENTIAL, NARROW, BROAD, ZEROS])
@pytest.mark.parametrize("n", [2, 6, 7, 10, 30])
def test_intervals_of_medians_and_typical_means_cover_them(distribution, statistic, n):
    draw, truth = distribution
    found = confidence_interval(series(draw(np.random.default_rng(n), (5000, n))), statistic).dropna("h")
    if statistic == "median" and n == 2:
        assert found.sizes["h"] == 0  # the median lies outside of two values as often as between them
    else:
        covered = (found["low"] <= truth[statistic]) & (truth[statistic] <= found["high"])
        assert float(covered.mean()) > 0.935  # statistical error 0.003


@pytest.mark.parametrize(
    ("statistic", "truth"), [("mean", 1.0), ("median", np.log(2)), ("typical", np.exp(-np.euler_gamma))]
)
def test_interval_covers_the_truth_as_often_as_it_says(statistic, truth):
    values = np.random.default_rng(11).exponential(size=(1000, 100))
    for confidence in (0.68, 0.95):
        found = confidence_interval(series(values), statistic, confidence=confidence)
        covered = float(((found["low"] < truth) & (truth < found["high"])).mean())
        # statistical error 0.015 and 0.007
        assert covered == pytest.approx(confidence, abs=0.035)


def test_interval_of_a_mean_is_students_without_skewness_and_halls_with_it():
    symmetric = np.array([-3.0, -1.0, -0.5, 0.5, 1.0, 3.0])
    found = confidence_interval(series(symmetric), confidence=0.9)
    expected = stats.t.interval(0.9, 5, 0, stats.sem(symmetric))
    np.testing.assert_allclose([found["low"], found["high"]], expected, rtol=1e-6)
    skewed, n = np.random.default_rng(3).exponential(size=20), 20
    found = confidence_interval(series(skewed), confidence=0.9)
    a = stats.kstat(skewed, 3) / np.std(skewed) ** 3 / 3

    def transformed(t, quantile):
        return t + a * t**2 + a**2 * t**3 / 3 + a / (2 * n) - quantile / np.sqrt(n)

    quantile = stats.t.ppf(0.95, n - 1)
    t = optimize.brentq(transformed, -10, 10, args=(-quantile,), xtol=1e-14)
    assert float(found["high"]) == pytest.approx(skewed.mean() - t * np.std(skewed, ddof=1), rel=1e-9)
    assert float(found["low"]) == pytest.approx(skewed.mean() - quantile * stats.sem(skewed), rel=1e-12)


@pytest.mark.parametrize("n", [6, 7, 20, 33])
def test_interval_of_a_median_lies_between_order_statistics(n):
    values = np.sort(np.random.default_rng(n).normal(size=n))
    found = confidence_interval(series(values), "median")
    outer = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    k = np.flatnonzero(values == outer.low)[0]
    assert values[k] == outer.low <= found["low"] <= values[k + 1]
    assert values[-k - 2] <= found["high"] <= outer.high == values[-k - 1]
    assert found["value"] == np.median(values)


@pytest.mark.parametrize("statistic", ["mean", "median", "typical"])
def test_interval_skips_failed_realisations(statistic):
    generator = np.random.default_rng(4)
    values = generator.lognormal(size=(3, 2, 40))
    values[generator.uniform(size=values.shape) < 0.2] = np.nan
    values[0, 0, :] = 1.5
    values[0, 1, 1:] = np.nan
    values[1, 0, :] = np.nan
    data = xr.DataArray(values, {"L": [6, 8, 10]}, ("L", "h", "seed"), attrs={"units": "J"})
    found = confidence_interval(data.transpose("seed", "L", "h"), statistic)
    assert found["value"].dims == ("L", "h")
    assert found.attrs == {"units": "J"}
    np.testing.assert_array_equal(found["count"], np.isfinite(values).sum(axis=-1))
    for L, h in ((1, 1), (2, 0), (2, 1)):
        alone = confidence_interval(series(values[L, h][np.isfinite(values[L, h])]), statistic)
        for name in ("value", "low", "high"):
            assert float(found[name][L, h]) == pytest.approx(float(alone[name]), rel=1e-12)
    same, single, nothing = found.isel(L=0, h=0), found.isel(L=0, h=1), found.isel(L=1, h=0)
    assert [float(same[name]) for name in ("value", "low", "high")] == pytest.approx([1.5, 1.5, 1.5])
    assert float(single["value"]) == pytest.approx(values[0, 1, 0])
    assert np.isnan([single["low"], single["high"], nothing["value"], nothing["low"]]).all()


def test_typical_interval_uses_positive_values_only():
    values = np.array([0.0, -1.0, np.nan, *np.random.default_rng(0).lognormal(size=30)])
    found = confidence_interval(series(values), "typical")
    assert int(found["count"]) == 30
    assert float(found["value"]) == pytest.approx(float(typical(series(values))), rel=1e-14)


@pytest.mark.parametrize("factor", [1e-200, 1.0, 1e150])
def test_intervals_have_the_units_of_the_data(factor):
    values = np.random.default_rng(0).lognormal(size=20)
    for statistic in ("mean", "median", "typical"):
        one, scaled = (confidence_interval(series(data), statistic) for data in (values, factor * values))
        for name in ("value", "low", "high"):
            assert float(scaled[name]) == pytest.approx(factor * float(one[name]), rel=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"statistic": "mode"}, r"statistic = 'mode', but it must be one of 'mean', 'median', 'typical'"),
        ({"over": "run"}, r"over = 'run', but it must be a dimension of the data: h, seed"),
        ({"confidence": 1.0}, r"confidence = 1.0, but it must be between 0 and 1"),
    ],
)
def test_interval_refuses_nonsense(options, message):
    with pytest.raises(ValueError, match=message):
        confidence_interval(series(np.ones((2, 3))), **options)


@pytest.mark.parametrize("analyse", [mean_with_error, confidence_interval, log_histogram])
@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (
            series([1.0, np.inf, -np.inf]),
            ValueError,
            r"number of infinite values = 2, but it must be 0: leave them out",
        ),
        (series(["1", "2"]), TypeError, r"data has values of type <U1, but they must be numbers"),
        (np.ones(3), TypeError, r"data is a ndarray, but it must be a DataArray, as one variable of a dataset is"),
        (series([1.0]).to_dataset(name="gap"), TypeError, r"data is a Dataset, but it must be a DataArray"),
        (series([1.0]), ValueError, r"number of realisations along 'seed' = 1, but it must be at least 2"),
    ],
)
def test_averages_refuse_what_has_none(analyse, data, error, message):
    with pytest.raises(error, match=message):
        analyse(data)


@pytest.mark.parametrize("analyse", [confidence_interval, log_histogram])
def test_intervals_of_complex_values_are_those_of_their_parts(analyse):
    with pytest.raises(TypeError, match=r"data is complex, but it must be real; take data.real, data.imag or abs"):
        analyse(series([1j, 2j]))


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


@pytest.mark.parametrize("unit", [1e-300, 1e-170, 1e-20, 1e200, 1e300])
def test_errors_of_what_is_very_small_or_large(unit):
    """Such as probabilities of no click: their squares are no numbers."""
    samples = np.random.default_rng(1).exponential(size=(2, 50))
    ours, right = (mean_with_error(xr.DataArray(s, dims=("h", "seed"))) for s in (samples * unit, samples))
    np.testing.assert_allclose(ours["mean"] / unit, right["mean"], rtol=1e-12)
    np.testing.assert_allclose(ours["error"] / unit, right["error"], rtol=1e-12)


def test_typical_means_refuse_what_has_none():
    with pytest.raises(TypeError, match="data is complex, but it must be real"):
        typical(xr.DataArray([1 + 1j, 2.0], dims="seed"))
    with pytest.raises(ValueError, match="number of infinite values = 1"):
        typical(xr.DataArray([np.inf, 2.0], dims="seed"))
    with pytest.raises(TypeError, match="data is a list, but it must be a DataArray"):
        typical([1.0, 2.0])


def test_histograms_lose_nothing():
    almost = xr.DataArray([0.001] * 4 + [0.001000000000000001] * 3, dims="seed")
    histogram = log_histogram(almost, bins=3)
    assert float((histogram["density"] * np.log10(histogram["upper"] / histogram["lower"])).sum()) == pytest.approx(1.0)
    faint = log_histogram(xr.DataArray(np.geomspace(1e-172, 1e-168, 9), dims="seed"), bins=4)
    assert (faint["bin"] > faint["lower"]).all()
    for bins in (2.7, np.inf, 0):
        with pytest.raises(ValueError, match=r"bins = .*, but it must be an integer of at least 1"):
            log_histogram(almost, bins=bins)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: data.expand_dims(site=2),
            r"dimensions of the data = \('site', 'h', 'seed'\), but it must be 'h' and",
        ),
        (
            lambda data: data.drop_vars("h"),
            "values of 'h' = None, but it must be coordinates of the data that are finite",
        ),
        (lambda data: data.assign_coords(h=[1.0, np.nan]), r"values of 'h' = \[1.0, nan\]"),
        (lambda data: data.assign_coords(h=[1.0, 1.0]), r"values of 'h' = \[1.0, 1.0\], .* each a different one"),
        (lambda data: data.assign_coords(h=["a", "b"]), r"values of 'h' = \['a', 'b'\]"),
    ],
)
def test_curves_need_places(change, message):
    data = change(xr.DataArray(np.ones((2, 3)), {"h": [1.0, 2.0]}, ("h", "seed")))
    with pytest.raises(ValueError, match=message):
        curves_of(data, "h", "seed")
    for statistic in (
        lambda: crossing(data, 0.5),
        lambda: plateau(data, along="h"),
        lambda: fit_exponential(data, "h", (0, 9)),
    ):
        with pytest.raises(ValueError, match=message):
            statistic()
