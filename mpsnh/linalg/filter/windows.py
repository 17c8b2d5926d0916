"""Eigenvalues in windows of the spectrum, from moments."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import scipy.special
from numpy.typing import NDArray

from mpsnh.linalg.bounds import EPS, PADDING
from mpsnh.linalg.filter.moments import TRUNCATION, Moments, damped, probe_index

CENTRE = 7
"""Width of a window in units of σ, all eigenvalues of which are kept."""


MARGIN = 3
"""Width on either side of a window, in units of σ, in which there are filters but no eigenvalues are kept."""


ZONE = 8
"""Most windows that share one σ, and with it their sums over moments."""


BROADEST = 0.04
"""Largest σ, an angle. The filters must not reach from the end of the spectrum to the edges at θ = 0 and π."""


LEAST_PIVOT = 3e-12
"""Pivot of a pencil, relative to the largest, that counts as zero; it must exceed what sums over moments leave out."""


ROUNDING = 2 * EPS
"""Rounding error of the moment c_s, relative to s: below it, too, pivots count as zero."""


PENCIL = 0.2
"""Error of an eigenvalue of a pencil in units of that pivot, for a condition number of 1.

Fewer than one eigenvalue in 500 is off by more (`tests/linalg/test_filter.py`).

Near an exceptional point the polynomial that tells ghosts is hardly more wrong than elsewhere; condition numbers know.
"""


GHOST = 1e-3
"""Error of cos(qθ), with qσ = 1/2, above which an eigenvalue of a pencil is not one of H."""


@dataclass(frozen=True)
class _Zone:
    """Some windows that share the width σ of their filters."""

    start: float
    sigma: float
    windows: int

    @property
    def edges(self) -> NDArray[np.float64]:
        """The angles at which the windows begin and end."""
        return self.start + self.sigma * CENTRE * np.arange(self.windows + 1, dtype=float)

    @property
    def mean_angles(self) -> NDArray[np.float64]:
        """The mean angles of all pairs of filters, σ/2 apart."""
        first = self.start + self.sigma * (0.5 - MARGIN)
        return first + self.sigma / 2 * np.arange(2 * (self.windows * CENTRE + 2 * MARGIN) - 1, dtype=float)


def zones_of(angles: NDArray[np.float64], density: NDArray[np.float64], block: int, oversampling: float) -> list[_Zone]:
    """Cover the spectrum with windows that have enough filters for the eigenvalues in them.

    Parameters
    ----------
    angles, density : ndarray
        Number of eigenvalues per angle, at angles from 0 to π.
    block : int
        Number of random vectors.
    oversampling : float
        Filtered vectors for each eigenvalue.

    Examples
    --------
    >>> angles = np.linspace(0, np.pi, 100)
    >>> zones = zones_of(angles, np.full(100, 200 / np.pi), block=8, oversampling=2.0)
    >>> bool(zones[0].edges[0] < 0.31 and zones[-1].edges[-1] > 2.83)
    True
    """
    widths = np.minimum(block / (oversampling * np.maximum(density, 1e-3)), BROADEST)
    widths = np.minimum(widths, 8 * widths.min())

    def narrowest(start: float, end: float) -> float:
        inside = (angles >= start - angles[1]) & (angles <= end + angles[1])
        return float(widths[inside].min())

    edge = math.acos(1 / PADDING)
    start, zones = edge - BROADEST, []
    while start < np.pi - edge + BROADEST:
        sigma = narrowest(start, start)
        for _ in range(3):
            sigma = narrowest(start - MARGIN * sigma, start + (CENTRE + MARGIN) * sigma)
        windows = 1
        while windows < ZONE and start + windows * CENTRE * sigma < np.pi - edge + BROADEST:
            end = start + windows * CENTRE * sigma
            if not 0.95 < narrowest(end, end + (CENTRE + MARGIN) * sigma) / sigma < 1.2:
                break
            windows += 1
        zones.append(_Zone(start, sigma, windows))
        start = float(zones[-1].edges[-1])
    return zones


@dataclass(frozen=True)
class _Window:
    """Eigenvalues x = cos θ in an interval of Re θ and a little beyond, with their errors."""

    low: float
    high: float
    overlap: float
    values: NDArray[np.complex128]
    errors: NDArray[np.float64]

    @property
    def angles(self) -> NDArray[np.float64]:
        """Real parts of θ."""
        return np.arccos(self.values).real


def solved_windows(zone: _Zone, moments: Moments) -> Iterator[_Window]:
    """Yield the eigenvalues of the windows of a zone.

    Parameters
    ----------
    zone : _Zone
        One of `zones_of`.
    moments : Moments
        Enough for filters of its width.

    Examples
    --------
    All eigenvalues of a diagonal matrix:

    >>> import scipy.sparse
    >>> from mpsnh.kernels.multivector import BlockOperator
    >>> from mpsnh.linalg.filter.moments import moments_of
    >>> operator = BlockOperator(scipy.sparse.diags(np.linspace(-0.9, 0.9, 200)).tocsr())
    >>> angles = np.linspace(0, np.pi, 400)
    >>> zones = zones_of(angles, np.full(400, 300 / np.pi), block=8, oversampling=2.0)
    >>> narrowest = min(zone.sigma for zone in zones)
    >>> moments = moments_of(operator, 0.0, 1.0, narrowest, 8, np.random.default_rng(0))
    >>> len(joined([window for zone in zones for window in solved_windows(zone, moments)])[0])
    200
    """
    sigma, probe = zone.sigma, probe_index(zone.sigma)
    order = int(np.flatnonzero(damped(moments.envelope, sigma) > math.log(TRUNCATION))[-1]) + 1
    order = min(order, len(moments.values) - probe)
    s = np.arange(order)
    gauss = sigma * np.where(s == 0, 1, 2) * np.exp(-((s * sigma / 2) ** 2))
    sums = np.cos(np.outer(zone.mean_angles, s)) * gauss
    block = math.isqrt(moments.values.shape[1])
    filtered = [
        (_times_chebyshev(sums, q, order + q) @ moments.values[: order + q]).reshape(-1, block, block)
        for q in (0, 1, probe)
    ]
    filters = np.arange(CENTRE + 2 * MARGIN)
    overlap = np.exp(-(((filters[:, None] - filters) / 2) ** 2))[:, :, None, None]
    size = len(filters) * block
    rounding = max(LEAST_PIVOT, ROUNDING * order)
    for number, (low, high) in enumerate(itertools.pairwise(zone.edges)):
        pairs = 2 * CENTRE * number + filters[:, None] + filters
        pencils = [(overlap * part[pairs]).transpose(0, 2, 1, 3).reshape(size, size) for part in filtered]
        # One eigenvalue contributes about 1 / √n: a window without any is not to take rounding errors for some.
        x, errors, conditions = _pencil_eigenvalues(pencils, probe, rounding, rounding / math.sqrt(moments.dim))
        angles = np.arccos(x).real
        kept = (errors < GHOST) & (angles > low - sigma) & (angles < high + sigma)
        # An error e of cos(qθ) at qσ = 1/2 is one of about 8eσ in θ.
        estimates = np.maximum(8 * sigma * np.sin(angles) * errors, PENCIL * rounding * conditions)
        yield _Window(low, high, sigma, x[kept], estimates[kept])


def _times_chebyshev(sums: NDArray[np.float64], q: int, length: int) -> NDArray[np.float64]:
    """Return the coefficients of Σ_s a_s T_s T_q, with T_s T_q = (T_{s+q} + T_{|s-q|}) / 2."""
    order = sums.shape[1]
    product = np.zeros((len(sums), length))
    product[:, q : q + order] = sums / 2
    product[:, : order - q] += sums[:, q:] / 2
    product[:, 1 : q + 1] += sums[:, :q][:, ::-1] / 2
    return product


def _pencil_eigenvalues(
    pencils: list[NDArray[np.float64]], q: int, rounding: float, smallest: float
) -> tuple[NDArray[np.complex128], NDArray[np.float64], NDArray[np.float64]]:
    """Return the eigenvalues x of H in a window, by how much T_q(x) misses that of T_q(H), and condition numbers.

    The matrices of 1, H and T_q(H) are given. The first one, the metric, is singular, as there are more filters than
    eigenvalues. A rank-revealing decomposition, Q Tᵀ Zᵀ with a triangular T, gives bases in which it is the identity.
    """
    metric, pencil, probe = pencils
    q_basis, upper, pivots = scipy.linalg.qr(metric, pivoting=True, check_finite=False)
    pivot_sizes = np.abs(np.diag(upper))
    rank = int(np.count_nonzero(pivot_sizes > max(rounding * pivot_sizes[0], smallest)))
    if rank == 0:
        return np.empty(0, complex), np.empty(0), np.empty(0)
    z_basis, triangle = scipy.linalg.qr(upper[:rank].T, mode="economic", check_finite=False)
    weights = np.sqrt(np.abs(np.diag(triangle)))[:, None]
    left = weights * scipy.linalg.solve_triangular(triangle, q_basis[:, :rank].T, trans=1, check_finite=False)
    right = np.empty_like(z_basis)
    right[pivots] = z_basis / weights.T
    x, vectors = scipy.linalg.eig(left @ pencil @ right, check_finite=False)
    dual = np.linalg.inv(vectors)
    expected = np.einsum("ij,ji->i", dual, left @ probe @ right @ vectors)
    return x, np.abs(expected - np.cos(q * np.arccos(x))), np.linalg.norm(dual, axis=1)


def joined(windows: list[_Window]) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return the eigenvalues of all windows, cut where there are none.

    Both windows next to an edge know the eigenvalues there. The cut is in the widest gap between them, so that
    rounding can't make two of one or lose it.

    Parameters
    ----------
    windows : list of _Window
        From left to right, as in the example of `solved_windows`.

    Examples
    --------
    >>> half = np.array([0.5 + 0j])
    >>> left, right = (_Window(low, low + 1, 0.2, half, np.zeros(1)) for low in (0.05, 1.05))
    >>> joined([left, right])[0].tolist()
    [(0.5+0j)]
    """
    cuts = [-np.inf]
    for left, right in itertools.pairwise(windows):
        reach = min(left.overlap, right.overlap) / 2
        angles = np.concatenate([left.angles, right.angles])
        near = angles[np.abs(angles - left.high) < reach]
        points = np.sort(np.concatenate([near, [left.high - reach, left.high + reach]]))
        widest = np.argmax(np.diff(points))
        cuts.append(float(points[widest : widest + 2].mean()))
    cuts.append(np.inf)
    inside = [
        (window.angles >= low) & (window.angles < high)
        for window, (low, high) in zip(windows, itertools.pairwise(cuts), strict=True)
    ]
    return (
        np.concatenate([window.values[kept] for window, kept in zip(windows, inside, strict=True)]),
        np.concatenate([window.errors[kept] for window, kept in zip(windows, inside, strict=True)]),
    )
