"""The commands around a store: status, pictures, retry, and a dask scheduler for reproduce."""

import json
import multiprocessing
import sys

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import mpsnh as nh
from mpsnh import algorithms, cli, models, observables
from mpsnh.picture import LEGEND_ENTRIES, averaged, picture
from mpsnh.run.form import Form
from mpsnh.run.grid import Grid
from mpsnh.run.reading import results
from mpsnh.run.store import DONE, FAILED, Store

H, SEEDS = [2.0, 1.0], list(range(5))


def chain(h, seed):
    if (h, seed) == (2.0, 1):
        raise ArithmeticError("no luck with [red]this[/red] one\x1b[31m")
    model = models.NonHermitianXXZ(L=4, gamma=0.3, h=h, seed=seed, boundary="periodic")
    measured = {"gap": observables.SteadyStateGap(), "E": observables.Eigenvalues()}
    return nh.Simulation(model, algorithms.ExactDiag(), measured)


def quench(h, seed):
    return nh.Simulation(
        models.NonHermitianXXZ(L=4, h=h, seed=seed),
        algorithms.ExactEvolution(dt=0.5, t_max=1.0),
        {"sz": observables.Magnetization()},
    )


@pytest.fixture
def partly(tmp_path):
    """A store with a failed point, and a seed that was never run at h = 3."""
    place = tmp_path / "chains.zarr"
    with pytest.warns(UserWarning, match="1 point failed"):
        nh.sweep(chain, {"h": H, "seed": SEEDS}, store=place, batch=2)
    nh.sweep(chain, {"h": [3.0], "seed": SEEDS[:4]}, store=place)
    return place


def mpsnh(*options, code=0):
    """Run a command and return what it says, or why it refuses."""
    done = CliRunner().invoke(cli.app, [str(option) for option in options])
    assert done.exit_code == code, done.output + done.stderr + repr(done.exception)
    return done.stdout if code == 0 else done.stderr


def direct(h, seeds=SEEDS):
    return np.array([float(chain(h, seed).run()["gap"]) for seed in seeds])


def test_the_version_is_all_that_is_printed():
    assert mpsnh("--version") == f"{nh.__version__}\n"


# --------------------------------------------------------------------------------------------------------- status


def test_status_counts_points_and_names_failures(partly):
    said = mpsnh("status", partly)
    assert "h: 3 (2.0, 1.0, 3.0)" in said
    assert "seed: 5 (0, 1, 2, 3, 4)" in said
    assert "gap, E" in said
    assert "15: 13 done (86.7%), 1 failed, 1 missing" in said
    assert "h=2.0, seed=1: ArithmeticError: no luck with [red]this[/red] one�[31m (in chain, test_cli.py:" in said
    assert "running" not in said


def test_status_lists_only_the_first_failures(tmp_path):
    store = Store(tmp_path / "failed.zarr")
    store.create(Form.of({"x": ((), 1.0, {})}), Grid({"seed": range(9)}), {})
    failures = [{"point": {"seed": seed}, "error": f"error {seed}"} for seed in range(9)]
    store.write((slice(0, 9),), {}, np.full(9, FAILED), failures)
    said = mpsnh("status", tmp_path / "failed.zarr")
    assert "9 failed" in said
    assert "error 4" in said
    assert "error 5" not in said
    assert "and 4 more" in said


def _hold(place, name, ready, done):
    with Store(place).locked(name):
        ready.set()
        done.wait(60)


def test_status_counts_regions_that_are_locked(partly):
    spawn = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    ready, done = spawn.Event(), spawn.Event()
    # The last region, which has a missing point, and one that is finished.
    names = ["2.4", "1.0"]
    holders = [spawn.Process(target=_hold, args=(partly, name, ready, done)) for name in names]
    for holder in holders:
        ready.clear()
        holder.start()
        assert ready.wait(60)
    try:
        assert "running    1 of 9 regions" in mpsnh("status", partly)
    finally:
        done.set()
        for holder in holders:
            holder.join()
    assert "running" not in mpsnh("status", partly)


