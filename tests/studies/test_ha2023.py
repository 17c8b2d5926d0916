"""The study of the second paper at a tiny scale: files, numbers, statements, failures, refusals, command line."""

import itertools
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from rich.console import Console
from typer.testing import CliRunner

from mpsnh import algorithms
from mpsnh.cli import app
from mpsnh.observables.demixing import demixed, near_resonant_set
from mpsnh.studies import ha2023
from mpsnh.studies.ha2023.estimates import crossing, drift, estimate, holds
from mpsnh.studies.ha2023.report import tables
from mpsnh.studies.ha2023.resonances import resonances
from mpsnh.studies.ha2023.statements import DRIFTS, STATEMENTS
from tests.support.study_files import check_redrawn, load, raw, reproduced, undrawn  # noqa: F401

TINY = ha2023.Scale(sizes=(4, 5), realisations=(40, 30), scan=(5.0, 15.0), scan_realisations=(20, 12))


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(ha2023.SCALES, "tiny", TINY)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ha2023.SCALES, "tiny", TINY)
        return reproduced(ha2023, "tiny", out)


# ----------------------------------------------------------------------------------------------- files and numbers


def test_every_figure_is_written_as_picture_print_and_dataset(finished):
    out, written = finished
    assert {path.name for path in written} == {f"{f}.{s}" for f in ha2023.FIGURES for s in ("png", "pdf", "nc")}
    assert all(path.stat().st_size > 1000 for path in written)
    assert json.loads(load(out, "statements").attrs["study"])["study"] == "ha2023"
    assert not any("seed" in load(out, name).dims for name in ha2023.FIGURES), "realisations stay in the stores"


def test_pictures_and_tables_come_again_from_the_small_files_alone(finished, tmp_path):
    assert "R decays exponentially if thermal" in check_redrawn("ha2023", *finished, tmp_path)


def test_stores_hold_what_single_simulations_give(finished):
    for name, L, alpha in (("regimes-4", 4, 1.0), ("regimes-5", 5, 30.0), ("scan-5", 5, 15.0)):
        one, stored = ha2023.circuit(L, alpha, 7).run(), raw(finished[0], name).sel(L=L, alpha=alpha, seed=7)
        assert set(one.data_vars) == set(stored.data_vars)
        for variable in one.data_vars:
            np.testing.assert_array_equal(one[variable], stored[variable])


def test_figures_show_what_the_stores_hold(finished):
    out, _ = finished
    for L in TINY.sizes:
        data = raw(out, f"regimes-{L}").sel(L=L)
        R, here = data["dominant"].sel(dominant_pair="R"), data.sel(alpha=30.0)
        fig2 = load(out, "fig2").sel(L=L)
        np.testing.assert_array_equal(fig2["largest"], R.max("seed"))
        np.testing.assert_array_equal(fig2["median"], R.median("seed"))
        probability = (fig2["density"] * np.log10(fig2["upper"] / fig2["lower"])).sum("bin")
        np.testing.assert_allclose(probability, 1, rtol=1e-12)
        direct = here["set"].sel(member="Z case") == 1
        angles = here["angle_A'B"].sel(mixing="theta").values[direct]
        shown = load(out, "fig4d")["theta"].sel(L=L, pair="A'B", quantile=0.25)
        np.testing.assert_allclose(shown, np.quantile(angles, 0.25), rtol=1e-13)
        x, weight = here["set"].sel(member="x"), load(out, "profile")["weight"].sel(L=L, alpha=30.0)
        np.testing.assert_allclose(load(out, "x")["probability"].sel(L=L, x=L), (x == L - 1).mean(), rtol=1e-13)
        np.testing.assert_allclose(load(out, "x")["nowhere"].sel(L=L), (x == -1).mean(), atol=1e-13)
        np.testing.assert_array_equal(weight[:L], here["weight"].median("seed"))
        gamma = raw(out, f"scan-{L}")["relaxation"].sel(L=L, alpha=5.0, quantity="Gamma")
        shown = load(out, "landmark")["value"].sel(L=L, alpha=5.0)
        np.testing.assert_allclose(shown, 4.0**L * gamma.median(), rtol=1e-13)


