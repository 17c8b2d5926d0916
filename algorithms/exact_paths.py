"""Exact vectors on their way from click to click."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from mpsnh.base.clicks import GROWTH, ClickSnapshot
from mpsnh.base.open_model import OpenModel
from mpsnh.checks import require, require_memory
from mpsnh.linalg.bounds import EPS
from mpsnh.linalg.matrix import Matrix
from mpsnh.linalg.propagator import Evolving, normalise
from mpsnh.linalg.stretch import Stretch, Stretches
from mpsnh.operators.jumps import between, charge_change
from mpsnh.operators.lindblad import conserves_charge
from mpsnh.operators.matrix import matrix
from mpsnh.operators.sector import LEAK, Sector, sector
from mpsnh.states.blocks import bond_charges
from mpsnh.states.mps import MPS
from mpsnh.states.symmetric import SymmetricMPS, symmetric
from mpsnh.states.vector import ExactState

TINY = 1e-14
"""Squared norm that a jump leaves, relative to the largest one, below which it is rounding."""


class Room:
    """One charge: the no-click Hamiltonian there, and where the jumps lead.

    Parameters
    ----------
    model : OpenModel
        The open system.
    charge : int or None
        The sector; None for the whole space.
    changes : sequence of int
        By how much each jump changes the charge.

    Examples
    --------
    >>> room = Room(models.OpenXXZ(L=4, gamma=0.5), 0, [-2] * 3)
    >>> room.sector.dim, len(room.targets), room.rates(np.eye(6, 2, dtype=complex)).round(12).tolist()
    (6, 3, [1.0, 0.5, 0.0])
    """

    def __init__(self, model: OpenModel, charge: int | None, changes: Sequence[int]) -> None:
        self.sector = sector(model.sites, charge)
        require_memory(self.sector.matrix_bytes() * (2 + len(changes) / 8), f"vectors and jumps of {model.L} sites")
        self._hamiltonian = Matrix.of(matrix(model.no_click().generator, self.sector, 0.0))
        self._stretches: dict[float, Stretches] = {}
        self.targets = [_after(self.sector, change) for change in changes]
        self._jumps = [
            between(jump, self.sector, target) if target else None
            for jump, target in zip(model.generator.jumps, self.targets, strict=True)
        ]

    def stretches(self, interval: float) -> Stretches:
        """Return what expands the evolution in an interval.

        Parameters
        ----------
        interval : float
            Its length.
        """
        if interval not in self._stretches:
            self._stretches[interval] = Stretches(self._hamiltonian, interval)
        return self._stretches[interval]

    def rates(self, pair: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return the squared norm of what each jump makes of a vector.

        Parameters
        ----------
        pair : ndarray, shape (n, 2)
            The vector and something else.
        """
        images = (0.0 if jump is None else jump @ pair[:, 0] for jump in self._jumps)
        return np.array([float(np.vdot(image, image).real) for image in images])

    def jumped(self, pair: NDArray[np.complex128], number: int) -> NDArray[np.complex128]:
        """Let a jump act on a vector and on the sample of its error.

        Parameters
        ----------
        pair : ndarray, shape (n, 2)
            The two.
        number : int
            Which jump.
        """
        jump = self._jumps[number]
        assert jump is not None
        return np.asarray(jump @ pair)


def _after(source: Sector, change: int) -> Sector | None:
    """Return the sector that a jump leads to, if there is one."""
    if source.charge is None or change == 0:
        return source
    try:
        return sector(source.sites, source.charge + change)
    except ValueError:
        return None


class ExactPaths:
    """The exact evolution of an open system between clicks, by charge if all jumps change it by definite numbers.

    Parameters
    ----------
    model : OpenModel
        The open system.

    Examples
    --------
    >>> chain = models.OpenXXZ(L=4, gamma=0.5)
    >>> path = ExactPaths(chain).begin(algorithms.ExactEvolution(dt=1.0, t_max=1.0).initial_state(chain))
    >>> path.rates().round(12).tolist(), path.until(0.0, 1.0, -0.4) < 1.0, round(path.log_norm, 12)
    ([0.5, 0.5, 0.5], True, -0.4)
    """

    step_error = 0.0

    def __init__(self, model: OpenModel) -> None:
        self._model = model
        jumps = model.generator.jumps
        changes = [charge_change(jump, model.sites) for jump in jumps]
        known = [change for change in changes if change is not None]
        charged = any(any(site.charges) for site in model.sites)
        conserved = charged and conserves_charge(model.no_click().generator.terms, model.sites, LEAK)
        self._by_charge = len(known) == len(changes) and conserved
        require(
            self._by_charge or model.charge is None,
            "charge",
            model.charge,
            "None, as the Hamiltonian breaks it or a jump changes it by no definite number",
        )
        self._changes = known if self._by_charge else [0] * len(changes)
        self._rooms: dict[int | None, Room] = {}
        self._begun: tuple[MPS, Room, Evolving] | None = None

    def room(self, charge: int | None) -> Room:
        """Return what there is of a charge.

        Parameters
        ----------
        charge : int or None
            Which one; None for the whole space.
        """
        if charge not in self._rooms:
            changes = self._changes if charge is not None else [0] * len(self._changes)
            self._rooms[charge] = Room(self._model, charge, changes)
        return self._rooms[charge]

    def begin(self, state: MPS) -> ExactPath:
        """Return a state at time 0.

        Parameters
        ----------
        state : MPS
            On the sites of the model.
        """
        begun = self._begun
        if begun is None or begun[0] is not state:
            charge = self._model.charge
            if charge is None and self._by_charge:
                by_charge = symmetric(state)
                if isinstance(by_charge, SymmetricMPS):
                    charge = next(iter(bond_charges(by_charge.blocks()[0])[-1]))
            room = self.room(charge)
            vector = ExactState.from_mps(state, room.sector).vector
            self._begun = begun = state, room, Evolving.of(vector, exact=state.max_bond() == 1)
        return ExactPath(self, *begun[1:])

    def resume(self, after: ClickSnapshot) -> ExactPath:
        """Return a state as it was.

        Parameters
        ----------
        after : ClickSnapshot
            Of the same model.
        """
        state = after.state
        if not isinstance(state, ExactState):
            raise TypeError(f"a trajectory by ExactEvolution continues an ExactState, not {type(state).__name__}")
        room = self.room(state.sector.charge if self._by_charge else None)
        same = (state.sector.sites, state.sector.charge) == (room.sector.sites, room.sector.charge)
        require(same, "sector of the state", state.sector, f"{room.sector}, on the same sites")
        log_norm = after.log_norm or 0.0
        if "sample" not in after.carry:
            return ExactPath(self, room, Evolving(Evolving.of(state.vector).pair, log_norm))
        pair = np.stack([state.vector, after.carry["sample"]], axis=1)
        return ExactPath(self, room, Evolving(pair, log_norm, float(after.carry["slack"])))


