"""Which law a decay follows, by the likelihood of the realisations: exponential, stretched or with a kink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.optimize
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from mpsnh.checks import require
from mpsnh.statistics.decay import draws, points_to_fit

SIGNIFICANCE = 6.0
"""Points whose mean is not larger than this many standard errors say little of a law, and are left out."""


SINGULAR = 1e10
"""Condition number of a covariance from which on it is singular up to rounding."""


@dataclass(frozen=True)
class Laws:
    """How well three laws of decay agree with realisations.

    Each likelihood is relative to that of the best distribution with means of its own at all points, so that they are
    at most 0: twice the difference from 0 is the misfit. All are divided by the factor by which misfits of resampled
    realisations exceed those of χ².

    Attributes
    ----------
    exponential, stretched, kinked : float
        Logarithm of the empirical likelihood of exp(a - bx), exp(a - bx^c) and two exponentials that join.
    rate : float
        b of the exponential.
    exponent : float
        c of the best stretched exponential: 1 for an exponential.
    exponent_interval : (float, float)
        The exponents that are within 95 %, by the likelihood of the best law with each.
    breakpoint : float
        x at which the best two exponentials join.
    turn : float
        How much steeper the second one is, relative to `rate`: 0 for one exponential.
    misfit_p_value : float
        Probability that data from one exponential deviate from it as much as these do.
    stretched_p_value, kinked_p_value : float
        Probability that data from one exponential favour the other law as much as these do. That of a kink allows for
        the choice of the breakpoint (R. B. Davies, Biometrika 74, 33 (1987)).
    x : ndarray
        The points that were compared.
    count : int
        Number of realisations.

    Examples
    --------
    >>> Laws(-2.0, -1.9, -1.5, 1.2, 1.1, (0.7, 1.5), 4.0, 0.1, 0.7, 0.6, 0.9, np.arange(5.0), 100).best
    'exponential'
    """

    exponential: float
    stretched: float
    kinked: float
    rate: float
    exponent: float
    exponent_interval: tuple[float, float]
    breakpoint: float
    turn: float
    misfit_p_value: float
    stretched_p_value: float
    kinked_p_value: float
    x: NDArray[np.float64]
    count: int

    @property
    def best(self) -> str:
        """The law that the Bayesian information criterion prefers, of two, three and four parameters."""
        scores = {
            name: 2 * getattr(self, name) - parameters * np.log(self.count)
            for name, parameters in (("exponential", 2), ("stretched", 3), ("kinked", 4))
        }
        return max(scores, key=scores.__getitem__)


def decay_laws(
    data: xr.DataArray,
    along: str = "h",
    window: tuple[float, float] = (-np.inf, np.inf),
    over: str = "seed",
) -> Laws:
    """Compare three laws for how the mean over realisations decays: exponential, stretched, and with a kink.

    The likelihood is the empirical one of the realisations, each with its values at all x: the largest probability
    that weights on them can have whose means follow the law (A. B. Owen, Biometrika 75, 237 (1988)). It needs no
    distribution, allows for zeros, skewness and correlations between x, and twice the logarithm of a ratio has the
    usual χ² distribution; where that of few realisations is wider, as resampled ones show, it is scaled.

    Parameters
    ----------
    data : DataArray
        Values with the dimensions `along` and `over` only; x is not negative. A realisation with a NaN is skipped.
    along : str
        Dimension of x, increasing.
    window : (float, float)
        Smallest and largest x to use.
    over : str
        Dimension of the realisations.

    Returns
    -------
    Laws

    Raises
    ------
    ValueError
        If fewer than five points have a mean of more than six standard errors, x is negative, or the realisations do
        not suffice for the covariance of the points.

    Examples
    --------
    >>> h = np.arange(1.0, 9.0)
    >>> noise = np.random.default_rng(1).exponential(size=(8, 400))
    >>> laws = decay_laws(xr.DataArray(np.exp(-0.8 * h)[:, None] * noise, {"h": h}, ("h", "seed")))
    >>> laws.best, laws.exponent_interval[0] < 1 < laws.exponent_interval[1]
    ('exponential', True)
    """
    x, samples = points_to_fit(data, along, window, over, SIGNIFICANCE, least=5)
    rows = samples.T[np.isfinite(samples).all(axis=0)]
    require(bool(x[0] >= 0), along, float(x[0]), "zero or positive, as a stretched exponential has a power of it")
    relative = rows / rows.mean(axis=0)
    varied = len(rows) > len(x) and bool(np.linalg.cond(np.cov(relative, rowvar=False)) < SINGULAR)
    require(
        varied, f"number of realisations along {over!r}", len(rows), f"enough for the covariance of {len(x)} points"
    )
    middle = x.mean()
    constant, line = np.ones_like(x), 1 - x / middle
    fit = _Fit(rows)
    one, theta = fit(np.column_stack([constant, line]))
    excess = _excess(fit, np.column_stack([constant, line]), theta)
    one, slope = one / excess, theta[1]

    def by_exponent(logarithm: float) -> float:
        return fit(np.column_stack([constant, 1 - (x / middle) ** np.exp(logarithm)]))[0] / excess

    found = scipy.optimize.minimize_scalar(lambda c: -by_exponent(c), bounds=EXPONENTS, options={"xatol": 1e-3})
    two, exponent = max(-float(found.fun), one), float(found.x) if -found.fun > one else 0.0
    enough = two - float(stats.chi2.ppf(0.95, 1)) / 2
    interval = [_end(by_exponent, enough, exponent, end) for end in EXPONENTS]

    places = np.interp(np.linspace(1, len(x) - 2, 2 * (len(x) - 3) + 1), np.arange(len(x)), x)
    bent = [fit(np.column_stack([constant, line, -np.maximum(x - place, 0) / middle])) for place in places]
    by_place = np.array([max(likelihood / excess, one) for likelihood, _ in bent])
    chosen = int(by_place.argmax())
    turn = bent[chosen][1][2] / bent[chosen][1][1]
    return Laws(
        exponential=one,
        stretched=two,
        kinked=float(by_place[chosen]),
        rate=float(slope / middle),
        exponent=float(np.exp(exponent)),
        exponent_interval=(float(np.exp(interval[0])), float(np.exp(interval[1]))),
        breakpoint=float(places[chosen]),
        turn=float(turn),
        misfit_p_value=float(stats.chi2.sf(-2 * one, len(x) - 2)),
        stretched_p_value=float(stats.chi2.sf(2 * (two - one), 1)),
        kinked_p_value=_davies(2 * (by_place - one)),
        x=x,
        count=len(rows),
    )


EXPONENTS = (np.log(0.2), np.log(5.0))
"""Logarithms of the exponents between which the best stretched exponential is sought."""


class _Fit:
    """Fits of ln μ = columns · θ to realisations, shape (realisations, points), by empirical likelihood."""

    def __init__(self, rows: NDArray[np.float64]) -> None:
        mean = rows.mean(axis=0)
        self.rows, self.level = rows / mean, np.log(mean)
        relative = np.cov(self.rows, rowvar=False) / len(rows)
        self.root = np.linalg.cholesky(relative + 1e-6 * np.diag(np.diag(relative)))
        self.multipliers = np.zeros(rows.shape[1])  # of the last fit: a start for the next

    def __call__(self, columns: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the largest log-likelihood and θ there."""
        # θ = start + inverse · φ, so that the likelihood is about that of normal numbers φ of variance 1
        basis, triangle = np.linalg.qr(np.linalg.solve(self.root, columns))
        inverse = np.linalg.inv(triangle)
        start = inverse @ (basis.T @ np.linalg.solve(self.root, self.level))
        self.multipliers[:] = 0

        def lost(phi: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            ratios = np.exp(np.clip(self.level - columns @ (start + inverse @ phi), -FARTHEST, FARTHEST))
            likelihood, self.multipliers, weights = _dual(self.rows * ratios - 1, self.multipliers)
            return -likelihood, -inverse.T @ (columns.T @ (self.multipliers * (weights @ self.rows) * ratios))

        found = scipy.optimize.minimize(lost, np.zeros(columns.shape[1]), jac=True, method="BFGS", options=PRECISE)
        return -float(found.fun), start + inverse @ found.x


FARTHEST = 20.0
"""Largest |ln| of a mean over its estimate, or of a weight, that is tried."""

PRECISE = {"gtol": 1e-4}
"""Derivative of the log-likelihood, by parameters in units of their errors, at which a fit ends."""


def _excess(fit: _Fit, columns: NDArray[np.float64], theta: NDArray[np.float64]) -> float:
    """Return by how much misfits are larger than those of χ², at least 1, from resampled realisations on the law.

    Of few realisations with broad distributions they are: a correction as that of Bartlett, by medians.
    """
    on_the_law = fit.rows * np.exp(columns @ theta)
    misfits = [-2 * _Fit(on_the_law[draw])(columns)[0] for draw in draws(len(on_the_law), RESAMPLED, seed=0)]
    return max(1.0, float(np.median(misfits) / stats.chi2.median(len(columns) - columns.shape[1])))


RESAMPLED = 60
"""Resamples behind the correction of misfits."""


def _dual(
    deviations: NDArray[np.float64], start: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest Σ ln(n p) of weights p that make deviations vanish on average, multipliers, and n p.

    The multipliers λ minimise -Σ ln(1 + λ·g), whose logarithm is continued as a parabola below 1/n, so that there is a
    minimum even if no weights exist (Owen, Empirical Likelihood, 2001, Section 12.3).
    """
    n, multipliers = len(deviations), start
    value, slope, curvature = _logarithm(1 + deviations @ multipliers, n)
    for _ in range(STEPS):
        gradient = slope @ deviations
        step = np.linalg.lstsq(np.sqrt(-curvature)[:, None] * deviations, slope / np.sqrt(-curvature))[0]
        if gradient @ step < 1e-10 or value.sum() > FARTHEST * n:  # the latter where no weights exist
            break
        for halving in range(STEPS):
            trial = multipliers + step / 2**halving
            new = _logarithm(1 + deviations @ trial, n)
            if new[0].sum() > value.sum():
                break
        else:
            break
        multipliers, (value, slope, curvature) = trial, new
    return -float(value.sum()), multipliers, slope


STEPS = 50
"""Most steps of Newton's method, and most halvings of one."""


def _logarithm(z: NDArray[np.float64], n: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return ln z with its two derivatives, below 1/n those of the parabola that continues it."""
    least = 1 / n
    inside = np.maximum(z, least)
    value, slope, curvature = np.log(inside), 1 / inside, -1 / inside**2
    beyond = np.minimum(z - least, 0)
    return value + beyond * (slope + beyond * curvature / 2), slope + beyond * curvature, curvature


def _end(profile: Callable[[float], float], enough: float, inside: float, outside: float) -> float:
    """Return where a likelihood falls below what is enough, between a place inside and one outside."""
    if profile(outside) >= enough:
        return outside
    return float(scipy.optimize.brentq(lambda c: profile(c) - enough, inside, outside, xtol=1e-3))


def _davies(ratios: NDArray[np.float64]) -> float:
    """Return the probability of so large a maximum of χ² with one degree of freedom along a path (Davies 1987)."""
    largest = float(ratios.max())
    variation = float(np.abs(np.diff(np.sqrt(ratios))).sum())
    return min(1.0, float(stats.chi2.sf(largest, 1)) + float(variation * np.exp(-largest / 2) / np.sqrt(2 * np.pi)))
