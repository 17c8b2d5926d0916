"""The simulations that the study is made of."""

from __future__ import annotations

from typing import Literal

from mpsnh import algorithms, models, observables
from mpsnh.base.snapshot import Snapshot
from mpsnh.base.spectrum import Spectrum
from mpsnh.run.simulation import Simulation
from mpsnh.studies.brighi2025.indicators import CentralEntropy, ExtremalSolver
from mpsnh.studies.brighi2025.scales import Scale

GAMMA, V = 0.1, 1.1


def _chain(L: int, h: float, seed: int, boundary: Literal["open", "periodic"]) -> models.NonHermitianXXZ:
    return models.NonHermitianXXZ(L=L, gamma=GAMMA, V=V, h=h, seed=seed, boundary=boundary)


def ring(L: int, h: float, seed: int) -> Simulation[Spectrum]:
    """Return the simulation behind one realisation of Figures 1 and 2: the exact spectrum of a periodic chain.

    Parameters
    ----------
    L : int
        Number of sites, even.
    h : float
        Disorder strength.
    seed : int
        Realisation.

    Examples
    --------
    >>> sorted(ring(6, 1.0, 0).run().data_vars)
    ['attempts', 'certified', 'complex_fraction', 'current', 'gap', 'real_spectrum']
    """
    return Simulation(
        _chain(L, h, seed, "periodic"),
        algorithms.ExactDiag(vectors="right", leading=1),
        {
            "current": observables.SteadyStateCurrent(),
            "gap": observables.SteadyStateGap(),
            "real_spectrum": observables.RealSpectrum(),
            "complex_fraction": observables.ImaginaryFraction(),
        },
    )


def evolution(L: int, h: float, seed: int, time: float) -> Simulation[Snapshot]:
    """Return the simulation behind one realisation of the largest chain of Figure 1a: a Néel quench of a ring.

    The norm of the state, which every dataset has, grows as exp(Im E₁ t) in the end.

    Parameters
    ----------
    L : int
        Number of sites, even.
    h : float
        Disorder strength.
    seed : int
        Realisation.
    time : float
        Final time.

    Examples
    --------
    >>> data = evolution(6, 1.0, 0, time=100.0).run()
    >>> dict(data["log_norm"].sizes)
    {'time': 21}
    """
    return Simulation(
        _chain(L, h, seed, "periodic"),
        algorithms.ExactEvolution(dt=time / 20, t_max=time),
        {},
    )


def quench(h: float, seed: int, chi: int, scale: Scale) -> Simulation[Snapshot]:
    """Return the simulation behind one realisation of Figure 3: a Néel quench of an open chain.

    Parameters
    ----------
    h : float
        Disorder strength, one of those of the scale.
    seed : int
        Realisation.
    chi : int
        Bond dimension.
    scale : Scale
        Says the size and the times.

    Examples
    --------
    >>> from mpsnh.studies.brighi2025.scales import SCALES
    >>> quench(1.0, 0, 16, SCALES["quick"]).model.L
    64
    """
    return Simulation(
        _chain(scale.chain, h, seed, "open"),
        algorithms.NHTEBD(dt="auto", t_max=scale.t_max, every=scale.interval, max_bond=chi),
        {
            "current": observables.MidCurrent(half_width=scale.half_width(h)),
            "entropy": observables.EntanglementEntropy(),
        },
    )


def indicators(L: int, h: float, seed: int) -> Simulation[Spectrum]:
    """Return the simulation behind other indicators of one realisation: the whole spectrum of a ring.

    Parameters
    ----------
    L : int
        Number of sites, even.
    h : float
        Disorder strength.
    seed : int
        Realisation.

    Examples
    --------
    >>> sorted(indicators(8, 1.0, 0).observables)
    ['entropy', 'short', 'singular_values', 'spacings']
    """
    return Simulation(
        _chain(L, h, seed, "periodic"),
        algorithms.ExactDiag(vectors="right"),
        {
            "entropy": CentralEntropy(),
            "singular_values": observables.SingularValueGapRatio(central=0.5),
            "spacings": observables.ComplexSpacingRatio(),
            "short": ExtremalSolver(),
        },
    )


def ring_quench(L: int, h: float, seed: int, scale: Scale) -> Simulation[Snapshot]:
    """Return the simulation of a Néel quench of a ring, at the times of Figure 3.

    Parameters
    ----------
    L : int
        Number of sites, even.
    h : float
        Disorder strength.
    seed : int
        Realisation: the same as that of `ring`.
    scale : Scale
        Says the times.

    Examples
    --------
    >>> from mpsnh.studies.brighi2025.scales import SCALES
    >>> ring_quench(6, 1.0, 0, SCALES["quick"]).run()["current"].sizes["time"]
    25
    """
    return Simulation(
        _chain(L, h, seed, "periodic"),
        algorithms.ExactEvolution(dt=scale.interval, t_max=scale.t_max),
        {"current": observables.CurrentProfile()},
    )


def late(L: int, h: float, seed: int) -> Simulation[Snapshot]:
    """Return the simulation of an open chain at late times: a Néel quench to t = 10⁴, with 200 records.

    Parameters
    ----------
    L : int
        Number of sites, even.
    h : float
        Disorder strength.
    seed : int
        Realisation.

    Examples
    --------
    >>> late(6, 1.0, 0).run()["current"].sizes["time"]
    201
    """
    return Simulation(
        _chain(L, h, seed, "open"),
        algorithms.ExactEvolution(dt=LATE / 200, t_max=LATE),
        {"current": observables.MidCurrent(half_width=1), "magnetization": observables.Magnetization()},
    )


LATE = 1e4
"""Final time of `late`."""


def embedded(L: int, h: float, seed: int, longest: int) -> Simulation[Snapshot]:
    """Return the simulation of an open chain that is the middle of the longest one: the same fields and Néel state.

    Parameters
    ----------
    L : int
        Number of sites: `longest` less a multiple of four.
    h : float
        Disorder strength.
    seed : int
        Realisation of the longest chain.
    longest : int
        Number of sites of the longest chain.

    Examples
    --------
    >>> short, long = (embedded(L, 1.0, 0, longest=12).run()["current"] for L in (8, 12))
    >>> difference = abs(short - long)
    >>> bool(difference.sel(time=1) < 0.1 * difference.max())
    True
    """
    left = (longest - L) // 2
    fields = _chain(longest, h, seed, "open").local_fields()[left : left + L]
    chain = models.NonHermitianXXZ(L=L, gamma=GAMMA, V=V, fields=tuple(fields.tolist()))
    return Simulation(
        chain,
        algorithms.ExactEvolution(dt=ARRIVAL_STEP, t_max=longest / 2.0),
        {"current": observables.MidCurrent(half_width=1)},
    )


ARRIVAL_STEP = 0.125
"""Time between the records of `embedded`."""
