"""A run that is killed, interrupted or out of disk goes on from its checkpoint with the same bits."""

import contextlib
import io
import os
import pickle
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import mpsnh as nh
from mpsnh import algorithms, models, observables
from tests.support.checkpointed import METHODS, simulation
from tests.support.comparison import assert_same_bits

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "support" / "checkpointed.py"
every_method = pytest.mark.parametrize("method", METHODS)


def started(method, place, out, pause):
    command = [sys.executable, str(SCRIPT), method, str(place), str(out), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def records_seen(process, count):
    """Wait until a run has measured so many records; return the last time."""
    return [process.stdout.readline().strip() for _ in range(count)][-1]


def times_in(place):
    with np.load(place) as arrays:
        return arrays["labels"].tolist()


# ------------------------------------------------------------------------------------------- killed and interrupted


@pytest.mark.parametrize(("method", "kills"), [pytest.param("nhtebd", 5, marks=pytest.mark.long), ("exact", 3)])
def test_kills_lose_nothing_that_was_written(method, kills, tmp_path):
    place, out, rng = tmp_path / "run.npz", tmp_path / "out.nc", random.Random(method)
    begun = []
    for _ in range(kills):
        with started(method, place, out, 0.02) as process:
            begun.append(float(records_seen(process, 1)))
            records_seen(process, 1)  # the record before is written now
            time.sleep(rng.uniform(0, 0.04))
            process.kill()
        # the checkpoint, or the moment between two of them
        kept = times_in(place if place.exists() else f"{place}.previous")
        assert kept[-1] >= begun[-1]
    assert begun == sorted(set(begun)), "each run begins later than the one before"
    with started(method, place, out, 0.0) as process:
        assert process.wait(120) == 0, process.stderr.read()
    with xr.open_dataset(out, engine="h5netcdf") as data:
        assert_same_bits(data.load().drop_encoding(), simulation(method).run())


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, -signal.SIGINT)])
def test_a_signal_writes_the_last_record(sent, code, tmp_path):
    """The interval is far away, so that only the signal makes the run write."""
    script = SCRIPT.read_text().replace("checkpoint_every=0.0", "checkpoint_every=1e6")
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, str(tmp_path / "script.py"), "nhtebd", str(tmp_path / "run.npz"), "-", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        seen = float(records_seen(process, 4))
        assert not (tmp_path / "run.npz").exists()
        process.send_signal(sent)
        process.wait(60)
    assert process.returncode == code
    assert times_in(tmp_path / "run.npz")[-1] == pytest.approx(seen - 0.1)
    assert_same_bits(simulation().run(checkpoint=tmp_path / "run.npz"), simulation().run())


@every_method
def test_an_observable_that_fails_keeps_what_was_measured(method, tmp_path):
    class Fails(observables.Magnetization):
        def __call__(self, record, model):
            if record.time > 1:
                raise ArithmeticError("no luck")
            return super().__call__(record, model)

    complete = simulation(method)
    failing = nh.Simulation(complete.model, complete.algorithm, {"sz": Fails()})
    with pytest.raises(ArithmeticError, match="no luck"):
        failing.run(checkpoint=tmp_path / "run.npz", checkpoint_every=1e6)
    assert times_in(tmp_path / "run.npz")[-1] == pytest.approx(1.0)


def test_sigterm_is_left_to_whoever_handles_it(tmp_path):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        simulation(t_max=0.1).run(checkpoint=tmp_path / "run.npz")
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    simulation(t_max=0.1).run(checkpoint=tmp_path / "other.npz")
    assert signal.getsignal(signal.SIGTERM) is before


# ------------------------------------------------------------------------------------------------ finished, extended


@every_method
@pytest.mark.parametrize("first", [1.0, 1.05])
def test_a_finished_run_can_be_extended(method, first, tmp_path):
    """The end of the first run is on a record of the second one, or is one more."""
    simulation(method, t_max=first).run(checkpoint=tmp_path / "run.npz")
    extended = simulation(method, t_max=2.0).run(checkpoint=tmp_path / "run.npz")
    whole = simulation(method, t_max=2.0).run()
    if first == 1.0:
        assert_same_bits(extended, whole)
    else:
        assert extended.sizes["time"] == whole.sizes["time"] + 1
        assert abs(extended["sz"].sel(time=whole["time"]) - whole["sz"]).max() < 1e-3


def test_a_finished_run_is_not_run_again(tmp_path, monkeypatch):
    place = tmp_path / "run.npz"
    first, written = simulation().run(checkpoint=place), place.stat().st_mtime_ns
    monkeypatch.setattr(algorithms.NHTEBD, "advance", lambda *_: pytest.fail("a step was made"))
    assert_same_bits(simulation().run(checkpoint=place), first)
    assert place.stat().st_mtime_ns == written


def test_a_checkpoint_at_a_url_goes_on(tmp_path):
    url = "memory://runs/chain.npz"
    simulation(t_max=1.0).run(checkpoint=url)
    assert_same_bits(simulation(t_max=2.0).run(checkpoint=url), simulation(t_max=2.0).run())


