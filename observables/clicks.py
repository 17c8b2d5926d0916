"""The clicks of trajectories."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.clicks import ClickSnapshot
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.checks import require

NONE = -1
"""What fills tables of clicks behind the last one; no time and no number of a jump is negative."""


class _Table(Observable[ClickSnapshot]):
    """A table with a place for each click so far, and -1 in those that are left.

    Parameters
    ----------
    most : int
        Number of places, at least 1; a trajectory with more clicks fails.

    Raises
    ------
    ValueError
        If there are more clicks.
    """

    measures = ClickSnapshot
    dims = ("click",)
    most: int = 100

    @override
    def validate(self) -> None:
        require(self.most >= 1, "most", self.most, "at least 1")

    def _padded(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        require(len(values) <= self.most, "most", self.most, f"at least {len(values)}, as there were so many clicks")
        return np.concatenate([values, np.full(self.most - len(values), NONE, dtype=values.dtype)])


class ClickTimes(_Table):
    """The times of all clicks so far, and -1 behind the last one.

    Parameters
    ----------
    most : int
        Number of places of the table, at least 1; a trajectory with more clicks fails.

    Raises
    ------
    ValueError
        If there are more clicks.

    Examples
    --------
    >>> way = algorithms.Trajectories(inner=algorithms.ExactEvolution(dt=2.0, t_max=2.0), seed=1)
    >>> data = nh.Simulation(models.OpenXXZ(L=4, gamma=0.5), way, {"times": ClickTimes(most=3)}).run()
    >>> data["times"].values.round(2).tolist()
    [[-1.0, -1.0, -1.0], [0.24, -1.0, -1.0]]
    """

    long_name = "times of clicks"

    @override
    def __call__(self, record: ClickSnapshot, model: Model) -> NDArray[np.generic]:
        """Return them in increasing order."""
        return self._padded(record.times)


class ClickNumbers(_Table):
    """Which jump each click so far was, by its number in `OpenModel.jumps`, and -1 behind the last one.

    Parameters
    ----------
    most : int
        Number of places of the table, at least 1; a trajectory with more clicks fails.

    Raises
    ------
    ValueError
        If there are more clicks.

    Examples
    --------
    >>> way = algorithms.Trajectories(inner=algorithms.ExactEvolution(dt=2.0, t_max=2.0), seed=1)
    >>> data = nh.Simulation(models.OpenXXZ(L=4, gamma=0.5), way, {"which": ClickNumbers(most=3)}).run()
    >>> data["which"].values.tolist()
    [[-1, -1, -1], [1, -1, -1]]
    """

    long_name = "numbers of the jumps of clicks"

    @override
    def __call__(self, record: ClickSnapshot, model: Model) -> NDArray[np.generic]:
        """Return them in order of time."""
        return self._padded(record.which)
