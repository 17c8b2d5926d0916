"""What a study left in its folder, as the tests of studies read it, and studies that draw nothing."""

import contextlib
import io
import shutil

import pytest
import xarray as xr
from matplotlib.figure import Figure
from typer.testing import CliRunner

from mpsnh.cli import app
from mpsnh.run.store import Store


@pytest.fixture
def undrawn(monkeypatch):
    """No picture is drawn, which takes longer than all numbers of a study."""
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **options: path.touch())


def load(folder, name):
    """Return the dataset of a figure or a table."""
    return xr.load_dataset(folder / f"{name}.nc", engine="h5netcdf")


def raw(folder, name):
    """Return all that a store holds."""
    store = Store(folder / f"{name}.zarr")
    return store.load(store.grid())


def reproduced(paper, scale, out):
    """Run a study, keep what it prints in its folder, and return this and the files of the figures."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        written = paper.reproduce(scale, out=out)
    (out / "printed").write_text(printed.getvalue(), encoding="utf-8")
    return out, written


def check_redrawn(paper, out, written, folder):
    """Check that pictures and tables come again from the netCDF files alone, and return the tables."""
    for path in out.glob("*.nc"):
        shutil.copy(path, folder)
    done = CliRunner().invoke(app, ["redraw", paper, str(folder), "--out", str(folder / "again")])
    assert done.exit_code == 0, done.output
    pictures = [path for path in written if path.suffix != ".nc"]
    for path in pictures:
        assert (folder / "again" / path.name).read_bytes() == path.read_bytes(), path.name
    said = "".join(f"{folder / 'again' / path.name}\n" for path in pictures)
    assert done.stdout == (out / "printed").read_text(encoding="utf-8") + said
    return done.stdout
