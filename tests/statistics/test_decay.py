"""Exponential fits and kinks against what went into synthetic data."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from mpsnh import statistics
from mpsnh.statistics import kink
from mpsnh.statistics.decay import ExponentialFit, fit_exponential

X = np.arange(1.0, 7.0)
H = np.arange(1.0, 9.0)


def lognormal(rate, width, realisations, seed):
    """Exponential decay with multiplicative noise of mean 1, shared by all x as a disorder pattern is."""
    generator = np.random.default_rng(seed)
    noise = np.exp(width * generator.normal(size=realisations) - width**2 / 2)
    return xr.DataArray(3 * np.exp(-rate * X)[:, None] * noise, {"h": X}, ("h", "seed"))


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


def independent(draw):
    return lambda seed, n: draw(np.random.default_rng(seed), (len(X), n))


@pytest.mark.parametrize(
    ("noise", "ten", "hundred"),
    [
        (independent(lambda generator, shape: 1 + 0.3 * generator.normal(size=shape)), 0.88, 0.91),
        (independent(lambda generator, shape: generator.exponential(size=shape)), 0.87, 0.90),
        (independent(lambda generator, shape: generator.lognormal(sigma=2, size=shape)), 0.80, 0.83),
        (lambda seed, n: correlated(seed, n, own=0.6)[: len(X)], 0.86, 0.90),
    ],
    ids=["normal", "exponential", "broad", "correlated"],
)
def test_interval_of_the_rate_covers_it(noise, ten, hundred):
    """Plain percentiles cover 87, 82, 76 and 83 percent with ten realisations, these 92, 91, 85 and 90."""
    for n, least in ((10, ten), (100, hundred)):
        covered = []
        for seed in range(120):
            data = xr.DataArray(np.exp(-0.8 * X)[:, None] * noise(seed, n), {"h": X}, ("h", "seed"))
            low, high = fit_exponential(data, "h", (1, 6)).interval()
            covered.append(low < 0.8 < high)
        assert np.mean(covered) > least  # statistical error 0.03


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
    assert np.std(fit.resampled[:, 0], ddof=1) * np.sqrt(150 / 149) == pytest.approx(fit.error, rel=1e-12)
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


def test_windows_include_their_ends_and_any_order_of_the_axis_is_the_same():
    rng = np.random.default_rng(1)
    h = np.arange(1, 7) * 0.1  # 0.30000000000000004
    data = xr.DataArray(np.exp(-2 * h + 0.1 * rng.normal(size=(30, 6))), {"h": h}, ("seed", "h"))
    shuffled = data.isel(h=[4, 0, 2, 1, 5, 3])
    fits = [
        fit_exponential(*of) for of in ((data, "h", (0.1, 0.31)), (data, "h", (0.1, 0.3)), (shuffled, "h", (0.1, 0.3)))
    ]
    assert [len(fit.x) for fit in fits] == [3, 3, 3]
    assert len({fit.rate for fit in fits}) == 1
    faint = xr.DataArray(np.exp(-40 * np.arange(1, 15) + 0.1 * rng.normal(size=(30, 14))), dims=("seed", "h"))
    faint = faint.assign_coords(h=np.arange(1.0, 15.0))
    assert fit_exponential(faint, "h", (1, 14)).rate == pytest.approx(40, abs=0.05)


def test_rates_of_what_is_mostly_zero_are_covered():
    """Broad values among up to 98 % of zeros, as currents at strong disorder: with plain percentiles three of four."""
    h, rng = np.array([2.0, 3.0, 4.0, 5.0, 6.0, 8.0]), np.random.default_rng(5)
    share, width, inside = np.array([1.0, 0.97, 0.57, 0.3, 0.09, 0.017]), np.linspace(0.8, 1.9, 6)[:, None], []
    for _ in range(100):
        kept, noise = rng.normal(size=(2, 6, 200))
        values = (kept < stats.norm.ppf(np.minimum(share, 1 - 1e-12))[:, None]) * np.exp(width * noise - width**2 / 2)
        data = xr.DataArray(np.exp(-1.3 * h)[:, None] * values / share[:, None], {"h": h}, ("h", "seed"))
        low, high = fit_exponential(data, "h", (2, 8)).interval()
        inside.append(low <= 1.3 <= high)
    assert np.mean(inside) >= 0.86


@pytest.mark.parametrize("x", [2.3e-4, 3.7e-4, 1e-3])
def test_a_single_one_that_is_not_zero_is_no_point(x):
    """Its mean is its error, but for rounding."""
    values = np.exp(-np.arange(2.0, 8.0))[:, None] * np.random.default_rng(2).exponential(size=(6, 100))
    values[-1] = 0
    values[-1, 3] = x
    assert 7.0 not in fit_exponential(xr.DataArray(values, {"h": np.arange(2.0, 8.0)}, ("h", "seed")), "h", (2, 8)).x
