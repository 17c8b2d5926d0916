"""Snapshots: a state at one time, with its norm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.capability import Capability
from mpsnh.base.records import Record
from mpsnh.states.state import MatrixProduct, Mixed, Pure, State

NEVER = 1e300
"""A time that no run reaches; finite, because results that are not finite count as failed."""

STATE, CARRY, CARRY_0_1 = "state.", "carry.", "memory."
"""How the names of arrays of a checkpoint begin; the last one is what version 0.1.0 wrote for the second."""


@dataclass(frozen=True)
class Snapshot(Record):
    """A state at one time of an evolution.

    Attributes
    ----------
    time : float
        Time in units of the inverse energy, or periods of a Floquet model.
    state : State
        The state, normalised.
    log_norm : float or None
        Natural logarithm of the norm of the un-normalised state, relative to the initial one, if it is known.
    carry : mapping of str to ndarray
        What else the algorithm must know for the same result as that of an uninterrupted run.

    Examples
    --------
    >>> snapshot = Snapshot(time=0.0, state=nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]))
    >>> [str(each) for each in snapshot.holds]
    ['a pure state']
    """

    axis: ClassVar[str | None] = "time"
    time: float
    state: State
    log_norm: float | None = None
    carry: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    _NUMBERS: ClassVar[tuple[str, ...]] = ("time", "log_norm")

    @property
    @override
    def holds(self) -> frozenset[Capability]:
        pure, known = isinstance(self.state, Pure), self.log_norm is not None
        mixed = isinstance(self.state, Mixed) and isinstance(self.state, MatrixProduct)
        return frozenset([Capability.PURE_STATE] * pure + [Capability.DENSITY_MPS] * mixed + [Capability.NORM] * known)

    @override
    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        numbers = {name: getattr(self, name) for name in self._NUMBERS}
        yield from ((name, np.array(number)) for name, number in numbers.items() if number is not None)
        yield from ((f"{CARRY}{name}", array) for name, array in self.carry.items())
        yield from ((f"{STATE}{name}", array) for name, array in self.state.to_arrays())

    @override
    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        state, carry, carry_0_1 = (
            {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
            for prefix in (STATE, CARRY, CARRY_0_1)
        )
        numbers: dict[str, Any] = {name: float(arrays[name]) for name in self._NUMBERS if name in arrays}
        return replace(self, state=self.state.with_arrays(state), carry=carry or carry_0_1, **numbers)


@dataclass(frozen=True)
class ExactSnapshot(Snapshot):
    """A snapshot of an evolution that only rounding leads astray.

    Attributes
    ----------
    error : float
        Estimated distance of the state from the right one, both normalised; 2 if nothing is known of it.
    log_norm_error : float
        Estimated error of `log_norm`.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=4, gamma=0.3)
    >>> *_, last = algorithms.ExactEvolution(dt=1.0, t_max=2.0).records(chain)
    >>> 0 < last.error < 1e-12
    True
    """

    error: float = 0.0
    log_norm_error: float = 0.0

    _NUMBERS: ClassVar[tuple[str, ...]] = (*Snapshot._NUMBERS, "error", "log_norm_error")


@dataclass(frozen=True)
class MixedSnapshot(Snapshot):
    """A snapshot of an evolution of density matrices that only rounding leads astray.

    Attributes
    ----------
    error : float
        Estimated trace norm of the difference from the right density matrix, both of trace 1: no expectation value is
        farther from the right one than this times the largest singular value of its operator; at most 2.
    trace_deviation : float
        Deviation of the trace from 1 before it is divided by; rounding, if all is well.

    Examples
    --------
    >>> *_, last = algorithms.OpenSystem(dt=1.0, t_max=2.0).records(models.OpenXXZ(L=3))
    >>> 0 < last.error < 1e-12, abs(last.trace_deviation) < 1e-12
    (True, True)
    """

    error: float = 0.0
    trace_deviation: float = 0.0

    _NUMBERS: ClassVar[tuple[str, ...]] = (*Snapshot._NUMBERS, "error", "trace_deviation")


@dataclass(frozen=True)
class TruncatedSnapshot(Snapshot):
    """A snapshot of an evolution that truncates matrix-product states.

    Attributes
    ----------
    discarded : float
        Discarded weight (relative squared norm) summed over all truncations so far.
    discarded_step : float
        Discarded weight of a time step, on average since the snapshot before.
    noise : float
        Estimated relative error of local values from rounding and truncation, amplified since by gates that are not
        unitary; see `mpsnh.algorithms.NHTEBD`.
    trust_time : float
        When this estimate passes, or passed, the one that the algorithm was given as tolerable; 1e300 if never.
    trotter : float
        Estimated error of local values by steps of finite length.

    Examples
    --------
    >>> TruncatedSnapshot(time=0.0, state=nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"])).max_bond
    1.0
    """

    discarded: float = 0.0
    discarded_step: float = 0.0
    noise: float = 0.0
    trust_time: float = NEVER
    trotter: float = 0.0

    _NUMBERS: ClassVar[tuple[str, ...]] = (
        *Snapshot._NUMBERS,
        "discarded",
        "discarded_step",
        "noise",
        "trust_time",
        "trotter",
    )

    @property
    def max_bond(self) -> float:
        """The largest bond dimension of the state."""
        assert isinstance(self.state, MatrixProduct)
        return float(self.state.max_bond())
