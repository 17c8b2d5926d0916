"""Plateaus of synthetic relaxations: how often one is found, and how often the limit is in its interval."""

import numpy as np
import pytest
import xarray as xr

from mpsnh.statistics import plateau

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


NOISES = {
    "correlated and offsets": {},
    "white": {"offset": 0.0, "memory": 1e-3},
    "weak and white": {"offset": 0.0, "noise": 0.1, "memory": 1e-3},
    "slow": {"offset": 0.0, "memory": 10.0},
    "offsets": {"noise": 0.02},
}


@pytest.mark.parametrize("realisations", [6, 20, 100])
@pytest.mark.parametrize("noise", NOISES)
def test_a_relaxation_that_goes_on_is_seen_or_its_limit_is_in_the_interval(noise, realisations):
    """Of power laws, and exponentials that are not over, more than 90 percent: not found, or covered."""
    relaxations = [3 / (1 + TIMES), 3 / np.sqrt(1 + TIMES), 5 * np.exp(-TIMES / 15), -np.exp(-TIMES / 10)]
    for relaxation, least in zip(relaxations, (0.9, 0.75, 0.9, 0.9), strict=True):
        honest = []
        for seed in range(40):
            found = plateau(curves(1 + relaxation, realisations, seed, **NOISES[noise]))
            low, high = found.interval()
            honest.append(not found.found or low <= 1 <= high)
        assert np.mean(honest) >= least


@pytest.mark.parametrize("realisations", [6, 20, 100])
@pytest.mark.parametrize("noise", NOISES)
def test_a_plateau_is_found_and_its_error_is_no_larger_than_need_be(noise, realisations):
    """In nine of ten cases, statistical error 0.03; allowing for a hidden drift costs up to a factor of three."""
    results = [plateau(curves(np.full(len(TIMES), 2.0), realisations, seed, **NOISES[noise])) for seed in range(60)]
    assert np.mean([each.found for each in results]) >= 0.85
    assert np.mean([each.interval()[0] <= 2 <= each.interval()[1] for each in results]) >= 0.9
    total = np.median([np.hypot(each.error, each.systematic) for each in results])
    assert total < 4 * np.median([each.error for each in results])


@pytest.mark.parametrize("frequency", [0.2, 0.5, 2.0])
def test_an_oscillation_is_seen_or_averaged(frequency):
    for n in (6, 20, 100):
        results = [plateau(curves(1 + 0.5 * np.cos(frequency * TIMES), n, seed)) for seed in range(30)]
        assert np.mean([not each.found or each.interval()[0] <= 1 <= each.interval()[1] for each in results]) >= 0.9


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
        ({"end": np.nan}, "end = nan, but it must be a time"),
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