def test_ratios_are_those_of_the_largest_size(finished):
    data = raw(finished[0], "regimes-5").sel(L=5, alpha=30.0)
    S = data["transitions"].sel(transition="S")
    direct = data["set"].sel(member="Z case") == 1
    ratio = (S.sel(pair="AB") / S.sel(pair="A'B")).values[direct]
    fig4b = load(finished[0], "fig4b")
    assert fig4b["count"].values.tolist() == [len(ratio)] * 2
    near = np.abs(fig4b["ratio"] - 2) < 0.5
    edges = fig4b["ratio"].values[near.values][[0, -1]] + np.array([-2, 2]) / 41
    expected = np.mean((ratio > edges[0]) & (ratio < edges[1]))
    np.testing.assert_allclose(fig4b["P_ratio"][1].values[near.values].sum(), expected, rtol=1e-12)
    jumps = data["Z_jump_AB'"]
    np.testing.assert_allclose(load(finished[0], "fig4a")["P_Z_jump"][0, 0], (jumps < 0.05).mean(), rtol=1e-12)


@pytest.mark.parametrize(("figure", "case"), [("fig3a", 0), ("fig3b", 1)])
def test_the_sample_drawn_is_one_of_its_case_and_typical(figure, case, finished):
    shown, data = load(finished[0], figure), raw(finished[0], "regimes-5").sel(L=5, alpha=30.0)
    chosen = data["set"].sel(member="Z case") == case
    R = data["dominant"].sel(dominant_pair="R").values[chosen]
    assert shown["set"].sel(member="Z case") == case
    assert np.abs(shown["R"] - np.median(R)) == np.abs(R - np.median(R)).min()
    pair = "AB" if case else "AB'"
    assert shown["transitions"].sel(pair=pair, transition="fraction") == shown["R"]


# ----------------------------------------------------------------------------------------------------- statements


@pytest.mark.parametrize(("L", "alpha", "seed"), list(itertools.product((5, 6), (20.0, 30.0), (0, 3))))
def test_numbers_of_a_circuit_are_those_of_its_slow_mode(L, alpha, seed):
    simulation = ha2023.circuit(L, alpha, seed)
    found = resonances(simulation.run().expand_dims(L=[L])).isel(L=0)
    (mode,) = simulation.algorithm.records(simulation.model)
    members = near_resonant_set(mode, simulation.model)
    A, B, A_, B_ = members[:4]
    S, D, c = mode.transitions, mode.contributions() / (2**L * mode.rate), mode.weights
    angle = {(m, n): demixed(mode.states[:, m], mode.states[:, n], mode.sector) for m in (A, A_) for n in (B, B_)}
    others = [each.angle for pair, each in angle.items() if pair != (A, B)]
    a, b = angle[A, B].states.T
    z = np.array([[1 - 2 * (n >> (L - 1 - j) & 1) for n in range(2**L)] for j in range(L)])
    flipped = np.abs(z @ (np.abs(a) ** 2 - np.abs(b) ** 2)) > 1
    tau = mode.operator().reshape((2,) * (2 * L))
    weight = []
    for j in range(L):
        rest = np.trace(tau, axis1=j, axis2=L + j)
        weight.append(1 - np.linalg.norm(rest) ** 2 / 2 ** (L + 1))
    epsilon = angle[A, B].epsilon
    expected = {
        "R": D.max(),
        "Gamma": mode.rate,
        "separation": mode.next_rate / mode.rate,
        "Z_case": members.direct,
        "x": 1 + np.flatnonzero(flipped)[-1],
        "x_over_L": (1 + np.flatnonzero(flipped)[-1]) / L,
        "flips_last": flipped[-1],
        "set_fraction": D[A, B] + D[A_, B] + D[A, B_] + D[A_, B_],
        "mirror": S[A, B_] / S[A_, B],
        "mirrored": 0.9 < S[A, B_] / S[A_, B] < 1.1,
        "double": S[A, B] / S[A, B_],
        "double'": S[A, B] / S[A_, B],
        "S_flip": min(S[A, A_], S[B, B_]),
        "lead": angle[A, B].angle / max(others),
        "AB_largest": angle[A, B].angle > max(others),
        "partner": angle[A_, B_].angle / angle[A, B].angle,
        "epsilon": epsilon,
        "Z_strength": S[A, B] / (4 * epsilon**2 / 3),
        "contrast": abs(c[A] - c[B]),
        "shift": max(abs(c[A] - c[A_]), abs(c[B] - c[B_])) / abs(c[A] - c[B]),
        "centre": np.dot(weight, range(L)) / sum(weight) / (L - 1),
        "flips_top": flipped[np.argmax(weight)],
        "flipped": flipped.mean(),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], float(value), rtol=1e-6, atol=1e-12, err_msg=name)
    alone = angle[A_, B_].angle < 0.1 * angle[A, B].angle
    strength = S[A, B_] / (2 * epsilon**2 / 3) if alone else np.nan
    np.testing.assert_allclose(found["XY_strength"], strength, rtol=1e-6)
    m, n = mode.dominant
    z_last = np.vdot(mode.states[:, m], z[-1] * mode.states[:, n])
    np.testing.assert_allclose(found["Z_jump"], abs(z_last) ** 2 / (3 * S[m, n]), rtol=1e-6)
    assert found["clear"] == (min(found["Z_jump"], 1 - found["Z_jump"]) < 0.05)


