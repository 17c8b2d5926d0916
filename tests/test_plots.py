"""What pictures show, and what they refuse."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from mpsnh import plots


@pytest.fixture(autouse=True)
def _no_figure_stays():
    yield
    plt.close("all")


def test_a_map_has_time_upwards_and_white_at_zero():
    values = xr.DataArray(
        [[-0.5, 0.25], [0.1, 0.2], [0.0, 0.1]], {"site": [0, 1, 2], "time": [0.0, 1.0]}, ("site", "time")
    )
    ax = plots.heat_map(values.rename("sz").assign_attrs(units="1", long_name="magnetisation $m$"))
    (mesh,) = ax.collections
    assert mesh.get_clim() == (-0.5, 0.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("site", "time")
    assert mesh.get_array().shape == (2, 3)
    assert mesh.colorbar.ax.get_ylabel() == r"magnetisation \$m\$"
    assert plots.heat_map(abs(values)).collections[0].get_clim() == (0.0, 0.5)
    assert plots.heat_map(abs(values) - 1e-16).collections[0].get_clim()[0] == -1e-16  # a density with rounding
    with pytest.raises(ValueError, match="number of dimensions = 1, but it must be 2"):
        plots.heat_map(values[0])
    with pytest.raises(ValueError, match="values = 'complex', but it must be real"):
        plots.heat_map(1j * values)


def test_an_ensemble_shows_its_interval_and_its_zeros():
    rng = np.random.default_rng(1)
    samples = xr.DataArray(rng.normal(1.0, 0.3, (200, 3)), {"h": [1.0, 2.0, 3.0]}, ("seed", "h"), "gap")
    samples[:100, 2] = 0.0
    ax = plots.ensemble(samples, label="N = 8")
    (line,), (band,) = ax.lines, ax.collections
    np.testing.assert_allclose(line.get_ydata(), samples.mean("seed"))
    width = np.ptp(band.get_paths()[0].vertices[:, 1][band.get_paths()[0].vertices[:, 0] == 1.0])
    assert width == pytest.approx(2 * 1.97 * 0.3 / 200**0.5, rel=0.15)
    assert line.get_label() == "N = 8 (0% to 50% zeros)"
    with pytest.raises(ValueError, match=r"dimensions besides that of the realisations = \[\], but it must be one"):
        plots.ensemble(samples[:, 0])


def test_levels_flow_and_lie_in_the_plane():
    levels = xr.DataArray([[0.0, 1.0], [0.5 + 0.1j, 0.5 - 0.1j]], {"gamma": [0.0, 1.0]}, ("gamma", "level"))
    ax = plots.level_flow(levels, "gamma")
    np.testing.assert_allclose(ax.collections[0].get_offsets(), [[0, 0], [0, 1], [1, 0.5], [1, 0.5]])
    assert plots.level_flow(levels, "gamma", imaginary=True).get_ylabel() == "Im E (J)"
    assert len(plots.level_flow(levels[:1], "gamma").lines) == 2  # nothing to colour
    np.testing.assert_allclose(plots.complex_plane(levels).lines[1].get_ydata(), [0, 0, 0.1, -0.1])
    with pytest.raises(ValueError, match="along = 'h', but it must be a dimension of the levels: gamma, level"):
        plots.level_flow(levels, "h")


def test_profiles_and_distributions():
    profile = xr.DataArray(np.ones((20, 3)), {"time": np.arange(20.0), "bond": [0, 1, 2]}, ("time", "bond"), "entropy")
    ax = plots.entanglement_profile(profile, most=4)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [f"time = {t}" for t in (0, 6, 13, 19)]
    assert ax.lines[0].get_xdata().tolist() == [0.5, 1.5, 2.5]
    assert len(plots.entanglement_profile(profile[0], plt.subplots()[1]).lines) == 1
    with pytest.raises(ValueError, match="'bond' and at most one other"):
        plots.entanglement_profile(profile.rename(bond="site"))
    values = xr.DataArray([0.0, 1.0, 10.0, 1000.0], dims="seed", name="gap")
    (stairs,) = plots.distribution(values, label="N = 8", bins=3).patches
    assert stairs.get_label() == "N = 8 (25% not positive)"
    np.testing.assert_allclose(stairs.get_data().values, [1 / 3] * 3)
    with pytest.raises(ValueError, match="number of dimensions = 2, but it must be 1"):
        plots.distribution(profile)
