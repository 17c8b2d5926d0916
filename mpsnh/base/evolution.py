"""Evolving algorithms: the time grid, the initial state and resuming."""

from __future__ import annotations

import inspect
import math
from abc import abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from typing_extensions import override

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.capability import Capability
from mpsnh.base.initial import InitialState, initial_state
from mpsnh.base.model import Model
from mpsnh.base.records import Diagnostic
from mpsnh.base.snapshot import Snapshot
from mpsnh.checks import require
from mpsnh.states.mps import MPS

PURE = frozenset([Capability.PURE_STATE, Capability.NORM])
"""What an evolution of pure states gives."""

LOG_NORM = {"log_norm": Diagnostic("log_norm", "logarithm of the norm of the un-normalised state")}
"""What an evolution of pure states tells of each of them."""

C = TypeVar("C")
"""What an evolution carries from step to step, of any kind."""


class Stepped(Protocol[C]):
    """What goes by steps, as a `TimeEvolution` does, whose methods say more."""

    def init(self, model: Model, after: Snapshot | None) -> C:
        """Return what is carried from step to step."""
        ...

    def advance(self, carry: C, t: float, dt: float, steps: int) -> C:
        """Return what is carried after some steps."""
        ...

    def record(self, carry: C, t: float) -> Snapshot:
        """Return a snapshot of what is carried."""
        ...


def _meant(dt: float) -> Fraction:
    """Return the decimal number or the ratio of small integers that a float stands for.

    Its multiples are the same floats on all grids that have these times: three steps of 0.1 end at 0.3.
    """
    decimal, ratio = Fraction(f"{dt:.12g}"), Fraction(dt).limit_denominator(10**6)
    near = (number for number in (decimal, ratio) if math.isclose(number, dt, rel_tol=4e-16))
    return next(near, Fraction(dt))


