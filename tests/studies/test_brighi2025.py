"""The study of the first paper at a tiny scale: files, determinism, refusals and the command line."""

import io
import multiprocessing
import re
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from rich.console import Console
from typer.testing import CliRunner

from mpsnh.base.snapshot import NEVER
from mpsnh.cli import app
from mpsnh.plots import graded
from mpsnh.studies import brighi2025
from mpsnh.studies.brighi2025 import figures
from mpsnh.studies.brighi2025.data import rest
from mpsnh.studies.brighi2025.findings import Finding, ratio
from mpsnh.studies.brighi2025.report import statement_table
from mpsnh.studies.brighi2025.simulations import GAMMA
from mpsnh.studies.brighi2025.statements import STATEMENTS
from tests.support.study_files import check_redrawn, load, raw, reproduced, undrawn  # noqa: F401

TINY = replace(
    brighi2025.SCALES["quick"],
    sizes=(4, 6),
    realisations=(60, 40),
    strengths=(1, 2, 3),
    fit_window=(1, 3),
    evolved=6,
    evolved_realisations=4,
    evolved_time=1e5,
    chain=16,
    quench_strengths=(1, 2),
    half_widths=(3, 2),
    quench_realisations=(3, 3),
    t_max=6,
    interval=0.5,
    bond_dimensions=(4, 32),
    checked=8,
    checked_realisations=3,
)

# small bond dimensions are there to be seen to fail
pytestmark = pytest.mark.filterwarnings("ignore:NHTEBD. truncation may:RuntimeWarning")


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(brighi2025.SCALES, "tiny", TINY)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(brighi2025.SCALES, "tiny", TINY)
        return reproduced(brighi2025, "tiny", out)


def test_no_two_sizes_look_the_same():
    for scale in brighi2025.SCALES.values():
        count = len(scale.sizes)
        assert len({graded(k, count) for k in range(count)}) == count
        assert len(set(figures.MARKERS[:count])) == count


def test_every_figure_is_written_as_picture_print_and_dataset(finished):
    out, written = finished
    expected = {f"{figure}.{suffix}" for figure in brighi2025.FIGURES for suffix in ("png", "pdf", "nc")}
    assert {path.name for path in written} == expected
    assert all(path.stat().st_size > 1000 for path in written)
    assert not list(out.glob("*.part"))
    assert not any("seed" in load(out, name).dims for name in brighi2025.FIGURES), "realisations stay in the stores"


def test_pictures_and_tables_come_again_from_the_small_files_alone(finished, tmp_path, capsys):
    assert "α (current)" in check_redrawn("brighi2025", *finished, tmp_path)
    written = brighi2025.redraw(finished[0], ["fig1b"], tmp_path / "one")
    assert [path.name for path in written] == ["fig1b.png", "fig1b.pdf"]
    assert not capsys.readouterr().out, "the tables are not those of one figure"


def test_figures_show_what_the_simulations_gave(finished):
    out, _ = finished
    fig1a, fig2a = load(out, "fig1a"), load(out, "fig2a")
    for L, count in zip(TINY.sizes, TINY.realisations, strict=True):
        spectra = raw(out, f"spectra-{L}").sel(L=L)
        assert spectra.sizes["seed"] == count
        one = brighi2025.ring(L, 2.0, 7).run()
        np.testing.assert_array_equal(spectra["gap"].sel(h=2, seed=7), one["gap"])
        current = spectra["current"].sel(estimate="eigenvalue")
        np.testing.assert_allclose(fig1a["mean"].sel(L=L), current.mean("seed"), rtol=1e-13)
        np.testing.assert_allclose(fig1a["error"].sel(L=L), current.std("seed", ddof=1) / np.sqrt(count), rtol=1e-12)
        np.testing.assert_allclose(fig2a["mean"].sel(L=L), spectra["real_spectrum"].mean("seed"))
    fig3a, quenches = load(out, "fig3a"), raw(out, "quenches")
    np.testing.assert_allclose(fig3a["mean"], quenches["current"].mean("seed").transpose(*fig3a["mean"].dims))
    np.testing.assert_array_equal(fig3a["trust_time"], quenches["trust_time"].isel(time=-1).min("seed"))
    for h in TINY.quench_strengths:
        low, high = fig3a["window"].sel(h=h).values
        window = quenches["current"].sel(chi=32, h=h, time=slice(low, high)).mean("time")
        np.testing.assert_allclose(fig3a["plateau"].sel(h=h), window.mean("seed"), rtol=1e-12)
    fig3b = load(out, "fig3b")
    np.testing.assert_allclose(fig3b["exact"].sel(L=6), current.mean("seed") / 6, rtol=1e-12)


