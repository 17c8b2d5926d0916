"""States that evolutions begin with: product states by name, by pattern or at random."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from mpsnh.base.model import Model
from mpsnh.checks import require
from mpsnh.language.site import Spin
from mpsnh.operators.sector import outside
from mpsnh.states.mps import MPS
from mpsnh.states.state import State
from mpsnh.value import Value

InitialState = Literal["neel"] | str | Sequence[str] | Callable[[Model], State]
"""``"neel"``, a pattern of digits, the names of a state for each site, or a function that makes the state."""


class DomainWall(Value):
    """The product state whose left part has the highest charges of its sites, and whose right part has the lowest.

    That is up … up down … down of spins, full … full empty … empty of fermions. Call it with a model, or give it as
    `initial` of an evolution.

    Parameters
    ----------
    left : int, optional
        Number of sites of the left part; half of them if not given.

    Examples
    --------
    >>> DomainWall()(models.NonHermitianXXZ(L=4)).expect_each("Sz").real.tolist()
    [0.5, 0.5, -0.5, -0.5]
    """

    left: int | None = None

    def __call__(self, model: Model) -> MPS:
        """Return the state on the model's sites."""
        left = model.L // 2 if self.left is None else self.left
        require(0 <= left <= model.L, "left", left, f"from 0 to L = {model.L}")
        charged = all(len(set(site.charges)) > 1 for site in model.sites)
        require(charged, "initial", self, "a list of names of states, as a site has none of higher charge")
        which = [int((np.argmax if j < left else np.argmin)(site.charges)) for j, site in enumerate(model.sites)]
        return product_state(model, which, repr(self))


class RandomProduct(Value):
    """A product state of states of the sites, drawn at random among those that have the model's charge.

    All of them are equally likely. Call it with a model, or give it as `initial` of an evolution.

    Parameters
    ----------
    seed : int
        Names the draw.

    Raises
    ------
    ValueError
        If no product state has the model's charge.

    Examples
    --------
    >>> spins = RandomProduct(seed=1)(models.NonHermitianXXZ(L=6)).expect_each("Sz").real
    >>> float(spins.sum()), sorted(spins.tolist())
    (0.0, [-0.5, -0.5, -0.5, 0.5, 0.5, 0.5])
    """

    seed: int = 0

    def __call__(self, model: Model) -> MPS:
        """Return the state on the model's sites."""
        rng = np.random.default_rng(self.seed)
        # ways[j][q]: logarithms of the numbers of ways in which the sites from j on have charge q together
        ways: list[dict[int, float]] = [{0: 0.0}]
        for site in reversed(model.sites):
            more: dict[int, list[float]] = {}
            for charge in site.charges:
                for q, number in ways[0].items():
                    more.setdefault(q + charge, []).append(number)
            ways.insert(0, {q: float(np.logaddexp.reduce(numbers)) for q, numbers in more.items()})
        left = model.charge
        require(left is None or left in ways[0], "charge", left, "that of some product state")
        which = []
        for site, after in zip(model.sites, ways[1:], strict=True):
            if left is None:
                which.append(int(rng.integers(site.dim)))
                continue
            weights = np.array([after.get(left - charge, -np.inf) for charge in site.charges])
            weights = np.exp(weights - weights.max())
            which.append(int(rng.choice(site.dim, p=weights / weights.sum())))
            left -= site.charges[which[-1]]
        return product_state(model, which, repr(self))


def product_state(model: Model, which: Sequence[int], name: str) -> MPS:
    """Return the product of one state of each site, which must have the model's charge.

    Parameters
    ----------
    model : Model
        Has the sites.
    which : sequence of int
        Place of the state among those of the site.
    name : str
        What it is called, for the message.

    Raises
    ------
    ValueError
        If the model has another charge.

    Examples
    --------
    >>> product_state(models.NonHermitianXXZ(L=4), [0, 0, 0, 1], "this")
    Traceback (most recent call last):
    ValueError: initial = 'this' has charge 2: ...
    """
    total = sum(site.charges[k] for site, k in zip(model.sites, which, strict=True))
    if model.charge not in (None, total):
        raise ValueError(f"initial = {name!r} has charge {total}: {outside(1.0, model.charge)}")
    return MPS.product(model.sites, [site.states[k] for site, k in zip(model.sites, which, strict=True)])