class TimeEvolution(Algorithm[Snapshot], Generic[C]):
    """Base of the algorithms that evolve a state: the time grid, the initial state and resuming.

    A subclass writes three methods: `init` makes what is carried from step to step, `advance` brings it forward in
    time, and `record` makes a snapshot of it.

    Parameters
    ----------
    dt : float or "auto"
        Time step, positive (1 for a Floquet model); with "auto" the algorithm chooses its steps.
    t_max : float
        Final time, a multiple of `dt`, or of `every` with ``dt="auto"``.
    every : float
        Number of steps between records, or with ``dt="auto"`` the time between them; the final time is always recorded.
    initial : "neel", pattern, sequence of str, or callable
        The state at time 0: ``"neel"`` alternates the first and last state of sites that are spins or have two states
        (up, down, up, … or full, empty, full, …), and must have the model's charge, if that has one. Digits such as
        ``"1100"``, repeated along the chain, are numbers of particles, or of spins up. Names of states, one a site,
        make a product state. A function takes the model and returns an `MPS` on sites with the same states as the
        model's; `mpsnh.DomainWall` and `mpsnh.RandomProduct` are such.

    Raises
    ------
    ValueError
        If a time or a number of steps is not allowed.

    Attributes
    ----------
    chooses_steps : bool
        Whether `advance` may be given any time, in which it takes steps of its own; else ``dt="auto"`` is refused.
    initial_names : tuple of str
        The states at time 0 that have a name.
    """

    yields = Snapshot
    extendable = ("t_max",)
    diagnostics = LOG_NORM
    chooses_steps: ClassVar[bool] = False
    initial_names: ClassVar[tuple[str, ...]] = ("neel",)
    dt: float | Literal["auto"]
    t_max: float
    every: float = 1
    initial: InitialState = "neel"

    @override
    def validate(self) -> None:
        if isinstance(self.dt, str):
            number = f"a number, since {type(self).__name__} does not choose its steps"
            require(self.chooses_steps, "dt", self.dt, number)
            require(self.every > 0, "every", self.every, "a time, positive")
        else:
            require(self.dt > 0, "dt", self.dt, "positive")
            whole = self.every == round(self.every)
            require(whole, "every", self.every, "a number of steps, or with dt='auto' the time between records")
            object.__setattr__(self, "every", round(self.every))
            require(self.every >= 1, "every", self.every, "at least 1")
        require(self.t_max > 0, "t_max", self.t_max, "positive")
        require(self._steps(self.t_max) is not None, "t_max", self.t_max, f"a multiple of {self._unit_name}")
        if isinstance(self.initial, list | tuple) and all(isinstance(name, str) for name in self.initial):
            object.__setattr__(self, "initial", tuple(map(str, self.initial)))
        known = callable(self.initial) or isinstance(self.initial, tuple)
        if isinstance(self.initial, str):
            known = self.initial in self.initial_names or (self.initial.isdecimal() and self.initial.isascii())
        require(
            known,
            "initial",
            self.initial,
            f"{' or '.join(map(repr, self.initial_names))}, a pattern such as '1010', or a function of the model that "
            "returns an MPS, such as "
            "lambda model: state, or a list of names of states, one a site",
        )
        if callable(self.initial):
            try:
                inspect.signature(self.initial).bind("model")
            except TypeError:
                found = f"a function of {inspect.signature(self.initial)}"
                raise TypeError(f"initial is {found}, but it must take the model: lambda model: state") from None

    @override
    def parameters(self) -> dict[str, Any]:
        listed = super().parameters()
        return listed | {"order": self.dt} if isinstance(self.dt, str) and "order" in listed else listed

    @property
    def unit(self) -> float:
        """The time of which all records are multiples."""
        return self.every if isinstance(self.dt, str) else self.dt

    @property
    def _unit_name(self) -> str:
        return f"every = {self.every}" if isinstance(self.dt, str) else f"dt = {self.dt}"

    @override
    def check(self, model: Model) -> None:
        model.check()
        if not isinstance(self.dt, str):
            model.check_time_step(self.dt)
        generator = model.generator
        whole = generator.period is None or self.unit == round(self.unit)
        require(whole, "every", self.every, "a whole number of periods")
        if any(generator.at(t) is not generator for t in (self.unit, self.t_max)):
            raise ValueError(
                f"the generator of {type(model).__name__} depends on time, which {type(self).__name__} does not know; "
                "write a circuit whose layers are the steps of one period (mpsnh.FloquetModel)"
            )

    @abstractmethod
    def init(self, model: Model, after: Snapshot | None) -> C:
        """Return what is carried from step to step, at time 0 or as it was at an earlier snapshot.

        Parameters
        ----------
        model : Model
            What to evolve.
        after : Snapshot or None
            Where to go on.

        Raises
        ------
        TypeError, ValueError
            If the state of `after` is of another kind than this algorithm's, or does not fit the model.
        """

    @abstractmethod
    def advance(self, carry: C, t: float, dt: float, steps: int) -> C:
        """Return what is carried after some steps, which may be the same object changed in place.

        Parameters
        ----------
        carry : Any
            As `init` or an earlier call returned it.
        t : float
            Its time.
        dt : float
            Length of a step; with ``dt="auto"`` the time between records.
        steps : int
            Number of steps, after which there is a record.
        """

    @abstractmethod
    def record(self, carry: C, t: float) -> Snapshot:
        """Return a snapshot of what is carried, which must stay as it is as long as somebody holds it."""

    @override
    def records(self, model: Model, after: Snapshot | None = None) -> Iterator[Snapshot]:
        """Yield snapshots from time 0, or those that follow an earlier snapshot (none after the last one).

        Parameters
        ----------
        model : Model
            What to evolve.
        after : Snapshot, optional
            Continue from here; the result equals that of an uninterrupted run.

        Raises
        ------
        ValueError
            If `after` is not on the time grid or later than `t_max`.
        TypeError
            If `after` is no snapshot, or its state is of another kind than this algorithm's.
        """
        self.check(model)
        yield from self.along(self, model, after)

    def along(self, stepped: Stepped[Any], model: Model, after: Snapshot | None) -> Iterator[Snapshot]:
        """Yield the snapshots of whatever goes by steps, at the times of this evolution.

        Parameters
        ----------
        stepped : Stepped
            What has the methods `init`, `advance` and `record`.
        model : Model
            What to evolve.
        after : Snapshot or None
            Continue from here.

        Raises
        ------
        ValueError
            If `after` is not on the time grid or later than `t_max`.
        TypeError
            If `after` is no snapshot.
        """
        if not isinstance(after, Snapshot | None):
            raise TypeError(f"after = {after!r}, but it must be a Snapshot, not {type(after).__name__}")
        reached = 0 if after is None else self._steps(after.time)
        total = round(self.t_max / self.unit)
        if after is not None and (reached is None or not 0 <= reached <= total):
            require(False, "after.time", after.time, f"a multiple of {self._unit_name} up to t_max = {self.t_max}")
        done, first = reached or 0, after is None
        if done == total and not first:
            return
        carry = stepped.init(model, after)
        del after  # whose memory is free once nobody else holds it
        if first:
            yield stepped.record(carry, 0.0)
        dt, every = _meant(self.unit), 1 if isinstance(self.dt, str) else round(self.every)
        while done < total:
            steps = min(every - done % every, total - done)
            carry = stepped.advance(carry, float(done * dt), self.unit, steps)
            done += steps
            yield stepped.record(carry, float(done * dt))

    def initial_state(self, model: Model) -> MPS:
        """Return the state at time 0.

        Parameters
        ----------
        model : Model
            Says how many sites there are, and of which kind.

        Raises
        ------
        TypeError
            If the function given as `initial` returns anything but an `MPS`.
        ValueError
            If the state does not fit the model's sites, vanishes or is not finite.
        """
        return initial_state(self.initial, model)

    def _steps(self, time: float) -> int | None:
        """Return the number of steps to a time, or None if it is off the grid."""
        steps = round(time / self.unit)
        return steps if math.isclose(steps * self.unit, time, rel_tol=1e-9, abs_tol=1e-9 * self.unit) else None
