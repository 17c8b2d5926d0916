"""Findings and verdicts of the first paper's statements: on planted numbers, and by independent routes."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
import xarray as xr

from mpsnh import algorithms, models
from mpsnh.run.simulation import Simulation
from mpsnh.studies.brighi2025 import simulations
from mpsnh.studies.brighi2025.findings import Finding, difference, exactly, mean, power, ratio, share, turn
from mpsnh.studies.brighi2025.indicators import CentralEntropy, ExtremalSolver
from mpsnh.studies.brighi2025.statements import STATEMENTS

RING = models.NonHermitianXXZ(L=8, h=2.0, seed=3, boundary="periodic")


@pytest.mark.parametrize(
    ("finding", "allowed", "verdict"),
    [
        (Finding("", 1.0, 0.5, 1.5), (0.0, 2.0), "holds"),
        (Finding("", 1.0, 0.0, 1.5), (0.0, 2.0), "not decided"),  # the bound itself is not inside
        (Finding("", 1.0, -1.0, 1.5), (-np.inf, 2.0), "holds"),
        (Finding("", 3.0, 2.5, 3.5), (0.0, 2.0), "does not"),
        (Finding("", np.nan, np.nan, np.nan), (0.0, 2.0), "not decided"),
        (Finding("", 1.0, np.nan, np.nan), (0.0, 2.0), "not decided"),
        (exactly("", 2.0), (0.0, 2.0), "holds"),
        (exactly("", 2.1), (0.0, 2.0), "does not"),
        (exactly("", 2.1), None, ""),
    ],
)
def test_verdicts(finding, allowed, verdict):
    assert finding.verdict(allowed) == verdict


def test_shares_and_means_have_intervals_that_cover():
    rng = np.random.default_rng(0)
    shares = [share("", rng.uniform(size=40) < 0.3) for _ in range(200)]
    means = [mean("", xr.DataArray(rng.exponential(size=40), dims="seed")) for _ in range(200)]
    assert np.mean([one.low <= 0.3 <= one.high for one in shares]) >= 0.92
    assert np.mean([one.low <= 1.0 <= one.high for one in means]) >= 0.9


def test_what_never_varies_or_is_not_there_decides_nothing():
    nothing = mean("", xr.DataArray(np.zeros(300), dims="seed"))
    assert nothing.value == 0
    assert nothing.verdict((0.0, np.inf)) == "not decided"
    assert np.isnan(share("", np.array([], bool)).value)


def test_a_share_without_an_exception_can_hold():
    bounds = STATEMENTS["unique"].allowed
    assert share("", np.ones(20000, bool)).verdict(bounds) == "holds"
    assert share("", np.ones(300, bool)).verdict(bounds) == "not decided"


def test_ratios_to_what_may_be_zero_have_no_bound():
    one = Finding("", 1.0, 0.5, 1.5)
    assert ratio("", one, Finding("", 2.0, -1.0, 4.0))[1:] == (0.5, 0.125, np.inf)
    assert ratio("", Finding("", 1.0, -1.0, 1.5), Finding("", 2.0, 0.0, 4.0))[2:] == (-np.inf, np.inf)
    assert ratio("", Finding("", 1e-13, 0.5e-13, 2e-13), Finding("", 2e-13, 1e-13, 4e-13)).value == 0.5


def test_differences_cover():
    rng = np.random.default_rng(1)
    pairs = [[mean("", xr.DataArray(rng.normal(c, size=30), dims="seed")) for c in (1.0, 3.0)] for _ in range(200)]
    found = [difference("", *pair) for pair in pairs]
    assert np.mean([one.low <= 2.0 <= one.high for one in found]) >= 0.91


@pytest.mark.parametrize("p", [0.0, 0.5])
def test_powers_of_time_cover(p):
    rng, time, inside = np.random.default_rng(2), np.arange(1.0, 65.0), []
    kernel = time**-p
    expected = -np.log2(kernel[31:].mean() / kernel[15:32].mean())
    for _ in range(300):
        scatter = 1 + rng.normal(scale=0.5, size=(1, 30)) + rng.normal(scale=0.5, size=(64, 30))
        found = power("", xr.DataArray(kernel[:, None] * scatter, {"time": time}, ("time", "seed")), 64.0)
        inside.append(found.low <= expected <= found.high)
    assert 0.91 < np.mean(inside) < 0.98
    assert abs(expected - p) < 0.02


@pytest.mark.parametrize("end", [6.0, 7.0, 13.0, 14.0])
def test_powers_are_those_of_whole_spans_wherever_records_are(end):
    """Times of records do not divide the spans 1 to 2: sums over records would be off by up to 0.14."""
    time = np.arange(0.0, 25.0)
    falling = np.maximum(time, 0.5)[:, None] ** -0.5 * np.array([0.9, 1.0, 1.1])
    found = power("", xr.DataArray(falling, {"time": time}, ("time", "seed")), end)
    assert found.value == pytest.approx(0.5, abs=0.02)


def quenched(last):
    """Return a study of currents that fall as t^-0.35 but for what χ cuts off: half as much with each doubling."""
    time, seeds = np.arange(0.0, 25.0), np.arange(40)
    exact = 20.0 * np.maximum(time, 0.5) ** -0.35
    noise = np.random.default_rng(2).normal(size=(40, 1))
    cut = np.array([8.0, 4.0, 2.0, 1.0])[:, None] * last * (time / 13) ** 2
    values = (exact - cut * exact)[:, None, None, :] + noise
    names = {"chi": [32, 64, 128, 256], "h": [1.0], "seed": seeds, "time": time}
    scale = SimpleNamespace(quench_strengths=(1.0,), arrival=lambda h: 13.0)
    return SimpleNamespace(scale=scale, currents=xr.DataArray(values, names, tuple(names)), converged={1.0: 13.0})


def test_a_power_carries_what_truncation_may_still_change():
    """With the largest χ alone the interval would be too narrow and away from the truth."""
    (exact,), (cut,) = (STATEMENTS["fall"].find(quenched(last)) for last in (0.0, 0.06))
    alone = power("", quenched(0.06).currents.isel(chi=-1, h=0), 13.0)
    assert exact.low < 0.35 < exact.high
    assert alone.low > 0.37
    assert cut.low < 0.35 < cut.high
    assert cut.value == alone.value


def test_a_power_of_what_may_be_zero_is_unknown():
    negative = xr.DataArray(
        np.outer(np.arange(1.0, 65.0) - 30, [1.0, 1.1, 1.2]), {"time": np.arange(1.0, 65.0)}, ("time", "seed")
    )
    assert np.isnan(power("", negative, 64.0).value)
    assert np.isnan(power("", negative.isel(seed=[0]), 64.0).value)
    noise = np.random.default_rng(3).normal(size=(64, 30))
    found = power("", xr.DataArray(noise, {"time": np.arange(1.0, 65.0)}, ("time", "seed")), 64.0)
    assert np.isnan(found.value)


def test_turns_of_straight_curves_cover_zero():
    h, inside = np.arange(1.0, 9.0), []
    for seed in range(60):
        noise = np.random.default_rng(seed).exponential(size=(8, 400))
        bent = turn("", xr.DataArray(np.exp(-h)[:, None] * noise, {"h": h}, ("h", "seed")), 4.5, (1, 8))
        inside.append(bent.low <= 0 <= bent.high)
    assert np.mean(inside) >= 0.85


def test_turns_of_logarithms_do_not_depend_on_the_unit():
    h, noise = np.arange(1.0, 9.0), np.random.default_rng(4).normal(size=(8, 400))
    logarithm = xr.DataArray(-h[:, None] + noise, {"h": h}, ("h", "seed"))
    one, other = (turn("", logarithm + shift, 4.5, (1, 8), logarithm=False) for shift in (0.0, 5.0))
    assert one.value == pytest.approx(other.value, rel=1e-9)
    assert one.low < 0 < one.high
    assert np.isnan(turn("", logarithm.isel(seed=[0]), 4.5, (1, 8), logarithm=False).value)


def test_a_turn_without_points_on_both_sides_is_unknown():
    h = np.arange(1.0, 5.0)
    assert np.isnan(turn("", xr.DataArray(np.ones((4, 20)), {"h": h}, ("h", "seed")), 4.5, (1, 8)).value)


def test_central_entropy_is_that_of_dense_vectors():
    """Against LAPACK's vectors, embedded into the full space and cut with an SVD."""
    values, vectors = scipy.linalg.eig(RING.matrix().toarray())
    central = np.argsort(abs(values - values.mean()))[:6]
    entropies = []
    for k in central:
        full = RING.sector.embed(vectors[:, k]).reshape(2**4, 2**4)
        weights = scipy.linalg.svdvals(full) ** 2
        weights = weights[weights > 0]
        entropies.append(-(weights * np.log(weights)).sum())
    data = Simulation(RING, algorithms.ExactDiag(), {"S": CentralEntropy(levels=6)}).run()
    assert float(data["S"]) == pytest.approx(np.mean(entropies) / 8, rel=1e-8)


def test_extremal_solvers_miss_levels_that_exist():
    """ARPACK returns real levels of rings whose spectrum is complex, so what it misses is all of Im E₁."""
    short = []
    for seed in range(12):
        ring = models.NonHermitianXXZ(L=10, h=2.0, seed=seed, boundary="periodic")
        data = Simulation(ring, algorithms.ExactDiag(vectors="none"), {"short": ExtremalSolver()}).run()
        largest = scipy.linalg.eigvals(ring.matrix().toarray()).imag.max()
        assert float(data["short"]) <= largest + 1e-9
        short.append(float(data["short"]) > 1e-6)
    assert any(short)


def test_continuity_is_an_identity():
    class Study:
        seed = 5

    assert STATEMENTS["continuity"].find(Study())[0].value < 1e-14


def test_embedded_chains_have_the_fields_of_the_longest():
    short, long = (simulations.embedded(L, 1.5, 2, longest=12).model for L in (8, 12))
    np.testing.assert_array_equal(short.local_fields(), long.local_fields()[2:10])


def test_no_statement_has_bounds_that_cannot_fail():
    for statement in STATEMENTS.values():
        if statement.allowed is not None:
            low, high = statement.allowed
            assert low <= high
            assert np.isfinite(low) or np.isfinite(high)