def neel(model: Model) -> MPS:
    """Return the state that alternates the first and the last state of each site.

    Parameters
    ----------
    model : Model
        Has the sites: spins, or of two states.

    Raises
    ------
    ValueError
        If there is no such state on the sites, or the model has another charge.

    Examples
    --------
    >>> neel(models.NonHermitianXXZ(L=4)).expect_each("Sz").real.tolist()
    [0.5, -0.5, 0.5, -0.5]
    """
    for j, site in enumerate(model.sites):
        if site.dim > 2 and not isinstance(site, Spin):
            raise ValueError(
                f"initial = 'neel', but it must be a function, as site {j} is a {site!r}; 'neel' is up, down, up, … "
                "of spins, or full, empty, full, …; initial=lambda model: MPS.product(model.sites, [...]) takes the "
                "name of a state for each site"
            )
    return product_state(model, [(site.dim - 1) * (j % 2) for j, site in enumerate(model.sites)], "neel")


def pattern(digits: str, model: Model) -> MPS:
    """Return the product state that digits name, repeated along the chain.

    A digit is the number of particles of a boson or fermion; of a spin it counts from the lowest state: of a spin 1/2
    1 is up and 0 is down.

    Parameters
    ----------
    digits : str
        As many as there are sites, or so many that they repeat.
    model : Model
        Has the sites.

    Raises
    ------
    ValueError
        If a site has no such state, the chain is no multiple of the pattern, or the model has another charge.

    Examples
    --------
    >>> pattern("1100", models.NonHermitianXXZ(L=8)).expect_each("Sz").real.tolist()
    [0.5, 0.5, -0.5, -0.5, 0.5, 0.5, -0.5, -0.5]
    """
    whole = model.L % len(digits) == 0
    require(whole, "initial", digits, f"a pattern whose length divides L = {model.L}")
    names = digits * (model.L // len(digits))
    return product_state(model, [_place(model, j, int(digit)) for j, digit in enumerate(names)], digits)


def _place(model: Model, j: int, number: int) -> int:
    """Return the place of the state of a site with a number of quanta above its lowest charge."""
    site = model.sites[j]
    quanta = (np.array(site.charges) - min(site.charges)) // (2 if isinstance(site, Spin) else 1)
    places = np.flatnonzero(quanta == number)
    require(len(places) == 1, "initial", number, f"a number of quanta that one state of site {j}, a {site!r}, has")
    return int(places[0])


def initial_state(initial: InitialState, model: Model) -> MPS:
    """Return the state that `initial` of an evolution says.

    Parameters
    ----------
    initial : "neel", pattern, sequence of str, or callable
        As of `TimeEvolution`.
    model : Model
        Says how many sites there are, and of which kind.

    Raises
    ------
    TypeError
        If a function returns anything but an `MPS`.
    ValueError
        If the state does not fit the model's sites, vanishes or is not finite.

    Examples
    --------
    >>> initial_state("10", models.NonHermitianXXZ(L=4)).expect_each("Sz").real.tolist()
    [0.5, -0.5, 0.5, -0.5]
    """
    if initial == "neel":
        return neel(model)
    if isinstance(initial, str):
        return pattern(initial, model)
    if not callable(initial):
        require(len(initial) == model.L, "number of names in initial", len(initial), f"L = {model.L}, one a site")
        return MPS.product(model.sites, initial)
    return fitted(initial(model), model)


def fitted(state: object, model: Model) -> MPS:
    """Return a state that a function made as one of the model's sites, or raise.

    Parameters
    ----------
    state : object
        What the function returned.
    model : Model
        The model.

    Raises
    ------
    TypeError, ValueError
        As `initial_state`.

    Examples
    --------
    >>> fitted("up", models.NonHermitianXXZ(L=4))
    Traceback (most recent call last):
    TypeError: initial returned str, but it must return an MPS
    """
    if not isinstance(state, MPS):
        raise TypeError(f"initial returned {type(state).__name__}, but it must return an MPS")
    made: MPS = state.on_sites(model.sites, "the initial state", "the model")
    try:
        log_norm = made.log_norm()
    except FloatingPointError:
        log_norm = math.nan
    norm = 0.0 if log_norm == -math.inf else log_norm
    require(log_norm > -math.inf, "norm of the initial state", norm, "finite and positive")
    return made
