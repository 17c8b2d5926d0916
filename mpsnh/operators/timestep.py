"""The longest Trotter steps whose error is small enough, found from the Hamiltonian on a few sites."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from mpsnh.checks import require
from mpsnh.language.circuit import Gate, apply_gate, trotter
from mpsnh.language.generator import Circuit, Hamiltonian, unknown
from mpsnh.language.site import Site
from mpsnh.operators.bonds import bond_hamiltonians
from mpsnh.operators.sector import joint_charges
from mpsnh.operators.steps import Steps

LARGEST_WINDOW = 64
"""Dimension up to which windows grow: six spins, as many as the leading error of order 4 joins."""

WORST = 4
"""How many windows are looked at again for other steps: those with the largest error at first."""

MOST_WORK = 2 * 10**8
"""Sum of the cubes of the dimensions of windows above which not all are looked at: some seconds."""

MOST_STATES = 512
"""Dimension of a window above which its steps take too long to choose."""

MOST_STEPS = 4096
"""Number of steps in an interval above which none is chosen."""

ORDERS_CHOSEN = {2: 2, 4: 12}
"""Orders that are tried, and layers of one of many steps."""


@functools.singledispatch
def time_step(generator: Any, sites: Sequence[Site], interval: float, target: float) -> tuple[int, int]:
    """Return the Trotter order and the number of steps in an interval that take the fewest layers of gates.

    A window of six spins, or fewer sites of more states, holds the leading error of a step, which is compared with the
    exact evolution of the window. The largest of all windows per unit of time, in the operator norm, is what local
    values are off by, within a factor of about two: what errs far from a site, or long ago, has little effect there.
    Without contraction errors add up over long times, and gain and loss that are large next to the couplings can
    amplify what is small when it errs.

    Parameters
    ----------
    generator : Generator
        What makes the state evolve.
    sites : sequence of Site
        The chain.
    interval : float
        Time between records, in which there is a whole number of steps.
    target : float
        Error of local values by the steps that is aimed at.

    Returns
    -------
    order, steps : int
        Those of a circuit are its periods.

    Raises
    ------
    ValueError
        If gates on bonds can't make the evolution, more than 4096 steps were needed, or sites have too many states.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=40, gamma=0.1, h=2.0, seed=1)
    >>> time_step(chain.generator, chain.sites, interval=1.0, target=1e-3)
    (4, 2)
    """
    raise unknown(generator, "a time step")


@time_step.register
def _(generator: Circuit, sites: Sequence[Site], interval: float, target: float) -> tuple[int, int]:
    require(interval == round(interval), "every", interval, "whole periods of a Floquet model")
    return 1, round(interval)


@time_step.register
def _(generator: Hamiltonian, sites: Sequence[Site], interval: float, target: float) -> tuple[int, int]:
    windows = _distinct(bond_hamiltonians(generator.at(0.0).terms, sites), sites)
    choices = {order: _fewest(windows, order, interval, target) for order in ORDERS_CHOSEN}
    order = min(choices, key=lambda order: ORDERS_CHOSEN[order] * choices[order])
    if choices[order] > MOST_STEPS:
        needed = f"at most {MOST_STEPS} steps between records; this needs more of them for an error of {target:g}"
        require(False, "every", interval, f"{needed}, so use a smaller `every` or a larger `tolerance`")
    return order, choices[order]


def step_error(generator: Hamiltonian, sites: Sequence[Site], dt: float, order: int) -> float:
    """Return about how much local values are off by Trotter steps, per unit of time, as long as errors only add up.

    It is infinite where sites have so many states that it is not computed.

    Parameters
    ----------
    generator : Hamiltonian
        What makes the state evolve.
    sites : sequence of Site
        The chain.
    dt : float
        Length of a step.
    order : {1, 2, 4}
        Trotter order.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=40, gamma=0.1, h=2.0, seed=1)
    >>> round(step_error(chain.generator, chain.sites, 0.1, 2) / step_error(chain.generator, chain.sites, 0.05, 2), 1)
    4.0
    """
    try:
        windows = _distinct(bond_hamiltonians(generator.at(0.0).terms, sites), sites)
    except _TooLargeError:
        return math.inf
    return max(window.rate(dt, order) for window in windows)


CAUTION = 2.0
"""By what the estimated error of time steps is multiplied."""


def added_up(step_error: float, time: float) -> float:
    """Return an estimate of the error of local values after a time, as if nothing were forgotten, from 0 to 1.

    Parameters
    ----------
    step_error : float
        What `step_error` returned.
    time : float
        The time.

    Examples
    --------
    >>> added_up(0.01, 5.0), added_up(np.inf, 0.0)
    (0.1, 0.0)
    """
    return min(1.0, CAUTION * step_error * time) if time else 0.0


class _TooLargeError(ValueError):
    """A few sites have too many states for what their steps do to be computed."""


def _fewest(windows: Sequence[Window], order: int, interval: float, target: float) -> int:
    """Return the smallest number of steps whose error is below the target, or one that is too large."""
    steps = 1
    rates = [window.rate(interval, order) for window in windows]
    worst = [windows[k] for k in np.argsort(rates)[::-1][:WORST]]
    rate = max(rates)
    while rate > target and steps <= MOST_STEPS:
        # Errors fall with this power of the number, but less so at first.
        further = min(2.0 * steps, steps * (rate / target) ** (1 / order))
        steps = max(steps + 1, int(further))
        rate = max(window.rate(interval / steps, order) for window in worst)
    return steps


class Window:
    """Some neighbouring sites of a chain with the bonds between them, and how far Trotter steps err there.

    Parameters
    ----------
    bonds : sequence of ndarray
        The Hamiltonian of each bond.
    sites : sequence of Site
        The sites.
    parity : {0, 1}
        Of the first bond in the chain, which tells which bonds act first.

    Examples
    --------
    >>> chain = models.NonHermitianXXZ(L=4, h=1.0, seed=1)
    >>> window = Window(bond_hamiltonians(chain.terms(), chain.sites), chain.sites, parity=0)
    >>> float(round(np.log2(window.rate(0.1, 4) / window.rate(0.05, 4)), 1))
    4.0
    """

    def __init__(self, bonds: Sequence[NDArray[np.complex128]], sites: Sequence[Site], parity: int) -> None:
        self.parity, self.dims = parity, [site.dim for site in sites]
        self.gates = [Gate(h, (j, j + 1)) for j, h in enumerate(bonds)]
        total = joint_charges([site.charges for site in sites])
        values, counts = np.unique(total, return_counts=True)
        conserves = Steps([(gate,) for gate in self.gates], sites).conserves
        kept = total == values[counts.argmax()] if conserves else np.ones(len(total), dtype=bool)
        self.kept = np.flatnonzero(kept)  # the largest sector stands for all
        if len(self.kept) > MOST_STATES:
            needed = f"a number, since {len(sites)} sites have {len(self.kept)} states, too many to choose steps with"
            raise _TooLargeError(f"dt = 'auto', but it must be {needed}")
        self.hamiltonian = sum(self._restricted([gate]) for gate in self.gates)

    def _restricted(self, layer: Sequence[Gate]) -> NDArray[np.complex128]:
        """Return a product of gates as a matrix."""
        vectors = np.zeros((int(np.prod(self.dims)), len(self.kept)), dtype=complex)
        vectors[self.kept, range(len(self.kept))] = 1
        for gate in layer:
            vectors = apply_gate(vectors, gate, self.dims)
        return vectors[self.kept]

    def rate(self, dt: float, order: int) -> float:
        """Return the relative error of a step in the operator norm, per unit of time, or of a longer step as it is.

        Parameters
        ----------
        dt : float
            Length of the step.
        order : {1, 2, 4}
            Trotter order.
        """
        none = [np.zeros((1, 1), dtype=complex)] * self.parity  # so that the window begins with an even bond
        step = np.eye(len(self.kept), dtype=complex)
        for layer in trotter([*none, *(gate.matrix for gate in self.gates)], dt, order):
            own = (gate._replace(where=(gate.where[0] - self.parity, gate.where[1] - self.parity)) for gate in layer)
            step = self._restricted([gate for gate in own if gate.where[0] >= 0]) @ step
        with np.errstate(all="ignore"), contextlib.suppress(np.linalg.LinAlgError):
            exact = scipy.linalg.expm(-1j * dt * self.hamiltonian)
            relative = np.linalg.solve(exact.T, (step - exact).T) / min(dt, 1.0)
            if np.isfinite(relative).all():
                return float(np.linalg.norm(relative, 2))
        return math.inf


def _distinct(bonds: Sequence[NDArray[np.complex128]], sites: Sequence[Site]) -> list[Window]:
    """Return the windows of a chain, those that look alike once; of large ones some stand for all."""
    known: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for first, last in _spans([site.dim for site in sites]):
        inside, chain = bonds[first:last], sites[first : last + 1]
        key = first % 2, *(h.tobytes() for h in inside), *(site.charges for site in chain)
        known.setdefault(key, (inside, chain, first % 2))
    work = sum(math.prod(site.dim for site in chain) ** 3 for _, chain, _ in known.values())
    return [Window(*window) for window in list(known.values())[:: max(1, work // MOST_WORK)]]


def _spans(dims: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last sites of windows that are as wide as their dimension allows, three sites at least."""
    L, first, last = len(dims), 0, -1
    while last < L - 1:
        wider = max(last + 1, min(first + 2, L - 1))
        while wider < L - 1 and np.prod(dims[first : wider + 2]) <= LARGEST_WINDOW:
            wider += 1
        if wider > last:
            yield first, wider
        first, last = first + 1, wider
