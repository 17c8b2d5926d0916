"""Quantum trajectories: pure states that jump at random, whose average is the density operator."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.capability import Capability
from mpsnh.base.clicks import Clicking, ClickSnapshot, Kept, Path, Paths, Prepared, plain_seeds
from mpsnh.base.evolution import PURE, TimeEvolution
from mpsnh.base.model import Model
from mpsnh.base.open_model import OpenModel
from mpsnh.base.records import Diagnostic
from mpsnh.base.remembered import Remembered
from mpsnh.base.snapshot import Snapshot
from mpsnh.operators.timestep import added_up

STREAM = 7
"""Sets the random numbers of trajectories apart from those that models draw with the same seed; not zero."""

_KEPT = Kept[Paths](most=1e9)
"""What was made of the models of the last trajectories."""


@dataclass
class Trajectory:
    """A state on its way, and its clicks.

    Examples
    --------
    >>> algorithm = Trajectories(inner=algorithms.ExactEvolution(dt=1.0, t_max=1.0), seed=3)
    >>> trajectory = algorithm.init(models.OpenXXZ(L=4, gamma=0.5), None)
    >>> trajectory.times, round(trajectory.threshold, 3), 0 < trajectory.choice < 1
    ([], -0.474, True)
    """

    path: Path
    seeds: tuple[int, ...]
    times: list[float] = field(default_factory=list)
    which: list[int] = field(default_factory=list)
    threshold: float = 0.0
    choice: float = 0.0
    step_error: float = 0.0

    def draw(self) -> None:
        """Draw how far the norm falls before the next click, and what decides which it is."""
        waiting, self.choice = np.random.default_rng([*self.seeds, len(self.times), STREAM]).random(2).tolist()
        self.threshold = math.log(1 - waiting) / 2


class Trajectories(Algorithm[ClickSnapshot]):
    """One trajectory of an open system: a pure state that jumps at random, whose average is the density operator.

    (J. Dalibard, Y. Castin, K. Mølmer, PRL 68, 580 (1992); waiting times as in R. Dum, P. Zoller, H. Ritsch,
    PRA 45, 4879 (1992).) Between clicks the state evolves without a norm by H - (i/2) Σ_k L_k† L_k. The next click is
    when its squared norm has fallen to a uniform random number; that time is found within the step, exactly by
    `ExactEvolution`, and by `NHTEBD` with parts of a step of its own Trotter order, so that any number of clicks in a
    step is as good as one. Which jump it is goes by the rates ⟨L_k† L_k⟩.

    An ensemble is a sweep over `seed`, its average that of the dataset over this axis. A click draws its random
    numbers by its number, from `default_rng([*seed, number, 7])`, so that a trajectory is the same on any machine, and
    nearly so with another inner evolution.

    If all jumps change the charge by definite numbers, and H conserves it, states stay in sectors, into which jumps
    lead; else vectors are those of the whole space, and tensors are dense. With `NHTEBD` jumps must act on two
    neighbouring sites. Its `tolerance` has no effect: the coarser run that estimates errors does not follow jumps.
    Compare ensembles of another `max_bond` and `dt`.

    Parameters
    ----------
    inner : ExactEvolution or NHTEBD
        The evolution between clicks, with the time grid and the initial state.
    seed : int or tuple of int
        Names the trajectory, not negative. With realisations of disorder give both, ``seed=(realisation, trajectory)``:
        trajectories of the same seed in different realisations are not independent.

    Raises
    ------
    TypeError
        If `inner` is no evolution of pure states that can jump, or the model is no `mpsnh.OpenModel`.
    ValueError
        If a seed is negative, or a jump or the Hamiltonian is one that `inner` can't treat.
    FloatingPointError
        If the norm grows without a click, or no jump is possible at a click.

    Examples
    --------
    >>> chain = models.OpenXXZ(L=6, gamma=0.2)
    >>> *_, last = Trajectories(inner=algorithms.ExactEvolution(dt=1.0, t_max=4.0), seed=2).records(chain)
    >>> last.clicks, last.times.round(3).tolist(), last.which.tolist()
    (2, [1.369, 3.871], [2, 0])
    """

    yields = ClickSnapshot
    extendable = ("inner.t_max",)
    diagnostics = {
        "log_norm": Diagnostic("log_norm", "logarithm of the norm of the un-normalised state since the last click"),
        "clicks": Diagnostic("clicks", "number of clicks so far"),
        "error": Diagnostic("error", "estimated error of the normalised state, given the clicks"),
        "discarded_weight": Diagnostic("discarded", "discarded weight summed over all truncations"),
        "max_bond": Diagnostic("max_bond", "largest bond dimension"),
        "trotter": Diagnostic("trotter", "estimated error of local values by the Trotter decomposition"),
    }
    inner: TimeEvolution[Any]
    seed: int | tuple[int, ...] = 0

    @override
    def validate(self) -> None:
        if not (isinstance(self.inner, TimeEvolution) and isinstance(self.inner, Clicking)):
            allowed = "an evolution of pure states that can jump, such as ExactEvolution(…) or NHTEBD(…)"
            raise TypeError(f"inner = {self.inner!r}, but it must be {allowed}")
        plain = plain_seeds(self.seed)
        object.__setattr__(self, "seed", plain if isinstance(self.seed, tuple) else plain[0])

    @property
    @override
    def gives(self) -> frozenset[Capability] | None:
        return PURE

    @override
    def check(self, model: Model) -> None:
        self._prepared.of(model)

    @override
    def bytes_needed(self, model: Model) -> float:
        return self._prepared.of(model).size

    @functools.cached_property
    def _prepared(self) -> Remembered[Prepared[Paths]]:
        """What is made of a model once, after it was checked."""
        return Remembered(self._known)

    def _known(self, model: Model) -> Prepared[Paths]:
        if not isinstance(model, OpenModel):
            raise TypeError(
                f"Trajectories needs an mpsnh.OpenModel, which has jumps, not {type(model).__name__}; "
                "models.OpenChain(…) makes one of a Hamiltonian and jump operators"
            )
        return _KEPT.of(model, self.inner, lambda: self._made(model))

    def _made(self, model: OpenModel) -> Prepared[Paths]:
        model.check()
        assert isinstance(self.inner, Clicking)
        paths = self.inner.paths(model)
        state = self.inner.initial_state(model)
        paths.begin(state)  # which may not fit
        size = self.inner.bytes_needed(model.no_click())
        # a function may make another state of a model that evolves alike
        return Prepared(paths, size, None if callable(self.inner.initial) else state)

    @override
    def records(self, model: Model, after: ClickSnapshot | None = None) -> Iterator[ClickSnapshot]:
        """Yield snapshots from time 0, or those that follow an earlier snapshot (none after the last one).

        Parameters
        ----------
        model : OpenModel
            What to evolve.
        after : ClickSnapshot, optional
            Continue from here; the result equals that of an uninterrupted run.
        """
        self.check(model)
        yield from self.inner.along(self, model, after)  # type: ignore[misc]

    def init(self, model: Model, after: Snapshot | None) -> Trajectory:
        """Return a trajectory at time 0, or as it was at an earlier snapshot.

        Parameters
        ----------
        model : OpenModel
            What to evolve.
        after : ClickSnapshot or None
            Where to go on.
        """
        paths, _, state = self._prepared.of(model)
        if after is None:
            state = self.inner.initial_state(model) if state is None else state
            trajectory = Trajectory(paths.begin(state), plain_seeds(self.seed))
        elif isinstance(after, ClickSnapshot):
            trajectory = Trajectory(
                paths.resume(after), plain_seeds(self.seed), after.times.tolist(), after.which.tolist()
            )
        else:
            raise TypeError(f"Trajectories continues a ClickSnapshot, not a {type(after).__name__}")
        trajectory.step_error = paths.step_error
        trajectory.draw()
        return trajectory

    def advance(self, carry: Trajectory, t: float, dt: float, steps: int) -> Trajectory:
        """Bring a trajectory to the next record.

        Parameters
        ----------
        carry : Trajectory
            Which is changed in place.
        t : float
            Its time.
        dt : float
            Length of a step.
        steps : int
            Number of steps.
        """
        path, done, end = carry.path, 0.0, steps * dt
        while (clicked := path.until(done, end, carry.threshold)) is not None:
            done = clicked
            number = _chosen(path.rates(), carry.choice, t + done)
            path.jump(number)
            carry.times.append(t + done)
            carry.which.append(number)
            carry.draw()
        if path.log_norm > path.growth:
            raise FloatingPointError(
                f"the norm grew by a factor 1 + {math.expm1(path.log_norm):.2g} without a click until t = {t + end:g}, "
                "but it can only fall: use a smaller dt"
            )
        return carry

    def record(self, carry: Trajectory, t: float) -> ClickSnapshot:
        """Return a snapshot of a trajectory.

        Parameters
        ----------
        carry : Trajectory
            Which may go on.
        t : float
            Its time.
        """
        snapshot = carry.path.record(t, np.array(carry.times, dtype=float), np.array(carry.which, dtype=np.int64))
        return replace(snapshot, trotter=added_up(carry.step_error, t))


def _chosen(rates: NDArray[np.float64], choice: float, t: float) -> int:
    """Return the number of a jump, by its rate."""
    sums = np.cumsum(rates)
    if not sums[-1] > 0:
        raise FloatingPointError(f"no jump is possible at t = {t:g}, where the norm has fallen: all rates are zero")
    return int(np.searchsorted(sums, choice * sums[-1], side="right"))