def test_watching_ends_with_the_sweep_and_tells_the_pace_it_saw(partly, monkeypatch):
    rest = iter([lambda: None, lambda: nh.sweep(chain, {"h": [3.0], "seed": SEEDS}, store=partly)])
    clock = iter(range(0, 100, 30))
    monkeypatch.setattr(cli, "sleep", lambda seconds: next(rest)())
    monkeypatch.setattr(cli, "monotonic", lambda: float(next(clock)))
    said = mpsnh("status", partly, "--watch", 30).splitlines()
    assert said[-2:] == [
        "15: 13 done (86.7%), 1 failed, 1 missing",
        "15: 14 done (93.3%), 1 failed, 0 missing",
    ]


@pytest.mark.parametrize(
    ("gained", "seconds", "missing", "said"),
    [
        (0, 10.0, 5, ""),
        (5, 10.0, 0, ""),
        (5, 10.0, 20, "; 30 a minute while watched, 40.0 s left at this speed"),
        (1, 60.0, 30, "; 1 a minute while watched, 30.0 min left at this speed"),
        (1, 60.0, 90, "; 1 a minute while watched, 1.5 h left at this speed"),
    ],
)
def test_pace(gained, seconds, missing, said):
    assert cli._pace(gained, seconds, missing) == said


# ---------------------------------------------------------------------------------------------------------- retry


def test_retry_marks_failed_points_as_missing(partly):
    said = mpsnh("retry", partly)
    assert said.startswith("1 failed points are marked as missing; the same call of sweep with this store runs them")
    assert "13 done (86.7%), 0 failed, 2 missing" in mpsnh("status", partly)
    assert mpsnh("retry", partly) == "no point failed\n"


# ------------------------------------------------------------------------------------------------------- pictures


def test_results_of_a_store_are_nan_where_points_are_missing_or_failed(partly):
    gap = results(partly)[0]["gap"]
    np.testing.assert_array_equal(gap.sel(h=1.0), direct(1.0))
    assert np.argwhere(np.isnan(gap.values)).tolist() == [[0, 1], [2, 4]]


def test_integers_of_points_that_failed_are_nan_too(tmp_path):
    store = Store(tmp_path / "counts.zarr")
    store.create(Form.of({"n": ((), 1, {}), "b": ((), True, {})}), Grid({"seed": range(3)}), {})
    store.write((slice(0, 3),), {"n": np.array([3, 0, 0]), "b": np.ones(3, bool)}, np.array([DONE, FAILED, 0]), [])
    data = results(tmp_path / "counts.zarr")[0]
    np.testing.assert_array_equal(data["n"], [3, np.nan, np.nan])
    np.testing.assert_array_equal(data["b"], [1, np.nan, np.nan])
    failures = json.dumps([{"point": {"seed": 1}, "error": "no luck"}])
    file = tmp_path / "counts.nc"
    xr.Dataset({"n": ("seed", [3, 0])}, {"seed": [0, 1]}, {"failures": failures}).to_netcdf(file, engine="h5netcdf")
    np.testing.assert_array_equal(results(file)[0]["n"], [3, np.nan])


def test_a_line_has_the_means_and_standard_errors_of_the_points_that_are_done(partly):
    lines = averaged(results(partly)[0], "gap", against="h")
    done = [direct(1.0), direct(2.0, [0, 2, 3, 4]), direct(3.0, [0, 1, 2, 3])]
    assert lines["h"].values.tolist() == [1.0, 2.0, 3.0]
    assert lines["count"].values.tolist() == [5, 4, 4]
    np.testing.assert_allclose(lines["mean"], [part.mean() for part in done], rtol=1e-13)
    errors = [part.std(ddof=1) / np.sqrt(part.size) for part in done]
    np.testing.assert_allclose(lines["error"], errors, rtol=1e-12)