def test_more_realisations_of_smaller_bond_dimensions_count(finished, tmp_path, monkeypatch):
    shutil.copytree(finished[0] / "quenches.zarr", tmp_path / "quenches.zarr")
    more = replace(TINY, bond_dimensions=(4, 8, 32), quench_realisations=(6, 4, 3))
    monkeypatch.setitem(brighi2025.SCALES, "tiny", more)
    study = brighi2025.Study("tiny", tmp_path)
    currents, known = study.currents, study.quenches["current"]
    assert known.isel(h=0, time=0).count("seed").values.tolist() == [6, 4, 3]
    np.testing.assert_array_equal(known.sel(chi=32, seed=range(3)), raw(finished[0], "quenches")["current"].sel(chi=32))
    assert currents.sizes["seed"] == 6
    means = [known.sel(chi=4).mean("seed")]
    means += [means[0] + (known.sel(chi=8) - known.sel(chi=4)).isel(seed=slice(4)).mean("seed")]
    means += [means[1] + (known.sel(chi=32) - known.sel(chi=8)).isel(seed=slice(3)).mean("seed")]
    for chi, expected in zip(more.bond_dimensions, means, strict=True):
        np.testing.assert_allclose(currents.sel(chi=chi).mean("seed"), expected.transpose("h", "time"), rtol=1e-12)
    assert {plateau.count for plateau in study.plateaus.values()} == {6}


def test_realisations_fall_with_the_bond_dimension():
    with pytest.raises(ValueError, match=r"quench_realisations = \(3, 4\), but it must be two or more, and never"):
        replace(TINY, quench_realisations=(3, 4))
    with pytest.raises(ValueError, match=r"quench_realisations = \(3,\), but it must be 2 numbers"):
        replace(TINY, quench_realisations=(3,))


def test_rates_are_reported_with_errors(finished):
    rates = load(finished[0], "rates")
    assert (rates["alpha_error"] > 0).all()
    assert (rates["beta_error"] > 0).all()
    assert rates["alpha"].sizes == {"L": 2}
    low, high = rates["alpha_interval"].transpose("end", "L").values
    assert ((low < rates["alpha"]) & (rates["alpha"] < high)).all()
    assert all("at least 5" in statement for statement in rates["kink"].values), "three strengths show no kink"


def test_the_page_tells_what_its_files_say():
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "brighi2025.md").read_text(encoding="utf-8")
    told = {line for line in page.splitlines() if line.startswith("| ")}
    console = Console(width=1500, file=io.StringIO())
    console.print(statement_table(load(docs / "data" / "brighi2025", "statements")))
    rows = [re.sub(r" +", " ", line).strip() for line in console.file.getvalue().splitlines()[3:]]
    rows = [row for row in rows if row]
    assert len(rows) == len(STATEMENTS)
    for row in rows:
        assert row in told


def test_statements_are_told_with_verdicts(finished):
    found = load(finished[0], "statements")
    assert set(found["of"].values) == set(found["statement"].values) == set(STATEMENTS)
    told = found.isel(finding=found["bounded"].sel(statement=found["of"]).values)
    assert set(told["verdict"].values) <= {"holds", "does not", "not decided"}
    verdicts = dict(zip(found["of"].values, found["verdict"].values, strict=True))
    for exact in ("current_is_growth", "continuity", "conserved", "routes"):
        assert verdicts[exact] == "holds"
    ends = found[["low", "value", "high"]].to_array().transpose("variable", "finding").values
    assert ((ends[0] <= ends[1] + 1e-12) & (ends[1] <= ends[2] + 1e-12) | np.isnan(ends).any(axis=0)).all()


