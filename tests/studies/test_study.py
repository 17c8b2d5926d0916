"""What studies share: numbers that are written, and pictures that are drawn from what was written and nothing else."""

import shutil

import numpy as np
import pytest
import xarray as xr

from mpsnh.studies.study import Figure, PaperStudy, draw, draw_again, load
from mpsnh.value import Value


class Scale(Value):
    L: int


class Study(PaperStudy[Scale]):
    paper, scales = "nobody1999", {"quick": Scale(L=4)}


def numbers(study):
    times = xr.DataArray(np.linspace(0, 1, 7) / 3, dims="time")
    return xr.Dataset({"y": np.exp(times), "found": True, "of": "all"}, {"time": times})


def line(data, axes):
    axes.plot(data["time"], data["y"], label=data["of"].item())
    axes.legend()


FIGURES = {"first": Figure(numbers, line), "second": Figure(numbers, line)}


@pytest.fixture
def drawn(tmp_path):
    study = Study("quick", tmp_path / "study")
    draw(study, FIGURES)
    return study.out


def test_numbers_are_written_as_they_are_with_where_they_come_from(drawn):
    data = load("nobody1999", "first", drawn)
    xr.testing.assert_equal(data, numbers(None))
    assert data.attrs == {"name": "first", "study": Study("quick", drawn).identity}


def test_drawing_again_gives_the_same_bytes_and_needs_the_numbers_only(drawn, tmp_path):
    for path in drawn.glob("*.nc"):
        path.rename(tmp_path / path.name)
    never = {name: figure._replace(numbers=None) for name, figure in FIGURES.items()}
    written = draw_again("nobody1999", never, tmp_path, tmp_path / "again")
    assert [path.name for path in written] == ["first.png", "first.pdf", "second.png", "second.pdf"]
    assert all(path.read_bytes() == (drawn / path.name).read_bytes() for path in written)


class Elsewhere(Study):
    paper = "somebody2000"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), r"study holds no second\.nc"),
        (lambda path: path.write_bytes(b"something"), r"second\.nc is not second of nobody1999, as `mpsnh reproduce"),
        (lambda path: shutil.copy(path.with_stem("first"), path), r"second\.nc is not second of nobody1999"),
        (lambda path: numbers(None).to_netcdf(path, engine="h5netcdf"), r"second\.nc is not second of nobody1999"),
        (lambda path: Elsewhere("quick", path.parent).save("second", numbers(None)), r"is not second of nobody1999"),
    ],
)
def test_what_is_missing_or_foreign_is_refused_before_anything_is_drawn(spoil, message, drawn, tmp_path):
    spoil(drawn / "second.nc")
    with pytest.raises(ValueError, match=message):
        draw_again("nobody1999", FIGURES, drawn, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_figures_that_there_are_not_are_named(drawn, tmp_path):
    with pytest.raises(ValueError, match="figure 'third' is unknown; there are: first, second"):
        draw_again("nobody1999", FIGURES, drawn, tmp_path, ["third"])
