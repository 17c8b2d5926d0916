"""What the studies of papers share: sweeps kept in one folder, numbers found in them, and their pictures."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

import xarray as xr

from mpsnh.extras import extra
from mpsnh.run.simulation import Simulation
from mpsnh.run.sweep import sweep
from mpsnh.value import Value

with extra("cli"):
    from rich.console import Console

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ScaleType = TypeVar("ScaleType", bound=Value)
StudyType = TypeVar("StudyType", bound="PaperStudy[Any]")


class PaperStudy(Generic[ScaleType]):
    """Base of the studies: the data behind the figures of a paper, kept in stores in `out`.

    Running a study again continues what was interrupted, and other seeds or sizes are added to what is there.
    A subclass names the paper and its scales, and computes what its figures need.

    Parameters
    ----------
    scale : str
        Name of one of its scales.
    out : Path
        Folder of the results.
    seed : int
        Number of the first realisation.
    executor : concurrent.futures.Executor, optional
        Where the realisations run.

    Raises
    ------
    ValueError
        If the scale is unknown.

    Examples
    --------
    >>> class Scale(Value):
    ...     L: int
    >>> class Study(PaperStudy[Scale]):
    ...     paper, scales = "nobody1999", {"quick": Scale(L=4)}
    >>> Study("quick", Path("out")).scale.L
    4
    """

    paper: ClassVar[str]
    scales: ClassVar[Mapping[str, Any]]

    def __init__(self, scale: str, out: Path, seed: int = 0, executor: Executor | None = None) -> None:
        if scale not in self.scales:
            raise ValueError(f"scale {scale!r} is unknown; there are: {', '.join(self.scales)}")
        self.scale: ScaleType = self.scales[scale]
        self.out, self.seed, self.executor = Path(out), seed, executor
        self.identity = json.dumps({"study": self.paper, "seed": seed, **self.scale.parameters()})

    def save(self, name: str, data: xr.Dataset) -> Path:
        """Write a dataset as netCDF, all or nothing, with what it is and where it comes from.

        Parameters
        ----------
        name : str
            What it is.
        data : Dataset
            What to write.

        Returns
        -------
        Path
            The file.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / f"{name}.nc"
        part = path.with_suffix(".part")
        data.assign_attrs(name=name, study=self.identity).to_netcdf(part, engine="h5netcdf")
        os.replace(part, path)
        return path

    def _seeds(self, count: int) -> range:
        return range(self.seed, self.seed + count)

    def _computed(
        self,
        name: str,
        make: Callable[..., Simulation[Any]],
        axes: dict[str, Sequence[Any]],
        on_error: Literal["record", "raise"] = "raise",
    ) -> xr.Dataset:
        sizes = " × ".join(f"{len(coordinates)} {axis}" for axis, coordinates in axes.items())
        Console(stderr=True).print(f"{name}: {sizes}")
        return sweep(make, axes, self.executor, store=self.out / f"{name}.zarr", on_error=on_error, progress=True)


class Figure(NamedTuple, Generic[StudyType]):
    """A figure of a study.

    Attributes
    ----------
    numbers : callable
        Finds in a study all numbers that are seen.
    draw : callable
        Draws these numbers into axes.

    Examples
    --------
    >>> figure = Figure(lambda study: xr.Dataset({"x": 1.0}), lambda data, axes: None)
    >>> float(figure.numbers(None)["x"])
    1.0
    """

    numbers: Callable[[StudyType], xr.Dataset]
    draw: Callable[[xr.Dataset, Axes], None]


def draw(study: StudyType, figures: Mapping[str, Figure[StudyType]], only: Sequence[str] = ()) -> list[Path]:
    """Find the numbers of figures, write them as netCDF, and draw these as PNG and PDF.

    Parameters
    ----------
    study : PaperStudy
        The study.
    figures : mapping of str to Figure
        Its figures by name.
    only : sequence of str
        Names of figures; all of them if empty.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ValueError
        If a figure is unknown.

    Examples
    --------
    >>> class Scale(Value):
    ...     L: int
    >>> class Study(PaperStudy[Scale]):
    ...     paper, scales = "nobody1999", {"quick": Scale(L=4)}
    >>> line = Figure(lambda study: xr.Dataset({"y": ("x", [1.0, 2.0])}), lambda data, axes: axes.plot(data["y"]))
    >>> draw(Study("quick", Path("out")), {"fig1": line}, ["fig9"])
    Traceback (most recent call last):
    ValueError: figure 'fig9' is unknown; there are: fig1
    """
    written = []
    for name in _chosen(figures, only):
        written.append(study.save(name, figures[name].numbers(study)))
        written += draw_again(study.paper, figures, study.out, study.out, [name])  # as anybody can
    return written


def draw_again(
    paper: str, figures: Mapping[str, Figure[Any]], folder: Path, out: Path, only: Sequence[str] = ()
) -> list[Path]:
    """Draw figures as PNG and PDF from the files of `draw`, and nothing else.

    Parameters
    ----------
    paper : str
        Name of the study.
    figures : mapping of str to Figure
        Its figures by name.
    folder : Path
        Where the files are.
    out : Path
        Folder for the pictures.
    only : sequence of str
        Names of figures; all of them if empty.

    Returns
    -------
    list of Path
        The pictures.

    Raises
    ------
    ValueError
        If a figure is unknown, or a file is missing or something else.

    Examples
    --------
    >>> line = Figure(lambda study: xr.Dataset({"y": ("x", [1.0, 2.0])}), lambda data, axes: axes.plot(data["y"]))
    >>> draw_again("nobody1999", {"fig1": line}, Path("nowhere"), Path("out"))
    Traceback (most recent call last):
    ValueError: nowhere holds no fig1.nc
    """
    with extra("plot"):
        from matplotlib import rc_context
        from matplotlib.figure import Figure as Canvas

    from mpsnh.plots import STYLE

    known = {name: load(paper, name, folder) for name in _chosen(figures, only)}
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, data in known.items():
        with rc_context(STYLE):
            canvas = Canvas(figsize=(3.6, 2.9), layout="constrained")
            figures[name].draw(data, canvas.subplots())
            for suffix, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
                written.append(out / f"{name}.{suffix}")
                canvas.savefig(written[-1], metadata=metadata)
                canvas.set_layout_engine("none")  # what has been arranged once stays where it is
    return written


def load(paper: str, name: str, folder: Path) -> xr.Dataset:
    """Read a dataset that a study has saved.

    Parameters
    ----------
    paper : str
        Name of the study.
    name : str
        What the dataset is.
    folder : Path
        Where its file is.

    Raises
    ------
    ValueError
        If it is missing or something else.

    Examples
    --------
    >>> load("nobody1999", "rates", Path("nowhere"))
    Traceback (most recent call last):
    ValueError: nowhere holds no rates.nc
    """
    path = folder / f"{name}.nc"
    if not path.is_file():
        raise ValueError(f"{folder} holds no {name}.nc")
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RuntimeError):
        data = xr.load_dataset(path, engine="h5netcdf")
        if (data.attrs["name"], json.loads(data.attrs["study"])["study"]) == (name, paper):
            return data
    raise ValueError(f"{path} is not {name} of {paper}, as `mpsnh reproduce {paper}` writes it")


def _chosen(figures: Mapping[str, Figure[Any]], only: Sequence[str]) -> Sequence[str]:
    for name in only:
        if name not in figures:
            raise ValueError(f"figure {name!r} is unknown; there are: {', '.join(figures)}")
    return list(only or figures)