def test_evolution_finds_the_current_of_the_spectrum(finished):
    """The norm grows as exp(Im E₁ t), but for a transient whose share falls as 1/t."""
    grown, exact = load(finished[0], "fig1a")["evolved"], raw(finished[0], "spectra-6").sel(L=6)
    current = exact["current"].sel(estimate="eigenvalue").isel(seed=slice(0, TINY.evolved_realisations)).mean("seed")
    assert float(current.max()) > 0.01
    np.testing.assert_allclose(grown, current, atol=5 / (GAMMA * TINY.evolved_time))


@pytest.mark.long
@pytest.mark.usefixtures("undrawn")
def test_running_again_gives_the_same_numbers_from_any_number_of_processes(finished, tmp_path):
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as executor:
        brighi2025.reproduce("tiny", out=tmp_path, executor=executor)
    for name in ("spectra-4", "spectra-6", "evolutions", "quenches"):
        xr.testing.assert_identical(raw(finished[0], name), raw(tmp_path, name))
    for name in ("rates", *brighi2025.FIGURES):
        xr.testing.assert_identical(load(finished[0], name), load(tmp_path, name))


def test_only_computes_what_a_figure_needs(tmp_path):
    written = brighi2025.reproduce("tiny", only=["fig1b"], out=tmp_path)
    assert [path.name for path in written] == ["fig1b.nc", "fig1b.png", "fig1b.pdf"]
    assert not (tmp_path / "quenches.zarr").exists()


def test_other_seeds_are_other_realisations_and_are_added_to_those_known(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "copy")
    brighi2025.reproduce("tiny", only=["fig2b"], out=tmp_path / "copy", seed=1)
    both, first = raw(tmp_path / "copy", "spectra-4"), raw(finished[0], "spectra-4")
    assert both["seed"].values.tolist() == list(range(61))
    xr.testing.assert_identical(both.sel(seed=slice(0, 59)), first)
    shifted = load(tmp_path / "copy", "fig2b")["mean"].sel(L=[4])
    np.testing.assert_allclose(shifted, both["complex_fraction"].sel(seed=slice(1, 60)).mean("seed"))


@pytest.mark.usefixtures("undrawn")
def test_results_of_another_study_are_not_overwritten(finished, monkeypatch):
    out, _ = finished
    before = raw(out, "quenches")
    monkeypatch.setitem(brighi2025.SCALES, "longer", replace(TINY, chain=18))
    with pytest.raises(ValueError, match=r"holds another study: model.L is 16 there and 18 here"):
        brighi2025.reproduce("longer", out=out)
    xr.testing.assert_identical(raw(out, "quenches"), before)


def test_half_width_goes_with_the_strength(finished):
    for h, half_width in zip(TINY.quench_strengths, TINY.half_widths, strict=True):
        simulation = brighi2025.quench(h, 1, 32, TINY)
        assert simulation.observables["current"].half_width == half_width
        assert TINY.arrival(h) == TINY.chain / 2 - half_width
        stored = raw(finished[0], "quenches").sel(chi=32, h=h, seed=1)
        np.testing.assert_array_equal(stored["current"], simulation.run()["current"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"half_widths": (2,)}, r"half_widths = \(2,\), but it must be 2 numbers, one for each of \(1.0, 2.0\)"),
        ({"realisations": (2,)}, r"realisations = \(2,\), but it must be 2 numbers, one for each of \(4, 6\)"),
        ({"bond_dimensions": (8, 4)}, r"bond_dimensions = \(8, 4\), but it must be two or more increasing numbers"),
        ({"bond_dimensions": (8,)}, r"bond_dimensions = \(8,\), but it must be two or more increasing numbers"),
    ],
)
def test_scale_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **change)


