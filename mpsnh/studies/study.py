"""What the studies of papers share: sweeps kept in one folder, and figures with the numbers they show."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import xarray as xr
from rich.console import Console

from mpsnh.run.simulation import Simulation
from mpsnh.run.sweep import sweep
from mpsnh.value import Value

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


def draw(
    study: StudyType, figures: Mapping[str, Callable[[StudyType, Axes], xr.Dataset]], only: Sequence[str] = ()
) -> list[Path]:
    """Draw figures of a study and write each as netCDF, PNG and PDF.

    Parameters
    ----------
    study : PaperStudy
        The study.
    figures : mapping of str to callable
        Its figures by name: functions that draw into axes and return the numbers that are seen.
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
    >>> draw(Study("quick", Path("out")), {"fig1": lambda study, axes: xr.Dataset()}, ["fig9"])
    Traceback (most recent call last):
    ValueError: figure 'fig9' is unknown; there are: fig1
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from mpsnh.plots import STYLE

    for name in only:
        if name not in figures:
            raise ValueError(f"figure {name!r} is unknown; there are: {', '.join(figures)}")
    written = []
    for name in only or figures:
        with mpl.rc_context(STYLE):
            figure = Figure(figsize=(3.6, 2.9), layout="constrained")
            data = figures[name](study, figure.subplots())
            save(data.assign_attrs(study=study.identity), study.out / f"{name}.nc")
            written.append(study.out / f"{name}.nc")
            for suffix, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
                written.append(study.out / f"{name}.{suffix}")
                figure.savefig(written[-1], metadata=metadata)
                figure.set_layout_engine("none")  # what has been arranged once stays where it is
    return written


def save(data: xr.Dataset, path: Path) -> None:
    """Write a dataset as netCDF, all or nothing.

    Parameters
    ----------
    data : Dataset
        What to write.
    path : Path
        Where; the folder is made if needed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(xr.Dataset({"x": 1.0}), Path(folder) / "new" / "x.nc")
    ...     [path.name for path in (Path(folder) / "new").iterdir()]
    ['x.nc']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    data.to_netcdf(part, engine="h5netcdf")
    os.replace(part, path)
