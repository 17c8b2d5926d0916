"""Crossings of means against those that were planted."""

import numpy as np
import pytest
import xarray as xr

from mpsnh.statistics import crossing

H = np.arange(0.0, 9.0)


def noisy(mean, seed, n=100, scale=1.0):
    noise = np.random.default_rng(seed).normal(scale=scale, size=(len(mean), n))
    return xr.DataArray(mean[:, None] + noise, {"h": H}, ("h", "seed"))


def test_intervals_cover_the_place():
    inside = []
    for seed in range(60):
        _, low, high = crossing(noisy(4.3 - H, 2 * seed), noisy(0.0 * H, 2 * seed + 1))
        inside.append(low <= 4.3 <= high)
    assert np.mean(inside) >= 0.85  # of 95 %: fewer than 51 of 60 have a probability of 5 ‰


def test_few_realisations_of_either_one_make_it_wider():
    for few in (0, 1):
        inside = []
        for seed in range(60):
            counts = (4, 300) if few == 0 else (300, 4)
            _, low, high = crossing(noisy(4.3 - H, 2 * seed, counts[0]), noisy(0.0 * H, 2 * seed + 1, counts[1]))
            inside.append(low <= 4.3 <= high)
        assert np.mean(inside) >= 0.85


def test_without_noise_the_place_is_exact():
    assert crossing(noisy(4.25 - H, 0, scale=0.0), 0.0) == pytest.approx((4.25, 4.25, 4.25))
    assert crossing(noisy(4.25 - H, 0, scale=0.0), noisy(1.0 + 0 * H, 1, scale=0.0)) == pytest.approx((3.25,) * 3)


def test_a_level_that_is_never_passed_is_beyond_all_points():
    assert crossing(noisy(1.0 + 0 * H, 0, scale=0.01), 0.5) == (np.inf, np.inf, np.inf)
    assert crossing(noisy(0.0 * H, 0, scale=0.01), 0.5) == (-np.inf, -np.inf, -np.inf)


def test_noise_beyond_the_place_does_not_move_it():
    """Where both are nearly equal the sign of the difference is chance."""
    first = noisy(np.where(H < 4, 3.0, np.where(H < 6, -3.0, -0.001)), 3)
    place, *_ = crossing(first, noisy(0.0 * H, 4))
    assert 3 < place < 4


def test_other_points_are_refused():
    with pytest.raises(ValueError, match="those of both"):
        crossing(noisy(4.3 - H, 0), noisy(0.0 * H, 1).assign_coords(h=H + 1))


def test_unusable_data_are_refused():
    with pytest.raises(ValueError, match="at some h = 0, but it must be at least 2"):
        crossing(noisy(4.3 - H, 0) * np.nan, 0.0)
    with pytest.raises(ValueError, match="'h' and 'seed' only"):
        crossing(noisy(4.3 - H, 0).expand_dims(L=2), 0.0)
    with pytest.raises(ValueError, match="second = nan"):
        crossing(noisy(4.3 - H, 0), np.nan)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_units_do_not_matter(unit):
    data = noisy(4.3 - H, 0)
    assert crossing(unit * data, 0.0) == pytest.approx(crossing(data, 0.0))