def test_statements_are_those_of_the_stored_circuits(finished):
    statements = load(finished[0], "statements")
    for L, count in zip(TINY.sizes, TINY.realisations, strict=True):
        data = raw(finished[0], f"regimes-{L}").sel(L=L, alpha=30.0)
        R, direct = data["dominant"].sel(dominant_pair="R"), (data["set"].sel(member="Z case") == 1).values
        S = data["transitions"].sel(transition="S")
        last = (data["set"].sel(member="x") == L - 1).values
        here = statements.sel(L=L)
        expected = {
            "R_below_half": R.max(),
            "R_localised": R.median(),
            "localised_levels": data["gap_ratio"].mean(),
            "Z_case": direct.mean(),
            "x_Z": last[direct].mean(),
            "x_XY": last[~direct].mean(),
            "mirror_XY": np.median((S.sel(pair="AB'") / S.sel(pair="A'B")).values[~direct]),
            "double": np.median((S.sel(pair="AB") / S.sel(pair="AB'")).values[direct]),
            "flipped": np.median((data["flips"] > 0.5).mean("site")),
            "centre": np.median(data["weight"].weighted(data["site"]).sum("site") / data["weight"].sum("site"))
            / (L - 1),
            "separation": (data["next_rate"] / data["relaxation"].sel(quantity="Gamma")).min(),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(here["value"].sel(statement=name), float(value), rtol=1e-12, err_msg=name)
        assert int(here["count"].sel(statement="Z_case")) == count
        assert int(here["count"].sel(statement="x_Z")) == direct.sum()
    inside = statements[["value", "low", "high"]].where(statements["low"].notnull())
    assert bool(((inside["low"] <= inside["value"]) | inside["low"].isnull()).all())
    assert bool(((inside["value"] <= inside["high"]) | inside["low"].isnull()).all())
    for name, each in STATEMENTS.items():
        row = statements.sel(statement=name)
        numbers = [float(row[end][-1]) for end in ("value", "low", "high")]
        assert row["holds"].item() == holds(*numbers, each.allowed)
    medians = [float(load(finished[0], "fig2")["median"].sel(L=L, alpha=1.0)) for L in TINY.sizes]
    slope = statements["slope"].sel(drift="R_thermal", end="value")
    np.testing.assert_allclose(slope, np.log(medians[1] / medians[0]), rtol=1e-12)
    assert statements["failed"].values.tolist() == [[0, 0], [0, 0]]


def test_tables_have_a_line_for_each_statement_and_are_markdown(finished, capsys):
    statements = load(finished[0], "statements")
    for table in tables(statements):
        Console(width=300).print(table)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(lines) == len(STATEMENTS) + len(DRIFTS) + 4
    assert {line.count("|") for line in lines} == {len(TINY.sizes) + 6, 7}
    R = float(statements["value"].sel(statement="R_below_half", L=5))
    (line,) = (line for line in lines if "largest R" in line)
    assert [cell.strip() for cell in line.split("|")[-4:-1]] == [f"{R:.3g}", "–", "yes"]


def test_shares_have_exact_binomial_intervals():
    true = xr.DataArray(np.r_[np.ones(7), np.zeros(33), np.nan][None], {"L": [5]}, ("L", "seed"))
    found = estimate(true, "share").isel(L=0)
    assert (float(found["value"]), int(found["count"])) == (7 / 40, 40)
    low, high = scipy.stats.beta.ppf([0.025, 0.975], [7, 8], [34, 33])
    np.testing.assert_allclose([found["low"], found["high"]], [low, high], rtol=1e-9)


def test_the_mode_is_the_most_frequent_value_and_its_interval_covers_rivals():
    values = xr.DataArray([[0.6] * 50 + [0.8] * 52 + [1.0] * 3, [0.6] * 5 + [0.8] * 99 + [1.0]], dims=("L", "seed"))
    found = estimate(values.assign_coords(L=[5, 10]), "mode")
    assert found["value"].values.tolist() == [0.8, 0.8]
    assert found["low"].values.tolist() == [0.6, 0.8]
    assert found["high"].values.tolist() == [0.8, 0.8]


@pytest.mark.parametrize("statistic", ["largest", "smallest", "share", "mode", "median"])
def test_a_size_without_circuits_gives_nothing(statistic):
    values = xr.DataArray([[1.0, 0.0, 1.0], [np.nan] * 3], {"L": [5, 6]}, ("L", "seed"))
    found = estimate(values, statistic)
    assert found["count"].values.tolist() == [3, 0]
    assert np.isnan(found["value"][1])
    assert holds(*(float(found[end][1]) for end in ("value", "low", "high")), (0.0, 1.0)) == ""


def test_drifts_scatter_around_the_planted_slope_as_their_intervals_say():
    L, slope, found = np.array([5, 6, 7, 8]), -0.6, []
    rng = np.random.default_rng(1)
    for _ in range(40):
        common = rng.normal(size=50)  # of a seed, at all sizes
        noise = 0.8 * common + 0.6 * rng.normal(size=(4, 50))
        values = xr.DataArray(np.exp(slope * L[:, None] + noise), {"L": L}, ("L", "seed"))
        values[3, 30:] = np.nan
        found.append(drift(values))
    values, low, high = np.transpose(found)
    assert np.sum((low <= slope) & (slope <= high)) >= 35
    assert 0.7 < np.mean(high - low) / (2 * 1.96 * np.std(values)) < 1.5


def test_the_crossing_is_found_where_it_is_planted():
    alpha, rng = np.array([5.0, 10.0, 20.0, 30.0, 40.0]), np.random.default_rng(2)
    L = np.array([6, 7])
    growth = 0.1 * (24 - alpha)
    logs = growth[None, :, None] * (L - 6)[:, None, None] - np.log(4) * L[:, None, None]
    values = np.exp(logs + 0.3 * rng.normal(size=(2, 5, 300)))
    place, low, high = crossing(xr.DataArray(values, {"L": L, "alpha": alpha}, ("L", "alpha", "seed")))
    assert low < 24 < high
    assert low < place < high
    assert high - low < 6
    always = xr.DataArray(np.exp(0 * logs), {"L": L, "alpha": alpha}, ("L", "alpha", "seed"))
    assert crossing(always)[0] == np.inf
    assert crossing(always * (0.1 ** (always["L"] - 6)))[0] == -np.inf


def test_verdicts():
    assert holds(0.6, 0.5, 0.7, (0.0, 0.5)) == "within errors"
    assert holds(0.6, 0.55, 0.7, (0.0, 0.5)) == "no"
    assert holds(0.4, 0.1, 0.7, (0.0, 0.5)) == "yes"
    assert holds(0.6, np.nan, np.nan, (0.0, 0.5)) == "no", "a number without errors is exact"
    assert holds(0.6, 0.5, 0.7, None) == ""


# ------------------------------------------------------------------------------------------ resuming and failures


@pytest.mark.usefixtures("undrawn")
def test_running_again_computes_nothing_and_gives_the_same(finished, tmp_path, monkeypatch):
    def never(self, model):
        raise AssertionError("computed again")

    shutil.copytree(finished[0], tmp_path / "copy")
    for path in (tmp_path / "copy").glob("*.nc"):
        path.unlink()
    monkeypatch.setattr(algorithms.DegeneratePerturbationSolver, "records", never)
    ha2023.reproduce("tiny", out=tmp_path / "copy")
    for name in ("statements", *ha2023.FIGURES):
        xr.testing.assert_identical(load(tmp_path / "copy", name), load(finished[0], name))


def test_only_computes_what_a_figure_needs(tmp_path):
    written = ha2023.reproduce("tiny", only=["fig2"], out=tmp_path)
    assert [path.name for path in written] == ["fig2.nc", "fig2.png", "fig2.pdf"]
    assert not (tmp_path / "scan-4.zarr").exists()
    assert not (tmp_path / "statements.nc").exists()


def test_other_seeds_are_added_to_those_known(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "copy")
    ha2023.reproduce("tiny", only=["fig2"], out=tmp_path / "copy", seed=1)
    both, first = raw(tmp_path / "copy", "regimes-5"), raw(finished[0], "regimes-5")
    assert both["seed"].values.tolist() == list(range(31))
    xr.testing.assert_identical(both.sel(seed=slice(0, 29)), first)
    median = load(tmp_path / "copy", "fig2")["median"].sel(L=5, alpha=30.0)
    R = both["dominant"].sel(L=5, alpha=30.0, dominant_pair="R", seed=slice(1, 30))
    np.testing.assert_array_equal(median, R.median())


@pytest.mark.long
def test_a_circuit_that_fails_is_counted_and_left_out(tmp_path, monkeypatch, capsys):
    def unlucky(L, alpha, seed):
        if (L, alpha, seed) in {(5, 30.0, 4), (5, 1.0, 4), (4, 5.0, 0)}:
            raise ArithmeticError("two levels are degenerate")
        return one(L, alpha, seed)

    one = ha2023.circuit
    monkeypatch.setattr("mpsnh.studies.ha2023.data.circuit", unlucky)
    # all figures take as long as all circuits
    monkeypatch.setattr("mpsnh.studies.ha2023.report.FIGURES", {"x": ha2023.FIGURES["x"]})
    with pytest.warns(UserWarning, match=r"points? failed; the first is .*degenerate"):
        ha2023.reproduce("tiny", out=tmp_path)
    statements = load(tmp_path, "statements")
    assert statements["failed"].sel(L=5).values.tolist() == [1, 1]
    assert statements["failed"].sel(L=4).values.tolist() == [0, 0]
    assert statements["scan_failed"].values.tolist() == [[1, 0], [0, 0]]
    assert statements["count"].sel(statement="R_below_half").values.tolist() == [40, 29]
    assert statements["count"].sel(statement="Z_case").values.tolist() == [40, 29]
    assert "circuits that failed: 2 at α = 1 and 30, 1 at the other α" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"realisations": (40,)}, r"realisations = \(40,\), but it must be 2 numbers, one for each of \(4, 5\)"),
        ({"scan_realisations": (1, 2, 3)}, r"scan_realisations = \(1, 2, 3\), but it must be 2 numbers"),
        ({"scan_realisations": (0, 12)}, r"scan_realisations = \(0, 12\), but it must be positive for two sizes"),
        ({"scan": (5.0, 30.0)}, r"scan = \(5.0, 30.0\), but it must be without repetitions"),
        ({"sizes": (5, 4)}, r"sizes = \(5, 4\), but it must be at least two, increasing"),
        ({"sizes": (4,), "realisations": (40,), "scan_realisations": (20,)}, r"sizes = \(4,\), but it must be"),
    ],
)
def test_bad_scales_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **change)


def test_a_case_that_does_not_occur_is_named(tmp_path, monkeypatch):
    few = replace(TINY, realisations=(2, 1), scan_realisations=(1, 1))
    monkeypatch.setitem(ha2023.SCALES, "few", few)
    with pytest.raises(ValueError, match=r"number of (XY|Z) cases at L = 5 = 0, but it must be at least 1"):
        ha2023.reproduce("few", only=["fig3a", "fig3b"], out=tmp_path)


def test_command_line(tmp_path):
    options = ["reproduce", "ha2023", "--scale", "tiny", "--only", "fig2", "--workers", "1"]
    done = CliRunner().invoke(app, [*options, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "fig2.pdf").exists()
    assert "regimes-4: 1 L × 2 alpha × 40 seed" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scale", "huge"], "scale 'huge' is unknown; there are: quick, laptop, paper"),
        (["--only", "fig1a"], "figure 'fig1a' is unknown; there are: fig2, fig3a"),
    ],
)
def test_command_line_refuses(options, message, tmp_path):
    done = CliRunner().invoke(app, ["reproduce", "ha2023", *options, "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
