"""Snapshots: a state at one time, with its norm and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mpsnh.base.records import Diagnostic, Record
from mpsnh.states.mps import MPS
from mpsnh.states.state import State

NEVER = 1e300
"""A time that no run reaches; finite, because results that are not finite count as failed."""


@dataclass(frozen=True)
class Snapshot(Record):
    """A state at one time of an evolution.

    Attributes
    ----------
    time : float
        Time in units of the inverse energy, or periods of a Floquet model.
    state : State
        The state, normalised.
    log_norm : float
        Natural logarithm of the norm of the un-normalised state, relative to the initial one.
    discarded : float
        Discarded weight (relative squared norm) summed over all truncations so far.
    discarded_step : float
        Discarded weight of a time step, on average since the snapshot before.
    noise : float
        Estimated relative error of local values from rounding and truncation, amplified since by gates that are not
        unitary; see `mpsnh.algorithms.NHTEBD`.
    trust_time : float
        When this estimate passes, or passed, the one that the algorithm was given as tolerable; 1e300 if never.
    memory : mapping of str to ndarray
        What else the algorithm must know for the same result as that of an uninterrupted run.

    Examples
    --------
    >>> Snapshot(time=0.0, state=nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"])).log_norm
    0.0
    """

    axis: ClassVar[str | None] = "time"
    diagnostics: ClassVar[Mapping[str, Diagnostic]] = {
        "log_norm": Diagnostic("log_norm", "logarithm of the norm of the un-normalised state"),
        "discarded_weight": Diagnostic("discarded", "discarded weight summed over all truncations"),
        "discarded_step": Diagnostic("discarded_step", "discarded weight of a time step"),
        "max_bond": Diagnostic("max_bond", "largest bond dimension"),
        "noise": Diagnostic("noise", "estimated relative error by amplified noise"),
        "trust_time": Diagnostic("trust_time", "time to which the noise is estimated to be tolerable"),
    }
    time: float
    state: State
    log_norm: float = 0.0
    discarded: float = 0.0
    discarded_step: float = 0.0
    noise: float = 0.0
    trust_time: float = NEVER
    memory: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    _NUMBERS: ClassVar[tuple[str, ...]] = ("time", "log_norm", "discarded", "discarded_step", "noise", "trust_time")

    @property
    def max_bond(self) -> float:
        """The largest bond dimension of the state; 1 if it is no matrix-product state."""
        return float(self.state.max_bond()) if isinstance(self.state, MPS) else 1.0

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the record as arrays by name, for a checkpoint."""
        yield from ((name, np.array(getattr(self, name))) for name in self._NUMBERS)
        yield from ((f"memory.{name}", array) for name, array in self.memory.items())
        yield from ((f"state.{name}", array) for name, array in self.state.arrays())

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return a snapshot from the arrays of another one with the same kind of state."""
        state, memory = (
            {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
            for prefix in ("state.", "memory.")
        )
        numbers = {name: float(arrays[name]) for name in self._NUMBERS}
        return replace(self, state=self.state.with_arrays(state), memory=memory, **numbers)
