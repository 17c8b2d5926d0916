"""Pure states of an open system that clicks: the records, and what an evolution must do to have some."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.open_model import OpenModel
from mpsnh.base.snapshot import Snapshot
from mpsnh.checks import require
from mpsnh.operators.sector import sector
from mpsnh.states.mps import MPS
from mpsnh.states.vector import ExactState

T = TypeVar("T")

GROWTH = 1e-6
"""Logarithm by which errors may make a norm grow that can only fall, in double precision."""


def plain_seeds(seed: Any) -> tuple[int, ...]:
    """Return the numbers that name a trajectory, as Python's own, or raise.

    Parameters
    ----------
    seed : int or tuple of int
        One number, or several.

    Raises
    ------
    ValueError
        If there is none, or one is no whole number or negative.

    Examples
    --------
    >>> plain_seeds(np.int64(3)), plain_seeds((1, 2))
    ((3,), (1, 2))
    """
    given = seed if isinstance(seed, tuple) else (seed,)
    plain = tuple(int(number) if isinstance(number, np.integer) else number for number in given)
    whole = all(isinstance(number, int) and not isinstance(number, bool) and number >= 0 for number in plain)
    require(whole and len(plain) > 0, "seed", seed, "a whole number that is not negative, or a tuple of them")
    return plain


@dataclass(frozen=True)
class ClickSnapshot(Snapshot):
    """A pure state of one trajectory, and all clicks so far.

    `log_norm` is that of the evolution since the last click, so that exp(2 log_norm) is the probability of none since.

    Attributes
    ----------
    times : ndarray of float, shape (n,)
        When jumps happened, in increasing order.
    which : ndarray of int, shape (n,)
        The numbers of their operators in `OpenModel.jumps`.
    error : float
        Estimated distance of an exact state from the right one with these clicks, both normalised; 2 if nothing is
        known of it, as of a matrix-product state.
    discarded : float
        Discarded weight (relative squared norm) summed over all truncations so far.
    trotter : float
        Estimated error of local values by steps of finite length, as if the clicks were right; 1 if nothing is known.

    Examples
    --------
    >>> snapshot = ClickSnapshot(time=0.0, state=nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"]))
    >>> snapshot.clicks, snapshot.max_bond
    (0, 1.0)
    """

    times: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    which: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    error: float = 2.0
    discarded: float = 0.0
    trotter: float = 0.0

    _NUMBERS: ClassVar[tuple[str, ...]] = (*Snapshot._NUMBERS, "error", "discarded", "trotter")

    @property
    def clicks(self) -> int:
        """How many jumps there were."""
        return len(self.times)

    @property
    def max_bond(self) -> float:
        """The largest bond dimension of the state; 1 for an exact one, which has no bonds."""
        return float(self.state.max_bond()) if isinstance(self.state, MPS) else 1.0

    @override
    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        yield from super().arrays()
        yield "clicks.times", self.times
        yield "clicks.which", self.which
        if isinstance(self.state, ExactState) and self.state.sector.charge is not None:
            yield "charge", np.array(self.state.sector.charge)

    @override
    def with_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        begun = self
        if isinstance(self.state, ExactState) and "charge" in arrays:  # which jumps have changed
            theirs = sector(self.state.sector.sites, int(arrays["charge"]))
            begun = replace(self, state=replace(self.state, vector=np.ones(theirs.dim), sector=theirs))
        read = super(ClickSnapshot, begun).with_arrays(arrays)
        return replace(read, times=arrays["clicks.times"], which=arrays["clicks.which"])


class Path(Protocol):
    """A state on its way from click to click.

    Attributes
    ----------
    growth : float
        Logarithm by which rounding and time steps may make a norm grow that can only fall.
    """

    growth: float

    @property
    def log_norm(self) -> float:
        """Logarithm of the norm of the un-normalised state since the last click."""
        ...

    def until(self, begin: float, end: float, log_norm: float) -> float | None:
        """Evolve between two times of an interval, but only until the norm has fallen so far; return when, or None.

        Parameters
        ----------
        begin, end : float
            Counted from the last record.
        log_norm : float
            Where `log_norm` is to stop.
        """
        ...

    def rates(self) -> NDArray[np.float64]:
        """Return ⟨L_k† L_k⟩ of each jump."""
        ...

    def jump(self, number: int) -> None:
        """Let a jump act, and begin with `log_norm` = 0 again."""
        ...

    def record(self, t: float, times: NDArray[np.float64], which: NDArray[np.int64]) -> ClickSnapshot:
        """Return a snapshot with the clicks so far, which stays as it is as long as somebody holds it."""
        ...


class Paths(Protocol):
    """What is made of a model once, for all of its trajectories.

    Attributes
    ----------
    step_error : float
        About how much time steps make local values err, per unit of time; 0 if not at all.
    """

    step_error: float

    def begin(self, state: MPS) -> Path:
        """Return a state at time 0."""
        ...

    def resume(self, after: ClickSnapshot) -> Path:
        """Return a state as it was."""
        ...


@runtime_checkable
class Clicking(Protocol):
    """An evolution of pure states that can stop at any time within a step, jump, and go on."""

    def paths(self, model: OpenModel) -> Paths:
        """Return what is made of a model once, for all of its trajectories; raise if it or a jump can't be treated."""
        ...


class Prepared(NamedTuple, Generic[T]):
    """What is made of a model once, the bytes that a run needs, and the state at time 0 if it is always the same.

    Examples
    --------
    >>> Prepared("gates", size=8.0).size
    8.0
    """

    made: T
    size: float
    state: MPS | None = None


class Kept(Generic[T]):
    """What was made of the last few open models and settings, for all that are the same.

    Trajectories are points of a sweep, each with a model of its own, so that models are compared by what they are.

    Parameters
    ----------
    most : float
        Bytes that all together may need; the last one is kept whatever it needs.

    Examples
    --------
    >>> kept = Kept[str](most=2.0)
    >>> one, other = (models.OpenXXZ(L=4, gamma=0.1) for _ in range(2))
    >>> kept.of(one, "a", lambda: Prepared("", 1.0)).size, kept.of(other, "a", lambda: Prepared("", 2.0)).size
    (1.0, 1.0)
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._made: dict[Any, Prepared[T]] = {}

    def of(self, model: OpenModel, settings: Any, make: Callable[[], Prepared[T]]) -> Prepared[T]:
        """Return what is made of a model and settings.

        Parameters
        ----------
        model : OpenModel
            Any.
        settings : hashable
            What else it depends on.
        make : callable
            Makes it, of nothing.
        """
        generator = model.generator
        key = type(model), model.sites, model.charge, generator.hamiltonian, tuple(generator.jumps), settings
        known = self._made.get(key)
        if known is not None:
            return known
        made = make()
        for oldest, _ in list(self._made.items()):  # of a copy, as other threads may do so at once
            if made.size + sum(other.size for other in list(self._made.values())) > self._most:
                self._made.pop(oldest, None)
        self._made[key] = made
        return made