class ExactPath:
    """An exact vector on its way from click to click (`mpsnh.base.clicks.Path`).

    Parameters
    ----------
    paths : ExactPaths
        Of its model.
    room : Room
        Its charge.
    evolving : Evolving
        The vector, which is never changed in place.

    Examples
    --------
    >>> chain = models.OpenXXZ(L=4, gamma=0.5)
    >>> path = ExactPaths(chain).begin(algorithms.ExactEvolution(dt=1.0, t_max=1.0).initial_state(chain))
    >>> path.jump(0)
    >>> path.record(0.0, np.zeros(1), np.zeros(1, int)).state.sector.charge
    -2
    """

    growth = GROWTH

    def __init__(self, paths: ExactPaths, room: Room, evolving: Evolving) -> None:
        self._paths, self._room, self._evolving = paths, room, evolving

    @property
    def log_norm(self) -> float:
        """Logarithm of the norm since the last click."""
        return self._evolving.log_norm

    def until(self, begin: float, end: float, log_norm: float) -> float | None:
        """Evolve between two times of an interval, but only until the norm has fallen so far; return when, or None.

        Parameters
        ----------
        begin, end : float
            Counted from the last record.
        log_norm : float
            Where `log_norm` is to stop.
        """
        stretches, t = self._room.stretches(end), begin
        while t < end:
            rest = end - t
            length = rest if rest <= stretches.length * (1 + 1e-12) else stretches.length
            stretch = stretches.from_(self._evolving.pair)
            least = math.exp(2 * (log_norm - self._evolving.log_norm))
            if stretch.squared_norm(length) > least:
                self._take(stretch.at(length))
                t = end if length == rest else t + length
                continue
            fallen = _fallen(stretch, least, length)
            self._take(stretch.at(fallen))
            return t + fallen
        return None

    def _take(self, pair: NDArray[np.complex128]) -> None:
        """Go on with this vector, of any norm, and the sample of its error."""
        more, _ = normalise(pair)
        before = self._evolving
        slack = before.slack + EPS * (4 + 2 * abs(more) + abs(before.log_norm))
        self._evolving = Evolving(pair, before.log_norm + more, slack)

    def rates(self) -> NDArray[np.float64]:
        """Return ⟨L_k† L_k⟩ of each jump."""
        rates = self._room.rates(self._evolving.pair)
        return np.where(rates > TINY * rates.max(initial=0.0), rates, 0.0)

    def jump(self, number: int) -> None:
        """Let a jump act, and begin with `log_norm` = 0 again.

        Parameters
        ----------
        number : int
            Which one.
        """
        pair, target = self._room.jumped(self._evolving.pair, number), self._room.targets[number]
        normalise(pair)
        assert target is not None
        self._room = self._paths.room(target.charge)
        self._evolving = Evolving(pair)

    def record(self, t: float, times: NDArray[np.float64], which: NDArray[np.int64]) -> ClickSnapshot:
        """Return a snapshot with the clicks so far.

        Parameters
        ----------
        t : float
            The time.
        times, which : ndarray
            Of the clicks.
        """
        now = self._evolving
        state = ExactState(now.vector.copy(), self._room.sector)
        carry = {"sample": now.pair[:, 1].copy(), "slack": np.array(now.slack)}
        return ClickSnapshot(t, state, now.log_norm, carry, times=times, which=which, error=now.errors[0])


def _fallen(stretch: Stretch, least: float, length: float) -> float:
    """Return when the squared norm has fallen so far."""
    if stretch.squared_norm(0.0) <= least:  # by rounding
        return 0.0
    return float(scipy.optimize.brentq(lambda t: stretch.squared_norm(t) - least, 0.0, length, xtol=1e-300))
