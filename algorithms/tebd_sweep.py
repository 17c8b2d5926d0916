"""What an evolution of matrix-product states carries from step to step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.model import Model
from mpsnh.base.snapshot import NEVER, Snapshot
from mpsnh.checks import warn
from mpsnh.operators.steps import Steps
from mpsnh.states.doubled import DoubledSteps
from mpsnh.states.mps import MPS
from mpsnh.states.protocol import Workspace
from mpsnh.states.shadow import Shadow
from mpsnh.states.symmetric import SymmetricMPS, from_blocks

LEFT_OUT = "left_out"
"""Name of the logarithm of the largest amplitude, relative to the norm, that a state may have in other charges."""


SHADOW = "shadow."
"""How the names of what a shadow carries begin."""


DOUBLED = "doubled."
"""The same of the run with doubled steps."""


@dataclass
class Sweep:
    """A state that gates change in place, and what is known of its errors.

    Examples
    --------
    >>> sweep = algorithms.NHTEBD(dt=0.1, t_max=1.0).init(models.NonHermitianXXZ(L=4), None)
    >>> sweep.discarded, sweep.workspace.bond_dimensions()
    (0.0, [1, 1, 1, 1, 1])
    """

    model: Model
    plan: Steps
    workspace: Workspace
    shadow: Shadow | None = None
    doubled: DoubledSteps | None = None
    discarded: float = 0.0
    discarded_step: float = 0.0
    noise: float = 0.0
    trust_time: float = NEVER
    trotter: float = 0.0
    left_out: float = -math.inf

    def carry(self) -> dict[str, NDArray[Any]]:
        """Return what a run must know to go on, besides the state."""
        known = self.workspace.carry()
        for prefix, run in ((SHADOW, self.shadow), (DOUBLED, self.doubled)):
            if run is not None:
                known |= {prefix + name: array for name, array in run.carry().items()}
        return known if math.isinf(self.left_out) else known | {LEFT_OUT: np.array(self.left_out)}


def trusted(name: str, since: float, noise: float, tolerance: float, now: tuple[float, float]) -> float:
    """Return the last record whose error is below the tolerance, `NEVER` while it is, and warn once.

    Parameters
    ----------
    name : str
        The algorithm.
    since : float
        What was returned for the record before.
    noise : float
        The estimate of the error by truncation.
    tolerance : float
        What is tolerable.
    now : (float, float)
        Times of the record before and of this one.

    Examples
    --------
    >>> trusted("NHTEBD", NEVER, 0.001, 0.01, (1.0, 2.0)) == NEVER, trusted("NHTEBD", 1.0, 0.1, 0.01, (4.0, 5.0))
    (True, 1.0)
    """
    if noise <= tolerance or since != NEVER:
        return since
    warn(
        f"{name}: truncation may have changed local values by {_above(noise, tolerance)}, "
        f"above tolerance = {tolerance:g}, at t = {now[1]:g}; use a larger max_bond, a smaller cutoff or a "
        "shorter time",
        RuntimeWarning,
    )
    return now[0]


def _above(value: float, bound: float) -> str:
    """Return a number with as many digits as show that it is larger than a bound, at least two."""
    texts = (f"{value:.{digits}g}" for digits in range(2, 18))
    return next((text for text in texts if float(text) > bound), f"{value:g}")


def carried(after: Snapshot, prefix: str) -> dict[str, NDArray[Any]]:
    """Return what a run that stands beside another one left in its snapshot.

    Parameters
    ----------
    after : Snapshot
        Of the run.
    prefix : str
        How the names of what the other one carries begin.

    Examples
    --------
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"])
    >>> carried(nh.Snapshot(0.0, state, carry={"shadow.age": np.zeros(1), "age": np.ones(1)}), SHADOW)
    {'age': array([0.])}
    """
    return {name.removeprefix(prefix): array for name, array in after.carry.items() if name.startswith(prefix)}


def left_out(state: MPS, model: Model) -> dict[str, NDArray[Any]]:
    """Return the amplitude that a state by charge leaves out, unless the model says that there is one charge only.

    Parameters
    ----------
    state : MPS
        The initial state.
    model : Model
        What is evolved.

    Examples
    --------
    >>> left_out(nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]), models.NonHermitianXXZ(L=2))
    {}
    """
    if model.charge is not None or not isinstance(state, SymmetricMPS) or state.left_out == 0:
        return {}
    return {LEFT_OUT: np.array(math.log(state.left_out))}


def visible(workspace: Workspace, model: Model) -> MPS:
    """Return the state of a workspace, without copying it.

    Parameters
    ----------
    workspace : Workspace
        Where it is.
    model : Model
        Of the same sites.

    Examples
    --------
    >>> neel = nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"])
    >>> visible(neel.workspace(), models.NonHermitianXXZ(L=2)).expect_each("Sz").real.tolist()
    [0.5, -0.5]
    """
    return from_blocks(workspace.view(), model.sites, (workspace.centre, workspace.centre + 1))