def quenched(tmp_path, current, change=0.001):
    """A study whose quenches gave this current as a function of time and h, and some less at half the χ.

    How much less may be a function of time.
    """
    study = brighi2025.Study("tiny", tmp_path)
    time, h = np.arange(0, 6.1, 0.5), np.array(TINY.quench_strengths)
    generator = np.random.default_rng(0)
    values = current(time, h[:, None])[:, None] + 1e-3 * generator.normal(size=(len(h), 8, len(time)))
    coordinates = {"chi": [16, 32], "h": h, "seed": range(8), "time": time}
    data = xr.Dataset({"current": (tuple(coordinates), np.stack([values - change, values]))}, coordinates)
    for name in ("discarded_weight", "discarded_step", "max_bond", "noise", "log_norm"):
        data[name] = xr.zeros_like(data["current"])
    study.__dict__["quenches"] = data.assign(trust_time=xr.full_like(data["current"], NEVER))
    return study


def test_plateau_ends_before_the_front_and_before_truncation_matters(tmp_path):
    def jumps(time, h):
        return np.exp(-h) + 100 * (time > TINY.chain / 2 - np.where(h == 1, 3, 2))

    study = quenched(tmp_path, jumps)
    assert [study.plateaus[h].window[1] for h in TINY.quench_strengths] == [5, 6]
    assert [study.plateaus[h].value for h in TINY.quench_strengths] == pytest.approx(np.exp([-1, -2]), abs=3e-3)
    assert study.quench_fit().rate == pytest.approx(1, abs=0.02)
    early = quenched(tmp_path, jumps, change=0.002 + 0.03 * (np.arange(0, 6.1, 0.5) > 4.2))
    assert early.converged == {1: 6, 2: 4}, "0.032 is more than a tenth of exp(-2) only"
    assert [found.window[1] for found in early.plateaus.values()] == [5, 4]


@pytest.mark.parametrize("factor", [0.2, 0.6, 0.85])
def test_rest_of_a_series_that_falls_by_a_factor_is_covered(factor):
    numbers = factor ** np.arange(4.0)
    limit, changes = 0.0, np.diff(numbers)[None]
    assert abs(numbers[-1] - limit) <= rest(changes)[0] * (1 + 1e-12) <= 9 * abs(changes[0, -1])


def test_rate_needs_plateaus_above_all_of_their_errors(tmp_path):
    def flat(time, h):
        return np.exp(-h) + 0 * time

    assert quenched(tmp_path, flat, change=0.012).quench_fit().rate == pytest.approx(1, abs=0.02)
    loose = quenched(tmp_path, flat, change=0.1)
    loose.__dict__["converged"] = {1: 6.0, 2: 6.0}
    assert loose.quench_fit() is None, "the current at h = 2 is 0.135"
    study = quenched(tmp_path, lambda time, h: np.where(h == 1, 0.0, 1.0) + 0 * time)
    assert study.measured()["plateau"].values == pytest.approx([0, 1], abs=2e-3)
    assert study.quench_fit() is None, "nothing beyond a current that is not resolved is used"
    data = study.measured()
    parts = [data[name] ** 2 for name in ("statistical", "systematic", "truncation")]
    np.testing.assert_allclose(data["total"], sum(parts) ** 0.5, rtol=1e-12)


def test_a_current_that_drifts_has_no_plateau_and_no_rate(tmp_path):
    study = quenched(tmp_path, lambda time, h: np.exp(-h) * (2 - time / 10))
    assert not any(found.found for found in study.plateaus.values())
    assert study.quench_fit() is None
    study.__dict__["spectra"] = brighi2025.Study("tiny", tmp_path).spectra
    drawn = {name: brighi2025.FIGURES[name].numbers(study) for name in ("fig3a", "fig3b")}
    labels = {}
    for name, data in drawn.items():
        axes = Figure().subplots()
        brighi2025.FIGURES[name].draw(data, axes)
        labels[name] = [text.get_text() for text in axes.get_legend().get_texts()]
    assert not drawn["fig3a"]["found"].any()
    assert labels["fig3a"][0] == "$h/J=1$, no plateau"
    assert {r"quench, $N=16$, $\chi=32$", "not settled"} < set(labels["fig3b"]), "no rate of the quenches"
    assert np.isnan(drawn["fig3b"]["alpha"])
    assert np.isnan(study.rates()["alpha_quench"])


