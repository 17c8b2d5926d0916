"""Whether all of a store is as it was written, and what computed it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpsnh.checks import printable
from mpsnh.run.regions import DONE, Regions
from mpsnh.run.store import Store


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes
    ----------
    faults : list of str
        What is damaged or gone, a sentence for each.
    points : dict
        How many points are done, failed and missing.
    origins : list of str
        What computed them, a sentence for each.

    Examples
    --------
    >>> Report([], {"done": 3, "failed": 0, "missing": 0}, []).faults
    []
    """

    faults: list[str]
    points: dict[str, int]
    origins: list[str]


def verify(store: Store) -> Report:
    """Read all of a store, and compare it with its checksums, its log and its seals.

    Parameters
    ----------
    store : Store
        Which may be in use; what is just being written is not called a fault.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> def ring(seed):
    ...     model = models.NonHermitianXXZ(L=4, seed=seed, boundary="periodic")
    ...     return nh.Simulation(model, algorithms.ExactDiag(), {"rate": observables.GrowthRate()})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     data = nh.sweep(ring, {"seed": range(2)}, store=f"{folder}/data.zarr")
    ...     verify(Store(f"{folder}/data.zarr")).points
    {'done': 2, 'failed': 0, 'missing': 0}
    """
    state = store.state
    faults = [f"{name} is not as the log says" for name in store.faults()]
    counted, points = Counter[int](), Counter[str]()
    names = {0: "missing", 1: "done", 2: "failed"}
    regions = Regions(store.place, state)
    for region in regions.written():
        try:
            status, seals, _ = regions.read(region)
        except OSError as error:
            faults.append(printable(str(error)))
            continue
        if fault := regions.fault(region):
            faults.append(fault)
        points.update(
            {names[int(kind)]: int(n) for kind, n in zip(*np.unique(status, return_counts=True), strict=True)}
        )
        numbers, counts = np.unique(seals["origin"][status == DONE], return_counts=True)
        counted.update(dict(zip(map(int, numbers), map(int, counts), strict=True)))
    points["missing"] = state.grid.size - points["done"] - points["failed"]
    origins = [f"{count} points {_described(state.origins.get(number))}" for number, count in counted.items()]
    return Report(faults, {name: points[name] for name in ("done", "failed", "missing")}, origins)


def _described(origin: dict[str, Any] | None) -> str:
    if origin is None:
        return "by a version that kept no record of what computed them"
    versions = ", ".join(f"{name} {number}" for name, number in dict(origin.get("versions", {})).items())
    return printable(f"by {versions}{''.join(_kernels(origin))}")


def _kernels(origin: dict[str, Any]) -> Iterator[str]:
    for library in origin.get("blas", []):
        yield f"; {library.get('library')} for {library.get('kernel')}"