# ----------------------------------------------------------------------------------------- foreign, damaged, hostile


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (lambda: simulation(h=2.0), "model.h is 1.0 there and 2.0 here"),
        (lambda: simulation(seed=5), "model.seed is 4 there and 5 here"),
        (lambda: simulation("exact"), "algorithm.type is 'mpsnh.algorithms.NHTEBD' there"),
        (
            lambda: simulation(t_max=0.5),
            "has reached time = 3, past t_max = 0.5; ask for a later end, or for another file",
        ),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_kept(other, named, tmp_path):
    place = tmp_path / "run.npz"
    simulation().run(checkpoint=place)
    content = place.read_bytes()
    with pytest.raises((ValueError, TypeError)) as refusal:
        other().run(checkpoint=place)
    assert named in str(refusal.value)
    assert place.read_bytes() == content


def two_generations(place):
    simulation(t_max=1.0).run(checkpoint=place)
    simulation(t_max=2.0).run(checkpoint=place)
    assert Path(f"{place}.previous").exists()


def truncated(content):
    return content[: len(content) // 2]


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


def pickled(content):
    """An array of objects, which runs code if it is loaded carelessly."""
    file, archive = io.BytesIO(), io.BytesIO()
    np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(archive, "w") as new:
        for member in old.namelist():
            new.writestr(member, file.getvalue() if member == "row.sz.npy" else old.read(member))
    return archive.getvalue()


def compressed(content):
    archive = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            new.writestr(member, old.read(member))
    return archive.getvalue()


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


DAMAGES = [truncated, flipped, pickled, compressed, lambda _: b"", lambda _: pickle.dumps(Bomb())]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(damage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "run.npz"
    two_generations(place)
    place.write_bytes(damage(place.read_bytes()))
    with pytest.warns(RuntimeWarning, match=r"run.npz' is damaged .*; the one before it is used"):
        data = simulation(t_max=2.0).run(checkpoint=place)
    assert_same_bits(data, simulation(t_max=2.0).run())
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_two_damaged_checkpoints_are_refused_and_kept(damage, tmp_path):
    place = tmp_path / "run.npz"
    two_generations(place)
    content = damage(place.read_bytes())
    place.write_bytes(content)
    Path(f"{place}.previous").write_bytes(content)
    with pytest.raises(ValueError, match=r"run.npz' is damaged .*run.npz.previous' is damaged .*remove it to start"):
        simulation(t_max=2.0).run(checkpoint=place)
    assert place.read_bytes() == content


def test_a_state_that_does_not_fit_counts_as_damaged(tmp_path):
    place = tmp_path / "run.npz"
    simulation().run(checkpoint=place)
    with np.load(place) as arrays:
        changed = dict(arrays)
    changed["record.state.tensor3"] = changed["record.state.tensor3"] * np.nan
    np.savez(place, **changed)
    with pytest.raises(ValueError, match=r"damaged .*tensor 3 of the state has elements that are not finite"):
        simulation().run(checkpoint=place)


def test_nothing_is_written_through_a_link(tmp_path):
    canary, place = tmp_path / "canary", tmp_path / "run.npz"
    canary.write_text("alive")
    for ending in (".new", ".previous", ".lock"):
        Path(f"{place}{ending}").symlink_to(canary)
    with contextlib.suppress(OSError):  # the lock may refuse a link
        simulation(t_max=1.0).run(checkpoint=place)
    assert canary.read_text() == "alive"


# ------------------------------------------------------------------------------------------------------- other faults


def test_a_full_disk_is_a_warning_and_the_run_goes_on(tmp_path, monkeypatch):
    place = tmp_path / "run.npz"
    simulation(t_max=1.0).run(checkpoint=place)
    content = place.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.warns(RuntimeWarning, match=r"could not be written: .*No space") as said:
        data = simulation(t_max=2.0).run(checkpoint=place, checkpoint_every=0)
    assert len(said) == 1, "and not again with each record"
    assert_same_bits(data, simulation(t_max=2.0).run())
    assert place.read_bytes() == content
    assert not Path(f"{place}.new").exists()


def test_two_runs_do_not_share_a_checkpoint(tmp_path):
    with started("nhtebd", tmp_path / "run.npz", "-", 0.1) as process:
        records_seen(process, 2)
        with pytest.raises(RuntimeError, match=r"run.npz' is being written by another run"):
            simulation().run(checkpoint=tmp_path / "run.npz")
        process.kill()


def test_what_has_no_checkpoints_says_so(tmp_path):
    ring = models.NonHermitianXXZ(L=6, boundary="periodic")
    spectrum = nh.Simulation(ring, algorithms.ExactDiag(), {"gap": observables.SteadyStateGap()})
    with pytest.raises(TypeError, match="ExactDiag yields one Spectrum at once, so that there is nothing to continue"):
        spectrum.run(checkpoint=tmp_path / "run.npz")
    (_, second, *_) = simulation().algorithm.records(simulation().model)
    with pytest.raises(ValueError, match="leave out `after`"):
        simulation().run(after=second, checkpoint=tmp_path / "run.npz")
    with pytest.raises(ValueError, match="checkpoint_every = -1"):
        simulation().run(checkpoint=tmp_path / "run.npz", checkpoint_every=-1)
    for place in ("", True):
        with pytest.raises(ValueError, match=f"checkpoint = {place!r}, but it must be the name of a file"):
            simulation().run(checkpoint=place)