def test_convergence_shows_the_plateaus_at_all_bond_dimensions(tmp_path, finished):
    study = quenched(tmp_path, lambda time, h: np.exp(-h), change=1)
    data = brighi2025.FIGURES["fig3_convergence"].numbers(study)
    np.testing.assert_allclose(data["mean"].sel(chi=32), data["plateau"], rtol=1e-12)
    np.testing.assert_allclose(data["change"], 1, rtol=1e-12)
    np.testing.assert_allclose(data["truncation"], 1, rtol=1e-12)
    assert float(data["change_error"].max()) < 1e-12, "the same realisations are compared"
    stored, fig3 = raw(finished[0], "quenches"), load(finished[0], "fig3_convergence")
    last = float(fig3["window"].sel(h=1, end="last"))
    assert last <= 5.0
    for name in ("discarded_weight", "discarded_step", "max_bond", "noise", "trust_time"):
        np.testing.assert_allclose(
            fig3[name].sel(h=1), stored[name].sel(h=1, time=last).mean("seed"), rtol=1e-12, err_msg=name
        )


def test_fit_of_the_exact_current_covers_the_strengths_of_the_quenches(finished):
    fig3b, current = load(finished[0], "fig3b"), raw(finished[0], "spectra-6").sel(L=6, h=[1, 2])["current"]
    low, high = np.log((current.sel(estimate="eigenvalue").mean("seed") / 6).values[::-1])
    assert fig3b["alpha_exact"].sel(L=6) == pytest.approx(high - low, rel=1e-9)
    assert fig3b["alpha_exact_range"].sel(L=6).values.tolist() == [1, 2]
    assert np.log(fig3b["alpha_exact_prefactor"].sel(L=6)) == pytest.approx(2 * high - low, rel=1e-9)


def test_command_line(tmp_path):
    runner = CliRunner()
    options = ["reproduce", "brighi2025", "--scale", "tiny", "--only", "fig2a", "--workers", "1"]
    done = runner.invoke(app, [*options, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "fig2a.pdf").exists()
    assert "0/180" in done.stderr or "180/180" in done.stderr  # the progress bar


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["reproduce", "brighi2025", "--scale", "huge"], "scale 'huge' is unknown; there are: quick"),
        (["reproduce", "brighi2025", "--only", "fig9"], "figure 'fig9' is unknown; there are: fig1a"),
        (["redraw", "brighi2025", "nowhere"], "nowhere holds no rates.nc"),
        (["reproduce", "someone1999"], "'someone1999' is not"),
        (["reproduce", "brighi2025", "--workers", "0"], "Invalid value for '--workers'"),
    ],
)
def test_command_line_refuses(options, message, tmp_path):
    done = CliRunner().invoke(app, [*options, *(["--out", str(tmp_path)])])
    assert done.exit_code == 2
    assert message in " ".join((done.output + done.stderr).replace("│", " ").split())


def test_the_interval_of_a_ratio_holds_all_that_the_intervals_allow():
    rng = np.random.default_rng(3)
    for _ in range(200):
        (a, b, c), (d, e, f) = np.sort(rng.normal(size=3)), np.sort(rng.normal(size=3))
        found = ratio("", Finding("", b, a, c), Finding("", e, d, f))
        if e <= 0:
            assert np.isnan(found.value)
            continue
        for above in np.linspace(a, c, 7):
            for below in np.linspace(max(d, 1e-6), f, 7):
                assert found.low <= above / below <= found.high
        assert found.low <= found.value <= found.high