def test_the_picture_shows_these_lines(partly):
    axes = picture(averaged(results(partly)[0], "gap", against="h"), log=True).axes[0]
    (bars,) = axes.containers
    line, _, (segments,) = bars.lines
    lines = averaged(results(partly)[0], "gap", against="h")
    np.testing.assert_array_equal(line.get_xdata(), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(line.get_ydata(), lines["mean"])
    spans = np.array([np.diff(segment[:, 1])[0] for segment in segments.get_segments()])
    np.testing.assert_allclose(spans, 2 * lines["error"], rtol=1e-9)
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == f"{observables.SteadyStateGap.long_name} (J)"
    assert axes.get_xlabel() == "h"
    assert axes.get_title(loc="right") == "mean over seed, 4 to 5 values"


def test_one_line_for_each_combination_of_the_other_axes(tmp_path):
    nh.sweep(quench, {"h": H, "seed": SEEDS[:2]}, store=tmp_path / "q.zarr")
    lines = averaged(results(tmp_path / "q.zarr")[0], "sz")
    assert lines["mean"].dims == ("h", "site", "time")
    axes = picture(lines).axes[0]
    assert len(axes.containers) == 8
    expected = np.mean([quench(2.0, seed).run()["sz"].values for seed in (0, 1)], axis=0)
    np.testing.assert_allclose(axes.containers[4 + 3].lines[0].get_ydata(), expected[:, 3], rtol=1e-13)
    assert axes.containers[4 + 3].get_label() == "h = 2, site = 3"
    assert axes.get_xlabel() == "time (1/J)"
    chosen = averaged(results(tmp_path / "q.zarr")[0], "sz", against="site", at={"time": "0.5", "h": "2"})
    np.testing.assert_allclose(chosen["mean"], expected[1], rtol=1e-13)


def test_a_picture_of_many_lines_names_some():
    data = xr.Dataset({"x": (("k", "t"), np.ones((40, 3)))}, {"k": range(40), "t": [0, 1, 2]})
    axes = picture(averaged(data, against="t")).axes[0]
    named = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(axes.containers) == 40
    assert [bars.lines[0].get_linestyle() for bars in axes.containers[:2]] == ["-", "--"]  # neither hides the other
    assert (len(named), named[0], named[-1]) == (LEGEND_ENTRIES, "k = 0", "k = 39")


def test_a_complex_variable_has_two_lines(partly):
    lines = averaged(results(partly)[0], "E", against="level", at={"h": "1"})
    values = np.array([chain(1.0, seed).run()["E"].values for seed in SEEDS])
    np.testing.assert_allclose(lines["mean"].sel(part="Im"), values.imag.mean(0), atol=1e-14)
    assert [bars.get_label() for bars in picture(lines).axes[0].containers] == ["Re", "Im"]


def test_without_realisations_there_are_no_error_bars():
    data = xr.Dataset({"x": ("name", [1.0, 2.0])}, {"name": ["cold", "a $ill"]})
    axes = picture(averaged(data)).axes[0]
    assert not axes.containers[0].has_yerr
    assert axes.get_title(loc="right") == ""
    one = xr.Dataset({"x": (("h", "seed"), [[1.0], [2.0]])}, {"h": [0, 1], "seed": [0]})
    assert not picture(averaged(one)).axes[0].containers[0].has_yerr


def test_on_a_logarithmic_axis_errors_as_large_as_means_are_seen_and_no_line_leads_to_zero():
    data = xr.Dataset({"x": (("h", "seed"), [[1.0, 3.0], [0.0, 0.0], [0.0, 2.0]])}, {"h": [1, 2, 3], "seed": [0, 1]})
    axes = picture(averaged(data), log=True).axes[0]
    line, _, (bars,) = axes.containers[0].lines
    np.testing.assert_array_equal(line.get_ydata(), [2, np.nan, 1])
    first, _, third = bars.get_segments()
    np.testing.assert_array_equal(third[:, 1], [0, 2])
    assert np.isfinite(axes.transData.transform([*first, *third])).all()
    assert axes.get_title(loc="right").startswith("1 means ≤ 0 not shown, mean over seed")


def test_a_long_label_and_a_long_legend_are_inside_the_picture_and_beside_the_lines():
    name = {"long_name": "a quantity whose name has so many words that one line of text can't hold it", "units": "J"}
    data = xr.Dataset({"x": (("k", "t"), np.ones((6, 3)), name)}, {"k": range(6), "t": [0, 1, 2]})
    figure = picture(averaged(data, against="t"))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    label, legend = axes.yaxis.label.get_window_extent(), axes.get_legend().get_window_extent()
    assert figure.bbox.y0 <= label.y0 < label.y1 <= figure.bbox.y1
    assert (
        figure.bbox.x0 <= label.x0 < label.x1 <= axes.bbox.x0 < axes.bbox.x1 <= legend.x0 < legend.x1 <= figure.bbox.x1
    )


def test_what_all_lines_share_is_named_above_them():
    data = xr.Dataset({"x": (("L", "h", "seed"), np.ones((1, 2, 3)))}, {"L": [8], "h": [0.5, 1], "seed": range(3)})
    axes = picture(averaged(data)).axes[0]
    assert axes.get_title(loc="right") == "L = 8, mean over seed, 3 values"
    assert axes.get_legend() is None
    axes = picture(averaged(data, against="seed", at={"h": "0.5"})).axes[0]
    assert axes.get_title(loc="right") == "L = 8, h = 0.5"


def test_names_and_many_levels_are_not_joined_by_lines():
    data = xr.Dataset({"x": ("name", [1.0, 2.0]), "E": ("level", np.ones(60)), "y": ("t", np.ones(60))})
    data = data.assign_coords(name=["a", "b"], level=range(60), t=np.linspace(0, 1, 60))
    styles = [picture(averaged(data, each)).axes[0].containers[0].lines[0].get_linestyle() for each in ("x", "E", "y")]
    assert styles == ["None", "None", "-"]


def test_any_axis_can_be_averaged_over_or_be_the_only_one(partly):
    over_h = averaged(results(partly)[0], "gap", against="seed", over="h")
    assert over_h["count"].values.tolist() == [3, 2, 3, 3, 2]
    alone = averaged(results(partly)[0].sel(h=1.0), "gap")
    np.testing.assert_array_equal(alone["mean"], direct(1.0))
    assert alone["mean"].dims == ("seed",)
    assert alone.attrs["over"] == ""


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_show_writes_a_picture(partly, tmp_path, suffix):
    out = tmp_path / f"gap.{suffix}"
    assert mpsnh("show", partly, "--variable", "gap", "--against", "h", "--log", "--out", out).splitlines()[-1] == str(
        out
    )
    assert out.read_bytes()[:4] in (b"\x89PNG", b"%PDF")


def test_show_has_sensible_defaults_and_reads_netcdf(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nh.sweep(quench, {"h": H, "seed": SEEDS[:2]}).to_netcdf("q.nc", engine="h5netcdf")
    assert mpsnh("show", "q.nc", "--at", "site=1") == "sz.png\n"
    assert (tmp_path / "sz.png").stat().st_size > 1000


def test_show_draws_maps_and_levels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nh.sweep(quench, {"h": H[:1], "seed": SEEDS[:2]}).to_netcdf("q.nc", engine="h5netcdf")
    assert mpsnh("show", "q.nc", "--map", "--at", f"h={H[0]}", "--variable", "sz") == "sz.png\n"
    assert (tmp_path / "sz.png").stat().st_size > 1000
    assert "number of dimensions = 3, but it must be 2" in mpsnh("show", "q.nc", "--map", code=2)
    xr.Dataset({"E": ("level", [1 + 1j, 2.0])}).to_netcdf("e.nc", engine="h5netcdf")
    assert mpsnh("show", "e.nc", "--map", "--out", "plane.pdf") == "plane.pdf\n"


# ------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("command", ["status", "show", "retry"])
def test_a_place_without_a_store_is_refused(command, tmp_path):
    assert "is no store of a sweep: there is nothing" in mpsnh(command, tmp_path / "none.zarr", code=2)
    assert "is no store of a sweep: it has no grid" in mpsnh(command, tmp_path, code=2)
    assert "Protocol not known" in mpsnh(command, "nowhere://data.zarr", code=2)
    (tmp_path / "file").write_text("text")
    assert " store of a sweep" in mpsnh(command, tmp_path / "file", code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--variable", "gape"], "'gape' is no variable to draw; there are: certified, attempts, gap, E"),
        (["--against", "L"], "'L' is no axis of gap; there are: h, seed"),
        (["--over", "L"], "'L' is no axis of gap; there are: h, seed"),
        (["--over", "h", "--against", "h"], "h can't be averaged over and drawn against"),
        (["--at", "h=7"], "'7' is no coordinate of h; there are: 2.0, 1.0, 3.0"),
        (["--at", "L=7"], "'L' is no axis of gap; there are: h, seed"),
        (["--at", "h"], "--at h, but it must be AXIS=VALUE"),
        (["--at", "h=3", "--at", "h=1"], "--at h=1, but h is chosen already: --at h=3"),
        (["--at", "h=3", "--at", "seed=4"], "no axis of gap is left to draw it against"),
        (["--out", "gap.nonsense"], "'nonsense' is not supported"),
    ],
)
def test_show_says_what_there_is(partly, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in mpsnh("show", partly, *options, code=2)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".locks"] == ["chains.zarr"]


def test_show_says_what_a_logarithmic_axis_can_not_show(tmp_path):
    place, out = tmp_path / "data.nc", tmp_path / "x.png"
    xr.Dataset({"x": ("h", [1.0, 0.0, -2.0, np.nan])}, {"h": [1, 2, 3, 4]}).to_netcdf(place, engine="h5netcdf")
    said = mpsnh("show", place, "--log", "--out", out)
    assert said.splitlines()[0] == "2 of 4 means are zero or negative, which a logarithmic axis can't show"
    assert "means" not in mpsnh("show", place, "--out", out)


def test_show_knows_times_by_their_decimals(tmp_path):
    data = xr.Dataset({"x": (("time", "h"), np.ones((2, 2)))}, {"time": [0.0, 0.1 + 0.2], "h": [1.0, 2.0]})
    data.to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    mpsnh("show", tmp_path / "data.nc", "--at", "time=0.3", "--out", tmp_path / "x.png")


def test_ctrl_c_ends_a_command_with_what_it_was_at(tmp_path, monkeypatch):
    for words, said in ((("stopped by Ctrl-C: 3 of 4 points are kept",), "3 of 4 points are kept"), ((), "by Ctrl-C")):
        monkeypatch.setattr(
            "mpsnh.run.reading.opened", lambda _, words=words: (_ for _ in ()).throw(KeyboardInterrupt(*words))
        )
        assert mpsnh("status", tmp_path, code=130).strip().endswith(said)


@pytest.mark.parametrize("words", [["redraw", "ha2023", "."], ["reproduce", "ha2023"]])
def test_pictures_go_to_a_folder(words, tmp_path):
    (tmp_path / "file").write_text("text")
    said = mpsnh(*words, "--out", tmp_path / "file", code=2)
    assert "is a file" in " ".join(said.replace("│", "").split())


def test_nothing_done_is_nothing_to_draw(tmp_path):
    Store(tmp_path / "s.zarr").create(Form.of({"x": ((), 1.0, {})}), Grid({"h": [1, 2], "seed": [0, 1]}, (1, 1)), {})
    for more in ([], ["--map"]):
        assert "x is there to draw: nothing is finished yet" in mpsnh("show", tmp_path / "s.zarr", *more, code=2)
    xr.Dataset({"name": "a text"}).to_netcdf(tmp_path / "text.nc", engine="h5netcdf")
    assert "no variable with numbers along an axis" in mpsnh("show", tmp_path / "text.nc", code=2)


# ------------------------------------------------------------------------------------------------------ scheduler

REPRODUCE = ["reproduce", "brighi2025", "--only", "fig1b", "--scheduler"]


def test_a_missing_dask_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "distributed", None)
    said = mpsnh(*REPRODUCE, "tcp://127.0.0.1:8786", "--out", tmp_path, code=2)
    assert 'this needs distributed, which is not installed: pip install "mpsnh[dask]"' in said


def test_a_scheduler_that_is_none_is_refused(tmp_path):
    pytest.importorskip("distributed")
    said = mpsnh(*REPRODUCE, "nonsense", "--out", tmp_path, code=2)
    assert "no dask scheduler answers at nonsense" in said
    assert pytest.importorskip("dask.config").get("scheduler", None) is None, "no default of others"
    said = mpsnh(*REPRODUCE, "tls://127.0.0.1:1", "--out", tmp_path, code=2)
    assert "TLS" in said
